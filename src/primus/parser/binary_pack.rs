//! BinaryPack, a relative of MessagePack.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use stellar_transports::{IncomingPayload, Payload};
use time::OffsetDateTime;

use super::msgpack::{ALL, Form, Reader, Writer, binary, unknown};
use super::{Parser, ParserError};
use crate::primus::Value;

const TEXT: [Form; 3] = [(16, 0xB0, 0), (0x1_0000, 0xD8, 2), (ALL, 0xD9, 4)];
const BYTES: [Form; 3] = [(16, 0xA0, 0), (0x1_0000, 0xDA, 2), (ALL, 0xDB, 4)];

/// BinaryPack in binary frames, with the choices of `binary-pack` (docs/protocol/primus.md#binarypack).
///
/// It has no dates: a [`Value::Date`] is sent as the text that scripts show for it. `binary-pack` for Node cannot read
/// numbers beyond 32 bits, nor write infinite ones or an empty `Buffer`; here they are like all others.
#[derive(Clone, Copy, Debug, Default)]
pub struct BinaryPack;

impl Parser for BinaryPack {
    fn name(&self) -> &'static str {
        "binary"
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
            [mark @ 0xB0..=0xBF, ref text @ ..] => (usize::from(mark & 0x0F), text),
            [0xD8, high, low, ref text @ ..] => (u16::from_be_bytes([high, low]).into(), text),
            [0xD9, a, b, c, d, ref text @ ..] => (u32::from_be_bytes([a, b, c, d]) as usize, text),
            _ => return None,
        };
        (text.len() == len).then(|| String::from_utf8_lossy(text))
    }

    fn client(&self) -> Option<Cow<'static, str>> {
        Some(include_str!("../../../client-js/dist/primus-parser-binary.min.js").into())
    }
}

fn write(out: &mut Writer, value: &Value) -> Result<(), ParserError> {
    match value {
        Value::Null => out.null(),
        Value::Bool(value) => out.bool(*value),
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => number(out, value),
        Value::String(text) => out.run(text.as_bytes(), &TEXT)?,
        Value::Bytes(bytes) => out.run(bytes, &BYTES)?,
        Value::Date(ms) => out.run(shown(*ms).as_bytes(), &TEXT)?,
        Value::Array(values) => out.array(values, write)?,
        Value::Object(object) => out.object(object, &TEXT, write)?,
    }
    Ok(())
}

fn number(out: &mut Writer, value: &Value) {
    match (value.as_i64(), value) {
        (Some(whole), _) => match (i32::try_from(whole), u32::try_from(whole)) {
            (Ok(small), _) => out.int(small),
            (_, Ok(large)) => out.mark(0xCE, &large.to_be_bytes()),
            _ => out.mark(0xD3, &whole.to_be_bytes()),
        },
        (None, Value::UInt(large)) => out.mark(0xCF, &large.to_be_bytes()),
        (None, _) => out.float(value.as_f64().unwrap_or(f64::NAN)),
    }
}

/// A date as scripts show it, where the clocks show UTC.
fn shown(ms: f64) -> String {
    let nanos = Value::Float(ms.trunc()).as_i64().map(i128::from);
    let time = nanos.and_then(|ms| OffsetDateTime::from_unix_timestamp_nanos(ms * 1_000_000).ok());
    time.map_or_else(
        || "Invalid Date".to_owned(),
        |time| {
            format!(
                "{} {} {:02} {:04} {:02}:{:02}:{:02} GMT+0000 (Coordinated Universal Time)",
                &time.weekday().to_string()[..3],
                &time.month().to_string()[..3],
                time.day(),
                time.year(),
                time.hour(),
                time.minute(),
                time.second(),
            )
        },
    )
}

fn read(from: &mut Reader<'_>) -> Result<Value, ParserError> {
    let mark = from.byte()?;
    if let Some(value) = from.scalar(mark)? {
        return Ok(value);
    }
    let low = usize::from(mark & 0x0F);
    // In each pair of marks, the first has a length of two bytes and the second one of four.
    let width = 2 + 2 * usize::from(mark & 1);
    match mark {
        0x80..=0x8F => from.object(low, read),
        0x90..=0x9F => from.array(low, read),
        0xA0..=0xAF => from.bytes(low),
        0xB0..=0xBF => from.text(low),
        0xD8 | 0xD9 => {
            let len = from.length(width)?;
            from.text(len)
        }
        0xDA | 0xDB => {
            let len = from.length(width)?;
            from.bytes(len)
        }
        0xDC | 0xDD => {
            let len = from.length(width)?;
            from.array(len, read)
        }
        0xDE | 0xDF => {
            let len = from.length(width)?;
            from.object(len, read)
        }
        // Scripts have two kinds of nothing.
        0xC1 | 0xD4..=0xD7 => Ok(Value::Null),
        _ => Err(unknown(mark)),
    }
}
