//! Liveness, without a clock of its own.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a peer lives: asked once per interval, answered by any sign of life since the last time.
///
/// ```text
///         heard                     beat: Ping
///   ┌──► ALIVE ──────────────────────────► WAITING ──► beat: Dead
///   └──────────────────── heard ──────────────┘
/// ```
#[derive(Debug)]
pub(crate) struct Heartbeat {
    alive: AtomicBool,
}

/// What a heartbeat calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Send a ping.
    Ping,
    /// Nothing came since the last ping: end the connection.
    Dead,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            alive: AtomicBool::new(true),
        }
    }
}

impl Heartbeat {
    /// Notes a sign of life.
    pub(crate) fn heard(&self) {
        // A store per read would bounce the cache line for nothing.
        if !self.alive.load(Ordering::Relaxed) {
            self.alive.store(true, Ordering::Relaxed);
        }
    }

    /// One interval has passed.
    pub(crate) fn beat(&self) -> Beat {
        if self.alive.swap(false, Ordering::Relaxed) {
            Beat::Ping
        } else {
            Beat::Dead
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_dies_only_after_a_whole_interval_of_silence() {
        let heartbeat = Heartbeat::default();
        assert_eq!(
            heartbeat.beat(),
            Beat::Ping,
            "a new connection gets a full interval"
        );
        heartbeat.heard();
        heartbeat.heard();
        assert_eq!(heartbeat.beat(), Beat::Ping);
        assert_eq!(heartbeat.beat(), Beat::Dead);
    }
}
