//! The two message languages that ride on WebSocket here.

use bytes::Bytes;

use super::frame::{self, Opcode};
use crate::primus::{self, Controls};
use crate::{Dialect, Message, Payload};

/// Both write messages alike, so a room's message is encoded once for both.
const ENCODING: &str = "websocket";

/// Primus's: one JSON value per text frame, and control strings (docs/protocol/primus.md#control-strings).
#[derive(Debug)]
pub(super) struct Primus;

/// The same JSON without control strings; liveness by WebSocket pings.
#[derive(Debug)]
pub(super) struct Plain;

impl Dialect for Primus {
    fn name(&self) -> &'static str {
        "primus"
    }

    fn encoding(&self) -> &'static str {
        ENCODING
    }

    fn encode(&self, message: &Message) -> Bytes {
        encode(message)
    }

    /// Primus's ping alone: a browser would answer WebSocket's for a page that sleeps, and so keep it connected.
    fn ping(&self, now: u64, controls: &dyn Controls) -> Option<Bytes> {
        self.control(&primus::ping(now), controls)
    }

    fn control(&self, text: &str, controls: &dyn Controls) -> Option<Bytes> {
        Some(payload(&controls.encode(text)))
    }
}

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn encoding(&self) -> &'static str {
        ENCODING
    }

    fn encode(&self, message: &Message) -> Bytes {
        encode(message)
    }

    fn ping(&self, _now: u64, _controls: &dyn Controls) -> Option<Bytes> {
        Some(frame::encode(Opcode::Ping, b""))
    }
}

fn encode(message: &Message) -> Bytes {
    payload(message.payload())
}

/// The frame of a payload.
pub(super) fn payload(payload: &Payload) -> Bytes {
    match payload {
        Payload::Text(text) => frame::text(text),
        Payload::Binary(bytes) => frame::encode(Opcode::Binary, bytes),
    }
}
