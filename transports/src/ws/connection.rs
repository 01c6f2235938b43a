//! One WebSocket connection: the task that reads it, and writes what others could not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};

use super::Language;
use super::decoder::{Decoder, Wire};
use super::frame::{FrameGuard, TooManyFragments};
use crate::allowance::Allowance;
use crate::budget::FREE;
use crate::half::Part;
use crate::{CloseReason, Connection, IncomingPayload, Initiator, OverBudget, Socket, Turn};

/// Reads before other tasks of the thread get their chance, while the connection closes.
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
    /// There while something is half read.
    decoder: Option<Decoder>,
    guard: FrameGuard,
    connection: Arc<Connection>,
    socket: Arc<Socket>,
    language: L,
    read_buffer: u32,
    /// Bytes of the message that is half received.
    half: u32,
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
    pub(crate) fn new(
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
        let decoder = (!early.is_empty())
            .then(|| Decoder::with_early(early, limits.max_message, read_buffer));
        Self {
            decoder,
            guard,
            language,
            connection,
            socket,
            read_buffer: u32::try_from(read_buffer).unwrap_or(u32::MAX),
            half: 0,
            phase: Phase::Open,
        }
    }

    /// Handles what has arrived. Everything that it causes leaves in one write per connection, at its end.
    /// Returns whether more may be waiting.
    fn receive(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let _turn = Turn::begin();
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None if self.is_held() => return false,
            None => {
                let limits = &self.connection.context().limits;
                Decoder::lend(limits.max_message, self.read_buffer as usize)
            }
        };
        let mut allowance = Allowance::default();
        loop {
            if self.is_held() {
                self.decoder = Some(decoder);
                return false;
            }
            let mut wire = Wire {
                socket: &self.socket,
                connection: &self.connection,
                guard: &mut self.guard,
                half: &mut self.half,
                cx: &mut *cx,
            };
            match decoder.poll_next(&mut wire) {
                Poll::Pending => {
                    self.set_aside(decoder);
                    return false;
                }
                Poll::Ready(Ok(WsMessage::Close(frame))) => {
                    decoder.answer_close(&mut wire);
                    let code = frame.map_or(1005, |frame| frame.code.into());
                    self.finish(CloseReason::PeerClosed(code));
                    return false;
                }
                Poll::Ready(Ok(message)) => {
                    let bytes = message.len();
                    self.deliver(&message);
                    if !allowance.spend(bytes, self.connection.received_at()) {
                        break;
                    }
                }
                Poll::Ready(Err(error)) => {
                    match failure(&error) {
                        CloseReason::PeerGone => self.finish(CloseReason::PeerGone),
                        reason => self.connection.close(reason),
                    }
                    return false;
                }
            }
        }
        self.decoder = Some(decoder);
        true
    }

    /// Whether nothing may be read now.
    fn is_held(&self) -> bool {
        self.connection.is_paused() || self.language.is_clogged() || !self.connection.is_open()
    }

    /// All that there was has been decoded: keeps the decoder if it holds the beginning of a message.
    fn set_aside(&mut self, decoder: Decoder) {
        if self.guard.is_partial() {
            self.decoder = Some(decoder);
        } else if !self.guard.take_seen_large() {
            decoder.give_back();
        }
        // One whose buffer has grown never shrinks it, and goes.
    }

    /// Nothing of a message is kept any more.
    fn forget_half(&mut self) {
        if std::mem::take(&mut self.half) as usize > FREE {
            self.connection.hold_half(Part::Message, 0);
        }
    }

    fn deliver(&mut self, message: &WsMessage) {
        let payload = match message {
            WsMessage::Text(text) => IncomingPayload::Text(text),
            WsMessage::Binary(bytes) => IncomingPayload::Binary(bytes),
            // Answered by tungstenite; as a sign of life they were counted when they were read.
            WsMessage::Ping(_) => return self.connection.report_heartbeat(),
            WsMessage::Pong(_) | WsMessage::Frame(_) | WsMessage::Close(_) => return,
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
        // What was half received is of no use any more.
        self.decoder = None;
        self.forget_half();
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
        let mut scratch = [0; 2048];
        for _ in 0..READ_BUDGET {
            if is_flushed && self.guard.has_seen_close() {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::new(&mut scratch);
            match self.socket.poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    // Only its close frame is of interest now.
                    let _too_many = self.guard.scan(buf.filled());
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
            self.forget_half();
            // The application may keep its handle on the connection, and with it the socket.
            self.socket.abort();
            self.language
                .closed(&self.connection, CloseReason::Internal);
        }
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
            Some(inner) if inner.is::<OverBudget>() => CloseReason::Overloaded,
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
