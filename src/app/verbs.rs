//! The verbs: what a packet asks for, and what it is answered (docs/protocol/packets.md#answers).
//!
//! A request takes this way: [`line`] numbers it and calls [`App::answer`], which calls the verb. The verb returns its
//! [`Answer`], and `line` sends it. A verb that has to wait says so before it does anything; `line` then calls it again
//! in a task, where it may.

mod calls;
mod line;
mod rooms;
mod speech;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use stellar_transports::{AckId, Message};

pub(crate) use self::calls::{MEMORY_RETRY, PARAMS};
use super::App;
use super::chat::Delivery;
use super::connection::Connection;
use super::error::{Error, ErrorFormat};
use super::packet::{Packet, Received, as_text};
use super::rates::Wish;
use super::reply::Request;
use crate::engine::Floor;

/// What a packet asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Action,
    File,
    DetailsView,
    RoomAdd,
    RoomLeave,
    RoomView,
    Say,
    Event,
    Quit,
}

impl Verb {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "action" => Self::Action,
            "file" => Self::File,
            "detailsView" => Self::DetailsView,
            "roomAdd" | "roomJoin" => Self::RoomAdd,
            "roomLeave" => Self::RoomLeave,
            "roomView" => Self::RoomView,
            "say" => Self::Say,
            "event" => Self::Event,
            "quit" | "exit" => Self::Quit,
            _ => return None,
        })
    }
}

/// Whether clients use `name` for a verb.
pub(crate) fn is_verb(name: &str) -> bool {
    Verb::parse(name).is_some()
}

/// What a request comes to.
#[must_use]
enum Answer {
    /// This is sent.
    Response(Message),
    /// This is sent; then what was said is brought to its room, and the next speaker has the floor.
    Said(Message, Option<Delivery>, Floor),
    /// An action answers when it is done, and whoever has said good-bye is not answered.
    None,
}

/// Why a verb came to no answer.
enum Stop {
    /// It has to wait, and may not here. Nothing has been done yet.
    HasToWait,
    /// Whoever asked is gone.
    IsOver,
    Refused(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Whether a verb may wait where it runs: not where requests are read, but in the connection's lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Reading,
    Lane,
}

impl Turn {
    /// To be called by a verb that is about to wait, before it does anything.
    fn wait(self) -> Result<(), Stop> {
        match self {
            Self::Reading => Err(Stop::HasToWait),
            Self::Lane => Ok(()),
        }
    }
}

impl Verb {
    /// What a failure is answered: actions and files answer with an object, rooms with `false`.
    fn failed(self, request: &Request, error: &Error, errors: &ErrorFormat) -> Message {
        match self {
            Self::Action | Self::File => {
                let error = ("error".to_owned(), error.to_value(errors));
                request.object(&Map::from_iter([error]))
            }
            Self::RoomAdd | Self::RoomLeave => {
                request.failed(error, Some(Value::Bool(false)), errors)
            }
            _ => request.failed(error, None, errors),
        }
    }
}

impl App {
    /// Answers one packet. `None` if it has to wait, and may not here: nothing has been done then.
    async fn answer(
        &self,
        connection: &Connection,
        received: Received<'_>,
        (number, ack): (u64, Option<AckId>),
        turn: Turn,
    ) -> Option<Answer> {
        let errors = &self.options().errors;
        let id = self.id_of(&received);
        let (packet, refusal) = match received {
            Received::Packet(packet) => (packet, None),
            Received::NotAnObject => (Packet::default(), None),
            Received::Refused { detail, .. } => (Packet::default(), Some(detail)),
        };
        let (message_id, refusal) = match id {
            Ok(id) => (id, refusal),
            Err(detail) => (None, Some(detail.into())),
        };
        let request = Request {
            number,
            message_id,
            ack,
        };
        if let Some(detail) = refusal {
            let error = Error::InvalidPacket(detail.into_owned());
            return Some(Answer::Response(request.failed(&error, None, errors)));
        }
        let name = match packet.event {
            None => Cow::Borrowed("undefined"),
            Some(event) => as_text(event).unwrap_or_else(|| Cow::Borrowed(event.get())),
        };
        let Some(verb) = Verb::parse(&name).filter(|verb| !self.refuses(*verb)) else {
            let error = Error::VerbRefused(name.into_owned());
            let null = Some(Value::Null);
            return Some(Answer::Response(request.failed(&error, null, errors)));
        };
        let done = match verb {
            Verb::Quit => {
                connection.destroy();
                Ok(Answer::None)
            }
            Verb::Action => self.action(connection, packet.params, &request),
            Verb::File => self.file(connection, packet.file, &request, turn).await,
            Verb::DetailsView => self.details_view(connection, packet.after, &request),
            Verb::RoomAdd => self.room_add(connection, packet.room, &request, turn).await,
            Verb::RoomLeave => {
                let room = packet.room;
                self.room_leave(connection, room, &request, turn).await
            }
            Verb::RoomView => self.room_view(connection, &packet, &request),
            Verb::Say => self.say(connection, &packet, &request, turn).await,
            Verb::Event => self.event(connection, packet.params, &request, turn).await,
        };
        match done {
            Ok(answer) => Some(answer),
            Err(Stop::HasToWait) => None,
            Err(Stop::IsOver) => Some(Answer::None),
            Err(Stop::Refused(error)) => {
                Some(Answer::Response(verb.failed(&request, &error, errors)))
            }
        }
    }

    /// Takes what a request costs, before anything is done for it.
    fn charge(&self, connection: &Connection, wish: Wish<'_>) -> Result<(), Error> {
        connection.afford(wish, self.options())
    }

    /// Whether the options switch a verb off, under whichever of its names.
    fn refuses(&self, verb: Verb) -> bool {
        let mut refused = self.options().refused_verbs.iter();
        refused.any(|name| Verb::parse(name) == Some(verb))
    }

    /// The id that an answer gives back, unless it is too long for that.
    fn id_of(&self, received: &Received<'_>) -> Result<Option<Box<RawValue>>, String> {
        let limit = self.options().max_message_id;
        match received.message_id() {
            Some(id) if id.get().len() > limit => Err(format!(
                "its messageId is longer than {limit} bytes (limits.max_message_id_bytes)"
            )),
            id => Ok(id.map(ToOwned::to_owned)),
        }
    }

    /// The payload, unless it is over the limit.
    fn bounded<'a>(&self, payload: &'a RawValue) -> Result<&'a RawValue, Error> {
        let limit = self.options().max_payload;
        if payload.get().len() > limit {
            return Err(Error::InvalidPacket(format!(
                "its payload is larger than {limit} bytes (limits.max_payload_bytes)"
            )));
        }
        Ok(payload)
    }
}

/// A verb's success.
fn ok(request: &Request, data: impl Serialize) -> Answer {
    Answer::Response(request.ok(Some(data)))
}
