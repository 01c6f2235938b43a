//! engine.io v3, where it differs (docs/protocol/engineio.md#version-3).

use serde_json::{Value, json};

use crate::support::Binary;
use crate::support::engineio::{
    Opening, Packet, Request, Session, Version, binary_payload, exchange, framed,
};
use crate::{SESSIONS, closed_for, echo, metric};

const BYTES: &str = "application/octet-stream";

async fn echoing(query: &str) -> Session {
    let opening = Opening::new(echo("").await, Version::V3);
    opening.query(query).session().await
}

/// Posts a binary payload.
async fn post_bytes(session: &Session, payload: Vec<u8>) -> (u16, String) {
    let request = Request::post(&session.target("polling"), payload);
    let request = request.header("Content-Type", BYTES);
    let reply = exchange(session.address(), &request).await;
    (reply.status, String::from_utf8(reply.body).unwrap())
}

#[tokio::test]
async fn texts_are_framed_with_their_length() {
    let mut session = echoing("").await;
    for body in [
        "6:4hello2:40",
        "1:4",
        "6:4hello",
        "2:4:",
        "3:410",
        "1:41:41:4",
    ] {
        session.post(body).await;
        let reply = session.poll_reply().await;
        assert_eq!(reply.text(), body);
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=UTF-8")
        );
    }
}

#[tokio::test]
async fn lengths_count_utf_16_units() {
    let mut session = echoing("").await;
    for (body, text) in [
        ("2:4€", "€"),
        ("4:4äöü", "äöü"),
        ("3:4😀", "😀"),
        ("5:4😀😀2:4x", "😀😀"),
        ("12:4👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
        ("3:4e\u{301}", "e\u{301}"),
    ] {
        assert!(body.starts_with(&framed(&format!("4{text}"))), "{body}");
        session.post(body).await;
        assert_eq!(session.poll_reply().await.text(), body);
    }
}

#[tokio::test]
async fn text_of_all_kinds_passes_unharmed() {
    let mut session = echoing("").await;
    let texts = ["\u{1e}", "a\u{1e}b", "\0", "1:4", "b4AQ==", "\r\n", "%20+&"];
    let packets: Vec<_> = texts.iter().map(Packet::message).collect();
    session.send(&packets).await;
    assert_eq!(session.poll().await, packets);
}

#[tokio::test]
async fn bytes_in_a_payload_of_text_are_base64_behind_b4() {
    let mut session = echoing("b64=1").await;
    session.post("10:b4AQIDBA==").await;
    let reply = session.poll_reply().await;
    assert_eq!(reply.text(), "10:b4AQIDBA==");
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=UTF-8")
    );
    session.post("2:b46:4hello6:b4+/8=").await;
    assert_eq!(session.poll_reply().await.text(), "2:b46:4hello6:b4+/8=");
}

#[tokio::test]
async fn only_b64_1_asks_for_base64() {
    for (query, is_text) in [("b64=1", true), ("b64=0", false), ("x=1", false)] {
        let mut session = echoing(query).await;
        session.post("10:b4AQIDBA==").await;
        let reply = session.poll_reply().await;
        let content_type = reply.header("content-type");
        assert_eq!(content_type != Some(BYTES), is_text, "{query}");
        assert_eq!(session.packets(&reply), [Packet::Binary(vec![1, 2, 3, 4])]);
    }
}

#[tokio::test]
async fn an_answer_with_bytes_is_bytes_as_a_whole() {
    let mut session = echoing("").await;
    session.post("10:b4AQIDBA==").await;
    let reply = session.poll_reply().await;
    assert_eq!(reply.header("content-type"), Some(BYTES));
    assert_eq!(reply.body, b"\x01\x05\xff\x04\x01\x02\x03\x04");
    // Texts among them are UTF-8, and their length is in bytes.
    session.post("6:4hello10:b4AQIDBA==2:4€").await;
    let reply = session.poll_reply().await;
    assert_eq!(reply.header("content-type"), Some(BYTES));
    assert_eq!(
        reply.body,
        b"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04\x00\x04\xff4\xe2\x82\xac"
    );
    // Lengths of several digits.
    let packet = Packet::Binary(vec![7; 1234]);
    session.send(std::slice::from_ref(&packet)).await;
    let reply = session.poll_reply().await;
    assert_eq!(reply.body[..6], *b"\x01\x01\x02\x03\x05\xff");
    assert_eq!(session.packets(&reply), [packet]);
    // Without any, it is text.
    session.post("6:4hello").await;
    assert_eq!(session.poll_reply().await.text(), "6:4hello");
}

#[tokio::test]
async fn a_client_may_post_bytes() {
    let mut session = echoing("").await;
    let packets = [
        Packet::message("hello"),
        Packet::Binary(vec![1, 2, 3, 4]),
        Packet::message("€ 😀"),
        Packet::Binary(Vec::new()),
        Packet::message(""),
        Packet::Binary((0..=255).collect()),
    ];
    let posted = post_bytes(&session, binary_payload(&packets)).await;
    assert_eq!(posted, (200, "ok".to_owned()));
    assert_eq!(session.poll().await, packets);
    // To the byte.
    let payload = b"\x00\x06\xff4hello\x01\x03\xff\x04\x01\x02";
    assert_eq!(post_bytes(&session, payload.to_vec()).await.0, 200);
    assert_eq!(session.poll_reply().await.body, payload);
}

#[tokio::test]
async fn a_session_that_asked_for_base64_may_post_bytes_too() {
    let mut session = echoing("b64=1").await;
    let packets = [Packet::Binary(vec![1, 2, 3, 4])];
    assert_eq!(post_bytes(&session, binary_payload(&packets)).await.0, 200);
    assert_eq!(session.poll_reply().await.text(), "10:b4AQIDBA==");
}

#[tokio::test]
async fn packets_of_an_answer_are_in_order_whatever_they_are() {
    for query in ["b64=1", "x=1"] {
        let mut session = echoing(query).await;
        let packets: Vec<_> = (0_u8..100)
            .map(|number| match number % 4 {
                0 => Packet::message(format!("{number} €")),
                1 => Packet::Binary(vec![number; usize::from(number)]),
                2 => Packet::message(""),
                _ => Packet::Binary(vec![0xFF, 0, number]),
            })
            .collect();
        session.send(&packets).await;
        assert_eq!(session.poll().await, packets);
        assert_eq!(post_bytes(&session, binary_payload(&packets)).await.0, 200);
        assert_eq!(session.poll().await, packets);
    }
}

#[tokio::test]
async fn payloads_of_text_that_are_none_close_the_session() {
    let server = Binary::demo();
    for body in [
        "4hello",
        ":4",
        "x:4",
        "-1:4",
        "+1:4",
        " 1:4",
        "1 :4",
        "1.0:4",
        "0x1:4",
        "0:",
        "0:4",
        "5:4hi",
        "6:4hell",
        "3:4hi7",
        "3:4hi:",
        "2:4😀",
        "99999999999999999999:4",
        "18446744073709551617:4",
        "4294967297:4",
        "2:9x",
        "2:x4",
        "1:b",
        "2:b9",
        "1:4\u{1e}1:4",
        "\u{feff}1:4",
    ] {
        let mut session = Session::greeted(server.address, Version::V3).await;
        let reply = session.post_reply(body).await;
        assert_eq!(reply.fault(), (400, 3), "{body:?}");
        session.assert_unknown().await;
    }
    assert_eq!(metric(&server, SESSIONS).await, 0);
}

#[tokio::test]
async fn payloads_of_bytes_that_are_none_close_the_session() {
    let server = Binary::demo();
    let bodies: [&[u8]; 18] = [
        b"",
        b"\x00",
        b"\x00\xff",
        b"\x00\x00\xff",
        b"\x00\x01",
        b"\x00\x01\xff",
        b"\x00\x06\xff4hell",
        b"\x02\x01\xff4",
        b"4hello",
        b"\x00\x0a\xff4hello1234",
        b"\x00\x01\xff9",
        b"\x00\x02\xff4\xff",
        b"\x01\x01\xff\x09",
        b"\x01\x00\xff",
        b"\x01\x02\xff4x",
        b"\x00\x01\xff4\x00",
        b"\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4",
        &[&b"\x00"[..], &[9; 400], b"\xff4"].concat(),
    ];
    for body in bodies {
        let session = Session::greeted(server.address, Version::V3).await;
        let (status, text) = post_bytes(&session, body.to_vec()).await;
        assert_eq!(status, 400, "{}", body.escape_ascii());
        assert!(text.contains("\"code\":3"), "{text}");
        session.assert_unknown().await;
    }
    assert_eq!(metric(&server, SESSIONS).await, 0);
}

#[tokio::test]
async fn what_stands_before_a_bad_packet_is_delivered() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let say = |text: &str| {
        Packet::message(json!({"event": "say", "room": "defaultRoom", "message": text}))
    };
    let mut ann = Session::greeted(server.address, Version::V3).await;
    ann.join("defaultRoom").await;
    let mut payload = binary_payload(&[say("in bytes")]);
    payload.extend_from_slice(b"\x07\x01\xff4");
    assert_eq!(post_bytes(&ann, payload).await.0, 400);
    assert_eq!(bob.hears().await["message"], "in bytes");
    ann.assert_unknown().await;

    let mut ann = Session::greeted(server.address, Version::V3).await;
    ann.join("defaultRoom").await;
    let payload = format!("{}999:4", Version::V3.payload(&[say("in text")]));
    assert_eq!(ann.post_reply(payload).await.fault(), (400, 3));
    assert_eq!(bob.hears().await["message"], "in text");
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 2);
}

#[tokio::test]
async fn frames_of_bytes_begin_with_their_type() {
    let address = echo("").await;
    let mut socket = Opening::new(address, Version::V3).socket().await;
    let _open = socket.packet().await;
    socket.send_binary(&[4, 1, 2, 3, 4]).await;
    assert_eq!(socket.packet().await, Packet::Binary(vec![4, 1, 2, 3, 4]));
    socket.send_binary(&[4]).await;
    assert_eq!(socket.packet().await, Packet::Binary(vec![4]));
    socket.send("b4AQIDBA==").await;
    assert_eq!(socket.packet().await, Packet::Binary(vec![4, 1, 2, 3, 4]));
    socket.send("4€ hello").await;
    assert_eq!(socket.packet().await, "4€ hello");
}

#[tokio::test]
async fn frames_of_bytes_are_base64_where_the_client_asked_for_it() {
    let address = echo("").await;
    let opening = Opening::new(address, Version::V3).query("b64=1");
    let mut socket = opening.socket().await;
    let _open = socket.packet().await;
    socket.send("b4AQIDBA==").await;
    assert_eq!(socket.packet().await, "b4AQIDBA==");
    socket.send_binary(&[4, 1, 2, 3, 4]).await;
    assert_eq!(socket.packet().await, "b4AQIDBA==");
}

#[tokio::test]
async fn bytes_after_an_upgrade_are_as_the_session_asked() {
    for (query, is_text) in [("b64=1", true), ("x=1", false)] {
        let mut session = echoing(query).await;
        let mut socket = session.upgrade().await;
        socket.send("4hello").await;
        assert_eq!(socket.packet().await, "4hello");
        socket.send_binary(&[4, 1, 2, 3, 4]).await;
        let packet = socket.packet().await;
        if is_text {
            assert_eq!(packet, "b4AQIDBA==");
        } else {
            assert_eq!(packet, Packet::Binary(vec![4, 1, 2, 3, 4]));
        }
    }
}

#[tokio::test]
async fn the_revision_is_that_of_the_opening() {
    // A later request that claims another revision changes nothing about how its session speaks.
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V3).await;
    session.send_json(&[json!({"event": "detailsView"})]).await;
    let target = session.target("polling").replace("EIO=3", "EIO=4");
    let reply = exchange(server.address, &Request::get(&target)).await;
    if reply.status == 200 {
        let packets = session.packets(&reply);
        let answer: Value = serde_json::from_str(packets[0].as_message().unwrap()).unwrap();
        assert_eq!(answer["messageCount"], 1);
    } else {
        assert_eq!(reply.status, 400);
    }
}
