//! The crate `socketioxide`, set up so that the namespace `/` leads to the bus.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Request, Uri};
use hyper::service::Service;
use socketioxide::adapter::LocalAdapter;
use socketioxide::handler::{ConnectHandler, DisconnectHandler, MessageHandler};
use socketioxide::socket::{DisconnectReason, Socket};
use socketioxide::{ParserConfig, SocketIoBuilder};
use socketioxide_core::Value;

use super::Options;
use super::client::Client;
use super::inlet;
use super::pipe::{FRAGMENT, MAX_HEADER, Received};
use super::stream::Stream;
use crate::engineio::Protocol;
use crate::{Handshake, Limits};

/// How packets are written: text with attachments, or all in one (docs/protocol/socketio.md#msgpack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parser {
    Json,
    Msgpack,
}

/// What the library is told where the time is kept elsewhere: below, by engine.io, or by the session.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Packets that may wait inside the library. They leave it for the outbox as fast as they come; only a namespace that
/// sends more than this without letting go of its thread would lose some.
const QUEUE: usize = 16 * 1024;

/// Opens a session at the other end of a stream.
type Open = Box<dyn Fn(Stream, Request<()>) + Send + Sync>;

/// One server for each parser.
pub(super) struct Library {
    json: Open,
    msgpack: Open,
    /// Whether somebody may want to see the request behind a session.
    has_namespaces: bool,
}

impl Library {
    pub(super) fn new(options: &Options, limits: &Limits) -> Self {
        let parser = ParserConfig::common()
            .max_incoming_binaries(options.max_attachments)
            .max_incoming_binary_buf_size(limits.max_message)
            .packet_completion_timeout(limits.receive_timeout);
        let build = |builder: SocketIoBuilder| {
            let max_message = limits.max_message.saturating_add(inlet::MAX_ADDED);
            let (service, io) = builder
                .ping_interval(NEVER)
                .ping_timeout(NEVER)
                // After ours; whatever the library still keeps then, it lets go.
                .connect_timeout(options.connect_timeout + Duration::from_secs(1))
                .max_buffer_size(QUEUE)
                .ws_read_buffer_size(FRAGMENT + MAX_HEADER)
                .ws_max_message_size(max_message)
                .ws_max_frame_size(max_message)
                .build_svc();
            options.namespaces.open_on(&io);
            // Last, so that nobody else has it.
            io.ns("/", Root);
            // It is ready at once: the session runs in tasks of the library's own.
            let open = move |stream, request| drop(service.call((stream, request)));
            Box::new(open) as Open
        };
        Self {
            json: build(SocketIoBuilder::new().with_parser(parser)),
            msgpack: build(SocketIoBuilder::new().with_parser(ParserConfig::msgpack())),
            has_namespaces: !options.namespaces.is_empty(),
        }
    }

    /// Opens a session in the library, at the other end of `stream`.
    pub(super) fn open(
        &self,
        parser: Parser,
        protocol: Protocol,
        stream: Stream,
        client: Arc<Client>,
        handshake: Option<&Handshake>,
    ) {
        let version = match protocol {
            Protocol::V3 => 3,
            Protocol::V4 => 4,
        };
        let mut query = format!("/socket.io/?EIO={version}&transport=websocket");
        let mut request = Request::new(());
        if self.has_namespaces
            && let Some(handshake) = handshake
        {
            // Behind ours, so that it cannot stand for it.
            for pair in handshake.query().split('&').filter(|pair| !is_ours(pair)) {
                query.push('&');
                query.push_str(pair);
            }
            // Copies: the request's own values keep all of what was read with them.
            *request.headers_mut() = handshake.headers.iter().filter_map(copied).collect();
            *request.extensions_mut() = handshake.extensions.clone();
            request.extensions_mut().insert(handshake.peer);
        }
        *request.uri_mut() = query.parse().unwrap_or_else(|_| Uri::from_static("/"));
        request.extensions_mut().insert(client);
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

/// Says which implementations of the library's traits are ours.
enum Ours {}

/// Whom a socket of the library belongs to.
fn client(socket: &Socket<LocalAdapter>) -> Option<Arc<Client>> {
    socket.req_parts().extensions.get().cloned()
}

/// The namespace `/`.
#[derive(Clone)]
struct Root;

/// The refusal itself has been sent: the library could not say all of it.
const REFUSED: &str = "refused";

impl ConnectHandler<LocalAdapter, Ours> for Root {
    fn call_middleware<'a>(
        &'a self,
        socket: Arc<Socket<LocalAdapter>>,
        auth: &'a Option<Value>,
    ) -> BoxFuture<'a, Result<(), Box<dyn fmt::Display + Send>>> {
        Box::pin(async move {
            let is_admitted = match client(&socket) {
                Some(client) => client.admit(auth.as_ref()).await,
                None => false,
            };
            match is_admitted {
                true => Ok(()),
                false => Err(Box::new(REFUSED) as Box<dyn fmt::Display + Send>),
            }
        })
    }

    /// Called at once, unlike handlers that are closures: those get a task each, in no order.
    fn call(&self, socket: Arc<Socket<LocalAdapter>>, _auth: Option<Value>) {
        let Some(client) = client(&socket) else {
            return;
        };
        socket.on_fallback::<_, Ours>(Events(Arc::clone(&client)));
        socket.on_disconnect::<_, Ours>(Left(Arc::clone(&client)));
        // Only now, so that no event can be too early.
        client.connect();
    }
}

/// Takes every event of `/`.
struct Events(Arc<Client>);

impl MessageHandler<LocalAdapter, Ours> for Events {
    fn call(&self, _socket: Arc<Socket<LocalAdapter>>, value: Value, ack: Option<i64>) {
        self.0.parsed(Received::Event(value, ack));
    }
}

/// Takes the end of `/`.
struct Left(Arc<Client>);

impl DisconnectHandler<LocalAdapter, Ours> for Left {
    fn call_with_defer(
        &self,
        socket: Arc<Socket<LocalAdapter>>,
        reason: DisconnectReason,
        defer: fn(Arc<Socket<LocalAdapter>>),
    ) {
        match reason {
            DisconnectReason::ClientNSDisconnect => self.0.parsed(Received::Leave),
            DisconnectReason::ServerNSDisconnect => {}
            _ => self.0.parsed(Received::Broken),
        }
        defer(socket);
    }
}
