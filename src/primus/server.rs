//! A server, as applications see it (docs/protocol/primus.md#the-server-api).

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use stellar_transports::{Limits, Metrics, Origins, Transport, Turn, primus};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::builder::{
    Authorize, Builder, IdGenerator, OnConnection, OnData, OnDisconnection, OnError,
};
use super::lane::Lane;
use super::layer::Layers;
use super::service::Endpoint;
use super::spark::message;
use super::streams::{Audience, Ended};
use super::transform::{Step, Transforms, advance, finish};
use super::{
    Connections, Disconnections, Packet, Parser, Plugin, PrimusError, Spark, Value, WriteError,
    check,
};
use crate::client_script::Format;
use crate::engine::{Hub, Rates};
use crate::service::Service;

/// A realtime server with Primus's abstraction: values go in and out, whatever carries them. Cloning shares it.
#[derive(Clone)]
pub struct Primus(Arc<Shared>);

/// What the parts of a server share.
pub(super) struct Shared {
    pub(super) pathname: String,
    pub(super) global: String,
    pub(super) client_url: Option<String>,
    pub(super) parser: Arc<dyn Parser>,
    pub(super) transports: Vec<String>,
    /// Until the server starts.
    pub(super) own_transports: Mutex<Vec<Arc<dyn Transport>>>,
    pub(super) options: stellar_transports::Options,
    pub(super) limits: Limits,
    pub(super) rates: Rates,
    pub(super) origins: Origins,
    pub(super) subprotocols: Vec<String>,
    /// Those that the standard layer trusts.
    pub(super) proxies: Vec<ipnet::IpNet>,
    pub(super) metrics: Metrics,
    pub(super) layers: Layers,
    pub(super) plugins: Arc<[Arc<dyn Plugin>]>,
    pub(super) transforms: [Transforms; 2],
    pub(super) authorize: Option<Authorize>,
    pub(super) id_generator: Option<IdGenerator>,
    pub(super) on_connection: Option<OnConnection>,
    pub(super) on_disconnection: Option<OnDisconnection>,
    pub(super) on_data: Option<OnData>,
    pub(super) on_error: Option<OnError>,
    pub(super) hub: Arc<Hub>,
    pub(super) connections: Audience<Spark>,
    pub(super) disconnections: Audience<Ended>,
    /// The runtime that the server was started on.
    pub(super) runtime: OnceLock<tokio::runtime::Handle>,
    /// Handlers and transforms that take their time.
    pub(super) tasks: TaskTracker,
    /// Messages to all that wait for the server's transforms.
    pub(super) broadcasts: Mutex<Lane>,
    /// Ends [`Primus::listen`].
    pub(super) stop: CancellationToken,
    /// Whether that has been done; who asks again waits with who asked first.
    pub(super) destroyed: OnceCell<()>,
    pub(super) endpoint: OnceLock<Arc<Endpoint>>,
}

impl Primus {
    /// Begins a server with default options.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// The server as a [tower service](Service), for an HTTP server of your own: hyper's, axum's, or any other.
    ///
    /// # Panics
    ///
    /// When called outside a tokio runtime for the first time.
    pub fn service(&self) -> Service {
        Service::new(Endpoint::of(&self.0))
    }

    pub(crate) fn endpoint(&self) -> Arc<Endpoint> {
        Endpoint::of(&self.0)
    }

    /// Listens on a port until the server is [destroyed](Self::destroy).
    ///
    /// # Errors
    ///
    /// When the port cannot be had.
    pub async fn listen(&self, address: impl Into<SocketAddr>) -> Result<(), PrimusError> {
        self.bind(address).await?.serve().await;
        Ok(())
    }

    /// Takes a port. Nothing is served before [`Bound::serve`].
    ///
    /// # Errors
    ///
    /// When the port cannot be had.
    pub async fn bind(&self, address: impl Into<SocketAddr>) -> Result<Bound, PrimusError> {
        let mut config = crate::config::Config::default();
        // The layer `forwarded` looks for clients behind proxies, with options of its own.
        config.access.trusted_proxies = Vec::new();
        let server = crate::Server::for_primus(self, config).listen(address);
        Ok(Bound {
            bound: server.bind().await?,
            stop: self.0.stop.clone(),
        })
    }

    /// Connections that open from now on, as a stream.
    pub fn connections(&self) -> Connections {
        Connections(self.0.connections.join())
    }

    /// Connections that end from now on, as a stream.
    pub fn disconnections(&self) -> Disconnections {
        Disconnections::new(self.0.disconnections.join())
    }

    /// How many connections there are.
    pub fn connected(&self) -> usize {
        self.0.hub.len()
    }

    /// The connection with this id.
    pub fn spark(&self, id: &str) -> Option<Spark> {
        Spark::of(&self.0.hub.spark_by_public_id(id)?)
    }

    /// All connections, in no order.
    pub fn sparks(&self) -> Vec<Spark> {
        self.0.hub.sparks().iter().filter_map(Spark::of).collect()
    }

    /// The connections and rooms of the engine.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// Calls `each` for every connection, until it breaks.
    pub fn for_each(&self, mut each: impl FnMut(&Spark) -> ControlFlow<()>) {
        let _turn = Turn::begin();
        for spark in self.sparks() {
            if each(&spark).is_break() {
                return;
            }
        }
    }

    /// Calls `each` for one connection after the other, until it breaks. Those that open meanwhile have their turn, too.
    pub async fn for_each_async<F, Fut>(&self, mut each: F)
    where
        F: FnMut(Spark) -> Fut,
        Fut: Future<Output = ControlFlow<()>>,
    {
        let mut seen = HashSet::new();
        loop {
            let mut sparks = self.sparks();
            sparks.retain(|spark| seen.insert(spark.connection_id()));
            if sparks.is_empty() {
                return;
            }
            for spark in sparks {
                if spark.is_open() && each(spark).await.is_break() {
                    return;
                }
            }
        }
    }

    /// Sends a message to every connection. It goes through the server's transforms once, and is encoded once for all
    /// clients of a kind. A connection with transforms of its own gets a message made for it.
    ///
    /// Where a transform of the server takes its time, this returns before the message is sent. Messages to all keep
    /// their order then, but what is written to one connection meanwhile comes before. Messages that several threads
    /// write at once may reach two clients in different orders.
    ///
    /// # Errors
    ///
    /// When the parser has no place for the value, or a transform failed; nobody was sent anything then.
    pub fn write(&self, data: impl Into<Value>) -> Result<(), WriteError> {
        self.send_all(None, data.into())
    }

    /// Sends a value to some connections, encoded once for all of a kind. Otherwise as [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_to(
        &self,
        sparks: impl IntoIterator<Item = Spark>,
        data: impl Into<Value>,
    ) -> Result<(), WriteError> {
        self.send_all(Some(sparks.into_iter().collect()), data.into())
    }

    /// Sends to these connections, or all.
    fn send_all(&self, to: Option<Arc<[Spark]>>, data: Value) -> Result<(), WriteError> {
        check(&data)?;
        if self.0.transforms[1].all().is_none() {
            // Nothing to wait for, so whoever else writes is not waited for either.
            return self.broadcast(&Packet::to(to, data));
        }
        let packet = {
            let mut lane = self.0.broadcasts.lock();
            if lane.has_over(self.0.limits.max_outbox) {
                return Err(WriteError::Busy);
            }
            lane.enter(Packet::to(to, data))
        };
        let Some(packet) = packet else {
            return Ok(());
        };
        let Ok(outcome) = self.transform(packet) else {
            return Ok(());
        };
        self.go_on();
        outcome
    }

    /// Takes a message to all as far as it goes without waiting. `Err` if a task goes on with it, and with those behind.
    fn transform(&self, packet: Packet) -> Result<Result<(), WriteError>, ()> {
        let Some(transforms) = self.0.transforms[1].all() else {
            return Ok(self.broadcast(&packet));
        };
        match advance(&transforms, 0, packet) {
            waits @ Step::Waits(..) => {
                let primus = self.clone();
                self.0.spawn(async move {
                    let step = finish(&transforms, waits).await;
                    primus.report(primus.transformed(step));
                    primus.go_on();
                });
                Err(())
            }
            step => Ok(self.transformed(step)),
        }
    }

    fn transformed(&self, step: Step) -> Result<(), WriteError> {
        match step {
            Step::Through(packet) => self.broadcast(&packet),
            Step::Dropped | Step::Waits(..) => Ok(()),
            Step::Failed(error) => Err(WriteError::Transform(error.to_string())),
        }
    }

    /// Sends the messages to all that have waited.
    fn go_on(&self) {
        loop {
            let next = self.0.broadcasts.lock().next();
            match next.map(|packet| self.transform(packet)) {
                None | Some(Err(())) => return,
                Some(Ok(outcome)) => self.report(outcome),
            }
        }
    }

    /// Nobody waits for the outcome any more.
    #[allow(clippy::unused_self, reason = "reads as the server's own step")]
    fn report(&self, outcome: Result<(), WriteError>) {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a message to all was not sent");
        }
    }

    /// Sends a message to those whom it is for, past the server's transforms.
    fn broadcast(&self, packet: &Packet) -> Result<(), WriteError> {
        check(&packet.data)?;
        let message = message(self.0.parser.encode(&packet.data)?);
        let all;
        let sparks = match packet.targets() {
            Some(sparks) => sparks,
            None => {
                all = self.sparks();
                &all
            }
        };
        let _turn = Turn::begin();
        let mut broadcast = stellar_transports::Broadcast::new(&message);
        for spark in sparks {
            if spark.has_own_way_out() {
                spark.send_through_own(packet.data.clone());
            } else {
                // One that has ended meanwhile has nothing to miss.
                let _closed = spark.engine().send_in(&mut broadcast);
            }
        }
        Ok(())
    }

    /// The layers that every request goes through.
    pub fn layers(&self) -> &Layers {
        &self.0.layers
    }

    /// Where clients come in.
    pub fn pathname(&self) -> &str {
        &self.0.pathname
    }

    /// The document at `<pathname>/spec`: five keys in this order (docs/protocol/primus.md#the-description).
    pub fn spec(&self) -> String {
        let shared = &self.0;
        let first = shared.transports.first();
        let entry = first.and_then(|name| stellar_transports::entry(name));
        primus::spec(
            shared.limits.ping_interval,
            &shared.pathname,
            shared.parser.name(),
            entry.map_or("custom", |entry| entry.transformer),
        )
    }

    /// The client library, readable, as `<pathname>/primus.js` serves it. `None` if no transport is open that it could
    /// speak: these are `ws` and `polling`.
    pub fn library(&self) -> Option<String> {
        super::library::generate(&self.0, Format::Readable)
    }

    /// Writes the client library to a file: minified for `*.min.js`, as an ES module for `*.mjs`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or there is no library.
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> std::io::Result<()> {
        let path = path.as_ref();
        let name = path.file_name().and_then(|name| name.to_str());
        let format = super::library::format_of(name.unwrap_or_default());
        let library = super::library::generate(&self.0, format).ok_or_else(|| {
            let text = "no transport is open that a client library could speak";
            std::io::Error::new(std::io::ErrorKind::Unsupported, text)
        })?;
        std::fs::write(path, library)
    }
}

/// A server that has its port, and serves once it is told to.
#[derive(Debug)]
pub struct Bound {
    bound: crate::Bound,
    stop: CancellationToken,
}

impl Bound {
    /// The address that clients connect to.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.bound.local_addr()
    }

    /// Serves until the server is [destroyed](Primus::destroy).
    pub async fn serve(self) {
        self.bound.serve(self.stop.cancelled_owned()).await;
    }
}

impl fmt::Debug for Primus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Primus")
            .field("pathname", &self.pathname)
            .field("parser", &self.parser)
            .field("transports", &self.transports)
            .field("connected", &self.hub.len())
            .finish_non_exhaustive()
    }
}
