//! The namespaces of a program: the crate `socketioxide`, set up for them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Uri};
use hyper::service::Service;
use socketioxide::{ParserConfig, SocketIoBuilder};
use tokio::io::DuplexStream;

use super::Options;
use super::packet::Parser;
use crate::engineio::Protocol;
use crate::{Handshake, Limits};

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

/// What the library is told where the time is kept elsewhere, by engine.io below.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Packets that may wait inside the library. They leave it for the outbox as fast as they come; only a namespace that
/// sends more than this without letting go of its thread would lose some.
const QUEUE: usize = 16 * 1024;

/// Opens a session at the other end of a stream.
type OpenSession = Box<dyn Fn(DuplexStream, Request<()>) + Send + Sync>;

/// One server for each parser.
pub(super) struct Library {
    json: OpenSession,
    msgpack: OpenSession,
}

impl Library {
    /// Sets it up, if there are namespaces for it.
    pub(super) fn new(options: &Options, limits: &Limits) -> Option<Self> {
        if options.namespaces.is_empty() {
            return None;
        }
        let parser = ParserConfig::common()
            .max_incoming_binaries(options.max_attachments)
            .max_incoming_binary_buf_size(limits.max_message);
        let build = |builder: SocketIoBuilder| {
            // A byte more: version 3 marks what is binary.
            let max_message = limits.max_message.saturating_add(1);
            let (service, io) = builder
                .ping_interval(NEVER)
                .ping_timeout(NEVER)
                // It keeps a client that long, whatever becomes of that meanwhile.
                .connect_timeout(options.connect_timeout + Duration::from_secs(1))
                .max_buffer_size(QUEUE)
                .ws_read_buffer_size(super::link::BUFFER)
                .ws_max_message_size(max_message)
                .ws_max_frame_size(max_message)
                .build_svc();
            options.namespaces.open_on(&io);
            // Last, so that nobody else has it. Clients of version 4 are connected to it unasked, and hear nothing of it.
            io.ns("/", async || {});
            // It is ready at once: the session runs in tasks of the library's own.
            let open = move |stream, request| drop(service.call((stream, request)));
            Box::new(open) as OpenSession
        };
        Some(Self {
            json: build(SocketIoBuilder::new().with_parser(parser)),
            msgpack: build(SocketIoBuilder::new().with_parser(ParserConfig::msgpack())),
        })
    }

    /// Opens a session in the library, at the other end of `stream`. It sees the request that opened ours.
    pub(super) fn open(
        &self,
        parser: Parser,
        protocol: Protocol,
        stream: DuplexStream,
        handshake: &Handshake,
    ) {
        let version = match protocol {
            Protocol::V3 => 3,
            Protocol::V4 => 4,
        };
        let mut query = format!("/socket.io/?EIO={version}&transport=websocket");
        // Behind ours, so that it cannot stand for it.
        for pair in handshake.query().split('&').filter(|pair| !is_ours(pair)) {
            query.push('&');
            query.push_str(pair);
        }
        let mut request = Request::new(());
        *request.uri_mut() = query.parse().unwrap_or_else(|_| Uri::from_static("/"));
        // Copies: the request's own values keep all of what was read with them.
        *request.headers_mut() = handshake.headers.iter().filter_map(copied).collect();
        *request.extensions_mut() = handshake.extensions.clone();
        request.extensions_mut().insert(handshake.peer);
        match parser {
            Parser::Json => (self.json)(stream, request),
            Parser::Msgpack => (self.msgpack)(stream, request),
        }
    }
}

fn copied((name, value): (&HeaderName, &HeaderValue)) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    Some((name.clone(), value))
}

/// Whether a parameter of a query is engine.io's.
fn is_ours(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    matches!(name, "" | "EIO" | "transport" | "sid" | "t" | "b64" | "j")
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").finish_non_exhaustive()
    }
}
