//! What is said in a room: data until it has its number, and then a message.

use std::fmt;

use stellar_transports::Message;

use super::Stamp;

/// Something that is said in a room, before it has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub room: String,
    /// What, as JSON text.
    pub body: String,
    /// Who says it.
    pub from: Sender,
    /// When, in ms since the Unix epoch.
    pub sent_at: u64,
}

/// Who speaks in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A connection, by its [public id](super::Spark::public_id).
    Connection(String),
    /// The server itself: `0` on the wire.
    Server,
}

/// Writes a publication as the message that members get.
///
/// It runs under the room's lock, so it must not use the hub.
pub trait Voice: fmt::Debug + Send + Sync + 'static {
    /// The message, once for each place that it has for members: one, but for those that are
    /// [behind](Stamp::prev).
    fn message(&self, publication: &Publication, stamp: Stamp<'_>) -> Message;
}

/// The body as it is, without its number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bare;

impl Voice for Bare {
    fn message(&self, publication: &Publication, _stamp: Stamp<'_>) -> Message {
        Message::text(publication.body.clone())
    }
}

/// What one member gets of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// What was said.
    Whole,
    /// This instead.
    Instead(Publication),
    /// Nothing. The next message that it gets [says so](Stamp::prev).
    Nothing,
}
