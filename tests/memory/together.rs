//! All of it at once.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::raw::{self, Raw};
use crate::support::Binary;
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

/// Large params for actions that take so many ms.
async fn calls(held: &Held, takes: u64) -> Raw {
    let mut raw = Raw::upgraded(held.address(), "/ws").await;
    let params =
        json!({"action": "sleep", "sleepDuration": takes, "padding": crate::text(1_000_000)});
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

/// A member that says much, and reads nothing of what it and others say.
async fn shouts(held: &Held) -> Raw {
    let mut raw = Raw::upgraded(held.address(), "/ws").await;
    let join = json!({"event": "roomAdd", "room": "defaultRoom"}).to_string();
    raw.write(raw::frame(raw::TEXT, &join)).await;
    let say = json!({"event": "say", "room": "defaultRoom", "message": crate::text(500_000)});
    for _ in 0..4 {
        let _cut = raw.try_write(raw::frame(raw::TEXT, say.to_string())).await;
    }
    raw
}

/// Everything once more, and what the process takes then.
async fn attack(held: &mut Held, attackers: &mut Attackers, takes: u64) -> u64 {
    let (session, half, call, member, ()) = tokio::join!(
        hoards(held),
        begins(held),
        calls(held, takes),
        shouts(held),
        posts(held)
    );
    attackers.sessions.push(session);
    attackers.sockets.extend([half, call, member]);
    held.serves().await;
    let all = held.all().await;
    assert!(all as f64 <= BUDGET as f64 * crate::OVER, "{all} bytes");
    held.resident()
}

/// Whoever has attacked, and has not gone.
#[derive(Default)]
struct Attackers {
    sessions: Vec<Session>,
    sockets: Vec<Raw>,
}

async fn refusals(held: &Held) -> u64 {
    held.refused("message").await
        + held.refused("params").await
        + held.refused("outbox").await
        + held.metric("stellar_memory_let_go_total").await
}

#[tokio::test]
async fn the_process_stays_within_its_budget_and_honest_clients_are_served() {
    let mut held = Held::with(&format!("memory_budget_bytes = {BUDGET}\n{UNHURRIED}")).await;
    let mut attackers = Attackers::default();
    for _ in 0..ATTACKERS {
        let resident = attack(&mut held, &mut attackers, 600_000).await;
        assert!(resident <= RESIDENT, "{resident} bytes");
    }
    assert!(refusals(&held).await >= 1);
    assert!(held.closed("overloaded").await >= 1);
    held.survives().await;
}

/// A shell that limits itself to 256 MB before it becomes the program, where the system lets it.
fn limited() -> std::process::Command {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", LIMIT, "limit", env!("CARGO_BIN_EXE_stellar")]);
    shell
}

const LIMIT: &str = r#"
for at in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    rmdir "$at"/stellar-* 2>/dev/null
    group="$at/stellar-$$"
    if [ -e "$at/cgroup.procs" ] && mkdir "$group" 2>/dev/null; then
        { echo 268435456 >"$group/memory.max" || echo 268435456 >"$group/memory.limit_in_bytes"; } 2>/dev/null
        echo $$ >"$group/cgroup.procs" && break
    fi
done
exec "$@"
"#;

#[tokio::test]
#[ignore = "takes a minute, and limits the process where it may"]
async fn for_a_minute() {
    // The budget that it chooses itself is a quarter of its limit. Actions end, because what they hold is nobody's to let go.
    let config = format!("[limits]\nmemory_budget_bytes = {BUDGET}\n");
    let mut held = Held::beside(Binary::spawn(limited(), &["--demo"], &config)).await;
    let started = Instant::now();
    let (mut rounds, mut most) = (0, 0);
    while started.elapsed() < Duration::from_secs(60) {
        let mut attackers = Attackers::default();
        for _ in 0..ATTACKERS {
            most = most.max(attack(&mut held, &mut attackers, 1000).await);
            rounds += 1;
        }
    }
    let refused = refusals(&held).await;
    eprintln!("{rounds} rounds, at most {most} bytes, {refused} refusals");
    assert!(most <= RESIDENT, "{most} bytes");
    assert!(refused >= 1);
    held.survives().await;
}
