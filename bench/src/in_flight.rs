//! The messages that a sender has under way: a bounded number, each complete
//! when every receiver has it.

use std::time::Instant;

use anyhow::{Result, ensure};

#[derive(Debug)]
pub(crate) struct InFlight {
    /// Message `n` occupies slot `n % slots.len()` until it is complete.
    slots: Vec<Slot>,
    receivers: usize,
    next: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    sent_at: Instant,
    /// Receivers that do not have the message yet.
    waiting: usize,
}

impl InFlight {
    pub(crate) fn new(depth: usize, receivers: usize) -> Self {
        let empty = Slot {
            sent_at: Instant::now(),
            waiting: 0,
        };
        Self {
            slots: vec![empty; depth],
            receivers,
            next: 0,
        }
    }

    /// How many messages were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.next
    }

    /// Takes the next number, unless as many as allowed are under way.
    pub(crate) fn send(&mut self, now: Instant) -> Option<u64> {
        let number = self.next;
        let receivers = self.receivers;
        let slot = self.slot(number);
        if slot.waiting > 0 {
            return None;
        }
        *slot = Slot {
            sent_at: now,
            waiting: receivers,
        };
        self.next += 1;
        Some(number)
    }

    /// Enters that one more receiver has message `number`, for the first time;
    /// returns when it was sent and whether it is complete now.
    pub(crate) fn receive(&mut self, number: u64) -> Result<(Instant, bool)> {
        ensure!(number < self.next, "number {number} came unsent");
        let slot = self.slot(number);
        slot.waiting = slot.waiting.saturating_sub(1);
        Ok((slot.sent_at, slot.waiting == 0))
    }

    fn slot(&mut self, number: u64) -> &mut Slot {
        let depth = self.slots.len() as u64;
        &mut self.slots[(number % depth) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_all_receivers_have_its_message() {
        let now = Instant::now();
        let mut in_flight = InFlight::new(2, 2);
        assert_eq!(in_flight.send(now), Some(0));
        assert_eq!(in_flight.send(now), Some(1));
        assert_eq!(in_flight.send(now), None);
        assert!(!in_flight.receive(0).unwrap().1);
        assert_eq!(in_flight.send(now), None);
        assert!(in_flight.receive(0).unwrap().1);
        assert_eq!(in_flight.send(now), Some(2));
        assert!(in_flight.receive(3).is_err());
    }
}
