//! Nothing is lost, doubled or reordered around an upgrade, while both sides talk (docs/protocol/engineio.md#upgrade).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::engineio::{Half, Packet, Request, Session, Socket, Version};
use crate::support::{Binary, Client, within};

/// Who is busy with something else, or waits for others, is not asked whether it lives.
const UNHURRIED: &str = "[limits]\nping_interval_ms = 0\n[polling]\nping_interval_ms = 3600000\n";

const ROUNDS: usize = 50;
/// What the client says on the socket when the upgrade is behind it.
const AFTERWARDS: u64 = 20;

/// When the client says `5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Switch {
    /// When its last GET has ended, as the protocol wants it.
    AfterTheLastGet,
    /// Right behind its probe, while a GET is held.
    WithTheProbe,
}

/// What the client has received, sorted by kind; each kind in the order of arrival.
#[derive(Debug, Default)]
struct Heard {
    answers: Vec<u64>,
    own: Vec<u64>,
    others: Vec<u64>,
}

impl Heard {
    fn take(&mut self, packets: impl IntoIterator<Item = Packet>) {
        for packet in packets {
            let Some(text) = packet.as_message() else {
                assert!(packet == "6" || packet == "3probe", "{packet:?}");
                continue;
            };
            let value: Value = serde_json::from_str(text).unwrap();
            if value["context"] == "response" {
                assert_eq!(value["status"], "OK", "{value}");
                self.answers.push(value["messageCount"].as_u64().unwrap());
                continue;
            }
            let number = value["message"]["n"].as_u64().unwrap();
            match value["message"]["who"].as_str().unwrap() {
                "ann" => self.own.push(number),
                "bob" => self.others.push(number),
                other => panic!("who is {other}?"),
            }
        }
    }
}

fn say(who: &str, n: u64) -> Value {
    json!({"event": "say", "room": "defaultRoom", "message": {"who": who, "n": n}})
}

/// Polls until it is told to pause and the GET that is under way has ended.
async fn poll(mut half: Half, pause: Arc<AtomicBool>, mut heard: Heard, switch: Switch) -> Heard {
    let request = Request::get(&half.target);
    loop {
        let reply = half.line.exchange(&request).await;
        // A GET that arrives behind the switch finds no polling session any more, and nothing is lost with it.
        if switch == Switch::WithTheProbe && pause.load(Ordering::SeqCst) && reply.status == 400 {
            assert_eq!(reply.fault(), (400, 3));
            return heard;
        }
        assert_eq!(reply.status, 200, "{}", reply.body.escape_ascii());
        heard.take(half.version.packets(reply.text()));
        if pause.load(Ordering::SeqCst) {
            return heard;
        }
    }
}

/// Talks by POST, several packets at a time, until it is told to pause; returns how many it has said.
async fn talk(mut half: Half, pause: Arc<AtomicBool>) -> u64 {
    let mut said = 0;
    loop {
        let packets: Vec<_> = (said + 1..=said + 3)
            .map(|n| Packet::message(say("ann", n)))
            .collect();
        let request = Request::post(&half.target, half.version.payload(&packets));
        let reply = half.line.exchange(&request).await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        said += 3;
        if pause.load(Ordering::SeqCst) {
            return said;
        }
    }
}

/// Talks on a WebSocket until it is told to stop, and some more; returns how much it has said.
async fn talk_on_a_socket(mut bob: Client, stop: Arc<AtomicBool>) -> (Client, u64) {
    let mut said = 0;
    let mut left = 20;
    while left > 0 {
        said += 1;
        assert_eq!(bob.request(say("bob", said)).await["status"], "OK");
        left -= u64::from(stop.load(Ordering::SeqCst));
    }
    (bob, said)
}

/// Waits until some packets have passed, so that the upgrade happens in the middle of them.
async fn is_under_way(bob: &mut Client) {
    let mut heard = 0;
    while heard < 10 {
        let packet = bob.hears().await;
        heard += u64::from(packet["message"]["who"] == "ann");
    }
}

async fn round(server: &Binary, version: Version, switch: Switch) {
    let mut ann = Session::greeted(server.address, version).await;
    ann.join("defaultRoom").await;
    let mut watcher = server.plain().await;
    watcher.join("defaultRoom").await;
    let bob = server.primus().await;
    let mut heard = Heard::default();
    let mut bob = bob;
    bob.join("defaultRoom").await;
    heard.take(ann.take_seen());

    let pause_talk = Arc::new(AtomicBool::new(false));
    let pause_poll = Arc::new(AtomicBool::new(false));
    let stop_bob = Arc::new(AtomicBool::new(false));
    let socket_target = ann.target("websocket");
    let (gets, posts) = ann.split();
    let bob = tokio::spawn(talk_on_a_socket(bob, Arc::clone(&stop_bob)));
    let polling = tokio::spawn(poll(gets, Arc::clone(&pause_poll), heard, switch));
    let talking = tokio::spawn(talk(posts, Arc::clone(&pause_talk)));
    is_under_way(&mut watcher).await;

    let mut socket = Socket::connect(server.address, &socket_target, &[])
        .await
        .unwrap();
    let (mut heard, said) = match switch {
        Switch::AfterTheLastGet => {
            socket.send("2probe").await;
            assert_eq!(socket.packet().await, "3probe");
            // Polling and talking go on for a while with the upgrade half done.
            is_under_way(&mut watcher).await;
            pause_talk.store(true, Ordering::SeqCst);
            let said = talking.await.unwrap();
            pause_poll.store(true, Ordering::SeqCst);
            let heard = polling.await.unwrap();
            socket.send("5").await;
            (heard, said)
        }
        Switch::WithTheProbe => {
            pause_talk.store(true, Ordering::SeqCst);
            let said = talking.await.unwrap();
            pause_poll.store(true, Ordering::SeqCst);
            socket.send("2probe").await;
            socket.send("5").await;
            (polling.await.unwrap(), said)
        }
    };
    let total = said + AFTERWARDS;
    for n in said + 1..=total {
        socket.send(&format!("4{}", say("ann", n))).await;
    }
    stop_bob.store(true, Ordering::SeqCst);
    let (_bob, others) = bob.await.unwrap();
    let complete = |heard: &Heard| {
        heard.answers.len() as u64 > total
            || heard.answers.len() as u64 == total
                && heard.own.len() as u64 >= total
                && heard.others.len() as u64 >= others
    };
    within("everything", async {
        while !complete(&heard) {
            let packet = socket.wait_next().await;
            let Some(packet) = packet else {
                panic!("closed after {heard:?}");
            };
            heard.take([packet]);
        }
    })
    .await;
    // Number 1 was the join.
    assert_eq!(
        heard.answers,
        (2..=total + 1).collect::<Vec<_>>(),
        "answers"
    );
    assert_eq!(heard.own, (1..=total).collect::<Vec<_>>(), "own");
    assert_eq!(heard.others, (1..=others).collect::<Vec<_>>(), "others");

    // What it said reached the others likewise; the watcher has heard the first of it before.
    let mut last = 0;
    while last < total {
        let packet = watcher.hears().await;
        if packet["message"]["who"] == "ann" {
            let n = packet["message"]["n"].as_u64().unwrap();
            assert!(last == 0 || n == last + 1, "{n} after {last}");
            last = n;
        }
    }
    socket.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_upgrades_in_a_row_under_load() {
    let server = Binary::configured(UNHURRIED);
    for _ in 0..ROUNDS {
        round(&server, Version::V4, Switch::AfterTheLastGet).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_upgrades_of_v3_in_a_row_under_load() {
    let server = Binary::configured(UNHURRIED);
    for _ in 0..ROUNDS {
        round(&server, Version::V3, Switch::AfterTheLastGet).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_upgrades_in_a_row_that_do_not_wait_for_the_probe() {
    let server = Binary::configured(UNHURRIED);
    for _ in 0..ROUNDS {
        round(&server, Version::V4, Switch::WithTheProbe).await;
    }
}
