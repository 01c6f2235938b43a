//! engine.io on the wire, statement by statement: raw HTTP and raw WebSockets against the running program.
//!
//! Times are short by configuration. A test that waits for one says which; everything else waits for a condition.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/raw.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod raw;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod web;

/// Base64 as clients write it.
mod base64;
/// How sessions end, from either side.
mod closing;
/// Answers that are compressed, and those that are not.
mod compression;
/// Pages of other origins.
mod cors;
/// What breaks a session off, and what only looks like it.
mod cut;
/// A server that ends while sessions poll.
mod drain;
/// Errors: codes, statuses, texts, and which one comes first.
mod errors;
/// Who pings, when, and what silence leads to.
mod heartbeat;
/// JSONP, for browsers that can do nothing else.
mod jsonp;
/// Clients that say less than the protocol wants.
mod laconic;
/// Sessions, packets and bytes over the limits.
mod limits;
/// Nothing lost, doubled or reordered by an upgrade under load.
mod load;
/// The opening request and its answer.
mod opening;
/// Packets and payloads of v4.
mod payloads;
/// GET: what comes.
mod polls;
/// POST: what goes.
mod posts;
/// What is Primus's at its door.
mod primus;
/// Rooms with members of every kind.
mod rooms;
/// From polling to a WebSocket.
mod upgrade;
/// Upgrades that come to nothing.
mod upgrade_failures;
/// Upgrades by clients that do not probe, or say more than `5`.
mod upgrade_shortcuts;
/// engine.io v3, where it differs.
mod version3;
/// Sessions that begin on a WebSocket.
mod websocket;

use std::net::SocketAddr;
use std::time::Duration;

use stellar::Server;
use stellar::config::Config;
use stellar::engine::{CloseReason, Engine, Handler, Incoming, IncomingPayload, Message, Spark};

use support::{Binary, within};

/// Heartbeats and upgrades whose end a test can wait for.
const QUICK: &str =
    "[polling]\nping_interval_ms = 500\nping_timeout_ms = 1000\nupgrade_timeout_ms = 1000\n";
const INTERVAL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_millis(1000);

/// As often, for clients that answer: also on a machine that lets them wait.
const PATIENT: &str = "[polling]\nping_interval_ms = 500\nping_timeout_ms = 5000\n";
const PATIENT_TIMEOUT: Duration = Duration::from_millis(5000);

/// What a busy machine may add to a time before a test calls it late. With none of the default times it would be met.
const SLACK: Duration = Duration::from_secs(20);

/// Long enough for an answer that should not have come to come.
const MOMENT: Duration = Duration::from_millis(150);

/// Sends every message back.
#[derive(Debug)]
struct Echo;

impl Handler for Echo {
    fn received(&self, spark: &Spark, message: Incoming<'_>) {
        let answer = match message.payload {
            IncomingPayload::Text(text) => Message::text(text),
            IncomingPayload::Binary(bytes) => Message::binary(bytes.to_vec()),
        };
        // A connection that has ended meanwhile takes nothing, and its client sees that.
        let _ = spark.send(&answer);
    }

    fn closed(
        &self,
        _: &Spark,
        _: &CloseReason,
    ) -> Option<futures_util::future::BoxFuture<'static, ()>> {
        None
    }
}

/// A server in this process that sends every message back: the only way to binary answers.
async fn echo(config: &str) -> SocketAddr {
    let config = Config::parse(config, "the test").unwrap();
    let server = Server::for_engine(Engine::new(Echo), config);
    let bound = server.listen(([127, 0, 0, 1], 0)).bind().await.unwrap();
    let address = bound.local_addr().unwrap();
    tokio::spawn(bound.serve(std::future::pending()));
    address
}

/// A number that the server tells about itself; 0 if it does not mention it.
async fn metric(server: &Binary, name: &str) -> u64 {
    let metrics = web::get(server.address, "/metrics").await;
    let mut lines = metrics.text().lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or(0)
}

/// Waits until the server tells this number.
async fn metric_becomes(server: &Binary, name: &str, expected: u64) {
    within(&format!("{name} {expected}"), async {
        while metric(server, name).await != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// How many sessions are open.
const SESSIONS: &str = "stellar_connections{transport=\"polling\"}";

/// Connections that ended for this reason.
fn closed_for(reason: &str) -> String {
    format!("stellar_connections_closed_total{{reason=\"{reason}\"}}")
}
