//! What breaks a session off in the middle of something, and what only looks like it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use stellar::Server;
use stellar::config::Config;
use stellar::engine::{CloseReason, Engine, Handler, Handshake, Hub, Incoming, Spark};

use crate::raw::Raw;
use crate::support::engineio::{Line, Opening, Request, Session, Version};
use crate::support::{Binary, eventually, within};
use crate::{Echo, MOMENT, SESSIONS, closed_for, metric, metric_becomes, web};

/// Slow enough for a test to do something between a ping and the end, and for that to be on time on a busy machine.
const UNHURRIED: &str = "[polling]\nping_interval_ms = 2000\nping_timeout_ms = 2000\n";
const INTERVAL: Duration = Duration::from_millis(2000);
const TIMEOUT: Duration = Duration::from_millis(2000);

/// Serves an application in this process.
async fn serve(handler: impl Handler, config: &str) -> (SocketAddr, Arc<Hub>) {
    let engine = Engine::new(handler);
    let hub = Arc::clone(engine.hub());
    let config = Config::parse(config, "the test").unwrap();
    let server = Server::for_engine(engine, config);
    let bound = server.listen(([127, 0, 0, 1], 0)).bind().await.unwrap();
    let address = bound.local_addr().unwrap();
    tokio::spawn(bound.serve(std::future::pending()));
    (address, hub)
}

async fn until(since: Instant, after: Duration) {
    tokio::time::sleep_until((since + after).into()).await;
}

/// Does not survive any opening, and keeps the reasons for what ended.
#[derive(Debug, Default)]
struct Fragile(Arc<Mutex<Vec<CloseReason>>>);

impl Handler for Fragile {
    fn opened(&self, _: &Spark, _: &Handshake) {
        panic!("opened, on purpose");
    }

    fn received(&self, _: &Spark, _: Incoming<'_>) {}

    fn closed(&self, _: &Spark, reason: &CloseReason) -> Option<BoxFuture<'static, ()>> {
        self.0.lock().push(reason.clone());
        None
    }
}

/// Opens a session for which the application panics, and asserts that nothing is left of it.
async fn assert_ends_as_internal(open: impl AsyncFnOnce(&Opening)) {
    let ends = Arc::default();
    let (address, hub) = serve(Fragile(Arc::clone(&ends)), "").await;
    open(&Opening::new(address, Version::V4)).await;
    eventually("the end", || !ends.lock().is_empty()).await;
    assert_eq!(*ends.lock(), [CloseReason::Internal]);
    eventually("it is forgotten", || hub.is_empty()).await;
    let metrics = web::get(address, "/metrics").await;
    for expected in [format!("{SESSIONS} 0"), closed_for("internal") + " 1"] {
        let is_there = metrics.text().lines().any(|line| line == expected);
        assert!(is_there, "{expected}: {}", metrics.text());
    }
}

#[tokio::test]
async fn a_panic_at_the_opening_of_a_session_ends_it() {
    assert_ends_as_internal(async |opening| {
        let mut line = Line::connect(opening.address).await;
        line.send(&Request::get(&opening.target("polling"))).await;
        // The code that answers is gone with the application's, so the client may see nothing but the end.
        if let Some(reply) = line.reply_or_cut().await {
            assert!(reply.status >= 500, "{reply:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_panic_at_the_opening_of_a_websocket_ends_it() {
    assert_ends_as_internal(async |opening| {
        let mut socket = opening.socket().await;
        socket.closed().await;
    })
    .await;
}

/// A client that has one POST under way while the application does not read, over a ping and beyond.
async fn is_paused_for(paused: Duration) {
    const BEFORE_THE_PING: Duration = Duration::from_millis(500);
    const ANSWERS_AFTER: Duration = Duration::from_millis(150);
    let (address, hub) = serve(Echo, UNHURRIED).await;
    let opened = Instant::now();
    let mut session = Session::open(address, Version::V4).await;
    session.start_poll().await;
    let sparks = hub.sparks();
    let [spark] = &sparks[..] else {
        panic!("one session, not {sparks:?}");
    };
    let pausing = INTERVAL - BEFORE_THE_PING;
    until(opened, pausing).await;
    spark.pause();
    let mut posts = Line::connect(address).await;
    posts.send(&session.post_request("4held")).await;
    let reply = session.polled().await;
    assert_eq!(session.packets(&reply), ["2"]);
    session.start_poll().await;
    until(opened, pausing + paused).await;
    assert!(posts.is_quiet() && session.is_held(), "{paused:?}");
    spark.resume();
    // The pong could not be sent before: clients have one POST at a time.
    assert_eq!(posts.reply().await.text(), "ok");
    tokio::time::sleep(ANSWERS_AFTER).await;
    let reply = posts.exchange(&session.post_request("3")).await;
    assert_eq!((reply.status, reply.text()), (200, "ok"), "{paused:?}");
    let reply = session.polled().await;
    assert_eq!(session.packets(&reply), ["4held"], "{paused:?}");
    // And so it goes on.
    assert_eq!(session.poll().await, ["2"]);
    session.post("3\u{1e}4on").await;
    assert_eq!(session.poll().await, ["4on"]);
}

#[tokio::test]
async fn an_application_that_reads_again_just_before_the_deadline_has_not_lost_its_client() {
    is_paused_for(TIMEOUT).await;
}

#[tokio::test]
async fn an_application_that_reads_again_after_the_deadline_has_not_lost_its_client() {
    is_paused_for(TIMEOUT + Duration::from_millis(1000)).await;
}

#[tokio::test]
async fn a_client_that_was_silent_before_and_after_a_pause_is_gone() {
    let (address, hub) = serve(Echo, UNHURRIED).await;
    let session = Session::open(address, Version::V4).await;
    for spark in hub.sparks() {
        spark.pause();
        tokio::time::sleep(INTERVAL + TIMEOUT).await;
        assert!(spark.is_open());
        spark.resume();
    }
    // The pause excuses only so much.
    within("the end", async {
        while !hub.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    session.assert_unknown().await;
}

#[tokio::test]
async fn a_body_that_takes_longer_than_the_heartbeat_is_not_silence() {
    const PIECES: usize = 41;
    const PAUSE: Duration = Duration::from_millis(110);
    let (address, _hub) = serve(Echo, UNHURRIED).await;
    let mut session = Session::open(address, Version::V4).await;
    let message = format!("4{}", "x".repeat(PIECES - 1));
    let request = session.post_request(&*message).bytes();
    let (head, body) = request.split_at(request.len() - PIECES);
    session.start_poll().await;
    let mut posts = Line::connect(address).await;
    let began = Instant::now();
    posts.write(head).await;
    for piece in body.chunks(1) {
        tokio::time::sleep(PAUSE).await;
        posts.write(piece).await;
    }
    assert!(began.elapsed() > INTERVAL + TIMEOUT);
    let reply = posts.reply().await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    let reply = session.polled().await;
    assert_eq!(session.packets(&reply), ["2"]);
    let reply = posts.exchange(&session.post_request("3")).await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    // Pings may come before it, where the machine is slow.
    assert_eq!(session.next().await, &*message);
}

#[tokio::test]
async fn a_client_that_breaks_off_in_the_middle_of_an_answer_is_gone() {
    /// Together more than the systems of both ends take off the server's hands, so that it can know.
    const MESSAGES: usize = 12;
    const LENGTH: usize = 1_000_000;
    let server = Binary::configured(
        "[limits]\nmax_outbox_bytes = 33554432\n[polling]\nmax_payload_bytes = 33554432\n",
    );
    let mut speaker = server.plain().await;
    speaker.join("defaultRoom").await;
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.join("defaultRoom").await;
    for _ in 0..MESSAGES {
        speaker.say("defaultRoom", "x".repeat(LENGTH)).await;
        speaker.hears().await;
    }
    {
        let mut line = Raw::with_small_window(server.address).await;
        line.write(session.get_request().bytes()).await;
        let answer = line.head().await;
        assert_eq!(answer.status, 200);
        let length: usize = answer.header("content-length").unwrap().parse().unwrap();
        assert!(length > MESSAGES * LENGTH, "{length}");
        assert!(line.gets_something().await);
    }
    // What was on its way is lost, so the session must not go on without it.
    metric_becomes(&server, &closed_for("peer_gone"), 1).await;
    session.assert_unknown().await;
    assert_eq!(metric(&server, SESSIONS).await, 0);
}

#[tokio::test]
async fn a_poll_that_says_in_its_second_header_that_it_is_the_last_is_the_last() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    for (number, values) in [["keep-alive", "close"], ["close", "keep-alive"]]
        .into_iter()
        .enumerate()
    {
        let request = values.iter().fold(session.get_request(), |request, value| {
            request.header("Connection", value)
        });
        let mut line = Line::connect(server.address).await;
        line.send(&request).await;
        tokio::time::sleep(MOMENT).await;
        assert!(line.is_quiet());
        session.post("4{\"event\":\"detailsView\"}").await;
        let reply = line.reply().await;
        let number = format!("\"messageCount\":{}", number + 1);
        assert!(reply.text().contains(&number), "{}", reply.text());
        assert_eq!(reply.header("connection"), Some("close"), "{values:?}");
        assert!(line.is_cut().await, "{values:?}");
    }
    // That was the end of connections, and not of the session.
    session.count(2);
    session.details().await;
}
