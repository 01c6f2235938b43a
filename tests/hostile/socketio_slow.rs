//! socket.io: members that do not read, in a room that does not stop talking (B2).

use crate::Arena;
use crate::raw::{Raw, TEXT};
use crate::support::engineio::Version;
use crate::support::socketio::{Kind, Peer, opening};

const SLOW: &str = "stellar_connections_closed_total{reason=\"slow_consumer\"}";
const OPEN: &str = "stellar_connections{transport=\"socketio\"}";

/// What may wait for each client, in bytes.
const OUTBOX: u64 = 256 * 1024;

/// A limit of that size. Nothing but what waits ends a client, and those that are cut may take what is left for them as
/// late as they like: past the deadline of a close, it would end in the middle of a frame.
const PATIENT: &str = "[limits]\nmax_outbox_bytes = 262144\nwrite_timeout_ms = 600000\nclose_timeout_ms = 600000\nping_interval_ms = 600000\n[socketio]\nping_interval_ms = 600000\nping_timeout_ms = 600000\nclose_grace_ms = 600000\n";

/// A member whose system takes only a few kB on its behalf, and which does not read.
async fn stalled_socket(arena: &Arena, version: Version) -> Raw {
    let socket = Raw::with_small_window(arena.address()).await;
    let target = opening(arena.address(), version).target("websocket");
    let mut socket = socket.upgrade(&target).await;
    if version == Version::V4 {
        socket.send(TEXT, "40").await;
    }
    while !socket.frame().await.unwrap().payload.starts_with(b"42[") {}
    let join = "420[\"roomAdd\",{\"room\":\"defaultRoom\"}]";
    socket.send(TEXT, join).await;
    while !socket.frame().await.unwrap().payload.starts_with(b"430[") {}
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_who_do_not_read_are_cut_and_memory_is_bounded() {
    const SLOW_ONES: u64 = 40;
    /// Growth of resident memory that says nothing, in kB.
    const NOISE: u64 = 12 * 1024;
    /// More than a client's system, ours and the outbox take together.
    const ENOUGH: u64 = 2000;
    let mut arena = Arena::configured(PATIENT).await;
    let mut speaker = arena.server.plain().await;
    speaker.join("defaultRoom").await;
    let mut readers = Vec::new();
    for kind in Kind::ALL {
        let mut reader = Peer::connected(arena.address(), kind).await;
        reader.join("defaultRoom").await;
        readers.push(reader);
    }
    let (mut sockets, mut pollers) = (Vec::new(), Vec::new());
    for number in 0..SLOW_ONES as usize {
        let version = Version::BOTH[number / 2 % 2];
        if number % 2 == 0 {
            sockets.push(stalled_socket(&arena, version).await);
        } else {
            let kind = Kind::PLAIN[number / 2 % 2 * 2];
            let mut poller = Peer::connected(arena.address(), kind).await;
            poller.join("defaultRoom").await;
            pollers.push(poller);
        }
    }
    let before = arena.memory();
    let mut most = 0;
    let text = "x".repeat(16 * 1024);
    let mut said = 0;
    while arena.metric(SLOW).await < SLOW_ONES {
        assert!(said < ENOUGH, "not all are cut after {said}");
        for _ in 0..10 {
            speaker.say("defaultRoom", &*text).await;
            said += 1;
            assert_eq!(speaker.hears().await["seq"], said);
            for reader in &mut readers {
                assert_eq!(reader.hears().await["seq"], said);
            }
        }
        most = most.max(arena.memory());
        arena.serves().await;
    }
    let grown = most.saturating_sub(before);
    let bound = SLOW_ONES * OUTBOX / 1024 + NOISE;
    println!("{grown} kB at most for {SLOW_ONES} clients, in {said} messages");
    assert!(grown < bound, "{grown} kB of {bound} kB");
    assert_eq!(arena.metric(SLOW).await, SLOW_ONES);
    assert_eq!(arena.metric(OPEN).await, readers.len() as u64);
    for mut socket in sockets {
        assert_eq!(socket.close_code().await, 4001);
    }
    for mut poller in pollers {
        assert!((poller.rest().await.len() as u64) < said);
    }
    for reader in &mut readers {
        reader.details().await;
    }
    arena.survives().await;
}

/// They take nothing for as long as the test lasts, so whoever waited for one of them would not be heard at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_those_who_do_not_read() {
    const ENOUGH: &str = "max_outbox_bytes = 67108864";
    let config = PATIENT.replace("max_outbox_bytes = 262144", ENOUGH);
    assert!(config.contains(ENOUGH));
    let mut arena = Arena::configured(&config).await;
    arena.bystander.join("defaultRoom").await;
    let mut listener = Peer::connected(arena.address(), Kind::PLAIN[1]).await;
    listener.join("defaultRoom").await;
    let mut stalled = Vec::new();
    for number in 0..40 {
        stalled.push(stalled_socket(&arena, Version::BOTH[number % 2]).await);
    }
    // More than the system takes for them.
    let text = "x".repeat(64 * 1024);
    for _ in 0..16 {
        arena.bystander.say("defaultRoom", &*text).await;
        listener.hears().await;
    }
    for number in 0..300 {
        arena.bystander.say("defaultRoom", number).await;
        assert_eq!(listener.hears().await["message"], number);
    }
    let held = stalled
        .iter()
        .filter(|it| arena.holds(it.address()))
        .count();
    assert_eq!(held, stalled.len(), "they were there all the time");
    assert_eq!(arena.metric(SLOW).await, 0, "the outbox was large enough");
    drop(stalled);
    arena.survives().await;
}

#[tokio::test]
async fn a_client_that_asks_and_does_not_read_answers_is_cut() {
    /// More than a client's system, ours and the outbox take together.
    const ENOUGH: usize = 100_000;
    let mut arena = Arena::configured(PATIENT).await;
    for version in Version::BOTH {
        let cut = arena.metric(SLOW).await;
        let mut attacker = stalled_socket(&arena, version).await;
        let ask = crate::raw::frame(TEXT, "427[\"file\",{\"file\":\"demo.js\"}]");
        let mut asked = 0;
        while arena.metric(SLOW).await == cut {
            assert!(asked < ENOUGH, "still there after {asked} questions");
            let _cut = attacker.try_write(ask.repeat(10)).await;
            asked += 10;
        }
        arena.serves().await;
    }
    arena.survives().await;
}
