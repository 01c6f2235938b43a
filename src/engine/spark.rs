//! One connection, as applications see it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use stellar_transports::{
    CloseReason, Connection, ConnectionId, Holding, Message, OverBudget, Payload, Peer,
    Reservation, SendError, primus,
};

use super::joined::Joined;
use super::rate::{Flow, Limited, Rates};

/// Any time up to this one, for those who are not to do something all at once.
#[allow(clippy::cast_precision_loss, reason = "a few digits are enough")]
pub(crate) fn at_random(within: Duration) -> Duration {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    // The upper half: the lower one holds the version.
    within.mul_f64((high >> 32) as f64 / f64::from(u32::MAX))
}

/// A handle on one connection. Cloning shares it; two handles are equal when they mean the same connection.
#[derive(Clone)]
pub struct Spark(Arc<Connection>);

/// What the engine keeps per connection.
struct State {
    peer: Peer,
    flow: Flow,
    rooms: Mutex<Joined>,
    attachment: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// Why a message was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// It could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A text that clients would take for one of the protocol's own control strings.
    #[error("strings that begin with \"primus::\" belong to the protocol")]
    Reserved,
}

impl Spark {
    /// The spark of a connection that has just opened.
    pub(super) fn open(connection: &Arc<Connection>, peer: Peer) -> Self {
        connection.attach(Box::new(State {
            peer,
            flow: Flow::default(),
            rooms: Mutex::default(),
            attachment: OnceLock::new(),
        }));
        Self(Arc::clone(connection))
    }

    /// The spark of a connection that is known to be open.
    pub(super) fn of(connection: &Arc<Connection>) -> Self {
        Self(Arc::clone(connection))
    }

    fn state(&self) -> &State {
        self.0
            .attachment()
            .expect("a spark is made by `open`, which attaches the state")
    }

    /// The public id. It may be shown to other users.
    pub fn id(&self) -> ConnectionId {
        self.0.id()
    }

    /// What the client is told as its id: the one that was chosen in the [`Handshake`](super::Handshake), or
    /// [`id`](Self::id).
    pub fn public_id(&self) -> std::borrow::Cow<'_, str> {
        self.0.public_id()
    }

    /// Where the client is.
    pub fn peer(&self) -> Peer {
        self.state().peer
    }

    /// The name of the transport that carries it.
    pub fn transport(&self) -> &'static str {
        self.0.transport()
    }

    /// Sends a message. It never waits; a peer that does not keep up is disconnected.
    ///
    /// # Errors
    ///
    /// When the connection is over, or the text is reserved for the protocol.
    pub fn send(&self, message: &Message) -> Result<(), WriteError> {
        if is_reserved(message) {
            return Err(WriteError::Reserved);
        }
        Ok(self.0.send(message)?)
    }

    /// Sends its part of a broadcast.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(crate) fn send_in(&self, broadcast: &mut super::Broadcast<'_>) -> Result<(), SendError> {
        broadcast.send_to(&self.0)
    }

    /// Ends the connection. The first reason stands.
    pub fn end(&self, reason: CloseReason) {
        self.0.close(reason);
    }

    /// Whether messages can still be sent.
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Bytes that wait for the client.
    pub fn outbox_bytes(&self) -> usize {
        self.0.outbox_bytes()
    }

    /// Tells the client, if it speaks Primus, how long to wait before it comes back once this connection has ended.
    pub fn advise_retry(&self, after: Duration) {
        self.0.send_primus(&primus::retry(after));
    }

    /// Waits until at most `bytes` wait for the client, or the connection is over.
    pub async fn outbox_below(&self, bytes: usize) {
        std::future::poll_fn(|cx| self.0.poll_outbox(bytes, cx)).await;
    }

    /// Whether anybody on the server may lag.
    pub(crate) fn may_have_laggards(&self) -> bool {
        self.0.context().has_laggards()
    }

    /// Waits until no messages can be sent any more.
    pub(crate) async fn over(&self) {
        std::future::poll_fn(|cx| self.0.poll_over(cx)).await;
    }

    /// Takes memory of the server's budget for something of this client's. What is small is free.
    ///
    /// # Errors
    ///
    /// When there is none left.
    pub(crate) fn reserve(
        &self,
        holding: Holding,
        bytes: usize,
    ) -> Result<Option<Reservation>, OverBudget> {
        let budget = &self.0.context().budget;
        budget.cover(holding, self.0.address(), bytes)
    }

    /// Stops reading from the client until [`resume`](Self::resume), so that it feels the back-pressure.
    pub fn pause(&self) {
        self.0.pause();
    }

    /// Reads again.
    pub fn resume(&self) {
        self.0.resume();
    }

    /// The names of its rooms, in the order of joining.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.joined().lock().names()
    }

    /// Whether it is in `room`.
    pub fn is_in(&self, room: &str) -> bool {
        self.joined().lock().get(room).is_some()
    }

    /// Counts a request that was refused for a limit, by its name in the configuration.
    pub(crate) fn count_limited(&self, limit: &'static str) {
        self.0.context().metrics.count_limited(limit);
    }

    /// When its last message came, on the server's own clock.
    pub(crate) fn received_at(&self) -> Duration {
        self.0.received_at()
    }

    /// Takes a message of so many bytes, unless that is too much.
    pub(super) fn take(&self, rates: &Rates, bytes: usize) -> Result<(), Limited> {
        self.state().flow.take(rates, bytes, self.received_at())
    }

    /// Counts a request over a rate. Whoever has made too many of them is ended: then nobody is to be told.
    pub(crate) fn refuse(&self, rates: &Rates, rate: &'static str) -> bool {
        self.count_limited(rate);
        let is_borne = self.state().flow.bears_refusal(rates, self.received_at());
        if !is_borne {
            self.end(CloseReason::TooManyRequests);
        }
        is_borne
    }

    /// Attaches a value of the application's own. The first call wins and returns true.
    pub fn attach<T: Any + Send + Sync>(&self, value: T) -> bool {
        self.state().attachment.set(Box::new(value)).is_ok()
    }

    /// The attached value, if it is a `T`.
    pub fn attachment<T: Any>(&self) -> Option<&T> {
        self.state().attachment.get()?.downcast_ref()
    }

    pub(super) fn joined(&self) -> &Mutex<Joined> {
        &self.state().rooms
    }

    pub(super) const fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

/// Whether clients would obey a message instead of reading it. JSON has no way to escape that, so it is not sent:
/// what one client says must not close another.
pub(super) fn is_reserved(message: &Message) -> bool {
    matches!(message.payload(), Payload::Text(text) if primus::is_reserved(text))
}

impl PartialEq for Spark {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Spark {}

impl fmt::Debug for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spark").field(&self.id()).finish()
    }
}
