//! An in-process transport: the peer is an object in the same program. It makes everything above the transports
//! testable without sockets, and shows what the least transport looks like.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, Uri};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use crate::primus::Controls;
use crate::{
    Body, CloseReason, Connection, ConnectionId, Context, Dialect, Handshake, Incoming, Message,
    Outgoing, Payload, Peer, Refusal, Transport, body,
};

/// Messages that are "on the wire": out of the outbox, not yet received.
const WIRE: usize = 4;

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

    fn ping(&self, _now: u64, _controls: &dyn Controls) -> Option<Bytes> {
        Some(Bytes::from_static(b"p"))
    }
}

#[async_trait]
impl Transport for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn claims(&self, _request: &Request<Body>) -> bool {
        false
    }

    async fn serve(
        &self,
        _request: Request<Body>,
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
        let handshake = Handshake {
            auth: None,
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
            id: None,
        };
        let admitted = context.admit(handshake).await?;
        let connection = Connection::new(context, "memory", &DIALECT);
        connection.report_opened(admitted);
        let (sender, receiver) = mpsc::channel(WIRE);
        let stirred = Arc::new(Notify::new());
        let dispatching = Arc::<Mutex<()>>::default();
        context.tasks.spawn(pump(
            Arc::clone(&connection),
            sender,
            Arc::clone(&stirred),
            Arc::clone(&dispatching),
        ));
        Ok(MemoryPeer {
            connection,
            receiver,
            stirred,
            dispatching,
        })
    }
}

/// The task of one connection: moves messages from the outbox to the peer as it takes them, and reports the end.
async fn pump(
    connection: Arc<Connection>,
    peer: mpsc::Sender<Received>,
    stirred: Arc<Notify>,
    dispatching: Arc<Mutex<()>>,
) {
    let reason = loop {
        let next = poll_fn(|cx| {
            connection.register(cx.waker());
            // Whatever woke this task may be what the peer waits for.
            stirred.notify_waiters();
            // With no room on the wire, messages stay in the outbox, where they are counted.
            match (peer.capacity(), connection.take_closing()) {
                (_, Some(reason)) => Poll::Ready(Outgoing::Close(reason)),
                (0, None) => Poll::Pending,
                (_, None) => connection.poll_outgoing(cx),
            }
        })
        .await;
        match next {
            Outgoing::Frame(frame) => forward(&connection, &peer, &frame).await,
            Outgoing::Close(reason) => break reason,
        }
    };
    {
        let _alone = dispatching.lock();
        connection.report_closed(reason.clone());
    }
    while let Some(frame) = connection.take_frame() {
        forward(&connection, &peer, &frame).await;
    }
    // A peer that is gone needs no farewell.
    let _gone = peer.send(Received::Closed(reason)).await;
}

async fn forward(connection: &Connection, peer: &mpsc::Sender<Received>, frame: &Bytes) {
    let received = match frame.split_first() {
        Some((b't', text)) => Received::Text(String::from_utf8_lossy(text).into_owned()),
        Some((b'b', _)) => Received::Binary(frame.slice(1..)),
        // A ping, which peers in the same process answer by being there.
        Some(_) | None => return connection.heard(),
    };
    let _gone = peer.send(received).await;
}

/// The client's end of an in-memory connection. Dropping it breaks the connection off.
#[derive(Debug)]
pub struct MemoryPeer {
    connection: Arc<Connection>,
    receiver: mpsc::Receiver<Received>,
    stirred: Arc<Notify>,
    /// Keeps what the peer sends from overlapping with the end.
    dispatching: Arc<Mutex<()>>,
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
        loop {
            let stirred = self.stirred.notified();
            tokio::pin!(stirred);
            stirred.as_mut().enable();
            if !self.connection.is_paused() || !self.connection.is_open() {
                break;
            }
            stirred.await;
        }
        let _alone = self.dispatching.lock();
        if self.connection.is_open() {
            self.connection.heard();
            self.connection.report_received(message);
        }
    }

    /// Waits for the next message, or the end. Pings are answered on the way, and not shown.
    pub async fn receive(&mut self) -> Received {
        let received = self.receiver.recv().await;
        // There was room for one more while the task may have waited for it.
        self.connection.wake_task();
        received.unwrap_or(Received::Closed(CloseReason::PeerGone))
    }

    /// Closes from the client's side.
    pub fn close(&self) {
        self.connection.close(CloseReason::PeerClosed(1000));
    }
}

impl Drop for MemoryPeer {
    fn drop(&mut self) {
        self.connection.close(CloseReason::PeerGone);
    }
}
