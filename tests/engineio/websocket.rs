//! Sessions that begin on a WebSocket: `transport=websocket` without a sid (docs/protocol/engineio.md#opening).

use serde_json::{Value, json};

use crate::raw::{self, BINARY, Raw, TEXT};
use crate::support::Binary;
use crate::support::engineio::{ENGINE, Opening, PRIMUS, Packet, Request, Version, exchange};
use crate::{SESSIONS, closed_for, echo, metric, metric_becomes};

#[tokio::test]
async fn the_open_packet_is_the_first_frame_and_offers_no_upgrade() {
    let server = Binary::demo();
    for door in [ENGINE, PRIMUS] {
        for version in Version::BOTH {
            let opening = Opening::new(server.address, version).door(door);
            let mut socket = opening.socket().await;
            let Packet::Text(open) = socket.packet().await else {
                panic!("the open packet is text");
            };
            let offer: Value = serde_json::from_str(&open[1..]).unwrap();
            let sid = offer["sid"].as_str().unwrap();
            assert_eq!(sid.len(), 24);
            let expected = format!(
                "0{{\"sid\":\"{sid}\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}}"
            );
            assert_eq!(open, expected);
            assert_eq!(socket.next_json().await["context"], "api", "the greeting");
        }
    }
}

#[tokio::test]
async fn requests_are_answered() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut socket = Opening::new(server.address, version).socket().await;
        let _open = socket.packet().await;
        for number in 1..=10 {
            let answer = socket
                .request(json!({"event": "detailsView"}), number)
                .await;
            assert_eq!(answer["status"], "OK");
        }
        assert_eq!(metric(&server, SESSIONS).await, 1);
        socket.close().await;
        metric_becomes(&server, SESSIONS, 0).await;
    }
    assert_eq!(metric(&server, &closed_for("peer_closed")).await, 2);
}

#[tokio::test]
async fn each_frame_is_one_packet() {
    let address = echo("").await;
    let mut socket = Opening::new(address, Version::V4).socket().await;
    let _open = socket.packet().await;
    // Byte 30 separates nothing here.
    for text in [
        "4hello",
        "4",
        "4a\u{1e}4b",
        "4\u{1e}",
        "4€ 😀 \0",
        "4bAQID",
        "46",
    ] {
        socket.send(text).await;
        assert_eq!(socket.packet().await, text);
    }
}

#[tokio::test]
async fn bytes_of_v4_stand_in_a_frame_as_they_are() {
    let address = echo("").await;
    let mut socket = Opening::new(address, Version::V4).socket().await;
    let _open = socket.packet().await;
    let all: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    for bytes in [&[1, 2, 3, 4][..], &[4], &[], b"4hello", &all] {
        socket.send_binary(bytes).await;
        assert_eq!(socket.packet().await, Packet::Binary(bytes.to_vec()));
    }
}

#[tokio::test]
async fn bytes_of_v4_may_come_in_base64_too() {
    // Primus's client does that.
    let address = echo("").await;
    let mut socket = Opening::new(address, Version::V4).socket().await;
    let _open = socket.packet().await;
    socket.send("bAQIDBA==").await;
    assert_eq!(socket.packet().await, Packet::Binary(vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn bytes_of_v4_leave_in_base64_where_the_client_asked_for_it() {
    // Primus's client asks.
    let address = echo("").await;
    let opening = Opening::new(address, Version::V4).query("b64=1");
    let mut socket = opening.clone().socket().await;
    let _open = socket.packet().await;
    let mut upgraded = opening.session().await.upgrade().await;
    for socket in [&mut socket, &mut upgraded] {
        socket.send_binary(&[1, 2, 3, 4]).await;
        assert_eq!(socket.packet().await, "bAQIDBA==");
        socket.send("bAQIDBA==").await;
        assert_eq!(socket.packet().await, "bAQIDBA==");
    }
}

#[tokio::test]
async fn messages_in_several_frames_are_one() {
    let address = echo("").await;
    let target = Opening::new(address, Version::V4).target("websocket");
    let mut socket = Raw::upgraded(address, &target).await;
    let _open = socket.frame().await;
    socket.send(raw::TEXT_BEGINS, "4hel").await;
    socket.send(raw::CONTINUES, "lo ").await;
    socket.send(raw::ENDS, "world").await;
    assert_eq!(socket.frame().await.unwrap().payload, b"4hello world");
}

#[tokio::test]
async fn what_is_no_packet_closes() {
    let server = Binary::demo();
    let frames: [(u8, &[u8]); 7] = [
        (TEXT, b""),
        (TEXT, b"9"),
        (TEXT, b"x"),
        (TEXT, b" 4{}"),
        (TEXT, b"-4"),
        (TEXT, b"4\xff"),
        (0x83, b"4{}"),
    ];
    for (number, (first, payload)) in frames.into_iter().enumerate() {
        let target = Opening::new(server.address, Version::V4).target("websocket");
        let mut socket = Raw::upgraded(server.address, &target).await;
        let _open = socket.frame().await;
        socket.send(first, payload).await;
        // Whatever close code it has, it ends.
        socket.rest().await;
        metric_becomes(&server, SESSIONS, 0).await;
        let faults = metric(&server, &closed_for("protocol_error")).await
            + metric(&server, &closed_for("invalid_text")).await;
        assert_eq!(faults, number as u64 + 1, "{}", payload.escape_ascii());
    }
}

#[tokio::test]
async fn bytes_of_v3_without_a_message_in_them_close() {
    let server = Binary::demo();
    for bytes in [&b""[..], b"\x09", b"\x34hello"] {
        let mut socket = Opening::new(server.address, Version::V3).socket().await;
        let _open = socket.packet().await;
        socket.send_binary(bytes).await;
        socket.closed().await;
        metric_becomes(&server, SESSIONS, 0).await;
    }
}

#[tokio::test]
async fn a_close_packet_ends_the_session() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut socket = Opening::new(server.address, version).socket().await;
        let _open = socket.packet().await;
        socket.send("1").await;
        socket.closed().await;
        metric_becomes(&server, SESSIONS, 0).await;
    }
    assert_eq!(metric(&server, &closed_for("peer_closed")).await, 2);
}

#[tokio::test]
async fn its_sid_is_of_no_use_for_polling() {
    let server = Binary::demo();
    let opening = Opening::new(server.address, Version::V4);
    let mut socket = opening.socket().await;
    let Packet::Text(open) = socket.packet().await else {
        panic!("the open packet is text");
    };
    let offer: Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = offer["sid"].as_str().unwrap();
    let target = format!("{}&sid={sid}", opening.target("polling"));
    for request in [Request::get(&target), Request::post(&target, "4{}")] {
        assert_eq!(exchange(server.address, &request).await.fault(), (400, 3));
    }
    // Nor for a second socket.
    let target = format!("{}&sid={sid}", opening.target("websocket"));
    let second = crate::support::engineio::Socket::connect(server.address, &target, &[]).await;
    assert_eq!(second.unwrap().closed().await, 1005, "closed at once");
    let _welcome = socket.packet().await;
    socket.request(json!({"event": "detailsView"}), 1).await;
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009() {
    let server = Binary::configured("[limits]\nmax_message_bytes = 1000\n");
    let mut socket = Opening::new(server.address, Version::V4).socket().await;
    let _open = socket.packet().await;
    let _welcome = socket.packet().await;
    let bare = json!({"event": "detailsView", "padding": ""}).to_string();
    let padding = "x".repeat(990 - bare.len());
    let fits = json!({"event": "detailsView", "padding": padding});
    socket.request(fits, 1).await;
    socket.send(&format!("4{}", "x".repeat(1500))).await;
    assert_eq!(socket.closed().await, 1009);
    assert_eq!(metric(&server, &closed_for("message_too_big")).await, 1);
}

#[tokio::test]
async fn bytes_that_are_json_are_read_as_text() {
    let server = Binary::demo();
    let mut socket = Opening::new(server.address, Version::V4).socket().await;
    let _open = socket.packet().await;
    let _welcome = socket.packet().await;
    socket.send_binary(b"{\"event\":\"detailsView\"}").await;
    assert_eq!(socket.next_json().await["messageCount"], 1);
}

#[tokio::test]
async fn pings_of_websocket_itself_are_answered() {
    let server = Binary::demo();
    let target = Opening::new(server.address, Version::V4).target("websocket");
    let mut socket = Raw::upgraded(server.address, &target).await;
    socket.send(BINARY, b"{\"event\":\"detailsView\"}").await;
    socket.send(raw::PING, "are you there").await;
    loop {
        let frame = socket.frame().await.expect("a pong");
        if frame.first == raw::PONG {
            assert_eq!(frame.payload, b"are you there");
            break;
        }
    }
}
