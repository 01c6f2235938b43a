//! What peers may make the server hold: one budget for all of it, a share for each address, and a time for each half.
//!
//! Every test runs the real program with a small budget, and looks at what it says of itself in `/metrics`. A client that
//! has nothing to do with it is served all the while. `together` does everything at once, and looks at the process as the
//! system sees it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/raw.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod raw;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod web;

mod halves;
mod requests;
mod sessions;
mod together;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use support::{Binary, Client, within};

const MIB: u64 = 1024 * 1024;

/// What may be held over the budget while whoever holds most is on the way out: a sixteenth, and a step for each that
/// takes one at the same moment.
const OVER: f64 = 1.1;

/// Actions end when they like: what they hold is not given back before a test has looked, however slow the machine is.
const PATIENT: &str = "[general]\naction_timeout_ms = 3600000\n";

/// The same for what comes and goes in pieces.
const UNHURRIED: &str = "receive_stall_ms = 3600000\nreceive_timeout_ms = 3600000\nbody_timeout_ms = 3600000\nwrite_timeout_ms = 3600000\n";

/// A server with a budget, and a client that is to notice nothing.
struct Held {
    server: Binary,
    neighbour: Client,
}

impl Held {
    async fn with(limits: &str) -> Self {
        Self::beside(Binary::configured(&format!("{PATIENT}[limits]\n{limits}"))).await
    }

    async fn beside(server: Binary) -> Self {
        let neighbour = server.primus().await;
        let mut held = Self { server, neighbour };
        held.serves().await;
        held
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    async fn serves(&mut self) {
        let answer = self.neighbour.action("isolated.action", json!({}));
        assert_eq!(answer.await["success"], "ok");
    }

    async fn metric(&self, line: &str) -> u64 {
        let metrics = web::get(self.address(), "/metrics").await;
        let value = metrics
            .text()
            .lines()
            .find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {line} in {}", metrics.text()))
    }

    /// What is held for this, in bytes.
    async fn held(&self, kind: &str) -> u64 {
        let line = format!("stellar_memory_held_bytes{{kind=\"{kind}\"}}");
        self.metric(&line).await
    }

    /// What is held in all.
    async fn all(&self) -> u64 {
        let metrics = web::get(self.address(), "/metrics").await;
        let lines = metrics.text().lines();
        let held = lines.filter(|line| line.starts_with("stellar_memory_held_bytes{"));
        held.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum()
    }

    /// How often memory for this was asked for in vain.
    async fn refused(&self, kind: &str) -> u64 {
        let line = format!("stellar_memory_refused_total{{kind=\"{kind}\"}}");
        self.metric(&line).await
    }

    /// How many connections ended for this reason. It is told from the first one on.
    async fn closed(&self, reason: &str) -> u64 {
        let line = format!("stellar_connections_closed_total{{reason=\"{reason}\"}}");
        let metrics = web::get(self.address(), "/metrics").await;
        let mut lines = metrics.text().lines();
        let found = lines.find_map(|found| found.strip_prefix(&line)?.trim().parse().ok());
        found.unwrap_or(0)
    }

    async fn until_closed(&self, reason: &str, count: u64) {
        within(reason, async {
            while self.closed(reason).await < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Waits until so little is held.
    async fn until_at_most(&self, bytes: u64) {
        within("memory to be given back", async {
            while self.all().await > bytes {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// The server's resident memory in bytes.
    fn resident(&self) -> u64 {
        let status = format!("/proc/{}/status", self.server.pid());
        let status = std::fs::read_to_string(status).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.unwrap().trim().trim_end_matches(" kB");
        resident.parse::<u64>().unwrap() * 1024
    }

    /// The end: the client is served as ever, so is a newcomer, and nothing is held.
    async fn survives(mut self) {
        self.serves().await;
        self.server.plain().await.details().await;
        assert!(self.server.is_running());
    }
}

/// Bytes that no budget of these tests has room for many of.
fn text(bytes: u64) -> String {
    "x".repeat(usize::try_from(bytes).unwrap())
}
