//! The server API of `stellar::primus`: servers in this process, clients over real sockets. Each test has a server of
//! its own.
//!
//! Times are short by configuration. A test that waits for one says which; everything else waits for a condition.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod web;

/// What is written to many at once, and how often it is encoded.
mod broadcast;
/// The end of a server.
mod destroy;
/// Where clients come in, and where they do not.
mod doors;
/// Connections that end: what clients read last, and what the server is told.
mod ending;
/// Handlers of connections, and the same as streams.
mod handlers;
/// Data that nobody takes, and connections that are not read from.
mod inbox;
/// What requests go through: layers of one's own.
mod layers;
/// Nothing is kept of connections that are over.
mod leaks;
/// Values in a format of one's own.
mod parser;
/// Plugins, in their order.
mod plugins;
/// The server inside HTTP servers that are not its own.
mod service;
/// Connections by id, and all of them in turn.
mod sparks;
/// The layers that every server has.
mod standard_layers;
/// Messages that keep their order through transforms that take their time.
mod transform_order;
/// What transforms do with messages, and what becomes of those that fail.
mod transforms;
/// What becomes of messages that are written.
mod writing;

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use parking_lot::Mutex;
use stellar::primus::{Builder, Connections, Primus, Spark};
use stellar::transports::Metrics;
use support::engineio::{Opening, PRIMUS, Session, Socket, Version};
use support::{Client, eventually, within};
use tokio::task::JoinHandle;

/// A server in this process, on a port of its own.
struct World {
    primus: Primus,
    connections: Connections,
    address: SocketAddr,
    metrics: Metrics,
    serving: JoinHandle<()>,
}

impl World {
    async fn start(builder: Builder) -> Self {
        let metrics = Metrics::default();
        let primus = builder.metrics(metrics.clone()).build().unwrap();
        let bound = primus.bind(([127, 0, 0, 1], 0)).await.unwrap();
        let address = bound.local_addr().unwrap();
        Self {
            connections: primus.connections(),
            serving: tokio::spawn(bound.serve()),
            primus,
            address,
            metrics,
        }
    }

    /// The connection that opens next.
    async fn spark(&mut self) -> Spark {
        let spark = within("a connection", self.connections.next()).await;
        spark.unwrap()
    }

    /// A client that reads JSON and answers pings, and its connection.
    async fn client(&mut self) -> (Client, Spark) {
        (
            Client::open(self.address, "/primus").await,
            self.spark().await,
        )
    }

    /// A WebSocket to whose owner every frame matters, and its connection.
    async fn socket(&mut self) -> (Socket, Spark) {
        let socket = connect(self.address, "/primus").await;
        (socket, self.spark().await)
    }

    /// A client that polls, and its connection.
    async fn polling(&mut self) -> (Session, Spark) {
        let opening = Opening::new(self.address, Version::V4).door(PRIMUS);
        (opening.session().await, self.spark().await)
    }

    /// Waits until this many messages have come in, from whomever.
    async fn received(&self, messages: u64) {
        let received = &self.metrics.received;
        eventually("the messages", || received.get() >= messages).await;
    }
}

async fn connect(address: SocketAddr, target: &str) -> Socket {
    match Socket::connect(address, target, &[]).await {
        Ok(socket) => socket,
        Err((reply, _)) => panic!("refused: {reply:?}"),
    }
}

/// What happened, in its order.
struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + PartialEq + std::fmt::Debug> Log<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn push(&self, event: T) {
        self.0.lock().push(event);
    }

    fn all(&self) -> Vec<T> {
        self.0.lock().clone()
    }

    /// Waits until so much has happened.
    async fn reaches(&self, len: usize) -> Vec<T> {
        eventually("what is to happen", || self.0.lock().len() >= len).await;
        self.all()
    }

    /// Waits until just this has happened.
    async fn becomes(&self, expected: impl IntoIterator<Item = T>) {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(self.reaches(expected.len()).await, expected);
    }
}

/// The frames that are left, and the code of the close.
async fn rest(socket: &mut Socket) -> (Vec<String>, u16) {
    let mut frames = Vec::new();
    while let Some(frame) = socket.next().await {
        frames.push(frame.text_form("binary "));
    }
    (frames, socket.closed().await)
}
