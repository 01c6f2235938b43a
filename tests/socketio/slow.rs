//! Readers that do not keep up: they are cut with a reason, really closed, and nobody else notices
//! (docs/protocol/limits.md#reading).

use std::time::Instant;

use stellar::app::App;
use stellar::config::Config;

use crate::raw::{Raw, TEXT};
use crate::support::engineio::Version;
use crate::support::server::{Running, config, start};
use crate::support::socketio::{Kind, Peer, opening, text};
use crate::support::{Client, PATIENCE};

const LABEL: &str = "stellar_connections_closed_total{reason=\"slow_consumer\"}";

fn small() -> Config {
    config(|config| {
        config.limits.max_outbox_bytes = 64 * 1024;
        // Time for the test to begin to read what was left.
        config.limits.close_timeout_ms = 30_000;
    })
}

async fn cut(server: &Running) -> u64 {
    let metrics = crate::web::get(server.address, "/metrics").await;
    let mut lines = metrics.text().lines();
    let value = lines.find_map(|line| line.strip_prefix(LABEL)?.trim().parse().ok());
    value.unwrap_or(0)
}

/// Talks until only those who read are left in the room. Returns how often.
async fn fill(server: &Running, readers: &mut [Client], peers: &mut [Peer]) -> u64 {
    let message = "x".repeat(8 * 1024);
    let members = readers.len() + peers.len();
    let deadline = Instant::now() + 3 * PATIENCE;
    let mut said = 0;
    while server.hub.members_count("defaultRoom") > Some(members) {
        assert!(Instant::now() < deadline, "{said} messages did not fill it");
        assert_eq!(
            readers[0].say("defaultRoom", &*message).await["status"],
            "OK"
        );
        said += 1;
        // Each is heard by everybody before the next is said, so only those who do not read can fall behind.
        for reader in &mut *readers {
            assert_eq!(reader.hears().await["seq"], said);
        }
        for peer in &mut *peers {
            assert_eq!(peer.hears().await["seq"], said);
        }
    }
    said
}

#[tokio::test]
async fn a_client_that_does_not_poll_is_cut() {
    for version in Version::BOTH {
        let server = start(App::builder(), small()).await;
        let mut readers = [server.plain().await, server.primus().await];
        for reader in &mut readers {
            reader.join("defaultRoom").await;
        }
        let kind = Kind::PLAIN.into_iter().find(|kind| kind.version == version);
        let mut slow = Peer::connected(server.address, kind.unwrap()).await;
        slow.join("defaultRoom").await;
        let mut peers = Vec::new();
        for kind in Kind::ALL {
            let mut peer = Peer::connected(server.address, kind).await;
            peer.join("defaultRoom").await;
            peers.push(peer);
        }
        let said = fill(&server, &mut readers, &mut peers).await;
        assert!(said > 4, "{said}");
        assert_eq!(cut(&server).await, 1);
        // It is no member any more, and its session goes with what it had not fetched.
        let rest = slow.rest().await;
        assert!((rest.len() as u64) < said, "{}", rest.len());
        assert!(!rest.contains(&text("41")), "it may come back");
        for peer in &mut peers {
            peer.details().await;
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_socket_is_cut_and_its_socket_closed() {
    for version in Version::BOTH {
        let server = start(App::builder(), small()).await;
        let mut readers = [server.plain().await, server.primus().await];
        for reader in &mut readers {
            reader.join("defaultRoom").await;
        }
        let slow = Raw::with_small_window(server.address).await;
        let target = opening(server.address, version).target("websocket");
        let mut slow = slow.upgrade(&target).await;
        if version == Version::V4 {
            slow.send(TEXT, "40").await;
            loop {
                if slow
                    .frame()
                    .await
                    .unwrap()
                    .payload
                    .starts_with(b"42[\"welcome\"")
                {
                    break;
                }
            }
        }
        slow.send(TEXT, "420[\"roomAdd\",{\"room\":\"defaultRoom\"}]")
            .await;
        while !slow.frame().await.unwrap().payload.starts_with(b"430[") {}
        let mut peers = [Peer::connected(server.address, Kind::PLAIN[1]).await];
        peers[0].join("defaultRoom").await;
        let said = fill(&server, &mut readers, &mut peers).await;
        assert_eq!(cut(&server).await, 1);

        // It finds what was on its way, whole and in order, and then the reason.
        let mut heard = 0;
        loop {
            let frame = slow.frame().await.expect("a close frame");
            if frame.first == crate::raw::CLOSE {
                assert_eq!(frame.payload[..2], 4001_u16.to_be_bytes());
                break;
            }
            if frame.payload.starts_with(b"42[\"say\"") {
                heard += 1;
                let seq = format!("\"seq\":{heard},");
                let packet = String::from_utf8(frame.payload).unwrap();
                assert!(packet.contains(&seq), "{seq}");
            } else {
                assert_eq!(frame.payload, b"1", "nothing else");
            }
        }
        assert!(0 < heard && heard < said, "{heard} of {said}");
        // Its part of the close, and then the connection ends.
        slow.send(crate::raw::CLOSE, 4001_u16.to_be_bytes()).await;
        assert!(slow.is_closed_silently().await);
    }
}

#[tokio::test]
async fn a_slow_client_that_keeps_up_is_kept() {
    let server = start(App::builder(), small()).await;
    let mut readers = [server.plain().await];
    readers[0].join("defaultRoom").await;
    let mut peers = Vec::new();
    for kind in Kind::ALL {
        let mut peer = Peer::connected(server.address, kind).await;
        peer.join("defaultRoom").await;
        peers.push(peer);
    }
    let message = "x".repeat(16 * 1024);
    for said in 1..=100 {
        readers[0].say("defaultRoom", &*message).await;
        readers[0].hears().await;
        for peer in &mut peers {
            assert_eq!(peer.hears().await["seq"], said);
        }
    }
    assert_eq!(cut(&server).await, 0);
}
