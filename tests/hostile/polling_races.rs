//! engine.io: what comes when a session has just ended, or ends at the same moment.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Arena;
use crate::support::engineio::{Packet, Session, Version};
use crate::support::{eventually, within};

const OPEN: &str = "stellar_connections{transport=\"polling\"}";
const SLOW: &str = "stellar_connections_closed_total{reason=\"slow_consumer\"}";
const PEER_CLOSED: &str = "stellar_connections_closed_total{reason=\"peer_closed\"}";

/// The most that an outbox may hold.
const OUTBOX: usize = 1_000_000;

/// Sessions that live, and linger, for the length of the test whether they ping or not.
const PATIENT: &str = "[polling]\nping_interval_ms = 600000\nping_timeout_ms = 600000\nclose_grace_ms = 600000\n[limits]\nmax_outbox_bytes = 1000000\n";

/// As many pings as one POST may hold.
fn pings() -> Vec<u8> {
    const PINGS: usize = 100_000;
    let pings = vec![Packet::Text("2".to_owned()); PINGS];
    Version::V3.payload(&pings).into_bytes()
}

/// Posts pings to a session that has ended and waits to be fetched. None of them may be kept, nor its answer.
async fn flood_what_has_ended(arena: &mut Arena, session: &mut Session) {
    const BODIES: usize = 60;
    /// What may come and go with single requests, in kB. Each body that is kept would cost more than 2 MB.
    const MARGIN: u64 = 8 * 1024;
    let body = pings();
    let mut before = 0;
    // What a request needs while it is looked at is there after the first half, on whichever thread it was.
    for _ in 0..2 {
        before = arena.memory();
        for _ in 0..BODIES {
            let reply = session.post_reply(&*body).await;
            assert!([200, 400].contains(&reply.status), "{}", reply.status);
        }
    }
    let after = arena.memory();
    assert!(after < before + MARGIN, "{before} kB, then {after} kB");
    arena.serves().await;
}

/// Fetches what is left of a session: its last packets.
async fn fetch_rest(session: &mut Session) -> Vec<Packet> {
    let mut rest = Vec::new();
    while rest.last().is_none_or(|last| *last != "1") {
        rest.extend(session.poll().await);
    }
    session.assert_unknown().await;
    rest
}

#[tokio::test]
async fn a_session_that_the_server_has_closed_takes_no_pings() {
    let mut arena = Arena::configured(PATIENT).await;
    let mut session = Session::greeted(arena.address(), Version::V3).await;
    session.send_json(&[json!({"event": "quit"})]).await;
    // The POST is answered before it is done: pings that come in between are answered, as they should be.
    within("the end of the session", async {
        while arena.metric(OPEN).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    flood_what_has_ended(&mut arena, &mut session).await;
    assert_eq!(fetch_rest(&mut session).await, ["1"]);
    arena.survives().await;
}

#[tokio::test]
async fn a_slow_consumer_that_was_cut_off_takes_no_pings() {
    let mut arena = Arena::configured(PATIENT).await;
    let mut session = Session::open(arena.address(), Version::V3).await;
    let body = pings();
    within("the limit of the outbox", async {
        while arena.metric(SLOW).await == 0 {
            let reply = session.post_reply(&*body).await;
            assert!([200, 400].contains(&reply.status), "{}", reply.status);
        }
    })
    .await;
    flood_what_has_ended(&mut arena, &mut session).await;
    // What had been queued by then is still to be had, and no more than that.
    let rest = fetch_rest(&mut session).await;
    assert!(rest.len() < OUTBOX, "{}", rest.len());
    arena.survives().await;
}

/// Which of two packets is written first.
#[derive(Clone, Copy, Debug)]
enum First {
    Post,
    Upgrade,
}

/// The delay between the two, led to where the one and the other win in turn.
struct Aim {
    first: First,
    delay: Duration,
}

impl Aim {
    const STEP: Duration = Duration::from_micros(2);

    const fn new(first: First) -> Self {
        Self {
            first,
            delay: Duration::from_micros(50),
        }
    }

    /// One session that is closed by POST and upgraded at the same time. Whatever comes first, nobody is left waiting.
    async fn run(&mut self, address: SocketAddr) {
        let session = Session::open(address, Version::V4).await;
        let mut socket = session.socket().await;
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        let close = session.post_request("1");
        let (_polls, posts) = session.split();
        let mut line = posts.line;
        match self.first {
            First::Post => line.send(&close).await,
            First::Upgrade => socket.send("5").await,
        }
        let written = Instant::now();
        while written.elapsed() < self.delay {
            std::hint::spin_loop();
        }
        let sent = match self.first {
            First::Post => socket.try_send("5").await,
            First::Upgrade => {
                line.send(&close).await;
                true
            }
        };
        let reply = line.reply().await;
        let is_closed = reply.status == 200;
        if is_closed {
            // Its WebSocket goes with it, however far it had come.
            socket.closed().await;
        } else {
            assert_eq!(reply.fault(), (400, 3));
            assert!(sent, "the session has moved");
            socket.close().await;
        }
        // Whoever is first wins more often the longer the other waits.
        match (self.first, is_closed) {
            (First::Post, true) | (First::Upgrade, false) => {
                self.delay = self.delay.saturating_sub(Self::STEP);
            }
            (First::Post, false) | (First::Upgrade, true) => self.delay += Self::STEP,
        }
    }
}

fn open_files(arena: &Arena) -> usize {
    let folder = format!("/proc/{}/fd", arena.server.pid());
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_and_an_upgrade_at_the_same_time_leave_nothing_behind() {
    const ROUNDS: usize = 3000;
    const LANES: usize = 2;
    let arena = Arena::demo().await;
    let files = open_files(&arena);
    let address = arena.address();
    let lanes = [First::Post, First::Upgrade].map(|first| {
        tokio::spawn(async move {
            let mut aim = Aim::new(first);
            for _ in 0..ROUNDS / LANES {
                aim.run(address).await;
            }
            (aim.first, aim.delay)
        })
    });
    for lane in lanes {
        println!("{:?}", lane.await.unwrap());
    }
    within("the end of all sessions", async {
        while arena.metric(OPEN).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // Each of them was ended by its client, in the one way or the other.
    assert_eq!(arena.metric(PEER_CLOSED).await, ROUNDS as u64);
    eventually("the end of all sockets", || open_files(&arena) <= files).await;
    arena.survives().await;
}
