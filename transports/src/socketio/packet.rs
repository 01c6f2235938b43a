//! Packets of socket.io as clients write them: what stands in front of the data, which stays as it came
//! (docs/protocol/socketio.md#packets).
//!
//! The packet crates of the `socketioxide` family are not used here. They take a copy of each message, keep a clock of
//! their own, drop ids over 2⁶³ and those in front of a space, and refuse what npm's server reads: acknowledgements
//! without an id, half characters in msgpack. The tests below hold the two against each other.

use std::borrow::Cow;

use super::msgpack::{Reader, Token};

/// How packets are written: text with attachments, or all in one
/// (docs/protocol/socketio.md#msgpack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parser {
    Json,
    Msgpack,
}

/// What a packet is. Those with attachments are of the same kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

/// A packet, without what its data means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) kind: Kind,
    pub(super) namespace: Cow<'a, str>,
    /// The acknowledgement that is asked for or given.
    pub(super) id: Option<u64>,
    /// How many attachments follow, in JSON.
    pub(super) attachments: usize,
    pub(super) data: Data<'a>,
}

/// What a packet says, in the notation of its parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data<'a> {
    /// JSON that nobody has looked at; empty if there is none.
    Json(&'a str),
    /// One whole value, which may still be something that is no value in JSON; empty if there is none.
    Msgpack(&'a [u8]),
}

const NO_TYPE: &str = "a packet has no type";

impl<'a> Packet<'a> {
    /// Reads `<type>[<attachments>-][<namespace>,][<id>][<data>]`. A namespace may end with the packet.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn from_text(packet: &'a str) -> Result<Self, &'static str> {
        let digit = packet.bytes().next().ok_or(NO_TYPE)?;
        let (kind, has_attachments) = match digit {
            b'0' => (Kind::Connect, false),
            b'1' => (Kind::Disconnect, false),
            b'2' => (Kind::Event, false),
            b'3' => (Kind::Ack, false),
            b'4' => (Kind::ConnectError, false),
            b'5' => (Kind::Event, true),
            b'6' => (Kind::Ack, true),
            _ => return Err(NO_TYPE),
        };
        let mut rest = &packet[1..];
        let mut attachments = 0;
        if has_attachments {
            let (digits, behind) = digits(rest);
            let number = digits.parse().ok();
            (attachments, rest) = number
                .zip(behind.strip_prefix('-'))
                .ok_or("a packet does not say how many attachments it has")?;
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let (digits, data) = digits(rest);
        let id = match digits {
            "" => None,
            digits => Some(digits.parse().map_err(|_| "an id is larger than any")?),
        };
        Ok(Self {
            kind,
            namespace: Cow::Borrowed(namespace),
            id,
            attachments,
            data: Data::Json(data),
        })
    }

    /// Reads a map of msgpack with the keys `type`, `nsp`, `data` and `id`. What else is in it is read over, however deep
    /// it nests.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn from_msgpack(packet: &'a [u8]) -> Result<Self, &'static str> {
        Self::read_map(packet).ok_or("a packet is not msgpack")
    }

    fn read_map(packet: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(packet);
        let Token::Map(len) = reader.token()? else {
            return None;
        };
        let (mut kind, mut namespace, mut id) = (None, None, None);
        let mut data = &packet[..0];
        for _ in 0..len {
            let Token::Text(key) = reader.token()? else {
                return None;
            };
            match key {
                b"type" => kind = Some(reader.token()?.to_uint()?),
                b"nsp" => match reader.token()? {
                    Token::Text(text) => namespace = Some(crate::json::utf8(text)?),
                    _ => return None,
                },
                b"id" => {
                    id = match reader.token()? {
                        Token::Nil | Token::Undefined => None,
                        token => Some(token.to_uint()?),
                    }
                }
                b"data" => data = reader.value()?,
                _ => reader.skip()?,
            }
        }
        let kind = match kind? {
            0 => Kind::Connect,
            1 => Kind::Disconnect,
            2 | 5 => Kind::Event,
            3 | 6 => Kind::Ack,
            4 => Kind::ConnectError,
            _ => return None,
        };
        Some(Self {
            kind,
            namespace: namespace?,
            id,
            attachments: 0,
            data: Data::Msgpack(data),
        })
    }
}

/// The digits that a text begins with, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
