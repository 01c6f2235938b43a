//! The engine: connections (*sparks*), the bus that their messages arrive on, and rooms. Primus's role, usable
//! without the app on top.
//!
//! A [`Handler`] says what happens; the engine brings connections of every transport to it in the same shape:
//!
//! ```
//! use stellar::engine::{Engine, Handler, Incoming, IncomingPayload, Message, Spark};
//!
//! #[derive(Debug)]
//! struct Echo;
//!
//! impl Handler for Echo {
//!     fn received(&self, spark: &Spark, message: Incoming<'_>) {
//!         if let IncomingPayload::Text(text) = message.payload {
//!             let _closed_meanwhile = spark.send(&Message::text(text));
//!         }
//!     }
//! }
//!
//! let engine = Engine::new(Echo);
//! assert!(engine.hub().is_empty());
//! ```

mod bus;
mod floor;
mod hub;
mod joined;
mod publication;
mod rate;
mod room;
mod spark;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use floor::Floor;
use futures_util::future::BoxFuture;
pub use hub::Hub;
pub use publication::{Publication, Sender, Share, Voice};
pub use rate::{Bucket, Limited, Rate, Rates};
pub use room::{Member, RoomError, Stamp};
pub(crate) use spark::at_random;
pub use spark::{Spark, WriteError};
use stellar_transports::primus::{Controls, JsonControls};
pub use stellar_transports::{
    AckId, Broadcast, CloseReason, ConnectionId, Handshake, Incoming, IncomingPayload, Initiator,
    Limits, Message, Origins, Payload, Peer, Refusal, SendError, Turn,
};
use stellar_transports::{Context, Metrics};

/// How long leaving may be put off by [`Handler::closed`].
pub(crate) const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// What an application does with its connections.
///
/// `opened`, `received` and `closed` of one spark never overlap and come in this order. They are called on the
/// task that reads from the peer, so they return quickly; longer work goes into a task of its own.
pub trait Handler: fmt::Debug + Send + Sync + 'static {
    /// Decides whether a peer may connect, before it is promised anything. The default admits everyone.
    ///
    /// # Errors
    ///
    /// The refusal becomes the HTTP answer to the handshake.
    fn authorize<'a>(&'a self, handshake: &'a mut Handshake) -> BoxFuture<'a, Result<(), Refusal>> {
        let _ = handshake;
        Box::pin(async { Ok(()) })
    }

    /// A connection is open. Its handshake is gone afterwards: keep what you need of it with [`Spark::attach`].
    fn opened(&self, spark: &Spark, handshake: &Handshake) {
        let _ = (spark, handshake);
    }

    /// A message has arrived. It borrows from the read buffer: copy what you keep.
    fn received(&self, spark: &Spark, message: Incoming<'_>);

    /// A message has arrived over one of the [`Rates`]. Whoever sent it is to be told, or ended: the default ends it.
    fn limited(&self, spark: &Spark, message: Incoming<'_>, limited: Limited) {
        let _ = (message, limited);
        spark.end(CloseReason::TooManyRequests);
    }

    /// The peer has answered a ping, or sent one.
    fn heartbeat(&self, spark: &Spark) {
        let _ = spark;
    }

    /// A connection is over. The spark is still in its rooms; it leaves them when this returns, or when the
    /// returned future is done, but five seconds later at the most.
    fn closed(&self, spark: &Spark, reason: &CloseReason) -> Option<BoxFuture<'static, ()>> {
        let _ = (spark, reason);
        None
    }
}

/// Connections of all transports, their rooms, and the handler that they are brought to.
#[derive(Debug)]
pub struct Engine {
    hub: Arc<Hub>,
    handler: Arc<dyn Handler>,
    limits: Limits,
    rates: Rates,
    origins: Origins,
    subprotocols: Vec<String>,
    controls: Arc<dyn Controls>,
    metrics: Metrics,
}

impl Engine {
    /// An engine with default limits.
    pub fn new(handler: impl Handler) -> Self {
        Self::with_hub(Arc::new(Hub::default()), Arc::new(handler))
    }

    /// An engine whose handler already knows the hub.
    pub fn with_hub(hub: Arc<Hub>, handler: Arc<dyn Handler>) -> Self {
        Self {
            hub,
            handler,
            limits: Limits::default(),
            rates: Rates::default(),
            origins: Origins::default(),
            subprotocols: Vec::new(),
            controls: Arc::new(JsonControls),
            metrics: Metrics::default(),
        }
    }

    /// Replaces the limits per connection.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Replaces the rates per connection.
    #[must_use]
    pub fn rates(mut self, rates: Rates) -> Self {
        self.rates = rates;
        self
    }

    /// Chooses the web origins that may connect besides the server's own.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Chooses the WebSocket sub-protocols that are agreed to: a client is answered with the first of its own that is among
    /// them. Without any, with the first.
    #[must_use]
    pub fn subprotocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Chooses how Primus's control strings are written. Default JSON.
    #[must_use]
    pub fn controls(mut self, controls: Arc<dyn Controls>) -> Self {
        self.controls = controls;
        self
    }

    /// Counts with these metrics.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The connections and rooms.
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Gets ready for connections: gives transports what they need to deliver here.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, which the heartbeats need.
    pub fn start(self) -> Arc<Context> {
        let limits = self.limits.clone();
        let origins = self.origins.clone();
        let subprotocols = self.subprotocols.clone();
        let controls = Arc::clone(&self.controls);
        let metrics = self.metrics.clone();
        let bus = Arc::new(self);
        Context::start_speaking(bus, limits, origins, subprotocols, controls, metrics)
    }
}
