//! The message language that runs on top of a transport.

use std::fmt;

use bytes::Bytes;

use crate::Message;
use crate::primus::Controls;

/// How messages are written for one kind of peer.
///
/// # Notes for implementers
///
/// * `encode` must not depend on the connection: what it returns goes to every member of a room that speaks the
///   same [`encoding`](Self::encoding).
/// * The bytes are final, framing included, so that they can be written as they are.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// The name, as in logs and metrics.
    fn name(&self) -> &'static str;

    /// Names the output format. Dialects that produce the same bytes share one, and with it the encoded copy.
    fn encoding(&self) -> &'static str {
        self.name()
    }

    /// The bytes of `message` on the wire.
    fn encode(&self, message: &Message) -> Bytes;

    /// The bytes of a ping sent at `now` (ms since the Unix epoch). Any traffic in return counts as its answer.
    /// `None` where the transport has heartbeats of its own and the dialect adds none.
    fn ping(&self, now: u64, controls: &dyn Controls) -> Option<Bytes>;

    /// The bytes of one of Primus's control strings; `None` for peers to whom it would be a message like any other.
    fn control(&self, text: &str, controls: &dyn Controls) -> Option<Bytes> {
        let _ = (text, controls);
        None
    }
}
