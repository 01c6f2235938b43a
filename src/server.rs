//! A server: an app or an engine, on a port, behind transports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use stellar_transports::{Budget, Transport};

use crate::address::canonical_networks;
use crate::app::files::{Links, Places};
use crate::app::{App, Error};
use crate::client_script::Scripts;
use crate::config::{Config, ConfigError, check_transports};
use crate::engine::{Engine, Handler, Incoming, Spark};
use crate::http::{
    Api, BodyLimits, Bound, RouteError, Router, Routes, ServeError, Settings, Site, SocketIoClient,
    StaticOptions, Store,
};
use crate::log::LogWriter;
use crate::primus::{Libraries, Primus};
use crate::service::Service;
use crate::signals::Signals;

/// Files that the process needs besides its sockets.
const RESERVED_FILES: usize = 64;
/// Most sockets of one address where nothing else is configured, as there are of sessions that poll.
const MAX_PER_ADDRESS: usize = 10_000;

/// Puts an app or an engine on a port.
///
/// ```no_run
/// use stellar::Server;
/// use stellar::app::App;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let app = App::builder().build()?;
/// Server::new(app).listen(([127, 0, 0, 1], 8080)).run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a server does nothing until it is run"]
pub struct Server {
    config: Config,
    app: Option<App>,
    engine: Engine,
    primus: Option<Primus>,
    transports: Vec<Arc<dyn Transport>>,
    start_page: Option<String>,
    log: LogWriter,
    #[cfg(feature = "socketio")]
    namespaces: stellar_transports::socketio::Namespaces,
}

impl Server {
    /// A server for an app, with the configuration that the app has.
    pub fn new(app: App) -> Self {
        Self {
            config: app.config().clone(),
            engine: app.engine(),
            app: Some(app),
            primus: None,
            transports: Vec::new(),
            start_page: None,
            log: LogWriter::default(),
            #[cfg(feature = "socketio")]
            namespaces: Default::default(),
        }
    }

    /// A server for an engine alone: no actions, no files, nothing but connections. The engine keeps the limits and
    /// origins that it was given; those of a configuration are for apps.
    pub fn for_engine(engine: Engine, config: Config) -> Self {
        Self {
            config,
            app: None,
            engine,
            primus: None,
            transports: Vec::new(),
            start_page: None,
            log: LogWriter::default(),
            #[cfg(feature = "socketio")]
            namespaces: Default::default(),
        }
    }

    /// A server for a [`Primus`], which brings transports, limits and origins of its own. It uses the parts of a
    /// configuration that concern sockets and HTTP: the address, TLS, the limits of connections and requests.
    pub fn for_primus(primus: &Primus, config: Config) -> Self {
        let nothing = Engine::with_hub(Arc::clone(primus.hub()), Arc::new(Nobody));
        Self {
            primus: Some(primus.clone()),
            ..Self::for_engine(nothing, config)
        }
    }

    /// Chooses the address, whatever the configuration says. Default `127.0.0.1:8080`.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.config.listen = address.into();
        self
    }

    /// Chooses the built-in transports by name, whatever the configuration says. Default all.
    pub fn transports<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.config.transport = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a transport of your own. It is asked before the built-in ones.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transports.push(Arc::new(transport));
        self
    }

    /// Chooses what is shown at `/`, in HTML, in place of a file. Default nothing: the file is shown.
    pub fn start_page(mut self, html: impl Into<String>) -> Self {
        self.start_page = Some(html.into());
        self
    }

    /// Shows in the metrics what of a log was lost.
    pub fn log(mut self, log: &LogWriter) -> Self {
        self.log = log.clone();
        self
    }

    /// Opens namespaces for socket.io clients besides `/`, which is the app's or engine's.
    #[cfg(feature = "socketio")]
    pub fn namespaces(mut self, namespaces: stellar_transports::socketio::Namespaces) -> Self {
        self.namespaces = namespaces;
        self
    }

    /// Takes the port. Nothing is served before [`Bound::serve`].
    ///
    /// # Errors
    ///
    /// When the configuration cannot work, or the port cannot be had.
    pub async fn bind(self) -> Result<Bound, ServeError> {
        let address = self.config.listen;
        Bound::listen(address, self.site()?)
    }

    /// The server as a tower service, for an HTTP server of one's own: axum's, hyper's, or any other. The server around
    /// it decides about the socket: address, TLS, the number of connections, and the time for a request's headers.
    ///
    /// # Errors
    ///
    /// When the configuration cannot work.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn service(self) -> Result<Service, ServeError> {
        Ok(Service::new(Arc::new(self.site()?)))
    }

    fn site(self) -> Result<Site, ServeError> {
        let Self {
            config,
            app,
            engine,
            primus,
            transports: own,
            start_page,
            log,
            #[cfg(feature = "socketio")]
            namespaces,
        } = self;
        // Only a server with transports of its own may do without the built-in ones.
        if own.is_empty() || !config.transport.is_empty() {
            check_transports(&config.transport)?;
        }
        config.check_values()?;
        let security = crate::tls::security(&config.tls)?;
        #[cfg_attr(
            not(feature = "socketio"),
            allow(unused_mut, reason = "nothing to add")
        )]
        let mut options = config.transport_options();
        #[cfg(feature = "socketio")]
        {
            options.socketio.namespaces = namespaces;
        }
        let mut transports = own;
        transports.extend(
            config
                .transport
                .iter()
                .filter_map(|name| stellar_transports::entry(name)?.build)
                .map(|build| build(&options, &config.transport)),
        );
        let engine = match &app {
            Some(_) => engine
                .limits(config.engine_limits())
                .rates(config.app_options().rates.connection)
                .origins(config.origins()?)
                .subprotocols(config.access.subprotocols.iter().cloned()),
            None => engine,
        };
        let hub = Arc::clone(engine.hub());
        let primus = primus.map(|primus| primus.endpoint());
        let (context, transports) = match &primus {
            Some(primus) => (Arc::clone(&primus.context), Vec::new()),
            None => (engine.start(), transports),
        };
        let mut metrics = prometheus_client::registry::Registry::with_prefix("stellar");
        context.metrics.register(&mut metrics);
        context.budget.register(&mut metrics);
        let budget = context.budget.clone();
        let api = app
            .clone()
            .map(|app| api(app, &config, budget))
            .transpose()?;
        metrics.register(
            "log_writes_lost",
            "Lines of the log, and announcements, that could not be written",
            log.lost(),
        );
        let places = match &app {
            Some(app) => Arc::clone(app.files().places()),
            None => Arc::default(),
        };
        metrics.register(
            "files_refused",
            "Files that were not sent because too many were open",
            places.refused(),
        );
        if let Some(api) = &api {
            metrics.register(
                "uploads_refused",
                "Uploads turned away because too much was stored",
                api.uploads.refused(),
            );
        }
        let router = Router {
            context,
            transports,
            paths: options.paths,
            socketio_client: SocketIoClient::new(
                config.socketio.client_dir.as_deref(),
                Links::configured(&config),
                &places,
                statics(&config),
            ),
            api,
            scripts: match &primus {
                Some(_) => Scripts::none(),
                None => Scripts::new(&config),
            },
            primus,
            libraries: Libraries::for_app(&config),
            metrics,
            metrics_networks: canonical_networks(config.access.metrics_networks.iter().copied()),
            start_page: start_page.map(Into::into),
            is_leaving: AtomicBool::new(false),
        };
        let max_connections = max_connections(config.access.max_connections);
        let settings = Settings {
            security,
            trusted_proxies: match &router.primus {
                // It has a layer of its own for this, which asks about the socket.
                Some(_) => Vec::new().into(),
                None => canonical_networks(config.access.trusted_proxies.iter().copied()).into(),
            },
            exempt: match &router.primus {
                Some(primus) => primus.trusted_proxies().into(),
                None => canonical_networks(config.access.trusted_proxies.iter().copied()).into(),
            },
            max_connections,
            max_connections_per_address: match config.access.max_connections_per_address {
                0 => (max_connections / 2).clamp(1, MAX_PER_ADDRESS),
                configured => configured,
            },
            visits: config.rates.visits(),
            header_timeout: Duration::from_millis(config.limits.header_timeout_ms),
            write_timeout: Duration::from_millis(config.limits.write_timeout_ms),
            close_timeout: Duration::from_millis(config.limits.close_timeout_ms),
            shutdown_delay: Duration::from_millis(config.general.shutdown_delay_ms),
            shutdown_timeout: Duration::from_millis(config.general.shutdown_timeout_ms),
            destroy_on_shutdown: config.general.destroy_clients_on_shutdown,
            retry_within: Duration::from_millis(config.general.shutdown_retry_within_ms),
        };
        Ok(Site {
            router: Arc::new(router),
            settings,
            app,
            hub,
        })
    }

    /// Serves until the process is asked to stop (Ctrl-C or SIGTERM), then drains. It returns at once if it is asked a
    /// second time.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub async fn run(self) -> Result<(), ServeError> {
        // First of all: a signal that comes while the server starts is not lost.
        let signals = Signals::listen();
        let bound = self.bind().await?;
        bound.run(signals).await;
        Ok(())
    }
}

/// The handler of an engine that is never started.
#[derive(Debug)]
struct Nobody;

impl Handler for Nobody {
    fn received(&self, _spark: &Spark, _message: Incoming<'_>) {}
}

fn api(app: App, config: &Config, budget: Budget) -> Result<Api, ConfigError> {
    let fault = |error: RouteError| {
        let source = std::error::Error::source(&error);
        let detail = source.map(|source| format!(": {source}").replace('\n', " "));
        ConfigError::Value(format!("web.routes: {error}{}", detail.unwrap_or_default()))
    };
    let routes = Routes::new(config.web.routes.clone()).map_err(fault)?;
    routes.check_actions(app.registry()).map_err(fault)?;
    let bounds = app.options().bounds();
    Ok(Api {
        app,
        places: Arc::new(tokio::sync::Semaphore::new(config.limits.max_web_actions)),
        web: config.web.clone(),
        routes,
        limits: BodyLimits {
            max_body: config.limits.max_body_bytes,
            max_fields: config.limits.max_fields,
            bounds,
            max_uploads: config.limits.max_uploads,
            deadline: Duration::from_millis(config.limits.body_timeout_ms),
        },
        budget,
        uploads: Arc::new(Store::new(
            config.limits.max_stored_uploads,
            config.limits.max_stored_upload_bytes,
        )),
        statics: statics(config),
    })
}

fn statics(config: &Config) -> StaticOptions {
    StaticOptions {
        max_age: Duration::from_secs(config.web.file_cache_seconds),
        etag: config.web.enable_etag,
        missing: Error::FileMissing
            .message(&config.app_options().errors)
            .into(),
    }
}

/// How many sockets may be open: what is configured, or what the file limit allows beside the files of the public folder.
pub fn max_connections(configured: usize) -> usize {
    if configured > 0 {
        return configured.min(tokio::sync::Semaphore::MAX_PERMITS);
    }
    let files = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from(files)
        .unwrap_or(usize::MAX)
        .saturating_sub(RESERVED_FILES + Places::by_file_limit())
        .clamp(16, tokio::sync::Semaphore::MAX_PERMITS)
}
