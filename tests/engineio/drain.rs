//! A server that ends while sessions poll: what they wait for comes first, and nobody is forgotten.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use stellar::Server;
use stellar::config::Config;
use stellar::engine::{CloseReason, Engine, Handler, Incoming, Spark};
use tokio::sync::oneshot;

use crate::support::engineio::{Line, Reply, Request, Session, Version};
use crate::support::{Binary, eventually, within};

/// How long the actions take that are running when the server is told to end, in ms.
const ACTIONS: [u64; 3] = [4000, 5000, 6000];

/// All that a drain may wait for takes longer than a test waits for its end.
const LONG_DRAIN: &str = "[general]\nshutdown_timeout_ms = 600000\n[limits]\nheader_timeout_ms = 600000\n[polling]\nclose_grace_ms = 600000\n";

/// Actions that have begun, on a server that has been told to end.
struct Ending {
    server: Binary,
    session: Session,
}

impl Ending {
    async fn begin(version: Version) -> Self {
        let server = Binary::configured(LONG_DRAIN);
        let mut session = Session::greeted(server.address, version).await;
        session.send_json(&ACTIONS.map(sleep)).await;
        assert_eq!(session.details().await["pendingActions"], ACTIONS.len());
        Self { server, session }
    }

    async fn ends_well(self) {
        let finished = self.server.finished().await;
        assert_eq!(finished.code, Some(0));
        assert_eq!(finished.stderr, "");
    }
}

fn sleep(ms: u64) -> Value {
    json!({"event": "action", "params": {"action": "sleep", "sleepDuration": ms}})
}

async fn refuses_connections(address: SocketAddr) {
    eventually("the port to be closed", || {
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err()
    })
    .await;
}

/// The numbers of the answers that a poll has brought.
fn numbers(session: &Session, reply: &Reply) -> Vec<u64> {
    // The end may come with the last answer, and not by itself.
    let mut packets = session.packets(reply);
    packets.retain(|packet| *packet != "1");
    let numbers = packets.into_iter().map(|packet| {
        let answer: Value = serde_json::from_str(packet.as_message().unwrap()).unwrap();
        assert_eq!(answer.get("error"), None, "{answer}");
        answer["messageCount"].as_u64().unwrap()
    });
    numbers.collect()
}

/// Goes on polling on the same connection, on which one poll is under way, until all actions are answered.
async fn fetch_answers(session: &mut Session) -> Reply {
    let mut answered = Vec::new();
    loop {
        let reply = session.polled().await;
        answered.extend(numbers(session, &reply));
        if answered.len() == ACTIONS.len() {
            assert_eq!(answered, [1, 2, 3]);
            return reply;
        }
        assert_eq!(reply.header("connection"), None, "after {answered:?}");
        session.start_poll().await;
    }
}

#[tokio::test]
async fn running_actions_are_answered_before_the_server_closes_their_session() {
    for version in Version::BOTH {
        let mut ending = Ending::begin(version).await;
        // Somebody else has the server wait a little longer than this session does.
        let mut other = ending.server.plain().await;
        let last = other.send(sleep(ACTIONS[2] + 600)).await;
        let session = &mut ending.session;
        session.start_poll().await;
        ending.server.terminate();
        refuses_connections(ending.server.address).await;
        let reply = fetch_answers(session).await;
        assert_eq!(reply.header("connection"), None, "{version:?}");
        assert_eq!(session.poll().await, ["1"], "{version:?}");
        other.answer(last).await;
        other.closed().await;
        ending.ends_well().await;
    }
}

#[tokio::test]
async fn the_last_action_of_all_is_answered_too() {
    for version in Version::BOTH {
        let mut ending = Ending::begin(version).await;
        let session = &mut ending.session;
        session.start_poll().await;
        ending.server.terminate();
        refuses_connections(ending.server.address).await;
        let last = fetch_answers(session).await;
        // Whether the end comes with the last answer or after it, it comes.
        if !session.packets(&last).iter().any(|packet| *packet == "1") {
            assert_eq!(session.poll().await, ["1"], "{version:?}");
        }
        ending.ends_well().await;
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let server = Binary::configured(LONG_DRAIN);
    let mut line = Line::connect(server.address).await;
    // Its request waits first, and so is held outside of the HTTP decoder.
    let slow = Request::get("/api/sleep?sleepDuration=50");
    assert_eq!(line.exchange(&slow).await.status, 200);
    server.terminate();
    assert_eq!(server.finished().await.code, Some(0));
}

#[tokio::test]
async fn connections_are_kept_until_the_actions_are_done() {
    let mut ending = Ending::begin(Version::V4).await;
    let session = &mut ending.session;
    ending.server.terminate();
    refuses_connections(ending.server.address).await;
    // Verbs work, in both directions, as often as the client likes.
    let first = ACTIONS.len() as u64 + 2;
    for number in first..first + 10 {
        let reply = session.post_reply("4{\"event\":\"detailsView\"}").await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        assert_eq!(reply.header("connection"), None, "POST {number}");
        let mut answered = Vec::new();
        while !answered.contains(&number) {
            let reply = session.poll_reply().await;
            assert_eq!(reply.header("connection"), None, "GET {number}");
            answered.extend(numbers(session, &reply));
        }
        // The actions are still under way, but the first may be done on a slow machine.
        assert!(!answered.contains(&(ACTIONS.len() as u64)), "too slow");
    }
}

#[tokio::test]
async fn the_program_ends_at_once_when_nobody_is_polling() {
    const SESSIONS: usize = 50;
    let log = &["--demo", "--log", "stellar_transports=debug"];
    let server = Binary::serve(log, LONG_DRAIN);
    for number in 0..SESSIONS {
        // Their connections are closed again: nothing but the table knows of these sessions.
        drop(Session::open(server.address, Version::BOTH[number % 2]).await);
    }
    server.terminate();
    // Neither the grace for last packets nor the limit of a drain has to pass.
    let finished = server.finished().await;
    assert_eq!(finished.code, Some(0));
    let log = finished.stdout + &finished.stderr;
    assert_eq!(log.matches("connection closed").count(), SESSIONS, "{log}");
    assert_eq!(log.matches("going_away").count(), SESSIONS, "{log}");
}

/// Counts who has left. Each takes a little, as an application does that says good-bye.
#[derive(Debug, Default)]
struct Leavers(Arc<AtomicUsize>);

impl Handler for Leavers {
    fn received(&self, _: &Spark, _: Incoming<'_>) {}

    fn closed(&self, _: &Spark, reason: &CloseReason) -> Option<BoxFuture<'static, ()>> {
        assert_eq!(*reason, CloseReason::GoingAway);
        let left = Arc::clone(&self.0);
        Some(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            left.fetch_add(1, Ordering::SeqCst);
        }))
    }
}

#[tokio::test]
async fn the_application_has_heard_of_every_end_before_the_server_is_done() {
    const SESSIONS: usize = 50;
    let left = Arc::new(AtomicUsize::new(0));
    let config = Config::parse(LONG_DRAIN, "the test").unwrap();
    let server = Server::for_engine(Engine::new(Leavers(Arc::clone(&left))), config);
    let bound = server.listen(([127, 0, 0, 1], 0)).bind().await.unwrap();
    let address = bound.local_addr().unwrap();
    let (stop, asked) = oneshot::channel::<()>();
    let serving = tokio::spawn(bound.serve(async move { asked.await.unwrap() }));
    for number in 0..SESSIONS {
        drop(Session::open(address, Version::BOTH[number % 2]).await);
    }
    stop.send(()).unwrap();
    within("the drain", serving).await.unwrap();
    assert_eq!(left.load(Ordering::SeqCst), SESSIONS);
}
