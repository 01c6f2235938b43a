//! A room with members of every kind: each message reaches each of them once, in each speaker's order.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::engineio::{ENGINE, Half, Opening, PRIMUS, Packet, Request, Socket, Version};
use crate::support::{Binary, Client, within};

const EACH: u64 = 200;
/// How many messages a member says at once before it lets others.
const BURST: u64 = 10;

/// What one member has heard: numbers by speaker, in the order of arrival, and the room's own numbers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    by_speaker: HashMap<String, Vec<u64>>,
    sequence: Vec<u64>,
}

impl Heard {
    fn take(&mut self, packet: &Value) {
        if packet["context"] != "user" {
            return;
        }
        let who = packet["message"]["who"].as_str().unwrap().to_owned();
        let n = packet["message"]["n"].as_u64().unwrap();
        self.by_speaker.entry(who).or_default().push(n);
        self.sequence.push(packet["seq"].as_u64().unwrap());
    }

    fn is_complete(&self, speakers: usize) -> bool {
        self.sequence.len() >= speakers * usize::try_from(EACH).unwrap()
    }
}

fn say(who: &str, n: u64) -> Value {
    json!({"event": "say", "room": "defaultRoom", "message": {"who": who, "n": n}})
}

/// A member on a plain WebSocket.
async fn on_a_socket(mut client: Client, who: String, speakers: usize) -> Heard {
    let mut heard = Heard::default();
    for first in (1..=EACH).step_by(usize::try_from(BURST).unwrap()) {
        client
            .send_all((first..first + BURST).map(|n| say(&who, n)))
            .await;
        heard.take(&client.hears().await);
    }
    while !heard.is_complete(speakers) {
        heard.take(&client.hears().await);
    }
    // Nothing follows.
    for packet in client.so_far().await {
        heard.take(&packet);
    }
    heard
}

/// A member that polls, in both directions at once.
async fn by_polling(mut gets: Half, mut posts: Half, who: String, speakers: usize) -> Heard {
    let talking = async {
        for first in (1..=EACH).step_by(usize::try_from(BURST).unwrap()) {
            let packets: Vec<_> = (first..first + BURST)
                .map(|n| Packet::message(say(&who, n)))
                .collect();
            let request = Request::post(&posts.target, posts.version.payload(&packets));
            let reply = posts.line.exchange(&request).await;
            assert_eq!((reply.status, reply.text()), (200, "ok"));
        }
    };
    let listening = async {
        let mut heard = Heard::default();
        let request = Request::get(&gets.target);
        while !heard.is_complete(speakers) {
            let reply = gets.line.exchange(&request).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            for packet in gets.version.packets(reply.text()) {
                heard.take(&serde_json::from_str(packet.as_message().unwrap()).unwrap());
            }
        }
        heard
    };
    let ((), heard) = tokio::join!(talking, listening);
    heard
}

/// A member that has been upgraded.
async fn upgraded(mut socket: Socket, who: String, speakers: usize) -> Heard {
    let mut heard = Heard::default();
    for n in 1..=EACH {
        socket.send(&format!("4{}", say(&who, n))).await;
    }
    while !heard.is_complete(speakers) {
        heard.take(&socket.next_json().await);
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_every_kind_hear_everything_once_and_in_order() {
    const SPEAKERS: usize = 10;
    let server = Binary::demo();
    let mut members = Vec::new();

    // All are in the room before anybody speaks.
    let mut sockets = vec![server.primus().await, server.plain().await];
    for client in &mut sockets {
        client.join("defaultRoom").await;
    }
    let mut pollers = Vec::new();
    let mut upgrades = Vec::new();
    for version in Version::BOTH {
        for door in [ENGINE, PRIMUS] {
            let opening = Opening::new(server.address, version).door(door);
            let mut session = opening.clone().session().await;
            session.expect_welcome().await;
            session.join("defaultRoom").await;
            pollers.push(session.split());
            let mut session = opening.session().await;
            session.expect_welcome().await;
            session.join("defaultRoom").await;
            upgrades.push(session.upgrade().await);
        }
    }
    for (number, client) in sockets.into_iter().enumerate() {
        let who = format!("socket {number}");
        members.push(tokio::spawn(on_a_socket(client, who, SPEAKERS)));
    }
    for (number, (gets, posts)) in pollers.into_iter().enumerate() {
        let who = format!("poller {number}");
        members.push(tokio::spawn(by_polling(gets, posts, who, SPEAKERS)));
    }
    for (number, socket) in upgrades.into_iter().enumerate() {
        let who = format!("upgraded {number}");
        members.push(tokio::spawn(upgraded(socket, who, SPEAKERS)));
    }
    assert_eq!(members.len(), SPEAKERS);

    let all = within("all of it", futures_util::future::join_all(members)).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    let numbers: Vec<_> = (1..=EACH).collect();
    let sequence: Vec<_> = (1..=EACH * SPEAKERS as u64).collect();
    for heard in &all {
        // Own messages come back like those of others.
        assert_eq!(heard.by_speaker.len(), SPEAKERS);
        for (who, heard) in &heard.by_speaker {
            assert_eq!(*heard, numbers, "{who}");
        }
        assert_eq!(heard.sequence, sequence, "one order for all");
    }
}
