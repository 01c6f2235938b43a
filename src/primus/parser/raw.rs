//! No format at all, for those who have their own.

use std::borrow::Cow;

use bytes::Bytes;
use stellar_transports::{IncomingPayload, Payload};

use super::{Parser, ParserError};
use crate::primus::Value;

/// Bytes in binary frames and text in text frames, both as they are. No other value can be sent.
///
/// Primus's control strings are text frames without quotes here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Parser for Raw {
    fn encode(&self, value: &Value) -> Result<Payload, ParserError> {
        match value {
            Value::Bytes(bytes) => Ok(Payload::Binary(bytes.clone())),
            Value::String(text) => Ok(Payload::Text(text.as_str().into())),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::Date(_)
            | Value::Array(_)
            | Value::Object(_) => Err(ParserError::new("only bytes and text can be sent raw")),
        }
    }

    fn decode(&self, message: IncomingPayload<'_>) -> Result<Value, ParserError> {
        Ok(match message {
            IncomingPayload::Text(text) => text.into(),
            IncomingPayload::Binary(bytes) => Bytes::copy_from_slice(bytes).into(),
        })
    }

    fn string<'a>(&self, message: IncomingPayload<'a>) -> Option<Cow<'a, str>> {
        match message {
            IncomingPayload::Text(text) => Some(text.into()),
            IncomingPayload::Binary(_) => None,
        }
    }

    fn client(&self) -> Option<Cow<'static, str>> {
        Some(include_str!("../../../client-js/dist/primus-parser-raw.min.js").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_values_and_values_are_frames() {
        let text = "primus::ping::1\u{2028}\"";
        assert_eq!(
            Raw.encode(&text.into()).unwrap(),
            Payload::Text(text.into())
        );
        let message = IncomingPayload::Text(text);
        assert_eq!(Raw.decode(message).unwrap(), Value::from(text));
        assert_eq!(Raw.string(message).unwrap(), text);

        let bytes = Bytes::from_static(b"\x00\xFF");
        assert_eq!(
            Raw.encode(&bytes.clone().into()).unwrap(),
            Payload::Binary(bytes.clone())
        );
        let message = IncomingPayload::Binary(&bytes);
        assert_eq!(Raw.decode(message).unwrap(), Value::Bytes(bytes.clone()));
        assert_eq!(Raw.string(message), None);
    }

    #[test]
    fn other_values_are_refused() {
        for value in [
            Value::Null,
            true.into(),
            1.into(),
            0.5.into(),
            Value::Array(vec![]),
        ] {
            assert!(Raw.encode(&value).is_err(), "{value:?}");
        }
    }
}
