//! Clients that do not connect to anything: they have their time, and may say nothing else
//! (docs/protocol/socketio.md#connecting).

use std::time::{Duration, Instant};

use stellar::app::App;
use stellar::config::Config;
use stellar::engine::Refusal;

use crate::support::Binary;
use crate::support::engineio::{Packet, Version};
use crate::support::server::start;
use crate::support::socketio::{Kind, Peer, text};
use crate::{CONNECTED, SLACK, closed_for, metric};

const TIMEOUT: Duration = Duration::from_millis(1500);
const QUICK: &str = "[socketio]\nconnect_timeout_ms = 1500\n";

/// Waits for the end of a client that was opened at `since`. Nothing may be said to it.
async fn is_closed_in_time(ann: &mut Peer, since: Instant, kind: Kind) {
    assert_eq!(ann.rest().await, [""; 0], "{kind:?}");
    let waited = since.elapsed();
    assert!(waited >= TIMEOUT, "{kind:?} {waited:?}");
    assert!(waited < TIMEOUT + SLACK, "{kind:?} {waited:?}");
}

#[tokio::test]
async fn whoever_says_nothing_is_closed() {
    let server = Binary::configured(QUICK);
    for kind in Kind::CONNECTING {
        let since = Instant::now();
        let mut ann = Peer::open(server.address, kind).await;
        is_closed_in_time(&mut ann, since, kind).await;
    }
    assert_eq!(metric(&server, CONNECTED).await, 0);
    let refused = "stellar_handshakes_refused_total{reason=\"connect_timeout\"}";
    assert_eq!(metric(&server, refused).await, 3);
}

#[tokio::test]
async fn pongs_and_upgrades_do_not_put_it_off() {
    let server = Binary::configured(QUICK);
    let since = Instant::now();
    let mut ann = Peer::open(server.address, Kind::CONNECTING[0]).await;
    for _ in 0..4 {
        ann.send("3").await;
        tokio::time::sleep(TIMEOUT / 8).await;
    }
    ann.upgrade().await;
    is_closed_in_time(&mut ann, since, Kind::CONNECTING[2]).await;
}

#[tokio::test]
async fn a_namespace_that_is_none_does_not_count() {
    let server = Binary::configured(QUICK);
    for kind in Kind::CONNECTING {
        let since = Instant::now();
        let mut ann = Peer::open(server.address, kind).await;
        ann.send("40/x,").await;
        let refusal = "44/x,{\"message\":\"Invalid namespace\"}";
        assert_eq!(ann.next().await, refusal);
        is_closed_in_time(&mut ann, since, kind).await;
    }
}

#[tokio::test]
async fn a_refused_connect_does_not_count() {
    let builder = App::builder().authorize(|_| Box::pin(async { Err(Refusal::new("no")) }));
    let config = Config::parse(QUICK, "the test").unwrap();
    let server = start(builder, config).await;
    for kind in Kind::CONNECTING {
        let since = Instant::now();
        let mut ann = Peer::open(server.address, kind).await;
        ann.send("40").await;
        let refusal = "44{\"message\":\"no\",\"data\":{\"status\":401}}";
        assert_eq!(ann.next().await, refusal);
        is_closed_in_time(&mut ann, since, kind).await;
    }
}

#[tokio::test]
async fn whoever_has_connected_stays() {
    let server = Binary::configured(QUICK);
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        tokio::time::sleep(TIMEOUT + TIMEOUT / 2).await;
        ann.details().await;
    }
    assert_eq!(metric(&server, &closed_for("connect_timeout")).await, 0);
}

/// What is no CONNECT, or none that can be read.
fn not_connect() -> Vec<Vec<Packet>> {
    let mut all: Vec<_> = [
        "42[\"detailsView\"]",
        "420[\"detailsView\"]",
        "42[\"message\",{\"event\":\"detailsView\"}]",
        "41",
        "430[]",
        "43[]",
        "4",
        "4x",
        "4 0",
        "47",
        "44{\"message\":\"x\"}",
        "450-[\"detailsView\"]",
        "42",
        "4{\"event\":\"detailsView\"}",
    ]
    .map(|packet| vec![text(packet)])
    .into();
    let header = "451-[\"message\",{\"_placeholder\":true,\"num\":0}]";
    all.push(vec![text(header), Packet::Binary(vec![1])]);
    all
}

#[tokio::test]
async fn anything_else_before_connect_closes() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    for packets in not_connect() {
        for kind in Kind::CONNECTING {
            let mut ann = Peer::open(server.address, kind).await;
            ann.try_send_all(&packets).await;
            assert_eq!(ann.rest().await, [""; 0], "{packets:?} {kind:?}");
        }
    }
    assert_eq!(metric(&server, CONNECTED).await, 0);
    bob.details().await;
}

#[tokio::test]
async fn nothing_that_comes_before_connect_is_kept_for_later() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        ann.try_send_all(&[text("420[\"detailsView\"]"), text("40")])
            .await;
        assert_eq!(ann.rest().await, [""; 0], "{kind:?}");
    }
    assert_eq!(metric(&server, CONNECTED).await, 0);
}

#[tokio::test]
async fn connects_that_cannot_be_read_close() {
    let server = Binary::demo();
    for packet in ["40{", "40x", "40{\"a\":}", "40{}x", "40[1", "40\"a"] {
        for kind in Kind::CONNECTING {
            let mut ann = Peer::open(server.address, kind).await;
            let rest = ann.rest_after(packet).await;
            assert_eq!(rest, [""; 0], "{packet} {kind:?}");
        }
    }
    assert_eq!(metric(&server, CONNECTED).await, 0);
}

#[tokio::test]
async fn version_3_needs_no_connect() {
    let server = Binary::configured(QUICK);
    let mut ann = Peer::open(server.address, Kind::PLAIN[2]).await;
    assert_eq!(ann.version, Version::V3);
    // Talking at once is its way.
    ann.send("420[\"detailsView\"]").await;
    ann.expect_connected().await;
    assert_eq!(ann.answer(0).await["messageCount"], 1);
}
