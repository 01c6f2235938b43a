//! Sessions that are answered, and do not fetch it.

use serde_json::json;

use crate::support::engineio::{ENGINE, Opening, PRIMUS, Session, Version};
use crate::support::socketio::{Carrier, Kind, Peer};
use crate::support::within;
use crate::{Held, MIB, OVER, UNHURRIED};

/// Says something now and then, but never fetches what it is answered, until `ended` sessions were closed for that.
async fn talks_only(held: &Held, session: &mut Session, said: &str, ended: u64) {
    within("a session that does not fetch to end", async {
        while held.closed("slow_consumer").await < ended {
            session.post_reply(said).await;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_does_not_fetch_is_a_slow_consumer_whatever_it_says() {
    let held = Held::with("write_timeout_ms = 500\n").await;
    let mut ended = 0;
    for door in [ENGINE, PRIMUS] {
        for (version, said) in [(Version::V4, "4{}\u{1e}3"), (Version::V3, "3:4{}1:2")] {
            let opening = Opening::new(held.address(), version).door(door);
            ended += 1;
            talks_only(&held, &mut opening.session().await, said, ended).await;
        }
    }
    held.until_at_most(0).await;
    held.survives().await;
}

#[tokio::test]
async fn so_is_one_of_socketio() {
    let held = Held::with("write_timeout_ms = 500\n").await;
    let mut ended = 0;
    for (version, said) in [
        (Version::V4, "42[\"detailsView\",{}]"),
        (Version::V3, "20:42[\"detailsView\",{}]"),
    ] {
        let kind = Kind::new(version, Carrier::Polling);
        let mut peer = Peer::connected(held.address(), kind).await;
        peer.call("detailsView", json!({})).await;
        ended += 1;
        talks_only(&held, peer.session(), said, ended).await;
    }
    held.survives().await;
}

#[tokio::test]
async fn answers_that_nobody_fetches_are_let_go_before_others_suffer() {
    let budget = MIB;
    let mut held = Held::with(&format!("memory_budget_bytes = {budget}\n{UNHURRIED}")).await;
    let many = ["4{}"; 2000].join("\u{1e}");
    let mut sessions = Vec::new();
    for _ in 0..8 {
        let mut session = Session::open(held.address(), Version::V4).await;
        session.post_reply(many.clone()).await;
        sessions.push(session);
        let all = held.all().await;
        assert!(all as f64 <= budget as f64 * OVER, "{all}");
        held.serves().await;
    }
    // Each would hold some 400 kB.
    held.until_closed("overloaded", 1).await;
    let let_go = held.metric("stellar_memory_let_go_total").await;
    let refused = held.refused("outbox").await;
    assert!(let_go + refused >= 1);
    held.survives().await;
}
