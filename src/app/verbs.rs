//! The verbs: what a packet asks for, and what it is answered (docs/protocol/packets.md#requests).

use std::borrow::Cow;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::MutexGuard;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use stellar_transports::{AckId, Holding, OverBudget, Reservation};

use super::App;
use super::action::{Call, guarded};
use super::chat::{NO_PAGE, RoomStatus};
use super::connection::{Connection, Details};
use super::error::{Error, ErrorFormat};
use super::files::{FileBody, FileError};
use super::lane::{Lane, Waiting};
use super::packet::{self, EventParams, Packet, Received, as_name, as_text, is_empty_message};
use super::rates::Wish;
use super::reply::{self, Request};
use crate::engine::{CloseReason, Floor, Incoming, IncomingPayload, Limited};
use crate::json::fields_weight;

/// Bytes waiting for a client at which its next file waits too, and how often it looks again.
const FILES_WAIT_AT: usize = 256 * 1024;
const FILES_WAIT: Duration = Duration::from_millis(20);

/// What requests cost, in the terms of [`Rates::costs`](super::Rates::costs).
const FILE_COST: usize = 50;
const ROOM_COST: usize = 10;

/// How a message was sent, and whether it is one too many.
#[derive(Clone, Copy)]
struct Asked {
    ack: Option<AckId>,
    limited: Option<Limited>,
}

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

impl App {
    /// Takes one message as it arrives. One that is `limited` is numbered like any other, and no more is done for it.
    pub(super) fn receive_message(
        &self,
        connection: &Connection,
        message: Incoming<'_>,
        limited: Option<Limited>,
    ) {
        let asked = Asked {
            ack: message.ack,
            limited,
        };
        match (message.payload, message.name) {
            (IncomingPayload::Text(text), None) => self.receive(connection, text, asked),
            (IncomingPayload::Text(argument), Some(name)) => {
                self.receive_event(connection, name, argument, asked);
            }
            (IncomingPayload::Binary(bytes), None) => self.receive_binary(connection, bytes, asked),
            // An event whose argument JSON has no word for.
            (IncomingPayload::Binary(_), Some(_)) => {
                self.take(connection, refused(UNSPEAKABLE), Err(UNSPEAKABLE), asked);
            }
        }
    }

    /// Takes one packet: numbers it, and answers it at once or puts it in line.
    fn receive(&self, connection: &Connection, text: &str, asked: Asked) {
        match Packet::parse(text) {
            Ok(received) => self.take(connection, received, Ok(text), asked),
            Err(detail) => self.alert(connection, detail, asked),
        }
    }

    /// Takes an event as it arrives: a packet whose verb is the event's name.
    fn receive_event(&self, connection: &Connection, name: &str, argument: &str, asked: Asked) {
        match packet::of_event(name, argument) {
            Some(text) => self.receive(connection, &text, asked),
            None => self.take(connection, refused(NOT_AN_EVENT), Err(NOT_AN_EVENT), asked),
        }
    }

    /// Numbers what was received, and answers it at once or puts what was said in line.
    fn take(
        &self,
        connection: &Connection,
        received: Received<'_>,
        said: Result<&str, &'static str>,
        Asked { ack, limited }: Asked,
    ) {
        let number = connection.next_number();
        if let Some(limited) = limited {
            let error = Error::too_many_requests(limited.retry_after);
            let request = Request {
                number,
                message_id: self.id_of(&received).unwrap_or_default(),
                ack,
            };
            connection.send(&request.failed(&error, None, &self.options().errors));
            return;
        }
        let waiting = || Waiting {
            said: said.map(str::to_owned),
            ack,
            number,
        };
        {
            let lane = connection.record().lane.lock();
            if lane.is_busy() {
                put_in_line(connection, lane, waiting());
                return;
            }
        }
        if self.has_to_wait(connection, &received) {
            return self.spawn_lane(connection, waiting());
        }
        let answer = std::pin::pin!(self.answer(connection, received, number, ack));
        let answered = answer.poll(&mut TaskContext::from_waker(Waker::noop()));
        // A mistake of ours: it was begun, cannot go on, and its client must not wait for ever.
        if let (Poll::Pending, Some(spark)) = (answered, connection.spark()) {
            spark.end(CloseReason::Internal);
            tracing::error!(
                connection = connection.id(),
                "a request waits that never does"
            );
        }
    }

    /// Answers what is not JSON. It is not counted: a client that sent something else did not count it either.
    fn alert(&self, connection: &Connection, detail: String, asked: Asked) {
        let error = match asked.limited {
            Some(limited) => Error::too_many_requests(limited.retry_after),
            None => Error::InvalidPacket(detail),
        };
        let error = error.to_value(&self.options().errors);
        let alert = reply::push(json!({"error": error}), "alert");
        connection.send(&alert.answering(asked.ack));
    }

    /// Works off the lane in a task of its own, beginning with `first`. The lane is busy until it is empty.
    fn spawn_lane(&self, connection: &Connection, first: Waiting) {
        let mut lane = connection.record().lane.lock();
        lane.occupy();
        put_in_line(connection, lane, first);
        let (app, connection) = (self.clone(), connection.clone());
        self.tasks()
            .spawn(async move { app.work_off(&connection).await });
    }

    /// Answers what waits in the lane until nothing does.
    pub(super) async fn work_off(&self, connection: &Connection) {
        loop {
            let (next, may_read) = connection.record().lane.lock().next();
            if let (true, Some(spark)) = (may_read, connection.spark()) {
                spark.resume();
            }
            match next {
                Some(waiting) => self.answer_waiting(connection, waiting).await,
                None => return,
            }
        }
    }

    /// Whether the options switch a verb off, under whichever of its names.
    fn refuses(&self, verb: Verb) -> bool {
        let mut refused = self.options().refused_verbs.iter();
        refused.any(|name| Verb::parse(name) == Some(verb))
    }

    async fn answer_waiting(&self, connection: &Connection, waiting: Waiting) {
        let received = match &waiting.said {
            // It was parsed when it was numbered, so it parses now.
            Ok(text) => Packet::parse(text).unwrap_or_else(refused),
            Err(detail) => refused(*detail),
        };
        // A hook that refuses, or a `quit` before this one, has ended it: nothing behind that is done.
        if connection.is_destroyed() || connection.spark().is_some_and(|spark| !spark.is_open()) {
            return;
        }
        // Before anything is made of it: what waits is as small as it came.
        let Some(floor) = self.floor(connection, &received).await else {
            return;
        };
        let answer = self.answer(connection, received, waiting.number, waiting.ack);
        // Hooks are guarded where they are called; this keeps a mistake of ours from leaving the lane busy for ever.
        if let (Err(_), Some(spark)) = (guarded(answer).await, connection.spark()) {
            spark.end(CloseReason::Internal);
        }
        drop(floor);
    }

    /// Waits until who asks may speak, if that is what it asks for. `None` if it is over meanwhile.
    async fn floor(&self, connection: &Connection, received: &Received<'_>) -> Option<Floor> {
        let (Some(room), Some(spark)) = (room_of(received), connection.spark()) else {
            return Some(Floor::default());
        };
        if !spark.is_in(&room) {
            return Some(Floor::default());
        }
        let floor = self.chat().hub().floor(&room, spark).await?;
        // Hooks may take their time, which is not to be the next speaker's.
        Some(match self.middleware().hears() {
            true => Floor::default(),
            false => floor,
        })
    }

    /// Whether answering may have to wait for something. Everything else is answered where it is read.
    fn has_to_wait(&self, connection: &Connection, received: &Received<'_>) -> bool {
        let Received::Packet(packet) = received else {
            return false;
        };
        let middleware = self.middleware();
        match packet
            .event
            .and_then(as_text)
            .as_deref()
            .and_then(Verb::parse)
        {
            Some(Verb::File) => true,
            Some(Verb::RoomAdd) => middleware.has_join(),
            Some(Verb::RoomLeave) => middleware.has_leave(),
            Some(Verb::Say | Verb::Event) => {
                middleware.hears() || self.has_laggard(connection, received)
            }
            Some(Verb::Action | Verb::DetailsView | Verb::RoomView | Verb::Quit) | None => false,
        }
    }

    /// Whether somebody lags in the room that is spoken in.
    fn has_laggard(&self, connection: &Connection, received: &Received<'_>) -> bool {
        let Some(spark) = connection.spark().filter(|spark| spark.may_have_laggards()) else {
            return false;
        };
        room_of(received).is_some_and(|room| self.chat().hub().has_laggard(&room, spark))
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

    /// Answers one packet.
    async fn answer(
        &self,
        connection: &Connection,
        received: Received<'_>,
        number: u64,
        ack: Option<AckId>,
    ) {
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
            connection.send(&request.failed(&error, None, &self.options().errors));
            return;
        }
        let name = match packet.event {
            None => Cow::Borrowed("undefined"),
            Some(event) => as_text(event).unwrap_or_else(|| Cow::Borrowed(event.get())),
        };
        let verb = Verb::parse(&name).filter(|verb| !self.refuses(*verb));
        let errors = &self.options().errors;
        if let Some(verb) = verb
            && let Err(error) = self.afford(connection, verb, &packet)
        {
            connection.send(&match verb {
                Verb::Action | Verb::File => request.object(&failure(&error, errors)),
                Verb::RoomAdd | Verb::RoomLeave => {
                    request.failed(&error, Some(Value::Bool(false)), errors)
                }
                _ => request.failed(&error, None, errors),
            });
            return;
        }
        match verb {
            None => {
                let error = Error::VerbRefused(name.into_owned());
                connection.send(&request.failed(&error, Some(Value::Null), errors));
            }
            Some(Verb::Quit) => connection.destroy(),
            Some(Verb::Action) => self.start_action(connection, packet.params, request),
            Some(Verb::File) => {
                // One large answer at a time. Whoever takes nothing at all meets the write deadline.
                while connection
                    .spark()
                    .is_some_and(|spark| spark.is_open() && spark.outbox_bytes() > FILES_WAIT_AT)
                {
                    tokio::time::sleep(FILES_WAIT).await;
                }
                let response = self.file(packet.file).await;
                connection.send(&request.object(&response));
            }
            Some(Verb::DetailsView) => {
                let view = self.view_details(connection, packet.after);
                connection.send(&match view {
                    Ok(details) => request.ok(Some(details)),
                    Err(error) => request.failed(&error, None, errors),
                });
            }
            Some(Verb::RoomAdd) => {
                let result = match as_name(packet.room) {
                    Some(room) => self.chat().join_connection(connection, &room).await,
                    None => Err(Error::RoomRequired),
                };
                self.answer_join(connection, &request, result);
            }
            Some(Verb::RoomLeave) => {
                let result = match as_name(packet.room) {
                    Some(room) => self.chat().leave_connection(connection, &room).await,
                    None => Err(Error::RoomRequired),
                };
                self.answer_join(connection, &request, result);
            }
            Some(Verb::RoomView) => {
                let status = match as_name(packet.room) {
                    // Membership is checked first, so nobody learns which other rooms exist.
                    Some(room) if connection.spark().is_some_and(|spark| spark.is_in(&room)) => {
                        self.view_room(connection, &room, packet.after)
                    }
                    Some(room) => Err(Error::NotMember {
                        id: connection.id().to_owned(),
                        room: room.into_owned(),
                    }),
                    None => Err(Error::RoomRequired),
                };
                connection.send(&match status {
                    Ok(status) => request.ok(Some(status)),
                    Err(error) => request.failed(&error, None, errors),
                });
            }
            Some(Verb::Say) => self.say(connection, &packet, &request).await,
            Some(Verb::Event) => self.event(connection, packet.params, &request).await,
        }
    }

    /// Takes what a request is known to cost before it is looked into.
    fn afford(
        &self,
        connection: &Connection,
        verb: Verb,
        packet: &Packet<'_>,
    ) -> Result<(), Error> {
        let wish = match verb {
            Verb::Action => Wish::Action,
            Verb::File => Wish::Cost(FILE_COST),
            Verb::RoomAdd | Verb::RoomLeave => Wish::Cost(ROOM_COST),
            Verb::Say => match as_name(packet.room) {
                Some(room) => return connection.afford(Wish::Say { room: &room }, self.options()),
                None => return Ok(()),
            },
            // These cost what they find.
            Verb::DetailsView | Verb::RoomView | Verb::Event => return Ok(()),
            Verb::Quit => return Ok(()),
        };
        connection.afford(wish, self.options())
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

    fn answer_join(&self, connection: &Connection, request: &Request, result: Result<(), Error>) {
        connection.send(&match result {
            Ok(()) => request.ok(Some(true)),
            Err(error) => request.failed(&error, Some(Value::Bool(false)), &self.options().errors),
        });
    }

    async fn say(&self, connection: &Connection, packet: &Packet<'_>, request: &Request) {
        let message = said(packet);
        let delivery = match (as_name(packet.room), &message) {
            (Some(room), Some(message)) if !is_empty_message(message) => {
                match self.bounded(message) {
                    Ok(message) => self.chat().receive(Some(connection), &room, message).await,
                    Err(error) => Err(error),
                }
            }
            _ => Err(Error::RoomAndMessageRequired),
        };
        self.answer_and_deliver(connection, request, delivery).await;
    }

    async fn event(&self, connection: &Connection, params: Option<&RawValue>, request: &Request) {
        let params = event_params(params);
        let room = as_name(params.room);
        if let Some(room) = &room
            && let Err(error) = connection.afford(Wish::Say { room }, self.options())
        {
            connection.send(&request.failed(&error, None, &self.options().errors));
            return;
        }
        let data = match params.data {
            None => Ok(Value::Null),
            Some(data) => self.bounded(data).and_then(|data| {
                let bounds = packet::relayed(self.options().max_values);
                packet::bounded(data.get().as_bytes(), "data", bounds)?;
                stellar_transports::json::from_str(data.get()).map_err(|error| {
                    Error::InvalidPacket(format!("the data cannot be read ({error})"))
                })
            }),
        };
        let delivery = match (room, as_name(params.event), data) {
            (Some(room), Some(event), Ok(data)) => {
                self.chat()
                    .raise(Some(connection), &room, &event, data)
                    .await
            }
            (_, _, Err(error)) => Err(error),
            _ => Err(Error::RoomAndMessageRequired),
        };
        self.answer_and_deliver(connection, request, delivery).await;
    }

    /// The speaker's answer does not wait for this message to reach the members.
    async fn answer_and_deliver(
        &self,
        connection: &Connection,
        request: &Request,
        delivery: Result<Option<super::chat::Delivery>, Error>,
    ) {
        match delivery {
            Ok(delivery) => {
                connection.send(&request.ok(None::<()>));
                self.chat().deliver(delivery).await;
            }
            Err(error) => {
                connection.send(&request.failed(&error, None, &self.options().errors));
            }
        }
    }

    async fn read_file(&self, name: &str) -> Result<FileBody, FileError> {
        let found = self.files().find(name).await?;
        self.files().read(found, self.options().max_file).await
    }

    async fn file(&self, name: Option<&RawValue>) -> Map<String, Value> {
        let name = name.and_then(as_text).filter(|name| !name.is_empty());
        let body = match name {
            Some(name) => self.read_file(&name).await,
            None => Err(FileError::Missing),
        };
        let body = body.map_err(|error| match error {
            FileError::Missing => Error::FileMissing,
            other => Error::FileUnreadable(other.to_string()),
        });
        let value = match body {
            Ok(body) => {
                let mut response = json!({
                    "error": null,
                    "content": body.content,
                    "mime": body.mime,
                    "length": body.length,
                });
                if let Some(encoding) = body.encoding {
                    response["encoding"] = encoding.into();
                }
                if let Some(last_modified) = body.last_modified {
                    response["lastModified"] = last_modified.into();
                }
                response
            }
            Err(error) => {
                let errors = &self.options().errors;
                json!({
                    "error": error.to_value(errors),
                    "content": null,
                    "mime": "text/html",
                    "length": error.message(errors).len(),
                })
            }
        };
        match value {
            Value::Object(response) => response,
            _ => Map::new(),
        }
    }

    /// Starts an action. It runs right here as far as it gets without waiting; a task is made only for the rest.
    fn start_action(&self, connection: &Connection, params: Option<&RawValue>, request: Request) {
        // Without params there is no name either: unknown action.
        let read = match params.filter(|params| params.get().starts_with('{')) {
            None => Ok(Map::new()),
            Some(params) => self.bounded(params).and_then(|params| {
                packet::bounded(params.get().as_bytes(), "params", self.options().bounds())?;
                stellar_transports::json::from_str(params.get()).map_err(|error| {
                    Error::InvalidPacket(format!("the params cannot be read ({error})"))
                })
            }),
        };
        let read = read.and_then(|params| {
            let memory = reserve(connection, Holding::Params, PARAMS * fields_weight(&params))?;
            Ok((params, memory))
        });
        let (params, memory) = match read {
            Ok(read) => read,
            Err(error) => {
                connection.send(&request.object(&failure(&error, &self.options().errors)));
                return;
            }
        };
        let call = Call {
            connection: connection.clone(),
            params,
            uploads: Vec::new(),
            number: request.number,
            memory,
        };
        let (app, connection) = (self.clone(), connection.clone());
        let mut running: BoxFuture<'static, ()> = Box::pin(async move {
            let outcome = call.run(&app).await;
            if outcome.is_silent {
                return;
            }
            let mut response = outcome.response;
            if let Some(error) = outcome.error {
                response.insert("error".into(), error.to_value(&app.options().errors));
            }
            connection.send(&request.object(&response));
        });
        // The first poll is ours; whatever it waits for is asked again by the task's own first poll.
        let mut nobody = TaskContext::from_waker(Waker::noop());
        if running.as_mut().poll(&mut nobody).is_pending() {
            self.tasks().spawn(running);
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

    /// What arrived is no text at all.
    fn receive_binary(&self, connection: &Connection, bytes: &[u8], asked: Asked) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.receive(connection, text, asked),
            Err(_) => {
                if let Some(spark) = connection.spark() {
                    spark.end(CloseReason::UnsupportedData);
                }
            }
        }
    }
}

/// How often an action's params are there: as values, and as what the action makes of them.
pub(crate) const PARAMS: usize = 2;

/// How long a client is asked to wait for memory.
pub(crate) const MEMORY_RETRY: Duration = Duration::from_secs(1);

/// Takes memory for a client's request.
fn reserve(
    connection: &Connection,
    holding: Holding,
    bytes: usize,
) -> Result<Option<Reservation>, Error> {
    let Some(spark) = connection.spark() else {
        return Ok(None);
    };
    spark
        .reserve(holding, bytes)
        .map_err(|OverBudget| Error::too_many_requests(MEMORY_RETRY))
}

/// The answer of an action or a file that came to nothing.
fn failure(error: &Error, format: &ErrorFormat) -> Map<String, Value> {
    Map::from_iter([("error".to_owned(), error.to_value(format))])
}

const NOT_AN_EVENT: &str = "an event has one argument, which is an object";
const UNSPEAKABLE: &str = "its argument says what JSON has no word for";

fn refused<'a>(detail: impl Into<Cow<'static, str>>) -> Received<'a> {
    Received::Refused {
        detail: detail.into(),
        message_id: None,
    }
}

/// Puts a request in line, and stops reading where the line is long. A connection for which there is no memory left ends.
fn put_in_line(connection: &Connection, mut lane: MutexGuard<'_, Lane>, waiting: Waiting) {
    let is_full = lane.push(waiting);
    let Some(spark) = connection.spark() else {
        return;
    };
    let covered = lane.cover(|bytes| spark.reserve(Holding::Queue, bytes));
    if covered.is_err() {
        lane.clear();
        drop(lane);
        spark.end(CloseReason::Overloaded);
    } else if is_full {
        spark.pause();
    }
}

fn event_params(params: Option<&RawValue>) -> EventParams<'_> {
    let params = params.and_then(|params| serde_json::from_str(params.get()).ok());
    params.unwrap_or_default()
}

/// The room that somebody wants to speak in.
fn room_of<'a>(received: &Received<'a>) -> Option<Cow<'a, str>> {
    let Received::Packet(packet) = received else {
        return None;
    };
    let verb = Verb::parse(&as_text(packet.event?)?)?;
    as_name(match verb {
        Verb::Say => packet.room,
        Verb::Event => event_params(packet.params).room,
        _ => None,
    })
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
