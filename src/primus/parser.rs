//! How values are written as messages (docs/protocol/primus.md#parsers).

mod binary_pack;
mod ejson;
mod json;
mod msgpack;
mod raw;

use std::borrow::Cow;
use std::fmt;

pub use binary_pack::BinaryPack;
pub use ejson::Ejson;
pub use json::Json;
pub use msgpack::MsgPack;
pub use raw::Raw;

use stellar_transports::{IncomingPayload, Payload};

use super::Value;

/// Most values in one message: members of lists, keys and members of objects. Over it the message is an error. A value takes
/// many times the memory of the one or two bytes that it can be written in.
pub const MAX_VALUES: usize = 150_000;

fn too_many() -> ParserError {
    ParserError::new("the message has more than 150,000 values")
}

/// Writes values as messages and reads them.
///
/// Primus's own control strings are values like all others, so they go through here, too. One parser is shared by all
/// connections of a server; it keeps nothing about any of them.
pub trait Parser: fmt::Debug + Send + Sync + 'static {
    /// The name, as `/primus/spec` tells it. Primus calls all parsers that are not its own `custom`.
    fn name(&self) -> &'static str {
        "custom"
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// When the format has no place for it.
    fn encode(&self, value: &Value) -> Result<Payload, ParserError>;

    /// Reads a message. It comes from a peer: whatever it is, this must not panic, and must not take more memory than a
    /// small multiple of its length.
    ///
    /// # Errors
    ///
    /// When it is not in the format.
    fn decode(&self, message: IncomingPayload<'_>) -> Result<Value, ParserError>;

    /// Reads a message that is nothing but a string, as control strings are; `None` if it is something else. Asked of
    /// every message before it is [decoded](Self::decode), so formats that can tell quickly should.
    fn string<'a>(&self, message: IncomingPayload<'a>) -> Option<Cow<'a, str>> {
        match self.decode(message) {
            Ok(Value::String(text)) => Some(text.into()),
            Ok(_) | Err(_) => None,
        }
    }

    /// The same in JavaScript, for the generated client: an expression whose value is
    /// `{ name, binary, encoder: function (data, fn) {}, decoder: function (data, fn) {} }`. `fn` is called with an error
    /// or `null`, and the result. `None` only for JSON, which the client has already.
    fn client(&self) -> Option<Cow<'static, str>>;
}

/// Why a value was not written, or a message not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParserError(Cow<'static, str>);

impl ParserError {
    /// An error with a text for the person who has to find its cause.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}
