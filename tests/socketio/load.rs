//! Bursts and long streams: everything arrives, once and in order (docs/protocol/packets.md#order).

use std::time::Duration;

use serde_json::{Value, json};
use stellar::app::App;
use stellar::config::Config;

use crate::support::Binary;
use crate::support::engineio::Packet;
use crate::support::server::start;
use crate::support::socketio::{Carrier, Kind, Peer, text};

/// Who is busy with something else, or waits for others, is not asked whether it lives.
const UNHURRIED: &str = "[limits]\nping_interval_ms = 0\n[socketio]\nping_interval_ms = 3600000\n";

/// How long all of a stream may take.
const STREAM: Duration = Duration::from_secs(180);

/// Reads what is said in the room until `count` messages have come: numbers without a gap.
async fn hears_all(mut ann: Peer, count: u64) -> Peer {
    for expected in 0..count {
        let heard = ann.hears().await;
        assert_eq!(heard["message"], expected);
        assert_eq!(heard["seq"], expected + 1);
    }
    assert_eq!(ann.so_far().await, [""; 0], "and nothing more");
    ann
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_10_000_messages_arrives_whole() {
    const COUNT: u64 = 10_000;
    for kind in Kind::ALL {
        let server = start(
            App::builder(),
            Config::parse(UNHURRIED, "the test").unwrap(),
        )
        .await;
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let reading = tokio::spawn(hears_all(ann, COUNT));
        // As fast as the server can, with nothing in between.
        let chat = server.app.chat();
        for n in 0..COUNT {
            chat.broadcast(None, "defaultRoom", n).await.unwrap();
        }
        let read = tokio::time::timeout(STREAM, reading).await;
        read.unwrap_or_else(|_| panic!("{kind:?}")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_reaches_members_of_every_kind_at_once() {
    const COUNT: u64 = 10_000;
    let server = Binary::configured(UNHURRIED);
    let mut reading = Vec::new();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        reading.push(tokio::spawn(hears_all(ann, COUNT)));
    }
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for first in (0..COUNT).step_by(500) {
        let said = (first..first + 500)
            .map(|n| json!({"event": "say", "room": "defaultRoom", "message": n}));
        bob.send_all(said).await;
        for n in first..first + 500 {
            assert_eq!(bob.hears().await["message"], n);
        }
        // The answers, among which the next would have to be looked for.
        bob.so_far().await;
    }
    let all = tokio::time::timeout(STREAM, futures_util::future::join_all(reading)).await;
    for peer in all.unwrap() {
        peer.unwrap();
    }
}

/// Sends events in batches and reads what they lead to. Each batch is answered before the next is sent.
async fn says_in_order(server: &Binary, kind: Kind, count: u64) {
    const BATCH: u64 = 1000;
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let first = kind.carrier == Carrier::Upgraded;
    let mut ann = if first {
        // The upgrade comes in the middle of it.
        let polling = Kind {
            carrier: Carrier::Polling,
            ..kind
        };
        Peer::connected(server.address, polling).await
    } else {
        Peer::connected(server.address, kind).await
    };
    for batch in 0..count / BATCH {
        if first && batch == count / BATCH / 2 {
            ann.upgrade().await;
        }
        let numbers = batch * BATCH..(batch + 1) * BATCH;
        let packets: Vec<Packet> = numbers
            .clone()
            .map(|n| text(format!("42{n}[\"detailsView\",{{\"messageId\":{n}}}]")))
            .collect();
        ann.send_all(&packets).await;
        for n in numbers {
            let packet = ann.next_text().await;
            let prefix = format!("43{n}[");
            let answer = packet.strip_prefix(&prefix);
            let answer = answer.and_then(|answer| answer.strip_suffix(']'));
            let answer = answer.unwrap_or_else(|| panic!("{n}: {packet} {kind:?}"));
            let answer: Value = serde_json::from_str(answer).unwrap();
            assert_eq!(answer["messageId"], n);
            assert_eq!(answer["messageCount"], n + 1);
        }
    }
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_events_by_polling_are_taken_and_answered_in_order() {
    let server = Binary::configured(UNHURRIED);
    says_in_order(&server, Kind::PLAIN[0], 20_000).await;
    says_in_order(&server, Kind::PLAIN[2], 20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_events_on_a_socket_are_taken_and_answered_in_order() {
    let server = Binary::configured(UNHURRIED);
    says_in_order(&server, Kind::PLAIN[1], 20_000).await;
    says_in_order(&server, Kind::PLAIN[3], 20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_events_around_an_upgrade_are_taken_and_answered_in_order() {
    let server = Binary::configured(UNHURRIED);
    says_in_order(&server, Kind::ALL[2], 20_000).await;
    says_in_order(&server, Kind::ALL[5], 20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_client_says_reaches_the_others_in_order_however_it_is_written() {
    const COUNT: u64 = 20_000;
    let server = Binary::configured(UNHURRIED);
    for kind in [Kind::PLAIN[0], Kind::PLAIN[1]] {
        let mut bob = server.plain().await;
        bob.join("defaultRoom").await;
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        for first in (0..COUNT).step_by(1000) {
            // Some with attachments and some without, whose ways may be of different length.
            let packets = (first..first + 1000).flat_map(|n| {
                let packet = "{\"room\":\"defaultRoom\",\"message\":";
                match n % 3 {
                    0 => vec![text(format!("42[\"say\",{packet}{n}}}]"))],
                    1 => vec![text(format!("450-[\"say\",{packet}{n}}}]"))],
                    _ => {
                        let bytes = "{\"_placeholder\":true,\"num\":0}";
                        let message = format!("[{n},{bytes}]");
                        vec![
                            text(format!("451-[\"say\",{packet}{message}}}]")),
                            Packet::Binary(n.to_be_bytes().to_vec()),
                        ]
                    }
                }
            });
            ann.send_all(&packets.collect::<Vec<_>>()).await;
            for n in first..first + 1000 {
                let heard = bob.hears().await;
                let message = &heard["message"];
                let number = message.get(0).unwrap_or(message);
                assert_eq!(number, n, "{kind:?}");
            }
            // What came back to the speaker is not the point, but must not fill its outbox.
            ann.so_far().await;
        }
        ann.rest_after("41").await;
    }
}
