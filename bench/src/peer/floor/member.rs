//! The half of a connection that others write to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::net::tcp::OwnedWriteHalf;

use super::list::Place;

/// What may wait for one client: as much as our own server lets wait.
const MAX_WAITING: usize = 8 << 20;

#[derive(Debug)]
pub(super) struct Member {
    writer: OwnedWriteHalf,
    backlog: Mutex<Backlog>,
    /// Whether anything came since the last ping.
    is_alive: AtomicBool,
    /// Which list of the heartbeat it is in.
    pub(super) bucket: usize,
    pub(super) in_room: Place,
    pub(super) in_bucket: Place,
}

/// What a full socket did not take.
#[derive(Debug, Default)]
struct Backlog {
    bytes: Vec<u8>,
    /// Of the connection's task, for the rare cases that need it.
    task: Option<Waker>,
    is_ended: bool,
}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Ended,
}

impl Member {
    pub(super) fn new(writer: OwnedWriteHalf, bucket: usize) -> Self {
        Self {
            writer,
            backlog: Mutex::default(),
            is_alive: AtomicBool::new(true),
            bucket,
            in_room: Place::default(),
            in_bucket: Place::default(),
        }
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to the socket here and now; the task is woken for the rest only.
    pub(super) fn send(&self, mut bytes: &[u8]) {
        // Held over the system call: two threads must not swap their writes.
        let mut backlog = self.backlog();
        if backlog.bytes.is_empty() {
            bytes = &bytes[self.write(bytes)..];
            if bytes.is_empty() {
                return;
            }
        }
        if backlog.bytes.len() + bytes.len() > MAX_WAITING {
            backlog.is_ended = true;
        } else {
            backlog.bytes.extend_from_slice(bytes);
        }
        backlog.wake();
    }

    pub(super) fn end(&self) {
        let mut backlog = self.backlog();
        backlog.is_ended = true;
        backlog.wake();
    }

    /// How many bytes the socket took. A broken one swallows all: its reader
    /// learns of it by itself.
    fn write(&self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.writer.try_write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return bytes.len(),
            }
        }
        taken
    }

    /// Makes `end` and a full socket wake the task of `cx`.
    pub(super) fn be_woken(&self, cx: &Context<'_>) {
        self.backlog().task = Some(cx.waker().clone());
    }

    /// Writes what waits, as far as the socket takes it; is woken for the rest.
    pub(super) fn drain(&self, cx: &mut Context<'_>) -> State {
        let mut backlog = self.backlog();
        while !backlog.is_ended && !backlog.bytes.is_empty() {
            match self.writer.as_ref().poll_write_ready(cx) {
                Poll::Pending => return State::Open,
                Poll::Ready(Err(_)) => return State::Ended,
                Poll::Ready(Ok(())) => {
                    let taken = self.write(&backlog.bytes);
                    backlog.bytes.drain(..taken);
                }
            }
        }
        if backlog.is_ended {
            return State::Ended;
        }
        if backlog.bytes.capacity() > 0 {
            backlog.bytes = Vec::new();
        }
        State::Open
    }

    pub(super) fn heard(&self) {
        // A store per read would move the cache line for nothing.
        if !self.is_alive.load(Ordering::Relaxed) {
            self.is_alive.store(true, Ordering::Relaxed);
        }
    }

    /// Sends a ping, or ends it if the last one was not answered.
    pub(super) fn beat(&self, ping: &[u8]) {
        if self.is_alive.swap(false, Ordering::Relaxed) {
            self.send(ping);
        } else {
            self.end();
        }
    }
}

impl Backlog {
    fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }
}
