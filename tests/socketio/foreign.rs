//! Applications without verbs: what they are told of events, and what becomes of their messages.

use std::net::SocketAddr;

use serde_json::json;
use stellar::Server;
use stellar::config::Config;
use stellar::engine::{CloseReason, Engine, Handler, Incoming, IncomingPayload, Message, Spark};

use crate::support::engineio::{Packet, Version, framed};
use crate::support::socketio::{Kind, Peer, opening, text};

/// Tells each message's sender what came: text in a description of it, bytes as they are.
#[derive(Debug)]
struct Mirror;

impl Handler for Mirror {
    fn received(&self, spark: &Spark, message: Incoming<'_>) {
        let answer = match message.payload {
            IncomingPayload::Text(payload) => {
                let seen = json!({
                    "name": message.name,
                    "asked": message.ack.is_some(),
                    "payload": payload,
                });
                Message::text(seen.to_string())
            }
            IncomingPayload::Binary(bytes) => Message::binary(bytes.to_vec()),
        };
        // A connection that has ended meanwhile takes nothing, and its client sees that.
        let _ = spark.send(&answer.answering(message.ack));
    }

    fn closed(
        &self,
        _: &Spark,
        _: &CloseReason,
    ) -> Option<futures_util::future::BoxFuture<'static, ()>> {
        None
    }
}

async fn mirror() -> SocketAddr {
    let server = Server::for_engine(Engine::new(Mirror), Config::default());
    let bound = server.listen(([127, 0, 0, 1], 0)).bind().await.unwrap();
    let address = bound.local_addr().unwrap();
    tokio::spawn(bound.serve(std::future::pending()));
    address
}

/// Connects; nobody greets here.
async fn connected(address: SocketAddr, kind: Kind) -> Peer {
    let mut peer = Peer::open(address, kind).await;
    if kind.version == Version::V4 {
        peer.send("40").await;
    }
    peer.expect_connected().await;
    peer
}

#[tokio::test]
async fn events_come_with_name_argument_and_whether_they_are_to_be_acknowledged() {
    let address = mirror().await;
    for kind in Kind::ALL {
        let mut ann = connected(address, kind).await;
        for (arguments, name, payload) in [
            ("\"moved\",{\"x\":1}", Some("moved"), "{\"x\":1}"),
            ("\"moved\",\"text\"", Some("moved"), "\"text\""),
            ("\"moved\"", Some("moved"), "null"),
            ("\"moved\",1,[2],{}", Some("moved"), "[1,[2],{}]"),
            ("\"moved\",[1]", Some("moved"), "[1]"),
            ("\"message\",{\"x\":1}", None, "{\"x\":1}"),
            ("\"message\",\"text\"", None, "\"text\""),
            ("\"\u{20ac}\",1", Some("\u{20ac}"), "1"),
        ] {
            let seen =
                |asked: bool| json!({"name": name, "asked": asked, "payload": payload}).to_string();
            ann.send(format!("42[{arguments}]")).await;
            let expected = format!("42[\"message\",{}]", seen(false));
            assert_eq!(ann.next().await, &*expected, "{kind:?}");
            ann.send(format!("427[{arguments}]")).await;
            let expected = format!("437[{}]", seen(true));
            assert_eq!(ann.next().await, &*expected, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn bytes_alone_are_a_binary_message_both_ways() {
    let address = mirror().await;
    for kind in Kind::ALL {
        let mut ann = connected(address, kind).await;
        for bytes in [vec![1, 2, 3, 4], vec![], (0..=255).collect(), vec![4; 5000]] {
            let packet = text("451-[\"message\",{\"_placeholder\":true,\"num\":0}]");
            let bytes = Packet::Binary(bytes);
            ann.send_all(&[packet.clone(), bytes.clone()]).await;
            assert_eq!(ann.next().await, packet, "{kind:?}");
            assert_eq!(ann.next().await, bytes, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn bytes_are_acknowledged_with_bytes() {
    let address = mirror().await;
    for kind in Kind::ALL {
        let mut ann = connected(address, kind).await;
        let bytes = Packet::Binary(vec![0xFE, 0, 1]);
        let packet = text("451-31[\"message\",{\"_placeholder\":true,\"num\":0}]");
        ann.send_all(&[packet, bytes.clone()]).await;
        let expected = "461-31[{\"_placeholder\":true,\"num\":0}]";
        assert_eq!(ann.next().await, expected, "{kind:?}");
        assert_eq!(ann.next().await, bytes, "{kind:?}");
    }
}

#[tokio::test]
async fn bytes_come_in_the_form_that_a_client_of_version_3_asked_for() {
    let address = mirror().await;
    let header = "451-[\"message\",{\"_placeholder\":true,\"num\":0}]";
    let opening = opening(address, Version::V3);
    for is_text in [true, false] {
        let opening = if is_text {
            opening.clone().query("b64=1")
        } else {
            opening.clone()
        };
        let mut session = opening.clone().session().await;
        assert_eq!(session.next().await, "40");
        let payload = format!("{}10:b4AQIDBA==", framed(header));
        session.post(&*payload).await;
        let reply = session.poll_reply().await;
        // The marker of a message stands before the bytes, without which no client takes them.
        if is_text {
            assert_eq!(reply.text(), payload);
        } else {
            let packets = session.packets(&reply);
            assert_eq!(packets, [text(header), Packet::Binary(vec![1, 2, 3, 4])]);
        }

        let mut socket = opening.socket().await;
        let _open = socket.packet().await;
        assert_eq!(socket.packet().await, "40");
        socket.send(header).await;
        socket.send_binary(&[4, 1, 2, 3, 4]).await;
        assert_eq!(socket.packet().await, header);
        let packet = socket.packet().await;
        if is_text {
            assert_eq!(packet, "b4AQIDBA==");
        } else {
            assert_eq!(packet, Packet::Binary(vec![4, 1, 2, 3, 4]));
        }
    }
}

#[tokio::test]
async fn several_packets_with_bytes_are_not_mixed_up() {
    let address = mirror().await;
    for kind in Kind::ALL {
        let mut ann = connected(address, kind).await;
        let header = text("451-[\"message\",{\"_placeholder\":true,\"num\":0}]");
        let mut packets = Vec::new();
        for number in 0..50 {
            packets.push(header.clone());
            packets.push(Packet::Binary(vec![number; usize::from(number)]));
        }
        ann.send_all(&packets).await;
        for packet in packets {
            assert_eq!(ann.next().await, packet, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn bytes_that_wait_go_through_an_upgrade() {
    let address = mirror().await;
    for kind in [Kind::PLAIN[0], Kind::PLAIN[2]] {
        let mut ann = connected(address, kind).await;
        let header = text("451-[\"message\",{\"_placeholder\":true,\"num\":0}]");
        let bytes = Packet::Binary(vec![0xFE, 1, 2, 3]);
        let mut socket = ann.session().socket().await;
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        for _ in 0..3 {
            ann.send_all(&[header.clone(), bytes.clone()]).await;
        }
        socket.send("5").await;
        ann.take_over(socket);
        for _ in 0..3 {
            assert_eq!(ann.next().await, header, "{kind:?}");
            assert_eq!(ann.next().await, bytes, "{kind:?}");
        }
    }
}
