//! Deadlines of a connection: to complete a message that it has begun, and to take the frames that wait for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Connection;
use crate::budget::FREE;
use crate::half::{Half, Part};
use crate::outbox::Life;
use crate::{CloseReason, Holding};

impl Connection {
    /// Notes whether a message is half received, for the receive deadline.
    pub fn set_partial(self: &Arc<Self>, partial: bool) {
        let was_partial = self.partial_since.load(Ordering::Relaxed) != 0;
        if was_partial && !partial {
            self.partial_since.store(0, Ordering::Relaxed);
        } else if partial && !was_partial {
            self.partial_since
                .store(self.context.sweep.clock() + 1, Ordering::Relaxed);
            self.watch();
        }
    }

    #[cfg_attr(
        not(feature = "ws"),
        allow(dead_code, reason = "nothing comes in halves")
    )]
    /// Notes how many bytes of a half received message are there. Returns false if there is no memory left for them, and
    /// this is the end then.
    pub(crate) fn hold_half(self: &Arc<Self>, part: Part, bytes: usize) -> bool {
        let mut half = self.half.lock();
        if bytes <= FREE && half.is_none() {
            return true;
        }
        let now = self.context.sweep.clock() + 1;
        let nothing = || {
            self.context
                .budget
                .nothing(Holding::Message, self.address())
        };
        let held = half
            .get_or_insert_with(|| Box::new(Half::new(nothing())))
            .set(part, bytes, now);
        if half.as_ref().is_some_and(|half| half.bytes() == 0) {
            *half = None;
        }
        drop(half);
        if held.is_err() {
            self.close(CloseReason::Overloaded);
        } else if bytes > 0 {
            self.watch();
        }
        held.is_ok()
    }

    /// Asks the sweep to look at this connection's deadlines at each tick.
    pub(super) fn watch(self: &Arc<Self>) {
        if !self.watched.swap(true, Ordering::SeqCst) {
            self.context.sweep.watch(self);
        }
    }

    /// Ends the connection if a deadline has passed. Returns whether it still needs watching.
    pub(crate) fn check_deadlines(&self) -> bool {
        // Cleared first: whoever starts to wait from here on puts the connection on the list again.
        self.watched.store(false, Ordering::SeqCst);
        let limits = &self.context.limits;
        let stalled_since = self.outbox.lock().stalled_since;
        if stalled_since.is_some_and(|since| since.elapsed() >= limits.write_timeout) {
            self.close(CloseReason::WriteTimeout);
            return false;
        }
        let is_fetched = self.check_fetched();
        if is_fetched == Some(false) {
            self.close(CloseReason::SlowConsumer);
            return false;
        }
        let partial_since = self.partial_since.load(Ordering::Relaxed);
        if partial_since != 0 && !self.is_paused() {
            let waited = self.context.sweep.clock().saturating_sub(partial_since - 1);
            if u128::from(waited) >= limits.receive_timeout.as_millis() {
                self.close(CloseReason::ReceiveTimeout);
                return false;
            }
        }
        let has_half = {
            let mut half = self.half.lock();
            if let Some(half) = half.as_mut().filter(|_| !self.is_paused()) {
                let now = self.context.sweep.clock() + 1;
                if half.stalls(now, limits.receive_stall) {
                    self.close(CloseReason::ReceiveTimeout);
                    return false;
                }
            }
            half.is_some()
        };
        (stalled_since.is_some() || is_fetched.is_some() || partial_since != 0 || has_half)
            && !self.watched.swap(true, Ordering::SeqCst)
    }

    /// Whether the peer fetches in time what waits for it. `None` if nothing waits, or nothing has to be fetched.
    pub(super) fn check_fetched(&self) -> Option<bool> {
        let mut outbox = self.outbox.lock();
        if outbox.is_empty() || self.is_linked() {
            return None;
        }
        let now = self.context.sweep.clock() + 1;
        if outbox.unfetched_since == 0 {
            outbox.unfetched_since = now;
        }
        let waited = u128::from(now - outbox.unfetched_since);
        let is_open = matches!(outbox.life(), Life::Open);
        Some(!is_open || waited < self.context.limits.write_timeout.as_millis())
    }

    /// Notes that the peer is taking what it has fetched.
    #[cfg(feature = "polling")]
    pub(crate) fn note_fetching(&self) {
        self.outbox.lock().unfetched_since = 0;
    }
}
