//! Frames: how ours are written, and a guard that counts the peer's.
//!
//! Server frames are not masked, so one frame serves every member of a room. Decoding is tungstenite's.

use bytes::{BufMut, Bytes, BytesMut};

use crate::primus;

/// The frame types that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
}

/// One whole, final frame (RFC 6455 §5.2).
pub(crate) fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    encode_prefixed(opcode, b"", payload)
}

/// As [`encode`], for a payload that consists of two parts.
pub(crate) fn encode_prefixed(opcode: Opcode, prefix: &[u8], payload: &[u8]) -> Bytes {
    encode_parts(opcode, &[prefix, payload])
}

/// As [`encode`], for a payload in parts.
pub(crate) fn encode_parts(opcode: Opcode, parts: &[&[u8]]) -> Bytes {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut frame = BytesMut::with_capacity(10 + len);
    frame.put_u8(0x80 | opcode as u8);
    match len {
        len @ 0..=125 => frame.put_u8(len as u8),
        len @ 126..=0xFFFF => {
            frame.put_u8(126);
            frame.put_u16(len as u16);
        }
        len => {
            frame.put_u8(127);
            frame.put_u64(len as u64);
        }
    }
    for part in parts {
        frame.put_slice(part);
    }
    frame.freeze()
}

/// A text frame, written as Primus writes JSON.
pub(crate) fn text(text: &str) -> Bytes {
    encode(Opcode::Text, primus::escape(text).as_bytes())
}

/// A close frame with a code and a reason.
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.put_u16(code);
    payload.put_slice(&reason.as_bytes()[..end]);
    encode(Opcode::Close, &payload)
}

/// Follows the peer's frames by their headers alone, to count what the decoder hides: into how many frames a
/// message was cut, and whether one is half received. Payload bytes are skipped, not looked at.
#[derive(Debug)]
pub(crate) struct FrameGuard {
    max_fragments: u32,
    /// Frames of the current message so far.
    fragments: u32,
    /// Header bytes of the current frame, until there are enough to know its length.
    header: [u8; 14],
    header_len: u8,
    /// Payload bytes of the current frame still to come.
    payload_left: u64,
    /// A message has begun and its final frame has not.
    is_open: bool,
    has_seen_close: bool,
    /// Messages begun so far, wrapping.
    begun: u32,
    has_seen_large: bool,
}

/// A frame that makes the decoder's buffer grow to a size that is not to be kept.
const LARGE: u64 = 32 * 1024;

/// The peer cut a message into too many frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many fragments")]
pub(crate) struct TooManyFragments;

impl FrameGuard {
    pub(crate) const fn new(max_fragments: u32) -> Self {
        Self {
            max_fragments,
            fragments: 0,
            header: [0; 14],
            header_len: 0,
            payload_left: 0,
            is_open: false,
            has_seen_close: false,
            begun: 0,
            has_seen_large: false,
        }
    }

    /// Whether a message or frame has begun and is not complete.
    pub(crate) const fn is_partial(&self) -> bool {
        self.is_open || self.header_len > 0 || self.payload_left > 0
    }

    /// How many messages have begun, wrapping.
    pub(crate) const fn begun(&self) -> u32 {
        self.begun
    }

    /// Whether a large frame has come since the last time that this was asked.
    pub(crate) const fn take_seen_large(&mut self) -> bool {
        std::mem::replace(&mut self.has_seen_large, false)
    }

    /// Whether the peer's close frame has come.
    pub(crate) const fn has_seen_close(&self) -> bool {
        self.has_seen_close
    }

    /// Takes the next bytes from the peer.
    pub(crate) fn scan(&mut self, mut bytes: &[u8]) -> Result<(), TooManyFragments> {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let skip = self.payload_left.min(bytes.len() as u64);
                self.payload_left -= skip;
                // `skip` is at most `bytes.len()`.
                bytes = &bytes[skip as usize..];
                continue;
            }
            self.header[usize::from(self.header_len)] = bytes[0];
            self.header_len += 1;
            bytes = &bytes[1..];
            if let Some(payload_len) = self.payload_len() {
                self.header_len = 0;
                self.payload_left = payload_len;
                self.has_seen_large |= payload_len >= LARGE;
                self.count(self.header[0])?;
            }
        }
        Ok(())
    }

    /// The payload length, once the header is complete.
    fn payload_len(&self) -> Option<u64> {
        if self.header_len < 2 {
            return None;
        }
        let mask_len = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        let extended = match self.header[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.header_len < 2 + extended + mask_len {
            return None;
        }
        let length = &self.header[2..usize::from(2 + extended)];
        Some(match extended {
            0 => u64::from(self.header[1] & 0x7F),
            _ => length
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        })
    }

    fn count(&mut self, first: u8) -> Result<(), TooManyFragments> {
        match first & 0x0F {
            0x8 => self.has_seen_close = true,
            0x0..=0x7 => {
                if !self.is_open {
                    self.begun = self.begun.wrapping_add(1);
                }
                self.fragments = if self.is_open { self.fragments + 1 } else { 1 };
                self.is_open = first & 0x80 == 0;
                if self.fragments > self.max_fragments {
                    return Err(TooManyFragments);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_headers_for_each_length_class() {
        assert_eq!(&encode(Opcode::Text, b"hi")[..], b"\x81\x02hi");
        assert_eq!(&encode(Opcode::Binary, &[0; 125])[..2], b"\x82\x7d");
        assert_eq!(&encode(Opcode::Text, &[0; 126])[..4], b"\x81\x7e\x00\x7e");
        assert_eq!(
            &encode(Opcode::Text, &[0; 0xFFFF])[..4],
            b"\x81\x7e\xff\xff"
        );
        assert_eq!(
            &encode(Opcode::Text, &[0; 0x10000])[..10],
            b"\x81\x7f\0\0\0\0\0\x01\0\0"
        );
        assert_eq!(&encode(Opcode::Ping, b"")[..], b"\x89\x00");
    }

    #[test]
    fn line_separators_are_escaped() {
        assert_eq!(
            &text("\"a\u{2028}b\u{2029}\"")[2..],
            b"\"a\\u2028b\\u2029\""
        );
        assert_eq!(&text("\"\u{20AC}\"")[2..], "\"\u{20AC}\"".as_bytes());
    }

    #[test]
    fn close_frames_hold_at_most_125_bytes() {
        let frame = close(1009, &"é".repeat(100));
        assert_eq!(frame[1], 2 + 122);
        assert_eq!(&frame[2..4], &[0x03, 0xF1]);
    }

    /// A masked client frame with a zero key.
    fn client_frame(first: u8, len: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match len {
            0..=125 => frame.push(0x80 | len as u8),
            126..=0xFFFF => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.resize(frame.len() + len, 0x81);
        frame
    }

    #[test]
    fn the_guard_follows_frames_however_they_are_cut() {
        let mut stream = Vec::new();
        for len in [0, 5, 125, 126, 70_000] {
            stream.extend(client_frame(0x81, len));
        }
        stream.extend(client_frame(0x01, 3));
        stream.extend(client_frame(0x89, 2));
        for chunk in [1, 2, 3, 7, 4096, stream.len()] {
            let mut guard = FrameGuard::new(2);
            for part in stream.chunks(chunk) {
                guard.scan(part).unwrap();
            }
            assert!(guard.is_partial(), "the last message is open");
            guard.scan(&client_frame(0x80, 1)).unwrap();
            assert!(!guard.is_partial());
            assert!(!guard.has_seen_close());
            guard.scan(&client_frame(0x88, 2)).unwrap();
            assert!(guard.has_seen_close());
        }
    }

    #[test]
    fn the_guard_counts_fragments_but_not_control_frames() {
        let mut guard = FrameGuard::new(3);
        guard.scan(&client_frame(0x01, 1)).unwrap();
        for _ in 0..2 {
            guard.scan(&client_frame(0x89, 0)).unwrap();
            guard.scan(&client_frame(0x00, 1)).unwrap();
        }
        assert_eq!(guard.scan(&client_frame(0x80, 1)), Err(TooManyFragments));
    }
}
