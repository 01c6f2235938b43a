//! A packet whose attachments follow it as messages of their own (docs/protocol/socketio.md#binary).

use bytes::Bytes;

use crate::IncomingPayload;

/// A packet that waits for attachments, or has all of them.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) text: String,
    pub(super) attachments: Vec<Bytes>,
    missing: usize,
    /// Of all of them together.
    bytes: usize,
}

impl Gathered {
    /// Begins with a packet that has announced so many.
    pub(super) fn new(text: &str, missing: usize) -> Self {
        Self {
            text: text.to_owned(),
            attachments: Vec::with_capacity(missing),
            missing,
            bytes: 0,
        }
    }

    /// Takes the next one. Returns whether it is the last.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn take(
        &mut self,
        message: IncomingPayload<'_>,
        max_bytes: usize,
    ) -> Result<bool, &'static str> {
        let IncomingPayload::Binary(bytes) = message else {
            return Err("a packet came in place of an attachment");
        };
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > max_bytes {
            return Err("the attachments of a packet are larger than a message may be");
        }
        // A copy: a slice would keep all of what was read with it.
        self.attachments.push(Bytes::copy_from_slice(bytes));
        self.missing -= 1;
        Ok(self.missing == 0)
    }

    /// What is held until the last has come.
    pub(super) const fn held(&self) -> usize {
        self.text.len().saturating_add(self.bytes)
    }
}
