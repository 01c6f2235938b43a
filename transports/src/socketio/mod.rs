//! socket.io, versions 5 and 4 of its protocol, at `/socket.io/`.
//!
//! engine.io, below, is the one of [`polling`]: sessions, heartbeats, the upgrade, limits. The socket.io
//! protocol, on top, is the crate `socketioxide`'s: it parses packets, connects namespaces and keeps acknowledgements.
//! It is given each session as a WebSocket that exists in memory only. The namespace `/` is the bus:
//!
//! ```text
//! engine.io message ─► Client::receive ─► Pipe ─► socketioxide ─► Events ─► Pipe ─► Client::deliver ─► bus
//!                                                                                                     │
//! engine.io message ◄────────────── outbox ◄────────────── SocketIo (the dialect) ◄──── Message ◄──────┘
//!                                      ▲
//!                                      └── packets of other namespaces ◄── Outlet ◄── socketioxide
//! ```
//!
//! What the bus sends takes the short way: it is encoded once for everyone who speaks alike, and bounded, ordered and
//! written as for all other transports.

mod client;
mod dialect;
mod event;
#[cfg(feature = "testing")]
pub(crate) mod fuzz;
mod inlet;
mod library;
mod msgpack;
mod nameless;
mod outlet;
mod pipe;
mod stream;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use http::{Request, Response};
pub use socketioxide;

use self::client::Client;
use self::library::Library;
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

type Open = Arc<dyn Fn(&socketioxide::SocketIo) + Send + Sync>;

/// Namespaces of your own, with socketioxide's handlers, extractors and rooms. They know nothing of the bus, and the
/// application's authorization knows nothing of them: guard them with a connect middleware.
///
/// Names of events are compared as what they say, however a client escapes them. One that no JSON text holds without
/// escapes, with a quote in it, say, ends a session that speaks JSON: the library does not read it.
///
/// Clients that speak msgpack and those that speak JSON are served by one [`SocketIo`](socketioxide::SocketIo) each, so
/// that a broadcast reaches those of its kind.
///
/// ```
/// use stellar_transports::socketio::Namespaces;
/// use stellar_transports::socketio::socketioxide::extract::SocketRef;
///
/// let namespaces = Namespaces::new(|io| {
///     io.ns("/news", async |socket: SocketRef| {
///         socket.emit("headline", "hello").ok();
///     });
/// });
/// # drop(namespaces);
/// ```
#[derive(Clone, Default)]
pub struct Namespaces(Option<Open>);

impl Namespaces {
    /// `open` is called for each kind of client, before the first of it is served. The namespace `/` is taken.
    pub fn new(open: impl Fn(&socketioxide::SocketIo) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(open)))
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn open_on(&self, io: &socketioxide::SocketIo) {
        if let Some(open) = &self.0 {
            open(io);
        }
    }
}

impl fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.is_empty() { "/" } else { "/, …" };
        f.debug_tuple("Namespaces").field(&text).finish()
    }
}

impl PartialEq for Namespaces {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl Eq for Namespaces {}

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
            library: OnceLock::new(),
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
    library: OnceLock<Arc<Library>>,
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
        let library = self
            .library
            .get_or_init(|| Arc::new(Library::new(&self.options, &context.limits)));
        let handshake = Handshake::new(self.transport(), "socket.io", peer, parts);
        let client = Client::new(
            protocol,
            handshake,
            Arc::clone(library),
            self.options.connect_timeout,
        );
        Ok(Box::new(Arc::new(client)))
    }
}
