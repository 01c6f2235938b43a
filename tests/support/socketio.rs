//! A raw socket.io client on a raw engine.io session: it says what a test has it say, and nothing else but the signs of
//! life that engine.io wants and what an upgrade takes.
//!
//! Packets are written as they stand on the wire, with the `4` of engine.io:
//!
//! ```ignore
//! let mut ann = Peer::connected(address, Kind::ALL[0]).await;
//! ann.send("421[\"roomAdd\",{\"room\":\"defaultRoom\"}]").await;
//! assert_eq!(ann.answer(1).await["status"], "OK");
//! ```

mod kind;
mod packet;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::packet::{marked, unmarked};
use super::engineio::{Line, Opening, Packet, Request, Session, Socket, Version, exchange};

pub(crate) use self::kind::{Carrier, Kind};
pub(crate) use self::packet::{into_text, text};

/// The door of socket.io clients.
pub(crate) const DOOR: &str = "/socket.io/";

/// What every client is told when it has connected.
pub(crate) const WELCOME: &str =
    "42[\"welcome\",{\"welcome\":\"Hello human! Welcome to Stellar\",\"context\":\"api\"}]";

/// Well below the default of the server.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// One client.
#[derive(Debug)]
pub(crate) struct Peer {
    link: Link,
    pub(crate) version: Version,
    /// The sid of engine.io, which nobody else may learn.
    pub(crate) secret: String,
    /// The id that CONNECT was answered with. Clients of version 3 are not told.
    pub(crate) id: String,
    /// What has come and was not asked for yet.
    seen: VecDeque<Packet>,
    /// When it last gave a sign of life by itself, which is for clients of version 3 to do.
    pinged: Instant,
    /// Acknowledgements asked for so far by [`call`](Self::call).
    calls: u64,
}

#[derive(Debug)]
enum Link {
    Polling(Box<Session>),
    Socket(Box<Socket>),
}

/// How a session for socket.io is opened.
pub(crate) fn opening(address: SocketAddr, version: Version) -> Opening {
    Opening::new(address, version).door(DOOR)
}

impl Peer {
    /// Opens a session in which nothing is said yet.
    pub(crate) async fn open(address: SocketAddr, kind: Kind) -> Self {
        Self::with(opening(address, kind.version), kind).await
    }

    /// As [`open`](Self::open), with a query or headers.
    pub(crate) async fn with(opening: Opening, kind: Kind) -> Self {
        let (link, secret) = match kind.carrier {
            Carrier::Socket => {
                let mut socket = opening.socket().await;
                let Packet::Text(packet) = socket.packet().await else {
                    panic!("an open packet is text");
                };
                let offer = packet.strip_prefix('0').expect("an open packet");
                let offer: Value = serde_json::from_str(offer).expect("it is JSON");
                (Link::Socket(Box::new(socket)), offer["sid"].clone())
            }
            Carrier::Polling | Carrier::Upgraded => {
                let session = opening.session().await;
                let sid = session.sid.clone().into();
                (Link::Polling(Box::new(session)), sid)
            }
        };
        let mut peer = Self {
            link,
            version: kind.version,
            secret: secret.as_str().expect("a sid is text").to_owned(),
            id: String::new(),
            seen: VecDeque::new(),
            pinged: Instant::now(),
            calls: 0,
        };
        if kind.carrier == Carrier::Upgraded {
            peer.upgrade().await;
        }
        peer
    }

    /// Opens a session, connects to `/` and takes the greeting. An upgrade comes behind that.
    pub(crate) async fn connected(address: SocketAddr, kind: Kind) -> Self {
        let is_upgraded = kind.carrier == Carrier::Upgraded;
        let first = if is_upgraded {
            Kind::new(kind.version, Carrier::Polling)
        } else {
            kind
        };
        let mut peer = Self::open(address, first).await;
        peer.connect().await;
        if is_upgraded {
            peer.upgrade().await;
        }
        peer
    }

    /// Connects to `/`, which version 3 does unasked, and takes the greeting.
    pub(crate) async fn connect(&mut self) {
        if self.version == Version::V4 {
            self.send("40").await;
        }
        self.expect_connected().await;
        assert_eq!(self.next().await, WELCOME);
    }

    /// The next packet, which must be the answer to CONNECT.
    pub(crate) async fn expect_connected(&mut self) {
        let packet = self.next_text().await;
        if self.version == Version::V3 {
            assert_eq!(packet, "40");
            return;
        }
        let id = packet.strip_prefix("40{\"sid\":\"");
        let id = id.and_then(|rest| rest.strip_suffix("\"}"));
        id.unwrap_or_else(|| panic!("{packet}"))
            .clone_into(&mut self.id);
    }

    /// Moves from polling to a WebSocket.
    pub(crate) async fn upgrade(&mut self) {
        let session = self.session();
        let socket = session.upgrade().await;
        let seen = session.take_seen();
        self.take_over(socket);
        for packet in seen {
            self.file(packet).await;
        }
    }

    /// Goes on with a socket that the client has moved to.
    pub(crate) fn take_over(&mut self, socket: Socket) {
        self.link = Link::Socket(Box::new(socket));
    }

    /// The session of a client that polls.
    pub(crate) fn session(&mut self) -> &mut Session {
        match &mut self.link {
            Link::Polling(session) => session,
            Link::Socket(_) => panic!("it does not poll"),
        }
    }

    /// The WebSocket of a client that has one.
    pub(crate) fn socket(&mut self) -> &mut Socket {
        match &mut self.link {
            Link::Socket(socket) => socket,
            Link::Polling(_) => panic!("it polls"),
        }
    }

    /// Status and code of a GET with this client's sid, which must be an error.
    pub(crate) async fn session_fault(&self, address: SocketAddr) -> (u16, u64) {
        let target = opening(address, self.version).target("polling");
        let request = Request::get(&format!("{target}&sid={}", self.secret));
        exchange(address, &request).await.fault()
    }

    /// Sends one text packet.
    pub(crate) async fn send(&mut self, packet: impl Into<String>) {
        self.send_all(&[text(packet)]).await;
    }

    /// Sends packets in one POST, or in one write.
    pub(crate) async fn send_all(&mut self, packets: &[Packet]) {
        assert!(self.sent(packets).await, "it is taken");
    }

    /// As [`send_all`](Self::send_all), where the server may refuse it, or may have closed by then.
    pub(crate) async fn try_send_all(&mut self, packets: &[Packet]) {
        let _refused = self.sent(packets).await;
    }

    /// Sends packets, and returns whether they were taken.
    async fn sent(&mut self, packets: &[Packet]) -> bool {
        let version = self.version;
        match &mut self.link {
            Link::Polling(session) => {
                let request = session.post_request(version.payload(packets));
                // On a connection of its own: the answer may come before all of it is written, and one that is kept
                // would be cut where the client says nothing for long.
                let mut line = Line::connect(session.address()).await;
                let _cut = line.try_write(request.bytes()).await;
                match line.reply_or_cut().await {
                    Some(reply) if reply.status == 200 => {
                        assert_eq!(reply.text(), "ok");
                        true
                    }
                    Some(reply) => {
                        assert_eq!(reply.status, 400, "{}", reply.text());
                        false
                    }
                    None => false,
                }
            }
            Link::Socket(socket) => socket.try_send_all(&marked(version, packets)).await,
        }
    }

    /// Emits an event and asks for its acknowledgement. An argument that is null is left out.
    pub(crate) async fn start_call(&mut self, name: &str, argument: &Value) -> u64 {
        let id = self.calls;
        self.calls += 1;
        let arguments = match argument {
            Value::Null => json!([name]),
            argument => json!([name, argument]),
        };
        self.send(format!("42{id}{arguments}")).await;
        id
    }

    /// Emits an event and waits for its acknowledgement.
    pub(crate) async fn call(&mut self, name: &str, argument: Value) -> Value {
        let id = self.start_call(name, &argument).await;
        self.answer(id).await
    }

    /// Waits for the acknowledgement with this id, which must have one argument. What comes before it is kept.
    pub(crate) async fn answer(&mut self, id: u64) -> Value {
        let prefix = format!("43{id}[");
        let packet = self.wait_for(&prefix).await;
        let arguments: Value = serde_json::from_str(&packet[prefix.len() - 1..]).expect("JSON");
        let Some([argument]) = arguments.as_array().map(Vec::as_slice) else {
            panic!("one argument: {packet}");
        };
        argument.clone()
    }

    /// Waits for the event with this name, which must have one argument. What comes before it is kept.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let prefix = format!("42[\"{name}\",");
        let packet = self.wait_for(&prefix).await;
        let argument = packet[prefix.len()..].strip_suffix(']');
        serde_json::from_str(argument.expect("an array ends")).expect("one argument")
    }

    /// The next thing that is said in a room where this client is.
    pub(crate) async fn hears(&mut self) -> Value {
        self.event("say").await
    }

    /// Joins a room, which must succeed.
    pub(crate) async fn join(&mut self, room: &str) {
        let answer = self.call("roomAdd", json!({ "room": room })).await;
        assert_eq!(answer["status"], "OK", "{answer}");
    }

    /// The data of `detailsView`: a round trip, which works as long as the client is connected.
    pub(crate) async fn details(&mut self) -> Value {
        let mut answer = self.call("detailsView", Value::Null).await;
        answer["data"].take()
    }

    /// Waits for a text packet that begins like this. What comes before it is kept.
    pub(crate) async fn wait_for(&mut self, prefix: &str) -> String {
        let mut looked_at = 0;
        loop {
            let mut fresh = self.seen.iter().skip(looked_at);
            let found = fresh
                .position(|packet| matches!(packet, Packet::Text(it) if it.starts_with(prefix)));
            if let Some(found) = found {
                let packet = self.seen.remove(looked_at + found);
                return packet.map(into_text).expect("it was found");
            }
            looked_at = self.seen.len();
            let is_open = self.read().await;
            assert!(is_open, "over before {prefix}…; left: {:?}", self.seen);
        }
    }

    /// The next packet, which must come.
    pub(crate) async fn next(&mut self) -> Packet {
        self.next_or_end().await.expect("a packet, and not the end")
    }

    /// The next packet, which must be text.
    pub(crate) async fn next_text(&mut self) -> String {
        into_text(self.next().await)
    }

    /// The next packet; `None` when the session is over.
    pub(crate) async fn next_or_end(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.seen.pop_front() {
                return Some(packet);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// What comes until the session is over, which it has to be soon.
    pub(crate) async fn rest(&mut self) -> Vec<Packet> {
        let mut rest = Vec::new();
        while let Some(packet) = self.next_or_end().await {
            rest.push(packet);
        }
        rest
    }

    /// As [`rest`](Self::rest), where the end of the session may be that of the server.
    pub(crate) async fn rest_of_the_server(&mut self) -> Vec<Packet> {
        let mut rest: Vec<_> = self.seen.drain(..).collect();
        if let Link::Socket(_) = self.link {
            rest.extend(self.rest().await);
            return rest;
        }
        let session = self.session();
        loop {
            session.start_poll().await;
            let Some(reply) = session.polled_or_cut().await else {
                return rest;
            };
            let packets = session.packets(&reply);
            let is_last = packets.iter().any(|packet| *packet == "1");
            rest.extend(packets.into_iter().filter(|it| *it != "1" && *it != "6"));
            if is_last {
                return rest;
            }
        }
    }

    /// Says this last packet, and reads what comes until the session is over.
    pub(crate) async fn rest_after(&mut self, packet: &str) -> Vec<Packet> {
        self.try_send_all(&[text(packet)]).await;
        self.rest().await
    }

    /// As [`rest_after`](Self::rest_after), for a binary packet.
    pub(crate) async fn rest_after_bytes(&mut self, packet: &[u8]) -> Vec<Packet> {
        self.try_send_all(&[Packet::Binary(packet.to_vec())]).await;
        self.rest().await
    }

    /// What has come by now. A round trip first proves that everything sent to this client before it has arrived.
    pub(crate) async fn so_far(&mut self) -> Vec<Packet> {
        self.details().await;
        self.seen.drain(..).collect()
    }

    /// Reads one answer or frame. False at the end of the session.
    async fn read(&mut self) -> bool {
        if self.version == Version::V3 && self.pinged.elapsed() > PING_INTERVAL {
            self.pinged = Instant::now();
            self.try_send_all(&[text("2")]).await;
        }
        let packets = match &mut self.link {
            Link::Polling(session) => {
                let reply = session.poll_reply().await;
                if reply.status != 200 {
                    assert_eq!(reply.fault(), (400, 1));
                    return false;
                }
                session.packets(&reply)
            }
            Link::Socket(socket) => match socket.next().await {
                Some(packet) => vec![unmarked(self.version, packet)],
                None => return false,
            },
        };
        for packet in packets {
            self.file(packet).await;
        }
        true
    }

    /// Keeps a packet, unless it is engine.io's own: what it says of the end shows at the end.
    async fn file(&mut self, packet: Packet) {
        if packet == "2" && self.version == Version::V4 {
            self.try_send_all(&[text("3")]).await;
        } else if packet != "6" && packet != "1" && packet != "3" {
            self.seen.push_back(packet);
        }
    }
}
