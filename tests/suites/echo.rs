//! What the protocol suites and Autobahn expect to talk to: an echo behind every door, and for socket.io clients the
//! events and the namespace `/custom` that the suite names. `tests/suites/run` starts it.
//!
//!     cargo run --example suite_echo -- tests/suites/echo.toml
#![allow(clippy::print_stdout, reason = "it tells its address")]

use std::path::Path;

use serde_json::{Value, json};
use stellar::Server;
use stellar::config::Config;
use stellar::engine::{
    Engine, Handler, Handshake, Incoming, IncomingPayload, Limits, Message, Spark,
};
use stellar::transports::socketio::Namespaces;
use stellar::transports::socketio::socketioxide::extract::{Data, SocketRef};

/// What a connection of a socket.io client is known by.
struct SocketIo;

#[derive(Debug)]
struct Echo;

impl Handler for Echo {
    fn opened(&self, spark: &Spark, handshake: &Handshake) {
        if handshake.dialect == "socket.io" {
            spark.attach(SocketIo);
            let auth = handshake.auth.clone().unwrap_or_else(|| json!({}));
            send(spark, &Message::text(auth.to_string()).named("auth"));
        }
    }

    fn received(&self, spark: &Spark, message: Incoming<'_>) {
        let answer = match message.payload {
            IncomingPayload::Text(text) => Message::text(text),
            IncomingPayload::Binary(bytes) => Message::binary(bytes.to_vec()),
        };
        let answer = match spark.attachment::<SocketIo>() {
            Some(SocketIo) => answer.named("message-back").answering(message.ack),
            None => answer,
        };
        send(spark, &answer);
    }
}

fn send(spark: &Spark, message: &Message) {
    if let Err(error) = spark.send(message) {
        eprintln!("{}: {error}", spark.id());
    }
}

async fn custom(socket: SocketRef, Data(auth): Data<Value>) {
    let auth = if auth.is_null() { json!({}) } else { auth };
    if let Err(error) = socket.emit("auth", &auth) {
        eprintln!("{error}");
    }
}

/// One thread, as in Node: some cases send two requests at once, and expect that the first is read first.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("the configuration is missing")?;
    // Autobahn has messages of 16 MiB, and some of 65,536 frames. Primus's pings are messages that it does not expect.
    let limits = Limits {
        max_message: 32 << 20,
        max_fragments: 1 << 17,
        max_outbox: 64 << 20,
        ping_interval: None,
        ..Limits::default()
    };
    let server = Server::for_engine(
        Engine::new(Echo).limits(limits),
        Config::load(Path::new(&path))?,
    )
    .namespaces(Namespaces::new(|io| io.ns("/custom", custom)))
    .bind()
    .await?;
    println!("echo on http://{}", server.local_addr()?);
    server.serve(stellar::asked_to_stop()).await;
    Ok(())
}
