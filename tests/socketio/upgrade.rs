//! From polling to a WebSocket, and attempts that come to nothing (docs/protocol/engineio.md#upgrade).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Binary;
use crate::support::engineio::{Packet, Socket, Version};
use crate::support::socketio::{Kind, Peer, text};
use crate::{CONNECTED, MOMENT, metric, metric_becomes};

const FAILED: &str = "stellar_upgrades_total{result=\"failed\"}";

/// The clients that poll.
const POLLING: [Kind; 2] = [Kind::PLAIN[0], Kind::PLAIN[2]];

/// A socket that has probed.
async fn probed(ann: &mut Peer) -> Socket {
    let mut socket = ann.session().socket().await;
    socket.send("2probe").await;
    assert_eq!(socket.packet().await, "3probe");
    socket
}

#[tokio::test]
async fn the_client_stays_the_same() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in POLLING {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let before = ann.details().await;
        ann.upgrade().await;
        let answer = ann.call("detailsView", Value::Null).await;
        assert_eq!(answer["data"], before, "{kind:?}");
        assert_eq!(answer["messageCount"], 3);
        bob.say("defaultRoom", "hello").await;
        assert_eq!(ann.hears().await["message"], "hello");
        assert_eq!(ann.so_far().await, [""; 0], "no second greeting");
        assert_eq!(metric(&server, CONNECTED).await, 1);
        assert_eq!(ann.session_fault(server.address).await, (400, 3));
        ann.rest_after("41").await;
        metric_becomes(&server, CONNECTED, 0).await;
    }
}

#[tokio::test]
async fn a_get_is_held_until_the_probe_and_released_every_100_ms_behind_it() {
    let server = Binary::demo();
    for kind in POLLING {
        let mut ann = Peer::connected(server.address, kind).await;
        let session = ann.session();
        session.start_poll().await;
        let mut socket = session.socket().await;
        tokio::time::sleep(2 * MOMENT).await;
        assert!(session.is_held(), "nothing was probed yet");
        let began = std::time::Instant::now();
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        let reply = session.polled().await;
        assert_eq!(session.packets(&reply), ["6"]);
        for _ in 0..5 {
            assert_eq!(session.poll().await, ["6"]);
        }
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(400), "{took:?} for six");
        socket.send("5").await;
        ann.take_over(socket);
        ann.details().await;
    }
}

#[tokio::test]
async fn messages_come_by_polling_until_the_switch() {
    let server = Binary::demo();
    for kind in POLLING {
        let mut ann = Peer::connected(server.address, kind).await;
        let mut socket = probed(&mut ann).await;
        for _ in 0..5 {
            ann.details().await;
        }
        // What waits at the switch goes to the socket first.
        let asked: Vec<_> = (10..20)
            .map(|id| text(format!("42{id}[\"detailsView\"]")))
            .collect();
        ann.send_all(&asked).await;
        socket.send("5").await;
        socket.send("4220[\"detailsView\"]").await;
        ann.take_over(socket);
        for id in 10..21 {
            let answer = ann.next_text().await;
            assert!(answer.starts_with(&format!("43{id}[")), "{answer}");
        }
    }
}

/// A client that goes on as if nothing had happened. `failures` have been counted by then.
async fn polls_on(server: &Binary, mut ann: Peer, failures: u64) {
    metric_becomes(server, FAILED, failures).await;
    assert_eq!(metric(server, CONNECTED).await, 1);
    let id = ann.details().await["id"].clone();
    ann.upgrade().await;
    assert_eq!(ann.details().await["id"], id);
    assert_eq!(ann.so_far().await, [""; 0]);
    ann.rest_after("41").await;
    metric_becomes(server, CONNECTED, 0).await;
}

#[tokio::test]
async fn a_socket_that_goes_before_the_switch_leaves_the_client_on_polling() {
    let server = Binary::demo();
    let mut failures = 0;
    for kind in POLLING {
        for probes in [false, true] {
            for orderly in [false, true] {
                let mut ann = Peer::connected(server.address, kind).await;
                let socket = if probes {
                    probed(&mut ann).await
                } else {
                    ann.session().socket().await
                };
                if orderly {
                    socket.close().await;
                } else {
                    drop(socket);
                }
                failures += 1;
                polls_on(&server, ann, failures).await;
            }
        }
    }
}

#[tokio::test]
async fn a_socket_that_never_switches_leaves_the_client_on_polling() {
    let server = Binary::configured("[socketio]\nupgrade_timeout_ms = 1500\n");
    let mut failures = 0;
    for kind in POLLING {
        for probes in [false, true] {
            let mut ann = Peer::connected(server.address, kind).await;
            let mut socket = if probes {
                probed(&mut ann).await
            } else {
                ann.session().socket().await
            };
            socket.closed().await;
            failures += 1;
            polls_on(&server, ann, failures).await;
        }
    }
}

#[tokio::test]
async fn a_socket_that_talks_instead_leaves_the_client_on_polling() {
    let server = Binary::demo();
    let mut failures = 0;
    for kind in POLLING {
        for packet in ["40", "420[\"quit\"]", "41", "1", "2", "6"] {
            let mut ann = Peer::connected(server.address, kind).await;
            let mut socket = ann.session().socket().await;
            socket.send(packet).await;
            socket.closed().await;
            failures += 1;
            polls_on(&server, ann, failures).await;
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_with_a_socket_that_goes() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in POLLING {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        for round in 0..10 {
            let failed = metric(&server, FAILED).await;
            let mut socket = ann.session().socket().await;
            bob.say("defaultRoom", json!([round, "before the probe"]))
                .await;
            socket.send("2probe").await;
            assert_eq!(socket.packet().await, "3probe");
            bob.say("defaultRoom", json!([round, "after it"])).await;
            drop(socket);
            bob.say("defaultRoom", json!([round, "after the end"]))
                .await;
            for expected in ["before the probe", "after it", "after the end"] {
                let heard = ann.hears().await;
                assert_eq!(heard["message"], json!([round, expected]), "{kind:?}");
            }
            // The place is free for the next.
            metric_becomes(&server, FAILED, failed + 1).await;
        }
        ann.rest_after("41").await;
    }
}

#[tokio::test]
async fn connect_may_come_while_an_upgrade_is_under_way() {
    let server = Binary::demo();
    for _ in 0..10 {
        let mut ann = Peer::open(server.address, Kind::PLAIN[0]).await;
        let mut socket = probed(&mut ann).await;
        ann.send("40").await;
        socket.send("5").await;
        ann.take_over(socket);
        ann.expect_connected().await;
        assert_eq!(ann.next().await, crate::support::socketio::WELCOME);
        ann.details().await;
    }
}

#[tokio::test]
async fn what_follows_the_switch_in_one_write_is_taken() {
    let server = Binary::demo();
    for kind in POLLING {
        let mut ann = Peer::connected(server.address, kind).await;
        let mut socket = ann.session().socket().await;
        let packets = [
            text("2probe"),
            text("5"),
            text("420[\"detailsView\"]"),
            text("421[\"detailsView\"]"),
        ];
        assert!(socket.try_send_all(&packets).await);
        assert_eq!(socket.packet().await, "3probe");
        ann.take_over(socket);
        for id in 0..2 {
            assert_eq!(ann.answer(id).await["messageCount"], id + 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn many_are_upgraded_at_once() {
    let server = Binary::demo();
    let address = server.address;
    let tasks = (0..50).map(|number| {
        tokio::spawn(async move {
            let version = Version::BOTH[number % 2];
            let kind = Kind::ALL.into_iter().find(|kind| kind.version == version);
            let mut ann = Peer::connected(address, kind.unwrap()).await;
            ann.join("defaultRoom").await;
            ann.upgrade().await;
            ann
        })
    });
    let all = futures_util::future::join_all(tasks).await;
    let mut all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(metric(&server, CONNECTED).await, 50);
    let say = json!({"room": "defaultRoom", "message": "all"});
    all[0].call("say", say).await;
    for ann in &mut all {
        assert_eq!(ann.hears().await["message"], "all");
        let so_far: Vec<Packet> = ann.so_far().await;
        assert_eq!(so_far, [""; 0]);
    }
}
