//! What is said in rooms.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Answer, Stop, Turn};
use crate::app::connection::Connection;
use crate::app::packet::{self, EventParams, Packet, as_name, as_text, is_empty_message};
use crate::app::rates::Wish;
use crate::app::reply::Request;
use crate::app::{App, Error};
use crate::engine::Floor;

impl App {
    pub(super) async fn say(
        &self,
        connection: &Connection,
        packet: &Packet<'_>,
        request: &Request,
        turn: Turn,
    ) -> Result<Answer, Stop> {
        let room = as_name(packet.room);
        let floor = self.floor(connection, room.as_deref(), turn).await?;
        let message = said(packet).filter(|message| !is_empty_message(message));
        let (Some(room), Some(message)) = (room, message) else {
            return Err(Error::RoomAndMessageRequired.into());
        };
        let message = self.bounded(&message)?;
        let delivery = self
            .chat()
            .receive(Some(connection), &room, message)
            .await?;
        Ok(Answer::Said(request.ok(None::<()>), delivery, floor))
    }

    pub(super) async fn event(
        &self,
        connection: &Connection,
        params: Option<&RawValue>,
        request: &Request,
        turn: Turn,
    ) -> Result<Answer, Stop> {
        let params = params.and_then(|params| serde_json::from_str(params.get()).ok());
        let params: EventParams<'_> = params.unwrap_or_default();
        let room = as_name(params.room);
        let floor = self.floor(connection, room.as_deref(), turn).await?;
        let data = match params.data {
            None => Value::Null,
            Some(data) => {
                let data = self.bounded(data)?;
                let bounds = packet::relayed(self.options().max_values);
                packet::bounded(data.get().as_bytes(), "data", bounds)?;
                stellar_transports::json::from_str(data.get()).map_err(|error| {
                    Error::InvalidPacket(format!("the data cannot be read ({error})"))
                })?
            }
        };
        let (Some(room), Some(event)) = (room, as_name(params.event)) else {
            return Err(Error::RoomAndMessageRequired.into());
        };
        let chat = self.chat();
        let delivery = chat.raise(Some(connection), &room, &event, data).await?;
        Ok(Answer::Said(request.ok(None::<()>), delivery, floor))
    }

    /// Takes what speaking in `room` costs, and waits until `connection` may: others have before, and members that lag
    /// have caught up.
    async fn floor(
        &self,
        connection: &Connection,
        room: Option<&str>,
        turn: Turn,
    ) -> Result<Floor, Stop> {
        let hears = self.middleware().hears();
        let speaker = connection.spark();
        let (Some(room), Some(spark)) = (room, speaker) else {
            return Ok(Floor::default());
        };
        let hub = self.chat().hub();
        if hears || (spark.may_have_laggards() && hub.has_laggard(room, spark)) {
            turn.wait()?;
        }
        self.charge(connection, Wish::Say { room })?;
        if turn == Turn::Reading || !spark.is_in(room) {
            return Ok(Floor::default());
        }
        let floor = hub.floor(room, spark).await.ok_or(Stop::IsOver)?;
        // Hooks may take their time, which is not to be the next speaker's.
        Ok(match hears {
            true => Floor::default(),
            false => floor,
        })
    }
}

/// The message of a `say` packet: its `message`, or what the other keys say, joined by spaces, as old clients
/// expect.
fn said<'a>(packet: &Packet<'a>) -> Option<Cow<'a, RawValue>> {
    if let Some(message) = packet.message {
        return Some(Cow::Borrowed(message));
    }
    if packet.others.is_empty() {
        return None;
    }
    let words: Vec<_> = packet
        .others
        .iter()
        .map(|value| as_text(value).unwrap_or_else(|| Cow::Borrowed(value.get())))
        .collect();
    let text = crate::json::to_string(&words.join(" "));
    RawValue::from_string(text).ok().map(Cow::Owned)
}
