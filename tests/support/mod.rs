//! What the tests over the wire share: a server, and clients that talk to it as a dialogue.
//!
//! * [`binary`]: the real program as a child process.
//! * [`server`]: a server in this process, for apps with hooks and actions of the test's own.
//! * [`engineio`]: a raw engine.io client; [`socketio`]: one of socket.io on top of it,
//!   with [`msgpack`] for those that write their packets in it.
//! * `tls`: a certificate, and streams of clients that trust it.
//! * [`ws`], on [`wire`]: a WebSocket client that speaks verbs and keeps what it was not asked for yet.
//!
//! Nothing here sleeps for a fixed time: whoever waits, waits for a condition, and fails after [`PATIENCE`].
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of this module"
)]

pub(crate) mod binary;
pub(crate) mod engineio;
pub(crate) mod msgpack;
pub(crate) mod server;
pub(crate) mod socketio;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod wire;
pub(crate) mod ws;

use std::time::Duration;

pub(crate) use binary::Binary;
pub(crate) use server::Running;
pub(crate) use wire::{Close, Event, Refused};
pub(crate) use ws::Client;

/// How long any single condition may take before a test gives up: a net for what never comes, and nothing that a slow or
/// busy machine should ever get near.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a future, and fails with `what` if it takes longer than [`PATIENCE`].
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// Asks again and again until the answer is yes; for state that announces itself to nobody.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
