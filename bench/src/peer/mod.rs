//! The peers that are written in Rust: parts of this program, so that no second
//! build can be forgotten. Each is started as `stellar-bench peer NAME`.

mod envelope;
mod fastwebsockets;
mod floor;
mod handshake;
mod packets;
mod room;
mod socketioxide;
mod tungstenite;

use std::future::Future;

use anyhow::Result;
use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// A bare server without a WebSocket library: the least that this load costs
    Floor,
    /// tokio-tungstenite, one flush per message
    Tungstenite,
    /// fastwebsockets, one write per message
    Fastwebsockets,
    /// socketioxide, over the protocol of socket.io
    Socketioxide,
}

pub(crate) fn run(peer: Peer, threads: usize) -> Result<()> {
    match peer {
        Peer::Floor => floor::run(threads),
        Peer::Tungstenite => block_on(threads, tungstenite::serve()),
        Peer::Fastwebsockets => block_on(threads, fastwebsockets::serve()),
        Peer::Socketioxide => block_on(threads, socketioxide::serve()),
    }
}

/// On tokio's multi-threaded runtime, as most servers are.
fn block_on(threads: usize, server: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?
        .block_on(server)
}
