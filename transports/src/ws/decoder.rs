//! tungstenite's decoder, lent to a connection while it has something to read.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};

use super::frame::FrameGuard;
use crate::budget::FREE;
use crate::half::Part;
use crate::{Connection, OverBudget, Socket};

/// How many a thread keeps. One connection at a time reads, so the others serve only those that begin and end with a
/// half read message.
const SPARE: usize = 4;

thread_local! {
    static SPARES: RefCell<Vec<Decoder>> = const { RefCell::new(Vec::new()) };
}

/// A decoder with its buffer. Between messages all of them are alike, so a quiet connection has none.
pub(super) struct Decoder(Box<WebSocketContext>);

impl Decoder {
    /// One of this thread's, for messages of at most `max_message` bytes that are read `read_buffer` bytes at a time.
    pub(super) fn lend(max_message: usize, read_buffer: usize) -> Self {
        let spare = SPARES.with_borrow_mut(Vec::pop).filter(|spare| {
            // Another server in this process may have left it.
            let config = spare.0.get_config();
            config.max_message_size == Some(max_message) && config.read_buffer_size == read_buffer
        });
        spare.unwrap_or_else(|| {
            let config = config(max_message, read_buffer);
            Self(Box::new(WebSocketContext::new(Role::Server, Some(config))))
        })
    }

    /// A new one that begins with what has been read elsewhere.
    pub(super) fn with_early(early: &[u8], max_message: usize, read_buffer: usize) -> Self {
        let config = config(max_message, read_buffer);
        let early = early.to_vec();
        let context = WebSocketContext::from_partially_read(early, Role::Server, Some(config));
        Self(Box::new(context))
    }

    /// Gives it back. Only to be called between messages, when everything that was read has been decoded.
    pub(super) fn give_back(self) {
        SPARES.with_borrow_mut(|spares| {
            if spares.len() < SPARE {
                spares.push(self);
            }
        });
    }

    /// The next message, if all of it is there.
    pub(super) fn poll_next(
        &mut self,
        wire: &mut Wire<'_, '_>,
    ) -> Poll<Result<WsMessage, WsError>> {
        match self.0.read(wire) {
            Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            outcome => Poll::Ready(outcome),
        }
    }

    /// Writes the answer to the peer's close frame. Nothing can be read any more.
    pub(super) fn answer_close(mut self, wire: &mut Wire<'_, '_>) {
        // It says that the connection is closed, which is known.
        let _closed = self.0.flush(wire);
    }
}

fn config(max_message: usize, read_buffer: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(read_buffer)
        .write_buffer_size(0)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// The stream below a decoder. Reads come from the socket; writes join the ordered outbox.
pub(super) struct Wire<'a, 'cx> {
    pub(super) socket: &'a Socket,
    pub(super) connection: &'a Arc<Connection>,
    pub(super) guard: &'a mut FrameGuard,
    /// Bytes of the message that is half received.
    pub(super) half: &'a mut u32,
    pub(super) cx: &'a mut TaskContext<'cx>,
}

impl Read for Wire<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(into);
        match self.socket.poll_read(self.cx, &mut buf) {
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(outcome) => outcome?,
        }
        let read = buf.filled();
        if !read.is_empty() {
            self.connection.heard();
            let begun = self.guard.begun();
            self.guard.scan(read).map_err(io::Error::other)?;
            if self.guard.begun() != begun {
                // Another message than the one that the clock was started for.
                self.connection.set_partial(false);
            }
            let is_partial = self.guard.is_partial();
            self.connection.set_partial(is_partial);
            let held = *self.half;
            *self.half = match is_partial {
                true if self.guard.begun() == begun => held.saturating_add(read.len() as u32),
                true => read.len() as u32,
                false => 0,
            };
            let is_held = *self.half as usize > FREE || held as usize > FREE;
            if is_held
                && !self
                    .connection
                    .hold_half(Part::Message, *self.half as usize)
            {
                return Err(io::Error::other(OverBudget));
            }
        }
        Ok(read.len())
    }
}

impl Write for Wire<'_, '_> {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.connection.send_control(Bytes::copy_from_slice(frame));
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
