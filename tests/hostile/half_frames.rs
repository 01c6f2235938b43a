//! Messages that come in halves, from many clients of one thread: who waits for the rest keeps what it has, and nobody
//! else gets any of it.

use std::time::Duration;

use serde_json::Value;

use crate::raw::{self, CLOSE, ENDS, PING, PONG, Raw, TEXT, TEXT_BEGINS};
use crate::support::binary::stellar;
use crate::support::{Binary, within};
use crate::{Arena, DOORS};

/// A server with that many threads: connections that share one share what reads for them, too.
async fn arena_with_threads(threads: &str) -> Arena {
    let mut command = stellar();
    command.env("TOKIO_WORKER_THREADS", threads);
    Arena::around(Binary::spawn(command, &["--demo"], "")).await
}

/// A frame with a mask that no other client uses, so that one cannot be taken for another's.
fn frame_of(number: u32, first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mask = scattered(number).to_be_bytes();
    let mut frame = raw::header(first, payload.len() as u64);
    frame.truncate(frame.len() - mask.len());
    frame.extend(mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

/// Another number for each number, in an order that looks like none.
const fn scattered(number: u32) -> u32 {
    number.wrapping_mul(0x9E37_79B9)
}

/// What only the client of this number asks and is answered.
fn name_of(number: u32) -> String {
    format!("é€😀 {number:05}")
}

fn question(number: u32, padding: usize) -> String {
    let (name, padding) = (name_of(number), "x".repeat(padding));
    format!("{{\"event\":\"detailsView\",\"messageId\":\"{name}\",\"padding\":\"{padding}\"}}")
}

/// Long enough for a length of two bytes.
fn whole(number: u32) -> Vec<u8> {
    frame_of(number, TEXT, question(number, 60))
}

/// Fragments that divide a character, with a ping between them.
fn in_pieces(number: u32) -> Vec<u8> {
    let question = question(number, 0);
    let (begin, end) = question
        .as_bytes()
        .split_at(question.find('€').unwrap() + 1);
    [
        frame_of(number, TEXT_BEGINS, begin),
        frame_of(number, PING, number.to_be_bytes()),
        frame_of(number, ENDS, end),
    ]
    .concat()
}

/// More than the server reads at once, and than its buffer keeps.
fn large(number: u32) -> Vec<u8> {
    frame_of(number, TEXT, question(number, 80_000))
}

/// A client whose question has been read up to some byte.
struct Waiting {
    client: Raw,
    number: u32,
    rest: Vec<u8>,
}

impl Waiting {
    /// Sends what comes before `cut`, and waits until it has been read.
    async fn begin(arena: &Arena, door: &str, number: u32, message: &[u8], cut: usize) -> Self {
        let mut client = Raw::upgraded(arena.address(), door).await;
        assert!(client.packet().await["welcome"].is_string());
        let (half, rest) = message.split_at(cut);
        // The server answers the ping when it has handled all that came with it.
        let ping = frame_of(number, PING, number.to_be_bytes());
        client.write([&ping, half].concat()).await;
        let pong = client.frame_but_heartbeats().await;
        let expected = (PONG, &number.to_be_bytes()[..]);
        assert_eq!((pong.first, &pong.payload[..]), expected);
        Self {
            client,
            number,
            rest: rest.to_vec(),
        }
    }

    /// One client for each byte (of long messages: for some) at which `message` can be cut.
    /// Their numbers follow `base`.
    async fn begin_each(
        arena: &Arena,
        door: &str,
        base: u32,
        message: fn(u32) -> Vec<u8>,
    ) -> Vec<Self> {
        let mut waiting = Vec::new();
        let length = message(0).len();
        let step = if length < 1000 { 1 } else { length / 40 };
        for cut in (1..length).step_by(step) {
            let number = base + cut as u32;
            waiting.push(Self::begin(arena, door, number, &message(number), cut).await);
        }
        waiting
    }
}

/// Sends all the rests, in an order of their own, and expects the one answer for each.
async fn are_answered(mut waiting: Vec<Waiting>) {
    waiting.sort_by_key(|it| scattered(it.number));
    for it in &mut waiting {
        it.client.write(&it.rest).await;
    }
    for it in waiting {
        let mut client = it.client;
        let mut frame = client.frame_but_heartbeats().await;
        if frame.first == PONG {
            assert_eq!(frame.payload, it.number.to_be_bytes());
            frame = client.frame_but_heartbeats().await;
        }
        assert_eq!(frame.first, TEXT, "{frame:?}");
        let answer: Value = serde_json::from_slice(&frame.payload).unwrap();
        assert_eq!(answer["messageId"], name_of(it.number), "{answer}");
        assert_eq!(answer["messageCount"], 1, "{answer}");
        client.send(CLOSE, 1000_u16.to_be_bytes()).await;
        client.is_told_only_to_close(1000).await;
        assert!(client.is_closed_silently().await);
    }
}

impl Raw {
    /// The next frame that the server sends for another reason than the time of day.
    async fn frame_but_heartbeats(&mut self) -> raw::Frame {
        loop {
            let frame = self.frame().await.expect("a frame");
            let is_heartbeat =
                frame.first == PING || frame.payload.starts_with(b"\"primus::ping::");
            if !is_heartbeat {
                return frame;
            }
        }
    }

    async fn is_told_only_to_close(&mut self, code: u16) {
        let close = self.frame_but_heartbeats().await;
        let text = String::from_utf8_lossy(&close.payload);
        assert_eq!(close.first, CLOSE, "{text}");
        assert_eq!(close.payload[..2], code.to_be_bytes(), "{text}");
    }
}

#[tokio::test]
async fn halves_of_many_clients_are_kept_apart() {
    for threads in ["1", "4"] {
        let mut arena = arena_with_threads(threads).await;
        for door in DOORS {
            for message in [whole, in_pieces, large] {
                let waiting = Waiting::begin_each(&arena, door, 0, message).await;
                arena.serves().await;
                are_answered(waiting).await;
            }
        }
        arena.survives().await;
    }
}

/// What breaks a rule only with its second half, by the code that it is closed with.
fn faults() -> [(u16, Vec<u8>, Vec<u8>); 6] {
    let begun = raw::frame(TEXT_BEGINS, "{");
    let reserved = raw::frame(TEXT | 0x40, "{}");
    let endless = raw::header(TEXT, u64::MAX >> 1);
    [
        (1002, begun.clone(), b"\x81\x02{}".to_vec()),
        (1002, begun.clone(), raw::frame(TEXT, "}")),
        (1002, begun, raw::frame(PING & !ENDS, "")),
        (1002, reserved[..1].to_vec(), reserved[1..].to_vec()),
        (
            1007,
            raw::frame(TEXT_BEGINS, b"\"\xE2"),
            raw::frame(ENDS, "\""),
        ),
        (1009, endless[..5].to_vec(), endless[5..].to_vec()),
    ]
}

#[tokio::test]
async fn what_breaks_off_or_breaks_rules_spoils_nothing_that_waits() {
    const GONE: &str = "stellar_connections_closed_total{reason=\"peer_gone\"}";
    let mut arena = arena_with_threads("1").await;
    for door in DOORS {
        let mut waiting = Waiting::begin_each(&arena, door, 0, whole).await;
        waiting.extend(Waiting::begin_each(&arena, door, 1000, in_pieces).await);

        let gone = arena.metric(GONE).await;
        let broken_off = Waiting::begin_each(&arena, door, 2000, in_pieces).await;
        let all_gone = gone + broken_off.len() as u64;
        drop(broken_off);
        within("all that broke off", async {
            while arena.metric(GONE).await < all_gone {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;

        for (code, half, rest) in faults() {
            let message = [&half[..], &rest].concat();
            let mut faulty = Waiting::begin(&arena, door, 0, &message, half.len()).await;
            // The question behind the fault is for nobody.
            let more = [faulty.rest, whole(0)].concat();
            let _sent = faulty.client.try_write(more).await;
            faulty.client.is_told_only_to_close(code).await;
        }
        arena.serves().await;
        are_answered(waiting).await;
    }
    arena.survives().await;
}
