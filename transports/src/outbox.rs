//! The bounded queue of one connection.

use std::io::IoSlice;
use std::task::Waker;
use std::time::Instant;

use bytes::{Buf, Bytes};
use prometheus_client::metrics::gauge::Gauge;

use crate::budget::{self, FREE};
use crate::queue::{Queue, Waiting};
use crate::{CloseReason, OverBudget, Reservation};

/// How many frames one write gathers. Linux takes up to 1,024 slices; past a few dozen nothing is gained.
const MAX_SLICES: usize = 64;

/// What a waiting frame costs besides its bytes, so that many tiny ones cannot exceed the limit many times over.
const FRAME_COST: usize = 64;

/// Frames that wait for a peer, in order, and how far the connection is in its life.
///
/// It knows no socket: who writes takes [`slices`](Self::with_slices) and reports with [`advance`](Self::advance).
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    frames: Queue,
    bytes: usize,
    /// Those of them that nobody else has.
    own_bytes: usize,
    /// What was taken from the budget for them. In a box, because hardly any connection has something.
    lease: Option<Box<Reservation>>,
    /// Whether the first frame has been written in part; then it must be finished before anything else.
    front_is_partial: bool,
    life: Life,
    /// Since when the socket has taken nothing although something waits, here or in the socket.
    pub(crate) stalled_since: Option<Instant>,
    /// Where the peer fetches what waits: since when it has not, in ms of the sweep's clock plus one. 0 if nobody has
    /// looked since it did.
    pub(crate) unfetched_since: u64,
    /// What the socket had taken when it was last looked at, if it keeps some itself.
    pub(crate) taken: u64,
    /// Whether the current turn of this thread or another will flush it.
    pub(crate) in_turn: bool,
    /// The connection's own task.
    pub(crate) waker: Option<Waker>,
    /// Those who wait for less to be waiting. In a box, because hardly any connection has one.
    #[allow(clippy::box_collection, reason = "a pointer is a third of a vector")]
    patient: Option<Box<Vec<Waker>>>,
    /// While the peer lags. In a box, because hardly any does.
    lag: Option<Box<Lag>>,
}

/// A peer for which too much waits.
#[derive(Debug)]
struct Lag {
    since: Instant,
    /// It is over when so little waits.
    ends_at: usize,
    /// Where those that lag are counted.
    lagging: Gauge,
}

impl Lag {
    fn begin(ends_at: usize, lagging: &Gauge) -> Self {
        lagging.inc();
        Self {
            since: Instant::now(),
            ends_at,
            lagging: lagging.clone(),
        }
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.lagging.dec();
    }
}

/// How far a connection is in its life.
#[derive(Debug, Default)]
pub(crate) enum Life {
    #[default]
    Open,
    /// Somebody asked for its end; its task has not acted yet.
    Closing(CloseReason),
    /// The engine has been told; only farewell frames go out.
    Closed,
}

impl Outbox {
    pub(crate) const fn life(&self) -> &Life {
        &self.life
    }

    /// Goes on in life.
    pub(crate) fn set_life(&mut self, life: Life) {
        self.life = life;
        if !matches!(self.life, Life::Open) {
            self.lag = None;
        }
        self.wake_patient();
    }

    /// Notes that the peer lags, until no more than `ends_at` is [held](Self::held) for it or its life has gone on.
    pub(crate) fn begin_lag(&mut self, ends_at: usize, lagging: &Gauge) {
        let begin = || Box::new(Lag::begin(ends_at, lagging));
        self.lag.get_or_insert_with(begin);
    }

    /// Since when the peer lags, if it does.
    pub(crate) fn lags_since(&self) -> Option<Instant> {
        self.lag.as_ref().map(|lag| lag.since)
    }

    /// Something has left.
    #[inline]
    fn went_on(&mut self) {
        if self.lag.is_some() || self.patient.is_some() {
            self.tell_who_waits();
        }
    }

    #[cold]
    fn tell_who_waits(&mut self) {
        if let Some(lag) = &self.lag
            && self.held() <= lag.ends_at
        {
            self.lag = None;
        }
        self.wake_patient();
    }

    /// Wakes `waker` when something has left, or life has gone on.
    pub(crate) fn wait_for_room(&mut self, waker: &Waker) {
        let patient = self.patient.get_or_insert_default();
        if !patient.iter().any(|known| known.will_wake(waker)) {
            patient.push(waker.clone());
        }
    }

    fn wake_patient(&mut self) {
        if let Some(patient) = self.patient.take() {
            patient.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether a frame of `len` bytes fits under `limit`. An empty outbox takes a frame of any size.
    pub(crate) fn has_room(&self, len: usize, limit: usize) -> bool {
        let frames = self.frames.len() + 1;
        self.frames.is_empty() || self.bytes + len + frames * FRAME_COST <= limit
    }

    /// Appends a frame; others may have the same bytes, which are counted elsewhere then.
    pub(crate) fn push(&mut self, bytes: Bytes, is_shared: bool) {
        self.bytes += bytes.len();
        if !is_shared {
            self.own_bytes += bytes.len();
        }
        self.frames.push(Waiting { bytes, is_shared });
    }

    /// What is held for this connection alone.
    fn cost(&self) -> usize {
        self.own_bytes + self.frames.len() * FRAME_COST
    }

    /// What would be let go with this connection, if it is the last that waits.
    pub(crate) fn held(&self) -> usize {
        self.bytes + self.frames.len() * FRAME_COST
    }

    /// Whether what waits is more than was taken from the budget for it.
    pub(crate) fn lacks_memory(&self) -> bool {
        let cost = self.cost();
        cost > FREE && cost > FREE + self.leased()
    }

    fn leased(&self) -> usize {
        self.lease.as_ref().map_or(0, |lease| lease.bytes())
    }

    /// Takes that from the budget. `nothing` is a reservation of nothing, for the first time.
    pub(crate) fn take_memory(
        &mut self,
        nothing: impl FnOnce() -> Reservation,
    ) -> Result<(), OverBudget> {
        let missing = budget::missing(self.cost(), self.leased());
        let lease = self.lease.get_or_insert_with(|| Box::new(nothing()));
        lease.grow_urgently(missing)
    }

    /// Gives back what is not needed any more. An outbox that is emptied now and then keeps a step of it until it is empty.
    #[inline]
    fn give_memory_back(&mut self) {
        if self.lease.is_some() {
            self.shrink_lease();
        }
    }

    #[cold]
    fn shrink_lease(&mut self) {
        let Some(lease) = &mut self.lease else {
            return;
        };
        if self.frames.is_empty() {
            self.lease = None;
            return;
        }
        let cost = self.own_bytes + self.frames.len() * FRAME_COST;
        let needed = budget::missing(cost, 0) + budget::STEP;
        lease.shrink(lease.bytes().saturating_sub(needed));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives `write` the next frames, as many as one write gathers.
    pub(crate) fn with_slices<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        if let (Some(only), 1) = (self.frames.front(), self.frames.len()) {
            return write(&[IoSlice::new(&only.bytes)]);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        for (slot, frame) in slices.iter_mut().zip(self.frames.iter()) {
            *slot = IoSlice::new(&frame.bytes);
            count += 1;
        }
        write(&slices[..count])
    }

    /// Removes `written` bytes from the front.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.frames.front_mut() {
            let taken = written.min(front.bytes.len());
            if !front.is_shared {
                self.own_bytes -= taken;
            }
            if written < front.bytes.len() {
                front.bytes.advance(written);
                self.front_is_partial |= written > 0;
                break;
            }
            written -= taken;
            self.front_is_partial = false;
            self.frames.pop();
        }
        self.give_memory_back();
        self.went_on();
    }

    /// Takes the first frame whole.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop()?;
        self.forget(std::slice::from_ref(&frame));
        self.went_on();
        Some(frame.bytes)
    }

    /// Takes frames from the front while they fit into `limit` bytes, each with `overhead` more; at least one.
    pub(crate) fn pop_up_to(&mut self, limit: usize, overhead: usize) -> Vec<Bytes> {
        let mut left = limit;
        let fitting = self.frames.iter().take_while(|frame| {
            let size = frame.bytes.len() + overhead;
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        });
        let count = fitting.count().max(1);
        let taken = self.frames.pop_many(count);
        self.forget(&taken);
        self.went_on();
        taken.into_iter().map(|frame| frame.bytes).collect()
    }

    /// Counts frames that were taken out whole.
    fn forget(&mut self, taken: &[Waiting]) {
        for frame in taken {
            self.bytes -= frame.bytes.len();
            if !frame.is_shared {
                self.own_bytes -= frame.bytes.len();
            }
        }
        if !taken.is_empty() {
            self.unfetched_since = 0;
        }
        self.give_memory_back();
    }

    /// Counts anew.
    fn recount(&mut self) {
        let len = |frame: &Waiting| frame.bytes.len();
        self.bytes = self.frames.iter().map(len).sum();
        let own = self.frames.iter().filter(|frame| !frame.is_shared);
        self.own_bytes = own.map(len).sum();
    }

    /// Writes every frame anew.
    pub(crate) fn translate(&mut self, translate: impl Fn(Bytes) -> Bytes) {
        for frame in self.frames.iter_mut() {
            frame.bytes = translate(std::mem::take(&mut frame.bytes));
            frame.is_shared = false;
        }
        self.recount();
        self.unfetched_since = 0;
    }

    /// Forgets all frames but one whose beginning is already on the wire.
    pub(crate) fn discard(&mut self) {
        let keep = usize::from(self.front_is_partial);
        self.frames.truncate(keep);
        self.recount();
        self.give_memory_back();
        self.went_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Budget, Holding};

    fn written(outbox: &Outbox) -> Vec<u8> {
        outbox.with_slices(|slices| slices.iter().flat_map(|slice| slice.to_vec()).collect())
    }

    #[test]
    fn keeps_order_over_partial_writes() {
        let mut outbox = Outbox::default();
        for frame in ["abc", "de", "f"] {
            outbox.push(Bytes::from_static(frame.as_bytes()), false);
        }
        outbox.advance(4);
        assert_eq!(written(&outbox), b"ef");
        assert_eq!(outbox.bytes(), 2);
        outbox.advance(2);
        assert!(outbox.is_empty());
    }

    #[test]
    fn has_no_room_over_the_limit_but_takes_one_large_frame_when_empty() {
        let mut outbox = Outbox::default();
        assert!(outbox.has_room(10, 4));
        outbox.push(Bytes::from_static(b"0123456789"), false);
        assert!(!outbox.has_room(1, 4));
        outbox.advance(10);
        outbox.push(Bytes::from_static(b"x"), false);
        let limit = 4 + 2 * FRAME_COST;
        assert!(outbox.has_room(3, limit));
        assert!(!outbox.has_room(4, limit));
    }

    #[test]
    fn tiny_frames_count_with_what_they_cost() {
        let mut outbox = Outbox::default();
        let mut taken = 0;
        while outbox.has_room(0, 64 * FRAME_COST) {
            outbox.push(Bytes::new(), false);
            taken += 1;
        }
        assert_eq!(taken, 64);
    }

    #[test]
    fn takes_what_fits_but_at_least_one() {
        let mut outbox = Outbox::default();
        assert!(outbox.pop_up_to(10, 0).is_empty());
        for frame in ["0123456789", "ab", "cd", "ef"] {
            outbox.push(Bytes::from_static(frame.as_bytes()), false);
        }
        assert_eq!(outbox.pop_up_to(5, 1), ["0123456789"]);
        assert_eq!(outbox.pop_up_to(6, 1), ["ab", "cd"]);
        assert_eq!(outbox.bytes(), 2);
        assert_eq!(outbox.pop_up_to(6, 1), ["ef"]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn discarding_never_tears_a_frame_that_is_half_written() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abc"), false);
        outbox.push(Bytes::from_static(b"def"), false);
        outbox.advance(1);
        outbox.discard();
        assert_eq!(written(&outbox), b"bc");
        assert_eq!(outbox.bytes(), 2);
        outbox.advance(2);
        outbox.push(Bytes::from_static(b"ghi"), false);
        outbox.discard();
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn a_lag_ends_when_little_is_left_or_life_goes_on() {
        let lagging = Gauge::default();
        let mut outbox = Outbox::default();
        for _ in 0..4 {
            outbox.push(Bytes::from_static(&[0; 1000]), true);
        }
        outbox.begin_lag(2000 + 2 * FRAME_COST, &lagging);
        let since = outbox.lags_since();
        outbox.begin_lag(0, &lagging);
        assert_eq!(outbox.lags_since(), since, "it has begun already");
        outbox.advance(1999);
        assert_eq!((outbox.lags_since(), lagging.get()), (since, 1));
        outbox.advance(1);
        assert_eq!((outbox.lags_since(), lagging.get()), (None, 0));

        outbox.begin_lag(0, &lagging);
        outbox.pop();
        assert_eq!(lagging.get(), 1);
        outbox.pop_up_to(2000, 0);
        assert_eq!(lagging.get(), 0);

        outbox.push(Bytes::from_static(&[0; 1000]), true);
        for life in [Life::Closing(CloseReason::GoingAway), Life::Closed] {
            outbox.life = Life::Open;
            outbox.begin_lag(0, &lagging);
            outbox.set_life(life);
            assert_eq!((outbox.lags_since(), lagging.get()), (None, 0));
        }
        outbox.begin_lag(0, &lagging);
        drop(outbox);
        assert_eq!(lagging.get(), 0);
    }

    #[test]
    fn what_is_taken_from_the_budget_goes_back_with_what_it_was_for() {
        let budget = Budget::new(1024 * 1024, 0);
        let nothing = || budget.nothing(Holding::Outbox, Address::NOBODY);
        let mut outbox = Outbox::default();
        let shared = Bytes::from(vec![0; 100_000]);
        outbox.push(shared.clone(), true);
        assert!(!outbox.lacks_memory(), "these bytes are counted elsewhere");
        assert_eq!(outbox.held(), 100_000 + FRAME_COST);
        outbox.push(Bytes::from(vec![0; 50_000]), false);
        assert!(outbox.lacks_memory());
        outbox.take_memory(nothing).unwrap();
        assert!(!outbox.lacks_memory());
        assert_eq!(budget.held(), 3 * budget::STEP);
        outbox.advance(100_000);
        assert_eq!(budget.held(), 3 * budget::STEP);
        outbox.advance(49_999);
        assert_eq!(budget.held(), budget::STEP);
        outbox.advance(1);
        assert_eq!(budget.held(), 0);

        // Many tiny frames cost more than their bytes.
        (0..1000).for_each(|_| outbox.push(Bytes::new(), true));
        outbox.take_memory(nothing).unwrap();
        assert!(budget.held() >= 1000 * FRAME_COST - FREE);
        outbox.pop_up_to(usize::MAX, 0);
        assert_eq!(budget.held(), 0);

        // What is written anew is one's own from then on.
        outbox.push(shared, true);
        outbox.translate(|frame| frame);
        outbox.take_memory(nothing).unwrap();
        assert!(budget.held() >= 100_000 - FREE);
        outbox.discard();
        assert_eq!(budget.held(), 0);
        outbox.push(Bytes::from(vec![0; 2 * 1024 * 1024]), false);
        assert!(outbox.take_memory(nothing).is_err());
        drop(outbox);
        assert_eq!(budget.held(), 0);
    }
}
