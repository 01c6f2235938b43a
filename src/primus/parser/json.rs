//! JSON, the default.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use stellar_transports::{IncomingPayload, Payload, json, primus};

use super::{MAX_VALUES, Parser, ParserError, too_many};
use crate::primus::{Object, Value};

/// JSON in text frames. A binary frame is not decoded: it is a [`Value::Bytes`] (docs/protocol/primus.md#parsers).
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Parser for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn encode(&self, value: &Value) -> Result<Payload, ParserError> {
        let text =
            serde_json::to_string(value).map_err(|error| ParserError::new(error.to_string()))?;
        Ok(Payload::Text(match primus::escape(&text) {
            Cow::Borrowed(_) => text.into(),
            Cow::Owned(escaped) => escaped.into(),
        }))
    }

    fn decode(&self, message: IncomingPayload<'_>) -> Result<Value, ParserError> {
        match message {
            IncomingPayload::Text(text) => read(text),
            IncomingPayload::Binary(bytes) => Ok(Value::Bytes(Bytes::copy_from_slice(bytes))),
        }
    }

    fn string<'a>(&self, message: IncomingPayload<'a>) -> Option<Cow<'a, str>> {
        match message {
            IncomingPayload::Text(text) => primus::json_string(text),
            IncomingPayload::Binary(_) => None,
        }
    }

    fn client(&self) -> Option<Cow<'static, str>> {
        None
    }
}

/// Reads JSON, within the limit of values. U+FFFD stands for half characters.
pub(super) fn read(text: &str) -> Result<Value, ParserError> {
    read_whole(text).or_else(|error| match json::mended(text) {
        Some(mended) => read_whole(&mended),
        None => Err(error),
    })
}

fn read_whole(text: &str) -> Result<Value, ParserError> {
    let count = Cell::new(0);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Counted(&count).deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| match count.get() > MAX_VALUES {
        true => too_many(),
        false => ParserError::new(error.to_string()),
    })
}

/// Reads a value, and counts it and all that are in it.
#[derive(Clone, Copy)]
struct Counted<'c>(&'c Cell<usize>);

impl Counted<'_> {
    fn count<E: de::Error>(self) -> Result<(), E> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > MAX_VALUES {
            return Err(E::custom("too many values"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some(key) = map.next_key::<String>()? {
            self.count()?;
            object.insert(key, map.next_value_seed(self)?);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_primus_writes_them() {
        for (value, text) in [
            (json!(null), "null"),
            (json!(0), "0"),
            (json!(""), "\"\""),
            (json!("a\u{2028}b\u{2029}"), "\"a\\u2028b\\u2029\""),
            (json!({ "b": 1, "a": [true] }), "{\"b\":1,\"a\":[true]}"),
        ] {
            let value = Value::from(value);
            let written = Json.encode(&value).unwrap();
            assert_eq!(written, Payload::Text(text.into()));
            assert_eq!(Json.decode(IncomingPayload::Text(text)).unwrap(), value);
        }
    }

    #[test]
    fn there_is_a_limit_to_what_one_message_unfolds_to() {
        for (value, times) in [("0,", MAX_VALUES), ("{\"\":0},", MAX_VALUES / 3 + 1)] {
            let text = format!("[{}0]", value.repeat(times));
            let error = Json.decode(IncomingPayload::Text(&text)).unwrap_err();
            assert_eq!(error, too_many());
        }
        let text = format!("[{}0]", "0,".repeat(MAX_VALUES - 2));
        assert!(Json.decode(IncomingPayload::Text(&text)).is_ok());
        let deep = "[".repeat(1_000_000);
        assert!(Json.decode(IncomingPayload::Text(&deep)).is_err());
    }

    #[test]
    fn bytes_are_passed_through_and_nonsense_is_an_error() {
        let half = Json.decode(IncomingPayload::Text("[\"\\ud83d\"]")).unwrap();
        assert_eq!(half, Value::from(json!(["\u{FFFD}"])));
        let bytes = Json.decode(IncomingPayload::Binary(b"{}")).unwrap();
        assert_eq!(bytes, Value::Bytes(Bytes::from_static(b"{}")));
        for text in ["", "{", "nonsense", "[1,]", "\"a\nb\"", "1 2"] {
            assert!(Json.decode(IncomingPayload::Text(text)).is_err(), "{text}");
        }
    }
}
