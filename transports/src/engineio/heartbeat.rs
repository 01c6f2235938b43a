//! Liveness (docs/protocol/engineio.md#heartbeat). Times are milliseconds of any clock that does not jump.

use super::Protocol;

/// How often, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Milliseconds between two pings.
    pub(crate) interval: u64,
    /// Milliseconds that an answer may take.
    pub(crate) timeout: u64,
}

/// This part of the timeout is more than a tick of the clock.
const LATE: u64 = 16;

/// Whether the peer lives.
///
/// ```text
///          version 4                                      version 3
///   ┌► Resting ── interval ──► Ping! ──► Waiting      ┌► Listening ── interval + timeout ──► Dead!
///   └───────── pong ────────────────────┘  │          └── ping ──┘
///                                 timeout ─┴► Dead!
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heartbeat {
    timing: Timing,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Resting { ping_at: u64 },
    Waiting { dead_at: u64 },
    Listening { dead_at: u64 },
}

/// What the time calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Send a ping, and look again at this time.
    Ping(u64),
    /// Nothing; look again at this time.
    Rest(u64),
    /// The peer is gone.
    Dead,
}

impl Heartbeat {
    pub(super) const fn new(protocol: Protocol, timing: Timing, now: u64) -> Self {
        let state = match protocol {
            Protocol::V4 => State::Resting {
                ping_at: now + timing.interval,
            },
            Protocol::V3 => State::Listening {
                dead_at: now + timing.interval + timing.timeout,
            },
        };
        Self { timing, state }
    }

    /// The peer gave its sign: a pong in version 4, a ping in version 3. One that was not asked for changes nothing.
    pub(super) const fn heard(&mut self, now: u64) {
        self.state = match self.state {
            State::Resting { .. } => self.state,
            State::Waiting { .. } => State::Resting {
                ping_at: now + self.timing.interval,
            },
            State::Listening { .. } => State::Listening {
                dead_at: now + self.timing.interval + self.timing.timeout,
            },
        };
    }

    /// Whether the peer was silent for too long.
    pub(super) const fn is_dead(&self, now: u64) -> bool {
        match self.state {
            State::Resting { .. } => false,
            State::Waiting { dead_at } | State::Listening { dead_at } => now >= dead_at,
        }
    }

    pub(super) fn beat(&mut self, now: u64) -> Beat {
        match self.state {
            State::Resting { ping_at } if now >= ping_at => {
                // The clock looks in ticks. A client that counts from its opening is not told of them: a ping that is
                // late by a tick counts from when it was due. After a longer pause it counts from now.
                let is_due = now - ping_at <= self.timing.timeout / LATE;
                let dead_at = if is_due { ping_at } else { now } + self.timing.timeout;
                self.state = State::Waiting { dead_at };
                // The answer may come at once; then the next ping is due before this one's deadline.
                Beat::Ping(dead_at.min(now + self.timing.interval))
            }
            State::Resting { ping_at } => Beat::Rest(ping_at),
            State::Waiting { dead_at } | State::Listening { dead_at } if now >= dead_at => {
                Beat::Dead
            }
            State::Waiting { dead_at } | State::Listening { dead_at } => Beat::Rest(dead_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        interval: 300,
        timeout: 200,
    };

    #[test]
    fn version_4_pings_after_an_interval_and_again_after_the_answer() {
        let mut heartbeat = Heartbeat::new(Protocol::V4, TIMING, 1000);
        heartbeat.heard(1001);
        assert_eq!(heartbeat.beat(1299), Beat::Rest(1300));
        assert_eq!(heartbeat.beat(1300), Beat::Ping(1500));
        heartbeat.heard(1310);
        assert!(!heartbeat.is_dead(9999));
        assert_eq!(heartbeat.beat(1500), Beat::Rest(1610));
        assert_eq!(heartbeat.beat(1610), Beat::Ping(1810));
        assert_eq!(heartbeat.beat(1809), Beat::Rest(1810));
        assert!(heartbeat.is_dead(1810));
        assert_eq!(heartbeat.beat(1810), Beat::Dead);
    }

    #[test]
    fn a_long_timeout_does_not_delay_the_next_ping() {
        let timing = Timing {
            interval: 300,
            timeout: 5000,
        };
        let mut heartbeat = Heartbeat::new(Protocol::V4, timing, 0);
        assert_eq!(heartbeat.beat(300), Beat::Ping(600));
        heartbeat.heard(301);
        assert_eq!(heartbeat.beat(600), Beat::Rest(601));
    }

    #[test]
    fn a_tick_does_not_lengthen_the_timeout_and_a_pause_does_not_shorten_it() {
        for (pinged_at, dead_at) in [(305, 500), (312, 500), (313, 513), (900, 1100)] {
            let mut heartbeat = Heartbeat::new(Protocol::V4, TIMING, 0);
            assert!(matches!(heartbeat.beat(pinged_at), Beat::Ping(_)));
            assert!(!heartbeat.is_dead(dead_at - 1));
            assert!(heartbeat.is_dead(dead_at), "pinged at {pinged_at}");
        }
    }

    #[test]
    fn version_3_waits_for_the_client_to_ping() {
        let mut heartbeat = Heartbeat::new(Protocol::V3, TIMING, 0);
        assert_eq!(heartbeat.beat(499), Beat::Rest(500));
        heartbeat.heard(499);
        assert_eq!(heartbeat.beat(500), Beat::Rest(999));
        assert_eq!(heartbeat.beat(999), Beat::Dead);
    }
}
