//! The `ws` transport, in both of its dialects.

use futures_util::{SinkExt, StreamExt};
use stellar::Server;
use stellar::config::Config;
use stellar::engine::Engine;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{Client, Got, Plug};

mod primus {
    crate::conforms!(super::WsPlug<true>);
}

mod plain {
    crate::conforms!(super::WsPlug<false>);
}

struct WsPlug<const PRIMUS: bool>(std::net::SocketAddr);

impl<const PRIMUS: bool> Plug for WsPlug<PRIMUS> {
    const TRANSPORT: &'static str = "ws";
    type Client = WebSocketStream<TcpStream>;

    async fn start(engine: Engine) -> Self {
        let server = Server::for_engine(engine, Config::default()).listen(([127, 0, 0, 1], 0));
        let bound = server.transports(["ws"]).bind().await.unwrap();
        let address = bound.local_addr().unwrap();
        tokio::spawn(bound.serve(std::future::pending()));
        Self(address)
    }

    async fn connect(&self, query: &str) -> Result<Self::Client, u16> {
        let path = if PRIMUS { "primus" } else { "ws" };
        let socket = TcpStream::connect(self.0).await.unwrap();
        let url = format!("ws://{}/{path}?{query}", self.0);
        match tokio_tungstenite::client_async(url, socket).await {
            Ok((stream, _)) => Ok(stream),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Client for WebSocketStream<TcpStream> {
    async fn send_text(&mut self, text: &str) {
        // A server that has closed takes no more; what matters is what it told the engine.
        let _closed = self.send(Message::text(text)).await;
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        let _closed = self.send(Message::binary(bytes.to_vec())).await;
    }

    async fn receive(&mut self) -> Got {
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) if text.starts_with("\"primus::") => {
                    if text.contains("::ping::") {
                        self.send_text(&text.replace("ping", "pong")).await;
                    }
                }
                Some(Ok(Message::Text(text))) => return Got::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => return Got::Binary(bytes.to_vec()),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Got::Closed,
            }
        }
    }

    async fn close(mut self) {
        Self::close(&mut self, None).await.unwrap();
        while let Some(Ok(_)) = self.next().await {}
    }
}
