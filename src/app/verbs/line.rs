//! The line of a connection's requests: each is numbered as it comes, and answered in that order.

use std::borrow::Cow;
use std::future::Future;
use std::task::{Context as TaskContext, Poll, Waker};

use parking_lot::MutexGuard;
use serde_json::json;
use stellar_transports::{AckId, Holding};

use super::{Answer, Turn, Verb};
use crate::app::action::guarded;
use crate::app::connection::Connection;
use crate::app::lane::{Lane, Waiting};
use crate::app::packet::{self, Packet, Received};
use crate::app::reply::{self, Request};
use crate::app::{App, Error};
use crate::engine::{CloseReason, Incoming, IncomingPayload, Limited};

/// How a message was sent, and whether it is one too many.
#[derive(Clone, Copy)]
struct Asked {
    ack: Option<AckId>,
    limited: Option<Limited>,
}

impl App {
    /// Takes one message as it arrives. One that is `limited` is numbered like any other, and no more is done for it.
    pub(in crate::app) fn receive_message(
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

    /// Takes an event as it arrives: a packet whose verb is the event's name, or a call of the action of that name. No action
    /// has the name of a verb.
    fn receive_event(&self, connection: &Connection, name: &str, argument: &str, asked: Asked) {
        let is_action = self.registry().contains(name) && !self.refuses(Verb::Action);
        let packet = match is_action {
            true => packet::of_action(name, argument),
            false => packet::of_event(name, argument),
        };
        match packet {
            Some(text) => self.receive(connection, &text, asked),
            None => self.take(connection, refused(NOT_AN_EVENT), Err(NOT_AN_EVENT), asked),
        }
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
        let answered = std::pin::pin!(async {
            let asked = (number, ack);
            match self
                .answer(connection, received, asked, Turn::Reading)
                .await
            {
                Some(answer) => self.give(connection, answer).await,
                None => self.spawn_lane(connection, waiting()),
            }
        });
        let answered = answered.poll(&mut TaskContext::from_waker(Waker::noop()));
        // A mistake of ours: it was begun, cannot go on, and its client must not wait for ever.
        if let (Poll::Pending, Some(spark)) = (answered, connection.spark()) {
            spark.end(CloseReason::Internal);
            tracing::error!(
                connection = connection.id(),
                "a request waits that never does"
            );
        }
    }

    /// Sends an answer. The speaker's does not wait for what was said to reach the members.
    async fn give(&self, connection: &Connection, answer: Answer) {
        match answer {
            Answer::Response(message) => {
                connection.send(&message);
            }
            Answer::Said(message, delivery, _floor) => {
                connection.send(&message);
                self.chat().deliver(delivery).await;
            }
            Answer::None => {}
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
    pub(in crate::app) async fn work_off(&self, connection: &Connection) {
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
        let asked = (waiting.number, waiting.ack);
        let answered = async {
            let answer = self.answer(connection, received, asked, Turn::Lane).await;
            self.give(connection, answer.unwrap_or(Answer::None)).await;
        };
        // Hooks are guarded where they are called; this keeps a mistake of ours from leaving the lane busy for ever.
        if let (Err(_), Some(spark)) = (guarded(answered).await, connection.spark()) {
            spark.end(CloseReason::Internal);
        }
    }
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
