//! The requests of one connection that wait for their turn.
//!
//! Requests are started in the order in which they came. A request that waits for a hook or for the disk holds up those
//! behind it. An action does not: once started, it runs beside the lane. The lane is bounded. Over the limit the
//! connection is not read until half of the lane is done.

use std::collections::VecDeque;

use stellar_transports::{AckId, OverBudget, Reservation};

/// Bytes of waiting requests at which reading stops.
const PAUSE_AT: usize = 256 * 1024;

/// What a waiting request costs besides its text.
const REQUEST_COST: usize = 96;

/// The lane of one connection.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    is_busy: bool,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// What was taken from the memory budget for them.
    memory: Option<Box<Reservation>>,
}

/// A request that waits. It was parsed once to be numbered, and is parsed again when its turn comes: keeping the
/// text is cheaper than owning every piece of it, and waiting is the exception.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Its text, or why it is refused when its turn comes.
    pub(crate) said: Result<String, &'static str>,
    pub(crate) ack: Option<AckId>,
    pub(crate) number: u64,
}

impl Waiting {
    fn cost(&self) -> usize {
        self.said.as_ref().map_or(0, String::len) + REQUEST_COST
    }
}

impl Lane {
    pub(crate) const fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Takes the lane for a request that has to wait.
    pub(crate) fn occupy(&mut self) {
        self.is_busy = true;
    }

    /// Appends a request. Returns whether reading should stop.
    pub(crate) fn push(&mut self, waiting: Waiting) -> bool {
        self.bytes += waiting.cost();
        self.waiting.push_back(waiting);
        self.bytes > PAUSE_AT
    }

    /// Takes memory for what waits, with `reserve`, unless it is covered.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn cover(
        &mut self,
        reserve: impl FnOnce(usize) -> Result<Option<Reservation>, OverBudget>,
    ) -> Result<(), OverBudget> {
        match &mut self.memory {
            Some(memory) => memory.cover(self.bytes),
            None => {
                self.memory = reserve(self.bytes)?.map(Box::new);
                Ok(())
            }
        }
    }

    /// The next request, or none, and then the lane is free. Also whether reading may go on.
    pub(crate) fn next(&mut self) -> (Option<Waiting>, bool) {
        let next = self.waiting.pop_front();
        match &next {
            Some(waiting) => self.bytes -= waiting.cost(),
            None => {
                self.is_busy = false;
                self.waiting = VecDeque::new();
                self.memory = None;
            }
        }
        (next, self.bytes <= PAUSE_AT / 2)
    }

    /// Forgets what waits: nobody is there any more to be answered.
    pub(crate) fn clear(&mut self) {
        self.waiting = VecDeque::new();
        self.bytes = 0;
        self.memory = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(number: u64, len: usize) -> Waiting {
        Waiting {
            said: Ok("x".repeat(len)),
            ack: None,
            number,
        }
    }

    #[test]
    fn keeps_order_and_frees_itself() {
        let mut lane = Lane::default();
        lane.occupy();
        assert!(!lane.push(waiting(1, 10)));
        assert!(!lane.push(waiting(2, 10)));
        assert_eq!(lane.next().0.unwrap().number, 1);
        assert_eq!(lane.next().0.unwrap().number, 2);
        assert!(lane.is_busy());
        assert!(lane.next().0.is_none());
        assert!(!lane.is_busy());
    }

    #[test]
    fn asks_to_stop_reading_past_the_limit_and_to_go_on_at_half_of_it() {
        let mut lane = Lane::default();
        lane.occupy();
        let half = PAUSE_AT / 2 - REQUEST_COST;
        assert!(!lane.push(waiting(1, half)));
        assert!(!lane.push(waiting(2, half)));
        assert!(lane.push(waiting(3, 1)));
        assert!(!lane.next().1);
        assert!(lane.next().1);
    }
}
