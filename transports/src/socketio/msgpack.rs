//! msgpack, as far as JSON goes with it: what `socket.io-msgpack-parser` sends and reads
//! (docs/protocol/socketio.md#msgpack).
//!
//! Both directions are one pass without a tree in between, so that a message never takes a multiple of its own size.

mod date;
mod repair;
mod unusual;

pub(super) use self::repair::{mended, shallow};

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// How deep arrays and maps may nest in what clients send.
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

    /// Writes what a JSON text says, and what is no JSON as a text: nothing is lost.
    pub(super) fn json(&mut self, json: &str) {
        if !self.try_json(json) && !unusual::write(self, json) {
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

/// serde_json limits the depth to 127.
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
    pub(super) has_id: bool,
    /// Whether its data nests deeper than the library goes.
    pub(super) is_deep: bool,
}

/// Reads the type and the namespace of a packet. `None` if it is none.
pub(super) fn header(packet: &[u8]) -> Option<Header<'_>> {
    let mut reader = Reader { rest: packet };
    let Token::Map(len) = reader.token()? else {
        return None;
    };
    let (mut kind, mut namespace, mut has_id) = (None, None, false);
    let mut is_deep = false;
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
            b"data" => is_deep = reader.skip_measured()?,
            _ => {
                has_id |= key == b"id";
                reader.skip()?;
            }
        }
    }
    Some(Header {
        kind: kind?,
        namespace: std::str::from_utf8(namespace?).ok()?,
        has_id,
        is_deep,
    })
}

/// How many pairs a map has, and what follows its head.
pub(super) fn map(packet: &[u8]) -> Option<(usize, &[u8])> {
    let mut reader = Reader { rest: packet };
    match reader.token()? {
        Token::Map(len) => Some((len, reader.rest)),
        _ => None,
    }
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

/// The name of an event: the text that its array begins with.
pub(super) fn event_name(event: &[u8]) -> Option<&str> {
    let mut reader = Reader { rest: event };
    match (reader.token()?, reader.token()?) {
        (Token::Array(_), Token::Text(name)) => std::str::from_utf8(name).ok(),
        _ => None,
    }
}

/// Why a value cannot be written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// It is not msgpack.
    Malformed,
    /// It is, but JSON, or JSON of such a depth, has no word for it.
    Unspeakable,
}

/// Writes one value as JSON, as npm's parser reads it and `JSON.stringify` would write it: a date as a text, and what is
/// undefined as null, or not at all in an object. Bytes, which come in two ways, are base64, as attachments are.
pub(super) fn to_json(value: &[u8]) -> Result<String, Unwritten> {
    let mut reader = Reader { rest: value };
    let mut json = String::with_capacity(value.len() + value.len() / 4);
    reader.write(&mut json, 0)?;
    match reader.rest {
        [] => Ok(json),
        _ => Err(Unwritten::Malformed),
    }
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
    /// In ms since the Unix epoch.
    Date(i64),
    Undefined,
    /// A type of somebody's own.
    Ext,
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

    fn token(&mut self) -> Option<Token<'a>> {
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
    fn skip(&mut self) -> Option<()> {
        self.skip_all(1)
    }

    /// Reads over so many values.
    fn skip_all(&mut self, mut left: usize) -> Option<()> {
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

    /// Reads over one value. Returns whether something in it is as deep as the library does not go.
    fn skip_measured(&mut self) -> Option<bool> {
        // The values that are still to come at each depth.
        let mut left = [0_usize; MAX_DEPTH];
        left[0] = 1;
        let mut depth = 0;
        loop {
            while left[depth] == 0 {
                match depth.checked_sub(1) {
                    Some(around) => depth = around,
                    None => return Some(false),
                }
            }
            left[depth] -= 1;
            let len = match self.token()? {
                Token::Array(len) => len,
                Token::Map(len) => len.checked_mul(2)?,
                _ => 0,
            };
            if len == 0 {
                continue;
            }
            depth += 1;
            if depth == MAX_DEPTH {
                let all = left.iter().try_fold(len, |sum, len| sum.checked_add(*len));
                return self.skip_all(all?).map(|()| true);
            }
            left[depth] = len;
        }
    }

    fn write(&mut self, json: &mut String, depth: usize) -> Result<(), Unwritten> {
        let token = self.token().ok_or(Unwritten::Malformed)?;
        self.write_token(token, json, depth)
    }

    fn write_token(
        &mut self,
        token: Token<'a>,
        json: &mut String,
        depth: usize,
    ) -> Result<(), Unwritten> {
        if depth > MAX_DEPTH {
            return Err(Unwritten::Unspeakable);
        }
        match token {
            Token::Nil | Token::Undefined => json.push_str("null"),
            Token::Bool(value) => json.push_str(if value { "true" } else { "false" }),
            Token::Uint(number) => json.push_str(&number.to_string()),
            Token::Int(number) => json.push_str(&number.to_string()),
            Token::Float(number) => json.push_str(&serde_json::json!(number).to_string()),
            Token::Text(text) => write_text(json, text).ok_or(Unwritten::Malformed)?,
            Token::Binary(bytes) => {
                json.push('"');
                BASE64_STANDARD.encode_string(bytes, json);
                json.push('"');
            }
            Token::Date(ms) => match date::iso(ms) {
                Some(text) => json.extend(["\"", &text, "\""]),
                None => json.push_str("null"),
            },
            Token::Ext => return Err(Unwritten::Unspeakable),
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
            Token::Map(len) => self.write_map(len, json, depth)?,
        }
        Ok(())
    }

    fn write_map(&mut self, len: usize, json: &mut String, depth: usize) -> Result<(), Unwritten> {
        json.push('{');
        let mut is_first = true;
        for _ in 0..len {
            let start = json.len();
            if !is_first {
                json.push(',');
            }
            match self.token().ok_or(Unwritten::Malformed)? {
                Token::Text(key) => write_text(json, key).ok_or(Unwritten::Malformed)?,
                Token::Uint(key) => json.extend(["\"", &key.to_string(), "\""]),
                Token::Int(key) => json.extend(["\"", &key.to_string(), "\""]),
                _ => return Err(Unwritten::Unspeakable),
            }
            json.push(':');
            match self.token().ok_or(Unwritten::Malformed)? {
                Token::Undefined => json.truncate(start),
                token => {
                    self.write_token(token, json, depth + 1)?;
                    is_first = false;
                }
            }
        }
        json.push('}');
        Ok(())
    }
}

fn write_text(json: &mut String, text: &[u8]) -> Option<()> {
    let text = crate::json::utf8(text)?;
    json.push_str(&serde_json::to_string(&text).ok()?);
    Some(())
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
        assert_eq!(written("1e999"), b"\xCB\x7F\xF0\0\0\0\0\0\0");
        for json in ["not json", "[1"] {
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
            b"\x01\x01",
            b"\xD8\0",
            b"\xC1",
            b"\x91\xC1",
            b"\x81\xA1a\xC1",
            b"\x81\xA1a",
            b"\xC7\x05\0",
        ] {
            assert_eq!(to_json(bytes), Err(Unwritten::Malformed), "{bytes:?}");
            assert_eq!(header(bytes), None);
        }
        for bytes in [
            // Types of somebody's own, in every form; a timestamp that is none.
            &b"\xD4\x05\0"[..],
            b"\xD5\0\0\0",
            b"\xD6\0\0\0\0\0",
            b"\xC7\0\x05",
            b"\xC7\x01\xFF\0",
            b"\xD8\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\x92\x01\xD4\x05\0",
            b"\x81\xA1a\xD4\x05\0",
            // Keys that are neither texts nor whole numbers.
            b"\x81\xC0\x01",
            b"\x81\xC3\x01",
            b"\x81\x90\x01",
            b"\x81\xC4\x01a\x01",
            b"\x81\xD4\0\0\x01",
        ] {
            assert_eq!(to_json(bytes), Err(Unwritten::Unspeakable), "{bytes:?}");
        }
        let mut deep = vec![0x91; MAX_DEPTH];
        deep.push(0);
        assert!(to_json(&deep).is_ok());
        deep.insert(0, 0x91);
        assert_eq!(to_json(&deep), Err(Unwritten::Unspeakable));
        assert_eq!(header(&vec![0x91; 1_000_000]), None);
    }

    #[test]
    fn what_scripts_send_becomes_what_json_has() {
        let moment = "\"1970-01-01T00:00:01.001Z\"";
        for (bytes, json) in [
            (&b"\xC4\x01a"[..], "\"YQ==\""),
            (b"\xC5\0\x01a", "\"YQ==\""),
            (b"\xC6\0\0\0\x01a", "\"YQ==\""),
            // An array buffer, also of the lengths that other things have.
            (b"\xC7\x01\0a", "\"YQ==\""),
            (b"\xC8\0\x01\0a", "\"YQ==\""),
            (b"\xC9\0\0\0\x01\0a", "\"YQ==\""),
            (b"\xC7\0\0", "\"\""),
            (b"\xC7\x08\0\0\0\0\0\0\0\x03\xE8", "\"AAAAAAAAA+g=\""),
            (b"\xC7\x04\0\0\0\0\x01", "\"AAAAAQ==\""),
            (b"\xCB\x7F\xF0\0\0\0\0\0\0", "null"),
            (b"\xCB\x7F\xF8\0\0\0\0\0\0", "null"),
            (
                b"\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                "18446744073709551615",
            ),
            (b"\xD3\x80\0\0\0\0\0\0\0", "-9223372036854775808"),
            (b"\xD4\0\0", "null"),
            (b"\x92\x01\xD4\0\0", "[1,null]"),
            (b"\x81\xA1a\xD4\0\0", "{}"),
            (b"\x83\xA1a\xD4\0\0\xA1b\x01\xA1c\xD4\0\0", "{\"b\":1}"),
            (b"\x82\xA1a\x01\xA1b\xD4\0\0", "{\"a\":1}"),
            (b"\x82\xA1a\x81\xA1b\xD4\0\0\xA1c\x01", "{\"a\":{},\"c\":1}"),
            (b"\x82\x01\x02\xFF\x03", "{\"1\":2,\"-1\":3}"),
            (b"\xD7\0\0\0\0\0\0\0\x03\xE9", moment),
            (b"\xD7\xFF\0\x3D\x09\0\0\0\0\x01", moment),
            (b"\xC7\x0C\xFF\0\x0F\x42\x40\0\0\0\0\0\0\0\x01", moment),
            (b"\xD6\xFF\0\0\0\x01", "\"1970-01-01T00:00:01.000Z\""),
            (b"\xD7\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "null"),
        ] {
            assert_eq!(to_json(bytes).as_deref(), Ok(json), "{bytes:?}");
        }
    }

    #[test]
    fn events_have_names() {
        assert_eq!(event_name(b"\x92\xA3say\xD4\x05\0"), Some("say"));
        for event in [&b"\x90"[..], b"\x91\x05", b"\xA3say", b"\x91\xA1\xFF", b""] {
            assert_eq!(event_name(event), None);
        }
    }

    #[test]
    fn headers_are_read_over_everything_else() {
        let mut packet = Writer::default();
        packet.json("{\"data\":[{\"nsp\":\"/x\"},[[]]],\"type\":2,\"nsp\":\"/\",\"id\":7}");
        assert_eq!(
            header(&packet.into_bytes()),
            Some(Header {
                kind: 2,
                namespace: "/",
                has_id: true,
                is_deep: false,
            })
        );
        assert_eq!(binary_message(b"\x92\xA7message\xC4\x01a"), Some(&b"a"[..]));
        let buffer = b"\x92\xA7message\xC7\x01\0a";
        assert_eq!(binary_message(buffer), Some(&b"a"[..]));
        assert_eq!(binary_message(b"\x92\xA7message\xA1a"), None);
        assert_eq!(binary_message(b"\x93\xA7message\xC4\x01a\x01"), None);
    }
}
