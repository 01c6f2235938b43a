//! Requests behind each other on one connection, polls among them: each gets its own answer, in order, wherever the
//! pieces of them end and however long the server holds one.

use std::time::Duration;

use crate::Arena;
use crate::polling::neighbour;
use crate::support::engineio::{Line, Reply, Request, Session};

/// The time between two pieces: none, some while the server is busy with the first, and enough for it to be at rest.
const GAPS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(2),
    Duration::from_millis(100),
];

const DETAILS: &str = "4{\"event\":\"detailsView\"}";

/// What an answer has to be.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Health,
    Ready,
    Missing,
    /// A POST that was taken.
    Taken,
    /// A poll that ends with the answer to this Stellar packet of the session.
    Message(u64),
}

/// What a client writes on one connection, and what it has to get.
struct Script {
    pieces: Vec<Vec<u8>>,
    /// Written once the first poll is about to be answered.
    rest: Vec<u8>,
    wanted: Vec<Wanted>,
}

impl Wanted {
    fn assert_is(self, reply: &Reply, what: &str) {
        let text = reply.text();
        let is_right = match self {
            Self::Health => (reply.status, text) == (200, "ok\n"),
            Self::Ready => (reply.status, text) == (200, "ready\n"),
            Self::Missing => reply.status == 404,
            Self::Taken => (reply.status, text) == (200, "ok"),
            Self::Message(number) => {
                let number = format!("\"messageCount\":{number}");
                reply.status == 200 && text.starts_with('4') && text.contains(&number)
            }
        };
        assert!(is_right, "{what}: {self:?} wanted, but {reply:?}");
    }
}

fn get(path: &str) -> Vec<u8> {
    Request::get(path).bytes()
}

fn health() -> Vec<u8> {
    get("/healthz")
}

fn ready() -> Vec<u8> {
    get("/readyz")
}

fn missing() -> Vec<u8> {
    get("/nothing-here")
}

fn poll(session: &Session) -> Vec<u8> {
    session.get_request().bytes()
}

/// A request in two pieces, neither of which is one.
fn halves(request: &[u8]) -> [Vec<u8>; 2] {
    let (first, second) = request.split_at(request.len() / 2);
    [first.to_vec(), second.to_vec()]
}

/// Plays a script on a connection of its own. Polls are held until it is their turn to be answered.
async fn play(arena: &Arena, mut session: Session, script: Script, gap: Duration, what: &str) {
    let mut line = Line::connect(arena.address()).await;
    for piece in script.pieces {
        line.write(piece).await;
        tokio::time::sleep(gap).await;
    }
    let mut rest = Some(script.rest);
    for wanted in script.wanted {
        if matches!(wanted, Wanted::Message(_)) {
            session.post(DETAILS).await;
            line.write(rest.take().unwrap_or_default()).await;
        }
        let reply = line.reply_or_cut().await;
        let reply = reply.unwrap_or_else(|| panic!("{what}: cut before {wanted:?}"));
        wanted.assert_is(&reply, what);
    }
    assert!(line.is_quiet(), "{what}: something nobody asked for");
    // Nothing of it is left in the way of what comes next.
    line.write(health()).await;
    Wanted::Health.assert_is(&line.reply().await, what);
}

/// Plays a script with every gap, each time for a session of its own.
async fn play_all(what: &str, script: impl Fn(&Session) -> Script) {
    let mut arena = Arena::demo().await;
    for gap in GAPS {
        let session = neighbour(&arena).await;
        let script = script(&session);
        let what = format!("{what}, {gap:?} between pieces");
        play(&arena, session, script, gap, &what).await;
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn requests_that_come_while_a_poll_behind_another_request_is_held() {
    play_all("a GET and a poll", |session| Script {
        pieces: vec![[health(), poll(session)].concat(), ready(), missing()],
        rest: Vec::new(),
        wanted: vec![
            Wanted::Health,
            Wanted::Message(1),
            Wanted::Ready,
            Wanted::Missing,
        ],
    })
    .await;
}

#[tokio::test]
async fn requests_that_come_while_a_poll_behind_a_post_is_held() {
    play_all("a POST and a poll", |session| {
        // A pong that nobody asked for: taken, and without an answer of its own.
        let post = session.post_request("3").bytes();
        Script {
            pieces: vec![[post, poll(session)].concat(), ready(), missing()],
            rest: Vec::new(),
            wanted: vec![
                Wanted::Taken,
                Wanted::Message(1),
                Wanted::Ready,
                Wanted::Missing,
            ],
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_with_empty_lines_before_a_poll() {
    play_all("empty lines", |session| {
        let body = "4{\r\n\r\n\"event\":\n\n\"detailsView\"\r\n\r\n}";
        let post = session.post_request(body).bytes();
        Script {
            pieces: vec![[post, poll(session)].concat(), poll(session), ready()],
            rest: Vec::new(),
            wanted: vec![
                Wanted::Taken,
                Wanted::Message(1),
                Wanted::Message(2),
                Wanted::Ready,
            ],
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_in_pieces_behind_a_poll_that_is_held() {
    play_all("pieces", |session| {
        let [first, second] = halves(&ready());
        Script {
            pieces: vec![
                [health(), poll(session)].concat(),
                first,
                [second, missing()].concat(),
            ],
            rest: Vec::new(),
            wanted: vec![
                Wanted::Health,
                Wanted::Message(1),
                Wanted::Ready,
                Wanted::Missing,
            ],
        }
    })
    .await;
}

#[tokio::test]
async fn half_a_request_behind_a_poll_whose_end_comes_with_the_answer() {
    play_all("a half", |session| {
        let [first, second] = halves(&ready());
        Script {
            pieces: vec![poll(session), first],
            rest: [second, missing()].concat(),
            wanted: vec![Wanted::Message(1), Wanted::Ready, Wanted::Missing],
        }
    })
    .await;
}

#[tokio::test]
async fn polls_behind_each_other_are_held_one_after_the_other() {
    play_all("polls", |session| Script {
        pieces: vec![
            [poll(session), poll(session)].concat(),
            [ready(), poll(session)].concat(),
            missing(),
        ],
        rest: health(),
        wanted: vec![
            Wanted::Message(1),
            Wanted::Message(2),
            Wanted::Ready,
            Wanted::Message(3),
            Wanted::Missing,
            Wanted::Health,
        ],
    })
    .await;
}

#[tokio::test]
async fn a_post_of_the_same_session_behind_its_poll() {
    play_all("a POST behind a poll", |session| {
        let post = session.post_request("3").bytes();
        Script {
            pieces: vec![poll(session), post, ready()],
            rest: Vec::new(),
            wanted: vec![Wanted::Message(1), Wanted::Taken, Wanted::Ready],
        }
    })
    .await;
}

#[tokio::test]
async fn many_requests_behind_a_poll() {
    /// Together many reads, and nearly all that a client may send while its request is held.
    const REQUESTS: usize = 1000;
    play_all("many", |session| {
        let mut wanted = vec![Wanted::Health, Wanted::Message(1)];
        wanted.extend([Wanted::Ready; REQUESTS]);
        wanted.push(Wanted::Missing);
        Script {
            pieces: vec![
                [health(), poll(session)].concat(),
                ready().repeat(REQUESTS),
                missing(),
            ],
            rest: Vec::new(),
            wanted,
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_sends_without_end_behind_a_poll_is_cut() {
    let arena = Arena::demo().await;
    let session = neighbour(&arena).await;
    let mut line = Line::connect(arena.address()).await;
    line.write(poll(&session)).await;
    // Nothing shows from outside that the poll is held.
    tokio::time::sleep(GAPS[2]).await;
    let flood = ready().repeat(100);
    // Bounded, should the server read on for ever.
    for _ in 0..10_000 {
        if line.try_write(&flood).await.is_err() {
            break;
        }
    }
    assert!(line.try_write(&flood).await.is_err(), "it was never cut");
    session.assert_unknown().await;
}

#[tokio::test]
async fn wherever_the_bytes_are_cut() {
    const STEP: usize = 5;
    let mut arena = Arena::demo().await;
    let length = {
        let session = neighbour(&arena).await;
        [health(), poll(&session), ready(), missing()]
            .concat()
            .len()
    };
    for at in (1..length).step_by(STEP) {
        let session = neighbour(&arena).await;
        let mut all = [health(), poll(&session), ready(), missing()].concat();
        let second = all.split_off(at);
        let script = Script {
            pieces: vec![all, second],
            rest: Vec::new(),
            wanted: vec![
                Wanted::Health,
                Wanted::Message(1),
                Wanted::Ready,
                Wanted::Missing,
            ],
        };
        play(&arena, session, script, GAPS[1], &format!("cut at {at}")).await;
    }
    arena.serves().await;
    arena.survives().await;
}
