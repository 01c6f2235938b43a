//! engine.io: bodies that hold too many packets, or too many bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Arena;
use crate::polling::neighbour;
use crate::raw::{self, Raw, TEXT};
use crate::support::PATIENCE;
use crate::support::engineio::{Line, Opening, Request, Session, Version, exchange};

/// The largest body that the server takes.
const CAP: usize = 1_000_000;
/// Growth of resident memory that says nothing, in kB.
const NOISE: u64 = 8 * 1024;

const TOO_MANY: &str = "stellar_connections_closed_total{reason=\"too_many_packets\"}";

/// Looks at the memory of a process again and again, and remembers the most.
struct Peak {
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    watcher: std::thread::JoinHandle<()>,
}

impl Peak {
    fn of(arena: &Arena) -> Self {
        let (most, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (seen, stopped) = (Arc::clone(&most), Arc::clone(&stop));
        let path = format!("/proc/{}/status", arena.server.pid());
        let watcher = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // It may be gone already where the test has failed.
                let Ok(status) = std::fs::read_to_string(&path) else {
                    return;
                };
                let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
                let resident = resident.map_or("0", |it| it.trim().trim_end_matches(" kB"));
                seen.fetch_max(resident.parse().unwrap(), Ordering::Relaxed);
                // How often it looks, and not what it waits for.
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self {
            most,
            stop,
            watcher,
        }
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.watcher.join().unwrap();
        self.most.load(Ordering::Relaxed)
    }
}

/// A body of the largest size, made of one unit, and what it is posted as.
struct Bomb {
    version: Version,
    query: &'static str,
    content_type: &'static str,
    prefix: &'static [u8],
    unit: &'static [u8],
    end: End,
}

/// What becomes of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Each unit is a packet, so that only their number is wrong.
    TooMany,
    Broken,
    /// Its first packet is the one that closes.
    Closed,
}

const TEXT_PLAIN: &str = "text/plain;charset=UTF-8";
const BYTES: &str = "application/octet-stream";
const FORM: &str = "application/x-www-form-urlencoded";

fn bombs() -> Vec<Bomb> {
    let bomb = |version, query, content_type, prefix, unit, end| Bomb {
        version,
        query,
        content_type,
        prefix,
        unit,
        end,
    };
    let v4 = |unit, end| bomb(Version::V4, "x=1", TEXT_PLAIN, b"" as &[u8], unit, end);
    let v3 = |unit, end| bomb(Version::V3, "x=1", TEXT_PLAIN, b"" as &[u8], unit, end);
    let bytes = |unit, end| bomb(Version::V3, "x=1", BYTES, b"" as &[u8], unit, end);
    let form = |unit, end| bomb(Version::V3, "j=0", FORM, b"d=" as &[u8], unit, end);
    vec![
        v4(b"\x1e", End::Broken),
        v4(b"\n", End::Broken),
        v4(b"6\x1e", End::TooMany),
        v4(b"3\x1e", End::TooMany),
        v4(b"4x\x1e", End::TooMany),
        v3(b"\n", End::Broken),
        v3(b"1:", End::Closed),
        v3(b"0:", End::Broken),
        v3(b":", End::Broken),
        v3(b"9", End::Broken),
        v3(b"1:6", End::TooMany),
        v3(b"2:2x", End::TooMany),
        bytes(b"\x00\xff", End::Broken),
        bytes(b"\x00", End::Broken),
        bytes(b"\x09", End::Broken),
        bytes(b"\xff", End::Broken),
        bytes(b"\x01\x00\xff", End::Broken),
        bytes(b"\x00\x01\xff6", End::TooMany),
        form(b"%1e", End::Broken),
        form(b"\\n", End::Broken),
        form(b"&", End::Broken),
        form(b"&d=", End::Broken),
        form(b"1:6", End::TooMany),
    ]
}

impl Bomb {
    fn body(&self) -> Vec<u8> {
        let mut body = self.prefix.to_vec();
        body.extend_from_slice(&self.unit.repeat((CAP - body.len()) / self.unit.len()));
        body
    }

    /// Posts it to a session of its own, which must end as it should.
    async fn explode(&self, arena: &Arena) {
        let opening = Opening::new(arena.address(), self.version);
        let session = if self.query.starts_with('j') {
            // A session as any other; only its POST is a form.
            opening.session().await
        } else {
            opening.query(self.query).session().await
        };
        let target = session.target("polling");
        let target = format!("{target}&{}", self.query);
        let request = Request::post(&target, self.body());
        let request = request.header("Content-Type", self.content_type);
        let reply = exchange(arena.address(), &request).await;
        let what = || format!("{} of {}", self.content_type, self.unit.escape_ascii());
        match self.end {
            End::Closed => assert_eq!((reply.status, reply.text()), (200, "ok"), "{}", what()),
            End::TooMany | End::Broken => {
                assert_ne!(reply.status, 200, "{}", what());
                assert_eq!(reply.fault(), (400, 3), "{}", what());
            }
        }
        session.assert_unknown().await;
    }
}

#[tokio::test]
async fn delimiter_bombs_are_refused_without_memory() {
    let mut arena = Arena::demo().await;
    let mut neighbour = neighbour(&arena).await;
    arena.serves().await;
    for bomb in bombs() {
        let what = format!("{} of {}", bomb.content_type, bomb.unit.escape_ascii());
        let counted = arena.metric(TOO_MANY).await;
        let before = arena.memory();
        let peak = Peak::of(&arena);
        bomb.explode(&arena).await;
        let grown = peak.end().saturating_sub(before);
        if bomb.end == End::TooMany {
            assert_eq!(arena.metric(TOO_MANY).await, counted + 1, "{what}");
        }
        let bound = 2 * CAP as u64 / 1024 + NOISE;
        assert!(grown < bound, "{grown} kB after {what}");
        arena.serves().await;
        neighbour.details().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn many_bombs_at_once_cost_no_more_than_their_bodies() {
    const AT_ONCE: usize = 20;
    let mut arena = Arena::demo().await;
    let mut neighbour = neighbour(&arena).await;
    let before = arena.memory();
    let peak = Peak::of(&arena);
    for bomb in bombs().into_iter().filter(|bomb| bomb.end == End::TooMany) {
        let attacks = (0..AT_ONCE).map(|_| bomb.explode(&arena));
        futures_util::future::join_all(attacks).await;
        neighbour.details().await;
    }
    let grown = peak.end().saturating_sub(before);
    let bound = AT_ONCE as u64 * 2 * CAP as u64 / 1024 + NOISE;
    assert!(grown < bound, "{grown} kB");
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn bodies_without_end_are_cut_at_the_cap() {
    const ATTACKERS: usize = 20;
    let mut arena = Arena::demo().await;
    let mut neighbour = neighbour(&arena).await;
    let before = arena.memory();
    let peak = Peak::of(&arena);
    for coding in [
        "Transfer-Encoding: chunked",
        "Content-Length: 1000000000000",
    ] {
        let mut attackers = Vec::new();
        for _ in 0..ATTACKERS {
            let session = Session::open(arena.address(), Version::V4).await;
            let target = session.target("polling");
            let mut line = Line::connect(arena.address()).await;
            attackers.push(tokio::spawn(async move {
                line.write(format!(
                    "POST {target} HTTP/1.1\r\nHost: x\r\n{coding}\r\n\r\n"
                ))
                .await;
                let data = "4".repeat(0x8000);
                let piece = if coding.starts_with('T') {
                    format!("8000\r\n{data}\r\n")
                } else {
                    data
                };
                let mut sent = 0;
                while line.try_write(&piece).await.is_ok() {
                    sent += piece.len();
                    // The cap, and what two sockets hold.
                    assert!(sent < 32 * CAP, "{sent} bytes were taken");
                }
                // A reset may have overtaken the answer.
                if let Some(reply) = line.reply_or_cut().await {
                    assert_eq!(reply.status, 413);
                }
                session
            }));
        }
        for attacker in attackers {
            // The session is none the worse for it.
            let mut session = attacker.await.unwrap();
            session.details().await;
        }
        arena.serves().await;
        neighbour.details().await;
    }
    let grown = peak.end().saturating_sub(before);
    let bound = ATTACKERS as u64 * CAP as u64 / 1024 + NOISE;
    assert!(grown < bound, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn a_length_that_is_not_kept_holds_nothing_up() {
    let mut arena = Arena::demo().await;
    let mut neighbour = neighbour(&arena).await;
    let before = arena.memory();
    for _ in 0..200 {
        let session = Session::open(arena.address(), Version::V4).await;
        let mut line = Line::connect(arena.address()).await;
        // A megabyte is announced, and the connection ends after a few bytes.
        line.write(format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {CAP}\r\n\r\n4{{}}",
            session.target("polling")
        ))
        .await;
    }
    arena.serves().await;
    neighbour.details().await;
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < NOISE, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn frames_that_announce_too_much_are_refused() {
    let mut arena = Arena::configured("[limits]\nclose_timeout_ms = 500\n").await;
    let before = arena.memory();
    for version in Version::BOTH {
        for length in [100_000_000, 1 << 40, u64::MAX >> 1] {
            // On a session of its own, and in the middle of an upgrade.
            let opening = Opening::new(arena.address(), version);
            let mut session = opening.clone().session().await;
            let own = opening.target("websocket");
            for (target, is_upgrade) in [(own, false), (session.target("websocket"), true)] {
                let mut socket = Raw::upgraded(arena.address(), &target).await;
                socket.write(raw::header(TEXT, length)).await;
                let junk = vec![b'4'; 0x10000];
                // What it sends is thrown away until the deadline of the close.
                let began = Instant::now();
                while socket.try_write(&junk).await.is_ok() {
                    assert!(began.elapsed() < PATIENCE, "still there");
                }
                if is_upgrade {
                    session.details().await;
                }
            }
        }
        arena.serves().await;
    }
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < 2 * NOISE, "{grown} kB");
    arena.survives().await;
}
