//! What one receiver got of a numbered series: exactly once and in order, or not.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;

/// Deviations from exactly once, in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
}

impl Faults {
    pub(crate) fn any(self) -> bool {
        self != Self::default()
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.lost, self.doubled, self.reordered)
    }
}

/// Whether a number was seen for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    Again,
}

/// The numbers that one receiver saw, from 0 on.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next: u64,
    /// Numbers below `next` that have not come: empty unless a server errs.
    missing: BTreeSet<u64>,
    doubled: u64,
    reordered: u64,
}

impl Ledger {
    pub(crate) fn enter(&mut self, number: u64) -> Seen {
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
            Seen::First
        } else if self.missing.remove(&number) {
            self.reordered += 1;
            Seen::First
        } else {
            self.doubled += 1;
            Seen::Again
        }
    }

    /// The faults so far, given that `sent` numbers were sent.
    pub(crate) fn faults(&self, sent: u64) -> Faults {
        let missing = u64::try_from(self.missing.len()).unwrap_or(u64::MAX);
        Faults {
            lost: missing + sent.saturating_sub(self.next),
            doubled: self.doubled,
            reordered: self.reordered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[u64], sent: u64) -> Faults {
        let mut ledger = Ledger::default();
        for number in numbers {
            ledger.enter(*number);
        }
        ledger.faults(sent)
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        assert!(!after(&[0, 1, 2], 3).any());
        assert_eq!(after(&[0, 2], 3).to_string(), "1/0/0");
        assert_eq!(after(&[0, 1], 3).to_string(), "1/0/0");
        assert_eq!(after(&[0, 1, 1], 2).to_string(), "0/1/0");
        assert_eq!(after(&[0, 2, 1], 3).to_string(), "0/0/1");
        assert_eq!(after(&[0, 2, 1, 1], 3).to_string(), "0/1/1");
    }
}
