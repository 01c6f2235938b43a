//! How long one connection's turn may be.

use std::time::Duration;

/// How much one connection may have done for it before the others of its thread get their turn: so many messages, bytes of
/// messages, and about so much time.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    messages: u32,
    bytes: usize,
    /// When the first message came.
    since: Option<Duration>,
}

const MESSAGES: u32 = 128;
const BYTES: usize = 256 * 1024;
const TIME: Duration = Duration::from_micros(200);

impl Allowance {
    /// Notes a message of so many bytes that was received, at a time `now` that was looked at anyway. Whether there may be
    /// another one. How long the last one takes is only known by the next.
    pub(crate) fn spend(&mut self, bytes: usize, now: Duration) -> bool {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let since = *self.since.get_or_insert(now);
        self.messages < MESSAGES && self.bytes < BYTES && now.saturating_sub(since) < TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many messages fit into a turn.
    fn messages(bytes: usize, time: Duration) -> u32 {
        let mut allowance = Allowance::default();
        let mut now = Duration::from_secs(7);
        (1..=1000)
            .find(|_| {
                now += time;
                !allowance.spend(bytes, now)
            })
            .unwrap_or(0)
    }

    #[test]
    fn a_turn_ends_by_whatever_is_used_up_first() {
        assert_eq!(messages(1, Duration::ZERO), MESSAGES);
        assert_eq!(messages(BYTES / 4, Duration::ZERO), 4);
        assert_eq!(messages(BYTES * 4, Duration::ZERO), 1);
        assert_eq!(messages(1, TIME / 4), 5);
        assert_eq!(messages(1, TIME * 4), 2);
    }
}
