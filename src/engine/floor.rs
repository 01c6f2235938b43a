//! Who may speak in a room where somebody lags: one at a time, in the order of asking, and nobody before the others have
//! caught up. Where nobody lags there is no floor to have.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::room::{Room, Shared};
use super::{Hub, Limits, Spark};

/// The right to speak next in a room. Others wait until it is dropped, so it is not to be held for long.
#[derive(Debug, Default)]
#[must_use = "who drops it speaks out of turn"]
pub(crate) struct Floor {
    _turn: Option<OwnedMutexGuard<Patience>>,
}

impl Hub {
    /// Whether somebody in `room` lags for whom `speaker` is to wait. It looks at all members: not worth it where
    /// [nobody lags](Spark::may_have_laggards).
    pub(crate) fn has_laggard(&self, room: &str, speaker: &Spark) -> bool {
        !speaker.connection().context().is_draining()
            && self
                .find(room)
                .is_some_and(|room| room.laggard(Instant::now()).is_some())
    }

    /// Waits until `speaker` may speak in `room`: others have before, and whoever lagged has caught up or was waited for long
    /// enough. Nobody waits in a server that is about to stop. `None` if the speaker is over.
    pub(crate) async fn floor(&self, room: &str, speaker: &Spark) -> Option<Floor> {
        let context = speaker.connection().context();
        let is_in_need = context.has_laggards() && self.has_laggard(room, speaker);
        let Some(room) = is_in_need.then(|| self.find(room)).flatten() else {
            return Some(Floor::default());
        };
        context.metrics.held_back.inc();
        let turn = async {
            let mut turn = Arc::clone(room.floor()).lock_owned().await;
            turn.wait(&room, &context.limits).await;
            Floor { _turn: Some(turn) }
        };
        tokio::select! {
            biased;
            () = speaker.over() => None,
            () = context.draining() => Some(Floor::default()),
            floor = turn => Some(floor),
        }
    }
}

/// What is left of a room's patience with those that lag: at most one [`lag_timeout`](Limits::lag_timeout), which is there
/// again when so much has been said as ends a lag. However many members lag, and whoever of them begins when another one has
/// caught up: what is said in the room goes on at that rate.
#[derive(Debug, Default)]
pub(super) struct Patience {
    used: Duration,
    /// How much had been said in the room when that was reckoned.
    said: u64,
}

impl Patience {
    /// How long to wait, when so much has been said in the room in all.
    fn left(&mut self, said: u64, limits: &Limits) -> Duration {
        let news = said - self.said;
        let enough = (limits.lag / 2).max(1) as u64;
        self.said = said;
        if news < enough {
            let regained = limits.lag_timeout.as_secs_f64() * news as f64 / enough as f64;
            self.used = self.used.saturating_sub(Duration::from_secs_f64(regained));
        } else {
            self.used = Duration::ZERO;
        }
        limits.lag_timeout.saturating_sub(self.used)
    }

    /// Waits until nobody in the room lags, or patience is at its end.
    async fn wait(&mut self, room: &Shared, limits: &Limits) {
        loop {
            let now = Instant::now();
            let left = self.left(room.said(), limits);
            let Some((laggard, longest)) = room.laggard(now).filter(|_| !left.is_zero()) else {
                return;
            };
            let caught_up = poll_fn(|cx| laggard.connection().poll_caught_up(cx));
            // Whoever has not is not found again.
            let _or_not = tokio::time::timeout(left.min(longest), caught_up).await;
            self.used += now.elapsed();
        }
    }
}

impl Room {
    /// A member that lags, and how long it is still to be waited for.
    fn laggard(&self, now: Instant) -> Option<(Spark, Duration)> {
        self.find_member(|spark| spark.connection().lag_left(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_comes_back_with_what_is_said() {
        const SECOND: Duration = Duration::from_secs(1);
        let limits = Limits {
            lag: 2000,
            lag_timeout: 2 * SECOND,
            ..Limits::default()
        };
        let mut patience = Patience::default();
        assert_eq!(patience.left(5000, &limits), 2 * SECOND);
        patience.used += 2 * SECOND;
        assert_eq!(patience.left(5000, &limits), Duration::ZERO);
        assert_eq!(patience.left(5250, &limits), SECOND / 2);
        assert_eq!(patience.left(5500, &limits), SECOND);
        patience.used += 3 * SECOND;
        assert_eq!(patience.left(5500, &limits), Duration::ZERO);
        assert_eq!(patience.left(6500, &limits), 2 * SECOND);
        let impatient = Limits {
            lag_timeout: Duration::ZERO,
            ..limits
        };
        assert_eq!(patience.left(u64::MAX, &impatient), Duration::ZERO);
    }
}
