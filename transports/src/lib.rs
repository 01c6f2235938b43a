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
#[cfg(any(feature = "ws", feature = "polling"))]
mod allowance;
pub mod body;
mod broadcast;
pub mod budget;
mod close;
mod connection;
#[cfg(feature = "tls")]
mod counted;
mod dialect;
mod door;
#[cfg(feature = "polling")]
mod engineio;
#[cfg(all(feature = "testing", feature = "polling"))]
pub mod fuzz;
#[cfg_attr(
    not(feature = "ws"),
    allow(dead_code, reason = "nothing comes in halves")
)]
mod half;
mod handshake;
mod heartbeat;
pub mod json;
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
mod sync;
mod transport;
mod turn;
mod turnstile;
#[cfg(feature = "ws")]
pub mod ws;

use std::sync::Arc;

pub use broadcast::Broadcast;
pub use budget::{Address, Budget, Holding, OverBudget, Reservation};
pub use close::{CloseReason, Initiator};
pub use connection::{Connection, ConnectionId, Outgoing, SendError};
#[cfg(feature = "tls")]
pub use counted::Counted;
pub use dialect::Dialect;
pub use door::{Door, Paths, PathsError, Place, has_parameter, is_at_door, is_under};
pub use handshake::{Admitted, Handshake, Peer, Refusal, neighbourhood};
pub use lease::{Behind, Lease, Progress};
pub use message::{AckId, Incoming, IncomingPayload, Message, Payload};
pub use metrics::Metrics;
pub use origin::{
    Cors, ForwardedHosts, OriginError, Origins, Provenance, Verdict, carries_credentials,
};
pub use socket::{Permit, Socket};
pub use sweep::Sweep;
pub use transport::{Body, BodyError, Bus, Context, Event, Limits, Transport};
pub use turn::Turn;
pub use turnstile::Turnstile;

/// The options of all built-in transports, each nested under its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where the doors are.
    pub paths: Paths,
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

/// One line of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The transport's name.
    pub name: &'static str,
    /// What Primus calls a server with this transport (docs/protocol/primus.md#the-description).
    pub transformer: &'static str,
    /// Where its clients come in, as shown to people.
    pub doors: &'static [Door],
    /// Builds it; `None` when this build does not contain it.
    pub build: Option<Build>,
}

/// Builds a transport. The names are those of all built-in transports that will be open, itself among them.
pub type Build = fn(&Options, &[String]) -> Arc<dyn Transport>;

/// Every transport by name, built in or not.
pub const REGISTRY: &[Entry] = &[
    Entry {
        name: "ws",
        transformer: "websockets",
        doors: &[
            Door {
                place: Place::Primus,
                engineio: Some(false),
                has_scripts: false,
                clients: "Primus (websockets) and the generated client",
            },
            Door {
                place: Place::Ws,
                engineio: None,
                has_scripts: false,
                clients: "any WebSocket client, plain JSON",
            },
        ],
        #[cfg(feature = "ws")]
        build: Some(|options, _| {
            Arc::new(ws::Ws::new(options.ws.clone()).with_paths(&options.paths))
        }),
        #[cfg(not(feature = "ws"))]
        build: None,
    },
    Entry {
        name: "polling",
        transformer: "engine.io",
        doors: &[
            Door {
                place: Place::Primus,
                engineio: Some(true),
                has_scripts: false,
                clients: "Primus (engine.io) and old browsers",
            },
            Door {
                place: Place::EngineIo,
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
            Arc::new(polling.with_paths(&options.paths))
        }),
        #[cfg(not(feature = "polling"))]
        build: None,
    },
    Entry {
        name: "socketio",
        transformer: "custom",
        doors: &[Door {
            place: Place::SocketIo,
            engineio: None,
            has_scripts: true,
            clients: "socket.io clients",
        }],
        #[cfg(feature = "socketio")]
        build: Some(|options, _| {
            let socketio = socketio::SocketIo::new(options.socketio.clone());
            Arc::new(socketio.with_paths(&options.paths))
        }),
        #[cfg(not(feature = "socketio"))]
        build: None,
    },
];

/// The registry's line for `name`.
pub fn entry(name: &str) -> Option<&'static Entry> {
    REGISTRY.iter().find(|entry| entry.name == name)
}

/// Whether a server may ask for this WebSocket sub-protocol: a name as RFC 6455 has them, and not one that carries a secret.
#[cfg(feature = "ws")]
pub fn is_subprotocol(name: &str) -> bool {
    ws::can_be_wanted(name)
}
