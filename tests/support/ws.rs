//! A WebSocket client whose tests read as a dialogue.
//!
//! ```ignore
//! let mut ann = Client::greeted(address, "/primus").await;
//! ann.join("defaultRoom").await;
//! assert_eq!(ann.hears().await["message"], "hello");
//! ```
//!
//! What arrives while something else is awaited is kept, in order. Primus's control strings are kept apart; pings are
//! answered as a Primus client does, unless told otherwise.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::wire::{Close, Event, Io, Muteable, Refused, open};
use super::within;

/// One client.
pub(crate) struct Client {
    stream: WebSocketStream<Muteable>,
    is_mute: Arc<AtomicBool>,
    speaks_primus: bool,
    answers_pings: bool,
    /// Packets that can be answered, sent so far.
    sent: u64,
    /// What has come and was not asked for yet.
    seen: VecDeque<Value>,
    /// Primus's control strings, as they came.
    pub(crate) controls: Vec<String>,
    /// How many WebSocket pings have come.
    pub(crate) pings: usize,
    /// How many WebSocket pongs have come.
    pub(crate) pongs: usize,
    close: Option<Close>,
}

impl Client {
    /// Connects, with further headers. A path below `/primus` makes it a Primus client, one that answers
    /// `primus::ping::`.
    pub(crate) async fn connect(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refused> {
        let stream = within("a TCP connection", TcpStream::connect(address)).await;
        let stream = stream.expect("the server's port is open");
        Self::over(Box::new(stream), &address.to_string(), path, headers).await
    }

    /// As [`connect`](Self::connect), over an open stream.
    pub(crate) async fn over(
        mut io: Box<dyn Io>,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refused> {
        let rest = open(&mut io, host, path, headers).await?;
        let is_mute = Arc::new(AtomicBool::new(false));
        let io = Muteable::new(io, Arc::clone(&is_mute));
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let stream =
            WebSocketStream::from_partially_read(io, rest, Role::Client, Some(config)).await;
        Ok(Self {
            stream,
            is_mute,
            speaks_primus: path.starts_with("/primus"),
            answers_pings: true,
            sent: 0,
            seen: VecDeque::new(),
            controls: Vec::new(),
            pings: 0,
            pongs: 0,
            close: None,
        })
    }

    /// Connects and takes the greeting.
    pub(crate) async fn greeted(address: SocketAddr, path: &str) -> Self {
        let mut client = Self::open(address, path).await;
        client.expect_welcome().await;
        client
    }

    /// Connects and leaves the greeting to the test.
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Self {
        match Self::connect(address, path, &[]).await {
            Ok(client) => client,
            Err(refused) => panic!("refused: {refused:?}"),
        }
    }

    /// The first packet, which must be the greeting.
    pub(crate) async fn expect_welcome(&mut self) {
        let welcome = json!({"welcome": "Hello human! Welcome to Stellar", "context": "api"});
        assert_eq!(self.next().await, Event::Packet(welcome));
    }

    /// Sends a packet and returns the number that its answer will carry.
    pub(crate) async fn send(&mut self, packet: Value) -> u64 {
        self.send_text(&packet.to_string()).await;
        self.sent += 1;
        self.sent
    }

    /// Sends several packets so that they leave in one write, and returns the number of the last.
    pub(crate) async fn send_all(&mut self, packets: impl IntoIterator<Item = Value>) -> u64 {
        for packet in packets {
            let message = Message::text(packet.to_string());
            self.stream.feed(message).await.expect("it is open");
            self.sent += 1;
        }
        self.stream.flush().await.expect("it is open");
        self.sent
    }

    /// Sends text that is not counted as a packet.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// Sends bytes that are not counted as a packet.
    pub(crate) async fn send_binary(&mut self, bytes: impl Into<Vec<u8>>) {
        self.send_message(Message::binary(bytes.into())).await;
    }

    /// Sends a WebSocket ping.
    pub(crate) async fn send_ping(&mut self) {
        self.send_message(Message::Ping(Vec::new().into())).await;
    }

    /// Sends whatever tungstenite can.
    pub(crate) async fn send_message(&mut self, message: Message) {
        within("a send", self.stream.send(message))
            .await
            .expect("the connection is open");
    }

    /// As [`send_text`](Self::send_text), where the connection may be over already.
    pub(crate) async fn try_send_text(&mut self, text: &str) -> bool {
        let sent = self.stream.send(Message::text(text));
        within("a send", sent).await.is_ok()
    }

    /// Counts packets that were sent as text or bytes.
    pub(crate) fn count(&mut self, packets: u64) {
        self.sent += packets;
    }

    /// Sends a packet and waits for its answer.
    pub(crate) async fn request(&mut self, packet: Value) -> Value {
        let number = self.send(packet).await;
        self.answer(number).await
    }

    /// Asks for an action and waits for its answer.
    pub(crate) async fn action(&mut self, name: &str, mut params: Value) -> Value {
        params["action"] = name.into();
        self.request(json!({"event": "action", "params": params}))
            .await
    }

    /// Joins a room, which must succeed.
    pub(crate) async fn join(&mut self, room: &str) {
        let answer = self.request(json!({"event": "roomAdd", "room": room}));
        assert_eq!(answer.await["status"], "OK");
    }

    /// Says something in a room and returns the answer.
    pub(crate) async fn say(&mut self, room: &str, message: impl Into<Value>) -> Value {
        let message = message.into();
        self.request(json!({"event": "say", "room": room, "message": message}))
            .await
    }

    /// The `data` of `detailsView`.
    pub(crate) async fn details(&mut self) -> Value {
        let mut answer = self.request(json!({"event": "detailsView"})).await;
        answer["data"].take()
    }

    /// The id that `detailsView` tells.
    pub(crate) async fn id(&mut self) -> String {
        let details = self.details().await;
        details["id"].as_str().expect("an id is text").to_owned()
    }

    /// Waits for the answer with this number; what comes before it is kept.
    pub(crate) async fn answer(&mut self, number: u64) -> Value {
        self.wait_packet(&format!("the answer number {number}"), |packet| {
            packet["context"] == "response" && packet["messageCount"] == number
        })
        .await
    }

    /// Waits for a packet that answers nothing and is as wanted; what comes before it is kept.
    pub(crate) async fn wait_push(&mut self, mut is_wanted: impl FnMut(&Value) -> bool) -> Value {
        self.wait_packet("a push", |packet| {
            packet["context"] != "response" && is_wanted(packet)
        })
        .await
    }

    /// Waits for the next thing that is said in a room where this client is.
    pub(crate) async fn hears(&mut self) -> Value {
        self.wait_push(|packet| packet["context"] == "user").await
    }

    /// Waits for a control string that begins like this.
    pub(crate) async fn wait_control(&mut self, prefix: &str) -> String {
        let mut looked_at = 0;
        loop {
            let mut fresh = self.controls[looked_at..].iter();
            if let Some(found) = fresh.position(|control| control.starts_with(prefix)) {
                return self.controls.remove(looked_at + found);
            }
            looked_at = self.controls.len();
            self.read_on(&format!("{prefix}…")).await;
        }
    }

    async fn wait_packet(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let mut looked_at = 0;
        loop {
            let mut fresh = self.seen.iter().skip(looked_at);
            if let Some(found) = fresh.position(&mut is_it) {
                return self.seen.remove(looked_at + found).expect("it was found");
            }
            looked_at = self.seen.len();
            self.read_on(what).await;
        }
    }

    /// Reads one thing for somebody who waits for `what`, which a closed connection cannot bring.
    async fn read_on(&mut self, what: &str) {
        if let Some(close) = &self.close {
            panic!(
                "closed ({close:?}) while waiting for {what}; left: {:?}",
                self.seen
            );
        }
        let read = tokio::time::timeout(super::PATIENCE, self.read()).await;
        assert!(
            read.is_ok(),
            "waited in vain for {what}; left: {:?}, {:?}",
            self.seen,
            self.controls
        );
    }

    /// The next packet that was not asked for yet, or the close.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some(packet) = self.seen.pop_front() {
                return Event::Packet(packet);
            }
            if let Some(close) = &self.close {
                return Event::Closed(close.clone());
            }
            within("the next packet", self.read()).await;
        }
    }

    /// As [`next`](Self::next), where it must be a packet.
    pub(crate) async fn next_packet(&mut self) -> Value {
        match self.next().await {
            Event::Packet(packet) => packet,
            Event::Closed(close) => panic!("closed: {close:?}"),
        }
    }

    /// Reads for a while: keeps the connection alive, and collects what comes.
    pub(crate) async fn read_for(&mut self, time: Duration) {
        let _over = tokio::time::timeout(time, async {
            while self.close.is_none() {
                self.read().await;
            }
            std::future::pending::<()>().await;
        })
        .await;
    }

    /// What has come by now and was not asked for. A round trip first proves that everything sent to this client
    /// before it has arrived.
    pub(crate) async fn so_far(&mut self) -> Vec<Value> {
        self.details().await;
        self.seen.drain(..).collect()
    }

    /// Waits for the end; what comes before it is kept.
    pub(crate) async fn closed(&mut self) -> Close {
        loop {
            if let Some(close) = &self.close {
                return close.clone();
            }
            within("the close", self.read()).await;
        }
    }

    /// Closes in an orderly way and waits for the server to do the same.
    pub(crate) async fn close(mut self) -> Close {
        // It may be closed by the other side already.
        let _ = self.stream.close(None).await;
        self.closed().await
    }

    /// Breaks off without a word.
    pub(crate) fn drop_abruptly(self) {}

    /// From now on nothing leaves this client any more: no pongs either. It still reads.
    pub(crate) fn go_silent(&self) {
        self.is_mute.store(true, Ordering::Relaxed);
    }

    /// Sends a short text although this client has gone silent.
    pub(crate) async fn send_past_silence(&mut self, text: &str) {
        let len = u8::try_from(text.len()).expect("a short text");
        assert!(len < 126, "a short text");
        // A final text frame, masked with zeros: its payload stands there as it is.
        let mut frame = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        let sent = self.stream.get_mut().past_silence().write_all(&frame).await;
        sent.expect("the connection is open");
    }

    /// Leaves `primus::ping::` unanswered; WebSocket pings are still answered.
    pub(crate) fn ignore_primus_pings(&mut self) {
        self.answers_pings = false;
    }

    /// Reads one message and files it.
    async fn read(&mut self) {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => self.file(text.as_str()).await,
            Some(Ok(Message::Ping(_))) => {
                self.pings += 1;
                // Sends tungstenite's pong; a broken connection shows at the next read.
                let _ = self.stream.flush().await;
            }
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                    (frame.code.into(), frame.reason.to_string())
                });
                self.close = Some(Close { code, reason });
                // Sends tungstenite's answer to the close, if it still can be.
                let _ = self.stream.flush().await;
            }
            Some(Ok(Message::Pong(_))) => self.pongs += 1,
            Some(Ok(Message::Frame(_))) => {}
            Some(Ok(Message::Binary(bytes))) => panic!("binary data: {bytes:?}"),
            Some(Err(_)) | None => {
                let (code, reason) = (1006, String::new());
                self.close.get_or_insert(Close { code, reason });
            }
        }
    }

    async fn file(&mut self, text: &str) {
        let value: Value = serde_json::from_str(text).expect("everything sent is JSON");
        let Some(control) = value.as_str().filter(|text| text.starts_with("primus::")) else {
            self.seen.push_back(value);
            return;
        };
        self.controls.push(control.to_owned());
        if let Some(number) = control.strip_prefix("primus::ping::")
            && self.speaks_primus
            && self.answers_pings
        {
            let pong = json!(format!("primus::pong::{number}")).to_string();
            // A connection that is over shows at the next read.
            let _ = self.stream.send(Message::text(pong)).await;
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("seen", &self.seen)
            .field("controls", &self.controls)
            .field("close", &self.close)
            .finish_non_exhaustive()
    }
}
