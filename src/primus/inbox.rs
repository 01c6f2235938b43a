//! What a client has sent and the application has not yet taken.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use parking_lot::Mutex;

use super::{Packet, Spark};

/// Bytes of packets at which reading from the client stops; it goes on at half of it.
pub(super) const PAUSE_AT: usize = 256 * 1024;

pub(super) type Listener = Arc<dyn Fn(&Spark, Packet) + Send + Sync>;

/// The packets of one connection that wait for the application, in order.
#[derive(Default)]
pub(super) struct Inbox(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<(usize, Packet)>,
    bytes: usize,
    listener: Option<Listener>,
    /// Whether packets go to the listener at once, because nothing waits.
    is_direct: bool,
    is_paused: bool,
    is_over: bool,
    waker: Option<Waker>,
}

impl Inbox {
    /// Hands a packet to the listener, or keeps it until there is one or it is asked for. Not called concurrently.
    pub(super) fn deliver(&self, spark: &Spark, packet: Packet) {
        let mut state = self.0.lock();
        if state.is_direct
            && let Some(listener) = state.listener.clone()
        {
            drop(state);
            return listener(spark, packet);
        }
        if state.is_over {
            return;
        }
        let cost = packet.cost();
        state.bytes += cost;
        state.waiting.push_back((cost, packet));
        if state.bytes > PAUSE_AT && !state.is_paused {
            state.is_paused = true;
            spark.hold();
        }
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }

    /// Sends packets to a listener from now on, those that wait first. Packets that come meanwhile wait behind them.
    pub(super) fn listen(&self, spark: &Spark, listener: &Listener) {
        let mut state = self.0.lock();
        let is_first = state.listener.replace(Arc::clone(listener)).is_none();
        // Who replaces another takes its place: it is there, or about to be.
        if is_first {
            while let Some(packet) = state.take(spark) {
                drop(state);
                listener(spark, packet);
                state = self.0.lock();
            }
            state.is_direct = true;
        }
        if state.is_over {
            state.listener = None;
        }
    }

    /// Nothing more comes. What waits can still be taken.
    pub(super) fn close(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        let waker = state.waker.take();
        // It may hold the spark, which holds this.
        let listener = if state.waiting.is_empty() {
            state.listener.take()
        } else {
            None
        };
        drop(state);
        drop(listener);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, spark: &Spark, cx: &Context<'_>) -> Poll<Option<Packet>> {
        let mut state = self.0.lock();
        if let Some(packet) = state.take(spark) {
            return Poll::Ready(Some(packet));
        }
        if state.is_over {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl State {
    fn take(&mut self, spark: &Spark) -> Option<Packet> {
        let (cost, packet) = self.waiting.pop_front()?;
        self.bytes -= cost;
        if self.is_paused && self.bytes <= PAUSE_AT / 2 {
            self.is_paused = false;
            spark.release();
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        Some(packet)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Inbox")
            .field("waiting", &state.waiting.len())
            .field("bytes", &state.bytes)
            .finish_non_exhaustive()
    }
}

/// What a client sends, in order. It ends with the connection, once everything that came before has been taken.
///
/// Up to 256 KiB of messages wait. Then the client is not read until half of them are taken.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is read"]
pub struct Data {
    pub(super) spark: Spark,
}

impl Stream for Data {
    type Item = Packet;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Packet>> {
        // Whoever reads is ready, also inside of a handler that is not done.
        self.spark.open_gate();
        self.spark.inbox().poll(&self.spark, cx)
    }
}
