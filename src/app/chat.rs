//! Rooms and what is said in them (docs/protocol/packets.md#rooms).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::connection::{Connection, now};
use super::error::{Error, ErrorFormat};
use super::middleware::{ChatMessage, Middleware, Stopped};
use super::packet::{bounded, relayed};
use crate::engine::{ConnectionId, Hub, Member, Publication, RoomError, Sender, Share};

/// The rooms of an app: what a server program does with them. The names of both Stellar generations work.
#[derive(Clone, Debug)]
pub struct Chat {
    hub: Arc<Hub>,
    middleware: Arc<Middleware>,
    events: Arc<RoomEvents>,
    errors: Arc<ErrorFormat>,
    /// Most values in what hooks are told of.
    max_values: usize,
}

/// What `roomView` and [`Chat::status`] tell about a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomStatus {
    /// Its name.
    pub room: String,
    /// Its members by connection id.
    pub members: BTreeMap<String, RoomMember>,
    /// How many they are.
    pub members_count: usize,
    /// Where the next page begins, if these are not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomMember {
    /// The connection.
    pub id: String,
    /// When it joined, in ms since the Unix epoch.
    pub joined_at: u64,
}

/// An event that a client or the server raised in a room.
#[derive(Clone, Debug)]
pub struct RoomEvent {
    /// The event's name.
    pub event: String,
    /// The room.
    pub room: String,
    /// What came with it; null if nothing did.
    pub data: Value,
    /// Who raised it; `None` for the server itself.
    pub connection: Option<Connection>,
}

/// How many rooms a connection may be in, as the configuration calls it.
const MAX_ROOMS: &str = "limits.max_rooms_per_connection";

impl RoomStatus {
    fn new(room: &str, members: &[Member], count: usize, next: Option<String>) -> Self {
        let members = members.iter().map(|member| {
            let id = member.spark.public_id().into_owned();
            let joined_at = member.joined_at;
            (id.clone(), RoomMember { id, joined_at })
        });
        Self {
            room: room.to_owned(),
            members: members.collect(),
            members_count: count,
            next,
        }
    }
}

/// Said of a page that no answer has named.
pub(super) const NO_PAGE: &str = "its `after` is not what the answer before said as `next`";

type Listener = Arc<dyn Fn(&RoomEvent) + Send + Sync>;

/// Listeners of the server program by event, each for one room or, without one, for all.
#[derive(Default)]
pub(crate) struct RoomEvents(BTreeMap<String, Vec<(Option<String>, Listener)>>);

impl RoomEvents {
    pub(crate) fn on(
        &mut self,
        room: Option<&str>,
        event: &str,
        run: impl Fn(&RoomEvent) + Send + Sync + 'static,
    ) {
        let listeners = self.0.entry(event.to_owned()).or_default();
        listeners.push((room.map(str::to_owned), Arc::new(run)));
    }

    fn raise(&self, event: &RoomEvent) {
        for (room, listener) in self.0.get(&event.event).into_iter().flatten() {
            if room.as_ref().is_some_and(|room| *room != event.room) {
                continue;
            }
            // On the reading task: a listener that panics must not take the connection with it.
            if catch_unwind(AssertUnwindSafe(|| listener(event))).is_err() {
                tracing::error!(event = event.event, "a room event's listener panicked");
            }
        }
    }
}

impl fmt::Debug for RoomEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Chat {
    pub(crate) const fn new(
        hub: Arc<Hub>,
        middleware: Arc<Middleware>,
        events: Arc<RoomEvents>,
        errors: Arc<ErrorFormat>,
        max_values: usize,
    ) -> Self {
        Self {
            hub,
            middleware,
            events,
            errors,
            max_values,
        }
    }

    /// Creates a room.
    ///
    /// # Errors
    ///
    /// 020 if it exists, 021 without a name.
    pub fn create(&self, room: &str) -> Result<(), Error> {
        if room.is_empty() {
            return Err(Error::RoomRequired);
        }
        if self.hub.create(room) {
            Ok(())
        } else {
            Err(Error::RoomExists(room.to_owned()))
        }
    }

    /// Destroys a room: tells its members by the room event `destroy`, runs their `on_leave` hooks, whatever those
    /// say, and removes them.
    ///
    /// # Errors
    ///
    /// 019 if there is no such room.
    pub async fn destroy(&self, room: &str) -> Result<(), Error> {
        if !self.hub.exists(room) {
            return Err(Error::RoomMissing(room.to_owned()));
        }
        let notice = json!({
            "event": "destroy",
            "data": Error::RoomDeleted(room.to_owned()).to_object(&self.errors),
        });
        self.publish(&Publication {
            room: room.to_owned(),
            body: crate::json::to_string(&notice),
            from: Sender::Server,
            sent_at: now(),
        });
        if self.middleware.has_leave() {
            for member in self.hub.members(room).unwrap_or_default() {
                if let Some(connection) = Connection::of(&member.spark) {
                    let _cannot_be_kept = self.middleware.leave(&connection, room).await;
                }
            }
        }
        match self.hub.destroy(room) {
            Some(_) => Ok(()),
            None => Err(Error::RoomMissing(room.to_owned())),
        }
    }

    /// Whether a room exists.
    pub fn exists(&self, room: &str) -> bool {
        self.hub.exists(room)
    }

    /// The names of all rooms, sorted.
    pub fn list(&self) -> Vec<Arc<str>> {
        self.hub.rooms()
    }

    /// The members of a room.
    ///
    /// # Errors
    ///
    /// 021 without a name, 019 if there is no such room.
    pub fn status(&self, room: &str) -> Result<RoomStatus, Error> {
        if room.is_empty() {
            return Err(Error::RoomRequired);
        }
        let members = self
            .hub
            .members(room)
            .ok_or_else(|| Error::RoomMissing(room.to_owned()))?;
        Ok(RoomStatus::new(room, &members, members.len(), None))
    }

    /// As [`status`](Self::status), but of at most `max` members, in the order of their ids: those behind the one that
    /// [`next`](RoomStatus::next) of the page before said, or the first.
    ///
    /// # Errors
    ///
    /// As `status`; 023 for a page that was not named so.
    pub fn page(&self, room: &str, after: Option<&str>, max: usize) -> Result<RoomStatus, Error> {
        if room.is_empty() {
            return Err(Error::RoomRequired);
        }
        let after = match after.map(ConnectionId::parse) {
            None => None,
            Some(Some(id)) => Some(id),
            Some(None) => return Err(Error::InvalidPacket(NO_PAGE.to_owned())),
        };
        let (members, count, has_more) = self
            .hub
            .members_after(room, after, max)
            .ok_or_else(|| Error::RoomMissing(room.to_owned()))?;
        let last = members.last().map(|member| member.spark.id().to_string());
        let next = last.filter(|_| has_more);
        Ok(RoomStatus::new(room, &members, count, next))
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// How many members a room has; none if there is no such room.
    pub(crate) fn members_count(&self, room: &str) -> usize {
        self.hub.members_count(room).unwrap_or(0)
    }

    /// Adds the connection with this id to a room.
    ///
    /// # Errors
    ///
    /// In this order: 017 if it is in it, 019 if there is no such room (or connection), 029 if it is in as many as it may
    /// be, what a hook says.
    pub async fn join(&self, id: &str, room: &str) -> Result<(), Error> {
        self.join_connection(&self.connection(id)?, room).await
    }

    /// Removes the connection with this id from a room.
    ///
    /// # Errors
    ///
    /// In this order: 016 if it is not in it, 019 if there is no such room, what a hook says.
    pub async fn leave(&self, id: &str, room: &str) -> Result<(), Error> {
        let connection = self.connection(id).map_err(|_| Error::NotInRoom {
            id: id.to_owned(),
            room: room.to_owned(),
        })?;
        self.leave_connection(&connection, room).await
    }

    /// Says something in a room, as a connection or as the server itself. Members receive it in the order of
    /// their room; the call does not wait for them.
    ///
    /// # Errors
    ///
    /// 015 without a room or message, 016 if the speaker is not a member, 019 if there is no such room, what a
    /// hook says.
    pub async fn broadcast(
        &self,
        speaker: Option<&Connection>,
        room: &str,
        message: impl Into<Value>,
    ) -> Result<(), Error> {
        let message = message.into();
        let json =
            RawValue::from_string(crate::json::to_string(&message)).map_err(|_| Error::Internal)?;
        let is_empty = super::packet::is_empty_message(&json);
        if room.is_empty() || is_empty {
            return Err(Error::RoomAndMessageRequired);
        }
        let delivery = self.receive(speaker, room, &json).await?;
        self.deliver(delivery).await;
        Ok(())
    }

    /// Raises an event in a room: listeners of the server program hear it, and members receive
    /// `{"event": …, "data": …}`.
    ///
    /// # Errors
    ///
    /// As [`broadcast`](Self::broadcast).
    pub async fn emit(
        &self,
        room: &str,
        event: &str,
        data: impl Into<Value>,
        speaker: Option<&Connection>,
    ) -> Result<(), Error> {
        let delivery = self.raise(speaker, room, event, data.into()).await?;
        self.deliver(delivery).await;
        Ok(())
    }

    fn connection(&self, id: &str) -> Result<Connection, Error> {
        let spark = self.hub.spark_by_public_id(id);
        spark
            .and_then(|spark| Connection::of(&spark))
            .ok_or_else(|| Error::text(format!("Connection ({id}) does not exist")))
    }

    pub(crate) async fn join_connection(
        &self,
        connection: &Connection,
        room: &str,
    ) -> Result<(), Error> {
        let Some(spark) = connection.spark() else {
            return Err(Error::text("this connection cannot chat"));
        };
        if spark.is_in(room) {
            return Err(self.room_error(RoomError::AlreadyIn, connection, room));
        }
        if !self.hub.exists(room) {
            return Err(Error::RoomMissing(room.to_owned()));
        }
        // Before hooks, which may let others know of a newcomer.
        if self.hub.has_enough(spark) {
            return Err(self.room_error(RoomError::TooMany, connection, room));
        }
        match self.middleware.join(connection, room).await {
            Ok(()) => {}
            Err(Stopped::Dropped) => return Ok(()),
            Err(Stopped::Refused(error)) => return Err(error),
        }
        self.hub
            .join(spark, room)
            .map_err(|error| self.room_error(error, connection, room))
    }

    pub(crate) async fn leave_connection(
        &self,
        connection: &Connection,
        room: &str,
    ) -> Result<(), Error> {
        let not_in = || self.room_error(RoomError::NotIn, connection, room);
        let spark = connection
            .spark()
            .filter(|spark| spark.is_in(room))
            .ok_or_else(not_in)?;
        match self.middleware.leave(connection, room).await {
            Ok(()) => {}
            Err(Stopped::Dropped) => return Ok(()),
            Err(Stopped::Refused(error)) => return Err(error),
        }
        self.hub
            .leave(spark, room)
            .map_err(|error| self.room_error(error, connection, room))
    }

    fn room_error(&self, error: RoomError, connection: &Connection, room: &str) -> Error {
        let (id, room) = (connection.id().to_owned(), room.to_owned());
        match error {
            RoomError::AlreadyIn => Error::AlreadyInRoom { id, room },
            RoomError::NotIn => Error::NotInRoom { id, room },
            RoomError::Missing => Error::RoomMissing(room),
            RoomError::Reserved => Error::text(error.to_string()),
            RoomError::TooMany => {
                if let Some(spark) = connection.spark() {
                    spark.count_limited(MAX_ROOMS);
                }
                Error::LimitReached(MAX_ROOMS)
            }
            RoomError::Closed => Error::text(format!("Connection ({id}) is closed")),
        }
    }

    /// The first half of a broadcast: everything that the speaker's answer depends on. `None` is dropped silently.
    pub(crate) async fn receive(
        &self,
        speaker: Option<&Connection>,
        room: &str,
        message: &RawValue,
    ) -> Result<Option<Delivery>, Error> {
        let from = match speaker {
            None => Sender::Server,
            Some(connection) => {
                if !connection.spark().is_some_and(|spark| spark.is_in(room)) {
                    return Err(self.room_error(RoomError::NotIn, connection, room));
                }
                Sender::Connection(connection.id().to_owned())
            }
        };
        if !self.hub.exists(room) {
            return Err(Error::RoomMissing(room.to_owned()));
        }
        let publication = Publication {
            room: room.to_owned(),
            body: message.get().to_owned(),
            from,
            sent_at: now(),
        };
        let is_heard = speaker.is_some() && self.middleware.has_say_receive();
        if !is_heard && !self.middleware.has_say() {
            return Ok(Some(Delivery::AsIs(publication)));
        }
        // Before the answer: what hooks cannot be told is refused, and not lost behind it.
        let message = read(publication, self.max_values)?;
        let message = match speaker.filter(|_| is_heard) {
            None => message,
            Some(speaker) => match self.middleware.say_receive(speaker, message).await {
                Ok(message) => message,
                Err(Stopped::Dropped) => return Ok(None),
                Err(Stopped::Refused(error)) => return Err(error),
            },
        };
        Ok(Some(Delivery::Heard(message)))
    }

    /// As [`receive`](Self::receive), for a room event. Listeners of the program hear it once it has passed.
    pub(crate) async fn raise(
        &self,
        speaker: Option<&Connection>,
        room: &str,
        event: &str,
        data: Value,
    ) -> Result<Option<Delivery>, Error> {
        if room.is_empty() || event.is_empty() {
            return Err(Error::RoomAndMessageRequired);
        }
        let message = crate::json::to_string(&json!({"event": event, "data": data}));
        let message = RawValue::from_string(message).map_err(|_| Error::Internal)?;
        let delivery = self.receive(speaker, room, &message).await?;
        if delivery.is_some() {
            self.events.raise(&RoomEvent {
                event: event.to_owned(),
                room: room.to_owned(),
                data,
                connection: speaker.cloned(),
            });
        }
        Ok(delivery)
    }

    /// The second half: brings the message to every member.
    pub(crate) async fn deliver(&self, delivery: Option<Delivery>) {
        let message = match delivery {
            None => return,
            Some(Delivery::AsIs(publication)) => return self.publish(&publication),
            Some(Delivery::Heard(message)) => message,
        };
        match self.middleware.has_say() {
            true => self.deliver_to_each(message).await,
            false => self.publish(&said(message)),
        }
    }

    fn publish(&self, publication: &Publication) {
        // A room that was destroyed meanwhile has no members to miss anything.
        let _destroyed = self.hub.publish(publication);
    }

    /// Runs the receivers' hooks first and sends to all in one step, so that a slow hook of one receiver does not
    /// mix up the order of messages.
    async fn deliver_to_each(&self, message: ChatMessage) {
        let members = self.hub.members(&message.room).unwrap_or_default();
        let hooks = members.into_iter().filter_map(|member| {
            let receiver = Connection::of(&member.spark)?;
            let message = &message;
            Some(async move {
                let share = match self.middleware.say(&receiver, message.clone()).await {
                    Ok(own) if own == *message => Share::Whole,
                    Ok(own) => Share::Instead(said(own)),
                    Err(_) => Share::Nothing,
                };
                (member.spark.id(), share)
            })
        });
        let decided = futures_util::future::join_all(hooks).await;
        let decided: HashMap<ConnectionId, Share> = decided.into_iter().collect();
        let _destroyed = self.hub.publish_each(&said(message), |spark| {
            // Who joined while the hooks ran was not a member when the message was said.
            decided.get(&spark.id()).cloned().unwrap_or(Share::Nothing)
        });
    }
}

/// What has been accepted for a room.
#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    /// No hook has to be told.
    AsIs(Publication),
    /// As hooks get it, and have left it.
    Heard(ChatMessage),
}

/// What is said, as hooks are told of it.
fn read(publication: Publication, max_values: usize) -> Result<ChatMessage, Error> {
    let body = &publication.body;
    bounded(body.as_bytes(), "the message", relayed(max_values))?;
    let message = stellar_transports::json::from_str(body)
        .map_err(|error| Error::InvalidPacket(format!("the message cannot be read ({error})")))?;
    Ok(ChatMessage {
        message,
        room: publication.room,
        from: publication.from,
        sent_at: publication.sent_at,
    })
}

fn said(message: ChatMessage) -> Publication {
    Publication {
        body: crate::json::to_string(&message.message),
        room: message.room,
        from: message.from,
        sent_at: message.sent_at,
    }
}
