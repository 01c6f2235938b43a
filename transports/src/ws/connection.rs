//! One WebSocket connection: the task that reads it, and writes what others could not.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use futures_util::{FutureExt, Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};

use super::Language;
use super::frame::{FrameGuard, TooManyFragments};
use crate::{CloseReason, Connection, IncomingPayload, Initiator, Socket, Turn};

/// Messages handled before other tasks of the thread get their chance.
const READ_BUDGET: usize = 128;

/// The task of one connection, written as a state machine so that a quiet connection is small and nothing waits
/// behind anything else: a stalled write does not delay reading, a busy reader does not delay the close.
///
/// ```text
///            close asked for, or the peer's close frame
///   Open ──────────────────────────────────────────────► Closing ──► done
///     └──────────── socket broken ─────────────────────────────────► done
/// ```
pub(crate) struct Pump<L: Language> {
    /// There at all times, but while [`Pump::forget_large_buffer`] puts another in its place.
    stream: Option<WebSocketStream<Wire>>,
    config: WebSocketConfig,
    connection: Arc<Connection>,
    socket: Arc<Socket>,
    language: L,
    phase: Phase,
}

enum Phase {
    Open,
    /// Our close frame is in the outbox; the peer's is awaited until the deadline.
    Closing {
        deadline: Pin<Box<Sleep>>,
        /// Tell the peer that nothing more comes, once everything is written: it may never answer otherwise.
        half_close: bool,
    },
}

impl<L: Language> Pump<L> {
    /// Prepares the task of `connection`, which writes to `socket`; `early` is what the peer sent right behind its
    /// handshake.
    pub(crate) async fn new(
        connection: Arc<Connection>,
        socket: Arc<Socket>,
        language: L,
        early: &[u8],
        read_buffer: usize,
    ) -> Self {
        let limits = &connection.context().limits;
        let mut guard = FrameGuard::new(limits.max_fragments);
        match guard.scan(early) {
            Ok(()) => connection.set_partial(guard.is_partial()),
            Err(TooManyFragments) => connection.close(CloseReason::TooManyFragments),
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(read_buffer)
            .write_buffer_size(0)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        let wire = Wire {
            socket: Arc::clone(&socket),
            connection: Arc::clone(&connection),
            guard,
        };
        let stream =
            WebSocketStream::from_partially_read(wire, early.to_vec(), Role::Server, Some(config))
                .await;
        Self {
            stream: Some(stream),
            config,
            language,
            connection,
            socket,
            phase: Phase::Open,
        }
    }

    /// Handles what has arrived. Everything that it causes leaves in one write per connection, at its end.
    /// Returns whether more may be waiting.
    fn receive(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let _turn = Turn::begin();
        for _ in 0..READ_BUDGET {
            if self.connection.is_paused()
                || self.language.is_clogged()
                || !self.connection.is_open()
            {
                return false;
            }
            match Pin::new(self.stream()).poll_next(cx) {
                Poll::Pending => {
                    self.forget_large_buffer();
                    return false;
                }
                Poll::Ready(Some(Ok(message))) => self.deliver(&message, cx),
                Poll::Ready(Some(Err(error))) => {
                    match failure(&error) {
                        CloseReason::PeerGone => self.finish(CloseReason::PeerGone),
                        reason => self.connection.close(reason),
                    }
                    return false;
                }
                Poll::Ready(None) => {
                    self.finish(CloseReason::PeerGone);
                    return false;
                }
            }
        }
        true
    }

    const fn stream(&mut self) -> &mut WebSocketStream<Wire> {
        self.stream.as_mut().expect("a pump always has its stream")
    }

    /// Gives back the memory of a large message: the decoder never shrinks its buffer. Between messages it is empty,
    /// and a new decoder is as good.
    fn forget_large_buffer(&mut self) {
        let guard = &mut self.stream().get_mut().guard;
        if guard.is_partial() || !guard.take_seen_large() {
            return;
        }
        let config = self.config;
        if let Some(stream) = self.stream.take() {
            let wire = stream.into_inner();
            let fresh = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config));
            // Nothing is awaited in there.
            self.stream = fresh.now_or_never();
        }
    }

    fn deliver(&mut self, message: &WsMessage, cx: &mut TaskContext<'_>) {
        let payload = match message {
            WsMessage::Text(text) => IncomingPayload::Text(text),
            WsMessage::Binary(bytes) => IncomingPayload::Binary(bytes),
            WsMessage::Close(frame) => {
                let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
                // Writes tungstenite's answer to the close into the outbox; the wire takes it without waiting.
                let _written = Pin::new(self.stream()).poll_flush(cx);
                return self.finish(CloseReason::PeerClosed(code));
            }
            // Answered by tungstenite; as a sign of life they were counted when they were read.
            WsMessage::Ping(_) => return self.connection.report_heartbeat(),
            WsMessage::Pong(_) | WsMessage::Frame(_) => return,
        };
        self.language.receive(&self.connection, payload);
    }

    /// The end that somebody on this side asked for: says farewell and waits for the peer to do the same.
    fn begin_closing(&mut self, reason: CloseReason) {
        if let Some(farewell) = self.language.farewell(&self.connection, &reason) {
            self.connection.send_control(farewell);
        }
        let close_frame = self.language.close_frame(&reason);
        self.connection.send_control(close_frame);
        let half_close = reason.initiator() == Initiator::Server;
        self.enter_closing(half_close);
        self.language.closed(&self.connection, reason);
    }

    /// The end that the peer made.
    fn finish(&mut self, reason: CloseReason) {
        if matches!(self.phase, Phase::Open) {
            let reason = self.connection.take_closing().unwrap_or(reason);
            self.connection.mark_closed();
            self.enter_closing(true);
            self.language.closed(&self.connection, reason);
        }
    }

    fn enter_closing(&mut self, half_close: bool) {
        let limit = self.connection.context().limits.close_timeout;
        self.phase = Phase::Closing {
            deadline: Box::pin(tokio::time::sleep_until(Instant::now() + limit)),
            half_close,
        };
    }

    /// Writes the rest and reads until the peer has closed too. What it still sends is read and forgotten: a socket
    /// that is closed with unread data would reset the connection and take our last frames with it.
    fn poll_closing(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let Phase::Closing {
            deadline,
            half_close,
        } = &mut self.phase
        else {
            return Poll::Pending;
        };
        // Before all else: a peer that never stops sending must not keep the deadline from being looked at.
        if deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let is_flushed = match self.connection.poll_flush(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending => false,
        };
        if is_flushed && std::mem::take(half_close) && self.socket.poll_shutdown(cx).is_pending() {
            *half_close = true;
        }
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(());
        };
        let wire = stream.get_mut();
        let mut scratch = [0; 2048];
        for _ in 0..READ_BUDGET {
            if is_flushed && wire.guard.has_seen_close() {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::new(&mut scratch);
            match self.socket.poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    // Only its close frame is of interest now.
                    let _too_many = wire.guard.scan(buf.filled());
                }
                Poll::Ready(Ok(()) | Err(_)) if is_flushed => return Poll::Ready(()),
                // The peer is done, but may still take what we have.
                Poll::Ready(Ok(()) | Err(_)) | Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<L: Language> Future for Pump<L> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        // First of all, so that whatever happens from here on wakes this task again.
        this.connection.register(cx.waker());
        this.language.stir();
        if matches!(this.phase, Phase::Open) {
            // Before reading: a peer that never stops sending uses up the task's budget, and writes would starve.
            let _tried_again_below = this.connection.poll_flush(cx);
            let has_more = this.receive(cx);
            if let Some(reason) = this.connection.take_closing() {
                this.begin_closing(reason);
            } else if matches!(this.phase, Phase::Open) {
                if let Poll::Ready(Err(_)) = this.connection.poll_flush(cx) {
                    this.finish(CloseReason::PeerGone);
                } else {
                    if has_more {
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
        this.poll_closing(cx)
    }
}

impl<L: Language> Drop for Pump<L> {
    /// A task that is dropped in the middle (the runtime stops, or it panicked) still reports its end.
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Open) {
            self.connection.mark_closed();
            // The application may keep its handle on the connection, and with it the socket.
            self.socket.abort();
            self.language
                .closed(&self.connection, CloseReason::Internal);
        }
    }
}

/// What tungstenite reads from and writes to: reads come from the socket, writes join the ordered outbox.
pub(super) struct Wire {
    socket: Arc<Socket>,
    connection: Arc<Connection>,
    guard: FrameGuard,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.socket.poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            self.connection.heard();
            let begun = self.guard.begun();
            self.guard.scan(read).map_err(io::Error::other)?;
            if self.guard.begun() != begun {
                // Another message than the one that the clock was started for.
                self.connection.set_partial(false);
            }
            self.connection.set_partial(self.guard.is_partial());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut TaskContext<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.send_control(Bytes::copy_from_slice(buf));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Why reading failed, as a close reason.
fn failure(error: &WsError) -> CloseReason {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => CloseReason::MessageTooBig,
        WsError::Capacity(other) => CloseReason::ProtocolError(other.to_string().into()),
        WsError::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => CloseReason::PeerGone,
        WsError::Protocol(protocol) => CloseReason::ProtocolError(protocol.to_string().into()),
        WsError::Utf8(_) => CloseReason::InvalidText,
        WsError::Io(error) => match error.get_ref() {
            Some(inner) if inner.is::<TooManyFragments>() => CloseReason::TooManyFragments,
            _ => CloseReason::PeerGone,
        },
        WsError::ConnectionClosed
        | WsError::AlreadyClosed
        | WsError::AttackAttempt
        | WsError::Tls(_)
        | WsError::WriteBufferFull(_)
        | WsError::Url(_)
        | WsError::Http(_)
        | WsError::HttpFormat(_) => CloseReason::PeerGone,
    }
}
