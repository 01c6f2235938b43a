//! POST with a sid: what the client sends (docs/protocol/engineio.md#polling).

use serde_json::{Value, json};

use crate::support::Binary;
use crate::support::engineio::{Line, Packet, Request, Session, Version, exchange};
use crate::{MOMENT, closed_for, echo, metric};

/// A message packet with the question for the details.
const DETAILS: &str = "4{\"event\":\"detailsView\"}";

fn say(message: &str) -> Packet {
    Packet::message(json!({"event": "say", "room": "defaultRoom", "message": message}))
}

#[tokio::test]
async fn a_post_is_answered_ok() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        let payload = version.payload(&[Packet::Text(DETAILS.to_owned())]);
        let reply = session.post_reply(payload).await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        assert_eq!(reply.header("content-type"), Some("text/html"));
        assert_eq!(reply.header("content-length"), Some("2"));
    }
}

#[tokio::test]
async fn the_packets_of_a_post_are_taken_in_order() {
    let address = echo("").await;
    for version in Version::BOTH {
        let mut session = Session::open(address, version).await;
        let sent: Vec<_> = (0..100).map(Packet::message).collect();
        session.send(&sent).await;
        assert_eq!(session.poll().await, sent);
    }
}

#[tokio::test]
async fn posts_one_after_the_other_are_taken_in_order() {
    let address = echo("").await;
    let mut session = Session::open(address, Version::V4).await;
    for number in 0..300 {
        session.send(&[Packet::message(number)]).await;
    }
    for number in 0..300 {
        assert_eq!(session.next().await, Packet::message(number));
    }
}

#[tokio::test]
async fn a_post_while_a_get_is_held_leaves_it_held_if_nothing_is_answered() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.start_poll().await;
    // A pong that nobody asked for is nothing to answer.
    session.post("3").await;
    tokio::time::sleep(MOMENT).await;
    assert!(session.is_held());
    session.post(DETAILS).await;
    assert_eq!(session.polled().await.status, 200);
}

#[tokio::test]
async fn two_posts_at_once_close_the_session() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut listener = server.plain().await;
        listener.join("defaultRoom").await;
        let mut session = Session::greeted(server.address, version).await;
        session.join("defaultRoom").await;

        // The first has sent its head and half of its body.
        let payload = version.payload(&[say("half")]);
        let bytes = session.post_request(payload).bytes();
        let mut first = Line::connect(server.address).await;
        first.write(&bytes[..bytes.len() - 5]).await;
        tokio::time::sleep(MOMENT).await;

        let second = session.post_reply(version.payload(&[say("second")])).await;
        assert_eq!(second.fault(), (400, 3));
        session.assert_unknown().await;
        // The first is cut or refused, whatever else it sends; it may be cut before it does.
        let _cut = first.try_write(&bytes[bytes.len() - 5..]).await;
        if let Some(reply) = first.reply_or_cut().await {
            assert_eq!(reply.status, 400);
        }
        // Neither was delivered.
        listener.say("defaultRoom", "last").await;
        assert_eq!(listener.hears().await["message"], "last");
    }
}

#[tokio::test]
async fn a_body_of_the_largest_size_is_taken() {
    let server = Binary::configured("[polling]\nmax_payload_bytes = 1024\n");
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        let bare = json!({"event": "detailsView", "padding": ""}).to_string();
        let frame = if version == Version::V3 {
            "1020:".len()
        } else {
            0
        };
        let padding = "x".repeat(1024 - "4".len() - frame - bare.len());
        let packet = json!({"event": "detailsView", "padding": padding});
        let payload = version.payload(&[Packet::message(&packet)]);
        assert_eq!(payload.len(), 1024);
        session.post(payload).await;
        session.count(1);
        assert_eq!(session.next_json().await["messageCount"], 1);
    }
}

#[tokio::test]
async fn a_body_over_the_cap_is_413_and_the_session_lives() {
    let server = Binary::configured("[polling]\nmax_payload_bytes = 1024\n");
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        for length in [1025, 5000, 1_000_000] {
            // The rest of a large body may not be read any more; what counts is the answer.
            let request = session.post_request(vec![b'4'; length]);
            let mut line = Line::connect(server.address).await;
            let _cut = line.try_write(request.bytes()).await;
            assert_eq!(line.reply().await.status, 413, "{length}");
        }
        session.details().await;
    }
}

#[tokio::test]
async fn an_undecodable_packet_closes_the_session() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut listener = server.plain().await;
        listener.join("defaultRoom").await;
        let mut session = Session::greeted(server.address, version).await;
        session.join("defaultRoom").await;
        let bad = Packet::Text("9what".to_owned());
        let payload = version.payload(&[say("before"), bad, say("after")]);
        let reply = session.post_reply(payload).await;
        assert_eq!(reply.fault(), (400, 3));
        session.assert_unknown().await;
        // What stood before it was delivered, what stood behind it was not.
        listener.say("defaultRoom", "last").await;
        for expected in ["before", "last"] {
            assert_eq!(listener.hears().await["message"], expected);
        }
    }
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 2);
}

#[tokio::test]
async fn a_held_get_ends_with_the_session() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.start_poll().await;
    tokio::time::sleep(MOMENT).await;
    assert_eq!(session.post_reply("9").await.fault(), (400, 3));
    // Whatever it says, it is said now and not at the next heartbeat.
    let _reply = session.polled().await;
    session.assert_unknown().await;
}

#[tokio::test]
async fn an_empty_body_is_no_packet() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        assert_eq!(
            session.post_reply("").await.fault(),
            (400, 3),
            "{version:?}"
        );
        session.assert_unknown().await;
    }
}

#[tokio::test]
async fn bytes_are_refused_under_v4_and_close_the_session() {
    let server = Binary::demo();
    for content_type in [
        "application/octet-stream",
        "application/octet-stream; charset=binary",
        "Application/Octet-Stream",
    ] {
        let mut session = Session::greeted(server.address, Version::V4).await;
        let request = Request::post(&session.target("polling"), DETAILS);
        let request = request.header("Content-Type", content_type);
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.status, 400, "{content_type}");
        session.assert_unknown().await;
        session.start_poll().await;
        assert_eq!(session.polled().await.fault(), (400, 1));
    }
}

#[tokio::test]
async fn other_content_types_are_text() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    for content_type in [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/json",
        "",
    ] {
        let target = session.target("polling");
        let request = Request::post(&target, DETAILS).header("Content-Type", content_type);
        let reply = exchange(server.address, &request).await;
        assert_eq!((reply.status, reply.text()), (200, "ok"), "{content_type}");
    }
    // None at all.
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{DETAILS}",
        session.target("polling"),
        DETAILS.len()
    );
    let mut line = Line::connect(server.address).await;
    line.write(head).await;
    assert_eq!(line.reply().await.text(), "ok");
    for number in 1..=5 {
        assert_eq!(session.next_json().await["messageCount"], number);
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_taken_whole() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let target = session.target("polling");
    let mut line = Line::connect(server.address).await;
    line.write(format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    // Each byte in a chunk of its own.
    for byte in DETAILS.bytes() {
        line.write(format!("1\r\n{}\r\n", char::from(byte))).await;
    }
    line.write("0\r\n\r\n").await;
    assert_eq!(line.reply().await.text(), "ok");
    assert_eq!(session.next_json().await["messageCount"], 1);
}

#[tokio::test]
async fn a_post_that_is_cut_delivers_nothing() {
    let server = Binary::demo();
    let mut listener = server.plain().await;
    listener.join("defaultRoom").await;
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.join("defaultRoom").await;
    // All packets but one are there, but the body is not.
    let payload = Version::V4.payload(&[say("one"), say("two"), say("three")]);
    let bytes = session.post_request(payload).bytes();
    let mut line = Line::connect(server.address).await;
    line.write(&bytes[..bytes.len() - 3]).await;
    tokio::time::sleep(MOMENT).await;
    drop(line);
    tokio::time::sleep(MOMENT).await;
    listener.say("defaultRoom", "last").await;
    assert_eq!(listener.hears().await["message"], "last");
    assert_eq!(listener.so_far().await, Vec::<Value>::new());
}
