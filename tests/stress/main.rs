//! Everything at once, by chance: clients of every kind join, leave, say, move to WebSockets and end, well and badly, and an
//! oracle knows who had to hear what.
//!
//! ```sh
//! cargo nextest run --test stress           # a fixed number of steps
//! make stress                               # as long as you like, another seed each round
//! make soak                                 # a million clients that come and go, and what the server keeps of them
//! ```
//!
//! A seed decides what each client does. How they meet is up to the machine, so a seed that failed is run again and again:
//! `STELLAR_STRESS_SEED=7 make stress`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod guest;
mod oracle;
mod script;
mod soak;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use stellar::app::App;
use stellar::config::Config;
use support::server::start;
use support::{Client, eventually};
use tokio::sync::oneshot;

use oracle::{Words, judge};
use script::{Round, act};

const ROOMS: [&str; 3] = ["a", "b", "c"];

/// Clients at any time, and what each does.
const ACTORS: u64 = 20;
const STEPS: usize = 60;

/// Nobody is asked whether it lives, and nobody is late: whoever abandons a session stays in its rooms until the end.
const UNHURRIED: &str = "[general]\nstarting_rooms = [\"a\", \"b\", \"c\"]\n\
    [limits]\nping_interval_ms = 0\nwrite_timeout_ms = 3600000\n\
    [polling]\nping_interval_ms = 3600000\nupgrade_timeout_ms = 3600000\n\
    [socketio]\nping_interval_ms = 3600000\nupgrade_timeout_ms = 3600000\n";

/// Is in a room from the first to the last, and returns what was said there.
async fn witness(mut client: Client, mut end: oneshot::Receiver<()>) -> Vec<(u64, Words)> {
    let mut heard = Vec::new();
    let mut take = |push: &serde_json::Value| {
        let (_, number, words) = script::read(push);
        heard.push((number, words));
    };
    loop {
        tokio::select! {
            _ = &mut end => break,
            packet = client.hears() => take(&packet),
        }
    }
    client.so_far().await.iter().for_each(take);
    heard
}

/// Tasks that the first client of `polling` and of `socketio` starts, and the server keeps.
const CLOCKS: usize = 4;
/// Tasks of a client of `socketio` that is still known.
const EACH_KEEPS: usize = 3;

/// Tasks of server and clients that are not over.
fn alive_tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// One round on a server of its own.
async fn round(seed: u64, actors: u64, steps: usize) {
    eprintln!("seed {seed}");
    let config = Config::parse(UNHURRIED, "the test").unwrap();
    let server = start(App::builder(), config).await;
    let mut witnesses = Vec::new();
    for room in ROOMS {
        let mut client = server.plain().await;
        client.join(room).await;
        let (end, ended) = oneshot::channel();
        witnesses.push((end, tokio::spawn(witness(client, ended))));
    }
    let round = Arc::new(Round::new(server.address));
    let tasks = alive_tasks();
    let actors = (0..actors).map(|n| {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(n);
        tokio::spawn(act(Arc::clone(&round), seed, steps))
    });
    let mut lives = Vec::new();
    for actor in futures_util::future::join_all(actors).await {
        lives.extend(actor.unwrap());
    }
    let abandoned = round.abandoned.load(Ordering::SeqCst) as usize;
    let hub = Arc::clone(&server.hub);
    eventually("whoever has ended to be gone", || {
        hub.len() == ROOMS.len() + abandoned
    })
    .await;
    let kept = CLOCKS + EACH_KEEPS * abandoned;
    eventually("their tasks to be over", || alive_tasks() <= tasks + kept).await;
    let mut witnessed = Vec::new();
    for (end, witness) in witnesses {
        end.send(()).unwrap();
        witnessed.push(witness.await.unwrap());
    }
    let (said, stays) = lives.iter().fold((0, 0), |(said, stays), life| {
        (said + life.said.len(), stays + life.stays.len())
    });
    let heard: usize = lives
        .iter()
        .flat_map(|it| &it.stays)
        .map(|it| it.heard.len())
        .sum();
    let clients = lives.len();
    eprintln!("  {clients} clients, {stays} stays, {said} said, {heard} heard");
    if let Err(fault) = judge(&lives, &witnessed) {
        panic!("seed {seed}: {fault}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_message_reaches_the_members_of_its_moment_once_and_in_order() {
    for seed in 1..=3 {
        round(seed, ACTORS, STEPS).await;
    }
}

/// The number in this variable of the environment.
fn asked_for(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is a number, and not {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes as long as you like: make stress"]
async fn for_as_long_as_is_asked_for() {
    let time = Duration::from_secs(asked_for("STELLAR_STRESS_SECONDS").unwrap_or(600));
    let seed = asked_for("STELLAR_STRESS_SEED");
    let started = Instant::now();
    let mut next = seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    while started.elapsed() < time {
        round(next, ACTORS, STEPS).await;
        next += u64::from(seed.is_none());
    }
}
