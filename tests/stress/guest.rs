//! A client of any kind, as the script drives it: it asks in bursts, hears one thing at a time, moves to a WebSocket, and ends
//! well or badly.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::engineio::{ENGINE, Opening, PRIMUS, Packet, Session, Socket, Version};
use crate::support::socketio::{Carrier, Kind, Peer, text};

/// Through which door a client comes, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A WebSocket on this path.
    Ws(&'static str),
    /// engine.io at this door, on its WebSocket at once or by polling.
    Engine(&'static str, Version, Carrier),
    /// socket.io likewise.
    Socketio(Version, Carrier),
}

/// All of them. What polls at first may move on later, so none begins as moved.
pub(crate) const WAYS: [Way; 14] = [
    Way::Ws("/ws"),
    Way::Ws("/primus"),
    Way::Engine(ENGINE, Version::V4, Carrier::Polling),
    Way::Engine(ENGINE, Version::V3, Carrier::Polling),
    Way::Engine(PRIMUS, Version::V4, Carrier::Polling),
    Way::Engine(PRIMUS, Version::V3, Carrier::Polling),
    Way::Engine(ENGINE, Version::V4, Carrier::Socket),
    Way::Engine(ENGINE, Version::V3, Carrier::Socket),
    Way::Engine(PRIMUS, Version::V4, Carrier::Socket),
    Way::Engine(PRIMUS, Version::V3, Carrier::Socket),
    Way::Socketio(Version::V4, Carrier::Polling),
    Way::Socketio(Version::V3, Carrier::Polling),
    Way::Socketio(Version::V4, Carrier::Socket),
    Way::Socketio(Version::V3, Carrier::Socket),
];

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    verb: &'static str,
    rest: Value,
}

/// What a client hears.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// The answer to the request with this number, and its code if it is an error.
    Answer(u64, Option<String>),
    /// Something that was said in a room.
    Said(Value),
}

/// One client that has been greeted.
#[derive(Debug)]
pub(crate) struct Guest {
    link: Link,
    /// Requests sent so far.
    asked: u64,
}

#[derive(Debug)]
enum Link {
    Ws(Box<Client>),
    Polling(Box<Session>),
    Socket(Box<Socket>, Vec<Packet>),
    Socketio(Box<Peer>, Carrier),
}

impl Request {
    pub(crate) fn join(room: &str) -> Self {
        let (verb, rest) = ("roomAdd", json!({ "room": room }));
        Self { verb, rest }
    }

    pub(crate) fn leave(room: &str) -> Self {
        let (verb, rest) = ("roomLeave", json!({ "room": room }));
        Self { verb, rest }
    }

    pub(crate) fn say(room: &str, message: &Value) -> Self {
        let (verb, rest) = ("say", json!({ "room": room, "message": message }));
        Self { verb, rest }
    }

    /// A round trip.
    pub(crate) fn details() -> Self {
        let (verb, rest) = ("detailsView", json!({}));
        Self { verb, rest }
    }

    fn packet(&self) -> Value {
        let mut packet = self.rest.clone();
        packet["event"] = self.verb.into();
        packet
    }
}

impl Guest {
    /// Connects and takes the greeting.
    pub(crate) async fn connect(address: SocketAddr, way: Way) -> Self {
        let link = match way {
            Way::Ws(path) => Link::Ws(Box::new(Client::greeted(address, path).await)),
            Way::Engine(door, version, Carrier::Socket) => {
                let mut socket = Opening::new(address, version).door(door).socket().await;
                let offer = socket.packet().await;
                assert!(matches!(&offer, Packet::Text(it) if it.starts_with('0')));
                assert_eq!(socket.next_json().await["context"], "api");
                Link::Socket(Box::new(socket), Vec::new())
            }
            Way::Engine(door, version, _) => {
                let mut session = Opening::new(address, version).door(door).session().await;
                session.expect_welcome().await;
                Link::Polling(Box::new(session))
            }
            Way::Socketio(version, carrier) => {
                let peer = Peer::connected(address, Kind::new(version, carrier)).await;
                Link::Socketio(Box::new(peer), carrier)
            }
        };
        Self { link, asked: 0 }
    }

    /// Whether it still could move to a WebSocket.
    pub(crate) fn polls(&self) -> bool {
        matches!(
            self.link,
            Link::Polling(_) | Link::Socketio(_, Carrier::Polling)
        )
    }

    /// Sends requests in one write or POST. Their numbers follow each other; this is the first.
    pub(crate) async fn ask(&mut self, requests: &[Request]) -> u64 {
        let first = self.asked + 1;
        self.asked += requests.len() as u64;
        let messages = requests.iter().map(|it| Packet::message(it.packet()));
        match &mut self.link {
            Link::Ws(client) => {
                client.send_all(requests.iter().map(Request::packet)).await;
            }
            Link::Polling(session) => session.send(&messages.collect::<Vec<_>>()).await,
            Link::Socket(socket, _) => {
                let sent = socket.try_send_all(&messages.collect::<Vec<_>>()).await;
                assert!(sent, "the socket is open");
            }
            Link::Socketio(peer, _) => {
                let events = requests.iter().zip(first..).map(|(request, number)| {
                    text(format!("42{number}{}", json!([request.verb, request.rest])))
                });
                peer.send_all(&events.collect::<Vec<_>>()).await;
            }
        }
        first
    }

    /// The next thing that comes.
    pub(crate) async fn hear(&mut self) -> Heard {
        let packet = match &mut self.link {
            Link::Ws(client) => client.next_packet().await,
            Link::Polling(session) => session.next_json().await,
            Link::Socket(socket, kept) if kept.is_empty() => socket.next_json().await,
            Link::Socket(_, kept) => {
                let packet = kept.remove(0);
                let message = packet.as_message().expect("a message");
                serde_json::from_str(message).expect("JSON")
            }
            Link::Socketio(peer, _) => return of_socketio(&peer.next_text().await),
        };
        match packet["messageCount"].as_u64() {
            Some(number) => answer(number, &packet),
            None => Heard::Said(packet),
        }
    }

    /// Moves to a WebSocket. What the last GET brought is heard first.
    pub(crate) async fn upgrade(&mut self) {
        match &mut self.link {
            Link::Polling(session) => {
                let socket = session.upgrade().await;
                let seen = session.take_seen();
                self.link = Link::Socket(Box::new(socket), seen);
            }
            Link::Socketio(peer, carrier) => {
                peer.upgrade().await;
                *carrier = Carrier::Upgraded;
            }
            Link::Ws(_) | Link::Socket(..) => panic!("it does not poll"),
        }
    }

    /// Begins to move, and thinks better of it: it polls on.
    pub(crate) async fn try_upgrade(&mut self) {
        let session = match &mut self.link {
            Link::Polling(session) => session,
            Link::Socketio(peer, _) => peer.session(),
            Link::Ws(_) | Link::Socket(..) => panic!("it does not poll"),
        };
        let mut socket = session.socket().await;
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        socket.close().await;
    }

    /// Breaks off without a word. Returns whether the server can notice by itself.
    pub(crate) fn abort(self) -> bool {
        !self.polls()
    }

    /// Ends as its protocol has it.
    pub(crate) async fn close(self) {
        match self.link {
            Link::Ws(client) => {
                client.close().await;
            }
            Link::Polling(mut session) => session.send_text("1").await,
            Link::Socket(socket, _) => {
                socket.close().await;
            }
            Link::Socketio(mut peer, _) => {
                peer.rest_after("41").await;
            }
        }
    }
}

fn answer(number: u64, packet: &Value) -> Heard {
    let code = packet["error"]["code"].as_str();
    assert_eq!(code.is_none(), packet["status"] == "OK", "{packet}");
    Heard::Answer(number, code.map(str::to_owned))
}

/// Reads `43<number>[answer]` and `42["say",push]`.
fn of_socketio(packet: &str) -> Heard {
    let begin = packet.find('[').expect("an array");
    let array: Value = serde_json::from_str(&packet[begin..]).expect("JSON");
    if let Some(number) = packet[..begin].strip_prefix("43") {
        return answer(number.parse().expect("a number"), &array[0]);
    }
    assert_eq!((&packet[..begin], &array[0]), ("42", &json!("say")));
    Heard::Said(array[1].clone())
}
