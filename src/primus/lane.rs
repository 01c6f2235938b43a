//! The order of the messages of one connection in one direction, where something takes its time with them.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use super::inbox::PAUSE_AT;
use super::{End, Packet, Spark};

/// Packets that wait behind one that is being worked on.
#[derive(Debug, Default)]
pub(super) struct Lane {
    is_busy: bool,
    waiting: VecDeque<(usize, Packet)>,
    bytes: usize,
    is_paused: bool,
    /// The end that comes when nothing waits any more.
    end: Option<End>,
    /// Whether the connection is over. What waits still goes its way.
    pub(super) is_over: bool,
    /// Whether the application does not want the connection: nothing enters any more.
    is_rejected: bool,
    /// Who waits for the lane to be free.
    waker: Option<Waker>,
    /// Whether only what waits has anything to do with the connection any more.
    pub(super) is_forgotten: bool,
}

impl Lane {
    /// A lane that is taken, until [`next`](Self::next) finds nothing more.
    pub(super) fn busy() -> Self {
        Self {
            is_busy: true,
            ..Self::default()
        }
    }

    /// Puts a packet behind those that wait, or returns it if none does: then the caller has the lane until
    /// [`next`](Self::next) finds nothing.
    pub(super) fn enter(&mut self, packet: Packet) -> Option<Packet> {
        if self.is_rejected {
            return None;
        }
        if !self.is_busy {
            self.is_busy = true;
            return Some(packet);
        }
        let cost = packet.cost();
        self.bytes += cost;
        self.waiting.push_back((cost, packet));
        None
    }

    /// The next packet. Without one the lane is free.
    pub(super) fn next(&mut self) -> Option<Packet> {
        if let Some((cost, packet)) = self.waiting.pop_front() {
            self.bytes -= cost;
            return Some(packet);
        }
        self.is_busy = false;
        self.waiting = VecDeque::new();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        None
    }

    /// Waits until nobody has the lane.
    pub(super) fn poll_free(&mut self, waker: &Waker) -> Poll<()> {
        if !self.is_busy {
            return Poll::Ready(());
        }
        self.waker = Some(waker.clone());
        Poll::Pending
    }

    /// Drops what waits, and whatever comes.
    pub(super) fn reject(&mut self) {
        self.is_rejected = true;
        self.waiting = VecDeque::new();
        self.bytes = 0;
    }

    pub(super) const fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Keeps an end until the lane is free. Returns it if it is; of several, the first stands.
    pub(super) fn end(&mut self, end: End) -> Option<End> {
        if !self.is_busy {
            return Some(end);
        }
        self.end.get_or_insert(end);
        None
    }

    /// The end that was kept.
    pub(super) const fn take_end(&mut self) -> Option<End> {
        self.end.take()
    }

    /// Whether an end is kept.
    pub(super) const fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// Whether more waits than this.
    pub(super) const fn has_over(&self, bytes: usize) -> bool {
        self.bytes > bytes
    }

    /// Slows the client down while the lane is full, and lets it go on at half of that.
    pub(super) fn regulate(&mut self, spark: &Spark) {
        if self.has_over(PAUSE_AT) && !self.is_paused {
            self.is_paused = true;
            spark.hold();
        } else if self.is_paused && self.bytes <= PAUSE_AT / 2 {
            self.is_paused = false;
            spark.release();
        }
    }
}
