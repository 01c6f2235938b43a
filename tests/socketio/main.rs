//! socket.io on the wire, byte for byte: raw clients of both revisions, by polling, on a WebSocket and after an upgrade,
//! against the running program, or against a server in this process where hooks or another application are needed.
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

/// Acknowledgements: ids, order, and clients that asked for none.
mod acks;
/// The application decides who may connect, and what it is told.
mod admission;
/// Announced attachments that do not come as announced.
mod attachments;
/// Bytes as arguments.
mod binary;
/// How clients and servers end a connection.
mod closing;
/// CONNECT and its answer.
mod connecting;
/// Pages of other origins.
mod cors;
/// Which doors are open.
mod doors;
/// The engine.io below: what the library would do otherwise.
mod engine;
/// What applications without verbs get and send.
mod foreign;
/// Bursts, and streams of events, whole and in order.
mod load;
/// Packets that are none.
mod malformed;
/// Clients with another parser.
mod msgpack;
/// Names that no event may have.
mod names;
/// Other namespaces than `/`.
mod namespaces;
/// Namespaces that a program opens.
mod own_namespaces;
/// What the server tells unasked.
mod pushes;
/// Readers that do not keep up.
mod slow;
/// Clients that do not connect to anything.
mod unconnected;
/// From polling to a WebSocket, and attempts at it.
mod upgrade;
/// Events in, answers out.
mod verbs;

use std::time::Duration;

use support::{Binary, within};

/// How many clients are connected.
const CONNECTED: &str = "stellar_connections{transport=\"socketio\"}";

/// What a busy machine may add to a time before a test calls it late. With none of the default times it would be met.
const SLACK: Duration = Duration::from_secs(20);

/// Long enough for an answer that should not have come to come.
const MOMENT: Duration = Duration::from_millis(150);

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

/// Connections that ended for this reason.
fn closed_for(reason: &str) -> String {
    format!("stellar_connections_closed_total{{reason=\"{reason}\"}}")
}
