//! Payloads, packets and the parameters of requests.

use bytes::Bytes;

use super::Choices;
use crate::engineio::{
    Answer, Body, Jsonp, Packet, Protocol, Query, read_waiting, waiting_binary, waiting_text,
};

const PROTOCOLS: [Protocol; 2] = [Protocol::V3, Protocol::V4];

/// Packets that were read, written again and read again, are the same packets.
pub(super) fn payload(data: &[u8]) {
    let text = std::str::from_utf8(data);
    let bodies = [
        text.map(Body::V4),
        text.map(Body::V3),
        Ok(Body::V3Binary(data)),
    ];
    for body in bodies.into_iter().flatten() {
        let protocol = match body {
            Body::V4(_) => Protocol::V4,
            Body::V3(_) | Body::V3Binary(_) => Protocol::V3,
        };
        let read: Vec<_> = body.packets().take(data.len() + 2).collect();
        assert!(
            read.len() <= data.len() + 1,
            "a packet takes a byte at least"
        );
        let packets: Vec<_> = read.iter().flatten().cloned().collect();
        if packets.len() == read.len() {
            assert!(!body.has_more_than(read.len()), "there are {}", read.len());
            assert!(
                body.has_more_than(read.len() - 1),
                "there are {}",
                read.len()
            );
        }
        round_trip(protocol, &packets);
    }
}

fn round_trip(protocol: Protocol, packets: &[Packet<'_>]) {
    let frames: Vec<Bytes> = packets
        .iter()
        .map(|packet| write(protocol, packet))
        .collect();
    for (frame, packet) in frames.iter().zip(packets) {
        let read: Vec<_> = read_waiting(protocol, frame).collect();
        assert_eq!(read, std::slice::from_ref(packet));
    }
    if frames.is_empty() {
        return;
    }
    for base64 in [false, true] {
        let answer = Answer::join(protocol, frames.clone(), base64, None);
        let text = std::str::from_utf8(&answer.body);
        let body = match protocol {
            _ if answer.content_type == "application/octet-stream" => Body::V3Binary(&answer.body),
            Protocol::V4 => Body::V4(text.expect("version 4 is text")),
            Protocol::V3 => Body::V3(text.expect("this is text")),
        };
        let read: Vec<_> = body
            .packets()
            .map(|packet| packet.expect("our own"))
            .collect();
        assert_eq!(read, packets);
    }
}

fn write(protocol: Protocol, packet: &Packet<'_>) -> Bytes {
    match packet {
        Packet::Control(kind, data) => waiting_text(protocol, kind.digit(), data),
        Packet::Text(text) => waiting_text(protocol, '4', text),
        Packet::Binary(bytes) => waiting_binary(protocol, bytes),
    }
}

pub(super) fn packet(data: &[u8]) {
    for protocol in PROTOCOLS {
        let text = std::str::from_utf8(data).ok();
        let packets = [
            text.and_then(|text| Packet::from_text(text, protocol).ok()),
            Packet::from_binary(data, protocol).ok(),
        ];
        for packet in packets.into_iter().flatten() {
            let len = match packet {
                Packet::Control(_, text) | Packet::Text(text) => text.len(),
                Packet::Binary(bytes) => bytes.len(),
            };
            assert!(len <= data.len(), "a message is no larger than its packet");
        }
    }
}

/// The first byte tells whether it is a query or a form of JSONP.
pub(super) fn request(data: &[u8]) {
    let mut choices = Choices(data);
    let is_form = choices.byte() % 2 == 1;
    let rest = choices.rest();
    if is_form {
        if let Ok(payload) = Jsonp::payload(rest) {
            // U+FFFD takes the place of a byte.
            assert!(payload.len() <= 3 * rest.len());
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let query = Query::parse(text);
    if let Some(jsonp) = query.jsonp {
        let frames = vec![Bytes::copy_from_slice(rest)];
        let script = Answer::join(Protocol::V4, frames, false, Some(jsonp)).body;
        let script = std::str::from_utf8(&script).expect("a script is text");
        let call = script
            .strip_prefix("___eio[")
            .and_then(|call| call.strip_suffix(");"));
        let (slot, json) = call.and_then(|call| call.split_once("](")).expect("a call");
        assert!(slot.bytes().all(|digit| digit.is_ascii_digit()));
        assert_eq!(serde_json::from_str::<String>(json).expect("a text"), text);
        assert!(!json.contains(['\u{2028}', '\u{2029}']));
    }
}
