//! What a fuzzer calls: packets in JSON with attachments, and in msgpack.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::packet::{Data, Packet};
use super::state::{Bounds, Phase, State, Step, Whole};
use super::{event, msgpack, plain};
use crate::engineio::Protocol;
use crate::{Handshake, IncomingPayload, Peer};

/// The first byte tells how many attachments there are.
pub(crate) fn event(data: &[u8]) {
    let (count, text) = data.split_first().unwrap_or((&0, &[]));
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let attachments = (0..usize::from(count % 4)).map(|number| Bytes::from(vec![7; number]));
    let attachments: Vec<_> = attachments.collect();
    hand_on(Data::Json(text), &attachments, text.len());
    if let Ok(packet) = Packet::from_text(text) {
        hand_on(packet.data, &attachments, text.len());
        assert!(packet.namespace.starts_with('/'));
    }
    assert!(plain::plain(text, true).len() <= text.len());
    dialogue(text);
}

/// Each line is a message; one that begins with `b` is bytes. Whoever asks is let in at the next line.
fn dialogue(text: &str) {
    let peer = Peer::direct(([127, 0, 0, 1], 1).into(), false);
    let (parts, ()) = http::Request::new(()).into_parts();
    let mut state = State::new(Handshake::new("socketio", "socket.io", peer, parts));
    let bounds = Bounds {
        max_attachments: 3,
        max_bytes: 100,
    };
    for line in text.lines() {
        let message = match line.strip_prefix('b') {
            Some(bytes) => IncomingPayload::Binary(bytes.as_bytes()),
            None => IncomingPayload::Text(line),
        };
        if !state.is_time_for(message) {
            assert!(!state.waiting.is_empty());
            state.waiting.clear();
            state.phase = Phase::In;
            continue;
        }
        let before = state.phase;
        let packet = match state.gather(message, bounds) {
            Ok(Whole::Missing) => {
                let held = state.gathering.as_ref().map(|gathering| gathering.held());
                assert!(held.is_some_and(|held| held <= text.len() + bounds.max_bytes));
                continue;
            }
            Ok(Whole::Alone(_)) => line.to_owned(),
            Ok(Whole::Gathered(gathered)) => {
                assert!((1..=bounds.max_attachments).contains(&gathered.attachments.len()));
                gathered.text
            }
            Err(_) => return,
        };
        let Ok(packet) = Packet::from_text(&packet) else {
            return;
        };
        match state.step(&packet, Protocol::V4) {
            Ok(Step::Connect) => assert_eq!((before, state.phase), (Phase::Fresh, Phase::Deciding)),
            Ok(Step::Event | Step::Leave) => assert_eq!(before, Phase::In),
            Ok(Step::Nothing | Step::Elsewhere) => assert_eq!(before, state.phase),
            Err(_) => return,
        }
    }
}

/// Packets and events are read by the same reader.
pub(crate) fn msgpack(data: &[u8]) {
    if let Ok(packet) = Packet::from_msgpack(data) {
        hand_on(packet.data, &[], data.len());
    }
    assert!(msgpack::mended(data).is_none_or(|mended| mended.len() == data.len()));
    hand_on(Data::Msgpack(data), &[], data.len());
}

/// What goes on to the bus is JSON, and not much larger than what came.
fn hand_on(data: Data<'_>, attachments: &[Bytes], len: usize) {
    let _ = event::read(data, attachments, Some(1), |incoming| {
        match incoming.payload {
            IncomingPayload::Text(text) => {
                let opening = text.bytes().filter(|byte| matches!(byte, b'[' | b'{'));
                let is_deep = opening.count() >= 127;
                let read = crate::json::from_str::<IgnoredAny>(text);
                assert!(read.is_ok() || is_deep, "no JSON: {text}");
                assert!(
                    text.len() <= 64 + 32 * len,
                    "{len} bytes became {}",
                    text.len()
                );
            }
            IncomingPayload::Binary(bytes) => assert!(bytes.len() <= len.max(3)),
        }
    });
}
