//! How bytes reach a Stellar server.
//!
//! A [`Transport`] takes HTTP requests from the server, turns them into [`Connection`]s and delivers what happens
//! on them to the [`Bus`]. It knows nothing of rooms, verbs or actions. What flows through:
//!
//! ```text
//! socket → frame → Incoming → Event::Received → Bus::dispatch → … engine …
//!                                                                   │
//! socket ← one write per turn ← outbox ← Dialect::encode ← Message ◄┘
//! ```
//!
//! This file is the registry: the one list of built-in transports, and of the doors of those that are not built in.

pub mod accept;
pub mod body;
mod broadcast;
mod close;
mod connection;
mod dialect;
#[cfg(feature = "polling")]
mod engineio;
mod handshake;
mod heartbeat;
mod lease;
#[cfg(feature = "testing")]
pub mod memory;
mod message;
mod metrics;
mod origin;
mod outbox;
#[cfg(feature = "polling")]
pub mod polling;
pub mod primus;
mod queue;
mod socket;
#[cfg(feature = "socketio")]
pub mod socketio;
mod sweep;
mod transport;
mod turn;
#[cfg(feature = "ws")]
pub mod ws;

use std::sync::Arc;

pub use broadcast::Broadcast;
pub use close::{CloseReason, Initiator};
pub use connection::{Connection, ConnectionId, Outgoing, SendError};
pub use dialect::Dialect;
pub use handshake::{Admitted, Handshake, Peer, Refusal};
pub use lease::{Lease, Progress};
pub use message::{AckId, Incoming, IncomingPayload, Message, Payload};
pub use metrics::Metrics;
pub use origin::Origins;
pub use socket::Socket;
pub use sweep::Sweep;
pub use transport::{Body, BodyError, Bus, Context, Event, Limits, Transport};
pub use turn::Turn;

/// Where Primus's clients come in, unless another place is chosen.
pub const PATHNAME: &str = "/primus";

/// The options of all built-in transports, each nested under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where Primus's clients come in: a path that begins with a slash and does not end with one. Default
    /// [`PATHNAME`].
    pub pathname: String,
    /// Options of the `ws` transport.
    #[cfg(feature = "ws")]
    pub ws: ws::Options,
    /// Options of the `polling` transport.
    #[cfg(feature = "polling")]
    pub polling: polling::Options,
    /// Options of the `socketio` transport.
    #[cfg(feature = "socketio")]
    pub socketio: socketio::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pathname: PATHNAME.to_owned(),
            #[cfg(feature = "ws")]
            ws: Default::default(),
            #[cfg(feature = "polling")]
            polling: Default::default(),
            #[cfg(feature = "socketio")]
            socketio: Default::default(),
        }
    }
}

/// One line of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The transport's name.
    pub name: &'static str,
    /// What Primus calls a server with this transport (Primus specification, §2.3).
    pub transformer: &'static str,
    /// Where its clients come in, as shown to people.
    pub doors: &'static [Door],
    /// Builds it; `None` when this build does not contain it.
    pub build: Option<Build>,
}

/// Builds a transport. The names are those of all built-in transports that will be open, itself among them.
pub type Build = fn(&Options, &[String]) -> Arc<dyn Transport>;

/// A door: a path prefix (of whole segments), and what else tells its requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// The path. [`PATHNAME`] stands for the place that was chosen for Primus's clients.
    pub path: &'static str,
    /// Whether requests must carry an `EIO` parameter (`Some(true)`), must not (`Some(false)`), or may.
    pub engineio: Option<bool>,
    /// Whether scripts below the path are public files: servers of the kind bring their client's along.
    pub has_scripts: bool,
    /// Who comes in here.
    pub clients: &'static str,
}

impl Door {
    /// The path, on a server whose Primus clients come in at `pathname`.
    pub fn path_with<'a>(&self, pathname: &'a str) -> &'a str {
        match self.path {
            PATHNAME => pathname,
            path => path,
        }
    }

    /// Whether a request for `path` with `query` is at this door, on a server whose Primus clients come in at `pathname`.
    pub fn is_for(&self, path: &str, query: &str, pathname: &str) -> bool {
        let is_script = self.has_scripts && (path.ends_with(".js") || path.ends_with(".js.map"));
        is_under(path, self.path_with(pathname))
            && !is_script
            && self
                .engineio
                .is_none_or(|wanted| wanted == has_parameter(query, "EIO"))
    }
}

/// Every transport by name, built in or not.
pub const REGISTRY: &[Entry] = &[
    Entry {
        name: "ws",
        transformer: "websockets",
        doors: &[
            Door {
                path: "/primus",
                engineio: Some(false),
                has_scripts: false,
                clients: "Primus (websockets) and the generated client",
            },
            Door {
                path: "/ws",
                engineio: None,
                has_scripts: false,
                clients: "any WebSocket client, plain JSON",
            },
        ],
        #[cfg(feature = "ws")]
        build: Some(|options, _| {
            Arc::new(ws::Ws::new(options.ws.clone()).with_pathname(&options.pathname))
        }),
        #[cfg(not(feature = "ws"))]
        build: None,
    },
    Entry {
        name: "polling",
        transformer: "engine.io",
        doors: &[
            Door {
                path: "/primus",
                engineio: Some(true),
                has_scripts: false,
                clients: "Primus (engine.io) and old browsers",
            },
            Door {
                path: "/engine.io",
                engineio: None,
                has_scripts: false,
                clients: "engine.io-client",
            },
        ],
        #[cfg(feature = "polling")]
        build: Some(|options, open| {
            // A server that was told not to open WebSocket does not open it by a side door.
            let has_websocket = open.iter().any(|name| name == "ws");
            let polling = polling::Polling::new(options.polling.clone(), has_websocket);
            let polling = polling.with_pathname(&options.pathname);
            Arc::new(polling)
        }),
        #[cfg(not(feature = "polling"))]
        build: None,
    },
    Entry {
        name: "socketio",
        transformer: "custom",
        doors: &[Door {
            path: "/socket.io",
            engineio: None,
            has_scripts: true,
            clients: "socket.io clients",
        }],
        #[cfg(feature = "socketio")]
        build: Some(|options, _| Arc::new(socketio::SocketIo::new(options.socketio.clone()))),
        #[cfg(not(feature = "socketio"))]
        build: None,
    },
];

/// The registry's line for `name`.
pub fn entry(name: &str) -> Option<&'static Entry> {
    REGISTRY.iter().find(|entry| entry.name == name)
}

/// Whether a request for `uri` is at a door of the built-in transport `name`, on a server whose Primus clients come in
/// at `pathname`.
pub fn is_at_door(name: &str, uri: &http::Uri, pathname: &str) -> bool {
    let query = uri.query().unwrap_or_default();
    entry(name).is_some_and(|entry| {
        entry
            .doors
            .iter()
            .any(|door| door.is_for(uri.path(), query, pathname))
    })
}

/// Whether `path` is `prefix` or below it, by whole segments: `/primusfoo` is not under `/primus`.
pub fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a server may ask for this WebSocket sub-protocol: a name as RFC 6455 has them, and not one that carries a secret.
#[cfg(feature = "ws")]
pub fn is_subprotocol(name: &str) -> bool {
    ws::can_be_wanted(name)
}

/// Whether the query has a parameter called `name`.
pub fn has_parameter(query: &str, name: &str) -> bool {
    query
        .split('&')
        .any(|pair| pair.split('=').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_match_whole_segments() {
        let ws = entry("ws").unwrap();
        let at = PATHNAME;
        let polling = entry("polling").unwrap();
        assert!(ws.doors[0].is_for("/primus", "", at));
        assert!(ws.doors[0].is_for("/primus/", "_primuscb=1", at));
        assert!(!ws.doors[0].is_for("/primusfoo", "", at));
        assert!(!ws.doors[0].is_for("/primus/", "EIO=4", at));
        assert!(polling.doors[0].is_for("/primus/", "x=1&EIO=4", at));
        assert!(!polling.doors[1].is_for("/engine.iox", "EIO=4", at));
        assert!(ws.doors[0].is_for("/live/now", "", "/live/now"));
        assert!(!ws.doors[0].is_for("/primus", "", "/live"));
        assert!(ws.doors[1].is_for("/ws", "", "/live"));
        let socketio = entry("socketio").unwrap().doors[0];
        assert!(socketio.is_for("/socket.io/", "EIO=4&transport=polling", at));
        assert!(!socketio.is_for("/socket.io/socket.io.min.js", "", at));
    }
}
