//! All of it at once.

use serde_json::json;

use crate::raw::{self, Raw};
use crate::support::engineio::{Session, Version};
use crate::{Held, MIB, UNHURRIED, web};

const BUDGET: u64 = 64 * MIB;

/// What the process may take besides: as much again, because what is counted is cut from larger pieces by the allocator, which
/// also keeps what was given back; and what the program itself takes, on each of its threads.
const RESIDENT: u64 = 2 * BUDGET + 96 * MIB;

/// Each does as much as this, at the same time: far more than there is room for.
const ATTACKERS: usize = 6;

/// 2,000 answers that nobody fetches.
async fn hoards(held: &Held) -> Session {
    let mut session = Session::open(held.address(), Version::V4).await;
    session.post_reply(["4{}"; 2000].join("\u{1e}")).await;
    session
}

/// Nine tenths of a message.
async fn begins(held: &Held) -> Raw {
    let mut raw = Raw::upgraded(held.address(), "/ws").await;
    raw.write(raw::header(raw::TEXT, 10 * MIB)).await;
    let _cut = raw.try_write(crate::text(9 * MIB)).await;
    raw
}

/// Large params for actions that take their time.
async fn calls(held: &Held) -> Raw {
    let mut raw = Raw::upgraded(held.address(), "/ws").await;
    let params =
        json!({"action": "sleep", "sleepDuration": 600_000, "padding": crate::text(1_000_000)});
    let call = json!({"event": "action", "params": params}).to_string();
    for _ in 0..5 {
        let _cut = raw.try_write(raw::frame(raw::TEXT, &call)).await;
    }
    raw
}

/// Many values over HTTP, deep ones, for no action at all.
async fn posts(held: &Held) {
    let deep = format!("{}{}1{}", "[".repeat(20), "1,".repeat(5000), "]".repeat(20));
    let request = web::request("POST", "/api/nothing").header("content-type", "application/json");
    let answer = web::send(held.address(), request, deep).await;
    assert!(answer.status >= 400, "{}", answer.status);
}

#[tokio::test]
async fn the_process_stays_within_its_budget_and_honest_clients_are_served() {
    let mut held = Held::with(&format!("memory_budget_bytes = {BUDGET}\n{UNHURRIED}")).await;
    let (mut sessions, mut sockets) = (Vec::new(), Vec::new());
    let mut most = 0;
    for _ in 0..ATTACKERS {
        let (session, half, call, ()) =
            tokio::join!(hoards(&held), begins(&held), calls(&held), posts(&held));
        sessions.push(session);
        sockets.extend([half, call]);
        held.serves().await;
        most = most.max(held.resident());
        assert!(most <= RESIDENT, "{most} bytes");
        let all = held.all().await;
        assert!(all as f64 <= BUDGET as f64 * crate::OVER, "{all} bytes");
    }
    let refused = held.refused("message").await
        + held.refused("params").await
        + held.refused("outbox").await
        + held.metric("stellar_memory_let_go_total").await;
    assert!(refused >= 1);
    assert!(held.closed("overloaded").await >= 1);
    held.survives().await;
}
