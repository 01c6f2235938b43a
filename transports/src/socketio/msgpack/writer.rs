//! JSON as msgpack.

use std::fmt;

use rmp::encode;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::unusual;

/// Writes values one by one, each in its shortest form.
#[derive(Debug, Default)]
pub(in crate::socketio) struct Writer(Vec<u8>);

impl Writer {
    pub(in crate::socketio) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(in crate::socketio) fn array(&mut self, len: u32) {
        sure(&encode::write_array_len(&mut self.0, len));
    }

    pub(in crate::socketio) fn map(&mut self, len: u32) {
        sure(&encode::write_map_len(&mut self.0, len));
    }

    pub(in crate::socketio) fn text(&mut self, text: &str) {
        sure(&encode::write_str(&mut self.0, text));
    }

    pub(in crate::socketio) fn binary(&mut self, binary: &[u8]) {
        sure(&encode::write_bin(&mut self.0, binary));
    }

    pub(in crate::socketio) fn uint(&mut self, number: u64) {
        sure(&encode::write_uint(&mut self.0, number));
    }

    pub(super) fn int(&mut self, number: i64) {
        sure(&encode::write_sint(&mut self.0, number));
    }

    pub(super) fn float(&mut self, number: f64) {
        sure(&encode::write_f64(&mut self.0, number));
    }

    pub(super) fn bool(&mut self, value: bool) {
        sure(&encode::write_bool(&mut self.0, value));
    }

    pub(super) fn nil(&mut self) {
        sure(&encode::write_nil(&mut self.0));
    }

    /// Writes what a JSON text says, and what is no JSON as a text: nothing is lost.
    pub(in crate::socketio) fn json(&mut self, json: &str) {
        if !self.try_json(json) && !unusual::write(self, json) {
            self.text(json);
        }
    }

    /// Writes what a JSON text says, or nothing.
    pub(super) fn try_json(&mut self, json: &str) -> bool {
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

/// A `Vec` takes all that is written to it.
fn sure<T, E>(written: &Result<T, E>) {
    debug_assert!(written.is_ok(), "writing to a Vec does not fail");
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
        self.nil();
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.bool(value);
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
        self.float(number);
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

#[cfg(test)]
mod tests {
    use super::super::to_json;
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
}
