//! Writing: what MessagePack and BinaryPack have in common.

use super::{MAX_DEPTH, too_deep};
use crate::primus::{Object, ParserError, Value};

/// One way to write a length, for lengths below the first number: the mark, then this many bytes. With none, the length
/// is in the mark.
pub(in crate::primus::parser) type Form = (u64, u8, usize);

/// All lengths that four bytes can say.
pub(in crate::primus::parser) const ALL: u64 = 1 << 32;

const ARRAY: [Form; 3] = [(16, 0x90, 0), (0x1_0000, 0xDC, 2), (ALL, 0xDD, 4)];
const OBJECT: [Form; 3] = [(16, 0x80, 0), (0x1_0000, 0xDE, 2), (ALL, 0xDF, 4)];

/// Writes one value, whatever it is.
pub(in crate::primus::parser) type Write = fn(&mut Writer, &Value) -> Result<(), ParserError>;

/// The part of a message that has been written.
#[derive(Default)]
pub(in crate::primus::parser) struct Writer {
    pub(super) bytes: Vec<u8>,
    depth: usize,
}

impl Writer {
    /// Writes a value as a message.
    pub(in crate::primus::parser) fn message(
        value: &Value,
        write: Write,
    ) -> Result<Vec<u8>, ParserError> {
        let mut writer = Self::default();
        write(&mut writer, value)?;
        Ok(writer.bytes)
    }

    /// A mark, and what follows it.
    pub(in crate::primus::parser) fn mark(&mut self, mark: u8, bytes: &[u8]) {
        self.bytes.push(mark);
        self.bytes.extend_from_slice(bytes);
    }

    /// A length in the first form that can say it.
    pub(in crate::primus::parser) fn length(
        &mut self,
        len: usize,
        forms: &[Form],
    ) -> Result<(), ParserError> {
        let len = len as u64;
        let form = forms.iter().find(|(below, ..)| len < *below);
        let &(_, mark, width) = form.ok_or_else(|| ParserError::new("too long for the format"))?;
        let bytes = len.to_be_bytes();
        match width {
            0 => self.bytes.push(mark | bytes[7]),
            _ => self.mark(mark, &bytes[8 - width..]),
        }
        Ok(())
    }

    /// A length, and as many bytes.
    pub(in crate::primus::parser) fn run(
        &mut self,
        bytes: &[u8],
        forms: &[Form],
    ) -> Result<(), ParserError> {
        self.length(bytes.len(), forms)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(in crate::primus::parser) fn bool(&mut self, value: bool) {
        self.bytes.push(0xC2 | u8::from(value));
    }

    pub(in crate::primus::parser) fn null(&mut self) {
        self.bytes.push(0xC0);
    }

    /// The numbers that both formats write alike.
    pub(in crate::primus::parser) fn int(&mut self, number: i32) {
        let bytes = number.to_be_bytes();
        match number {
            -0x20..=0x7F => self.bytes.push(bytes[3]),
            0x80..=0xFF => self.mark(0xCC, &bytes[3..]),
            0x100..=0xFFFF => self.mark(0xCD, &bytes[2..]),
            0x1_0000.. => self.mark(0xCE, &bytes),
            -0x80..-0x20 => self.mark(0xD0, &bytes[3..]),
            -0x8000..-0x80 => self.mark(0xD1, &bytes[2..]),
            ..-0x8000 => self.mark(0xD2, &bytes),
        }
    }

    pub(in crate::primus::parser) fn float(&mut self, number: f64) {
        // There are many NaNs; scripts write this one.
        let bits = match number.is_nan() {
            true => 0x7FF8 << 48,
            false => number.to_bits(),
        };
        self.mark(0xCB, &bits.to_be_bytes());
    }

    pub(in crate::primus::parser) fn array(
        &mut self,
        values: &[Value],
        write: Write,
    ) -> Result<(), ParserError> {
        self.deeper()?;
        self.length(values.len(), &ARRAY)?;
        for value in values {
            write(self, value)?;
        }
        self.depth -= 1;
        Ok(())
    }

    pub(in crate::primus::parser) fn object(
        &mut self,
        object: &Object,
        text: &[Form],
        write: Write,
    ) -> Result<(), ParserError> {
        self.deeper()?;
        self.length(object.len(), &OBJECT)?;
        for (key, value) in object {
            self.run(key.as_bytes(), text)?;
            write(self, value)?;
        }
        self.depth -= 1;
        Ok(())
    }

    const fn deeper(&mut self) -> Result<(), ParserError> {
        if self.depth == MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        Ok(())
    }
}
