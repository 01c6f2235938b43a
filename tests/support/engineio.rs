//! A raw engine.io client: every request can be had by itself, and nothing is sent that the test did not ask for,
//! but the pong of v4 while a test waits for a message.
//!
//! ```ignore
//! let mut ann = Session::greeted(address, Version::V4).await;
//! ann.post("4{\"event\":\"detailsView\"}").await;
//! let packets = ann.poll().await;
//! ```

mod line;
mod packet;
pub(crate) mod socket;

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};

pub(crate) use line::{Line, Reply, Request, exchange};
pub(crate) use packet::{Packet, Version, binary_packets, binary_payload, framed};
pub(crate) use socket::Socket;

/// The door of bare engine.io clients.
pub(crate) const ENGINE: &str = "/engine.io/";
/// The door of Primus clients.
pub(crate) const PRIMUS: &str = "/primus/";

/// How a session is opened.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) address: SocketAddr,
    door: &'static str,
    version: Version,
    query: String,
    headers: Vec<(String, String)>,
}

/// One session that polls, on two connections: one for what comes and one for what goes.
#[derive(Debug)]
pub(crate) struct Session {
    opening: Opening,
    pub(crate) sid: String,
    /// The JSON of the open packet.
    pub(crate) offer: Value,
    polls: Line,
    posts: Line,
    /// Packets that have come and were not asked for yet.
    seen: VecDeque<Packet>,
    /// Stellar packets sent so far.
    sent: u64,
}

/// One direction of a session: a connection and the target of its requests.
#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) line: Line,
    pub(crate) target: String,
    pub(crate) version: Version,
}

impl Opening {
    pub(crate) fn new(address: SocketAddr, version: Version) -> Self {
        Self {
            address,
            door: ENGINE,
            version,
            query: String::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn door(mut self, door: &'static str) -> Self {
        self.door = door;
        self
    }

    /// Adds a pair such as `b64=1` to the query of every request.
    pub(crate) fn query(mut self, pair: &str) -> Self {
        self.query.push_str(&format!("&{pair}"));
        self
    }

    /// Adds a header to every request.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The target of a request: door and query.
    pub(crate) fn target(&self, transport: &str) -> String {
        let (door, query) = (self.door, &self.query);
        let version = self.version.number();
        format!("{door}?EIO={version}&transport={transport}{query}")
    }

    /// The answer to the opening request, whatever it is.
    pub(crate) async fn reply(&self) -> Reply {
        let request = Request::get(&self.target("polling")).headers(&self.headers);
        exchange(self.address, &request).await
    }

    /// Opens by polling.
    pub(crate) async fn session(self) -> Session {
        let mut polls = Line::connect(self.address).await;
        let request = Request::get(&self.target("polling")).headers(&self.headers);
        let reply = polls.exchange(&request).await;
        assert_eq!(reply.status, 200, "{}", reply.body.escape_ascii());
        let packets = self.version.packets(reply.text());
        let [Packet::Text(packet)] = &packets[..] else {
            panic!("the opening holds the open packet only: {packets:?}");
        };
        let offer = packet.strip_prefix('0').expect("an open packet");
        let offer: Value = serde_json::from_str(offer).expect("an open packet is JSON");
        Session {
            sid: offer["sid"].as_str().expect("a sid is text").to_owned(),
            offer,
            polls,
            posts: Line::connect(self.address).await,
            seen: VecDeque::new(),
            sent: 0,
            opening: self,
        }
    }

    /// Opens on a WebSocket.
    pub(crate) async fn socket(&self) -> Socket {
        let target = self.target("websocket");
        match Socket::connect(self.address, &target, &self.headers).await {
            Ok(socket) => socket,
            Err((reply, _)) => panic!("refused: {reply:?}"),
        }
    }
}

impl Session {
    /// Opens at the door of bare clients.
    pub(crate) async fn open(address: SocketAddr, version: Version) -> Self {
        Opening::new(address, version).session().await
    }

    /// Opens there and takes the greeting.
    pub(crate) async fn greeted(address: SocketAddr, version: Version) -> Self {
        let mut session = Self::open(address, version).await;
        session.expect_welcome().await;
        session
    }

    /// The next message, which must be the greeting.
    pub(crate) async fn expect_welcome(&mut self) {
        let welcome = json!({"welcome": "Hello human! Welcome to Stellar", "context": "api"});
        assert_eq!(self.next_json().await, welcome);
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.opening.address
    }

    pub(crate) const fn version(&self) -> Version {
        self.opening.version
    }

    /// The target of this session's requests.
    pub(crate) fn target(&self, transport: &str) -> String {
        format!("{}&sid={}", self.opening.target(transport), self.sid)
    }

    pub(crate) fn get_request(&self) -> Request {
        Request::get(&self.target("polling")).headers(&self.opening.headers)
    }

    pub(crate) fn post_request(&self, body: impl Into<Vec<u8>>) -> Request {
        Request::post(&self.target("polling"), body).headers(&self.opening.headers)
    }

    /// Sends a GET; its answer is for [`polled`](Self::polled).
    pub(crate) async fn start_poll(&mut self) {
        let request = self.get_request();
        self.polls.renew().await;
        self.polls.send(&request).await;
    }

    /// The answer to a GET that was started.
    pub(crate) async fn polled(&mut self) -> Reply {
        self.polls.reply().await
    }

    /// The answer to a GET that was started, or `None` if the server is gone.
    pub(crate) async fn polled_or_cut(&mut self) -> Option<Reply> {
        self.polls.reply_or_cut().await
    }

    /// Whether the GET that was started is still held.
    pub(crate) fn is_held(&mut self) -> bool {
        self.polls.is_quiet()
    }

    /// One GET and its answer.
    pub(crate) async fn poll_reply(&mut self) -> Reply {
        self.start_poll().await;
        self.polled().await
    }

    /// The packets of one GET, which must be answered with some.
    pub(crate) async fn poll(&mut self) -> Vec<Packet> {
        let reply = self.poll_reply().await;
        self.packets(&reply)
    }

    /// The packets of an answer to a GET.
    pub(crate) fn packets(&self, reply: &Reply) -> Vec<Packet> {
        assert_eq!(reply.status, 200, "{}", reply.body.escape_ascii());
        assert!(!reply.body.is_empty(), "an answer is never empty");
        match reply.header("content-type") {
            Some("application/octet-stream") => binary_packets(&reply.body),
            _ => self.version().packets(reply.text()),
        }
    }

    /// One POST and its answer.
    pub(crate) async fn post_reply(&mut self, body: impl Into<Vec<u8>>) -> Reply {
        let request = self.post_request(body);
        self.posts.renew().await;
        self.posts.exchange(&request).await
    }

    /// One POST, which must be taken. The body is written as it is.
    pub(crate) async fn post(&mut self, body: impl Into<Vec<u8>>) {
        let reply = self.post_reply(body).await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
    }

    /// Posts packets in one payload.
    pub(crate) async fn send(&mut self, packets: &[Packet]) {
        self.post(self.version().payload(packets)).await;
    }

    /// Posts one text packet, its type digit included.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send(&[Packet::Text(text.to_owned())]).await;
    }

    /// The next packet. Noops are passed over, pings of v4 are answered.
    pub(crate) async fn next(&mut self) -> Packet {
        loop {
            if let Some(packet) = self.seen.pop_front() {
                return packet;
            }
            for packet in self.poll().await {
                if packet == "2" {
                    self.send_text("3").await;
                } else if packet != "6" {
                    self.seen.push_back(packet);
                }
            }
        }
    }

    /// The JSON of the next packet, which must be a message.
    pub(crate) async fn next_json(&mut self) -> Value {
        let packet = self.next().await;
        let text = packet.as_message();
        let text = text.unwrap_or_else(|| panic!("no message: {packet:?}"));
        serde_json::from_str(text).expect("messages of this server are JSON")
    }

    /// Sends Stellar packets in one POST and returns the number of the last.
    pub(crate) async fn send_json(&mut self, packets: &[Value]) -> u64 {
        let messages: Vec<_> = packets.iter().map(Packet::message).collect();
        self.send(&messages).await;
        self.sent += packets.len() as u64;
        self.sent
    }

    /// Counts Stellar packets that were sent by hand.
    pub(crate) fn count(&mut self, packets: u64) {
        self.sent += packets;
    }

    /// Sends a Stellar packet and waits for its answer. What comes before it is kept, in order.
    pub(crate) async fn request(&mut self, packet: Value) -> Value {
        let number = self.send_json(&[packet]).await;
        let mut before = VecDeque::new();
        loop {
            let packet = self.next().await;
            let value = packet
                .as_message()
                .and_then(|it| serde_json::from_str(it).ok());
            match value {
                Some(Value::Object(answer))
                    if answer.get("messageCount") == Some(&json!(number)) =>
                {
                    before.append(&mut self.seen);
                    self.seen = before;
                    return Value::Object(answer);
                }
                _ => before.push_back(packet),
            }
        }
    }

    /// Joins a room, which must succeed.
    pub(crate) async fn join(&mut self, room: &str) {
        let answer = self.request(json!({"event": "roomAdd", "room": room}));
        assert_eq!(answer.await["status"], "OK");
    }

    /// The next thing that is said in a room where this client is.
    pub(crate) async fn hears(&mut self) -> Value {
        loop {
            let packet = self.next_json().await;
            if packet["context"] == "user" {
                return packet;
            }
        }
    }

    /// The data of `detailsView`: a round trip through both directions, which works as long as the session lives.
    pub(crate) async fn details(&mut self) -> Value {
        let mut answer = self.request(json!({"event": "detailsView"})).await;
        answer["data"].take()
    }

    /// Status and code of a GET on a connection of its own, which must be an error.
    pub(crate) async fn fault(&self) -> (u16, u64) {
        exchange(self.address(), &self.get_request()).await.fault()
    }

    /// Asserts that the server knows this sid no more.
    pub(crate) async fn assert_unknown(&self) {
        assert_eq!(self.fault().await, (400, 1));
    }

    /// A WebSocket for this session, or what it was refused with.
    pub(crate) async fn try_socket(&self) -> Result<Socket, (Reply, Line)> {
        let target = self.target("websocket");
        Socket::connect(self.address(), &target, &self.opening.headers).await
    }

    /// A WebSocket for this session. Nothing is sent on it.
    pub(crate) async fn socket(&self) -> Socket {
        match self.try_socket().await {
            Ok(socket) => socket,
            Err((reply, _)) => panic!("refused: {reply:?}"),
        }
    }

    /// The whole upgrade, while no GET is held. What the last GET brings is kept.
    pub(crate) async fn upgrade(&mut self) -> Socket {
        let mut socket = self.socket().await;
        self.start_poll().await;
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        let reply = self.polled().await;
        let packets = self.packets(&reply);
        self.seen
            .extend(packets.into_iter().filter(|it| *it != "6"));
        socket.send("5").await;
        socket
    }

    /// What has come and was not asked for.
    pub(crate) fn take_seen(&mut self) -> Vec<Packet> {
        self.seen.drain(..).collect()
    }

    /// Breaks off every connection. The server may still know the session.
    pub(crate) fn abandon(self) -> String {
        self.sid
    }

    /// The two directions, for tests that use them at once: what comes, and what goes.
    pub(crate) fn split(self) -> (Half, Half) {
        let (target, version) = (self.target("polling"), self.version());
        let half = |line| Half {
            line,
            target: target.clone(),
            version,
        };
        (half(self.polls), half(self.posts))
    }
}
