//! Rooms: who is in them, and which a connection is in.

use serde_json::value::RawValue;

use super::{Answer, Stop, Turn, ok};
use crate::app::chat::{NO_PAGE, RoomStatus};
use crate::app::connection::{Connection, Details};
use crate::app::packet::{Packet, as_name, as_text};
use crate::app::rates::Wish;
use crate::app::reply::Request;
use crate::app::{App, Error};

/// What joining, leaving and looking cost, in the terms of [`Rates::costs`](crate::app::Rates::costs).
const ROOM_COST: usize = 10;

impl App {
    pub(super) async fn room_add(
        &self,
        connection: &Connection,
        room: Option<&RawValue>,
        request: &Request,
        turn: Turn,
    ) -> Result<Answer, Stop> {
        if self.middleware().has_join() {
            turn.wait()?;
        }
        self.charge(connection, Wish::Cost(ROOM_COST))?;
        let room = as_name(room).ok_or(Error::RoomRequired)?;
        self.chat().join_connection(connection, &room).await?;
        Ok(ok(request, true))
    }

    pub(super) async fn room_leave(
        &self,
        connection: &Connection,
        room: Option<&RawValue>,
        request: &Request,
        turn: Turn,
    ) -> Result<Answer, Stop> {
        if self.middleware().has_leave() {
            turn.wait()?;
        }
        self.charge(connection, Wish::Cost(ROOM_COST))?;
        let room = as_name(room).ok_or(Error::RoomRequired)?;
        self.chat().leave_connection(connection, &room).await?;
        Ok(ok(request, true))
    }

    pub(super) fn room_view(
        &self,
        connection: &Connection,
        packet: &Packet<'_>,
        request: &Request,
    ) -> Result<Answer, Stop> {
        let room = as_name(packet.room).ok_or(Error::RoomRequired)?;
        // Membership is checked first, so nobody learns which other rooms exist.
        if !connection.spark().is_some_and(|spark| spark.is_in(&room)) {
            let id = connection.id().to_owned();
            let room = room.into_owned();
            return Err(Error::NotMember { id, room }.into());
        }
        Ok(ok(
            request,
            self.view_room(connection, &room, packet.after)?,
        ))
    }

    pub(super) fn details_view(
        &self,
        connection: &Connection,
        after: Option<&RawValue>,
        request: &Request,
    ) -> Result<Answer, Stop> {
        Ok(ok(request, self.view_details(connection, after)?))
    }

    /// A page of a room's members.
    fn view_room(
        &self,
        connection: &Connection,
        room: &str,
        after: Option<&RawValue>,
    ) -> Result<RoomStatus, Error> {
        let options = self.options();
        let count = self.chat().members_count(room);
        let cost = ROOM_COST + count.min(options.max_view) / 10 + count / 100;
        connection.afford(Wish::Cost(cost), options)?;
        let after = after.filter(|after| after.get() != "null");
        let after = after.map(|after| as_text(after).unwrap_or_default());
        self.chat().page(room, after.as_deref(), options.max_view)
    }

    /// What a connection is told of itself, with a page of its rooms.
    fn view_details<'c>(
        &self,
        connection: &'c Connection,
        after: Option<&RawValue>,
    ) -> Result<Details<'c>, Error> {
        let options = self.options();
        let after = match after.filter(|after| after.get() != "null") {
            None => 0,
            Some(after) => {
                let no_page = |_| Error::InvalidPacket(NO_PAGE.to_owned());
                after.get().parse().map_err(no_page)?
            }
        };
        let details = connection.details(after, options.max_view);
        match details.rooms_shown() / 10 {
            0 => {}
            cost => connection.afford(Wish::Cost(cost), options)?,
        }
        Ok(details)
    }
}
