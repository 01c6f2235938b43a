//! The sections of the transports, each named after its transport.

#[cfg(feature = "polling")]
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError};

/// The `ws` transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WsConfig {
    /// Read buffer of each connection. Larger ones take bursts of large messages with fewer reads.
    pub read_buffer_bytes: usize,
}

impl Default for WsConfig {
    fn default() -> Self {
        Self {
            read_buffer_bytes: 1024,
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

impl Config {
    /// The options of the transports.
    pub(crate) fn transport_options(&self) -> stellar_transports::Options {
        stellar_transports::Options {
            #[cfg(feature = "ws")]
            ws: stellar_transports::ws::Options {
                read_buffer: self.ws.read_buffer_bytes,
            },
            #[cfg(feature = "polling")]
            polling: self.polling_options(),
        }
    }

    #[cfg(feature = "polling")]
    fn polling_options(&self) -> stellar_transports::polling::Options {
        // No `..`: an option that nobody reads is a warning here, and so a failure in CI.
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
        } = self.polling;
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
            read_buffer: self.ws.read_buffer_bytes,
        }
    }

    /// Whether the sections can work.
    pub(super) fn check_transport_sections(&self) -> Result<(), ConfigError> {
        let fault = |text: &str| Err(ConfigError::Value(text.into()));
        if !(64..=1024 * 1024).contains(&self.ws.read_buffer_bytes) {
            return fault("ws.read_buffer_bytes must be between 64 and 1048576");
        }
        let polling = &self.polling;
        for (name, value) in [
            ("ping_interval_ms", polling.ping_interval_ms),
            ("ping_timeout_ms", polling.ping_timeout_ms),
        ] {
            if !(20..=3_600_000).contains(&value) {
                return fault(&format!("polling.{name} must be between 20 and 3600000"));
            }
        }
        for (name, value) in [
            ("upgrade_timeout_ms", polling.upgrade_timeout_ms as usize),
            ("max_packets", polling.max_packets),
            ("max_sessions", polling.max_sessions),
            ("max_sessions_per_address", polling.max_sessions_per_address),
        ] {
            if value == 0 {
                return fault(&format!(
                    "polling.{name} is 0, so that nobody could be served: leave it out or raise it"
                ));
            }
        }
        if polling.max_payload_bytes < 1024 {
            return fault("polling.max_payload_bytes must be 1024 or more");
        }
        Ok(())
    }
}
