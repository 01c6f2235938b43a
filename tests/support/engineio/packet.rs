//! Packets and payloads of engine.io, written from the protocol and not from the server.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The revision of the protocol that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V3,
    V4,
}

/// One packet.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    /// Its type digit and its text.
    Text(String),
    /// The bytes of a binary message.
    Binary(Vec<u8>),
}

impl Version {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V3];

    /// The value of `EIO`.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// The body of a POST with these packets as text.
    pub(crate) fn payload(self, packets: &[Packet]) -> String {
        match self {
            Self::V4 => {
                let texts: Vec<_> = packets.iter().map(|it| it.text_form("b")).collect();
                texts.join("\u{1e}")
            }
            Self::V3 => {
                let texts = packets.iter().map(|it| it.text_form("b4"));
                texts.map(|text| framed(&text)).collect()
            }
        }
    }

    /// The packets of a body of text.
    pub(crate) fn packets(self, body: &str) -> Vec<Packet> {
        match self {
            Self::V4 => {
                let texts = body.split('\u{1e}');
                texts.map(|text| Packet::from_text(text, "b")).collect()
            }
            Self::V3 => unframed(body),
        }
    }
}

impl Packet {
    /// A message packet with this text.
    pub(crate) fn message(text: impl fmt::Display) -> Self {
        Self::Text(format!("4{text}"))
    }

    /// The text of a message packet.
    pub(crate) fn as_message(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.strip_prefix('4'),
            Self::Binary(_) => None,
        }
    }

    /// How it is written in a payload of text, where bytes are base64 behind `mark`.
    pub(crate) fn text_form(&self, mark: &str) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Binary(bytes) => format!("{mark}{}", STANDARD.encode(bytes)),
        }
    }

    /// Reads [`text_form`](Self::text_form).
    pub(crate) fn from_text(text: &str, mark: &str) -> Self {
        assert!(!text.is_empty(), "a packet has a type");
        match text.strip_prefix(mark) {
            Some(data) => Self::Binary(STANDARD.decode(data).expect("it is base64")),
            None => Self::Text(text.to_owned()),
        }
    }
}

/// A text of v3 with its length in UTF-16 units.
pub(crate) fn framed(text: &str) -> String {
    format!("{}:{text}", text.encode_utf16().count())
}

fn unframed(mut body: &str) -> Vec<Packet> {
    let mut packets = Vec::new();
    while !body.is_empty() {
        let (length, rest) = body.split_once(':').expect("a packet has a length");
        let length: usize = length.parse().expect("a length is a number");
        let mut units = 0;
        let end = rest.char_indices().find_map(|(at, it)| {
            let is_end = units == length;
            units += it.len_utf16();
            is_end.then_some(at)
        });
        let (text, rest) = rest.split_at(end.unwrap_or(rest.len()));
        assert_eq!(framed(text), format!("{length}:{text}"), "a true length");
        packets.push(Packet::from_text(text, "b4"));
        body = rest;
    }
    packets
}

/// The binary payload of v3.
pub(crate) fn binary_payload(packets: &[Packet]) -> Vec<u8> {
    let mut payload = Vec::new();
    for packet in packets {
        let (kind, content) = match packet {
            Packet::Text(text) => (0, text.clone().into_bytes()),
            Packet::Binary(bytes) => (1, [&[4], &bytes[..]].concat()),
        };
        payload.push(kind);
        let digits = content.len().to_string();
        payload.extend(digits.bytes().map(|digit| digit - b'0'));
        payload.push(0xFF);
        payload.extend_from_slice(&content);
    }
    payload
}

/// The packets of a binary payload of v3.
pub(crate) fn binary_packets(mut body: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let [kind, rest @ ..] = body {
        let end = rest.iter().position(|byte| *byte == 0xFF);
        let (digits, rest) = rest.split_at(end.expect("a length ends"));
        let length = digits.iter().fold(0, |sum, digit| {
            assert!(*digit <= 9, "digits are raw");
            sum * 10 + usize::from(*digit)
        });
        let (content, rest) = rest[1..].split_at(length);
        packets.push(match kind {
            0 => Packet::Text(String::from_utf8(content.to_vec()).expect("it is UTF-8")),
            1 => Packet::Binary(content.strip_prefix(&[4]).expect("a message").to_vec()),
            other => panic!("no kind of packet: {other}"),
        });
        body = rest;
    }
    packets
}

impl PartialEq<&str> for Packet {
    fn eq(&self, other: &&str) -> bool {
        matches!(self, Self::Text(text) if text == other)
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Binary(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
        }
    }
}
