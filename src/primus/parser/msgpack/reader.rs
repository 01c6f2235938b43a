//! Reading: what MessagePack and BinaryPack have in common.

use bytes::Bytes;

use super::MAX_DEPTH;
use crate::primus::parser::{MAX_VALUES, too_many};
use crate::primus::{Object, ParserError, Value};

/// Reads one value, whatever it is.
pub(in crate::primus::parser) type Read = fn(&mut Reader<'_>) -> Result<Value, ParserError>;

/// The part of a message that has not been read.
pub(in crate::primus::parser) struct Reader<'a> {
    rest: &'a [u8],
    /// How many values the collections that are open still wait for. Each value takes a byte at least. So a collection
    /// that cannot be complete is refused before memory is taken for it, and all collections together take no more than
    /// a message of this length can fill.
    awaited: usize,
    /// Values in all collections so far.
    collected: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads a message that is one value and nothing else.
    pub(in crate::primus::parser) fn message(
        bytes: &'a [u8],
        read: Read,
    ) -> Result<Value, ParserError> {
        Self::nested(bytes, 0, read)
    }

    fn nested(bytes: &'a [u8], depth: usize, read: Read) -> Result<Value, ParserError> {
        let mut reader = Self {
            rest: bytes,
            awaited: 0,
            collected: 0,
            depth,
        };
        let value = read(&mut reader)?;
        if reader.rest.is_empty() {
            Ok(value)
        } else {
            Err(ParserError::new("the message goes on after its value"))
        }
    }

    /// Reads the value that fills the next bytes, inside the one being read.
    pub(super) fn inner(&mut self, len: usize, read: Read) -> Result<Value, ParserError> {
        let bytes = self.take(len)?;
        let depth = self.deeper()?;
        Self::nested(bytes, depth, read)
    }

    /// The next bytes, but none of those that values after this one need.
    pub(in crate::primus::parser) fn take(&mut self, len: usize) -> Result<&'a [u8], ParserError> {
        let room = self.rest.len().checked_sub(self.awaited);
        if room.is_none_or(|room| len > room) {
            return Err(too_short());
        }
        let (bytes, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], ParserError> {
        let bytes = self.take(N)?.first_chunk();
        bytes.copied().ok_or_else(too_short)
    }

    pub(in crate::primus::parser) fn byte(&mut self) -> Result<u8, ParserError> {
        self.fixed().map(|[byte]| byte)
    }

    /// A length of one, two or four bytes.
    pub(in crate::primus::parser) fn length(&mut self, width: usize) -> Result<usize, ParserError> {
        let bytes = self.take(width)?;
        Ok(bytes
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    /// The value that a mark with no length begins, if it is such a mark.
    pub(in crate::primus::parser) fn scalar(
        &mut self,
        mark: u8,
    ) -> Result<Option<Value>, ParserError> {
        Ok(Some(match mark {
            0x00..=0x7F => i64::from(mark).into(),
            0xE0..=0xFF => i64::from(mark.cast_signed()).into(),
            0xC0 => Value::Null,
            0xC2 => false.into(),
            0xC3 => true.into(),
            0xCA => float(f32::from_be_bytes(self.fixed()?).into()),
            0xCB => float(f64::from_be_bytes(self.fixed()?)),
            0xCC => i64::from(self.byte()?).into(),
            0xCD => i64::from(u16::from_be_bytes(self.fixed()?)).into(),
            0xCE => u32::from_be_bytes(self.fixed()?).into(),
            0xCF => u64::from_be_bytes(self.fixed()?).into(),
            0xD0 => i64::from(self.byte()?.cast_signed()).into(),
            0xD1 => i64::from(i16::from_be_bytes(self.fixed()?)).into(),
            0xD2 => i32::from_be_bytes(self.fixed()?).into(),
            0xD3 => i64::from_be_bytes(self.fixed()?).into(),
            _ => return Ok(None),
        }))
    }

    /// Text. What is no UTF-8 is replaced, as scripts do.
    pub(in crate::primus::parser) fn text(&mut self, len: usize) -> Result<Value, ParserError> {
        let text = String::from_utf8_lossy(self.take(len)?).into_owned();
        Ok(Value::String(text))
    }

    pub(in crate::primus::parser) fn bytes(&mut self, len: usize) -> Result<Value, ParserError> {
        Ok(Value::Bytes(Bytes::copy_from_slice(self.take(len)?)))
    }

    pub(in crate::primus::parser) fn array(
        &mut self,
        len: usize,
        read: Read,
    ) -> Result<Value, ParserError> {
        self.open(len)?;
        let mut values = Vec::with_capacity(len);
        for _ in 0..len {
            values.push(self.next(read)?);
        }
        self.depth -= 1;
        Ok(Value::Array(values))
    }

    /// Keys become text, as they do in scripts. Of two that are the same, the last one counts.
    pub(in crate::primus::parser) fn object(
        &mut self,
        len: usize,
        read: Read,
    ) -> Result<Value, ParserError> {
        self.open(len.checked_mul(2).ok_or_else(too_short)?)?;
        let mut object = Object::with_capacity(len);
        for _ in 0..len {
            let key = match self.next(read)? {
                Value::String(text) => text,
                Value::Int(number) => number.to_string(),
                Value::UInt(number) => number.to_string(),
                _ => return Err(ParserError::new("a key is neither text nor whole number")),
            };
            object.insert(key, self.next(read)?);
        }
        self.depth -= 1;
        Ok(Value::Object(object))
    }

    fn open(&mut self, len: usize) -> Result<(), ParserError> {
        self.depth = self.deeper()?;
        self.collected = self.collected.saturating_add(len);
        if self.collected > MAX_VALUES {
            return Err(too_many());
        }
        self.awaited = self.awaited.checked_add(len).ok_or_else(too_short)?;
        if self.awaited <= self.rest.len() {
            Ok(())
        } else {
            Err(too_short())
        }
    }

    fn next(&mut self, read: Read) -> Result<Value, ParserError> {
        self.awaited -= 1;
        read(self)
    }

    const fn deeper(&self) -> Result<usize, ParserError> {
        if self.depth < MAX_DEPTH {
            Ok(self.depth + 1)
        } else {
            Err(super::too_deep())
        }
    }
}

/// Scripts have one kind of number, and send some whole ones as floats.
fn float(value: f64) -> Value {
    let number = Value::Float(value);
    number.as_i64().map_or(number, Value::Int)
}

fn too_short() -> ParserError {
    ParserError::new("the message ends within its value")
}

/// No value begins with this byte.
pub(in crate::primus::parser) fn unknown(mark: u8) -> ParserError {
    ParserError::new(format!("no value begins with {mark:#04x}"))
}
