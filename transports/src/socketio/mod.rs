//! socket.io, versions 5 and 4 of its protocol, at `/socket.io/`.
//!
//! engine.io, below, is the one of [`polling`]: sessions, heartbeats, the upgrade, limits. The namespace `/` is the bus,
//! and what clients do there is a state machine of our own (`state.rs`):
//!
//! ```text
//! engine.io message ─► Client::receive ─► State::gather ─► Packet ─► State::step ─► event::read ─► bus
//!                                                                                                   │
//! engine.io message ◄──────────── outbox ◄──────────── SocketIo (the dialect) ◄──── Message ◄───────┘
//! ```
//!
//! What the bus sends is encoded once for everyone who speaks alike, and bounded, ordered and written as for all other
//! transports. [`Namespaces`] of a program are the crate `socketioxide`'s; a client that asks for one of them gets a
//! `Link` (`link.rs`) to it.

mod attachments;
mod client;
mod dialect;
mod event;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod link;
mod msgpack;
mod namespaces;
mod packet;
mod plain;
mod queue;
mod state;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use http::{Request, Response};
pub use socketioxide;

use self::client::Client;
use self::namespaces::Library;
pub use self::namespaces::Namespaces;
use crate::engineio::Protocol;
use crate::polling::{self, Polling, Speaker, Subprotocol};
use crate::{Body, Context, Handshake, Paths, Peer, Refusal, Transport};

/// Options of the `socketio` transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Those of the engine.io sessions underneath.
    pub engine: polling::Options,
    /// How long a client may take to connect to a namespace. Default 45 s. Over it:
    /// [`CloseReason::ConnectTimeout`](crate::CloseReason::ConnectTimeout).
    pub connect_timeout: Duration,
    /// Most binary attachments of one packet. Default 10. Over it:
    /// [`CloseReason::ProtocolError`](crate::CloseReason::ProtocolError).
    pub max_attachments: usize,
    /// The namespaces besides `/`. Default none.
    pub namespaces: Namespaces,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: polling::Options::default(),
            connect_timeout: Duration::from_secs(45),
            max_attachments: 10,
            namespaces: Namespaces::default(),
        }
    }
}

/// The socket.io transport.
#[derive(Debug)]
pub struct SocketIo {
    polling: Polling,
}

impl SocketIo {
    /// Builds it. Sessions may use a WebSocket, whatever other transports there are.
    pub fn new(options: Options) -> Self {
        let engine = options.engine.clone();
        let subprotocol = SocketIoProtocol {
            options,
            shared: OnceLock::new(),
        };
        Self {
            polling: Polling::speaking(Box::new(subprotocol), engine, true),
        }
    }

    /// Chooses where the doors are.
    #[must_use]
    pub fn with_paths(mut self, paths: &Paths) -> Self {
        self.polling = self.polling.with_paths(paths);
        self
    }
}

#[async_trait]
impl Transport for SocketIo {
    fn name(&self) -> &'static str {
        self.polling.name()
    }

    fn claims(&self, request: &Request<Body>) -> bool {
        self.polling.claims(request)
    }

    async fn serve(
        &self,
        request: Request<Body>,
        peer: Peer,
        context: &Arc<Context>,
    ) -> Response<Body> {
        self.polling.serve(request, peer, context).await
    }
}

#[derive(Debug)]
struct SocketIoProtocol {
    options: Options,
    /// Built with the first session, because the limits are known then.
    shared: OnceLock<Arc<Shared>>,
}

/// What all sessions have in common.
#[derive(Debug)]
struct Shared {
    /// In ms.
    connect_timeout: u64,
    max_attachments: usize,
    /// The namespaces besides `/`, if there are any.
    library: Option<Library>,
}

#[async_trait]
impl Subprotocol for SocketIoProtocol {
    fn transport(&self) -> &'static str {
        "socketio"
    }

    /// The application is asked when the client connects to `/`, because it shows who it is only then
    /// (docs/protocol/socketio.md#connecting).
    async fn admit(
        &self,
        protocol: Protocol,
        parts: Parts,
        peer: Peer,
        context: &Arc<Context>,
        _paths: &Paths,
    ) -> Result<Box<dyn Speaker>, Refusal> {
        context.check_not_draining()?;
        let shared = self.shared.get_or_init(|| {
            Arc::new(Shared {
                connect_timeout: ms(self.options.connect_timeout),
                max_attachments: self.options.max_attachments,
                library: Library::new(&self.options, &context.limits),
            })
        });
        let handshake = Handshake::new(self.transport(), "socket.io", peer, parts);
        let client = Client::new(protocol, handshake, Arc::clone(shared));
        Ok(Box::new(Arc::new(client)))
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
