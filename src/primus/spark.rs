//! One connection, as applications see it (docs/protocol/primus.md#the-server-api).

mod flow;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::{Extensions, HeaderMap, HeaderValue, Uri};
use parking_lot::{Mutex, RwLock};
use stellar_transports::{Handshake, Peer};

pub(super) use self::flow::message;
use super::inbox::{Data, Inbox, Listener};
use super::lane::Lane;
use super::server::Shared;
use super::transform::Transforms;
use super::{Direction, Packet, ParserError, Primus, SparkError, Transform, Value, WriteError};
use crate::engine::{self, CloseReason, ConnectionId};

/// Bytes that may wait for a client before [`Written::Full`] says so. [`Spark::ready`] waits for less than half of it.
pub const HIGH_WATER: usize = 64 * 1024;

/// A handle on one connection. Cloning shares it; two handles are equal when they mean the same connection.
#[derive(Clone)]
pub struct Spark {
    engine: engine::Spark,
    record: Arc<Record>,
}

/// What is kept about a connection. It must not hold the [`Spark`], which holds it.
pub(super) struct Record {
    shared: Arc<Shared>,
    request: Request,
    inbox: Inbox,
    lanes: [Mutex<Lane>; 2],
    transforms: [Transforms; 2],
    listeners: Mutex<Listeners>,
    extensions: RwLock<Extensions>,
    /// How many have a reason not to read from the client.
    holds: Mutex<u32>,
    /// Whether the application has paused reading itself.
    is_paused: AtomicBool,
    /// Whether what the client sends goes to the application: its handler is done, or reads.
    is_let_in: AtomicBool,
    /// Whether plugins and application have been told of the connection.
    is_announced: AtomicBool,
    /// Whether its end has been asked for.
    is_ending: AtomicBool,
    /// Errors that nobody listened for.
    unheard: AtomicU32,
}

/// The request that a connection came with.
struct Request {
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
}

type OnError = Arc<dyn Fn(&SparkError) + Send + Sync>;
type OnEnd = Box<dyn FnOnce(&CloseReason) + Send>;

#[derive(Default)]
struct Listeners {
    error: Option<OnError>,
    heartbeat: Option<Arc<dyn Fn() + Send + Sync>>,
    end: Vec<OnEnd>,
    last_heartbeat: Option<Instant>,
    ended: Option<CloseReason>,
}

/// How far a connection is. A server never sees one that is opening: a spark begins open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// Messages can be sent. Primus's number for it is 3.
    Open,
    /// It is over, or ending. Primus's number for it is 2.
    Closed,
}

/// What became of a message that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is on its way.
    Flowing,
    /// It waits behind others, and there are many: whoever can, waits for [`Spark::ready`] before the next.
    Full {
        /// Bytes that wait.
        waiting: usize,
    },
    /// A transform works on it, or on one in front of it.
    Transforming,
    /// A transform dropped it.
    Dropped,
}

/// How to end a connection.
#[derive(Clone, Debug, Default)]
#[must_use = "it is only a description"]
pub struct End {
    data: Option<Value>,
    reconnect: bool,
    retry_after: Option<Duration>,
}

impl End {
    /// For good: the client does not come back by itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a last message.
    pub fn data(mut self, data: impl Into<Value>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Has the client come back.
    pub const fn reconnect(mut self) -> Self {
        self.reconnect = true;
        self
    }

    /// Has the client come back after this time. Our client does; Primus's own has a mind of its own.
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.reconnect = true;
        self.retry_after = Some(after);
        self
    }
}

impl Spark {
    /// The spark of a connection that has just opened.
    pub(super) fn open(
        engine: &engine::Spark,
        shared: &Arc<Shared>,
        handshake: &Handshake,
        is_waited_for: bool,
    ) -> Self {
        let incoming = if is_waited_for {
            Lane::busy()
        } else {
            Lane::default()
        };
        let record = Arc::new(Record {
            shared: Arc::clone(shared),
            request: Request::of(handshake),
            inbox: Inbox::default(),
            lanes: [Mutex::new(incoming), Mutex::default()],
            transforms: Default::default(),
            listeners: Mutex::default(),
            extensions: RwLock::default(),
            holds: Mutex::default(),
            is_paused: AtomicBool::new(false),
            is_let_in: AtomicBool::new(!is_waited_for),
            is_announced: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            unheard: AtomicU32::new(0),
        });
        engine.attach(Arc::clone(&record));
        Self {
            engine: engine.clone(),
            record,
        }
    }

    /// The spark of a connection of the engine, if it is one of ours.
    pub(super) fn of(engine: &engine::Spark) -> Option<Self> {
        let record = engine.attachment::<Arc<Record>>()?;
        Some(Self {
            engine: engine.clone(),
            record: Arc::clone(record),
        })
    }

    /// The id that clients are told. It may be shown to others.
    pub fn id(&self) -> Cow<'_, str> {
        self.engine.public_id()
    }

    /// The id by which the engine knows it, for rooms of the [`Hub`](crate::engine::Hub).
    pub fn connection_id(&self) -> ConnectionId {
        self.engine.id()
    }

    /// The connection, as the engine has it.
    pub const fn engine(&self) -> &engine::Spark {
        &self.engine
    }

    /// The server.
    pub fn primus(&self) -> Primus {
        Primus::of(&self.record.shared)
    }

    /// Where the client is, as far as [trusted proxies](super::Builder::trusted_proxies) tell.
    pub fn address(&self) -> Peer {
        self.engine.peer()
    }

    /// The name of the transport that carries it.
    pub fn transport(&self) -> &'static str {
        self.engine.transport()
    }

    /// The headers of the request that it came with.
    pub fn headers(&self) -> &HeaderMap {
        &self.record.request.headers
    }

    /// The path and query of the request that it came with.
    pub fn uri(&self) -> &Uri {
        &self.record.request.uri
    }

    /// The first value of a parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.queries()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }

    /// All parameters of the query, decoded.
    pub fn queries(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let query = self.record.request.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
    }

    /// The request's extensions, as the layers have filled them, and an HTTP server that this one is mounted in.
    pub fn request_extensions(&self) -> &Extensions {
        &self.record.request.extensions
    }

    /// Keeps a value of the application's own with the connection, one of each type.
    pub fn set<T: Clone + Send + Sync + 'static>(&self, value: T) {
        let old = self.record.extensions.write().insert(value);
        // Behind the lock: what is dropped may ask for it.
        drop(old);
    }

    /// A value that was [set](Self::set). It is there until the connection is over and whoever is told of that is done.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.record.extensions.read().get::<T>().cloned()
    }

    /// A value that was [set](Self::set), made now if there is none.
    pub fn get_or_set<T: Clone + Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> T {
        if let Some(known) = self.get() {
            return known;
        }
        // Not under the lock: what is made may ask for it.
        let made = make();
        let mut extensions = self.record.extensions.write();
        extensions.get_or_insert_with(|| made).clone()
    }

    /// How far it is.
    pub fn ready_state(&self) -> ReadyState {
        if self.engine.is_open() {
            ReadyState::Open
        } else {
            ReadyState::Closed
        }
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.engine.is_open()
    }

    /// Sends a message. It never waits: what the client's socket does not take at once waits in its outbox, and
    /// [`Written::Full`] says that there is much of it. A client that does not keep up at all is disconnected.
    ///
    /// # Errors
    ///
    /// When the connection is over, the parser has no place for the value, or a transform failed; nothing was sent then.
    pub fn write(&self, data: impl Into<Value>) -> Result<Written, WriteError> {
        self.write_value(data.into())
    }

    /// Waits until less than half of [`HIGH_WATER`] waits for the client, or the connection is over.
    pub async fn ready(&self) {
        self.engine.outbox_below(HIGH_WATER / 2).await;
    }

    /// Sends a message once there is [room](Self::ready) for it.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_when_ready(&self, data: impl Into<Value>) -> Result<Written, WriteError> {
        let data = data.into();
        self.ready().await;
        self.write_value(data)
    }

    /// Ends the connection for good: the client is told not to come back. What was written before still leaves.
    pub fn end(&self) {
        self.end_with(End::new());
    }

    /// Ends the connection as described, once transforms are done with what was written before. Later calls do nothing.
    pub fn end_with(&self, mut end: End) {
        if let Some(data) = end.data.take() {
            // The connection ends either way.
            if let Err(error) = self.write_value(data)
                && error != WriteError::Closed
            {
                self.guard(|| self.fail(&SparkError::Write(error)));
            }
        }
        self.end_behind(end);
    }

    /// Ends the connection; what is written to the client first is out by now.
    fn end_now(&self, end: &End) {
        if self.record.is_ending.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(after) = end.retry_after {
            self.engine.advise_retry(after);
        }
        self.engine.end(if end.reconnect {
            CloseReason::Reconnect
        } else {
            CloseReason::Ended
        });
    }

    /// What the client sends, as a stream. Read it in one place, or [listen](Self::on_data).
    pub fn data(&self) -> Data {
        Data {
            spark: self.clone(),
        }
    }

    /// Calls `listener` with what the client sends, in order, beginning with what has come already. It replaces the last
    /// one. It is called on the task that reads from the client, so it returns quickly.
    pub fn on_data(&self, listener: impl Fn(&Self, Packet) + Send + Sync + 'static) {
        let listener: Listener = Arc::new(listener);
        self.record.inbox.listen(self, &listener);
    }

    /// Calls `listener` with what goes wrong and does not end the connection: messages that cannot be read, transforms
    /// that fail. It replaces the last one; without one, errors are logged.
    pub fn on_error(&self, listener: impl Fn(&SparkError) + Send + Sync + 'static) {
        let mut listeners = self.record.listeners.lock();
        // A listener that came after the end would be kept for ever, with everything that it holds.
        if listeners.ended.is_none() {
            listeners.error = Some(Arc::new(listener));
        }
    }

    /// Calls `listener` when the client answers a ping, or sends one. It replaces the last one.
    pub fn on_heartbeat(&self, listener: impl Fn() + Send + Sync + 'static) {
        let mut listeners = self.record.listeners.lock();
        if listeners.ended.is_none() {
            listeners.heartbeat = Some(Arc::new(listener));
        }
    }

    /// When the client answered a ping last.
    pub fn last_heartbeat(&self) -> Option<Instant> {
        self.record.listeners.lock().last_heartbeat
    }

    /// Calls `listener` once the connection is over; at once if it is.
    pub fn on_end(&self, listener: impl FnOnce(&CloseReason) + Send + 'static) {
        let mut listeners = self.record.listeners.lock();
        match listeners.ended.clone() {
            None => listeners.end.push(Box::new(listener)),
            Some(reason) => {
                drop(listeners);
                listener(&reason);
            }
        }
    }

    /// Adds a transform for this connection's messages, behind those of the server.
    pub fn transform(&self, direction: Direction, transform: Transform) {
        self.add_transform(direction, transform);
    }

    /// Stops reading from the client until [`resume`](Self::resume).
    pub fn pause(&self) {
        if !self.record.is_paused.swap(true, Ordering::AcqRel) {
            self.hold();
        }
    }

    /// Reads again.
    pub fn resume(&self) {
        if self.record.is_paused.swap(false, Ordering::AcqRel) {
            self.release();
        }
    }

    pub(super) fn announce(&self) {
        self.record.is_announced.store(true, Ordering::Release);
    }

    pub(super) fn is_announced(&self) -> bool {
        self.record.is_announced.load(Ordering::Acquire)
    }
}

impl Request {
    /// A copy of just the size that it needs: as they were read, headers hold on to the whole buffer they came in.
    fn of(handshake: &Handshake) -> Self {
        let mut headers = HeaderMap::with_capacity(handshake.headers.len());
        for (name, value) in &handshake.headers {
            let copy = HeaderValue::from_bytes(value.as_bytes());
            headers.append(name, copy.unwrap_or_else(|_| value.clone()));
        }
        let uri = handshake.uri.to_string().parse();
        Self {
            uri: uri.unwrap_or_else(|_| handshake.uri.clone()),
            headers,
            extensions: handshake.extensions.clone(),
        }
    }
}

impl From<ParserError> for WriteError {
    fn from(error: ParserError) -> Self {
        Self::Parser(error)
    }
}

impl From<engine::WriteError> for WriteError {
    fn from(error: engine::WriteError) -> Self {
        match error {
            engine::WriteError::Send(engine::SendError::SlowConsumer) => Self::SlowConsumer,
            engine::WriteError::Reserved => Self::Reserved,
            _ => Self::Closed,
        }
    }
}

impl PartialEq for Spark {
    fn eq(&self, other: &Self) -> bool {
        self.engine == other.engine
    }
}

impl Eq for Spark {}

impl fmt::Debug for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spark").field(&self.id()).finish()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("uri", &self.request.uri)
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}
