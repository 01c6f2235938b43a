//! Packets and payloads of v4 (docs/protocol/engineio.md#packets).

use serde_json::{Value, json};

use crate::echo;
use crate::support::Binary;
use crate::support::engineio::{Packet, Session, Version};

async fn echoing() -> Session {
    Session::open(echo("").await, Version::V4).await
}

#[tokio::test]
async fn packets_are_separated_by_byte_30_and_bytes_are_base64() {
    let mut session = echoing().await;
    let body = "4hello\u{1e}bAQIDBA==";
    session.post(body).await;
    let reply = session.poll_reply().await;
    assert_eq!(reply.text(), body);
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=UTF-8")
    );
}

#[tokio::test]
async fn a_single_packet_has_no_separator() {
    let mut session = echoing().await;
    for body in ["4hello", "4", "bAQIDBA==", "b"] {
        session.post(body).await;
        assert_eq!(session.poll_reply().await.text(), body);
    }
}

#[tokio::test]
async fn bytes_of_every_value_and_length_pass() {
    let mut session = echoing().await;
    let all: Vec<u8> = (0..=255).collect();
    let mut packets = vec![Packet::Binary(all.repeat(40))];
    packets.extend((0..20).map(|length| Packet::Binary(all[..length].to_vec())));
    packets.extend((0..20).map(|length| Packet::Binary(all[256 - length..].to_vec())));
    session.send(&packets).await;
    assert_eq!(session.poll().await, packets);
}

#[tokio::test]
async fn base64_is_the_standard_alphabet_with_padding() {
    let mut session = echoing().await;
    // The two characters in which alphabets differ, and every kind of padding.
    for body in ["b+/8=", "b////", "b++++", "bAA==", "bAAA=", "bAAAA"] {
        session.post(body).await;
        assert_eq!(session.poll_reply().await.text(), body);
    }
}

#[tokio::test]
async fn text_of_all_kinds_passes_unharmed() {
    let mut session = echoing().await;
    let texts = [
        "€ ä ß 日本語 עברית",
        "😀👩‍👩‍👧‍👦",
        "\u{1}\u{1f}\u{7f}",
        "\0",
        "a\r\nb\nc\td",
        "\u{feff}",
        "4",
        "b",
        "bAQ==",
        "6:4hello",
        "%20+&=",
        "\\n \\\\n \" ' <script>",
    ];
    let packets: Vec<_> = texts.iter().map(Packet::message).collect();
    session.send(&packets).await;
    assert_eq!(session.poll().await, packets);
}

#[tokio::test]
async fn text_and_bytes_keep_their_order() {
    let mut session = echoing().await;
    let packets: Vec<_> = (0_u8..100)
        .map(|number| match number % 3 {
            0 => Packet::message(number),
            1 => Packet::Binary(vec![number]),
            _ => Packet::message(""),
        })
        .collect();
    session.send(&packets).await;
    assert_eq!(session.poll().await, packets);
}

#[tokio::test]
async fn byte_30_in_json_is_escaped_and_travels() {
    let server = Binary::demo();
    let mut ann = Session::greeted(server.address, Version::V4).await;
    ann.join("defaultRoom").await;
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let text = "a\u{1e}b\u{1e}";
    bob.say("defaultRoom", text).await;
    let reply = ann.poll_reply().await;
    assert!(!reply.text().contains('\u{1e}'), "{}", reply.text());
    let packets = ann.packets(&reply);
    let said: Value = serde_json::from_str(packets[0].as_message().unwrap()).unwrap();
    assert_eq!(said["message"], text);

    let say = json!({"event": "say", "room": "defaultRoom", "message": text});
    ann.send_json(&[say]).await;
    assert_eq!(
        bob.wait_push(|it| it["from"] != said["from"]).await["message"],
        text
    );
}

#[tokio::test]
async fn payloads_that_are_none_close_the_session() {
    let server = Binary::demo();
    let bodies: [&[u8]; 14] = [
        b"9",
        b"7x",
        b"x",
        b"hello",
        b" 4x",
        b"\n",
        b"-1",
        b"\x1e",
        b"\x1e4{}",
        b"4{}\x1e",
        b"4{}\x1e\x1e4{}",
        b"4\xff\xfe",
        b"\xc3",
        b"B AQID",
    ];
    for body in bodies {
        let mut session = Session::greeted(server.address, Version::V4).await;
        let reply = session.post_reply(body).await;
        assert_eq!(reply.status, 400, "{}", body.escape_ascii());
        assert_eq!(reply.fault(), (400, 3), "{}", body.escape_ascii());
        session.assert_unknown().await;
    }
}

#[tokio::test]
async fn payloads_of_v3_are_none_under_v4() {
    let server = Binary::demo();
    // These begin with a digit that is a type of v4, so that only the whole of it can tell.
    for body in ["9:4{\"a\":1}x", "7:4hello!"] {
        let mut session = Session::greeted(server.address, Version::V4).await;
        assert_eq!(session.post_reply(body).await.fault(), (400, 3), "{body}");
        session.assert_unknown().await;
    }
}

#[tokio::test]
async fn noops_of_a_client_mean_nothing() {
    let mut session = echoing().await;
    session.post("4a\u{1e}6\u{1e}4b").await;
    assert_eq!(session.poll().await, ["4a", "4b"]);
}
