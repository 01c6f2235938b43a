//! WebSocket for engine.io: as the only carrier from the start, or taking over from polling
//! (docs/protocol/engineio.md#upgrade).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::Options;
use super::session::{Opening, Session};
use crate::engineio::Packet;
use crate::ws::{self, Language, Pump};
use crate::{CloseReason, Connection, Context, IncomingPayload, Socket};

/// More than a probe, a `5` and some pings need.
const MAX_PROBE: usize = 1024;

/// Opens a session on a WebSocket.
pub(super) async fn open(
    upgrade: OnUpgrade,
    opening: Opening,
    read_buffer: usize,
    context: Arc<Context>,
) {
    let Some((socket, early)) = ws::take_socket(upgrade).await else {
        return;
    };
    let Some((session, _)) = Session::open(opening, Some(Arc::clone(&socket)), &context) else {
        return;
    };
    // First, so that the end is reported even if the application does not survive the opening.
    let pump = pump(Arc::clone(&session), socket, &early, read_buffer);
    session.start();
    context.tasks.spawn(pump);
}

/// Closes a WebSocket that nobody needs.
pub(super) async fn turn_away(upgrade: OnUpgrade, limit: Duration) {
    let Some((socket, early)) = ws::take_socket(upgrade).await else {
        return;
    };
    let mut stream = stream(socket, &early).await;
    let closing = async {
        let _gone = stream.close(None).await;
        // Until the client has closed too, or says what is too long.
        while stream.next().await.is_some_and(|message| message.is_ok()) {}
    };
    let _too_slow = tokio::time::timeout(limit, closing).await;
}

/// The task of a session's socket.
fn pump(
    session: Arc<Session>,
    socket: Arc<Socket>,
    early: &[u8],
    read_buffer: usize,
) -> Pump<Packets> {
    let connection = Arc::clone(session.connection());
    Pump::new(connection, socket, Packets(session), early, read_buffer)
}

/// Lets a WebSocket prove itself, and then take over. Until then the session polls on, whatever happens here.
pub(super) async fn take_over(
    upgrade: OnUpgrade,
    session: Arc<Session>,
    ended: oneshot::Receiver<()>,
    options: Options,
) {
    let limit = options.upgrade_timeout;
    let attempt = async {
        let (socket, early) = ws::take_socket(upgrade).await?;
        probe(&session, socket, early).await
    };
    let proved = tokio::select! {
        // The sender is dropped with what it stands for.
        _ = ended => None,
        attempt = tokio::time::timeout(limit, attempt) => attempt.ok().flatten(),
    };
    let taken = proved.filter(|sip| session.finish_upgrade(Arc::clone(&sip.socket)).is_ok());
    let upgrades = &session.connection().context().metrics.upgrades;
    let Some(sip) = taken else {
        upgrades.get_or_create(&[("result", "failed")]).inc();
        return session.abandon_upgrade();
    };
    upgrades.get_or_create(&[("result", "upgraded")]).inc();
    session.connection().heard();
    let tasks = session.connection().context().tasks.clone();
    let pump = pump(session, sip.socket, &sip.ahead, options.read_buffer);
    tasks.spawn(pump);
}

/// Answers the probe, if one comes, and waits for the `5`. Some clients do not probe, and some have something behind
/// the digit, which means nothing.
async fn probe(session: &Session, socket: Arc<Socket>, early: Bytes) -> Option<Sip> {
    let mut stream = stream(socket, &early).await;
    loop {
        match stream.next().await?.ok()? {
            WsMessage::Text(text) if text == "2probe" => {
                // First, so that nothing that the client does in return can be too early.
                session.probe().ok()?;
                stream.send(WsMessage::text("3probe")).await.ok()?;
            }
            WsMessage::Text(text) if text.starts_with('5') => return Some(stream.into_inner()),
            WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_) => {}
            WsMessage::Text(_) | WsMessage::Binary(_) | WsMessage::Close(_) => {
                let _gone = stream.close(None).await;
                return None;
            }
        }
    }
}

/// Messages of a socket that belongs to no session yet; `early` has been read from it already.
async fn stream(socket: Arc<Socket>, early: &[u8]) -> WebSocketStream<Sip> {
    let sip = Sip {
        socket,
        ahead: BytesMut::from(early),
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(MAX_PROBE)
        .max_message_size(Some(MAX_PROBE))
        .max_frame_size(Some(MAX_PROBE));
    WebSocketStream::from_raw_socket(sip, Role::Server, Some(config)).await
}

/// A socket that is read byte by byte, so that the decoder on top never holds more than the frame that it returns:
/// what follows the `5` belongs to the session's own task.
struct Sip {
    socket: Arc<Socket>,
    ahead: BytesMut,
}

impl AsyncRead for Sip {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            let mut scratch = [0; MAX_PROBE];
            let mut read = ReadBuf::new(&mut scratch);
            ready!(self.socket.poll_read(cx, &mut read))?;
            self.ahead.extend_from_slice(read.filled());
        }
        if !self.ahead.is_empty() {
            buf.put_slice(&self.ahead[..1]);
            self.ahead.advance(1);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sip {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket
            .poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown(cx)
    }
}

/// engine.io packets, one in each frame.
struct Packets(Arc<Session>);

impl Language for Packets {
    fn receive(&mut self, connection: &Arc<Connection>, message: IncomingPayload<'_>) {
        let packet = match message {
            IncomingPayload::Text(text) => Packet::from_text(text, self.0.protocol),
            IncomingPayload::Binary(bytes) => Packet::from_binary(bytes, self.0.protocol),
        };
        match packet {
            Ok(packet) => {
                self.0.receive(&packet);
            }
            Err(malformed) => {
                let reason = CloseReason::ProtocolError(malformed.to_string().into());
                connection.close(reason);
            }
        }
    }

    fn is_clogged(&self) -> bool {
        self.0.speaker().is_clogged()
    }

    fn farewell(&self, connection: &Connection, reason: &CloseReason) -> Option<Bytes> {
        let controls = &*connection.context().controls;
        self.0
            .speaker()
            .farewell(self.0.form(true), reason, controls)
    }

    fn close_frame(&self, reason: &CloseReason) -> Bytes {
        let speaks_primus = self.0.connection().dialect().name() == "primus";
        ws::close_frame(reason, speaks_primus)
    }

    fn closed(&mut self, _connection: &Arc<Connection>, reason: CloseReason) {
        self.0.finish(reason);
    }
}

#[cfg(test)]
mod tests;
