//! Connections as streams, for those who prefer a loop to a handler.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::dispatch::Forgetting;
use super::{CloseReason, Spark};

/// How many connections may wait in a stream.
const BACKLOG: usize = 4096;

/// Who wants to hear of something.
pub(super) struct Audience<T>(Mutex<Vec<mpsc::Sender<T>>>);

impl<T> Default for Audience<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Audience<T> {
    pub(super) fn join(&self) -> mpsc::Receiver<T> {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        self.0.lock().push(sender);
        receiver
    }

    /// False if somebody has no room for more.
    pub(super) fn tell(&self, event: &T) -> bool {
        let mut audience = self.0.lock();
        let mut has_room = true;
        audience.retain(|listener| match listener.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                has_room = false;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        });
        has_room
    }

    /// Ends the streams.
    pub(super) fn dismiss(&self) {
        self.0.lock().clear();
    }
}

impl<T> fmt::Debug for Audience<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audience({})", self.0.lock().len())
    }
}

/// Connections that have opened since the stream was asked for. It ends when the server is destroyed.
///
/// A client's messages wait until its [data](Spark::data) is taken, so nothing is lost. 4,096 connections may wait
/// here; one more is told to come back.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is read"]
pub struct Connections(pub(super) mpsc::Receiver<Spark>);

impl Stream for Connections {
    type Item = Spark;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Spark>> {
        self.0.poll_recv(cx)
    }
}

/// Connections that have ended since the stream was asked for, and why. It ends when the server is destroyed. 4,096 may wait
/// here; one more is missing, which is logged.
#[must_use = "a stream does nothing unless it is read"]
pub struct Disconnections {
    ended: mpsc::Receiver<Ended>,
    /// Keeps what was [set](Spark::set) with the last one.
    last: Option<Arc<Forgetting>>,
}

pub(super) type Ended = (Spark, CloseReason, Arc<Forgetting>);

impl Disconnections {
    pub(super) const fn new(ended: mpsc::Receiver<Ended>) -> Self {
        Self { ended, last: None }
    }
}

impl fmt::Debug for Disconnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disconnections")
    }
}

impl Stream for Disconnections {
    type Item = (Spark, CloseReason);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let ended = std::task::ready!(self.ended.poll_recv(cx));
        Poll::Ready(ended.map(|(spark, reason, kept)| {
            self.last = Some(kept);
            (spark, reason)
        }))
    }
}
