//! The section of limits and deadlines.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Config;
use crate::app;
use crate::engine::Limits;

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
    /// Bytes waiting for a client over which it lags, until no more than half of them are left. Others who speak in a room of
    /// it wait meanwhile, and are not read from.
    pub lag_bytes: usize,
    /// How long they wait for a client that lags, and for all that lag in a room until half of `lag_bytes` more have been said
    /// there. 0: nobody waits.
    pub lag_timeout_ms: u64,
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
            lag_bytes: 2 * 1024 * 1024,
            lag_timeout_ms: 2000,
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

impl Config {
    /// The limits of realtime connections.
    pub(crate) fn engine_limits(&self) -> Limits {
        let limits = &self.limits;
        Limits {
            max_message: limits.max_message_bytes,
            max_fragments: limits.max_fragments,
            max_outbox: limits.max_outbox_bytes,
            lag: limits.lag_bytes,
            lag_timeout: Duration::from_millis(limits.lag_timeout_ms),
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
}
