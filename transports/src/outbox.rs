//! The bounded queue of one connection.

use std::io::IoSlice;
use std::task::Waker;
use std::time::Instant;

use bytes::{Buf, Bytes};

use crate::CloseReason;
use crate::queue::Queue;

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
    /// Whether the first frame has been written in part; then it must be finished before anything else.
    front_is_partial: bool,
    life: Life,
    /// Since when the socket has taken nothing although something waits.
    pub(crate) stalled_since: Option<Instant>,
    /// Whether the current turn of this thread or another will flush it.
    pub(crate) in_turn: bool,
    /// The connection's own task.
    pub(crate) waker: Option<Waker>,
    /// Those who wait for less to be waiting. In a box, because hardly any connection has one.
    #[allow(clippy::box_collection, reason = "a pointer is a third of a vector")]
    patient: Option<Box<Vec<Waker>>>,
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

    pub(crate) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push(frame);
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
            return write(&[IoSlice::new(only)]);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        for (slot, frame) in slices.iter_mut().zip(self.frames.iter()) {
            *slot = IoSlice::new(frame);
            count += 1;
        }
        write(&slices[..count])
    }

    /// Removes `written` bytes from the front.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.frames.front_mut() {
            if written < front.len() {
                front.advance(written);
                self.front_is_partial |= written > 0;
                break;
            }
            written -= front.len();
            self.front_is_partial = false;
            self.frames.pop();
        }
        self.wake_patient();
    }

    /// Takes the first frame whole.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop()?;
        self.bytes -= frame.len();
        self.wake_patient();
        Some(frame)
    }

    /// Takes frames from the front while they fit into `limit` bytes, each with `overhead` more; at least one.
    pub(crate) fn pop_up_to(&mut self, limit: usize, overhead: usize) -> Vec<Bytes> {
        let mut left = limit;
        let fitting = self.frames.iter().take_while(|frame| {
            let size = frame.len() + overhead;
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        });
        let count = fitting.count().max(1);
        let taken = self.frames.pop_many(count);
        self.bytes -= taken.iter().map(Bytes::len).sum::<usize>();
        self.wake_patient();
        taken
    }

    /// Writes every frame anew.
    pub(crate) fn translate(&mut self, translate: impl Fn(Bytes) -> Bytes) {
        for frame in self.frames.iter_mut() {
            *frame = translate(std::mem::take(frame));
        }
        self.bytes = self.frames.iter().map(Bytes::len).sum();
    }

    /// Forgets all frames but one whose beginning is already on the wire.
    pub(crate) fn discard(&mut self) {
        let keep = usize::from(self.front_is_partial);
        self.frames.truncate(keep);
        self.bytes = self.frames.front().map_or(0, Bytes::len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(outbox: &Outbox) -> Vec<u8> {
        outbox.with_slices(|slices| slices.iter().flat_map(|slice| slice.to_vec()).collect())
    }

    #[test]
    fn keeps_order_over_partial_writes() {
        let mut outbox = Outbox::default();
        for frame in ["abc", "de", "f"] {
            outbox.push(Bytes::from_static(frame.as_bytes()));
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
        outbox.push(Bytes::from_static(b"0123456789"));
        assert!(!outbox.has_room(1, 4));
        outbox.advance(10);
        outbox.push(Bytes::from_static(b"x"));
        let limit = 4 + 2 * FRAME_COST;
        assert!(outbox.has_room(3, limit));
        assert!(!outbox.has_room(4, limit));
    }

    #[test]
    fn tiny_frames_count_with_what_they_cost() {
        let mut outbox = Outbox::default();
        let mut taken = 0;
        while outbox.has_room(0, 64 * FRAME_COST) {
            outbox.push(Bytes::new());
            taken += 1;
        }
        assert_eq!(taken, 64);
    }

    #[test]
    fn takes_what_fits_but_at_least_one() {
        let mut outbox = Outbox::default();
        assert!(outbox.pop_up_to(10, 0).is_empty());
        for frame in ["0123456789", "ab", "cd", "ef"] {
            outbox.push(Bytes::from_static(frame.as_bytes()));
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
        outbox.push(Bytes::from_static(b"abc"));
        outbox.push(Bytes::from_static(b"def"));
        outbox.advance(1);
        outbox.discard();
        assert_eq!(written(&outbox), b"bc");
        assert_eq!(outbox.bytes(), 2);
        outbox.advance(2);
        outbox.push(Bytes::from_static(b"ghi"));
        outbox.discard();
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes(), 0);
    }
}
