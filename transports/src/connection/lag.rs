//! A peer that lags: more waits for it than is good, and whoever causes more is to wait until it has caught up.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use super::Connection;
use crate::outbox::{Life, Outbox};

impl Connection {
    /// Notes that more waits for the peer than [`Limits::lag`](crate::Limits::lag), unless the socket takes it.
    #[cold]
    pub(super) fn begin_lag(self: &Arc<Self>, outbox: &mut Outbox) {
        if outbox.lags_since().is_some() {
            return;
        }
        // The bytes may be here only because the turn is long, or the task was not run yet.
        self.write_out(outbox);
        let limit = self.context.limits.lag;
        if outbox.held() > limit {
            outbox.begin_lag(limit / 2, &self.context.metrics.lagging);
        }
    }

    /// How long the peer is still to be waited for at the time `now`. `None` if it keeps up, is gone, or has
    /// [lagged for too long](crate::Limits::lag_timeout).
    pub fn lag_left(&self, now: Instant) -> Option<Duration> {
        let since = self.outbox.lock().lags_since()?;
        let waited = now.saturating_duration_since(since);
        let left = self.context.limits.lag_timeout.checked_sub(waited)?;
        (!left.is_zero()).then_some(left)
    }

    /// Waits until the peer does not lag, or is gone.
    pub fn poll_caught_up(&self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut outbox = self.outbox.lock();
        if outbox.lags_since().is_none() {
            return Poll::Ready(());
        }
        outbox.wait_for_room(cx.waker());
        Poll::Pending
    }

    /// Waits until no messages can be sent any more.
    pub fn poll_over(&self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut outbox = self.outbox.lock();
        if !matches!(outbox.life(), Life::Open) {
            return Poll::Ready(());
        }
        outbox.wait_for_room(cx.waker());
        Poll::Pending
    }
}
