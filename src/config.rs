//! Every option of the server: one tree, with units, defaults and limits.
//!
//! The commented reference is `stellar.toml` at the top of the repository; a test keeps it in step with this module.
//! Keys ending in `_ms` are milliseconds, in `_bytes` bytes. Unknown keys are errors.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod access;
mod check;
mod general;
mod limits;
mod listen;
mod networks;
mod rates;
#[cfg(test)]
mod tests;
mod texts;
mod transports;
mod web;
mod words;

pub use access::{Access, Tls};
pub(crate) use check::check_transports;
pub use general::{Errors, General};
pub use limits::LimitsConfig;
pub use listen::parse_listen;
pub use rates::RatesConfig;
pub use transports::{PollingConfig, SocketIoConfig, WsConfig};
pub use web::{Client, Web};

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
}
