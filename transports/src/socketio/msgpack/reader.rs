//! Values of msgpack, one after the other.

use std::borrow::Cow;

use memchr::memchr;

use super::date;

/// One value, or the beginning of a collection.
#[derive(Clone, Copy, Debug)]
pub(in crate::socketio) enum Token<'a> {
    Nil,
    Bool(bool),
    Uint(u64),
    Int(i64),
    Float(f64),
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Array(usize),
    Map(usize),
    /// In ms since the Unix epoch.
    Date(i64),
    Undefined,
    /// A type of somebody's own.
    Ext,
}

impl Token<'_> {
    /// The number that it is, unless that is negative or none.
    pub(in crate::socketio) fn to_uint(self) -> Option<u64> {
        match self {
            Self::Uint(number) => Some(number),
            Self::Int(number) => number.try_into().ok(),
            _ => None,
        }
    }
}

/// Reads one value after another.
#[derive(Debug)]
pub(in crate::socketio) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(in crate::socketio) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// A number of `size` bytes.
    fn number(&mut self, size: usize) -> Option<u64> {
        let bytes = self.bytes(size)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    }

    fn len(&mut self, size: usize) -> Option<usize> {
        usize::try_from(self.number(size)?).ok()
    }

    /// A value of an extension. npm's parser gives type 0 three meanings, by the mark in front of it.
    fn ext(&mut self, mark: u8, len: usize) -> Option<Token<'a>> {
        const TIMESTAMP: u8 = 0xFF;
        let [kind] = self.array()?;
        let bytes = self.bytes(len)?;
        Some(match (kind, mark) {
            (0, 0xC7..=0xC9) => Token::Binary(bytes),
            (0, 0xD4) => Token::Undefined,
            (0, 0xD7) => Token::Date(i64::from_be_bytes(bytes.try_into().ok()?)),
            (TIMESTAMP, _) => date::timestamp(bytes).map_or(Token::Ext, Token::Date),
            _ => Token::Ext,
        })
    }

    /// Reads one value, or the beginning of a collection. `None` if there is none.
    pub(in crate::socketio) fn token(&mut self) -> Option<Token<'a>> {
        let [mark] = self.array()?;
        let low = usize::from(mark & 0x1F);
        // Lengths come in one, two or four bytes; integers in up to eight.
        Some(match mark {
            0x00..=0x7F => Token::Uint(mark.into()),
            0x80..=0x8F => Token::Map(low & 0x0F),
            0x90..=0x9F => Token::Array(low & 0x0F),
            0xA0..=0xBF => Token::Text(self.bytes(low)?),
            0xC0 => Token::Nil,
            // Nothing begins with it.
            0xC1 => return None,
            0xC2 | 0xC3 => Token::Bool(mark == 0xC3),
            0xC4..=0xC6 => {
                let len = self.len(1 << (mark - 0xC4))?;
                Token::Binary(self.bytes(len)?)
            }
            0xC7..=0xC9 => {
                let len = self.len(1 << (mark - 0xC7))?;
                self.ext(mark, len)?
            }
            0xCA => Token::Float(f32::from_be_bytes(self.array()?).into()),
            0xCB => Token::Float(f64::from_be_bytes(self.array()?)),
            0xCC..=0xCF => Token::Uint(self.number(1 << (mark - 0xCC))?),
            0xD0 => Token::Int(i8::from_be_bytes(self.array()?).into()),
            0xD1 => Token::Int(i16::from_be_bytes(self.array()?).into()),
            0xD2 => Token::Int(i32::from_be_bytes(self.array()?).into()),
            0xD3 => Token::Int(i64::from_be_bytes(self.array()?)),
            0xD4..=0xD8 => self.ext(mark, 1 << (mark - 0xD4))?,
            0xD9..=0xDB => {
                let len = self.len(1 << (mark - 0xD9))?;
                Token::Text(self.bytes(len)?)
            }
            0xDC | 0xDD => Token::Array(self.len(2 << (mark - 0xDC))?),
            0xDE | 0xDF => Token::Map(self.len(2 << (mark - 0xDE))?),
            0xE0..=0xFF => Token::Int(mark.cast_signed().into()),
        })
    }

    /// Reads over one value, however deep it nests.
    pub(in crate::socketio) fn skip(&mut self) -> Option<()> {
        let mut left = 1_usize;
        while left > 0 {
            left -= 1;
            left = match self.token()? {
                Token::Array(len) => left.checked_add(len)?,
                Token::Map(len) => left.checked_add(len.checked_mul(2)?)?,
                _ => left,
            };
        }
        Some(())
    }

    /// The bytes of one whole value.
    pub(in crate::socketio) fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.rest;
        self.skip()?;
        Some(&start[..start.len() - self.rest.len()])
    }
}

/// The bytes of `["message", bytes]`.
pub(in crate::socketio) fn binary_message(event: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(event);
    let is_message = matches!(reader.token()?, Token::Array(2))
        && matches!(reader.token()?, Token::Text(b"message"));
    match reader.token() {
        Some(Token::Binary(binary)) if is_message && reader.rest.is_empty() => Some(binary),
        _ => None,
    }
}

/// The name of an event: the text that its array begins with.
pub(in crate::socketio) fn event_name(event: &[u8]) -> Option<Cow<'_, str>> {
    let mut reader = Reader::new(event);
    match (reader.token()?, reader.token()?) {
        (Token::Array(_), Token::Text(name)) => crate::json::utf8(name),
        _ => None,
    }
}

/// The packet with U+FFFD in place of half characters. `None` if it has none.
pub(in crate::socketio) fn mended(packet: &[u8]) -> Option<Vec<u8>> {
    // What all of them begin with.
    memchr(0xED, packet)?;
    let mut reader = Reader::new(packet);
    let mut mended = None;
    while !reader.rest.is_empty() {
        let Token::Text(text) = reader.token()? else {
            continue;
        };
        // It stays as long as it was.
        if let Some(Cow::Owned(whole)) = crate::json::utf8(text) {
            let end = packet.len() - reader.rest.len();
            let mended = mended.get_or_insert_with(|| packet.to_vec());
            mended[end - text.len()..end].copy_from_slice(whole.as_bytes());
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_names() {
        assert_eq!(event_name(b"\x92\xA3say\xD4\x05\0"), Some("say".into()));
        for event in [&b"\x90"[..], b"\x91\x05", b"\xA3say", b"\x91\xA1\xFF", b""] {
            assert_eq!(event_name(event), None);
        }
    }

    #[test]
    fn half_characters_are_replaced_in_texts_alone() {
        for (packet, expected) in [
            (&b"\xA3\xED\xA0\xBD"[..], Some(&b"\xA3\xEF\xBF\xBD"[..])),
            (
                b"\x82\xA4x\xED\xBF\xBF\xC4\x03\xED\xA0\xBD\x91\xA3\xED\xA0\xBD\x05",
                Some(b"\x82\xA4x\xEF\xBF\xBD\xC4\x03\xED\xA0\xBD\x91\xA3\xEF\xBF\xBD\x05"),
            ),
            // A whole one, bytes, what is no text at all, and what breaks off.
            (b"\xA3\xED\x9F\xBF", None),
            (b"\xC4\x03\xED\xA0\xBD", None),
            (b"\xA2\xED\xA0", None),
            (b"\xA4\xED\xA0\xBD", None),
            (b"\xA1x", None),
            (b"", None),
        ] {
            assert_eq!(mended(packet).as_deref(), expected, "{packet:?}");
        }
    }

    #[test]
    fn bytes_alone_are_a_binary_message() {
        assert_eq!(binary_message(b"\x92\xA7message\xC4\x01a"), Some(&b"a"[..]));
        let buffer = b"\x92\xA7message\xC7\x01\0a";
        assert_eq!(binary_message(buffer), Some(&b"a"[..]));
        assert_eq!(binary_message(b"\x92\xA7message\xA1a"), None);
        assert_eq!(binary_message(b"\x93\xA7message\xC4\x01a\x01"), None);
    }

    #[test]
    fn whole_values_are_cut_however_deep_they_nest() {
        let deep = [&[0x91; 100_000][..], b"\x01\x02"].concat();
        let mut reader = Reader::new(&deep);
        assert_eq!(reader.value().unwrap().len(), 100_001);
        assert_eq!(reader.rest, b"\x02");
        assert!(Reader::new(&[0x91; 1000]).value().is_none());
        assert!(Reader::new(b"\xDD\xFF\xFF\xFF\xFF").value().is_none());
    }
}
