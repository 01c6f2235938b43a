//! Frames in line.

use std::collections::VecDeque;
use std::slice;

use bytes::Bytes;

/// A frame in line.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) bytes: Bytes,
    /// Whether others have the same bytes, which are counted elsewhere then.
    pub(crate) is_shared: bool,
}

/// Frames in order, first in, first out. Most connections never have more than one, which needs no memory of its own;
/// a line that has emptied keeps none.
#[derive(Debug, Default)]
pub(crate) enum Queue {
    #[default]
    Empty,
    One(Waiting),
    Many(VecDeque<Waiting>),
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(frames) => frames.len(),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(crate) fn push(&mut self, frame: Waiting) {
        match self {
            Self::Empty => *self = Self::One(frame),
            Self::One(first) => *self = Self::Many(VecDeque::from([std::mem::take(first), frame])),
            Self::Many(frames) => frames.push_back(frame),
        }
    }

    /// Takes the first frame.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        match self {
            Self::Empty => None,
            Self::One(frame) => {
                let frame = std::mem::take(frame);
                *self = Self::Empty;
                Some(frame)
            }
            Self::Many(frames) => {
                let frame = frames.pop_front();
                if frames.is_empty() {
                    *self = Self::Empty;
                }
                frame
            }
        }
    }

    /// Takes the first `count` frames, or all that there are.
    pub(crate) fn pop_many(&mut self, count: usize) -> Vec<Waiting> {
        let count = count.min(self.len());
        std::iter::from_fn(|| self.pop()).take(count).collect()
    }

    /// Forgets all but the first `count` frames.
    pub(crate) fn truncate(&mut self, count: usize) {
        let kept = self.pop_many(count);
        *self = Self::Empty;
        kept.into_iter().for_each(|frame| self.push(frame));
    }

    pub(crate) fn front(&self) -> Option<&Waiting> {
        self.iter().next()
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut Waiting> {
        self.iter_mut().next()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        let (first, rest) = match self {
            Self::Empty => (&[][..], &[][..]),
            Self::One(frame) => (slice::from_ref(frame), &[][..]),
            Self::Many(frames) => frames.as_slices(),
        };
        first.iter().chain(rest)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        let (first, rest) = match self {
            Self::Empty => (&mut [][..], &mut [][..]),
            Self::One(frame) => (slice::from_mut(frame), &mut [][..]),
            Self::Many(frames) => frames.as_mut_slices(),
        };
        first.iter_mut().chain(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(n: u8) -> Waiting {
        Waiting {
            bytes: Bytes::copy_from_slice(&[n]),
            is_shared: false,
        }
    }

    fn with(count: u8) -> Queue {
        let mut queue = Queue::default();
        (0..count).for_each(|n| queue.push(frame(n)));
        queue
    }

    fn numbers<'a>(frames: impl IntoIterator<Item = &'a Waiting>) -> Vec<u8> {
        frames.into_iter().map(|frame| frame.bytes[0]).collect()
    }

    #[test]
    fn the_first_in_is_the_first_out() {
        for count in 0..5 {
            let mut queue = with(count);
            assert_eq!(queue.len(), usize::from(count));
            assert_eq!(numbers(queue.iter()), (0..count).collect::<Vec<_>>());
            for n in 0..count {
                assert_eq!(queue.front().unwrap().bytes[0], n);
                assert_eq!(queue.front_mut().unwrap().bytes[0], n);
                assert_eq!(queue.pop().unwrap().bytes[0], n);
            }
            assert!(queue.pop().is_none() && queue.is_empty() && queue.front().is_none());
            queue.push(frame(0));
            assert!(matches!(queue, Queue::One(_)), "the memory is gone");
        }
    }

    #[test]
    fn the_first_ones_are_taken_or_kept() {
        for count in 0..5_u8 {
            for taken in 0..7_u8 {
                let mut queue = with(count);
                let most = taken.min(count);
                assert_eq!(
                    numbers(&queue.pop_many(taken.into())),
                    (0..most).collect::<Vec<_>>()
                );
                assert_eq!(numbers(queue.iter()), (most..count).collect::<Vec<_>>());
                let mut queue = with(count);
                queue.truncate(taken.into());
                assert_eq!(numbers(queue.iter()), (0..most).collect::<Vec<_>>());
                assert_eq!(queue.is_empty(), most == 0);
            }
        }
    }

    #[test]
    fn frames_are_written_anew_in_place() {
        for count in 0..4 {
            let mut queue = with(count);
            for waiting in queue.iter_mut() {
                *waiting = frame(waiting.bytes[0] + 10);
            }
            assert_eq!(numbers(queue.iter()), (10..10 + count).collect::<Vec<_>>());
        }
    }
}
