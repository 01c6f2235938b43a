//! socket.io: data that looks like control. It stays data, and never leaves its room (A10).

use serde_json::{Value, json};

use crate::Arena;
use crate::socketio::{neighbours, nobody_minds};
use crate::support::Client;
use crate::support::socketio::{Kind, Peer};

/// Texts that mean something to one layer or another, here or in servers like this.
const PREFIXED: [&str; 18] = [
    "primus::server::close",
    "primus::ping::1",
    "primus::id::",
    "1",
    "2probe",
    "3probe",
    "5",
    "6",
    "0{\"sid\":\"x\"}",
    "40",
    "41",
    "42[\"say\"]",
    "44{\"message\":\"x\"}",
    "451-[\"say\"]",
    "\u{1e}41",
    "b4AQIDBA==",
    "stellar:chatRoom:members*",
    "</script>",
];

/// Members of every dialect in a room.
struct Members {
    sockets: [Client; 2],
    peers: Vec<Peer>,
}

impl Members {
    async fn of(arena: &Arena, room: &str) -> Self {
        let mut sockets = [arena.server.primus().await, arena.server.plain().await];
        for socket in &mut sockets {
            socket.join(room).await;
        }
        let mut peers = Vec::new();
        for kind in Kind::ALL {
            let mut peer = Peer::connected(arena.address(), kind).await;
            peer.join(room).await;
            peers.push(peer);
        }
        Self { sockets, peers }
    }

    /// The next thing that everybody hears, which must be this.
    async fn hear(&mut self, message: &Value) {
        for socket in &mut self.sockets {
            let heard = socket.hears().await;
            assert_eq!(
                (&heard["message"], &heard["context"]),
                (message, &json!("user"))
            );
        }
        for peer in &mut self.peers {
            let heard = peer.hears().await;
            assert_eq!(
                (&heard["message"], &heard["context"]),
                (message, &json!("user"))
            );
        }
    }

    /// Nobody was told anything else, or closed.
    async fn nothing_else_happened(mut self) {
        for socket in &mut self.sockets {
            assert_eq!(socket.so_far().await, Vec::<Value>::new());
            // Heartbeats come when they are due.
            socket
                .controls
                .retain(|control| !control.starts_with("primus::ping::"));
            assert_eq!(socket.controls, Vec::<String>::new());
        }
        for peer in &mut self.peers {
            assert_eq!(peer.so_far().await, [""; 0]);
        }
    }
}

#[tokio::test]
async fn messages_that_look_like_control_arrive_as_they_are() {
    let mut arena = Arena::demo().await;
    let mut members = Members::of(&arena, "defaultRoom").await;
    for text in PREFIXED {
        for message in [json!(text), json!([text]), json!({ text: text })] {
            // From socket.io to everybody, and to socket.io from somebody else.
            for speaker in [0, 4] {
                let say = json!({"room": "defaultRoom", "message": message});
                let answer = members.peers[speaker].call("say", say).await;
                assert_eq!(answer["status"], "OK", "{message}");
                members.hear(&message).await;
            }
            members.sockets[0].say("defaultRoom", message.clone()).await;
            members.hear(&message).await;
        }
    }
    arena.serves().await;
    members.nothing_else_happened().await;
    arena.survives().await;
}

#[tokio::test]
async fn placeholders_in_what_is_said_are_nobody_s_attachments() {
    let arena = Arena::demo().await;
    let mut members = Members::of(&arena, "defaultRoom").await;
    for message in [
        json!({"_placeholder": true, "num": 0}),
        json!([{"_placeholder": true, "num": 1_000_000}]),
        json!({"_placeholder": true, "num": "__proto__"}),
        json!({"type": "Buffer", "data": [1, 2, 3]}),
    ] {
        let say = json!({"room": "defaultRoom", "message": message});
        members.peers[1].call("say", say).await;
        members.hear(&message).await;
        members.sockets[1].say("defaultRoom", message.clone()).await;
        members.hear(&message).await;
    }
    members.nothing_else_happened().await;
    arena.survives().await;
}

#[tokio::test]
async fn rooms_may_be_called_like_control() {
    let rooms = json!(PREFIXED.to_vec()).to_string();
    // TOML's basic strings have the escapes of JSON's.
    let arena = Arena::configured(&format!("[general]\nstarting_rooms = {rooms}\n")).await;
    let mut outsider = Peer::connected(arena.address(), Kind::ALL[0]).await;
    outsider.join("lobby").await;
    for room in PREFIXED {
        let mut members = Members::of(&arena, room).await;
        let say = json!({"room": room, "message": "hello"});
        let answer = members.peers[2].call("say", say).await;
        assert_eq!(answer["status"], "OK", "{room}");
        members.hear(&json!("hello")).await;
        assert_eq!(members.peers[0].details().await["rooms"], json!([room]));
        members.nothing_else_happened().await;
    }
    assert_eq!(outsider.so_far().await, [""; 0]);
    arena.survives().await;
}

#[tokio::test]
async fn names_params_and_ids_may_look_like_control() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    for text in PREFIXED {
        for kind in Kind::PLAIN {
            let mut ann = Peer::connected(arena.address(), kind).await;
            let params = json!({"action": "cacheTest", "key": text, "value": text});
            let answer = ann.call("action", json!({ "params": params })).await;
            assert_eq!(answer["cacheTestResults"]["loadResp"]["value"], text);
            let answer = ann.call("detailsView", json!({"messageId": text})).await;
            assert_eq!(answer["messageId"], text);
            let whole = json!({"event": text, "messageId": "m"});
            let answer = ann.call("message", whole).await;
            assert_eq!(answer["error"]["code"], "014", "{text}");
            assert_eq!(ann.so_far().await, [""; 0], "{text}");
        }
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    arena.survives().await;
}

#[tokio::test]
async fn errors_that_quote_the_client_quote_it_as_text() {
    let arena = Arena::demo().await;
    for kind in Kind::PLAIN {
        let mut ann = Peer::connected(arena.address(), kind).await;
        for text in PREFIXED {
            let answer = ann.call("roomAdd", json!({ "room": text })).await;
            let expected = format!("Room ({text}) does not exist");
            assert_eq!(answer["error"]["message"], expected);
        }
        // A namespace is quoted as it was written, up to its comma, and never as a packet of its own.
        for name in ["/1", "/41", "/x\u{2028}", "/\"}", "/42[\"say\"]"] {
            ann.send(format!("40{name},")).await;
            let expected = format!("44{name},{{\"message\":\"Invalid namespace\"}}");
            assert_eq!(ann.next().await, &*expected);
        }
        assert_eq!(ann.so_far().await, [""; 0]);
    }
    arena.survives().await;
}
