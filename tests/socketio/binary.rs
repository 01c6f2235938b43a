//! Bytes as arguments of verbs: rooms speak JSON, so they become base64 text for everybody alike
//! (docs/protocol/socketio.md#binary).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::engineio::{Packet, Version, framed};
use crate::support::socketio::{Carrier, Kind, Peer, into_text, text};
use crate::support::{Binary, Client};
use crate::{CONNECTED, closed_for, metric, metric_becomes};

/// An event `say` whose message is this JSON, with `count` attachments announced.
fn say(count: usize, message: &str) -> Packet {
    text(format!(
        "45{count}-[\"say\",{{\"room\":\"defaultRoom\",\"message\":{message}}}]"
    ))
}

/// What stands for the attachment with this number.
fn placeholder(number: usize) -> String {
    format!("{{\"_placeholder\":true,\"num\":{number}}}")
}

/// A server with a listener in the room.
async fn with_listener() -> (Binary, Client) {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    (server, bob)
}

/// A client in the room.
async fn member(server: &Binary, kind: Kind) -> Peer {
    let mut peer = Peer::connected(server.address, kind).await;
    peer.join("defaultRoom").await;
    peer
}

#[tokio::test]
async fn bytes_are_the_same_text_for_every_member() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        let mut ann = member(&server, kind).await;
        for bytes in [
            vec![1, 2, 3, 4],
            vec![0],
            (0..=255).collect(),
            vec![0xFE; 100_000],
        ] {
            let expected = STANDARD.encode(&bytes);
            ann.send_all(&[say(1, &placeholder(0)), Packet::Binary(bytes)])
                .await;
            assert_eq!(bob.hears().await["message"], expected, "{kind:?}");
            assert_eq!(ann.hears().await["message"], expected, "{kind:?}");
        }
        ann.rest_after("1").await;
    }
}

#[tokio::test]
async fn by_polling_bytes_are_base64_behind_a_mark() {
    let (server, mut bob) = with_listener().await;
    let header = into_text(say(1, &placeholder(0)));
    for (version, payload) in [
        (Version::V4, format!("{header}\u{1e}bAQIDBA==")),
        (Version::V3, format!("{}10:b4AQIDBA==", framed(&header))),
    ] {
        let kind = Kind {
            version,
            carrier: Carrier::Polling,
        };
        let mut ann = member(&server, kind).await;
        ann.session().post(payload).await;
        assert_eq!(bob.hears().await["message"], "AQIDBA==");
    }
}

#[tokio::test]
async fn a_client_of_version_3_may_post_its_bytes_as_they_are() {
    use crate::support::engineio::{Request, binary_payload, exchange};
    let (server, mut bob) = with_listener().await;
    let mut ann = member(&server, Kind::PLAIN[2]).await;
    let packets = [say(1, &placeholder(0)), Packet::Binary(vec![1, 2, 3, 4])];
    let target = ann.session().target("polling");
    let request = Request::post(&target, binary_payload(&packets));
    let request = request.header("Content-Type", "application/octet-stream");
    let reply = exchange(server.address, &request).await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    assert_eq!(bob.hears().await["message"], "AQIDBA==");
}

#[tokio::test]
async fn attachments_may_come_one_post_after_the_other() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        let mut ann = member(&server, kind).await;
        let message = format!("[{},{}]", placeholder(0), placeholder(1));
        ann.send_all(&[say(2, &message)]).await;
        ann.send_all(&[Packet::Binary(vec![1])]).await;
        ann.send_all(&[Packet::Binary(vec![2])]).await;
        let heard = bob.hears().await;
        assert_eq!(heard["message"], json!(["AQ==", "Ag=="]), "{kind:?}");
    }
}

#[tokio::test]
async fn signs_of_life_may_come_in_between() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        let mut ann = member(&server, kind).await;
        // They are engine.io's, which socket.io does not see.
        let sign = match kind.version {
            Version::V4 => "3",
            Version::V3 => "2",
        };
        let packets = [say(1, &placeholder(0)), text(sign), Packet::Binary(vec![1])];
        ann.send_all(&packets).await;
        assert_eq!(bob.hears().await["message"], "AQ==", "{kind:?}");
    }
}

#[tokio::test]
async fn an_upgrade_may_come_in_between() {
    let (server, mut bob) = with_listener().await;
    for kind in [Kind::PLAIN[0], Kind::PLAIN[2]] {
        let mut ann = member(&server, kind).await;
        ann.send_all(&[say(1, &placeholder(0))]).await;
        ann.upgrade().await;
        ann.send_all(&[Packet::Binary(vec![1])]).await;
        assert_eq!(bob.hears().await["message"], "AQ==", "{kind:?}");
    }
}

#[tokio::test]
async fn placeholders_may_stand_anywhere_and_in_any_order() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        let mut ann = member(&server, kind).await;
        let message = format!(
            "{{\"a\":[{},{{\"b\":{}}}],\"c\":\"d\",\"e\":{{\"num\":0, \"_placeholder\" : true }}}}",
            placeholder(2),
            placeholder(1)
        );
        let bytes = [1, 2, 3].map(|byte| Packet::Binary(vec![byte]));
        ann.send_all(&[&[say(3, &message)], &bytes[..]].concat())
            .await;
        let expected = json!({"a": ["Aw==", {"b": "Ag=="}], "c": "d", "e": "AQ=="});
        assert_eq!(bob.hears().await["message"], expected, "{kind:?}");
    }
}

#[tokio::test]
async fn whole_packets_may_hold_bytes() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        let mut ann = member(&server, kind).await;
        let packet = "451-9[\"message\",{\"event\":\"say\",\"room\":\"defaultRoom\",\"message\":{\"_placeholder\":true,\"num\":0}}]";
        ann.send_all(&[text(packet), Packet::Binary(vec![1])]).await;
        assert_eq!(ann.answer(9).await["status"], "OK");
        assert_eq!(bob.hears().await["message"], "AQ==", "{kind:?}");
    }
}

#[tokio::test]
async fn a_message_of_bytes_alone_is_read_as_text_if_it_is_some() {
    let server = Binary::demo();
    let header = text("451-[\"message\",{\"_placeholder\":true,\"num\":0}]");
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let bytes = Packet::Binary(b"{\"event\":\"detailsView\"}".to_vec());
        ann.send_all(&[header.clone(), bytes]).await;
        let answer = ann.event("response").await;
        assert_eq!(answer["messageCount"], 1, "{kind:?}");
        // What is none is nothing to this application.
        ann.try_send_all(&[header.clone(), Packet::Binary(vec![0xFF, 0xFE])])
            .await;
        assert_eq!(ann.rest().await, [""; 0], "{kind:?}");
    }
    metric_becomes(&server, &closed_for("unsupported_data"), 6).await;
}

#[tokio::test]
async fn no_attachments_are_complete_at_once() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send("450-3[\"detailsView\"]").await;
        assert_eq!(ann.answer(3).await["messageCount"], 1, "{kind:?}");
        ann.send("450-[\"detailsView\",{}]").await;
        assert_eq!(ann.event("response").await["messageCount"], 2, "{kind:?}");
        ann.send("4500-/,4[\"detailsView\"]").await;
        assert_eq!(ann.answer(4).await["messageCount"], 3, "{kind:?}");
    }
}

#[tokio::test]
async fn placeholders_in_an_event_without_attachments_are_data() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        let mut ann = member(&server, kind).await;
        let message = json!({"_placeholder": true, "num": 0});
        let say = json!({"room": "defaultRoom", "message": message});
        assert_eq!(ann.call("say", say).await["status"], "OK");
        // For members on socket.io, too, it stays what it is: nothing is announced to come.
        let heard = ann.wait_for("42[\"say\",").await;
        let expected = "{\"message\":{\"_placeholder\":true,\"num\":0},";
        assert!(
            heard["42[\"say\",".len()..].starts_with(expected),
            "{heard}"
        );
        assert_eq!(bob.hears().await["message"], message, "{kind:?}");
        // Nor does it stand for anything where it is said that nothing comes.
        let packet = "450-[\"say\",{\"room\":\"defaultRoom\",\"message\":{\"_placeholder\":true,\"num\":0}}]";
        ann.send(packet).await;
        assert_eq!(bob.hears().await["message"], message, "{kind:?}");
    }
}

/// Sends an event with so many attachments, and returns the first part of what is heard of it.
async fn send_many(ann: &mut Peer, count: usize) {
    let numbers: Vec<_> = (0..count).map(placeholder).collect();
    let mut packets = vec![say(count, &format!("[{}]", numbers.join(",")))];
    packets.extend((0..count).map(|_| Packet::Binary(vec![1])));
    ann.try_send_all(&packets).await;
}

#[tokio::test]
async fn ten_attachments_are_taken_and_eleven_close() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        let mut ann = member(&server, kind).await;
        send_many(&mut ann, 10).await;
        assert_eq!(bob.hears().await["message"], json!(vec!["AQ=="; 10]));
        ann.hears().await;
        send_many(&mut ann, 11).await;
        let mut rest = ann.rest().await;
        rest.retain(
            |packet| !matches!(packet, Packet::Text(it) if it.starts_with("42[\"response")),
        );
        assert_eq!(rest, [""; 0], "{kind:?}");
    }
    metric_becomes(&server, CONNECTED, 0).await;
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 6);
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_limit_of_attachments_can_be_chosen() {
    let server = Binary::configured("[socketio]\nmax_attachments = 2\n");
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::PLAIN {
        let mut ann = member(&server, kind).await;
        send_many(&mut ann, 2).await;
        assert_eq!(bob.hears().await["message"], json!(vec!["AQ=="; 2]));
        send_many(&mut ann, 3).await;
        ann.rest().await;
    }
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn attachments_count_for_the_largest_message() {
    let server = Binary::configured("[limits]\nmax_message_bytes = 20000\n");
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::ALL {
        // Each of them is small enough, but not together.
        let mut ann = member(&server, kind).await;
        let message = format!("[{},{},{}]", placeholder(0), placeholder(1), placeholder(2));
        let bytes = Packet::Binary(vec![1; 9000]);
        ann.try_send_all(&[say(3, &message), bytes.clone(), bytes.clone(), bytes])
            .await;
        ann.rest().await;
        metric_becomes(&server, CONNECTED, 0).await;
    }
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
}
