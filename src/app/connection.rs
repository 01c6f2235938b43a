//! One connection, as actions and middleware see it (docs/protocol/packets.md#the-connections-record).

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use http::Extensions;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde_json::{Map, Value};

use super::action::{Context, WeakContext};
use super::lane::Lane;
use super::rates::{Buckets, Said};
use super::reply;
use crate::engine::{CloseReason, Handshake, Peer, Spark};

/// Where a connection came in. Actions may be closed to some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionType {
    /// A realtime connection, whatever transport carries it.
    Websocket,
    /// One HTTP request.
    Web,
    /// A call from inside the program.
    Internal,
}

impl ConnectionType {
    /// The name on the wire and in `blocked` lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Web => "web",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ConnectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A handle on one connection. Cloning shares it.
#[derive(Clone)]
pub struct Connection {
    record: Arc<Record>,
    spark: Option<Spark>,
}

/// What is kept about a connection. A realtime connection's record is attached to its spark.
pub(crate) struct Record {
    id: String,
    kind: ConnectionType,
    fingerprint: Option<Box<str>>,
    peer: Option<Peer>,
    connected_at: u64,
    total_actions: AtomicU64,
    pending_actions: AtomicU32,
    message_count: AtomicU64,
    is_destroyed: AtomicBool,
    pub(crate) lane: Mutex<Lane>,
    pub(super) buckets: Buckets,
    pub(super) rare: Mutex<Option<Box<Rare>>>,
    handshake: Mutex<Option<Arc<Handshake>>>,
    /// What the application keeps with it.
    extensions: RwLock<Extensions>,
    /// What the application shows in `details`.
    shown: Mutex<Option<Box<Map<String, Value>>>>,
}

/// What most connections, which listen, never have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    pub(super) said: Said,
    /// Actions that wait for something.
    waiting: Vec<WeakContext>,
}

/// The answer to `detailsView`: these nine keys (docs/protocol/packets.md#the-connections-record), and what the
/// application shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details<'a> {
    id: &'a str,
    fingerprint: Option<&'a str>,
    #[serde(rename = "remoteIP")]
    remote_ip: String,
    remote_port: u16,
    params: Map<String, Value>,
    connected_at: u64,
    rooms: Vec<Arc<str>>,
    total_actions: u64,
    pending_actions: u32,
    /// How many rooms there are, if these are not all, and where the next page of them begins, if they are not the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<usize>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    shown: Option<Box<Map<String, Value>>>,
}

impl Details<'_> {
    /// How many rooms it shows.
    pub(crate) const fn rooms_shown(&self) -> usize {
        self.rooms.len()
    }
}

/// Keys of `details` that are not the application's.
const OWN_DETAILS: [&str; 11] = [
    "id",
    "fingerprint",
    "remoteIP",
    "remotePort",
    "params",
    "connectedAt",
    "rooms",
    "totalActions",
    "pendingActions",
    "roomsCount",
    "next",
];

impl Connection {
    /// The connection of a spark that has just opened. It attaches its record to the spark.
    pub(crate) fn realtime(
        spark: &Spark,
        fingerprint: Option<String>,
        extensions: &Extensions,
    ) -> Self {
        let peer = Some(spark.peer());
        let record = Record::new(
            spark.public_id().into_owned(),
            ConnectionType::Websocket,
            fingerprint,
            peer,
        );
        if !extensions.is_empty() {
            *record.extensions.write() = extensions.clone();
        }
        spark.attach(Arc::clone(&record));
        Self {
            record,
            spark: Some(spark.clone()),
        }
    }

    /// The connection of a spark, if it is one of the app's.
    pub(crate) fn of(spark: &Spark) -> Option<Self> {
        let record = spark.attachment::<Arc<Record>>()?;
        Some(Self {
            record: Arc::clone(record),
            spark: Some(spark.clone()),
        })
    }

    /// The connection that stands for one HTTP request.
    pub(crate) fn web(fingerprint: String, handshake: Handshake) -> Self {
        let id = format!("{fingerprint}-{}", uuid::Uuid::new_v4());
        let peer = Some(handshake.peer);
        let record = Record::new(id, ConnectionType::Web, Some(fingerprint), peer);
        *record.extensions.write() = handshake.extensions.clone();
        record.set_handshake(Some(handshake));
        Self {
            record,
            spark: None,
        }
    }

    /// The connection that stands for the program itself.
    pub(crate) fn internal() -> Self {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        static PROGRAM: LazyLock<u64> = LazyLock::new(|| uuid::Uuid::new_v4().as_u64_pair().0);
        // One action may call many: counted up, because asking the system for random bytes each time would cost as much
        // as the rest of the call.
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let id = uuid::Uuid::from_u64_pair(*PROGRAM, call | 1 << 63).to_string();
        Self {
            record: Record::new(id, ConnectionType::Internal, None, None),
            spark: None,
        }
    }

    /// The public id.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// Where it came in.
    pub fn kind(&self) -> ConnectionType {
        self.record.kind
    }

    /// What identifies the browser over several connections, if it is known.
    pub fn fingerprint(&self) -> Option<&str> {
        self.record.fingerprint.as_deref()
    }

    /// The client's address; `None` for the program itself.
    pub fn remote_ip(&self) -> Option<IpAddr> {
        self.record.peer.map(|peer| peer.ip)
    }

    /// The client's port; 0 if it is not known.
    pub fn remote_port(&self) -> u16 {
        self.record.peer.map_or(0, |peer| peer.port)
    }

    /// When it opened, in ms since the Unix epoch.
    pub fn connected_at(&self) -> u64 {
        self.record.connected_at
    }

    /// Its rooms, in the order of joining.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.spark.as_ref().map(Spark::rooms).unwrap_or_default()
    }

    /// Actions asked for so far, also refused ones.
    pub fn total_actions(&self) -> u64 {
        self.record.total_actions.load(Ordering::Relaxed)
    }

    /// Actions that are running.
    pub fn pending_actions(&self) -> u32 {
        self.record.pending_actions.load(Ordering::Relaxed)
    }

    /// Packets received so far.
    pub fn message_count(&self) -> u64 {
        self.record.message_count.load(Ordering::Relaxed)
    }

    /// Whether it can be in rooms.
    pub const fn can_chat(&self) -> bool {
        self.spark.is_some()
    }

    /// Whether it is over.
    pub fn is_destroyed(&self) -> bool {
        self.record.is_destroyed.load(Ordering::Relaxed)
    }

    /// Keeps a value of the application's own with the connection, one of each type: who logged in, say. Everything that
    /// is given this connection sees it: actions, hooks, and whoever asks the app for the connection.
    ///
    /// A realtime connection begins with what [`authorize`](super::AppBuilder::authorize) put into the handshake's
    /// `extensions`. The connection of an HTTP request lasts as long as the request. It begins with the request's own
    /// extensions, which an HTTP server around this one may have filled. A [`before`](super::ActionMiddleware::before)
    /// hook may add to them what it finds in the request's [`handshake`](Self::handshake).
    ///
    /// ```
    /// use stellar::app::{Action, Error};
    /// # use serde_json::{Value, json};
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// Action::new("whoami", |context, _: Value| async move {
    ///     match context.connection().get::<User>() {
    ///         Some(User(name)) => Ok(json!({ "name": name })),
    ///         None => Err(Error::text("log in first").into()),
    ///     }
    /// });
    /// ```
    pub fn set<T: Clone + Send + Sync + 'static>(&self, value: T) {
        let old = self.record.extensions.write().insert(value);
        // Behind the lock: what is dropped may ask for it.
        drop(old);
    }

    /// A value that was [set](Self::set). It is there until nobody holds the connection any more.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.record.extensions.read().get::<T>().cloned()
    }

    /// Takes a value that was [set](Self::set) away, and returns it.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.record.extensions.write().remove()
    }

    /// Adds a field to what the client is answered for `detailsView`. `null` takes it away. Returns false for the nine that
    /// are there anyway, which stay as they are.
    pub fn show_detail(&self, key: &str, value: impl Into<Value>) -> bool {
        if OWN_DETAILS.contains(&key) {
            return false;
        }
        let mut shown = self.record.shown.lock();
        match value.into() {
            Value::Null => {
                if let Some(shown) = &mut *shown {
                    shown.shift_remove(key);
                }
            }
            value => {
                let shown = shown.get_or_insert_default();
                shown.insert(key.to_owned(), value);
            }
        }
        true
    }

    /// The request that a connection came with: headers, query, and what a socket.io client says of itself as `auth`.
    /// For a realtime connection it is there while the hooks of [`on_create`](super::ConnectionMiddleware::on_create) run,
    /// and forgotten afterwards, because it is larger than all else that a connection needs. For an HTTP request it is
    /// there until that is answered.
    pub fn handshake(&self) -> Option<Arc<Handshake>> {
        self.record.handshake.lock().clone()
    }

    /// The engine's side of a realtime connection.
    pub const fn spark(&self) -> Option<&Spark> {
        self.spark.as_ref()
    }

    /// Pushes a value with context `api`. A value that is no object is sent as `{"message": value}`.
    /// Returns false if the connection is over or not a realtime one.
    pub fn send_message(&self, value: impl Into<Value>) -> bool {
        self.send_with_context(value, "api")
    }

    /// Pushes a value with a context of your choice. The client raises `alert` for `alert`, `say` for `user`, and
    /// `api` for what it does not know.
    pub fn send_with_context(&self, value: impl Into<Value>, context: &str) -> bool {
        self.send(&reply::push(value.into(), context))
    }

    /// Ends the connection for good: the client does not come back by itself.
    pub fn destroy(&self) {
        if let Some(spark) = &self.spark {
            spark.end(CloseReason::Ended);
        }
    }

    /// Sends a finished packet.
    pub(crate) fn send(&self, message: &stellar_transports::Message) -> bool {
        match &self.spark {
            Some(spark) => spark.send(message).is_ok(),
            None => false,
        }
    }

    /// The object that `detailsView` answers, with at most `max` rooms, those behind the first `after`.
    pub(crate) fn details(&self, after: usize, max: usize) -> Details<'_> {
        let mut rooms = self.rooms();
        let count = rooms.len();
        rooms.drain(..after.min(count));
        let is_last = rooms.len() <= max;
        rooms.truncate(max);
        Details {
            id: self.id(),
            fingerprint: self.fingerprint(),
            remote_ip: self
                .remote_ip()
                .map(|ip| ip.to_string())
                .unwrap_or_default(),
            remote_port: self.remote_port(),
            params: Map::new(),
            connected_at: self.connected_at(),
            rooms_count: (rooms.len() < count).then_some(count),
            next: (!is_last).then_some(after + max),
            rooms,
            total_actions: self.total_actions(),
            pending_actions: self.pending_actions(),
            shown: self.record.shown.lock().clone(),
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Counts a packet and returns its number.
    pub(crate) fn next_number(&self) -> u64 {
        self.record.message_count.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts an action, and its end when the guard is dropped.
    pub(crate) fn begin_action(&self) -> Pending {
        self.record.total_actions.fetch_add(1, Ordering::Relaxed);
        let running = self.record.pending_actions.fetch_add(1, Ordering::Relaxed) + 1;
        Pending {
            record: Arc::clone(&self.record),
            running,
        }
    }

    /// Ends it, as far as the app is concerned. What it has asked for goes on, but nobody waits for that any more.
    pub(crate) fn mark_destroyed(&self) {
        let waiting = {
            let mut rare = self.record.rare.lock();
            self.record.is_destroyed.store(true, Ordering::Relaxed);
            rare.take().map(|rare| rare.waiting)
        };
        for context in waiting.into_iter().flatten() {
            context.forget_params();
        }
    }

    /// Notes that an action waits for something. Its params are let go when the connection ends before.
    pub(super) fn waits(&self, context: &Context) {
        let is_gone = {
            let mut rare = self.record.rare.lock();
            let is_gone = self.is_destroyed();
            if !is_gone {
                let waiting = &mut rare.get_or_insert_default().waiting;
                waiting.retain(WeakContext::is_waiting);
                waiting.push(context.downgrade());
            }
            is_gone
        };
        if is_gone {
            context.downgrade().forget_params();
        }
    }
}

/// An action that is counted as running.
pub(crate) struct Pending {
    record: Arc<Record>,
    /// How many were running when this one began, itself included.
    pub(crate) running: u32,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.record.pending_actions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Record {
    fn new(
        id: String,
        kind: ConnectionType,
        fingerprint: Option<String>,
        peer: Option<Peer>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            kind,
            fingerprint: fingerprint.map(String::into_boxed_str),
            peer,
            connected_at: now(),
            total_actions: AtomicU64::new(0),
            pending_actions: AtomicU32::new(0),
            message_count: AtomicU64::new(0),
            is_destroyed: AtomicBool::new(false),
            lane: Mutex::default(),
            buckets: Buckets::default(),
            rare: Mutex::default(),
            handshake: Mutex::default(),
            extensions: RwLock::default(),
            shown: Mutex::default(),
        })
    }

    /// Keeps a handshake for the hooks of a new connection, or forgets it.
    pub(crate) fn set_handshake(&self, handshake: Option<Handshake>) {
        *self.handshake.lock() = handshake.map(Arc::new);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.record.id)
            .field("kind", &self.record.kind)
            .finish_non_exhaustive()
    }
}

/// Ms since the Unix epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
