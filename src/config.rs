//! Every option of the server: one tree, with units, defaults and limits.
//!
//! The commented reference is `stellar.toml` at the top of the repository; a test keeps it in step with this file.
//! Keys ending in `_ms` are milliseconds, in `_bytes` bytes. Unknown keys are errors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::app;
use crate::engine::{Limits, Origins};

mod listen;
mod networks;
mod rates;
mod transports;
mod words;

pub use listen::parse_listen;
pub use rates::RatesConfig;
pub use transports::{PollingConfig, SocketIoConfig, WsConfig};

/// The root of the tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on, as [`parse_listen`] reads it. Port 0 lets the system choose.
    #[serde(deserialize_with = "listen::deserialize")]
    pub listen: SocketAddr,
    /// Transports to open, in the order in which the generated client tries them.
    pub transport: Vec<String>,
    /// The folder whose files are served. None: no files, or the demo's own with `--demo`.
    pub public: Option<PathBuf>,
    /// The paths of the doors.
    pub doors: stellar_transports::Paths,
    /// HTTPS.
    pub tls: Tls,
    /// Who may connect, and how many.
    pub access: Access,
    /// Limits and deadlines.
    pub limits: LimitsConfig,
    /// How often one client may do what.
    pub rates: RatesConfig,
    /// The `ws` transport.
    pub ws: WsConfig,
    /// The `polling` transport.
    pub polling: PollingConfig,
    /// The `socketio` transport.
    pub socketio: SocketIoConfig,
    /// Rooms, actions and greeting.
    pub general: General,
    /// Actions and files over HTTP.
    pub web: Web,
    /// The generated client.
    pub client: Client,
    /// How errors are put into words.
    pub errors: Errors,
}

/// HTTPS. Certificate and key, or neither.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key.
    pub key: Option<PathBuf>,
    /// File with the secret that session tickets are encrypted with: servers that share it, or come back with it, resume each
    /// other's sessions. The first line makes tickets, those below still read theirs. None: keys that no other server has.
    pub ticket_key: Option<PathBuf>,
}

/// Who may connect, and how many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Web origins that may connect besides the server's own: `https://example.com`, `https://*.example.com`,
    /// `http://localhost:*`, `file://`, `null`. `*` allows all.
    pub origins: Vec<String>,
    /// WebSocket sub-protocols that are agreed to, of those that a client offers. None: the first that it offers.
    pub subprotocols: Vec<String>,
    /// Networks whose `X-Forwarded-*` headers are believed. In a file, single addresses as well.
    #[serde(deserialize_with = "networks::deserialize")]
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that may read `/metrics`, besides this machine.
    pub metrics_networks: Vec<IpNet>,
    /// Sockets open at once. 0: as many as the file limit allows, less a reserve. A few more are let in for `/healthz`, `/readyz`
    /// and `/metrics` alone.
    pub max_connections: usize,
    /// Of these, how many one IPv4 address or IPv6 /64 may have. Sockets of trusted proxies count for the client of their last
    /// request, and for nobody if that is a proxy. 0: half of the places, 10,000 at most.
    pub max_connections_per_address: usize,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            subprotocols: Vec::new(),
            trusted_proxies: vec![
                IpNet::from(std::net::IpAddr::from([127, 0, 0, 1])),
                IpNet::from(std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST)),
            ],
            metrics_networks: Vec::new(),
            max_connections: 0,
            max_connections_per_address: 0,
        }
    }
}

/// Limits and deadlines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest realtime message. Over it the connection is closed with 1009.
    pub max_message_bytes: usize,
    /// Most frames that one message may come in. Over it the connection is closed with 1008.
    pub max_fragments: u32,
    /// Most bytes that may wait for one client. Over it the connection is closed with 4001.
    pub max_outbox_bytes: usize,
    /// Memory that may be held for all clients together: messages on their way, bodies, params. 0: a quarter of what this
    /// process may use. Over it new work is refused (503, 029), and those that hold the most are closed with 1013.
    pub memory_budget_bytes: usize,
    /// How much of it one IPv4 address or IPv6 /64 may have. 0: a sixteenth, but no less than 16 MiB. For clients of this
    /// machine there is no such share; those of a proxy elsewhere have one together, unless `access.trusted_proxies` lists it.
    pub memory_per_address_bytes: usize,
    /// How long a client's socket may take nothing while something waits. Then it is closed with 4002. A client that
    /// fetches its messages has the same time to do so, and is closed with 4001.
    pub write_timeout_ms: u64,
    /// How long a message may take from its first byte to its last. Then the connection is closed with 4004.
    pub receive_timeout_ms: u64,
    /// How long a message of which more than 64 KiB have come may take to bring another eighth of that. Then the connection
    /// is closed with 4004.
    pub receive_stall_ms: u64,
    /// How long the application may take to decide whether a client may connect. Then the answer is 503.
    pub admit_timeout_ms: u64,
    /// How long to wait for a client's part of a closing handshake.
    pub close_timeout_ms: u64,
    /// Time between two pings; a client that sends nothing from one to the next is closed with 4003. 0: no pings.
    pub ping_interval_ms: u64,
    /// How long a TLS handshake or the headers of a request may take, and how long an idle HTTP connection is kept.
    pub header_timeout_ms: u64,
    /// Largest HTTP request body. Over it the answer is 413.
    pub max_body_bytes: usize,
    /// How long a request body may take. Then the answer is 408.
    pub body_timeout_ms: u64,
    /// Most fields in a query or form.
    pub max_fields: usize,
    /// Most files in one form. Over it the answer is 413. Their bytes count as the body's.
    pub max_uploads: usize,
    /// Uploaded files that may be stored at once, of all requests. One more is answered 503.
    pub max_stored_uploads: usize,
    /// Bytes of uploaded files that may be stored at once, of all requests. One more is answered 503.
    pub max_stored_upload_bytes: usize,
    /// Actions called over HTTP that may run at once. One more is answered 007 with 503.
    pub max_web_actions: usize,
    /// Largest payload of one realtime request: an action's params, an event's data, what is said. Over it the answer
    /// is 023.
    pub max_payload_bytes: usize,
    /// Most values in what a request has the server parse: params, an event's data, and what is said where hooks are told of
    /// it. Members of lists, keys and members of objects count; each takes about 200 bytes of memory. Over it the answer
    /// is 023, over HTTP 413.
    pub max_values: usize,
    /// How deep params may nest. Deeper ones are answered 023, over HTTP with 400.
    pub max_depth: usize,
    /// Largest `messageId`. A larger one is not given back, and the answer is 023.
    pub max_message_id_bytes: usize,
    /// Most members that one answer to `roomView` shows, and most rooms of `detailsView`. Where there are more, it says how
    /// many, and where the next page begins.
    pub max_view: usize,
    /// Largest file that the `file` verb sends. Over it the answer is 011.
    pub max_file_bytes: usize,
    /// Rooms that one connection may be in. One more is answered 029.
    pub max_rooms_per_connection: usize,
    /// Files of the public folder that may be open at once, for downloads and the `file` verb. One more is answered 503, by
    /// the verb 011. 0: an eighth of the file limit, from 16 to 4096.
    pub max_open_files: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: 10 * 1024 * 1024,
            max_fragments: 1024,
            max_outbox_bytes: 8 * 1024 * 1024,
            memory_budget_bytes: 0,
            memory_per_address_bytes: 0,
            write_timeout_ms: 20_000,
            receive_timeout_ms: 60_000,
            receive_stall_ms: 15_000,
            admit_timeout_ms: 10_000,
            close_timeout_ms: 3000,
            ping_interval_ms: 30_000,
            header_timeout_ms: 15_000,
            max_body_bytes: 1024 * 1024,
            body_timeout_ms: 30_000,
            max_fields: 1000,
            max_uploads: 100,
            max_stored_uploads: 1000,
            max_stored_upload_bytes: 256 * 1024 * 1024,
            max_web_actions: 1000,
            max_payload_bytes: 1024 * 1024,
            max_values: 20_000,
            max_depth: 32,
            max_message_id_bytes: 256,
            max_view: 1000,
            max_file_bytes: 5 * 1024 * 1024,
            max_rooms_per_connection: app::Options::default().max_rooms,
            max_open_files: 0,
        }
    }
}

/// Rooms, actions and greeting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct General {
    /// Shown in HTTP answers and as `X-Powered-By`.
    pub server_name: String,
    /// Shown in HTTP answers.
    pub api_version: String,
    /// The text of the greeting.
    pub welcome_message: String,
    /// Whether new connections are greeted.
    pub send_welcome: bool,
    /// Delay of the greeting. 0: before anything else.
    pub welcome_delay_ms: u64,
    /// Rooms that exist from the start.
    pub starting_rooms: Vec<String>,
    /// Actions that one connection may have running. One more is answered 007.
    pub simultaneous_actions: u32,
    /// How long an action may take. Then it is answered 022.
    pub action_timeout_ms: u64,
    /// Verbs that clients may not use. They are answered 014.
    pub refused_verbs: BTreeSet<String>,
    /// Tells clients at a shutdown not to come back, instead of to come back.
    pub destroy_clients_on_shutdown: bool,
    /// Within how long clients are to come back after a shutdown, each at a random time. 0: as they choose. Primus's own
    /// clients and those that do not speak Primus choose for themselves.
    pub shutdown_retry_within_ms: u64,
    /// How long `/readyz` says 503, while everything else goes on, before a shutdown refuses connections.
    pub shutdown_delay_ms: u64,
    /// How long a shutdown waits for running actions.
    pub shutdown_timeout_ms: u64,
}

impl Default for General {
    fn default() -> Self {
        let app = app::Options::default();
        Self {
            server_name: app.server_name,
            api_version: app.api_version,
            welcome_message: app.welcome_message,
            send_welcome: true,
            welcome_delay_ms: 0,
            starting_rooms: app.starting_rooms,
            simultaneous_actions: app.simultaneous_actions,
            action_timeout_ms: 30_000,
            refused_verbs: BTreeSet::new(),
            destroy_clients_on_shutdown: false,
            shutdown_retry_within_ms: 0,
            shutdown_delay_ms: 0,
            shutdown_timeout_ms: 5000,
        }
    }
}

/// Actions and files over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// First path segment of actions.
    pub url_path_for_actions: String,
    /// First path segment of files. Files are served below the root as well.
    pub url_path_for_files: String,
    /// Whether every action answers at `/api/<name>`.
    pub simple_routing: bool,
    /// Whether `?action=<name>` chooses the action.
    pub query_routing: bool,
    /// Whether `?callback=<name>` has the answer passed to a function: JSONP, for pages of other origins in browsers that
    /// know nothing better. Every page can read the answers then.
    pub jsonp: bool,
    /// Whether answers carry `serverInformation`.
    pub server_information: bool,
    /// Whether answers carry `requesterInformation`.
    pub requester_information: bool,
    /// Whether errors change the HTTP status. Otherwise it is always 200.
    pub return_error_codes: bool,
    /// Spaces of indentation in JSON answers. Those that it would make more than twice as large, beyond a start of 16 KiB, are
    /// sent without.
    pub padding: u8,
    /// Most bytes of params that `receivedParams` gives back. Of larger ones it gives none.
    pub max_echo_bytes: usize,
    /// The same for requests that fail.
    pub max_failed_echo_bytes: usize,
    /// `Cache-Control: max-age` of files, in seconds.
    pub file_cache_seconds: u64,
    /// Whether files have an `ETag`. `Last-Modified` is always sent.
    pub enable_etag: bool,
    /// Whether HTTP clients without a fingerprint are given one as a cookie.
    pub set_cookie: bool,
    /// The cookie and query parameter that carry the fingerprint.
    pub cookie_key: String,
    /// Life of the cookie.
    pub cookie_expires_ms: u64,
    /// Whether symbolic links in the public folder, and in `socketio.client_dir`, may lead out of it, and to names that
    /// begin with a dot.
    pub follow_links: bool,
    /// Custom routes.
    #[serde(skip_serializing)]
    pub routes: Vec<crate::http::Route>,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            url_path_for_actions: "api".into(),
            url_path_for_files: "public".into(),
            simple_routing: true,
            query_routing: true,
            jsonp: false,
            server_information: true,
            requester_information: true,
            return_error_codes: true,
            padding: 2,
            max_echo_bytes: 4096,
            max_failed_echo_bytes: 256,
            file_cache_seconds: 60,
            enable_etag: true,
            set_cookie: true,
            cookie_key: "sessionID".into(),
            cookie_expires_ms: 3_600_000,
            follow_links: false,
            routes: Vec::new(),
        }
    }
}

/// The generated client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// Where the client connects. None: the origin of the page that loads it.
    pub url: Option<String>,
    /// The path of the script, without slash and extension. Empty: none is served.
    pub name: String,
    /// The name of the global that the script defines.
    pub global: String,
    /// The room of `emit` and of `say` without a room.
    pub default_room: String,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            url: None,
            name: "stellar-client".into(),
            global: "StellarClient".into(),
            default_room: "defaultRoom".into(),
        }
    }
}

/// How errors are put into words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Errors {
    /// Sends `error` as bare text instead of `{code, message}`.
    pub as_text: bool,
    /// Uses the original servers' texts of 010, 013 and 019, for clients that compare texts.
    pub original_texts: bool,
    /// Texts by code that replace the default ones; `{room}` and the like are filled in.
    pub texts: BTreeMap<String, String>,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not right.
    #[error("{path}: {detail}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// An option has a value that cannot work.
    #[error("{0}")]
    Value(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((listen::HOST, 8080)),
            transport: stellar_transports::REGISTRY
                .iter()
                .filter(|entry| entry.build.is_some())
                .map(|entry| entry.name.to_owned())
                .collect(),
            public: None,
            doors: stellar_transports::Paths::default(),
            tls: Tls::default(),
            access: Access::default(),
            limits: LimitsConfig::default(),
            rates: RatesConfig::default(),
            ws: WsConfig::default(),
            polling: PollingConfig::default(),
            socketio: SocketIoConfig::default(),
            general: General::default(),
            web: Web::default(),
            client: Client::default(),
            errors: Errors::default(),
        }
    }
}

impl Config {
    /// Reads TOML text; `path` is for messages.
    ///
    /// # Errors
    ///
    /// When it is not TOML, or has unknown keys or values of the wrong type. The text names line, key and expectation.
    pub fn parse(text: &str, path: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error: toml::de::Error| ConfigError::Invalid {
            path: path.to_owned(),
            detail: words::describe(text, &error),
        })
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and when the file cannot be read.
    pub fn load(path: &std::path::Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &name),
            Err(source) => Err(ConfigError::Unreadable { path: name, source }),
        }
    }

    /// The limits of realtime connections.
    pub(crate) fn engine_limits(&self) -> Limits {
        let limits = &self.limits;
        Limits {
            max_message: limits.max_message_bytes,
            max_fragments: limits.max_fragments,
            max_outbox: limits.max_outbox_bytes,
            max_memory: limits.memory_budget_bytes,
            max_memory_per_address: limits.memory_per_address_bytes,
            write_timeout: Duration::from_millis(limits.write_timeout_ms),
            receive_timeout: Duration::from_millis(limits.receive_timeout_ms),
            receive_stall: Duration::from_millis(limits.receive_stall_ms),
            admit_timeout: Duration::from_millis(limits.admit_timeout_ms),
            close_timeout: Duration::from_millis(limits.close_timeout_ms),
            ping_interval: (limits.ping_interval_ms > 0)
                .then(|| Duration::from_millis(limits.ping_interval_ms)),
        }
    }

    /// The web origins that may connect.
    pub(crate) fn origins(&self) -> Result<Origins, ConfigError> {
        let origins = Origins::allow(&self.access.origins);
        origins.map_err(|error| ConfigError::Value(error.to_string()))
    }

    /// The options of the app.
    pub(crate) fn app_options(&self) -> app::Options {
        // No `..`: an option that nobody reads is a warning here, and so a failure in CI.
        let General {
            server_name,
            api_version,
            welcome_message,
            send_welcome,
            welcome_delay_ms,
            starting_rooms,
            simultaneous_actions,
            action_timeout_ms,
            refused_verbs,
            destroy_clients_on_shutdown: _,
            shutdown_retry_within_ms: _,
            shutdown_delay_ms: _,
            shutdown_timeout_ms: _,
        } = self.general.clone();
        let Errors {
            as_text,
            original_texts,
            texts,
        } = self.errors.clone();
        let mut errors = app::ErrorFormat { texts, as_text };
        if original_texts {
            errors = errors.with_original_texts();
        }
        app::Options {
            server_name,
            api_version,
            welcome_message,
            welcome: match (send_welcome, welcome_delay_ms) {
                (false, _) => app::Welcome::Never,
                (true, 0) => app::Welcome::AtOnce,
                (true, delay) => app::Welcome::After(Duration::from_millis(delay)),
            },
            starting_rooms,
            simultaneous_actions,
            action_timeout: Duration::from_millis(action_timeout_ms),
            max_file: self.limits.max_file_bytes,
            max_payload: self.limits.max_payload_bytes,
            max_rooms: self.limits.max_rooms_per_connection,
            max_values: self.limits.max_values,
            max_depth: self.limits.max_depth,
            max_message_id: self.limits.max_message_id_bytes,
            max_view: self.limits.max_view,
            rates: self.rates.options(),
            fingerprint_key: self.web.cookie_key.clone(),
            refused_verbs,
            errors,
        }
    }

    /// Checks what types alone do not.
    ///
    /// # Errors
    ///
    /// One line that names the mistake and the fix.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_transports(&self.transport)?;
        self.check_values()
    }

    /// As [`check`](Self::check), but for the transports.
    pub(crate) fn check_values(&self) -> Result<(), ConfigError> {
        let fault = |text: String| Err(ConfigError::Value(text));
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return fault(
                "TLS needs both a certificate and a key: give --tls-cert and --tls-key".into(),
            );
        }
        if self.tls.ticket_key.is_some() && self.tls.cert.is_none() {
            return fault("tls.ticket_key is for HTTPS: it needs tls.cert and tls.key".into());
        }
        if let Some(public) = self.public.as_ref().filter(|public| !public.is_dir()) {
            return fault(format!(
                "the public folder {} is not a folder: create it or give another --public",
                public.display()
            ));
        }
        words::check_bounds(self)?;
        self.rates.check()?;
        let mut refused = self.general.refused_verbs.iter();
        if let Some(unknown) = refused.find(|verb| !app::verbs::is_verb(verb)) {
            return fault(format!(
                "general.refused_verbs lists `{unknown}`, which is no verb"
            ));
        }
        self.check_doors()?;
        self.check_transport_sections()?;
        self.origins()?;
        #[cfg(feature = "ws")]
        {
            let mut names = self.access.subprotocols.iter();
            if let Some(name) = names.find(|name| !stellar_transports::is_subprotocol(name)) {
                return fault(format!(
                    "access.subprotocols lists `{name}`, which is no name as RFC 6455 has them, or looks like the carrier \
                     of a token"
                ));
            }
        }
        if self.client.global.is_empty() {
            return fault("client.global is empty: the script needs a name for its global".into());
        }
        if self.general.starting_rooms.iter().any(String::is_empty) {
            return fault("general.starting_rooms lists a room without a name".into());
        }
        Ok(())
    }
}

impl Config {
    /// Checks that nobody else is where the doors are.
    fn check_doors(&self) -> Result<(), ConfigError> {
        let mut reserved = vec![
            ("/healthz".to_owned(), "operations"),
            ("/readyz".to_owned(), "operations"),
            ("/metrics".to_owned(), "operations"),
        ];
        let (web, script) = (&self.web, &self.client.name);
        for (segment, owner) in [
            (&web.url_path_for_actions, "web.url_path_for_actions"),
            (&web.url_path_for_files, "web.url_path_for_files"),
        ] {
            if !segment.is_empty() {
                reserved.push((format!("/{segment}"), owner));
            }
        }
        if !script.is_empty() {
            let endings = ["", ".js", ".min.js", ".mjs"];
            reserved.extend(endings.map(|end| (format!("/{script}{end}"), "client.name")));
        }
        self.doors
            .check(&reserved)
            .map_err(|error| ConfigError::Value(format!("doors.{}: {error}", error.place())))
    }
}

/// Checks a list of transport names.
///
/// # Errors
///
/// For an empty list, and for unknown, repeated and absent transports.
pub(crate) fn check_transports(names: &[String]) -> Result<(), ConfigError> {
    let built_in: Vec<_> = stellar_transports::REGISTRY
        .iter()
        .filter(|entry| entry.build.is_some())
        .map(|entry| entry.name)
        .collect();
    let choices = built_in.join(", ");
    if names.is_empty() {
        return Err(ConfigError::Value(format!(
            "no transport is chosen: give --transport with one or several of {choices}"
        )));
    }
    for (index, name) in names.iter().enumerate() {
        let fault = match stellar_transports::entry(name) {
            None => format!("unknown transport `{name}`: choose from {choices}"),
            Some(entry) if entry.build.is_none() => {
                format!("transport `{name}` is not built in: choose from {choices}")
            }
            Some(_) if names[..index].contains(name) => {
                format!("transport `{name}` is listed twice: name each once")
            }
            Some(_) => continue,
        };
        return Err(ConfigError::Value(fault));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = include_str!("../stellar.toml");

    /// The reference with every commented option switched on.
    fn uncommented() -> String {
        REFERENCE
            .lines()
            .filter_map(|line| match line.strip_prefix("#: ") {
                Some(option) => Some(option),
                None => (!line.starts_with('#')).then_some(line),
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_reference_shows_the_defaults() {
        assert_eq!(
            Config::parse(REFERENCE, "stellar.toml").unwrap(),
            Config::default()
        );
        assert_eq!(
            Config::parse(&uncommented(), "stellar.toml").unwrap(),
            Config::default()
        );
    }

    #[test]
    fn the_reference_mentions_every_option() {
        // Options without a default value do not serialize; the reference shows them as examples.
        let mut all = Config {
            public: Some("x".into()),
            ..Config::default()
        };
        all.tls.cert = Some("x".into());
        all.tls.key = Some("x".into());
        all.tls.ticket_key = Some("x".into());
        all.client.url = Some("x".into());
        all.socketio.client_dir = Some("x".into());
        let all = toml::to_string(&all).unwrap();
        for line in all.lines().filter(|line| !line.is_empty()) {
            let name = line.split_once(" = ").map_or(line, |(name, _)| name);
            assert!(
                REFERENCE.lines().any(|line| line
                    .trim_start_matches(['#', ':', ' '])
                    .trim_start_matches("e.g. ")
                    .starts_with(name)),
                "`{name}` is missing in stellar.toml"
            );
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_their_line() {
        let error = Config::parse(
            "listen = \"127.0.0.1:1\"\n[general]\nsimultanous_actions = 3\n",
            "x.toml",
        );
        let text = error.unwrap_err().to_string();
        assert!(
            text.starts_with(
                "x.toml: line 3: general.simultanous_actions: unknown field `simultanous_actions`"
            ),
            "{text}"
        );
        assert!(!text.contains('\n'));
    }

    #[test]
    fn transports_are_checked_by_name() {
        let check = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            check_transports(&names).map_err(|error| error.to_string())
        };
        assert!(check(&[]).unwrap_err().contains("--transport"));
        assert!(
            check(&["telepathy"])
                .unwrap_err()
                .contains("unknown transport `telepathy`")
        );
        #[cfg(feature = "ws")]
        {
            assert_eq!(check(&["ws"]), Ok(()));
            assert!(check(&["ws", "ws"]).unwrap_err().contains("twice"));
        }
        #[cfg(all(feature = "ws", not(feature = "socketio")))]
        assert!(
            check(&["ws", "socketio"])
                .unwrap_err()
                .contains("not built in")
        );
    }
}
