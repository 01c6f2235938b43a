//! A message that has begun and is not complete: its memory, and whether it makes progress.

use std::time::Duration;

use crate::budget::missing;
use crate::{OverBudget, Reservation};

/// Up to here a message may wait for its rest as long as any.
const LARGE: usize = 64 * 1024;

/// How much of what is there has to come in the time of a stall. A client that sends a message of any size evenly, within
/// the deadline for all of it, is faster than this.
const PART: usize = 8;

/// Messages of one connection of which the rest has not come. There is one where more has come than is free.
#[derive(Debug)]
pub(crate) struct Half {
    reservation: Reservation,
    /// Bytes of a message, and those of the attachments before.
    message: usize,
    attachments: usize,
    /// How many bytes there were at a time, in ms.
    mark: (usize, u64),
}

/// Which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A message that is still coming.
    Message,
    /// Whole ones, which wait for others to be of use.
    #[cfg(feature = "socketio")]
    Attachments,
}

impl Half {
    pub(crate) const fn new(nothing: Reservation) -> Self {
        Self {
            reservation: nothing,
            message: 0,
            attachments: 0,
            mark: (0, 0),
        }
    }

    /// How much it is.
    pub(crate) const fn bytes(&self) -> usize {
        self.message + self.attachments
    }

    /// Notes how much of one part is there at `now`.
    ///
    /// # Errors
    ///
    /// When that is more than there is memory for.
    pub(crate) fn set(&mut self, part: Part, bytes: usize, now: u64) -> Result<(), OverBudget> {
        let before = self.bytes();
        match part {
            Part::Message => self.message = bytes,
            #[cfg(feature = "socketio")]
            Part::Attachments => self.attachments = bytes,
        }
        if self.bytes() < before {
            // Another message than the one that was watched.
            self.mark = (self.bytes(), now);
            let needed = missing(self.bytes(), 0);
            self.reservation
                .shrink(self.reservation.bytes().saturating_sub(needed));
        } else if self.mark.1 == 0 {
            self.mark = (self.bytes(), now);
        }
        self.reservation.cover(self.bytes())
    }

    /// Whether too little of it has come for too long.
    pub(crate) fn stalls(&mut self, now: u64, stall: Duration) -> bool {
        let (bytes, since) = self.mark;
        let has_come = self.bytes().saturating_sub(bytes);
        if self.bytes() <= LARGE || has_come >= self.bytes() / PART {
            self.mark = (self.bytes(), now);
            return false;
        }
        u128::from(now.saturating_sub(since)) >= stall.as_millis()
    }

    /// The time in which nothing was read does not count.
    pub(crate) const fn restart(&mut self, now: u64) {
        self.mark = (self.bytes(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Budget, Holding};

    const STALL: Duration = Duration::from_secs(15);

    fn half(budget: &Budget) -> Half {
        Half::new(budget.nothing(Holding::Message, Address::NOBODY))
    }

    #[test]
    fn what_comes_evenly_does_not_stall() {
        let budget = Budget::new(64 * 1024 * 1024, 0);
        for size in [70_000, 1_000_000, 10_485_760] {
            let mut half = half(&budget);
            for second in 1..60 {
                let now = second as u64 * 1000;
                half.set(Part::Message, size / 60 * second, now).unwrap();
                assert!(!half.stalls(now, STALL), "{size} bytes, {second} s");
            }
        }
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn what_is_large_and_stands_still_stalls() {
        let budget = Budget::new(64 * 1024 * 1024, 0);
        let mut small = half(&budget);
        small.set(Part::Message, LARGE, 1).unwrap();
        assert!(!small.stalls(1_000_000, STALL));
        let mut large = half(&budget);
        large.set(Part::Message, 10_000_000, 1).unwrap();
        assert!(!large.stalls(15_000, STALL));
        // A byte now and then is no progress.
        large.set(Part::Message, 10_000_001, 15_000).unwrap();
        assert!(large.stalls(15_001, STALL));
        large.restart(20_000);
        assert!(!large.stalls(34_999, STALL));
        assert!(large.stalls(35_000, STALL));
        // An eighth is.
        large.set(Part::Message, 11_500_000, 35_000).unwrap();
        assert!(!large.stalls(35_000, STALL));
    }

    #[test]
    fn it_takes_what_it_is_from_the_budget() {
        let budget = Budget::new(1024 * 1024, 0);
        let mut half = half(&budget);
        half.set(Part::Message, 500_000, 1).unwrap();
        assert!(budget.held() >= 490_000);
        assert!(half.set(Part::Message, 2_000_000, 1).is_err());
        half.set(Part::Message, 10_000, 1).unwrap();
        assert!(budget.held() < 50_000);
        drop(half);
        assert_eq!(budget.held(), 0);
    }
}
