//! MessagePack, as `primus-msgpack` has it.

mod reader;
#[cfg(test)]
pub(super) mod tests;
mod writer;

use std::borrow::Cow;

use stellar_transports::{IncomingPayload, Payload};

pub(super) use self::reader::{Reader, unknown};
pub(super) use self::writer::{ALL, Form, Writer};
use super::{Parser, ParserError};
use crate::primus::Value;

/// How deep arrays and objects may nest, in both directions.
const MAX_DEPTH: usize = 128;

const TEXT: [Form; 4] = [
    (32, 0xA0, 0),
    (0x100, 0xD9, 1),
    (0x1_0000, 0xDA, 2),
    (ALL, 0xDB, 4),
];
const BYTES: [Form; 3] = [(0xFF, 0xC4, 1), (0x1_0000, 0xC5, 2), (ALL, 0xC6, 4)];

/// The types that `primus-msgpack` gives the extensions that it writes.
mod extension {
    /// A value that says what its reader needs to make an error, or an object around a primitive value.
    pub(super) const WRAPPED: [u8; 10] =
        [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0B, 0x0C, 0x0E, 0x0F];
    pub(super) const REGEXP: u8 = 0x0A;
    pub(super) const DATE: u8 = 0x0D;
    /// From `Int8Array` to `Buffer`.
    pub(super) const FIRST_BYTES: u8 = 0x11;
    pub(super) const LAST_BYTES: u8 = 0x1B;
    pub(super) const DATA_VIEW: u8 = 0x1D;
    /// MessagePack's own type for dates. Primus's clients do not send it.
    pub(super) const TIMESTAMP: u8 = 0xFF;
}

/// MessagePack in binary frames, with the choices of `primus-msgpack` (docs/protocol/primus.md#messagepack).
///
/// [Bytes](Value::Bytes) reach scripts as `Buffer` or `Uint8Array`, and [dates](Value::Date) as `Date`. From scripts
/// also come: typed arrays and array buffers, which are bytes here; errors, which are objects; regular expressions,
/// which are text such as `/a/g`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MsgPack;

impl Parser for MsgPack {
    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn encode(&self, value: &Value) -> Result<Payload, ParserError> {
        Writer::message(value, write).map(|bytes| Payload::Binary(bytes.into()))
    }

    fn decode(&self, message: IncomingPayload<'_>) -> Result<Value, ParserError> {
        Reader::message(binary(message)?, read)
    }

    fn string<'a>(&self, message: IncomingPayload<'a>) -> Option<Cow<'a, str>> {
        let bytes = binary(message).ok()?;
        let (len, text) = match *bytes {
            [mark @ 0xA0..=0xBF, ref text @ ..] => (usize::from(mark & 0x1F), text),
            [0xD9, len, ref text @ ..] => (len.into(), text),
            [0xDA, high, low, ref text @ ..] => (u16::from_be_bytes([high, low]).into(), text),
            [0xDB, a, b, c, d, ref text @ ..] => (u32::from_be_bytes([a, b, c, d]) as usize, text),
            _ => return None,
        };
        (text.len() == len).then(|| String::from_utf8_lossy(text))
    }

    fn client(&self) -> Option<Cow<'static, str>> {
        Some(include_str!("../../../client-js/dist/primus-parser-msgpack.min.js").into())
    }
}

/// The bytes of a message, which must not be text.
pub(super) fn binary(message: IncomingPayload<'_>) -> Result<&[u8], ParserError> {
    match message {
        IncomingPayload::Binary(bytes) => Ok(bytes),
        IncomingPayload::Text(_) => Err(ParserError::new("the message is text, not bytes")),
    }
}

const fn too_deep() -> ParserError {
    ParserError(Cow::Borrowed("the value is nested too deeply"))
}

fn write(out: &mut Writer, value: &Value) -> Result<(), ParserError> {
    match value {
        Value::Null => out.null(),
        Value::Bool(value) => out.bool(*value),
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => number(out, value),
        Value::String(text) => out.run(text.as_bytes(), &TEXT)?,
        Value::Bytes(bytes) => out.run(bytes, &BYTES)?,
        Value::Date(ms) => date(out, *ms),
        Value::Array(values) => out.array(values, write)?,
        Value::Object(object) => out.object(object, &TEXT, write)?,
    }
    Ok(())
}

/// As a float where scripts do so. They cannot have the largest whole numbers, so these need not look like theirs, and
/// stay exact.
fn number(out: &mut Writer, value: &Value) {
    const EXACT: u64 = 1 << 53;
    match (value.as_i64(), value) {
        (Some(whole), _) => match i32::try_from(whole) {
            Ok(small) => out.int(small),
            Err(_) if whole.unsigned_abs() <= EXACT => out.float(whole as f64),
            Err(_) => out.mark(0xD3, &whole.to_be_bytes()),
        },
        (None, Value::UInt(large)) => out.mark(0xCF, &large.to_be_bytes()),
        (None, _) => out.float(value.as_f64().unwrap_or(f64::NAN)),
    }
}

/// An extension around the number of ms.
fn date(out: &mut Writer, ms: f64) {
    let mut content = Writer::default();
    number(&mut content, &Value::Float(ms.trunc()));
    let content = content.bytes;
    match content.len() {
        1 => out.mark(0xD4, &[extension::DATE]),
        2 => out.mark(0xD5, &[extension::DATE]),
        len => out.mark(0xC7, &[len as u8, extension::DATE]),
    }
    out.bytes.extend(content);
}

fn read(from: &mut Reader<'_>) -> Result<Value, ParserError> {
    let mark = from.byte()?;
    if let Some(value) = from.scalar(mark)? {
        return Ok(value);
    }
    let low = usize::from(mark & 0x0F);
    // Where a format has lengths of one, two and four bytes, its marks stand in this order.
    let width = |first: u8| 1 << (mark - first);
    match mark {
        0x80..=0x8F => from.object(low, read),
        0x90..=0x9F => from.array(low, read),
        0xA0..=0xBF => from.text(usize::from(mark & 0x1F)),
        0xC4..=0xC6 => {
            let len = from.length(width(0xC4))?;
            from.bytes(len)
        }
        0xC7..=0xC9 => {
            let len = from.length(width(0xC7))?;
            extended(from, len)
        }
        0xD4..=0xD8 => extended(from, width(0xD4)),
        0xD9..=0xDB => {
            let len = from.length(width(0xD9))?;
            from.text(len)
        }
        0xDC | 0xDD => {
            let len = from.length(width(0xDB))?;
            from.array(len, read)
        }
        0xDE | 0xDF => {
            let len = from.length(width(0xDD))?;
            from.object(len, read)
        }
        _ => Err(unknown(mark)),
    }
}

fn extended(from: &mut Reader<'_>, len: usize) -> Result<Value, ParserError> {
    use extension::{DATA_VIEW, DATE, FIRST_BYTES, LAST_BYTES, REGEXP, TIMESTAMP, WRAPPED};
    match from.byte()? {
        DATE => match from.inner(len, read)? {
            // `new Date(null)` is the beginning of the epoch.
            Value::Null => Ok(Value::Date(0.0)),
            ms => ms
                .as_f64()
                .map(date_of)
                .ok_or_else(|| ParserError::new("a date is no number")),
        },
        REGEXP => match from.inner(len, read)?.as_array() {
            Some([Value::String(source), Value::String(flags)]) => {
                Ok(Value::String(format!("/{source}/{flags}")))
            }
            _ => Err(ParserError::new("a regular expression is not two texts")),
        },
        kind if WRAPPED.contains(&kind) => from.inner(len, read),
        FIRST_BYTES..=LAST_BYTES | DATA_VIEW => from.bytes(len),
        TIMESTAMP => timestamp(from.take(len)?),
        kind => Err(ParserError::new(format!("unknown extension {kind:#04x}"))),
    }
}

/// A date as scripts have it: whole ms.
pub(super) fn date_of(ms: f64) -> Value {
    // The addition leaves no negative zero.
    Value::Date(ms.trunc() + 0.0)
}

/// Seconds, nanoseconds and seconds in eight bytes, or four bytes of the former and eight of the latter.
fn timestamp(bytes: &[u8]) -> Result<Value, ParserError> {
    let (seconds, nanos) = match *bytes {
        [a, b, c, d] => (i64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            ((both & 0x3_FFFF_FFFF).cast_signed(), (both >> 34) as u32)
        }
        [a, b, c, d, ref seconds @ ..] => {
            let seconds = seconds
                .try_into()
                .map_err(|_| ParserError::new("a timestamp has an impossible length"))?;
            (
                i64::from_be_bytes(seconds),
                u32::from_be_bytes([a, b, c, d]),
            )
        }
        _ => return Err(ParserError::new("a timestamp has an impossible length")),
    };
    Ok(Value::Date(
        seconds as f64 * 1000.0 + f64::from(nanos / 1_000_000),
    ))
}
