//! A server's options (docs/protocol/primus.md#the-server-api).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use ipnet::IpNet;
use parking_lot::Mutex;
use stellar_transports::{
    Handshake, Limits, Metrics, OriginError, Origins, Paths, PathsError, Refusal, Transport,
};

use super::inbox::Listener;
use super::layer::{Cors, Forwarded, Forwarding, Layer, Layers};
use super::parser::{Json, Parser};
use super::server::{Primus, Shared};
use super::transform::{BoxError, Transforms};
use super::{CloseReason, Direction, Packet, Plugin, PrimusError, Spark, SparkError, Transform};
use crate::address::canonical_networks;
use crate::engine::{Hub, Rates};

pub(super) type Authorize =
    Box<dyn for<'a> Fn(&'a mut Handshake) -> BoxFuture<'a, Result<(), Refusal>> + Send + Sync>;
pub(super) type OnConnection =
    Box<dyn Fn(Spark) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>;
pub(super) type OnDisconnection =
    Box<dyn Fn(Spark, CloseReason) -> BoxFuture<'static, ()> + Send + Sync>;
pub(super) type OnData = Listener;
pub(super) type OnError = Box<dyn Fn(&Spark, &SparkError) + Send + Sync>;
pub(super) type IdGenerator = Box<dyn Fn(&Handshake) -> String + Send + Sync>;

/// What a handler may return: nothing, or a result.
pub trait Outcome {
    /// As a result.
    ///
    /// # Errors
    ///
    /// What the handler failed with.
    fn into_result(self) -> Result<(), BoxError>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// Builds a [`Primus`].
#[must_use = "nothing happens before it is built"]
pub struct Builder {
    pathname: String,
    global: String,
    client_url: Option<String>,
    parser: Arc<dyn Parser>,
    transports: Vec<String>,
    own_transports: Vec<Arc<dyn Transport>>,
    options: stellar_transports::Options,
    limits: Limits,
    rates: Rates,
    origins: Result<Origins, OriginError>,
    subprotocols: Vec<String>,
    cors: Cors,
    forwarded: Forwarded,
    layers: Vec<(Option<usize>, String, Arc<dyn Layer>)>,
    plugins: Vec<Arc<dyn Plugin>>,
    transforms: [Transforms; 2],
    authorize: Option<Authorize>,
    id_generator: Option<IdGenerator>,
    on_connection: Option<OnConnection>,
    on_disconnection: Option<OnDisconnection>,
    on_data: Option<OnData>,
    on_error: Option<OnError>,
    metrics: Metrics,
}

impl Default for Builder {
    fn default() -> Self {
        let names = stellar_transports::REGISTRY.iter();
        Self {
            pathname: Paths::default().primus,
            global: "Primus".to_owned(),
            client_url: None,
            parser: Arc::new(Json),
            transports: names
                .filter(|entry| entry.build.is_some())
                .map(|entry| entry.name.to_owned())
                .collect(),
            own_transports: Vec::new(),
            options: stellar_transports::Options::default(),
            limits: Limits::default(),
            rates: Rates::default(),
            origins: Ok(Origins::default()),
            subprotocols: Vec::new(),
            cors: Cors::default(),
            forwarded: Forwarded::default(),
            layers: Vec::new(),
            plugins: Vec::new(),
            transforms: Default::default(),
            authorize: None,
            id_generator: None,
            on_connection: None,
            on_disconnection: None,
            on_data: None,
            on_error: None,
            metrics: Metrics::default(),
        }
    }
}

impl Builder {
    /// Where clients come in. Default `/primus`. A slash in front may be left out, one at the end is ignored. It is
    /// matched by whole segments: `/primusfoo` is not below `/primus`.
    pub fn pathname(mut self, pathname: impl Into<String>) -> Self {
        self.pathname = pathname.into();
        self
    }

    /// How values are written. Default [JSON](super::parser::Json).
    pub fn parser(mut self, parser: impl Parser) -> Self {
        self.parser = Arc::new(parser);
        self
    }

    /// Which transports are open, by name, the one that the generated client prefers first. Default all of this build:
    /// `ws` (Primus's `websockets`), `polling` (Primus's `engine.io`) and `socketio`.
    pub fn transports<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.transports = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a transport of your own. It is asked before the built-in ones.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.own_transports.push(Arc::new(transport));
        self
    }

    /// Options of the built-in transports.
    pub fn transport_options(mut self, options: stellar_transports::Options) -> Self {
        self.options = options;
        self
    }

    /// Time between two pings to a client; one that does not answer is told to reconnect. Default 30 s; `None` turns
    /// them off, for the generated client, too.
    pub const fn ping_interval(mut self, interval: Option<Duration>) -> Self {
        self.limits.ping_interval = interval;
        self
    }

    /// Largest message that is accepted, in bytes. Whatever its length, a message has at most
    /// [`MAX_VALUES`](super::parser::MAX_VALUES) values. Default 10 MiB over WebSocket, and 1 MB in one request of long polling;
    /// this sets both.
    pub const fn max_length(mut self, bytes: usize) -> Self {
        self.limits.max_message = bytes;
        #[cfg(feature = "polling")]
        {
            self.options.polling.max_payload = bytes;
        }
        #[cfg(feature = "socketio")]
        {
            self.options.socketio.engine.max_payload = bytes;
        }
        self
    }

    /// How much each connection may send in a time. One that sends more is ended with
    /// [`CloseReason::TooManyRequests`](crate::engine::CloseReason::TooManyRequests), and may come back. Default far above honest use.
    pub fn rates(mut self, rates: Rates) -> Self {
        self.rates = rates;
        self
    }

    /// The other limits of each connection.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether answers of long polling are compressed. Default true. Over WebSocket nothing is.
    #[cfg_attr(
        not(feature = "polling"),
        allow(unused_mut, unused_variables, reason = "nothing to set")
    )]
    pub fn compression(mut self, is_on: bool) -> Self {
        #[cfg(feature = "polling")]
        {
            let from = is_on.then_some(1024);
            self.options.polling.compression = from;
            #[cfg(feature = "socketio")]
            {
                self.options.socketio.engine.compression = from;
            }
        }
        self
    }

    /// Makes the ids that clients are told, instead of random ones. Two connections must not have the same: while one is
    /// open, a second with its id is refused.
    pub fn id_generator(
        mut self,
        generate: impl Fn(&Handshake) -> String + Send + Sync + 'static,
    ) -> Self {
        self.id_generator = Some(Box::new(generate));
        self
    }

    /// Which pages may connect besides those of the server's own origin, over every transport: as [`Origins::allow`] has
    /// them. Default none; `*` is all. What can be no origin is an error of [`build`](Self::build).
    pub fn origins<S: AsRef<str>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.origins = Origins::allow(origins);
        self
    }

    /// The WebSocket sub-protocols that are agreed to, of those that a client offers: the first of its own that is among
    /// them. Default: the first. One that carries a token (`stellar.bearer.<token>`) is never said back.
    pub fn subprotocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// The CORS headers for pages whose [origin](Self::origins) may connect.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Whose word about a client's address is taken. Default loopback only.
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.forwarded.trusted = canonical_networks(networks);
        self
    }

    /// Which header those proxies write the address into. Default `X-Forwarded-For`. Only that one is believed: a proxy
    /// hands on what a client wrote into all others.
    pub fn forwarding(mut self, forwarding: Forwarding) -> Self {
        self.forwarded.forwarding = forwarding;
        self
    }

    /// Decides whether a client may connect, once per connection and before it is promised anything. What a
    /// [`Refusal`] says is its answer: status, body and `WWW-Authenticate`.
    ///
    /// ```
    /// use stellar::primus::{Primus, Refusal};
    ///
    /// let primus = Primus::builder()
    ///     .authorize(|handshake| {
    ///         Box::pin(async move {
    ///             match handshake.header("authorization") {
    ///                 Some("Bearer let-me-in") => Ok(()),
    ///                 _ => Err(Refusal::new("who are you?").with_authenticate("Bearer")),
    ///             }
    ///         })
    ///     })
    ///     .build()?;
    /// # Ok::<(), stellar::primus::PrimusError>(())
    /// ```
    pub fn authorize(
        mut self,
        authorize: impl for<'a> Fn(&'a mut Handshake) -> BoxFuture<'a, Result<(), Refusal>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.authorize = Some(Box::new(authorize));
        self
    }

    /// Called with every connection. Messages of its client wait until the handler is done, or [reads](Spark::data)
    /// them. A handler may stay with its connection. If it fails, the connection is ended for good, and what its client
    /// has sent is dropped.
    pub fn on_connection<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Spark) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        self.on_connection = Some(Box::new(move |spark| {
            let handled = handler(spark);
            Box::pin(async move { handled.await.into_result() })
        }));
        self
    }

    /// Called when a connection is over, behind what its client sent before, if that takes no longer than four seconds. A
    /// [drain](super::Destroy) waits for it, for five seconds at the most.
    pub fn on_disconnection<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Spark, CloseReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on_disconnection = Some(Box::new(move |spark, reason| {
            Box::pin(handler(spark, reason))
        }));
        self
    }

    /// Called with every message of every connection that has no listener of its own. It returns quickly.
    pub fn on_data(mut self, listener: impl Fn(&Spark, Packet) + Send + Sync + 'static) -> Self {
        self.on_data = Some(Arc::new(listener));
        self
    }

    /// Called with what goes wrong on connections that have no listener of their own for it. Without one it is logged.
    pub fn on_error(
        mut self,
        listener: impl Fn(&Spark, &SparkError) + Send + Sync + 'static,
    ) -> Self {
        self.on_error = Some(Box::new(listener));
        self
    }

    /// Adds a transform for the messages of all connections. A message to all goes through those for outgoing ones once.
    pub fn transform(self, direction: Direction, transform: Transform) -> Self {
        self.transforms[usize::from(direction == Direction::Outgoing)].add(transform);
        self
    }

    /// Adds a plugin.
    pub fn plugin(mut self, plugin: impl Plugin) -> Self {
        let plugin: Arc<dyn Plugin> = Arc::new(plugin);
        self.plugins.push(Arc::clone(&plugin));
        plugin.install(self)
    }

    /// Adds a layer, behind those that are there and before authorization. One of the same name is replaced in its place.
    pub fn layer(mut self, name: impl Into<String>, layer: impl Layer) -> Self {
        self.layers.push((None, name.into(), Arc::new(layer)));
        self
    }

    /// Adds a layer at a place; see [`Layers::insert`].
    pub fn layer_at(mut self, at: usize, name: impl Into<String>, layer: impl Layer) -> Self {
        self.layers.push((Some(at), name.into(), Arc::new(layer)));
        self
    }

    /// The name that the client library has in pages. Default `Primus`.
    pub fn global(mut self, global: impl Into<String>) -> Self {
        self.global = global.into();
        self
    }

    /// Where the client library connects to, unless a page says otherwise. Default the origin of the page.
    pub fn client_url(mut self, url: impl Into<String>) -> Self {
        self.client_url = Some(url.into());
        self
    }

    /// Counts with these metrics, to have them in a registry of your own.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Builds the server. It serves once it [listens](Primus::listen), or is asked by a server of yours
    /// ([`Primus::service`]).
    ///
    /// # Errors
    ///
    /// When an option cannot work.
    pub fn build(self) -> Result<Primus, PrimusError> {
        let pathname = pathname(&self.pathname)?;
        for name in &self.transports {
            if stellar_transports::entry(name).is_none_or(|entry| entry.build.is_none()) {
                return Err(PrimusError::Transport(name.clone()));
            }
        }
        for (at, plugin) in self.plugins.iter().enumerate() {
            let name = plugin.name();
            let is_taken = self.plugins[..at].iter().any(|other| other.name() == name);
            if name.is_empty() || is_taken {
                return Err(PrimusError::Plugin(name.to_owned()));
            }
        }
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.contains(['<', '>', '"', '\\'])
                && !name.contains(char::is_control)
        };
        if !is_name(&self.global) {
            return Err(PrimusError::Global(self.global));
        }
        #[cfg(feature = "ws")]
        {
            let mut names = self.subprotocols.iter();
            if let Some(name) = names.find(|name| !stellar_transports::is_subprotocol(name)) {
                return Err(PrimusError::Subprotocol(name.clone()));
            }
        }
        let mut options = self.options;
        options.paths.primus.clone_from(&pathname);
        options.paths.check(&[]).map_err(|error| match error {
            PathsError::Invalid {
                place: "primus", ..
            } => PrimusError::Pathname(self.pathname.clone()),
            error => PrimusError::Doors(error),
        })?;
        let origins = self.origins?;
        let proxies = self.forwarded.trusted.clone();
        let layers = Layers::standard(self.forwarded, self.cors, origins.clone());
        for (at, name, layer) in self.layers {
            match at {
                Some(at) => layers.insert_shared(at, name, layer),
                None => layers.add_shared(name, layer),
            }
        }
        let shared = Arc::new(Shared {
            pathname,
            global: self.global,
            client_url: self.client_url,
            parser: self.parser,
            transports: self.transports,
            own_transports: Mutex::new(self.own_transports),
            options,
            limits: self.limits,
            rates: self.rates,
            origins,
            subprotocols: self.subprotocols,
            proxies,
            metrics: self.metrics,
            layers,
            plugins: self.plugins.into(),
            transforms: self.transforms,
            authorize: self.authorize,
            id_generator: self.id_generator,
            on_connection: self.on_connection,
            on_disconnection: self.on_disconnection,
            on_data: self.on_data,
            on_error: self.on_error,
            hub: Arc::<Hub>::default(),
            connections: Default::default(),
            disconnections: Default::default(),
            runtime: Default::default(),
            tasks: Default::default(),
            broadcasts: Default::default(),
            stop: Default::default(),
            destroyed: Default::default(),
            endpoint: Default::default(),
        });
        let primus = Primus::of(&shared);
        for plugin in &*shared.plugins {
            plugin.built(&primus);
        }
        Ok(primus)
    }
}

/// The pathname as it is matched.
fn pathname(given: &str) -> Result<String, PrimusError> {
    let segments = given.trim_matches('/');
    if segments.is_empty() {
        return Err(PrimusError::Pathname(given.to_owned()));
    }
    Ok(format!("/{segments}"))
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("pathname", &self.pathname)
            .field("parser", &self.parser)
            .field("transports", &self.transports)
            .field("plugins", &self.plugins)
            .finish_non_exhaustive()
    }
}
