//! Packets in each form that they take on their way.

use bytes::{BufMut, Bytes, BytesMut};

use crate::engineio::{self, Packet, Protocol};
use crate::ws::frame::{self, Opcode};
use crate::{Payload, primus};

/// The type of a packet that carries a message.
const MESSAGE: char = '4';

/// How packets look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they wait for a poll.
    Polled(Protocol),
    /// As frames of a WebSocket.
    Framed(Protocol),
    /// As frames of a WebSocket whose client wants no binary ones (`b64=1`).
    FramedBase64(Protocol),
}

impl Form {
    /// How many there are.
    pub(crate) const COUNT: usize = 6;

    /// Each of them, at its [`index`](Self::index).
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Polled(Protocol::V4),
        Self::Polled(Protocol::V3),
        Self::Framed(Protocol::V4),
        Self::Framed(Protocol::V3),
        Self::FramedBase64(Protocol::V4),
        Self::FramedBase64(Protocol::V3),
    ];

    /// The place of this form in tables.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Polled(Protocol::V4) => 0,
            Self::Polled(Protocol::V3) => 1,
            Self::Framed(Protocol::V4) => 2,
            Self::Framed(Protocol::V3) => 3,
            Self::FramedBase64(Protocol::V4) => 4,
            Self::FramedBase64(Protocol::V3) => 5,
        }
    }

    /// A text packet of the type that `kind`, a digit, says.
    pub(super) fn text(self, kind: char, text: &str) -> Bytes {
        match self {
            Self::Polled(protocol) => engineio::waiting_text(protocol, kind, text),
            Self::Framed(_) | Self::FramedBase64(_) => {
                frame::encode_prefixed(Opcode::Text, &[kind as u8], text.as_bytes())
            }
        }
    }

    /// A text message. In a payload of version 4 one character would end its packet, and what follows would be taken
    /// for another. JSON never holds it; other texts lose it.
    pub(crate) fn message(self, text: &str) -> Bytes {
        const SEPARATOR: char = '\u{1E}';
        if self == Self::Polled(Protocol::V4) && text.contains(SEPARATOR) {
            return self.text(MESSAGE, &text.replace(SEPARATOR, "\u{FFFD}"));
        }
        self.text(MESSAGE, text)
    }

    /// A text message that consists of five parts.
    #[cfg(feature = "socketio")]
    pub(crate) fn joined(self, parts: [&str; 5]) -> Bytes {
        match self {
            Self::Polled(_) => self.message(&parts.concat()),
            Self::Framed(_) | Self::FramedBase64(_) => {
                let [a, b, c, d, e] = parts.map(str::as_bytes);
                frame::encode_parts(Opcode::Text, &[&[MESSAGE as u8], a, b, c, d, e])
            }
        }
    }

    /// A message with this payload.
    pub(super) fn payload(self, payload: &Payload) -> Bytes {
        match payload {
            Payload::Text(text) => self.message(&primus::escape(text)),
            Payload::Binary(bytes) => self.binary(bytes),
        }
    }

    /// A binary message.
    pub(crate) fn binary(self, bytes: &[u8]) -> Bytes {
        match self {
            Self::Polled(protocol) => engineio::waiting_binary(protocol, bytes),
            Self::Framed(Protocol::V4) => frame::encode(Opcode::Binary, bytes),
            Self::Framed(Protocol::V3) => frame::encode_prefixed(Opcode::Binary, &[4], bytes),
            // As it waits for a poll.
            Self::FramedBase64(Protocol::V4) => {
                let text = engineio::waiting_binary(Protocol::V4, bytes);
                frame::encode(Opcode::Text, &text)
            }
            Self::FramedBase64(Protocol::V3) => {
                let mut text = BytesMut::from(&b"b4"[..]);
                // What waits in version 4 begins with a `b` of its own.
                text.put_slice(&engineio::waiting_binary(Protocol::V4, bytes)[1..]);
                frame::encode(Opcode::Text, &text)
            }
        }
    }

    /// A text message and binary ones right behind it, with nothing in between.
    #[cfg(feature = "socketio")]
    pub(crate) fn group<B: AsRef<[u8]>>(self, text: &str, attachments: &[B]) -> Bytes {
        let head = self.message(text);
        if attachments.is_empty() {
            return head;
        }
        let mut group = BytesMut::from(head);
        for attachment in attachments {
            match self {
                Self::Polled(protocol) => {
                    engineio::append_waiting_binary(protocol, &mut group, attachment.as_ref());
                }
                Self::Framed(_) | Self::FramedBase64(_) => {
                    group.extend_from_slice(&self.binary(attachment.as_ref()));
                }
            }
        }
        group.freeze()
    }

    /// What waited for a poll, in this form.
    pub(super) fn translate(self, protocol: Protocol, waiting: &[u8]) -> Bytes {
        let mut packets = engineio::read_waiting(protocol, waiting).map(|packet| match packet {
            Packet::Text(text) => self.text(MESSAGE, text),
            Packet::Binary(bytes) => self.binary(&bytes),
            Packet::Control(kind, data) => self.text(kind.digit(), data),
        });
        let first = packets.next().unwrap_or_default();
        match packets.next() {
            None => first,
            Some(second) => {
                let mut all = BytesMut::from(first);
                all.extend_from_slice(&second);
                packets.for_each(|packet| all.extend_from_slice(&packet));
                all.freeze()
            }
        }
    }
}
