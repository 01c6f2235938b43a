//! The payload types: what a transport hands to the bus, and what the bus hands back.

use bytes::Bytes;
use bytestring::ByteString;

/// Identifies an acknowledgement that a peer asked for, in dialects that have them.
/// Unique within its connection only.
pub type AckId = u64;

/// A message as it leaves the engine, before any dialect has seen it.
///
/// Cloning is cheap: the payload is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    payload: Payload,
    name: Option<&'static str>,
    ack: Option<AckId>,
}

/// What a [`Message`] carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Text; for every dialect of this crate that speaks JSON, one JSON value.
    Text(ByteString),
    /// Bytes that no dialect interprets.
    Binary(Bytes),
}

impl Payload {
    /// The length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "nothing asks for emptiness")]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<ByteString>) -> Self {
        Self {
            payload: Payload::Text(text.into()),
            name: None,
            ack: None,
        }
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self {
            payload: Payload::Binary(bytes.into()),
            name: None,
            ack: None,
        }
    }

    /// Names the event that this message is, for dialects whose messages have names. Others ignore it.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Makes this message the answer to the acknowledgement `ack`. Dialects without acknowledgements ignore it.
    #[must_use]
    pub const fn answering(mut self, ack: Option<AckId>) -> Self {
        self.ack = ack;
        self
    }

    /// The payload.
    pub const fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The event name, if one was given.
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The acknowledgement that this message answers, if any.
    pub const fn ack(&self) -> Option<AckId> {
        self.ack
    }
}

/// A message as it arrives. It borrows from the transport's read buffer, so whoever wants to keep it copies it:
/// a kept slice would pin the whole buffer.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// What was received. Of an event without arguments `null`, of one with several an array of them. Bytes of an event
    /// with a name are its arguments in the peer's own notation, because JSON has no word for them.
    pub payload: IncomingPayload<'a>,
    /// The event that the message is, in dialects whose messages have names. `None` for a plain message.
    pub name: Option<&'a str>,
    /// The acknowledgement that the peer asked for, if its dialect has them and it did.
    pub ack: Option<AckId>,
}

/// What an [`Incoming`] message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingPayload<'a> {
    /// Valid UTF-8; not necessarily JSON.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl IncomingPayload<'_> {
    /// The length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "nothing asks for emptiness")]
    pub const fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl<'a> Incoming<'a> {
    /// A text message without acknowledgement.
    pub const fn text(text: &'a str) -> Self {
        Self {
            payload: IncomingPayload::Text(text),
            name: None,
            ack: None,
        }
    }

    /// A binary message without acknowledgement.
    pub const fn binary(bytes: &'a [u8]) -> Self {
        Self {
            payload: IncomingPayload::Binary(bytes),
            name: None,
            ack: None,
        }
    }
}
