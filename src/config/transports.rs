//! The sections of the transports, each named after its transport.

use std::path::PathBuf;
#[cfg(feature = "polling")]
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError};
use crate::http::SocketIoClient;

/// The `ws` transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WsConfig {
    /// Bytes that are read at once. The buffer belongs to a thread; a connection that waits for the rest of a message has
    /// one of its own.
    pub read_buffer_bytes: usize,
}

impl Default for WsConfig {
    fn default() -> Self {
        Self {
            read_buffer_bytes: 4096,
        }
    }
}

/// The `polling` transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollingConfig {
    /// Time between two engine.io pings. Primus's heartbeat, `limits.ping_interval_ms`, comes on top for its clients.
    pub ping_interval_ms: u64,
    /// How long the answer to a ping may take.
    pub ping_timeout_ms: u64,
    /// How long a WebSocket may take to take over from polling. Then it is closed, and the session polls on.
    pub upgrade_timeout_ms: u64,
    /// Largest POST; over it the answer is 413. An answer is not larger either, unless a single message is.
    pub max_payload_bytes: usize,
    /// Most packets in one POST. Over it the session is closed with 1008.
    pub max_packets: usize,
    /// Most sessions in all. One more is answered 503.
    pub max_sessions: usize,
    /// Most sessions of one IPv4 address or IPv6 /64. One more is answered 429.
    pub max_sessions_per_address: usize,
    /// How long a client can fetch its last messages after the server has closed its session.
    pub close_grace_ms: u64,
    /// Answers of this size and above are compressed for clients that take it. 0: none.
    pub compression_bytes: usize,
}

impl Default for PollingConfig {
    fn default() -> Self {
        Self {
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            upgrade_timeout_ms: 10_000,
            max_payload_bytes: 1_000_000,
            max_packets: 100_000,
            max_sessions: 100_000,
            max_sessions_per_address: 10_000,
            close_grace_ms: 30_000,
            compression_bytes: 1024,
        }
    }
}

/// The `socketio` transport. All but the last two as for `polling`, of sessions of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIoConfig {
    /// Time between two engine.io pings.
    pub ping_interval_ms: u64,
    /// How long the answer to a ping may take.
    pub ping_timeout_ms: u64,
    /// How long a WebSocket may take to take over from polling. Then it is closed, and the session polls on.
    pub upgrade_timeout_ms: u64,
    /// Largest POST; over it the answer is 413. An answer is not larger either, unless a single message is.
    pub max_payload_bytes: usize,
    /// Most packets in one POST. Over it the session is closed with 1008.
    pub max_packets: usize,
    /// Most sessions in all. One more is answered 503.
    pub max_sessions: usize,
    /// Most sessions of one IPv4 address or IPv6 /64. One more is answered 429.
    pub max_sessions_per_address: usize,
    /// How long a client can fetch its last messages after the server has closed its session.
    pub close_grace_ms: u64,
    /// Answers of this size and above are compressed for clients that take it. 0: none.
    pub compression_bytes: usize,
    /// How long a client may take to connect to a namespace. Then its session is closed with 4005.
    pub connect_timeout_ms: u64,
    /// Most binary attachments of one packet. Over it the session is closed with 1002.
    pub max_attachments: usize,
    /// The folder `dist` of the npm package `socket.io-client`, whose scripts are served below the door.
    pub client_dir: Option<PathBuf>,
}

impl Default for SocketIoConfig {
    fn default() -> Self {
        let PollingConfig {
            ping_interval_ms,
            ping_timeout_ms,
            upgrade_timeout_ms,
            max_payload_bytes,
            max_packets,
            max_sessions,
            max_sessions_per_address,
            close_grace_ms,
            compression_bytes,
        } = PollingConfig::default();
        Self {
            ping_interval_ms,
            ping_timeout_ms,
            upgrade_timeout_ms,
            max_payload_bytes,
            max_packets,
            max_sessions,
            max_sessions_per_address,
            close_grace_ms,
            compression_bytes,
            connect_timeout_ms: 45_000,
            max_attachments: 10,
            client_dir: None,
        }
    }
}

#[cfg(feature = "socketio")]
impl SocketIoConfig {
    /// What it has in common with `polling`.
    fn engine(&self) -> PollingConfig {
        // No `..`: an option that nobody reads is a warning here, and so a failure in CI.
        let Self {
            ping_interval_ms,
            ping_timeout_ms,
            upgrade_timeout_ms,
            max_payload_bytes,
            max_packets,
            max_sessions,
            max_sessions_per_address,
            close_grace_ms,
            compression_bytes,
            connect_timeout_ms: _,
            max_attachments: _,
            client_dir: _,
        } = *self;
        PollingConfig {
            ping_interval_ms,
            ping_timeout_ms,
            upgrade_timeout_ms,
            max_payload_bytes,
            max_packets,
            max_sessions,
            max_sessions_per_address,
            close_grace_ms,
            compression_bytes,
        }
    }
}

impl PollingConfig {
    #[cfg(feature = "polling")]
    fn options(&self, read_buffer: usize) -> stellar_transports::polling::Options {
        // No `..`: as above.
        let Self {
            ping_interval_ms,
            ping_timeout_ms,
            upgrade_timeout_ms,
            max_payload_bytes,
            max_packets,
            max_sessions,
            max_sessions_per_address,
            close_grace_ms,
            compression_bytes,
        } = *self;
        stellar_transports::polling::Options {
            ping_interval: Duration::from_millis(ping_interval_ms),
            ping_timeout: Duration::from_millis(ping_timeout_ms),
            upgrade_timeout: Duration::from_millis(upgrade_timeout_ms),
            max_payload: max_payload_bytes,
            max_packets,
            max_sessions,
            max_sessions_per_address,
            close_grace: Duration::from_millis(close_grace_ms),
            compression: (compression_bytes > 0).then_some(compression_bytes),
            read_buffer,
        }
    }
}

impl Config {
    /// The options of the transports.
    pub(crate) fn transport_options(&self) -> stellar_transports::Options {
        stellar_transports::Options {
            paths: self.doors.clone(),
            #[cfg(feature = "ws")]
            ws: stellar_transports::ws::Options {
                read_buffer: self.ws.read_buffer_bytes,
            },
            #[cfg(feature = "polling")]
            polling: self.polling.options(self.ws.read_buffer_bytes),
            #[cfg(feature = "socketio")]
            socketio: stellar_transports::socketio::Options {
                engine: self.socketio.engine().options(self.ws.read_buffer_bytes),
                connect_timeout: Duration::from_millis(self.socketio.connect_timeout_ms),
                max_attachments: self.socketio.max_attachments,
                namespaces: stellar_transports::socketio::Namespaces::default(),
            },
        }
    }

    /// Whether the sections can work.
    pub(super) fn check_transport_sections(&self) -> Result<(), ConfigError> {
        match &self.socketio.client_dir {
            Some(folder) if !SocketIoClient::is_in(folder) => Err(ConfigError::Value(format!(
                "socketio.client_dir: there is no socket.io.js in {}: name the folder `dist` of the npm package \
                 socket.io-client, such as node_modules/socket.io-client/dist",
                folder.display()
            ))),
            Some(_) | None => Ok(()),
        }
    }
}
