//! One client's part in the namespace `/`: what its packets do there, without I/O and without a clock.
//!
//! ```text
//!             CONNECT                let in
//!   Fresh ───────────────► Deciding ────────► In ──────┐
//!     ▲                       │                        │ DISCONNECT, a fault, or the session's end
//!     └────── refused ────────┘                        ▼
//!     └──────────────────────────────────────────────► Left
//! ```

use super::attachments::Gathered;
use super::link::Link;
use super::packet::{Data, Kind, Packet, Parser};
use super::queue::{Owned, Queue};
use crate::engineio::Protocol;
use crate::{CloseReason, Handshake, IncomingPayload};

/// In place of a time: no deadline.
pub(super) const NEVER: u64 = u64::MAX;

/// Where a client stands with `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not in it, and not about to be.
    Fresh,
    /// The application is asked whether it may connect. What it says meanwhile waits.
    Deciding,
    /// In it.
    In,
    /// The session is over, or about to be: nothing is taken any more.
    Left,
}

/// The state of one client, behind its lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// Known with the first message. Nothing is negotiated, but who speaks msgpack never sends a text.
    pub(super) parser: Option<Parser>,
    /// Until the client is let in; and as long as namespaces of the program may want to see it.
    pub(super) handshake: Option<Box<Handshake>>,
    /// What came while it was being decided.
    pub(super) waiting: Queue,
    /// Somebody works off what waits.
    pub(super) is_replaying: bool,
    /// The session has ended while somebody did, and why: the bus is told behind what was said before.
    pub(super) leaving: Option<CloseReason>,
    /// A packet without all of its attachments.
    pub(super) gathering: Option<Box<Gathered>>,
    /// To the program's own namespaces.
    pub(super) link: Option<Box<Link>>,
    /// When the client has to be connected to something.
    pub(super) connect_by: u64,
    /// When the attachments that were announced have to be there.
    pub(super) attached_by: u64,
}

/// The bounds of what clients send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Most attachments of one packet.
    pub(super) max_attachments: usize,
    /// Most bytes of them together.
    pub(super) max_bytes: usize,
}

/// What a message is, once its packet is whole.
#[derive(Debug)]
pub(super) enum Whole<'a> {
    /// A packet.
    Alone(Packet<'a>),
    /// A packet that had attachments.
    Gathered(Box<Gathered>),
    /// None yet.
    Missing,
}

/// What a packet asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To be let into `/`.
    Connect,
    /// An event of `/`.
    Event,
    /// To leave `/`.
    Leave,
    /// Nothing.
    Nothing,
    /// Something in another namespace.
    Elsewhere,
}

impl State {
    pub(super) fn new(handshake: Handshake) -> Self {
        Self {
            phase: Phase::Fresh,
            parser: None,
            handshake: Some(Box::new(handshake)),
            waiting: Queue::default(),
            is_replaying: false,
            leaving: None,
            gathering: None,
            link: None,
            connect_by: NEVER,
            attached_by: NEVER,
        }
    }

    /// Keeps a message for later, if this is not the time for it. Returns whether it is.
    pub(super) fn is_time_for(&mut self, message: IncomingPayload<'_>) -> bool {
        match self.phase {
            Phase::Left => false,
            Phase::Deciding => {
                self.waiting.push(Owned::new(message));
                false
            }
            Phase::Fresh | Phase::In if self.is_replaying => {
                self.waiting.push(Owned::new(message));
                false
            }
            Phase::Fresh | Phase::In => true,
        }
    }

    /// Takes the next message, and with it the rest of a packet that waits for one.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn gather<'a>(
        &mut self,
        message: IncomingPayload<'a>,
        bounds: Bounds,
    ) -> Result<Whole<'a>, &'static str> {
        if let Some(gathering) = &mut self.gathering {
            return Ok(match gathering.take(message, bounds.max_bytes)? {
                true => self
                    .gathering
                    .take()
                    .map_or(Whole::Missing, Whole::Gathered),
                false => Whole::Missing,
            });
        }
        let spoken = match message {
            IncomingPayload::Text(_) => Parser::Json,
            IncomingPayload::Binary(_) => Parser::Msgpack,
        };
        if *self.parser.get_or_insert(spoken) != spoken {
            return Err("a message is in another parser's notation");
        }
        let text = match message {
            IncomingPayload::Text(text) => text,
            IncomingPayload::Binary(bytes) => {
                return Packet::from_msgpack(bytes).map(Whole::Alone);
            }
        };
        let packet = Packet::from_text(text)?;
        match packet.attachments {
            0 => Ok(Whole::Alone(packet)),
            count if count > bounds.max_attachments => {
                Err("a packet has more attachments than are allowed")
            }
            count => {
                self.gathering = Some(Box::new(Gathered::new(text, count)));
                Ok(Whole::Missing)
            }
        }
    }

    /// Takes a whole packet.
    ///
    /// # Errors
    ///
    /// Why there can be none like it here.
    pub(super) fn step(
        &mut self,
        packet: &Packet<'_>,
        protocol: Protocol,
    ) -> Result<Step, &'static str> {
        if packet.kind == Kind::ConnectError {
            return Err("only servers refuse to connect");
        }
        if packet.kind == Kind::Ack && !is_array(packet.data) {
            return Err("an acknowledgement has no arguments");
        }
        if packet.namespace != "/" {
            return self.step_elsewhere(packet);
        }
        match (packet.kind, self.phase) {
            // The server has connected the client by itself (docs/protocol/socketio.md#version-4). Some ask
            // for it all the same.
            (Kind::Connect, _) if protocol == Protocol::V3 => Ok(Step::Nothing),
            (Kind::Connect, Phase::Fresh) => {
                self.phase = Phase::Deciding;
                Ok(Step::Connect)
            }
            (Kind::Connect, _) => Err("the client is connected already"),
            (Kind::Event, Phase::In) => Ok(Step::Event),
            (Kind::Disconnect, Phase::In) => Ok(Step::Leave),
            // The bus asks for none, so it answers nothing.
            (Kind::Ack, Phase::In) => Ok(Step::Nothing),
            _ => Err("the client is not connected"),
        }
    }

    /// Whether the client is in the namespace is known here, and whether there is one by the library.
    fn step_elsewhere(&mut self, packet: &Packet<'_>) -> Result<Step, &'static str> {
        let link = self.link.as_deref_mut();
        let is_known = link.is_some_and(|link| match packet.kind {
            Kind::Connect => !link.is_in(&packet.namespace),
            Kind::Disconnect => link.leave(&packet.namespace),
            _ => link.knows(&packet.namespace),
        });
        match packet.kind {
            Kind::Connect if self.link.is_none() || is_known => Ok(Step::Elsewhere),
            Kind::Connect => Err("the client is in that namespace already"),
            // Node takes it for the answer to an event that it does not know; the library would close.
            Kind::Ack if is_known && packet.id.is_none() => Ok(Step::Nothing),
            _ if is_known => Ok(Step::Elsewhere),
            _ => Err("the client is not in that namespace"),
        }
    }

    /// Nothing more is taken from the client.
    pub(super) fn leave(&mut self) {
        self.phase = Phase::Left;
        self.handshake = None;
        self.waiting.clear();
        self.gathering = None;
        self.connect_by = NEVER;
        self.attached_by = NEVER;
    }

    /// Whether no more can be taken now.
    pub(super) fn is_full(&self) -> bool {
        let link = self.link.as_deref();
        self.waiting.is_full() || link.is_some_and(|link| link.queue.is_full())
    }

    /// Whether a client that was told to wait may go on.
    pub(super) fn has_room(&self) -> bool {
        let link = self.link.as_deref();
        self.waiting.has_room() && link.is_none_or(|link| link.queue.has_room())
    }
}

fn is_array(data: Data<'_>) -> bool {
    match data {
        Data::Json(text) => {
            text.starts_with('[')
                && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
        }
        Data::Msgpack(bytes) => matches!(bytes.first(), Some(0x90..=0x9F | 0xDC | 0xDD)),
    }
}

#[cfg(test)]
mod tests;
