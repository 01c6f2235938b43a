//! The way of messages through one connection: transforms, plugins, inbox, and back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use stellar_transports::Payload;

use super::{HIGH_WATER, Spark, Written};
use crate::engine::{CloseReason, IncomingPayload, Message};
use crate::primus::inbox::Inbox;
use crate::primus::lane::Lane;
use crate::primus::transform::{Step, advance, finish};
use crate::primus::{Direction, End, Packet, SparkError, Transform, Value, WriteError, check};

/// How long transforms may hold up an end.
const END_TIMEOUT: Duration = Duration::from_secs(5);

impl Spark {
    pub(super) fn write_value(&self, data: Value) -> Result<Written, WriteError> {
        check(&data)?;
        if !self.is_open() {
            return Err(WriteError::Closed);
        }
        let packet = Packet::new(data, None);
        if self.transforms(Direction::Outgoing, &packet).is_none() {
            let payload = self.record.shared.parser.encode(&packet.data)?;
            let lane = self.lane(Direction::Outgoing).lock();
            // Under the lock, so that nobody takes the lane meanwhile. Whoever writes hears what became of it, however
            // many write at once.
            if !lane.is_busy() {
                return self.send_payload(payload);
            }
        }
        let Some(packet) = self.enter(packet)? else {
            return Ok(Written::Transforming);
        };
        let Some(transforms) = self.transforms(Direction::Outgoing, &packet) else {
            let written = self.send(&packet.data);
            self.go_on(Direction::Outgoing);
            return written;
        };
        let written = match advance(&transforms, 0, self.own(packet)) {
            Step::Through(packet) => self.send(&packet.data),
            Step::Dropped => Ok(Written::Dropped),
            Step::Failed(error) => Err(WriteError::Transform(error.to_string())),
            waits @ Step::Waits(..) => {
                let spark = self.clone();
                self.spawn(async move {
                    let step = finish(&transforms, waits).await;
                    spark.outgoing_done(step);
                    spark.go_on(Direction::Outgoing);
                });
                return Ok(Written::Transforming);
            }
        };
        self.go_on(Direction::Outgoing);
        written
    }

    /// Takes the outgoing lane, or leaves the packet in it.
    fn enter(&self, packet: Packet) -> Result<Option<Packet>, WriteError> {
        let mut lane = self.lane(Direction::Outgoing).lock();
        if lane.is_ending() {
            return Err(WriteError::Closed);
        }
        if lane.has_over(self.record.shared.limits.max_outbox) {
            return Err(WriteError::Busy);
        }
        Ok(lane.enter(packet))
    }

    /// Ends the connection behind what was written before.
    pub(super) fn end_behind(&self, end: End) {
        let deadline = end.clone();
        let due = self.lane(Direction::Outgoing).lock().end(end);
        match due {
            Some(end) => self.end_now(&end),
            None => {
                let spark = self.clone();
                self.spawn(async move {
                    tokio::time::sleep(END_TIMEOUT).await;
                    spark.end_now(&deadline);
                });
            }
        }
    }

    /// Lets in what the client has sent while the application was not ready. Once.
    pub(in crate::primus) fn open_gate(&self) {
        if !self.record.is_let_in.swap(true, Ordering::AcqRel) {
            self.go_on(Direction::Incoming);
        }
    }

    /// Waits until everything that the client has sent has gone its way.
    pub(in crate::primus) async fn drained(&self) {
        std::future::poll_fn(|cx| {
            let mut lane = self.lane(Direction::Incoming).lock();
            lane.poll_free(cx.waker())
        })
        .await;
    }

    /// Whether nothing that the client has sent is on its way.
    pub(in crate::primus) fn is_drained(&self) -> bool {
        !self.lane(Direction::Incoming).lock().is_busy()
    }

    fn outgoing_done(&self, step: Step) {
        let written = match step {
            Step::Through(packet) => self.send(&packet.data).map(|_| ()),
            Step::Dropped | Step::Waits(..) => Ok(()),
            Step::Failed(error) => {
                let error = SparkError::Transform(Direction::Outgoing, error);
                return self.guard(|| self.fail(&error));
            }
        };
        // Nobody waits for the outcome any more.
        match written {
            Ok(()) | Err(WriteError::Closed) => {}
            Err(error) => self.guard(|| self.fail(&SparkError::Write(error))),
        }
    }

    /// Encodes and sends, past the transforms.
    fn send(&self, data: &Value) -> Result<Written, WriteError> {
        check(data)?;
        let payload = self.record.shared.parser.encode(data)?;
        self.send_payload(payload)
    }

    /// A message to all, for a connection that has transforms of its own. Those of the server have been applied.
    pub(in crate::primus) fn send_through_own(&self, data: Value) {
        let mut packet = Packet::new(data, None);
        packet.is_transformed = true;
        match self.enter(packet) {
            Ok(Some(packet)) => {
                if self.send_on(packet) {
                    self.go_on(Direction::Outgoing);
                }
            }
            Ok(None) | Err(WriteError::Closed) => {}
            // Whoever wrote to all cannot be told of one.
            Err(error) => self.guard(|| self.fail(&SparkError::Write(error))),
        }
    }

    fn send_payload(&self, payload: Payload) -> Result<Written, WriteError> {
        self.engine.send(&message(payload))?;
        let waiting = self.engine.outbox_bytes();
        Ok(if waiting > HIGH_WATER {
            Written::Full { waiting }
        } else {
            Written::Flowing
        })
    }

    pub(in crate::primus) fn hold(&self) {
        let mut holds = self.record.holds.lock();
        *holds += 1;
        if *holds == 1 {
            self.engine.pause();
        }
    }

    pub(in crate::primus) fn release(&self) {
        let mut holds = self.record.holds.lock();
        match *holds {
            0 => {}
            1 => {
                *holds = 0;
                self.engine.resume();
            }
            _ => *holds -= 1,
        }
    }

    pub(in crate::primus) fn inbox(&self) -> &Inbox {
        &self.record.inbox
    }

    fn lane(&self, direction: Direction) -> &Mutex<Lane> {
        &self.record.lanes[index(direction)]
    }

    /// Whether a message to all has to go through transforms of this connection's own, or behind one that does.
    pub(in crate::primus) fn has_own_way_out(&self) -> bool {
        let at = index(Direction::Outgoing);
        self.record.transforms[at].all().is_some() || self.record.lanes[at].lock().is_busy()
    }

    /// The server's transforms and this connection's, in this order. `None` if there are none.
    fn transforms(&self, direction: Direction, packet: &Packet) -> Option<Arc<[Transform]>> {
        let at = index(direction);
        let server = match packet.is_transformed {
            true => None,
            false => self.record.shared.transforms[at].all(),
        };
        let own = self.record.transforms[at].all();
        match (server, own) {
            (Some(server), Some(own)) => Some(server.iter().chain(&*own).cloned().collect()),
            (server, own) => server.or(own),
        }
    }

    /// Takes one message from the wire.
    pub(in crate::primus) fn receive(&self, message: IncomingPayload<'_>) {
        let shared = &self.record.shared;
        let data = match shared.parser.decode(message) {
            Ok(data) => data,
            Err(error) => return self.guard(|| self.fail(&SparkError::Parser(error))),
        };
        let raw = match message {
            IncomingPayload::Text(text) => Payload::Text(text.into()),
            IncomingPayload::Binary(bytes) => Payload::Binary(Bytes::copy_from_slice(bytes)),
        };
        let packet = {
            let mut lane = self.lane(Direction::Incoming).lock();
            let entered = lane.enter(Packet::new(data, Some(raw)));
            lane.regulate(self);
            entered
        };
        if let Some(packet) = packet
            && self.work_on(packet)
        {
            self.go_on(Direction::Incoming);
        }
    }

    /// Takes a packet from the client as far as that goes without waiting. Whether it is done with; if not, a task goes
    /// on with it, and with those behind it.
    fn work_on(&self, packet: Packet) -> bool {
        let packet = self.own(packet);
        let Some(transforms) = self.transforms(Direction::Incoming, &packet) else {
            self.incoming_done(Step::Through(packet));
            return true;
        };
        match advance(&transforms, 0, packet) {
            waits @ Step::Waits(..) => {
                let spark = self.clone();
                self.spawn(async move {
                    let step = finish(&transforms, waits).await;
                    spark.incoming_done(step);
                    spark.go_on(Direction::Incoming);
                });
                false
            }
            step => {
                self.incoming_done(step);
                true
            }
        }
    }

    fn incoming_done(&self, step: Step) {
        self.guard(|| match step {
            Step::Through(packet) => self.deliver(packet),
            Step::Dropped | Step::Waits(..) => {}
            Step::Failed(error) => self.fail(&SparkError::Transform(Direction::Incoming, error)),
        });
    }

    /// Calls the application. If it panics, that costs this connection, but must not leave its lane taken: nothing would
    /// tell the client.
    pub(in crate::primus) fn guard(&self, call: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(call)).is_err() {
            self.engine.end(CloseReason::Internal);
            tracing::error!(spark = %self.id(), "a listener or plugin panicked; its connection is closed");
        }
    }

    /// Hands a packet to the plugins, then to the application.
    fn deliver(&self, packet: Packet) {
        let mut packet = Some(packet);
        for plugin in &*self.record.shared.plugins {
            let Some(current) = packet else {
                return;
            };
            packet = plugin.received(self, current);
        }
        if let Some(mut packet) = packet {
            // A packet that waits must not hold its connection.
            packet.spark = None;
            self.record.inbox.deliver(self, packet);
        }
    }

    /// Lets the packets that wait in a lane go on. Called by whoever has the lane, when it is done.
    pub(in crate::primus) fn go_on(&self, direction: Direction) {
        loop {
            let (next, end, is_over) = {
                let mut lane = self.lane(direction).lock();
                let next = lane.next();
                if direction == Direction::Incoming {
                    lane.regulate(self);
                }
                let end = match &next {
                    Some(_) => None,
                    None => lane.take_end(),
                };
                (next, end, lane.is_over)
            };
            let Some(packet) = next else {
                if let Some(end) = end {
                    self.end_now(&end);
                }
                if is_over {
                    self.let_go();
                }
                return;
            };
            let is_done = match direction {
                Direction::Incoming => self.work_on(packet),
                Direction::Outgoing => self.send_on(packet),
            };
            if !is_done {
                return;
            }
        }
    }

    /// As [`work_on`](Self::work_on), for a packet to the client that had to wait.
    fn send_on(&self, packet: Packet) -> bool {
        let Some(transforms) = self.transforms(Direction::Outgoing, &packet) else {
            self.outgoing_done(Step::Through(packet));
            return true;
        };
        match advance(&transforms, 0, self.own(packet)) {
            waits @ Step::Waits(..) => {
                let spark = self.clone();
                self.spawn(async move {
                    let step = finish(&transforms, waits).await;
                    spark.outgoing_done(step);
                    spark.go_on(Direction::Outgoing);
                });
                false
            }
            step => {
                self.outgoing_done(step);
                true
            }
        }
    }

    fn own(&self, mut packet: Packet) -> Packet {
        packet.spark = Some(self.clone());
        packet
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.record.shared.spawn(task);
    }

    /// Tells the owner of an error: the connection's listener, the server's, or the log.
    pub(in crate::primus) fn fail(&self, error: &SparkError) {
        let listener = self.record.listeners.lock().error.clone();
        match (listener, &self.record.shared.on_error) {
            (Some(listener), _) => listener(error),
            (None, Some(listener)) => listener(self, error),
            (None, None) => {
                // Not once for each: a client can make as many as it likes.
                let count = self.record.unheard.fetch_add(1, Ordering::Relaxed) + 1;
                if count.is_power_of_two() {
                    tracing::warn!(spark = %self.id(), %error, count, "an error nobody listens for");
                }
            }
        }
    }

    pub(in crate::primus) fn beat(&self) {
        let listener = {
            let mut listeners = self.record.listeners.lock();
            listeners.last_heartbeat = Some(Instant::now());
            listeners.heartbeat.clone()
        };
        if let Some(listener) = listener {
            self.guard(|| listener());
        }
    }

    /// The connection is over: tells those who listen, and lets go of them, because they may hold the spark.
    pub(in crate::primus) fn closed(&self, reason: &CloseReason) {
        let ended = {
            let mut listeners = self.record.listeners.lock();
            listeners.ended = Some(reason.clone());
            listeners.error = None;
            listeners.heartbeat = None;
            std::mem::take(&mut listeners.end)
        };
        for listener in ended {
            self.guard(|| listener(reason));
        }
        self.lane(Direction::Incoming).lock().is_over = true;
        self.record.transforms[index(Direction::Outgoing)].clear();
        self.let_go();
    }

    /// Adds a transform, unless nothing goes this way any more: it would be kept, and with it what it holds.
    pub(super) fn add_transform(&self, direction: Direction, transform: Transform) {
        let lane = self.lane(Direction::Incoming).lock();
        let goes_on = direction == Direction::Incoming && lane.is_busy();
        if !lane.is_over || goes_on {
            self.record.transforms[index(direction)].add(transform);
        }
    }

    /// Nobody has any more to do with the connection: lets go of what may hold it.
    pub(in crate::primus) fn forget(&self) {
        self.lane(Direction::Incoming).lock().is_forgotten = true;
        self.let_go();
    }

    /// The connection is over, and the way in ends once everything that came before has gone it.
    fn let_go(&self) {
        let is_forgotten = {
            let lane = self.lane(Direction::Incoming).lock();
            if lane.is_busy() {
                return;
            }
            lane.is_forgotten
        };
        self.record.inbox.close();
        self.record.transforms[index(Direction::Incoming)].clear();
        if is_forgotten {
            // Dropped behind the lock: what is dropped may ask for it.
            let kept = std::mem::take(&mut *self.record.extensions.write());
            drop(kept);
        }
    }

    /// The application does not want the connection: drops what its client has sent, and sends.
    pub(in crate::primus) fn reject(&self) {
        let mut lane = self.lane(Direction::Incoming).lock();
        lane.reject();
        lane.regulate(self);
        drop(lane);
        self.record.inbox.close();
        self.open_gate();
    }
}

pub(super) const fn index(direction: Direction) -> usize {
    match direction {
        Direction::Incoming => 0,
        Direction::Outgoing => 1,
    }
}

pub(in crate::primus) fn message(payload: Payload) -> Message {
    match payload {
        Payload::Text(text) => Message::text(text),
        Payload::Binary(bytes) => Message::binary(bytes),
    }
}
