//! Token buckets: how often something may be done. No clock is looked at here: whoever asks says what time it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many tokens come per second, and how many a bucket holds. It begins full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// How long a token takes to come, in ns. 0: whatever is asked for is there.
    interval: f64,
    /// How long a bucket takes to fill, in ns.
    fill: u64,
}

impl Rate {
    /// No limit.
    pub const OFF: Self = Self {
        interval: 0.0,
        fill: 0,
    };

    /// `per_second` tokens a second, and up to `burst` at once. There is no limit where `per_second` is 0 (or no number at
    /// all).
    pub fn new(per_second: f64, burst: u64) -> Self {
        if !(per_second > 0.0 && per_second.is_finite()) {
            return Self::OFF;
        }
        let interval = 1e9 / per_second;
        Self {
            interval,
            fill: (interval * burst as f64) as u64,
        }
    }
}

/// One client's tokens of a [`Rate`]: a bucket in eight bytes, for any number of threads.
#[derive(Debug, Default)]
pub struct Bucket {
    /// When it will be full again, in ns on the clock of whoever asks. In the past: it is full.
    full_at: AtomicU64,
}

impl Bucket {
    /// Takes `cost` tokens, at the time `now` of a clock that does not go backwards. A request that costs more than a
    /// bucket holds passes when the bucket is full, and is paid for afterwards.
    ///
    /// # Errors
    ///
    /// When they are not there: the time after which they will be. Nothing is taken then.
    pub fn take(&self, rate: &Rate, cost: u64, now: Duration) -> Result<(), Duration> {
        if rate.interval == 0.0 {
            return Ok(());
        }
        let now = nanos(now);
        let cost = (rate.interval * cost as f64) as u64;
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let missing = full_at.saturating_sub(now);
            let wanted = missing.saturating_add(cost);
            if missing > 0 && wanted > rate.fill {
                return Err(Duration::from_nanos(missing.min(wanted - rate.fill)));
            }
            let taken = self.full_at.compare_exchange_weak(
                full_at,
                now.saturating_add(wanted),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match taken {
                Ok(_) => return Ok(()),
                Err(changed) => full_at = changed,
            }
        }
    }

    /// Whether nothing is missing: it can be forgotten, and be made anew when it is asked for.
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at.load(Ordering::Relaxed) <= nanos(now)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How much one connection may send.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Messages. Default 20,000 a second, 40,000 at once.
    pub messages: Rate,
    /// Bytes of messages. Default 64 MiB a second, 128 MiB at once.
    pub bytes: Rate,
    /// Messages over one of the rates. Default 100 a second, 10,000 at once. Whoever goes on is closed with
    /// [`CloseReason::TooManyRequests`](super::CloseReason::TooManyRequests).
    pub refusals: Rate,
}

impl Rates {
    /// No limits.
    pub const OFF: Self = Self {
        messages: Rate::OFF,
        bytes: Rate::OFF,
        refusals: Rate::OFF,
    };
}

impl Default for Rates {
    fn default() -> Self {
        const MIB: u32 = 1024 * 1024;
        Self {
            messages: Rate::new(20_000.0, 40_000),
            bytes: Rate::new(f64::from(64 * MIB), 128 * u64::from(MIB)),
            refusals: Rate::new(100.0, 10_000),
        }
    }
}

/// The buckets of one connection.
#[derive(Debug, Default)]
pub(super) struct Flow {
    messages: Bucket,
    bytes: Bucket,
    refusals: Bucket,
}

/// One request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The limit's name in the configuration, and in metrics.
    pub rate: &'static str,
    /// When the next one is taken.
    pub retry_after: Duration,
}

impl Flow {
    /// Takes a message of so many bytes.
    pub(super) fn take(&self, rates: &Rates, bytes: usize, now: Duration) -> Result<(), Limited> {
        let limited = |rate| move |retry_after| Limited { rate, retry_after };
        let messages = self.messages.take(&rates.messages, 1, now);
        messages.map_err(limited("rates.messages"))?;
        let bytes = self.bytes.take(&rates.bytes, bytes as u64, now);
        bytes.map_err(limited("rates.bytes"))
    }

    /// Notes that something was refused. False if that has been so too often.
    pub(super) fn bears_refusal(&self, rates: &Rates, now: Duration) -> bool {
        self.refusals.take(&rates.refusals, 1, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_bucket_holds_a_burst_and_fills_with_time() {
        let rate = Rate::new(10.0, 3);
        let bucket = Bucket::default();
        let now = ms(5_000);
        for _ in 0..3 {
            assert_eq!(bucket.take(&rate, 1, now), Ok(()));
        }
        assert_eq!(bucket.take(&rate, 1, now), Err(ms(100)));
        assert_eq!(bucket.take(&rate, 2, now), Err(ms(200)));
        assert_eq!(bucket.take(&rate, 1, ms(5_099)), Err(ms(1)));
        assert_eq!(bucket.take(&rate, 1, ms(5_100)), Ok(()));
        assert_eq!(bucket.take(&rate, 1, ms(5_100)), Err(ms(100)));
        assert!(!bucket.is_full(ms(5_399)));
        assert!(bucket.is_full(ms(5_400)));
        // However long it is left alone, it holds no more.
        for _ in 0..3 {
            assert_eq!(bucket.take(&rate, 1, ms(1_000_000)), Ok(()));
        }
        assert!(bucket.take(&rate, 1, ms(1_000_000)).is_err());
    }

    #[test]
    fn what_is_larger_than_a_bucket_passes_when_it_is_full() {
        let rate = Rate::new(10.0, 3);
        let bucket = Bucket::default();
        assert_eq!(bucket.take(&rate, 20, ms(0)), Ok(()));
        assert_eq!(bucket.take(&rate, 1, ms(0)), Err(ms(1_800)));
        assert_eq!(bucket.take(&rate, 20, ms(0)), Err(ms(2_000)));
        assert_eq!(bucket.take(&rate, 20, ms(2_000)), Ok(()));
        let none_at_once = Rate::new(10.0, 0);
        let bucket = Bucket::default();
        assert_eq!(bucket.take(&none_at_once, 1, ms(0)), Ok(()));
        assert_eq!(bucket.take(&none_at_once, 1, ms(99)), Err(ms(1)));
        assert_eq!(bucket.take(&none_at_once, 1, ms(100)), Ok(()));
    }

    #[test]
    fn no_rate_is_no_limit() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let rate = Rate::new(per_second, 1);
            let bucket = Bucket::default();
            for _ in 0..100 {
                assert_eq!(bucket.take(&rate, u64::MAX, ms(0)), Ok(()));
            }
        }
    }

    #[test]
    fn the_slowest_rate_and_the_largest_cost_are_only_late() {
        let rate = Rate::new(f64::MIN_POSITIVE, 2);
        let bucket = Bucket::default();
        assert_eq!(bucket.take(&rate, u64::MAX, Duration::MAX), Ok(()));
        let rate = Rate::new(1e-6, 2);
        let bucket = Bucket::default();
        assert_eq!(bucket.take(&rate, 1, ms(0)), Ok(()));
        assert_eq!(bucket.take(&rate, 1, ms(0)), Ok(()));
        assert!(bucket.take(&rate, 1, ms(60_000)).is_err());
    }

    #[test]
    fn a_flow_names_what_was_too_much() {
        let rates = Rates {
            messages: Rate::new(1.0, 2),
            bytes: Rate::new(1000.0, 10),
            refusals: Rate::new(1.0, 1),
        };
        let flow = Flow::default();
        assert_eq!(flow.take(&rates, 10, ms(0)), Ok(()));
        let limited = flow.take(&rates, 5, ms(0)).unwrap_err();
        assert_eq!((limited.rate, limited.retry_after), ("rates.bytes", ms(5)));
        let limited = flow.take(&rates, 5, ms(0)).unwrap_err();
        assert_eq!(
            (limited.rate, limited.retry_after),
            ("rates.messages", ms(1000))
        );
        assert!(flow.bears_refusal(&rates, ms(0)));
        assert!(!flow.bears_refusal(&rates, ms(0)));
        assert!(flow.bears_refusal(&rates, ms(1000)));
    }
}
