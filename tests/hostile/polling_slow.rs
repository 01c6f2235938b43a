//! engine.io: requests that never finish, and answers that are never read.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Arena;
use crate::polling::neighbour;
use crate::support::engineio::{Line, Session, Version};
use crate::support::eventually;

/// Short deadlines. That of headers is one for good clients, too, which a busy machine may hold up.
const DEADLINES: &str = "[limits]\nheader_timeout_ms = 3000\nreceive_timeout_ms = 500\nbody_timeout_ms = 500\nclose_timeout_ms = 500\n";

/// The configured deadlines. What they begin with comes after what a test begins with, so that they are never over sooner.
const HEADERS: Duration = Duration::from_secs(3);
const BODY: Duration = Duration::from_millis(500);

/// Many enough to be in the way, if they were: to wait for one after the other would take longer than any test does.
const ATTACKERS: usize = 100;

/// Connects, and writes one piece after the other until the server has answered or hung up, but not before this
/// deadline. Returns the status, 0 for none.
async fn dribble(
    address: SocketAddr,
    head: String,
    piece: &'static str,
    deadline: Duration,
) -> u16 {
    /// With the pauses in between they take many times the deadline.
    const PIECES: usize = 2000;
    let began = Instant::now();
    let mut line = Line::connect(address).await;
    let mut written = line.try_write(head).await;
    let mut pieces = 0;
    while written.is_ok() && line.is_quiet() {
        pieces += 1;
        assert!(pieces < PIECES, "still there");
        written = line.try_write(piece).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = began.elapsed();
    assert!(took >= deadline, "cut already after {took:?}");
    line.reply_or_cut().await.map_or(0, |reply| reply.status)
}

async fn a_newcomer_is_served(arena: &mut Arena) {
    neighbour(arena).await.details().await;
    arena.serves().await;
}

#[tokio::test]
async fn posts_that_dribble_are_cut() {
    let mut arena = Arena::configured(DEADLINES).await;
    for (coding, piece) in [
        ("Content-Length: 100000", "4"),
        ("Transfer-Encoding: chunked", "1\r\n4\r\n"),
    ] {
        let mut attackers = Vec::new();
        for _ in 0..ATTACKERS {
            let session = Session::open(arena.address(), Version::V4).await;
            let head = format!(
                "POST {} HTTP/1.1\r\nHost: x\r\n{coding}\r\n\r\n",
                session.target("polling")
            );
            attackers.push(tokio::spawn(dribble(arena.address(), head, piece, BODY)));
        }
        a_newcomer_is_served(&mut arena).await;
        for attacker in attackers {
            let status = attacker.await.unwrap();
            assert!([0, 400, 408].contains(&status), "{status}");
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn headers_of_a_poll_that_dribble_are_cut() {
    let mut arena = Arena::configured(DEADLINES).await;
    let mut sessions = Vec::new();
    let mut attackers = Vec::new();
    for _ in 0..ATTACKERS {
        let session = Session::open(arena.address(), Version::V4).await;
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: x\r\nX-Endless: ",
            session.target("polling")
        );
        sessions.push(session);
        let dribbling = dribble(arena.address(), head, "x", HEADERS);
        attackers.push(tokio::spawn(dribbling));
    }
    a_newcomer_is_served(&mut arena).await;
    for attacker in attackers {
        let status = attacker.await.unwrap();
        assert!(status == 0 || (400..500).contains(&status), "{status}");
    }
    // A request that was none is nothing to the session; its idle connections were cut, too.
    for session in &sessions {
        let request = session.get_request();
        let reply = crate::support::engineio::exchange(arena.address(), &request).await;
        assert_eq!(reply.status, 200);
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_held_get_is_not_taken_for_an_idle_connection() {
    let arena = Arena::configured(DEADLINES).await;
    let mut session = neighbour(&arena).await;
    session.start_poll().await;
    // Were it one, it would be cut within the first of these.
    tokio::time::sleep(2 * HEADERS).await;
    assert!(session.is_held());
    let details = serde_json::json!({"event": "detailsView"});
    let post = session.post_request(format!("4{details}"));
    let reply = crate::support::engineio::exchange(arena.address(), &post).await;
    assert_eq!(reply.text(), "ok");
    assert_eq!(session.polled().await.status, 200);
    arena.survives().await;
}

#[tokio::test]
async fn half_handshakes_for_a_session_are_cut_and_harm_nobody() {
    let mut arena = Arena::configured(DEADLINES).await;
    let mut attackers = Vec::new();
    let mut sessions = Vec::new();
    for _ in 0..ATTACKERS {
        let session = Session::open(arena.address(), Version::V4).await;
        let handshake = crate::raw::handshake(&session.target("websocket"), "");
        let half = handshake[..handshake.len() - 2].to_owned() + "X-Endless: ";
        sessions.push(session);
        let dribbling = dribble(arena.address(), half, "x", HEADERS);
        attackers.push(tokio::spawn(dribbling));
    }
    a_newcomer_is_served(&mut arena).await;
    for attacker in attackers {
        assert_ne!(attacker.await.unwrap(), 101);
    }
    for session in &sessions {
        // Nothing of an upgrade is left behind.
        let mut socket = session.socket().await;
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
    }
    arena.survives().await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_cut() {
    const SAID: usize = 24_000_000;
    let mut arena = Arena::configured(
        "[limits]\nwrite_timeout_ms = 500\nmax_outbox_bytes = 33554432\n[polling]\nmax_payload_bytes = 33554432\n",
    )
    .await;
    let mut speaker = arena.server.plain().await;
    speaker.join("defaultRoom").await;
    let mut slow = neighbour(&arena).await;
    slow.join("defaultRoom").await;
    // More than the system buffers for both ends together.
    let text = "x".repeat(1_000_000);
    for _ in 0..SAID / text.len() {
        speaker.say("defaultRoom", &*text).await;
        speaker.hears().await;
    }
    let mut line = crate::raw::Raw::with_small_window(arena.address()).await;
    line.write(slow.get_request().bytes()).await;
    arena.serves().await;
    // Not a byte is read meanwhile.
    let (client, server) = (line.address(), &arena);
    eventually("the end of what is not read", || !server.holds(client)).await;
    let received = line.rest().await.len();
    assert!(received < SAID / 2, "{received} bytes");
    arena.serves().await;
    arena.survives().await;
}
