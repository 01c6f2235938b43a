//! The plugins that come with `stellar::primus`, over the wire. One module per plugin; each test starts its own server.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps nothing has failed, which is its job"
)]

#[path = "../support/mod.rs"]
mod support;

/// Events and acknowledgements.
mod emit;
/// What handlers hold is let go of when a connection is over.
mod letting_go;
/// Channels on one connection.
mod multiplex;
/// Requests and responses.
mod responder;
/// Groups of connections.
mod rooms;

use std::net::SocketAddr;

use futures_util::StreamExt;
use serde_json::Value as Json;
use stellar::primus::{Builder, Connections, Primus, Spark, Value};
use support::{Client, within};

/// A server in this process, on a port of its own.
struct World {
    primus: Primus,
    connections: Connections,
    address: SocketAddr,
}

impl World {
    /// Serves what is built here. Data that nobody takes is echoed.
    async fn start(builder: Builder) -> Self {
        let builder = builder.on_data(|spark, packet| {
            spark.write(packet.data).unwrap();
        });
        let primus = builder.build().unwrap();
        let bound = primus.bind(([127, 0, 0, 1], 0)).await.unwrap();
        let address = bound.local_addr().unwrap();
        tokio::spawn(bound.serve());
        Self {
            connections: primus.connections(),
            primus,
            address,
        }
    }

    /// A client and its connection.
    async fn client(&mut self) -> (Peer, Spark) {
        let client = Client::open(self.address, "/primus").await;
        let spark = within("a connection", self.connections.next()).await;
        (Peer(client), spark.unwrap())
    }
}

/// A client to which every character matters.
struct Peer(Client);

impl Peer {
    async fn says(&mut self, text: &str) {
        self.0.send_text(text).await;
    }

    /// The next message, in the order of its keys.
    async fn hears(&mut self, text: &str) {
        assert_eq!(self.0.next_packet().await.to_string(), text);
    }

    /// Nothing has come before the echo of something.
    async fn hears_nothing(&mut self) {
        self.says("\"mark\"").await;
        self.hears("\"mark\"").await;
    }

    /// What is said is the application's, and not a plugin's.
    async fn is_data(&mut self, text: &str) {
        self.says(text).await;
        let expected: Json = serde_json::from_str(text).unwrap();
        assert_eq!(self.0.next_packet().await, expected);
    }

    async fn leaves(self) {
        self.0.close().await;
    }
}

/// A value from JSON.
fn value(json: Json) -> Value {
    json.into()
}
