//! What can go wrong, and for whom.

use super::transform::BoxError;
use super::{Direction, ParserError};

/// Why a server was not built, or does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrimusError {
    /// The pathname cannot be one.
    #[error(
        "the pathname `{0}` is none: it begins with a slash and has a name behind it, of letters, digits and - . _ ~ /"
    )]
    Pathname(String),
    /// The door of another kind of client is where Primus's is to be, or is nowhere.
    #[error("doors.{place}: {0}", place = .0.place())]
    Doors(stellar_transports::PathsError),
    /// There is no transport of this name.
    #[error("there is no transport `{0}`: choose of ws, polling and socketio")]
    Transport(String),
    /// Two plugins of one name, or one without any.
    #[error("the plugin name `{0}` is empty or taken")]
    Plugin(String),
    /// A global name that scripts cannot have.
    #[error("`{0}` is no name that a script can have")]
    Global(String),
    /// Something listed that can be no page's origin.
    #[error(transparent)]
    Origin(#[from] stellar_transports::OriginError),
    /// A WebSocket sub-protocol that nobody can agree to.
    #[error(
        "the sub-protocol `{0}` is no name as RFC 6455 has them, or looks like the carrier of a token"
    )]
    Subprotocol(String),
    /// The port cannot be had.
    #[error(transparent)]
    Serve(#[from] crate::ServeError),
}

/// Why a message was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The connection is over.
    #[error("the connection is closed")]
    Closed,
    /// Its outbox is full; the connection is being closed for it.
    #[error("the connection does not keep up and is being closed")]
    SlowConsumer,
    /// A string that clients would take for one of the protocol's own.
    #[error("strings that begin with \"primus::\" belong to the protocol")]
    Reserved,
    /// More waits for transforms than may wait.
    #[error("the transforms of this connection do not keep up")]
    Busy,
    /// The parser has no place for the value.
    #[error("failed to encode outgoing data: {0}")]
    Parser(ParserError),
    /// A transform failed.
    #[error("a transform failed: {0}")]
    Transform(String),
}

/// What goes wrong on a connection without ending it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SparkError {
    /// The client sent what the parser cannot read. The message is gone.
    #[error("failed to decode incoming data: {0}")]
    Parser(ParserError),
    /// A transform failed. The message is gone.
    #[error("a transform of {0:?} messages failed: {1}")]
    Transform(Direction, #[source] BoxError),
    /// A message that had waited for a transform was not written.
    #[error("a message that waited for its transforms was not sent: {0}")]
    Write(#[source] WriteError),
    /// The handler of the connection failed, which ends it.
    #[error("the connection handler failed: {0}")]
    Handler(#[source] BoxError),
}
