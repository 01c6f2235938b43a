//! WebSocket (RFC 6455): the Primus dialect on `/primus`, the plain one on `/ws`.

mod connection;
mod decoder;
mod dialect;
pub(crate) mod frame;
pub(crate) mod handshake;
mod language;
mod subprotocol;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{
    Admitted, Body, CloseReason, Connection, Context, Dialect, Handshake, Lease, Paths, Peer,
    Socket, Transport, body,
};

pub(crate) use connection::Pump;
pub(crate) use language::Language;
#[cfg(feature = "polling")]
pub(crate) use language::close_frame;
pub(crate) use subprotocol::can_be_wanted;

/// How long the HTTP side may take to let go of a socket after the `101` was promised.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Options of the `ws` transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes that are read at once. Default 4,096. The buffer belongs to a thread. A connection that waits for the rest
    /// of a message has a buffer of its own.
    pub read_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { read_buffer: 4096 }
    }
}

/// The WebSocket transport.
#[derive(Debug)]
pub struct Ws {
    options: Options,
    paths: Paths,
}

impl Ws {
    /// Builds it.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            paths: Paths::default(),
        }
    }

    /// Chooses where the doors are.
    #[must_use]
    pub fn with_paths(mut self, paths: &Paths) -> Self {
        self.paths.clone_from(paths);
        self
    }

    fn dialect_of(&self, path: &str) -> &'static dyn Dialect {
        if crate::is_under(path, &self.paths.primus) {
            &dialect::Primus
        } else {
            &dialect::Plain
        }
    }
}

#[async_trait]
impl Transport for Ws {
    fn name(&self) -> &'static str {
        "ws"
    }

    fn claims(&self, request: &Request<Body>) -> bool {
        crate::is_at_door("ws", request.uri(), &self.paths)
    }

    async fn serve(
        &self,
        mut request: Request<Body>,
        peer: Peer,
        context: &Arc<Context>,
    ) -> Response<Body> {
        let accept = match handshake::check(&request, context) {
            Ok(accept) => accept,
            Err(invalid) => {
                context.metrics.count_refusal("handshake");
                return invalid.response();
            }
        };
        if !context.permits_origin(&request) {
            return refused(body::text(StatusCode::FORBIDDEN, crate::Origins::REFUSED));
        }
        // Only this future moves into the connection's task: a kept request costs several kB for its whole life.
        let upgrade = hyper::upgrade::on(&mut request);
        accept.note(&mut request);
        let (parts, _) = request.into_parts();
        let dialect = self.dialect_of(parts.uri.path());
        let handshake = Handshake::new("ws", dialect.name(), peer, parts);
        let admitted = match context.admit(handshake).await {
            Ok(admitted) => admitted,
            Err(refusal) => return refused(body::refusal(&refusal)),
        };
        let pending = Pending::report(context, dialect, admitted);
        let read_buffer = self.options.read_buffer;
        context.tasks.spawn(open(upgrade, pending, read_buffer));
        accept.response()
    }
}

/// As Primus answers a refused upgrade (docs/protocol/primus.md#refusals): the connection ends with it.
fn refused(mut response: Response<Body>) -> Response<Body> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

/// A connection that the engine knows, and that waits for its socket. What it is sent meanwhile waits in its outbox.
struct Pending(Option<Arc<Connection>>);

impl Pending {
    /// Reports it. The `101` follows, so that a client that finds itself connected is connected.
    fn report(context: &Arc<Context>, dialect: &'static dyn Dialect, admitted: Admitted) -> Self {
        let connection = Connection::new(context, "ws", dialect);
        // First, so that the end is reported even if the application does not survive the opening.
        let pending = Self(Some(Arc::clone(&connection)));
        connection.report_opened(admitted);
        pending
    }

    /// Hands it over to its task, which is to report the end from now on.
    fn take(mut self, socket: &Arc<Socket>) -> Option<Arc<Connection>> {
        let connection = self.0.take()?;
        connection.move_to(Arc::clone(socket), connection.dialect(), |frame| frame);
        Some(connection)
    }
}

impl Drop for Pending {
    /// No socket came.
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            let reason = connection.take_closing().unwrap_or(CloseReason::PeerGone);
            connection.mark_closed();
            connection.report_closed(reason);
        }
    }
}

/// Gives an upgraded socket a task of its own, of just the size that a connection needs.
async fn open(upgrade: hyper::upgrade::OnUpgrade, pending: Pending, read_buffer: usize) {
    let Some((socket, early)) = take_socket(upgrade).await else {
        return;
    };
    let Some(connection) = pending.take(&socket) else {
        return;
    };
    let tasks = connection.context().tasks.clone();
    let language = language::Json {
        speaks_primus: connection.dialect().name() == "primus",
    };
    let pump = Pump::new(connection, socket, language, &early, read_buffer);
    tasks.spawn(pump);
}

/// Takes the socket back from HTTP, once the `101` is written, with what the peer sent right behind its handshake.
pub(crate) async fn take_socket(
    upgrade: hyper::upgrade::OnUpgrade,
) -> Option<(Arc<Socket>, bytes::Bytes)> {
    let upgraded = match tokio::time::timeout(UPGRADE_TIMEOUT, upgrade).await {
        Ok(Ok(upgraded)) => upgraded,
        Ok(Err(error)) => {
            tracing::debug!(%error, "upgrade failed");
            return None;
        }
        Err(_) => {
            tracing::debug!("upgrade did not finish in time");
            return None;
        }
    };
    let parts = match upgraded.downcast::<TokioIo<Lease>>() {
        Ok(parts) => parts,
        Err(upgraded) => return Some(foreign(upgraded)),
    };
    let (socket, ahead) = parts.io.into_inner().into_parts();
    let early = match ahead.is_empty() {
        true => parts.read_buf,
        false => [parts.read_buf, ahead].concat().into(),
    };
    Some((socket, early))
}

/// The socket of a server that is not ours. One of plain TCP is as good as our own.
fn foreign(upgraded: hyper::upgrade::Upgraded) -> (Arc<Socket>, bytes::Bytes) {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let socket = Socket::plain(parts.io.into_inner(), None);
            (Arc::new(socket), parts.read_buf)
        }
        Err(upgraded) => {
            let socket = Socket::layered(TokioIo::new(upgraded));
            (Arc::new(socket), bytes::Bytes::new())
        }
    }
}
