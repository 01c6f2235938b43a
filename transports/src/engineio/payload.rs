//! Payloads: several packets in one HTTP body (docs/protocol/engineio.md#polling).
//!
//! Every reader goes over its input once and borrows from it. Nothing is allocated per packet, so a body of delimiters
//! costs no more than its bytes.

use base64::Engine as _;
use bytes::{BufMut, Bytes, BytesMut};

use super::packet::BASE64;
use super::{Jsonp, Malformed, Packet, Protocol};

/// What stands between two packets of version 4.
pub(super) const SEPARATOR: u8 = 0x1E;

/// How a binary message begins in version 3, in payloads and frames.
const BINARY: u8 = 4;

/// A received body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// Version 4: separated packets.
    V4(&'a str),
    /// Version 3: `<length>:<packet>`, the length in UTF-16 code units.
    V3(&'a str),
    /// Version 3 with binary packets.
    V3Binary(&'a [u8]),
}

impl<'a> Body<'a> {
    /// Whether there are more than `limit` packets, as far as the body is well formed. No packet is looked at.
    pub(crate) fn has_more_than(self, limit: usize) -> bool {
        match self {
            Self::V4(text) => memchr::memchr_iter(SEPARATOR, text.as_bytes()).count() >= limit,
            Self::V3(_) | Self::V3Binary(_) => {
                self.raw().take(limit.saturating_add(1)).count() > limit
            }
        }
    }

    /// The packets, up to the first that cannot be read.
    pub(crate) fn packets(self) -> impl Iterator<Item = Result<Packet<'a>, Malformed>> {
        let protocol = match self {
            Self::V4(_) => Protocol::V4,
            Self::V3(_) | Self::V3Binary(_) => Protocol::V3,
        };
        self.raw().map(move |raw| match raw? {
            Raw::Text(text) => Packet::from_text(text, protocol),
            Raw::Binary(bytes) => Packet::from_binary(bytes, protocol),
        })
    }

    fn raw(self) -> Split<'a> {
        Split { rest: Some(self) }
    }
}

/// A packet that was cut out, but not read.
#[derive(Clone, Copy, Debug)]
enum Raw<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// Cuts a body into packets.
struct Split<'a> {
    rest: Option<Body<'a>>,
}

impl<'a> Iterator for Split<'a> {
    type Item = Result<Raw<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let cut = match self.rest.take()? {
            Body::V4(text) => Ok(cut_v4(text)),
            Body::V3(text) => cut_v3(text),
            Body::V3Binary(bytes) => cut_v3_binary(bytes),
        };
        Some(cut.map(|(raw, rest)| {
            self.rest = rest;
            raw
        }))
    }
}

type Cut<'a> = (Raw<'a>, Option<Body<'a>>);

fn cut_v4(text: &str) -> Cut<'_> {
    match memchr::memchr(SEPARATOR, text.as_bytes()) {
        Some(at) => (Raw::Text(&text[..at]), Some(Body::V4(&text[at + 1..]))),
        None => (Raw::Text(text), None),
    }
}

fn cut_v3(text: &str) -> Result<Cut<'_>, Malformed> {
    // No body is longer than ten digits can say.
    let digits = text.bytes().take(11).take_while(u8::is_ascii_digit).count();
    let packet = text[digits..].strip_prefix(':').ok_or(Malformed)?;
    let units: usize = text[..digits].parse().map_err(|_| Malformed)?;
    let end = end_of_units(packet, units).ok_or(Malformed)?;
    let rest = &packet[end..];
    let rest = (!rest.is_empty()).then_some(Body::V3(rest));
    Ok((Raw::Text(&packet[..end]), rest))
}

/// Where the first `units` UTF-16 code units of `text` end, in bytes.
fn end_of_units(text: &str, units: usize) -> Option<usize> {
    if text.as_bytes().get(..units).is_some_and(<[u8]>::is_ascii) {
        return Some(units);
    }
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

fn cut_v3_binary(bytes: &[u8]) -> Result<Cut<'_>, Malformed> {
    let (kind, rest) = bytes.split_first().ok_or(Malformed)?;
    let digits = rest
        .iter()
        .take(11)
        .take_while(|digit| **digit <= 9)
        .count();
    if digits == 0 || digits > 10 || rest.get(digits) != Some(&0xFF) {
        return Err(Malformed);
    }
    let len = rest[..digits]
        .iter()
        .fold(0_u64, |sum, digit| sum * 10 + u64::from(*digit));
    let len = usize::try_from(len).map_err(|_| Malformed)?;
    let content = &rest[digits + 1..];
    let packet = content.get(..len).ok_or(Malformed)?;
    let rest = (content.len() > len).then(|| Body::V3Binary(&content[len..]));
    let raw = match kind {
        0 => Raw::Text(std::str::from_utf8(packet).map_err(|_| Malformed)?),
        1 => Raw::Binary(packet),
        _ => return Err(Malformed),
    };
    Ok((raw, rest))
}

/// A text packet in the form in which it waits to be polled.
///
/// In both versions this is what goes into the body when it travels alone or among texts, so that a message to many
/// is written once.
pub(crate) fn waiting_text(protocol: Protocol, kind: char, text: &str) -> Bytes {
    let mut frame = BytesMut::with_capacity(text.len() + 12);
    if protocol == Protocol::V3 {
        let units = 1 + utf16_len(text);
        frame.put_slice(units.to_string().as_bytes());
        frame.put_u8(b':');
    }
    frame.put_u8(kind as u8);
    frame.put_slice(text.as_bytes());
    frame.freeze()
}

/// A binary message in the form in which it waits to be polled.
pub(crate) fn waiting_binary(protocol: Protocol, bytes: &[u8]) -> Bytes {
    match protocol {
        Protocol::V4 => {
            let mut text = String::with_capacity(1 + bytes.len().div_ceil(3) * 4);
            text.push('b');
            BASE64.encode_string(bytes, &mut text);
            text.into()
        }
        // Whether it becomes base64 depends on who polls it.
        Protocol::V3 => {
            let mut frame = BytesMut::with_capacity(1 + bytes.len());
            frame.put_u8(BINARY);
            frame.put_slice(bytes);
            frame.freeze()
        }
    }
}

/// Puts a binary message right behind the packets that wait in `group`, to be polled with them. It is base64 whoever
/// polls it, because the group is text.
#[cfg(feature = "socketio")]
pub(crate) fn append_waiting_binary(protocol: Protocol, group: &mut BytesMut, bytes: &[u8]) {
    match protocol {
        Protocol::V4 => {
            group.put_u8(SEPARATOR);
            group.put_slice(&waiting_binary(Protocol::V4, bytes));
        }
        Protocol::V3 => group.put_slice(base64_v3(bytes).as_bytes()),
    }
}

fn base64_v3(bytes: &[u8]) -> String {
    let digits = BASE64.encode(bytes);
    format!("{}:b4{digits}", digits.len() + 2)
}

/// The packets that wait in a frame, mostly one, to be sent in another form. They are our own, so they can be read.
pub(crate) fn read_waiting(protocol: Protocol, frame: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let text = std::str::from_utf8(frame).unwrap_or_default();
    let (alone, body) = match (protocol, frame.first()) {
        (Protocol::V3, Some(&BINARY)) => (Packet::from_binary(frame, protocol).ok(), None),
        (Protocol::V3, _) => (None, Some(Body::V3(text))),
        (Protocol::V4, _) => (None, Some(Body::V4(text))),
    };
    let packets = body.into_iter().flat_map(Body::packets);
    alone.into_iter().chain(packets.filter_map(Result::ok))
}

/// The packet behind its length.
fn v3_packet(frame: &[u8]) -> &[u8] {
    let colon = memchr::memchr(b':', frame);
    colon.map_or(&[], |colon| &frame[colon + 1..])
}

fn utf16_len(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(char::len_utf16).sum()
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Joins waiting packets into the body of one answer. A single one is shared, not copied.
    pub(crate) fn join(
        protocol: Protocol,
        mut frames: Vec<Bytes>,
        base64: bool,
        jsonp: Option<Jsonp>,
    ) -> Self {
        let is_binary = |frame: &Bytes| frame.first() == Some(&BINARY);
        if protocol == Protocol::V3 && frames.iter().any(is_binary) {
            if !base64 {
                return Self {
                    content_type: "application/octet-stream",
                    body: join_v3_binary(&frames),
                };
            }
            for frame in frames.iter_mut().filter(|frame| is_binary(frame)) {
                *frame = base64_v3(&frame[1..]).into();
            }
        }
        let body = match (protocol, &mut frames[..]) {
            (_, [alone]) => std::mem::take(alone),
            (Protocol::V4, _) => frames.join(&SEPARATOR).into(),
            (Protocol::V3, _) => frames.concat().into(),
        };
        match jsonp {
            None => Self {
                content_type: "text/plain; charset=UTF-8",
                body,
            },
            Some(jsonp) => Self {
                content_type: "text/javascript; charset=UTF-8",
                body: jsonp.script(&String::from_utf8_lossy(&body)).into(),
            },
        }
    }
}

fn join_v3_binary(frames: &[Bytes]) -> Bytes {
    let mut body = BytesMut::with_capacity(frames.iter().map(|frame| frame.len() + 8).sum());
    for frame in frames {
        let (kind, content) = match frame.first() {
            Some(&BINARY) => (1, &frame[..]),
            _ => (0, v3_packet(frame)),
        };
        body.put_u8(kind);
        for digit in content.len().to_string().bytes() {
            body.put_u8(digit - b'0');
        }
        body.put_u8(0xFF);
        body.put_slice(content);
    }
    body.freeze()
}

#[cfg(test)]
mod tests;
