//! One packet: a type digit and data (docs/protocol/engineio.md#packets).

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Protocol;

/// Standard base64. Padding is written; reading does without, and does not mind what is left over in the last digit.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The types that carry no application data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Close,
    Ping,
    Pong,
    Upgrade,
    Noop,
}

/// One packet, as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// A packet of the protocol itself, with what follows its digit.
    Control(Kind, &'a str),
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
}

impl Packet<'_> {
    /// How long what it says is, in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Control(_, text) | Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// Bytes that are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet cannot be read")]
pub(crate) struct Malformed;

impl Kind {
    /// The type digit.
    pub(crate) const fn digit(self) -> char {
        match self {
            Self::Open => '0',
            Self::Close => '1',
            Self::Ping => '2',
            Self::Pong => '3',
            Self::Upgrade => '5',
            Self::Noop => '6',
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads the text form: of a text frame, and of each packet in a text payload.
    pub(crate) fn from_text(text: &'a str, protocol: Protocol) -> Result<Self, Malformed> {
        let mut rest = text.chars();
        let kind = match rest.next() {
            Some('0') => Kind::Open,
            Some('1') => Kind::Close,
            Some('2') => Kind::Ping,
            Some('3') => Kind::Pong,
            Some('4') => return Ok(Self::Text(rest.as_str())),
            Some('5') => Kind::Upgrade,
            Some('6') => Kind::Noop,
            Some('b') => return Self::from_base64(rest.as_str(), protocol),
            Some(_) | None => return Err(Malformed),
        };
        Ok(Self::Control(kind, rest.as_str()))
    }

    /// Reads what follows the `b`. Version 3 has the type digit there, and only messages are binary.
    fn from_base64(text: &str, protocol: Protocol) -> Result<Self, Malformed> {
        let digits = match protocol {
            Protocol::V4 => text,
            Protocol::V3 => text.strip_prefix('4').ok_or(Malformed)?,
        };
        Ok(Self::Binary(from_base64(digits)?.into()))
    }

    /// Reads the binary form: of a binary frame, and of each binary packet in a version 3 payload.
    pub(crate) fn from_binary(bytes: &'a [u8], protocol: Protocol) -> Result<Self, Malformed> {
        match (protocol, bytes.split_first()) {
            (Protocol::V4, _) => Ok(Self::Binary(bytes.into())),
            (Protocol::V3, Some((4, message))) => Ok(Self::Binary(message.into())),
            (Protocol::V3, _) => Err(Malformed),
        }
    }
}

/// Reads base64 as Node's `Buffer.from(text, 'base64')` does, because all clients are made to suit that: the official
/// one for Java breaks lines, others write `-` and `_`. Characters that are no digits are passed over, `=` is the end,
/// and a last digit that makes no byte is dropped.
fn from_base64(text: &str) -> Result<Vec<u8>, Malformed> {
    if let Ok(bytes) = BASE64.decode(text) {
        return Ok(bytes);
    }
    let mut digits: Vec<u8> = text
        .bytes()
        .take_while(|byte| *byte != b'=')
        .filter_map(|byte| match byte {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            b'+' | b'/' => Some(byte),
            _ => byte.is_ascii_alphanumeric().then_some(byte),
        })
        .collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    BASE64.decode(digits).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms() {
        for (text, expected) in [
            ("2probe", Packet::Control(Kind::Ping, "probe")),
            ("1", Packet::Control(Kind::Close, "")),
            ("4", Packet::Text("")),
            ("4h\u{20AC}", Packet::Text("h\u{20AC}")),
            ("bAQIDBA==", Packet::Binary(vec![1, 2, 3, 4].into())),
            ("bAQIDBA", Packet::Binary(vec![1, 2, 3, 4].into())),
            ("b", Packet::Binary(vec![].into())),
        ] {
            assert_eq!(
                Packet::from_text(text, Protocol::V4),
                Ok(expected),
                "{text}"
            );
        }
        for text in ["", "7", "x", "\u{20AC}"] {
            assert_eq!(
                Packet::from_text(text, Protocol::V4),
                Err(Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn base64_is_read_as_node_reads_it() {
        // Each with what `Buffer.from` makes of it.
        for (text, bytes) in [
            ("YWJj\n", &b"abc"[..]),
            ("YW\nJj", b"abc"),
            ("YW\r\nJj\r\n", b"abc"),
            (" YW\tJj ", b"abc"),
            ("YQ\r\n==\r\n", b"a"),
            ("YQ==\n", b"a"),
            ("YQ=", b"a"),
            ("YQ", b"a"),
            ("YQ==YQ==", b"a"),
            ("YQ=x", b"a"),
            ("YR==", b"a"),
            ("-_-_", b"\xfb\xff\xbf"),
            ("+_-/", b"\xfb\xff\xbf"),
            ("Y\u{20AC}W*J\0j", b"abc"),
            ("A", b""),
            ("*", b""),
            ("=YWJj", b""),
            ("\n", b""),
        ] {
            for (packet, protocol) in [
                (format!("b{text}"), Protocol::V4),
                (format!("b4{text}"), Protocol::V3),
            ] {
                let read = Packet::from_text(&packet, protocol);
                assert_eq!(read, Ok(Packet::Binary(bytes.into())), "{packet:?}");
            }
        }
    }

    #[test]
    fn version_3_marks_binary_with_its_type() {
        let four = Packet::Binary(vec![1, 2, 3, 4].into());
        assert_eq!(Packet::from_text("b4AQIDBA==", Protocol::V3), Ok(four));
        assert_eq!(Packet::from_text("bAQIDBA==", Protocol::V3), Err(Malformed));
        let one = Packet::Binary([9].as_slice().into());
        assert_eq!(Packet::from_binary(&[4, 9], Protocol::V3), Ok(one.clone()));
        assert_eq!(Packet::from_binary(&[9], Protocol::V4), Ok(one));
        assert_eq!(Packet::from_binary(&[], Protocol::V3), Err(Malformed));
        assert_eq!(Packet::from_binary(&[2], Protocol::V3), Err(Malformed));
    }
}
