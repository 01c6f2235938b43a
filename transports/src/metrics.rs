//! What the transports count.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters and gauges of all transports of one server. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Connections open now, by transport.
    pub connections: Family<[(&'static str, &'static str); 1], Gauge>,
    /// Connections ended so far, by reason.
    pub closed: Family<[(&'static str, &'static str); 1], Counter>,
    /// Handshakes turned away, by reason.
    pub refused: Family<[(&'static str, &'static str); 1], Counter>,
    /// Attempts to move a connection to a better way of travelling, by result.
    pub upgrades: Family<[(&'static str, &'static str); 1], Counter>,
    /// Requests refused because of a limit, by its name in the configuration.
    pub limited: Family<[(&'static str, &'static str); 1], Counter>,
    /// Connections that lag now: more waits for them than [`Limits::lag`](crate::Limits::lag).
    pub lagging: Gauge,
    /// Requests that waited until members of a room had caught up.
    pub held_back: Counter,
    /// Messages received.
    pub received: Counter,
    /// Messages put into an outbox.
    pub sent: Counter,
    /// Messages encoded. A room message counts once per encoding, however many members it reaches.
    pub encoded: Counter,
}

impl Metrics {
    /// Adds all of them to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "connections",
            "Connections open now",
            self.connections.clone(),
        );
        registry.register(
            "connections_closed",
            "Connections ended",
            self.closed.clone(),
        );
        registry.register(
            "handshakes_refused",
            "Handshakes turned away",
            self.refused.clone(),
        );
        registry.register(
            "upgrades",
            "Attempts to move a connection to a WebSocket",
            self.upgrades.clone(),
        );
        registry.register(
            "requests_limited",
            "Requests refused because of a limit",
            self.limited.clone(),
        );
        registry.register(
            "connections_lagging",
            "Connections for which more waits than limits.lag_bytes",
            self.lagging.clone(),
        );
        registry.register(
            "requests_held_back",
            "Requests that waited until members of a room had caught up",
            self.held_back.clone(),
        );
        registry.register(
            "messages_received",
            "Messages received",
            self.received.clone(),
        );
        registry.register(
            "messages_sent",
            "Messages put into an outbox",
            self.sent.clone(),
        );
        registry.register("messages_encoded", "Messages encoded", self.encoded.clone());
    }

    /// Counts one request that was refused because of a limit.
    pub fn count_limited(&self, limit: &'static str) {
        self.limited.get_or_create(&[("limit", limit)]).inc();
    }

    /// Counts one refused handshake.
    pub fn count_refusal(&self, reason: &'static str) {
        self.refused.get_or_create(&[("reason", reason)]).inc();
    }
}
