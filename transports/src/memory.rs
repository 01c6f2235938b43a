//! An in-process transport: the peer is an object in the same program. It makes everything above the transports
//! testable without sockets, and shows what the least transport looks like.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, Uri};
use hyper::body::Incoming as IncomingBody;

use crate::{
    Body, CloseReason, Connection, ConnectionId, Context, Dialect, Event, Handshake, Incoming,
    Message, Payload, Peer, Refusal, Transport, body,
};

/// The in-memory transport. It has no door: peers come in by [`connect`](Self::connect).
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory;

/// Messages travel as a type byte and the payload.
#[derive(Debug)]
struct MemoryDialect;

static DIALECT: MemoryDialect = MemoryDialect;

impl Dialect for MemoryDialect {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn encode(&self, message: &Message) -> Bytes {
        let (kind, payload) = match message.payload() {
            Payload::Text(text) => (b't', text.as_bytes().clone()),
            Payload::Binary(bytes) => (b'b', bytes.clone()),
        };
        let mut frame = BytesMut::with_capacity(1 + payload.len());
        frame.put_u8(kind);
        frame.put(payload);
        frame.freeze()
    }

    fn ping(&self, _now: u64) -> Bytes {
        Bytes::from_static(b"p")
    }
}

#[async_trait]
impl Transport for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn claims(&self, _request: &Request<IncomingBody>) -> bool {
        false
    }

    async fn serve(
        &self,
        _request: Request<IncomingBody>,
        _peer: Peer,
        _context: &Arc<Context>,
    ) -> Response<Body> {
        body::text(
            http::StatusCode::NOT_FOUND,
            "the memory transport has no door",
        )
    }
}

impl Memory {
    /// Opens a connection whose handshake asks for `uri`.
    ///
    /// # Errors
    ///
    /// When the engine refuses it.
    pub async fn connect(&self, context: &Arc<Context>, uri: Uri) -> Result<MemoryPeer, Refusal> {
        let mut handshake = Handshake {
            transport: "memory",
            dialect: DIALECT.name(),
            peer: Peer {
                ip: std::net::IpAddr::from([127, 0, 0, 1]),
                port: 1,
                secure: false,
            },
            uri,
            headers: HeaderMap::new(),
            extensions: http::Extensions::new(),
        };
        context.bus.admit(&mut handshake).await?;
        let connection = Connection::new(context, "memory", &DIALECT, None);
        context
            .bus
            .dispatch(&connection, Event::Opened(Box::new(handshake)));
        Ok(MemoryPeer {
            connection,
            is_over: false,
        })
    }
}

/// The client's end of an in-memory connection. Dropping it breaks the connection off.
#[derive(Debug)]
pub struct MemoryPeer {
    connection: Arc<Connection>,
    is_over: bool,
}

/// What a [`MemoryPeer`] receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// The connection is over.
    Closed(CloseReason),
}

impl MemoryPeer {
    /// The id that the server gave this connection.
    pub fn id(&self) -> ConnectionId {
        self.connection.id()
    }

    /// Sends a message, waiting while the server does not read. After the end it goes nowhere.
    pub async fn send(&self, message: Incoming<'_>) {
        poll_fn(|cx| {
            self.connection.register(cx.waker());
            if self.connection.is_paused() && self.connection.is_open() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        if self.connection.is_open() {
            self.connection.heard();
            let bus = &self.connection.context().bus;
            bus.dispatch(&self.connection, Event::Received(message));
        }
    }

    /// Waits for the next message. Pings are answered on the way, and not shown.
    pub async fn receive(&mut self) -> Received {
        poll_fn(|cx| {
            self.connection.register(cx.waker());
            let closing = self.connection.take_closing();
            if let Some(reason) = closing {
                self.is_over = true;
                let bus = &self.connection.context().bus;
                bus.dispatch(&self.connection, Event::Closed(reason.clone()));
                return Poll::Ready(Received::Closed(reason));
            }
            while let Some(frame) = self.connection.take_frame() {
                match frame.split_first() {
                    Some((b't', text)) => {
                        return Poll::Ready(Received::Text(
                            String::from_utf8_lossy(text).into_owned(),
                        ));
                    }
                    Some((b'b', _)) => return Poll::Ready(Received::Binary(frame.slice(1..))),
                    Some(_) | None => self.connection.heard(),
                }
            }
            if self.is_over {
                return Poll::Ready(Received::Closed(CloseReason::PeerGone));
            }
            Poll::Pending
        })
        .await
    }

    /// Closes from the client's side.
    pub fn close(&mut self) {
        self.end(CloseReason::PeerClosed(1000));
    }

    fn end(&mut self, reason: CloseReason) {
        let reason = self.connection.take_closing().unwrap_or(reason);
        self.connection.mark_closed();
        if !std::mem::replace(&mut self.is_over, true) {
            let bus = &self.connection.context().bus;
            bus.dispatch(&self.connection, Event::Closed(reason));
        }
    }
}

impl Drop for MemoryPeer {
    fn drop(&mut self) {
        self.end(CloseReason::PeerGone);
    }
}
