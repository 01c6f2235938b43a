//! JSON, the default.

use std::borrow::Cow;

use bytes::Bytes;
use stellar_transports::{IncomingPayload, Payload, primus};

use super::{Parser, ParserError};
use crate::primus::Value;

/// JSON in text frames. A binary frame is not decoded: it is a [`Value::Bytes`] (Primus specification, §6.2).
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
            IncomingPayload::Text(text) => serde_json::from_str::<serde_json::Value>(text)
                .map(Value::from)
                .map_err(|error| ParserError::new(error.to_string())),
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
    fn bytes_are_passed_through_and_nonsense_is_an_error() {
        let bytes = Json.decode(IncomingPayload::Binary(b"{}")).unwrap();
        assert_eq!(bytes, Value::Bytes(Bytes::from_static(b"{}")));
        for text in ["", "{", "nonsense", "[1,]", "\"a\nb\""] {
            assert!(Json.decode(IncomingPayload::Text(text)).is_err(), "{text}");
        }
    }
}
