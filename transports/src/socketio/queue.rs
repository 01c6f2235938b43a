//! Messages of a client that wait for somebody.

use std::collections::VecDeque;

use crate::IncomingPayload;

/// Bytes at which no more is taken from the client, and half of which let it go on.
const FULL: usize = 64 * 1024;

/// What a message costs besides its bytes.
const MESSAGE_COST: usize = 64;

/// A message that is kept.
#[derive(Debug)]
pub(super) enum Owned {
    Text(String),
    Binary(Vec<u8>),
}

impl Owned {
    pub(super) fn new(message: IncomingPayload<'_>) -> Self {
        match message {
            IncomingPayload::Text(text) => Self::Text(text.to_owned()),
            IncomingPayload::Binary(bytes) => Self::Binary(bytes.to_owned()),
        }
    }

    pub(super) fn borrow(&self) -> IncomingPayload<'_> {
        match self {
            Self::Text(text) => IncomingPayload::Text(text),
            Self::Binary(bytes) => IncomingPayload::Binary(bytes),
        }
    }

    fn cost(&self) -> usize {
        self.borrow().len() + MESSAGE_COST
    }
}

/// Messages in the order in which they came. Whoever fills it asks first whether it is full.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: VecDeque<Owned>,
    bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, message: Owned) {
        self.bytes += message.cost();
        self.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Owned> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.cost();
        if self.messages.is_empty() {
            // A quiet client keeps nothing.
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether the client is to wait.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes > FULL
    }

    /// Whether a client that waits may go on.
    pub(super) const fn has_room(&self) -> bool {
        self.bytes <= FULL / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_waits_from_the_limit_down_to_half_of_it() {
        let mut queue = Queue::default();
        queue.push(Owned::Binary(vec![0; FULL / 2 - MESSAGE_COST]));
        assert!(queue.has_room() && !queue.is_full());
        queue.push(Owned::Text("x".repeat(FULL / 2)));
        queue.push(Owned::Binary(vec![]));
        assert!(queue.is_full());
        queue.pop();
        assert!(!queue.is_full() && !queue.has_room());
        queue.pop();
        assert!(queue.has_room() && !queue.is_empty());
        queue.clear();
        assert!(queue.is_empty() && queue.bytes == 0 && queue.pop().is_none());
    }
}
