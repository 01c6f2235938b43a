//! The WebSocket of an engine.io session. The handshake is written by hand, so that tests see every header.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Line, Packet, Reply, Request};
use crate::support::within;

/// The key of RFC 6455's own example, and what a server must answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An open WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// 1005: a close frame without a code; 1006: no close frame at all.
    close: Option<u16>,
}

/// A handshake for `target`.
pub(crate) fn handshake(target: &str) -> Request {
    Request::get(target)
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

impl Socket {
    /// Connects; the error is the refusal and the connection that it came on.
    pub(crate) async fn connect(
        address: SocketAddr,
        target: &str,
        headers: &[(String, String)],
    ) -> Result<Self, (Reply, Line)> {
        let mut line = Line::connect(address).await;
        let reply = line.exchange(&handshake(target).headers(headers)).await;
        if reply.status != 101 {
            return Err((reply, line));
        }
        assert_eq!(reply.header("sec-websocket-accept"), Some(ACCEPT));
        assert_eq!(reply.header("sec-websocket-protocol"), None);
        assert_eq!(reply.header("sec-websocket-extensions"), None);
        let (stream, rest) = line.into_parts();
        let stream = WebSocketStream::from_partially_read(stream, rest, Role::Client, None);
        Ok(Self {
            stream: stream.await,
            close: None,
        })
    }

    /// Sends a text frame.
    pub(crate) async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// Sends a binary frame.
    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.send_message(Message::binary(bytes.to_vec())).await;
    }

    async fn send_message(&mut self, message: Message) {
        let sent = within("a send", self.stream.send(message)).await;
        sent.expect("the socket is open");
    }

    /// Sends a text frame where the server may have closed already.
    pub(crate) async fn try_send(&mut self, text: &str) -> bool {
        let sent = self.stream.send(Message::text(text));
        within("a send", sent).await.is_ok()
    }

    /// Sends packets in one write where the server may have closed already. Bytes go as they are.
    pub(crate) async fn try_send_all(&mut self, packets: &[Packet]) -> bool {
        for packet in packets {
            let message = match packet {
                Packet::Text(text) => Message::text(text.as_str()),
                Packet::Binary(bytes) => Message::binary(bytes.clone()),
            };
            if within("a send", self.stream.feed(message)).await.is_err() {
                return false;
            }
        }
        within("a send", self.stream.flush()).await.is_ok()
    }

    /// The next frame as it is: text with its type digit, or the bytes of a binary frame. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        within("a frame", self.wait_next()).await
    }

    /// As [`next`](Self::next), however long it takes.
    pub(crate) async fn wait_next(&mut self) -> Option<Packet> {
        while self.close.is_none() {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Some(Packet::Text(text.to_string())),
                Some(Ok(Message::Binary(bytes))) => return Some(Packet::Binary(bytes.to_vec())),
                Some(Ok(Message::Close(frame))) => {
                    self.close = Some(frame.map_or(1005, |frame| frame.code.into()));
                    // Sends the answer to the close, if it still can be.
                    let _ = self.stream.flush().await;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => self.close = Some(1006),
            }
        }
        None
    }

    /// The next frame, which must come.
    pub(crate) async fn packet(&mut self) -> Packet {
        let packet = self.next().await;
        packet.unwrap_or_else(|| panic!("closed with {:?}", self.close))
    }

    /// The next message as JSON. Pings of v4 are answered.
    pub(crate) async fn next_json(&mut self) -> Value {
        loop {
            let packet = self.packet().await;
            if packet == "2" {
                self.send("3").await;
                continue;
            }
            let text = packet.as_message();
            let text = text.unwrap_or_else(|| panic!("no message: {packet:?}"));
            return serde_json::from_str(text).expect("messages of this server are JSON");
        }
    }

    /// Sends a Stellar packet, and returns the answer with this number. What comes before it is passed over.
    pub(crate) async fn request(&mut self, packet: Value, number: u64) -> Value {
        self.send(&format!("4{packet}")).await;
        loop {
            let answer = self.next_json().await;
            if answer["messageCount"] == number {
                return answer;
            }
        }
    }

    /// Waits for the end and returns its code; what comes before it is passed over.
    pub(crate) async fn closed(&mut self) -> u16 {
        while self.next().await.is_some() {}
        self.close.expect("only the end is no frame")
    }

    /// Closes in an orderly way and waits for the server to do the same.
    pub(crate) async fn close(mut self) -> u16 {
        // It may be closed by the other side already.
        let _ = self.stream.close(None).await;
        self.closed().await
    }
}
