//! socket.io namespaces of your own, besides `/`, which is the app's.
//!
//!     cargo run --example namespaces
//!
//! Then, with npm `socket.io-client`:
//!
//!     const { io } = require('socket.io-client');
//!     const app = io('http://127.0.0.1:8080');          // verbs, rooms, actions
//!     const news = io('http://127.0.0.1:8080/news', { auth: { token: 'secret' } });
//!     news.on('headline', console.log);
//!     news.emit('publish', 'hello', console.log);

use serde_json::Value;
use stellar::Server;
use stellar::app::App;
use stellar::transports::socketio::Namespaces;
use stellar::transports::socketio::socketioxide::extract::{AckSender, Data, SocketRef};
use stellar::transports::socketio::socketioxide::handler::ConnectHandler;

/// Decides who may connect. What it returns is the message of the client's `connect_error`.
async fn authorize(Data(auth): Data<Value>) -> Result<(), &'static str> {
    match auth["token"] == "secret" {
        true => Ok(()),
        false => Err("wrong token"),
    }
}

async fn connected(socket: SocketRef) {
    socket.join("readers");
    socket.on(
        "publish",
        async |socket: SocketRef, Data(text): Data<String>, ack: AckSender| {
            let told = socket.within("readers").emit("headline", &text).await;
            // Without an acknowledgement nobody is told.
            ack.send(&told.is_ok()).ok();
        },
    );
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespaces = Namespaces::new(|io| {
        io.ns("/news", connected.with(authorize));
    });
    Server::new(App::builder().build()?)
        .namespaces(namespaces)
        .run()
        .await?;
    Ok(())
}
