//! The seam: what a transport is to the server, and what the engine is to a transport.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::primus::{Controls, JsonControls};
use crate::{
    Admitted, Budget, CloseReason, Connection, Handshake, Incoming, Metrics, Origins, Peer,
    Refusal, Sweep, Turnstile, Verdict,
};

/// The body of every HTTP request and answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BodyError(Box<dyn std::error::Error + Send + Sync>);

impl BodyError {
    /// Wraps whatever error a body has.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// A way for clients to come in.
///
/// A *door* is a path (and what else tells its requests apart); *claiming* a request means that the transport
/// will answer it, whatever the answer is.
///
/// # Notes for implementers
///
/// * Ask [`Context::permits_origin`] where the peer may be a web page, then [`Context::admit`], before anything is
///   promised. What that gives opens the connection: [`Connection::report_opened`], exactly once.
/// * Then [`Connection::report_received`] in the order of arrival, and [`Connection::report_closed`] exactly once, also
///   when the task dies. Nothing else reaches the engine; ids and metrics are taken care of in there.
/// * Reports of one connection never overlap, the end included, and nothing follows that. They do not block, so make them
///   from the task that reads.
/// * Do not read while [`Connection::is_paused`].
/// * Any byte from the peer is a sign of life: [`Connection::heard`]. Where requests come one by one, each of them is.
/// * Everything that can be half done (handshake, message, close) has a deadline.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// The one word for this transport: its folder, feature, configuration section and `--transport` value.
    fn name(&self) -> &'static str;

    /// Whether `request` came through one of this transport's doors.
    fn claims(&self, request: &Request<Body>) -> bool;

    /// Answers a claimed request. Connections that it opens go on in tasks of [`Context::tasks`].
    async fn serve(
        &self,
        request: Request<Body>,
        peer: Peer,
        context: &Arc<Context>,
    ) -> Response<Body>;
}

/// Where transports deliver: the engine.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Decides whether a peer may open a connection. Called once per connection, before [`Event::Opened`].
    async fn admit(&self, handshake: &mut Handshake) -> Result<(), Refusal>;

    /// Takes one event of one connection. Returns quickly: it is called on the reading task.
    fn dispatch(&self, connection: &Arc<Connection>, event: Event<'_>);
}

/// What happens on a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection is open; messages may be sent from now on.
    Opened(Box<Handshake>),
    /// The peer sent a message.
    Received(Incoming<'a>),
    /// The peer has answered a ping, or sent one of its own. Where a dialect has none of Primus's control strings, these
    /// are WebSocket's pings only.
    Heartbeat,
    /// The connection is over; nothing can be sent any more, no event follows.
    Closed(CloseReason),
}

/// Limits that hold for each connection of every transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message accepted, in bytes, after reassembly. Default 10 MiB, Primus's `maxLength`. Over it: 1009.
    pub max_message: usize,
    /// Most frames that one message may come in. Default 1,024. Over it: 1008.
    pub max_fragments: u32,
    /// Most bytes that may wait for a peer. Default 8 MiB. A single larger message is taken when nothing else waits.
    /// Over it: [`CloseReason::SlowConsumer`].
    pub max_outbox: usize,
    /// Bytes waiting for a peer over which it lags, until half of them or less are left. Whoever causes more is to wait for
    /// it. Default 2 MiB.
    pub lag: usize,
    /// How long a peer that lags is to be waited for, and all that lag together until half of that many bytes more have been
    /// sent to them. Default 2 s.
    pub lag_timeout: Duration,
    /// How long a peer's socket may refuse all data while some waits: [`CloseReason::WriteTimeout`]. Where the peer
    /// fetches what waits, how long it may not do so: [`CloseReason::SlowConsumer`]. Default 20 s.
    pub write_timeout: Duration,
    /// Most memory that may be held for all peers together, in bytes: a [`Budget`]. Default 0: a quarter of what the
    /// process may use. Over it: [`CloseReason::Overloaded`], or 503.
    pub max_memory: usize,
    /// What one address may have of it. Default 0: a sixteenth, and room for a message. Over it: the same.
    pub max_memory_per_address: usize,
    /// How long a message may take from its first byte to its last. Default 60 s.
    pub receive_timeout: Duration,
    /// How long a message of which more than 64 KiB have come may take to bring another eighth of that. Default 15 s.
    /// Over it: [`CloseReason::ReceiveTimeout`].
    pub receive_stall: Duration,
    /// How long [`Bus::admit`] may take. Default 10 s. Then the handshake is answered 503.
    pub admit_timeout: Duration,
    /// How long to wait for a peer's part of a closing handshake. Default 3 s.
    pub close_timeout: Duration,
    /// Time between two pings to a connection; one without an answer ends it. `None` turns pings off. Default 30 s.
    pub ping_interval: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 10 * 1024 * 1024,
            max_fragments: 1024,
            max_outbox: 8 * 1024 * 1024,
            lag: 2 * 1024 * 1024,
            lag_timeout: Duration::from_secs(2),
            max_memory: 0,
            max_memory_per_address: 0,
            write_timeout: Duration::from_secs(20),
            receive_timeout: Duration::from_secs(60),
            receive_stall: Duration::from_secs(15),
            admit_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(3),
            ping_interval: Some(Duration::from_secs(30)),
        }
    }
}

/// What all transports of one server share.
#[derive(Debug)]
pub struct Context {
    /// Where events go. Only connections report to it: what they report is counted.
    pub(crate) bus: Arc<dyn Bus>,
    /// Limits per connection.
    pub limits: Limits,
    /// Which web origins may connect.
    pub origins: Origins,
    /// The WebSocket sub-protocols that are agreed to, of those that a client offers. None here: the first offered.
    pub subprotocols: Vec<String>,
    /// How Primus's control strings are written.
    pub controls: Arc<dyn Controls>,
    /// Counters.
    pub metrics: Metrics,
    /// The memory that may be held for peers.
    pub budget: Budget,
    /// Heartbeats and deadlines of all connections.
    pub sweep: Sweep,
    /// Where handshakes wait for their turn.
    pub turnstile: Turnstile,
    /// The tasks of open connections, for a drain to wait for.
    pub tasks: TaskTracker,
    is_draining: AtomicBool,
    begins_draining: Notify,
}

impl Context {
    /// Asks the engine whether a peer may open a connection, within the deadline. A refusal is counted.
    ///
    /// # Errors
    ///
    /// The refusal, for the peer to be told: [`body::refusal`](crate::body::refusal).
    pub async fn admit(&self, mut handshake: Handshake) -> Result<Admitted, Refusal> {
        self.check_not_draining()?;
        let admit = self.bus.admit(&mut handshake);
        match tokio::time::timeout(self.limits.admit_timeout, admit).await {
            Ok(Ok(())) => {
                // The server may have been asked to stop meanwhile; then nothing is promised any more.
                self.check_not_draining()?;
                Ok(Admitted::new(handshake))
            }
            Ok(Err(refusal)) => Err(self.refused(refusal)),
            Err(_) => Err(self.refused(Refusal::unavailable("authorization took too long"))),
        }
    }

    /// Lets nobody in once the server is about to stop.
    pub(crate) fn check_not_draining(&self) -> Result<(), Refusal> {
        match self.is_draining() {
            true => Err(self.refused(Refusal::shutting_down())),
            false => Ok(()),
        }
    }

    fn refused(&self, refusal: Refusal) -> Refusal {
        self.metrics.count_refusal("authorization");
        refusal
    }

    /// Lets no new connection in from now on.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        self.begins_draining.notify_waiters();
    }

    /// Ends every connection, also those that the engine has not been told of.
    pub fn close_all(&self, reason: &CloseReason) {
        for connection in self.sweep.connections() {
            connection.close(reason.clone());
        }
    }

    /// Whether there may be a connection that lags.
    pub fn has_laggards(&self) -> bool {
        self.metrics.lagging.get() > 0
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// Waits until the server is about to stop.
    pub async fn draining(&self) {
        // Before the look: whoever is told from here on is told.
        let begins = self.begins_draining.notified();
        if !self.is_draining() {
            begins.await;
        }
    }

    /// Whether the page that asks may connect. If not, that is counted and the operator is told.
    pub fn permits_origin<B>(&self, request: &Request<B>) -> bool {
        let verdict = self.origins.judge(request.headers(), request.extensions());
        let is_permitted = verdict != Verdict::Refused;
        if !is_permitted {
            self.refuse_origin(request.headers());
        }
        is_permitted
    }

    /// Notes that a page was refused, for a decision that was made elsewhere.
    pub fn refuse_origin(&self, headers: &HeaderMap) {
        self.metrics.count_refusal("origin");
        self.origins.warn(headers);
    }

    /// Builds the shared part, which speaks JSON, and starts its sweep.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(
        bus: Arc<dyn Bus>,
        limits: Limits,
        origins: Origins,
        metrics: Metrics,
    ) -> Arc<Self> {
        let controls = Arc::new(JsonControls);
        Self::start_speaking(bus, limits, origins, Vec::new(), controls, metrics)
    }

    /// As [`start`](Self::start), with [sub-protocols](Self::subprotocols) and with control strings written in some other
    /// way.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_speaking(
        bus: Arc<dyn Bus>,
        limits: Limits,
        origins: Origins,
        subprotocols: Vec<String>,
        controls: Arc<dyn Controls>,
        metrics: Metrics,
    ) -> Arc<Self> {
        let context = Arc::new(Self {
            bus,
            sweep: Sweep::new(limits.ping_interval),
            budget: Budget::new(limits.max_memory, limits.max_memory_per_address),
            limits,
            origins,
            subprotocols,
            controls,
            metrics,
            turnstile: Turnstile::default(),
            tasks: TaskTracker::new(),
            is_draining: AtomicBool::new(false),
            begins_draining: Notify::new(),
        });
        Sweep::spawn(&context);
        context
    }
}
