//! One live peer, as everything above the transports sees it.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use crate::half::Half;
use crate::heartbeat::{Beat, Heartbeat};
use crate::outbox::{Life, Outbox};
use crate::sweep::Place;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard};
use crate::turn;
use crate::{
    Address, Admitted, CloseReason, Context, Dialect, Event, Holding, Incoming, Message, Socket,
};

mod deadlines;
mod lag;

/// Past this many waiting bytes a flush is tried at once instead of at the end of the turn, so that one long turn
/// does not make a healthy peer look slow.
const FLUSH_EARLY: usize = 64 * 1024;

/// In place of a time: not read now.
const PAUSED: u64 = u64::MAX;

/// Room for what is said at the end, in bytes over the limit of the outbox.
const FAREWELL: usize = 4096;

/// The public name of a connection: a random UUID v4. It authorizes nothing, so others may see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Uuid);

impl ConnectionId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        // Only the one form that is ever shown, so that two texts never mean the same connection.
        let uuid = Uuid::try_parse(text).ok()?;
        (text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase())).then_some(Self(uuid))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closed or closing.
    #[error("the connection is closed")]
    Closed,
    /// The outbox is full; the connection is being closed for it.
    #[error("the connection does not keep up and is being closed")]
    SlowConsumer,
    /// There is no memory left for what waits for the peer; the connection is being closed for it.
    #[error("the server has no memory left for the connection, which is being closed")]
    Overloaded,
}

/// What a transport has to do for a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Write these bytes.
    Frame(Bytes),
    /// Report the end to the bus, and close.
    Close(CloseReason),
}

/// A socket that the connection's frames are written to, and how they look there. Set once: from the start, or when
/// a connection without a socket moves to one.
struct Link {
    socket: Arc<Socket>,
    dialect: &'static dyn Dialect,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    /// As for messages.
    Send(SendError),
    /// The connection has changed its dialect since the frame was encoded.
    Outdated,
}

/// A handle on one connection, shared by its transport and the engine.
///
/// Sending never waits: a message goes into the outbox, which is bounded in bytes, and from there to the socket at
/// the end of the current [`Turn`](crate::Turn) or by the connection's own task.
pub struct Connection {
    id: ConnectionId,
    name: OnceLock<Box<str>>,
    transport: &'static str,
    /// The dialect until there is a link.
    dialect: &'static dyn Dialect,
    link: OnceLock<Link>,
    /// Comes before both, where the peer was to speak first. Told whether there is a link.
    settled: OnceLock<fn(bool) -> &'static dyn Dialect>,
    outbox: Mutex<Outbox>,
    /// Whose share of the memory budget is used.
    address: AtomicU64,
    heartbeat: Heartbeat,
    /// When the message that is coming in began, in ms of the sweep's clock plus one; 0 between messages.
    partial_since: AtomicU64,
    /// What of it has come, if that is more than a little. In a box, because hardly any connection has one.
    half: Mutex<Option<Box<Half>>>,
    watched: AtomicBool,
    /// [`PAUSED`], or when it was resumed last, in ms of the sweep's clock plus one; 0 if it never was.
    paused: AtomicU64,
    /// When the last message came, in ns of the sweep's clock.
    received_at: AtomicU64,
    attachment: OnceLock<Box<dyn Any + Send + Sync>>,
    place: Place,
    context: Arc<Context>,
}

impl Connection {
    /// A connection whose transport takes the frames out itself, with [`poll_outgoing`](Self::poll_outgoing).
    /// It is not known to the engine before [`report_opened`](Self::report_opened).
    pub fn new(
        context: &Arc<Context>,
        transport: &'static str,
        dialect: &'static dyn Dialect,
    ) -> Arc<Self> {
        Self::build(context, transport, dialect, OnceLock::new())
    }

    /// A connection that writes to `socket`.
    pub fn with_socket(
        context: &Arc<Context>,
        transport: &'static str,
        dialect: &'static dyn Dialect,
        socket: Arc<Socket>,
    ) -> Arc<Self> {
        let link = OnceLock::from(Link { socket, dialect });
        Self::build(context, transport, dialect, link)
    }

    fn build(
        context: &Arc<Context>,
        transport: &'static str,
        dialect: &'static dyn Dialect,
        link: OnceLock<Link>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            id: ConnectionId::random(),
            name: OnceLock::new(),
            transport,
            dialect,
            link,
            settled: OnceLock::new(),
            outbox: Mutex::default(),
            address: AtomicU64::new(Address::NOBODY.to_bits()),
            heartbeat: Heartbeat::default(),
            partial_since: AtomicU64::new(0),
            half: Mutex::default(),
            watched: AtomicBool::new(false),
            paused: AtomicU64::new(0),
            received_at: AtomicU64::new(0),
            attachment: OnceLock::new(),
            place: context.sweep.add(itself.clone()),
            context: Arc::clone(context),
        })
    }

    /// The public id.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// What peers are told as the id: the one that was chosen for it in the [`Handshake`](crate::Handshake), or [`id`](Self::id).
    pub fn public_id(&self) -> Cow<'_, str> {
        match self.name.get() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.id.to_string()),
        }
    }

    /// The name of the transport.
    pub const fn transport(&self) -> &'static str {
        self.transport
    }

    /// The peer's message language. It changes at most once: when the connection moves to a socket.
    pub fn dialect(&self) -> &'static dyn Dialect {
        let link = self.link.get();
        match self.settled.get() {
            Some(settled) => settled(link.is_some()),
            None => link.map_or(self.dialect, |link| link.dialect),
        }
    }

    /// Replaces the dialects before and after the move to a socket, for a peer that shows what it speaks only once it
    /// has spoken. To be called before the connection is reported open, and once.
    #[cfg(feature = "socketio")]
    pub(crate) fn settle(&self, dialects: fn(bool) -> &'static dyn Dialect) {
        let _was_settled = self.settled.set(dialects);
    }

    /// Whether the connection writes to a socket of its own.
    pub fn is_linked(&self) -> bool {
        self.link.get().is_some()
    }

    fn socket(&self) -> Option<&Arc<Socket>> {
        self.link.get().map(|link| &link.socket)
    }

    /// Moves a connection that had no socket to one. What waits is written in the new dialect by `translate`, and stays
    /// in front of what is sent from now on. A connection that has a socket keeps it.
    pub fn move_to(
        &self,
        socket: Arc<Socket>,
        dialect: &'static dyn Dialect,
        translate: impl Fn(Bytes) -> Bytes,
    ) {
        // Whoever pushes a frame checks the link under this lock, so none gets in between.
        let mut outbox = self.outbox.lock();
        if self.link.set(Link { socket, dialect }).is_ok() {
            outbox.translate(translate);
        }
    }

    /// Says where the peer is, for a connection that is used before it is reported open.
    pub(crate) fn set_address(&self, address: Address) {
        self.address.store(address.to_bits(), Ordering::Relaxed);
    }

    /// Whose share of the memory budget this connection uses.
    pub fn address(&self) -> Address {
        Address::from_bits(self.address.load(Ordering::Relaxed))
    }

    /// What all transports share.
    pub const fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Tells the engine that the connection is open, counts it, and gives it the id that was chosen for it. Once, before
    /// all other reports.
    pub fn report_opened(self: &Arc<Self>, admitted: Admitted) {
        let mut handshake = admitted.into_handshake();
        self.set_address(Address::of(handshake.peer.ip));
        if let Some(name) = handshake.id.take() {
            let _first = self.name.set(name.into_boxed_str());
        }
        let label = [("transport", self.transport)];
        self.context.metrics.connections.get_or_create(&label).inc();
        self.context.bus.dispatch(self, Event::Opened(handshake));
    }

    /// Tells the bus what the peer sent.
    pub fn report_received(self: &Arc<Self>, message: Incoming<'_>) {
        self.context.metrics.received.inc();
        // The one look at the clock per message: rates and turns go by it.
        let now = u64::try_from(self.context.sweep.time().as_nanos()).unwrap_or(u64::MAX);
        self.received_at.store(now, Ordering::Relaxed);
        self.context.bus.dispatch(self, Event::Received(message));
    }

    /// When the last message was reported, on the server's own clock, which does not go backwards. Zero before the first.
    pub fn received_at(&self) -> Duration {
        Duration::from_nanos(self.received_at.load(Ordering::Relaxed))
    }

    /// Tells the bus that the peer has answered a ping, or pinged.
    pub fn report_heartbeat(self: &Arc<Self>) {
        self.context.bus.dispatch(self, Event::Heartbeat);
    }

    /// Tells the bus that the connection is over, and counts it. Once, after all other events.
    pub fn report_closed(self: &Arc<Self>, reason: CloseReason) {
        let metrics = &self.context.metrics;
        let label = [("transport", self.transport)];
        metrics.connections.get_or_create(&label).dec();
        let label = [("reason", reason.label())];
        metrics.closed.get_or_create(&label).inc();
        let label = reason.label();
        self.context.bus.dispatch(self, Event::Closed(reason));
        tracing::debug!(conn = %self.id, reason = label, "connection closed");
    }

    /// Attaches the engine's own state. The first call wins and returns true.
    pub fn attach(&self, state: Box<dyn Any + Send + Sync>) -> bool {
        self.attachment.set(state).is_ok()
    }

    /// What was attached, if it is a `T`.
    pub fn attachment<T: Any>(&self) -> Option<&T> {
        self.attachment.get()?.downcast_ref()
    }

    /// Sends one message to this peer.
    ///
    /// # Errors
    ///
    /// When the connection is over, or ends because its outbox would exceed the limit. The message is then gone.
    pub fn send(self: &Arc<Self>, message: &Message) -> Result<(), SendError> {
        loop {
            self.context.metrics.encoded.inc();
            let is_linked = self.is_linked();
            match self.push(self.dialect().encode(message), false, is_linked) {
                Ok(()) => break,
                Err(PushError::Send(error)) => return Err(error),
                Err(PushError::Outdated) => {}
            }
        }
        self.context.metrics.sent.inc();
        Ok(())
    }

    /// Sends bytes that this connection's dialect has encoded, as it was when [`is_linked`](Self::is_linked) was asked.
    /// With `is_shared`, others may have the same bytes, and who made them has counted them.
    pub(crate) fn push(
        self: &Arc<Self>,
        frame: Bytes,
        is_shared: bool,
        is_linked: bool,
    ) -> Result<(), PushError> {
        let mut outbox = self.outbox.lock();
        if self.is_linked() != is_linked {
            return Err(PushError::Outdated);
        }
        if !matches!(outbox.life(), Life::Open) {
            return Err(PushError::Send(SendError::Closed));
        }
        let limit = self.context.limits.max_outbox;
        if !outbox.has_room(frame.len(), limit) {
            // The bytes may be here only because the turn is long, or the task was not run yet.
            self.write_out(&mut outbox);
        }
        if !outbox.has_room(frame.len(), limit) {
            outbox.set_life(Life::Closing(CloseReason::SlowConsumer));
            return Err(self.wake(outbox, PushError::Send(SendError::SlowConsumer)));
        }
        if !self.put(&mut outbox, frame, is_shared) {
            return Err(self.wake(outbox, PushError::Send(SendError::Overloaded)));
        }
        if outbox.held() > self.context.limits.lag {
            self.begin_lag(&mut outbox);
        }
        self.schedule(outbox);
        Ok(())
    }

    /// Puts a frame into the outbox. Returns false if there is no memory left for it, and this is the end then.
    #[inline(always)]
    fn put(self: &Arc<Self>, outbox: &mut Outbox, frame: Bytes, is_shared: bool) -> bool {
        if outbox.is_empty() && !self.is_linked() {
            // It has to be fetched in time.
            self.watch();
        }
        outbox.push(frame, is_shared);
        !outbox.lacks_memory() || self.take_memory(outbox)
    }

    #[cold]
    fn take_memory(&self, outbox: &mut Outbox) -> bool {
        let budget = &self.context.budget;
        let taken = outbox.take_memory(|| budget.nothing(Holding::Outbox, self.address()));
        if taken.is_err() {
            outbox.discard();
            if matches!(outbox.life(), Life::Open) {
                outbox.set_life(Life::Closing(CloseReason::Overloaded));
            }
        }
        taken.is_ok()
    }

    /// Bytes that are held for this connection.
    pub(crate) fn held(&self) -> usize {
        let half = self.half.lock().as_ref().map_or(0, |half| half.bytes());
        half + self.outbox.lock().held()
    }

    /// Ends the connection because it holds the most when nothing is left for others. What waits for the peer is gone at
    /// once. Returns how many bytes go when the connection's task comes to it: those of a message that is half received.
    pub(crate) fn let_go(&self) -> usize {
        let half = self.half.lock().as_ref().map_or(0, |half| half.bytes());
        let mut outbox = self.outbox.lock();
        outbox.discard();
        if matches!(outbox.life(), Life::Open) {
            self.context.budget.count_let_go();
            outbox.set_life(Life::Closing(CloseReason::Overloaded));
        }
        self.wake(outbox, half)
    }

    /// Puts bytes of the transport's own (a pong, a close frame) into the ordered output, also while closing.
    pub fn send_control(self: &Arc<Self>, frame: Bytes) {
        self.send_control_with(|_| frame);
    }

    /// As [`send_control`](Self::send_control), for a frame that looks different once the connection
    /// [is linked](Self::is_linked), which `encode` is told.
    pub fn send_control_with(self: &Arc<Self>, encode: impl FnOnce(bool) -> Bytes) {
        let mut outbox = self.outbox.lock();
        let frame = encode(self.is_linked());
        let limit = self.context.limits.max_outbox;
        // After the end only the farewell comes this way: a few frames, for which there is always room.
        let limit = match outbox.life() {
            Life::Closed => limit.saturating_add(FAREWELL),
            Life::Open | Life::Closing(_) => limit,
        };
        if outbox.has_room(frame.len(), limit) {
            match self.put(&mut outbox, frame, false) {
                true => self.schedule(outbox),
                false => self.wake(outbox, ()),
            }
        } else if matches!(outbox.life(), Life::Open) {
            outbox.set_life(Life::Closing(CloseReason::SlowConsumer));
            self.wake(outbox, ());
        }
    }

    /// Sends one of Primus's control strings, to peers that know them.
    pub fn send_primus(self: &Arc<Self>, text: &str) {
        loop {
            let is_linked = self.is_linked();
            let controls = &*self.context.controls;
            let Some(frame) = self.dialect().control(text, controls) else {
                return;
            };
            if self.push(frame, false, is_linked) != Err(PushError::Outdated) {
                return;
            }
        }
    }

    /// Waits until at most `bytes` wait for the peer, or the connection is over.
    pub fn poll_outbox(&self, bytes: usize, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut outbox = self.outbox.lock();
        if outbox.bytes() <= bytes || !matches!(outbox.life(), Life::Open) {
            return Poll::Ready(());
        }
        outbox.wait_for_room(cx.waker());
        Poll::Pending
    }

    /// Ends the connection. The first reason stands; later calls do nothing.
    pub fn close(&self, reason: CloseReason) {
        let mut outbox = self.outbox.lock();
        if matches!(outbox.life(), Life::Open) {
            outbox.set_life(Life::Closing(reason));
            self.wake(outbox, ());
        }
    }

    /// Whether messages can still be sent.
    pub fn is_open(&self) -> bool {
        matches!(self.outbox.lock().life(), Life::Open)
    }

    /// Whether the end has been acted on: the engine has been told, or is about to be.
    pub fn has_ended(&self) -> bool {
        matches!(self.outbox.lock().life(), Life::Closed)
    }

    /// Bytes that wait for the peer.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox.lock().bytes()
    }

    /// Asks the transport to stop reading from this peer, so that the peer feels the back-pressure.
    pub fn pause(&self) {
        self.paused.store(PAUSED, Ordering::Release);
    }

    /// Lets the transport read again.
    pub fn resume(&self) {
        let restarted = self.context.sweep.clock() + 1;
        let resumed = self
            .paused
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |paused| {
                (paused == PAUSED).then_some(restarted)
            });
        if resumed.is_ok() {
            // The time that we did not read does not count against a message that is half received.
            let _none =
                self.partial_since
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |since| {
                        (since != 0).then_some(restarted)
                    });
            if let Some(half) = self.half.lock().as_mut() {
                half.restart(restarted);
            }
            let outbox = self.outbox.lock();
            self.wake(outbox, ());
        }
    }

    /// Whether the transport should leave incoming data where it is.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire) == PAUSED
    }

    /// Whether this side has not read, at any time in the last `duration`. A silence of that length says nothing then.
    pub fn was_paused_within(&self, duration: Duration) -> bool {
        match self.paused.load(Ordering::Acquire) {
            0 => false,
            PAUSED => true,
            resumed => {
                let since = self.context.sweep.clock().saturating_sub(resumed - 1);
                u128::from(since) <= duration.as_millis()
            }
        }
    }

    /// Notes a sign of life. The transport calls it for whatever comes from the peer.
    pub fn heard(&self) {
        self.heartbeat.heard();
    }

    /// One heartbeat: pings, or ends the connection if the last ping brought nothing. `frame` is the dialect's ping,
    /// encoded as for [`push`](Self::push).
    pub(crate) fn beat(self: &Arc<Self>, frame: Bytes, is_linked: bool) {
        // We did not read; silence says nothing about the peer. What it sent meanwhile may still be unread.
        let interval = self.context.limits.ping_interval.unwrap_or_default();
        if self.was_paused_within(interval) {
            self.heartbeat.heard();
        }
        match self.heartbeat.beat() {
            Beat::Ping => {
                if self.push(frame, true, is_linked) == Err(PushError::Outdated) {
                    // It moves at this moment, which is a sign of life too.
                    self.heartbeat.heard();
                }
            }
            Beat::Dead => self.close(CloseReason::HeartbeatMissed),
        }
    }

    /// Registers the connection's own task, to be woken when there is something to do for it. Only the last one is.
    pub fn register(&self, waker: &Waker) {
        let mut outbox = self.outbox.lock();
        if !outbox
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            outbox.waker = Some(waker.clone());
        }
    }

    /// The reason, once, when somebody has asked for the end. From then on only control frames go out.
    pub fn take_closing(&self) -> Option<CloseReason> {
        self.take_closing_if(|_| true)
    }

    /// As [`take_closing`](Self::take_closing), but leaves a reason that is not `wanted` for later.
    pub fn take_closing_if(
        &self,
        wanted: impl FnOnce(&CloseReason) -> bool,
    ) -> Option<CloseReason> {
        let mut outbox = self.outbox.lock();
        let Life::Closing(reason) = outbox.life() else {
            return None;
        };
        if !wanted(reason) {
            return None;
        }
        let reason = reason.clone();
        if !reason.lets_outbox_drain() {
            outbox.discard();
        }
        outbox.set_life(Life::Closed);
        Some(reason)
    }

    /// Marks the connection closed by the peer.
    pub fn mark_closed(&self) {
        self.outbox.lock().set_life(Life::Closed);
    }

    /// The next thing that the transport has to do for the peer, for transports without a socket of their own:
    /// write a frame, or close. The close comes once, before the frames that may still be waiting, which
    /// [`take_frame`](Self::take_frame) then yields. One task at a time is woken.
    pub fn poll_outgoing(&self, cx: &mut TaskContext<'_>) -> Poll<Outgoing> {
        self.register(cx.waker());
        if let Some(reason) = self.take_closing() {
            return Poll::Ready(Outgoing::Close(reason));
        }
        match self.take_frame() {
            Some(frame) => Poll::Ready(Outgoing::Frame(frame)),
            None => Poll::Pending,
        }
    }

    /// Takes the next frame, also after the close.
    pub fn take_frame(&self) -> Option<Bytes> {
        self.outbox.lock().pop()
    }

    /// Takes the next frames, also after the close: as many as fit into `limit` bytes with `overhead` more for each, and
    /// a first one of any size.
    pub fn take_frames(&self, limit: usize, overhead: usize) -> Vec<Bytes> {
        self.outbox.lock().pop_up_to(limit, overhead)
    }

    /// Whether nothing waits for the peer.
    pub fn has_sent_all(&self) -> bool {
        self.outbox.lock().is_empty()
    }

    /// Lets the connection's own task look around.
    pub fn wake_task(&self) {
        let outbox = self.outbox.lock();
        self.wake(outbox, ());
    }

    /// Writes as much as the socket takes, on behalf of the turn that ends.
    pub(crate) fn flush_turn(self: &Arc<Self>) {
        let mut outbox = self.outbox.lock();
        outbox.in_turn = false;
        if outbox.stalled_since.is_none() && !self.write_out(&mut outbox) {
            self.wake(outbox, ());
        }
    }

    /// Writes everything, or registers the task for when the socket takes data again.
    pub fn poll_flush(self: &Arc<Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = self.socket() else {
            return Poll::Ready(Ok(()));
        };
        let mut outbox = self.outbox.lock();
        while !outbox.is_empty() {
            match outbox.with_slices(|frames| socket.poll_write_vectored(cx, frames)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    outbox.advance(written);
                    outbox.stalled_since = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.stall(outbox, socket.taken());
                    return Poll::Pending;
                }
            }
        }
        let flushed = socket.poll_flush(cx);
        match socket.taken() {
            Some(taken) if flushed.is_pending() => self.stall(outbox, Some(taken)),
            _ => outbox.stalled_since = None,
        }
        flushed
    }

    /// Notes that the socket takes nothing more; or, of one that has `taken` some of what it keeps, that it does.
    fn stall(self: &Arc<Self>, mut outbox: MutexGuard<'_, Outbox>, taken: Option<u64>) {
        let taken = taken.unwrap_or(outbox.taken);
        let has_taken = std::mem::replace(&mut outbox.taken, taken) != taken;
        let was_stalled = outbox.stalled_since.is_some();
        if has_taken || !was_stalled {
            outbox.stalled_since = Some(Instant::now());
        }
        drop(outbox);
        if !was_stalled {
            self.watch();
        }
    }

    /// Tries to write without waiting. Returns false if the connection's own task has to go on.
    #[inline(always)]
    fn write_out(&self, outbox: &mut Outbox) -> bool {
        let Some(socket) = self.socket().filter(|socket| socket.writes_from_anywhere()) else {
            return outbox.is_empty();
        };
        while !outbox.is_empty() {
            match outbox.with_slices(|frames| socket.try_write_vectored(frames)) {
                Ok(written) if written > 0 => {
                    outbox.advance(written);
                    outbox.stalled_since = None;
                }
                // Blocked or broken: the task finds out which.
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }

    /// Arranges for what is in the outbox to be written: at the end of this thread's turn, or by the task.
    fn schedule(self: &Arc<Self>, mut outbox: MutexGuard<'_, Outbox>) {
        if outbox.stalled_since.is_some() {
            // The task waits for the socket already, and goes on by itself.
        } else if outbox.bytes() > FLUSH_EARLY {
            if !self.write_out(&mut outbox) {
                self.wake(outbox, ());
            }
        } else if !outbox.in_turn {
            if turn::join(self) {
                outbox.in_turn = true;
            } else {
                self.wake(outbox, ());
            }
        }
    }

    /// Wakes the task after the lock is released.
    #[allow(clippy::unused_self, reason = "reads as the connection's own step")]
    fn wake<T>(&self, mut outbox: MutexGuard<'_, Outbox>, result: T) -> T {
        let waker = outbox.waker.take();
        drop(outbox);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.context.sweep.remove(self.place);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("transport", &self.transport)
            .field("dialect", &self.dialect().name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
