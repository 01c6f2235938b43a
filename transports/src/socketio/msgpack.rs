//! msgpack, as far as JSON goes with it: what `socket.io-msgpack-parser` sends and reads (§2.6).
//!
//! Both directions are one pass without a tree in between, so that a message never takes a multiple of its own size.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// How deep arrays and maps may nest, in both directions.
const MAX_DEPTH: usize = 128;

/// Writes values one by one, each in its shortest form.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn head(&mut self, mark: u8, number: &[u8]) {
        self.0.push(mark);
        self.0.extend_from_slice(number);
    }

    pub(super) fn array(&mut self, len: u32) {
        let bytes = len.to_be_bytes();
        match len {
            0..=15 => self.0.push(0x90 | bytes[3]),
            16..=0xFFFF => self.head(0xDC, &bytes[2..]),
            _ => self.head(0xDD, &bytes),
        }
    }

    pub(super) fn map(&mut self, len: u32) {
        let bytes = len.to_be_bytes();
        match len {
            0..=15 => self.0.push(0x80 | bytes[3]),
            16..=0xFFFF => self.head(0xDE, &bytes[2..]),
            _ => self.head(0xDF, &bytes),
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        // Messages are bounded far below what four bytes can say.
        let bytes = (text.len() as u32).to_be_bytes();
        match text.len() {
            0..=31 => self.0.push(0xA0 | bytes[3]),
            32..=0xFF => self.head(0xD9, &bytes[3..]),
            0x100..=0xFFFF => self.head(0xDA, &bytes[2..]),
            _ => self.head(0xDB, &bytes),
        }
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn binary(&mut self, binary: &[u8]) {
        let bytes = (binary.len() as u32).to_be_bytes();
        match binary.len() {
            0..=0xFF => self.head(0xC4, &bytes[3..]),
            0x100..=0xFFFF => self.head(0xC5, &bytes[2..]),
            _ => self.head(0xC6, &bytes),
        }
        self.0.extend_from_slice(binary);
    }

    pub(super) fn uint(&mut self, number: u64) {
        let bytes = number.to_be_bytes();
        match number {
            0..=0x7F => self.0.push(bytes[7]),
            0x80..=0xFF => self.head(0xCC, &bytes[7..]),
            0x100..=0xFFFF => self.head(0xCD, &bytes[6..]),
            0x1_0000..=0xFFFF_FFFF => self.head(0xCE, &bytes[4..]),
            _ => self.head(0xCF, &bytes),
        }
    }

    fn int(&mut self, number: i64) {
        let bytes = number.to_be_bytes();
        match number {
            0.. => self.uint(number.unsigned_abs()),
            -32..=-1 => self.0.push(bytes[7]),
            -0x80..-32 => self.head(0xD0, &bytes[7..]),
            -0x8000..-0x80 => self.head(0xD1, &bytes[6..]),
            -0x8000_0000..-0x8000 => self.head(0xD2, &bytes[4..]),
            _ => self.head(0xD3, &bytes),
        }
    }

    /// Writes what a JSON text says, with U+FFFD for half characters. One that says what JSON cannot (a number too large
    /// for any) is written as a text itself: nothing is lost.
    pub(super) fn json(&mut self, json: &str) {
        let is_written = self.try_json(json)
            || crate::json::mended(json).is_some_and(|mended| self.try_json(&mended));
        if !is_written {
            self.text(json);
        }
    }

    /// Writes what a JSON text says, or nothing.
    fn try_json(&mut self, json: &str) -> bool {
        let start = self.0.len();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let written = deserializer
            .deserialize_any(&mut *self)
            .and_then(|()| deserializer.end());
        if written.is_err() {
            self.0.truncate(start);
        }
        written.is_ok()
    }

    /// Writes the head of a collection in front of what came after `start`.
    fn insert_head(&mut self, start: usize, head: impl FnOnce(&mut Self)) {
        let end = self.0.len();
        head(self);
        let head_len = self.0.len() - end;
        self.0[start..].rotate_right(head_len);
    }
}

impl<'de> DeserializeSeed<'de> for &mut Writer {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// serde_json limits the depth to 128.
impl<'de> Visitor<'de> for &mut Writer {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(0xC0);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.push(0xC2 | u8::from(value));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.uint(number);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.int(number);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.head(0xCB, &number.to_be_bytes());
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let start = self.0.len();
        let mut len = 0;
        while seq.next_element_seed(&mut *self)?.is_some() {
            len += 1;
        }
        self.insert_head(start, |writer| writer.array(len));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let start = self.0.len();
        let mut len = 0;
        while map.next_key_seed(&mut *self)?.is_some() {
            map.next_value_seed(&mut *self)?;
            len += 1;
        }
        self.insert_head(start, |writer| writer.map(len));
        Ok(())
    }
}

/// What has to be known of a packet to pass it on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) kind: u8,
    pub(super) namespace: &'a str,
}

/// Reads the type and the namespace of a packet. `None` if it is none.
pub(super) fn header(packet: &[u8]) -> Option<Header<'_>> {
    let mut reader = Reader { rest: packet };
    let Token::Map(len) = reader.token()? else {
        return None;
    };
    let (mut kind, mut namespace) = (None, None);
    for _ in 0..len {
        let Token::Text(key) = reader.token()? else {
            return None;
        };
        match key {
            b"type" => match reader.token()? {
                Token::Uint(number) => kind = u8::try_from(number).ok(),
                Token::Int(number) => kind = u8::try_from(number).ok(),
                _ => return None,
            },
            b"nsp" => match reader.token()? {
                Token::Text(text) => namespace = Some(text),
                _ => return None,
            },
            _ => reader.skip()?,
        }
    }
    Some(Header {
        kind: kind?,
        namespace: std::str::from_utf8(namespace?).ok()?,
    })
}

/// The bytes of `["message", bytes]`.
pub(super) fn binary_message(event: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader { rest: event };
    let is_message = matches!(reader.token()?, Token::Array(2))
        && matches!(reader.token()?, Token::Text(b"message"));
    match reader.token() {
        Some(Token::Binary(binary)) if is_message && reader.rest.is_empty() => Some(binary),
        _ => None,
    }
}

/// Writes one value as JSON: bytes as base64, what JSON has no word for as null. `None` if it is not msgpack, or nests
/// too deep.
pub(super) fn to_json(value: &[u8]) -> Option<String> {
    let mut reader = Reader { rest: value };
    let mut json = String::with_capacity(value.len() + value.len() / 4);
    reader.write(&mut json, 0)?;
    reader.rest.is_empty().then_some(json)
}

/// One value, or the beginning of a collection.
#[derive(Clone, Copy, Debug)]
enum Token<'a> {
    Nil,
    Bool(bool),
    Uint(u64),
    Int(i64),
    Float(f64),
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Array(usize),
    Map(usize),
    /// A type of somebody's own, and its bytes.
    Ext(i8, &'a [u8]),
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
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

    fn ext(&mut self, len: usize) -> Option<Token<'a>> {
        let [kind] = self.array()?;
        Some(Token::Ext(kind.cast_signed(), self.bytes(len)?))
    }

    fn token(&mut self) -> Option<Token<'a>> {
        let [mark] = self.array()?;
        let low = usize::from(mark & 0x1F);
        // Lengths come in one, two or four bytes; integers in up to eight.
        Some(match mark {
            0x00..=0x7F => Token::Uint(mark.into()),
            0x80..=0x8F => Token::Map(low & 0x0F),
            0x90..=0x9F => Token::Array(low & 0x0F),
            0xA0..=0xBF => Token::Text(self.bytes(low)?),
            0xC0 | 0xC1 => Token::Nil,
            0xC2 | 0xC3 => Token::Bool(mark == 0xC3),
            0xC4..=0xC6 => {
                let len = self.len(1 << (mark - 0xC4))?;
                Token::Binary(self.bytes(len)?)
            }
            0xC7..=0xC9 => {
                let len = self.len(1 << (mark - 0xC7))?;
                self.ext(len)?
            }
            0xCA => Token::Float(f32::from_be_bytes(self.array()?).into()),
            0xCB => Token::Float(f64::from_be_bytes(self.array()?)),
            0xCC..=0xCF => Token::Uint(self.number(1 << (mark - 0xCC))?),
            0xD0 => Token::Int(i8::from_be_bytes(self.array()?).into()),
            0xD1 => Token::Int(i16::from_be_bytes(self.array()?).into()),
            0xD2 => Token::Int(i32::from_be_bytes(self.array()?).into()),
            0xD3 => Token::Int(i64::from_be_bytes(self.array()?)),
            0xD4..=0xD8 => self.ext(1 << (mark - 0xD4))?,
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
    fn skip(&mut self) -> Option<()> {
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

    fn write(&mut self, json: &mut String, depth: usize) -> Option<()> {
        use std::fmt::Write;
        if depth > MAX_DEPTH {
            return None;
        }
        let token = self.token()?;
        match token {
            Token::Nil => json.push_str("null"),
            Token::Bool(value) => json.push_str(if value { "true" } else { "false" }),
            Token::Uint(number) => write!(json, "{number}").ok()?,
            Token::Int(number) => write!(json, "{number}").ok()?,
            Token::Float(number) => write!(json, "{}", serde_json::json!(number)).ok()?,
            Token::Text(text) => write_text(json, text)?,
            Token::Binary(bytes) => {
                json.push('"');
                BASE64_STANDARD.encode_string(bytes, json);
                json.push('"');
            }
            Token::Ext(kind, bytes) => match time(kind, bytes) {
                Some(ms) => write!(json, "{ms}").ok()?,
                None => json.push_str("null"),
            },
            Token::Array(len) => {
                json.push('[');
                for index in 0..len {
                    if index > 0 {
                        json.push(',');
                    }
                    self.write(json, depth + 1)?;
                }
                json.push(']');
            }
            Token::Map(len) => {
                json.push('{');
                for index in 0..len {
                    if index > 0 {
                        json.push(',');
                    }
                    match self.token()? {
                        Token::Text(key) => write_text(json, key)?,
                        Token::Uint(key) => write!(json, "\"{key}\"").ok()?,
                        Token::Int(key) => write!(json, "\"{key}\"").ok()?,
                        _ => return None,
                    }
                    json.push(':');
                    self.write(json, depth + 1)?;
                }
                json.push('}');
            }
        }
        Some(())
    }
}

fn write_text(json: &mut String, text: &[u8]) -> Option<()> {
    let text = crate::json::utf8(text)?;
    json.push_str(&serde_json::to_string(&text).ok()?);
    Some(())
}

/// The milliseconds of a date, in the ways in which the parser of npm has written them.
fn time(kind: i8, bytes: &[u8]) -> Option<i64> {
    let number = |bytes: &[u8]| Some(i64::from_be_bytes(bytes.try_into().ok()?));
    let ms = |seconds: i64, nanos: u64| {
        let ms = seconds.checked_mul(1000)?;
        ms.checked_add(i64::try_from(nanos / 1_000_000).ok()?)
    };
    match (kind, bytes.len()) {
        (0, 8) => number(bytes),
        (-1, 4) => ms(u32::from_be_bytes(bytes.try_into().ok()?).into(), 0),
        (-1, 8) => {
            let both = number(bytes)?.cast_unsigned();
            ms(i64::try_from(both & 0x3_FFFF_FFFF).ok()?, both >> 34)
        }
        (-1, 12) => {
            let nanos = u32::from_be_bytes(bytes[..4].try_into().ok()?);
            ms(number(&bytes[4..])?, nanos.into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.json(json);
        writer.into_bytes()
    }

    #[test]
    fn json_comes_back_as_it_was() {
        let long = format!("[{}\"{}\"]", "1,".repeat(20), "x".repeat(300));
        let wide = format!("[{}1]", "1,".repeat(70_000));
        for json in [
            "null",
            "[true,false]",
            "{\"a\":{\"b\":[1,-1,1.5]},\"\u{1F600}\":\"\\u001e\\n\"}",
            "[0,127,128,255,256,65535,65536,4294967295,4294967296,18446744073709551615]",
            "[-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,-9223372036854775808]",
            &long,
            &wide,
        ] {
            assert_eq!(to_json(&written(json)).unwrap(), json);
        }
    }

    #[test]
    fn the_shortest_form_is_written() {
        for (json, bytes) in [
            ("5", &b"\x05"[..]),
            ("200", b"\xCC\xC8"),
            ("-5", b"\xFB"),
            ("-200", b"\xD1\xFF\x38"),
            ("0.5", b"\xCB\x3F\xE0\0\0\0\0\0\0"),
            ("\"a\"", b"\xA1a"),
            ("[1,[2]]", b"\x92\x01\x91\x02"),
            ("{\"a\":{}}", b"\x81\xA1a\x80"),
        ] {
            assert_eq!(written(json), bytes, "{json}");
        }
    }

    #[test]
    fn what_json_cannot_say_is_not_lost() {
        assert_eq!(
            to_json(&written(r#"["\ud800"]"#)).unwrap(),
            "[\"\u{FFFD}\"]"
        );
        assert_eq!(to_json(b"\xA3\xED\xA0\xBD").unwrap(), "\"\u{FFFD}\"");
        for json in ["1e999", "not json", "[1"] {
            assert_eq!(
                to_json(&written(json)).unwrap(),
                serde_json::to_string(json).unwrap()
            );
        }
    }

    #[test]
    fn what_is_no_msgpack_is_refused() {
        for bytes in [
            &b""[..],
            b"\x91",
            b"\xA2a",
            b"\xA1\xFF",
            b"\xC6\xFF\xFF\xFF\xFF",
            b"\xDD\xFF\xFF\xFF\xFF",
            b"\xDF\xFF\xFF\xFF\xFF",
            b"\x81\xC0\x01",
            b"\x01\x01",
            b"\xD8\0",
        ] {
            assert_eq!(to_json(bytes), None, "{bytes:?}");
            assert_eq!(header(bytes), None);
        }
        let mut deep = vec![0x91; MAX_DEPTH];
        deep.push(0);
        assert!(to_json(&deep).is_some());
        deep.insert(0, 0x91);
        assert!(to_json(&deep).is_none());
        assert_eq!(header(&vec![0x91; 1_000_000]), None);
    }

    #[test]
    fn bytes_and_dates_become_what_json_has() {
        assert_eq!(to_json(b"\xC4\x01a").unwrap(), "\"YQ==\"");
        assert_eq!(to_json(b"\xCB\x7F\xF0\0\0\0\0\0\0").unwrap(), "null");
        assert_eq!(to_json(b"\xD4\0\0").unwrap(), "null", "undefined");
        assert_eq!(to_json(b"\xD7\0\0\0\0\0\0\0\x03\xE8").unwrap(), "1000");
        assert_eq!(to_json(b"\xD6\xFF\0\0\0\x01").unwrap(), "1000");
        assert_eq!(
            to_json(b"\xC7\x0C\xFF\0\x0F\x42\x40\0\0\0\0\0\0\0\x01").unwrap(),
            "1001"
        );
    }

    #[test]
    fn headers_are_read_over_everything_else() {
        let mut packet = Writer::default();
        packet.json("{\"data\":[{\"nsp\":\"/x\"},[[]]],\"type\":2,\"nsp\":\"/\",\"id\":7}");
        assert_eq!(
            header(&packet.into_bytes()),
            Some(Header {
                kind: 2,
                namespace: "/"
            })
        );
        assert_eq!(binary_message(b"\x92\xA7message\xC4\x01a"), Some(&b"a"[..]));
        assert_eq!(binary_message(b"\x92\xA7message\xA1a"), None);
        assert_eq!(binary_message(b"\x93\xA7message\xC4\x01a\x01"), None);
    }
}
