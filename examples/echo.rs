//! The engine alone: every message comes back to its sender. No app, no verbs, no rooms.
//!
//!     cargo run --example echo
//!
//! Then connect with any WebSocket client to `ws://127.0.0.1:8080/ws` (`npx wscat -c ws://127.0.0.1:8080/ws`), or
//! with Primus to `http://127.0.0.1:8080`.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use stellar::Server;
use stellar::config::Config;
use stellar::engine::{
    CloseReason, Engine, Handler, Handshake, Incoming, IncomingPayload, Message, Spark,
};

#[derive(Debug)]
struct Echo;

impl Handler for Echo {
    fn opened(&self, spark: &Spark, handshake: &Handshake) {
        println!(
            "{} came from {} over {}",
            spark.id(),
            handshake.peer.ip,
            handshake.dialect
        );
    }

    fn received(&self, spark: &Spark, message: Incoming<'_>) {
        let answer = match message.payload {
            IncomingPayload::Text(text) => Message::text(text),
            IncomingPayload::Binary(bytes) => Message::binary(bytes.to_vec()),
        };
        if let Err(error) = spark.send(&answer) {
            println!("{}: {error}", spark.id());
        }
    }

    fn closed(
        &self,
        spark: &Spark,
        reason: &CloseReason,
    ) -> Option<futures_util::future::BoxFuture<'static, ()>> {
        println!("{} left: {reason}", spark.id());
        None
    }
}

#[tokio::main]
async fn main() -> Result<(), stellar::ServeError> {
    println!("echo on ws://127.0.0.1:8080/ws and http://127.0.0.1:8080/primus");
    Server::for_engine(Engine::new(Echo), Config::default())
        .run()
        .await
}
