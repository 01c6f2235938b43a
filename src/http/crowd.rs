//! HTTP connections in groups by age. When places run short, the idle ones of the oldest group are closed.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;

/// The groups, oldest first.
#[derive(Debug)]
pub(super) struct Crowd {
    /// How many make a group.
    size: usize,
    stop: CancellationToken,
    newest: Arc<Group>,
    left: usize,
    older: VecDeque<Weak<Group>>,
}

/// Connections that came one after the other.
#[derive(Debug)]
pub(super) struct Group(CancellationToken);

impl Group {
    /// Done when those that are idle are asked to go, or when everybody is.
    pub(super) async fn asked_to_go(&self) {
        self.0.cancelled().await;
    }
}

impl Crowd {
    /// For a server with so many places.
    pub(super) fn new(places: usize, stop: CancellationToken) -> Self {
        let size = (places / 64).clamp(1, 64);
        Self {
            size,
            newest: Arc::new(Group(stop.child_token())),
            left: size,
            older: VecDeque::new(),
            stop,
        }
    }

    /// The group of one who comes now.
    pub(super) fn admit(&mut self) -> Arc<Group> {
        if self.left == 0 {
            self.close_newest();
        }
        self.left -= 1;
        Arc::clone(&self.newest)
    }

    /// Asks the oldest group to make room.
    pub(super) fn make_room(&mut self) {
        if self.older.is_empty() && self.left < self.size {
            self.close_newest();
        }
        let group = loop {
            match self.older.pop_front() {
                Some(group) => {
                    if let Some(group) = group.upgrade() {
                        break group;
                    }
                }
                None => return,
            }
        };
        group.0.cancel();
    }

    fn close_newest(&mut self) {
        self.older.retain(|group| group.strong_count() > 0);
        let next = Arc::new(Group(self.stop.child_token()));
        let full = std::mem::replace(&mut self.newest, next);
        self.older.push_back(Arc::downgrade(&full));
        self.left = self.size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_group_goes_first_and_groups_that_are_gone_are_forgotten() {
        let stop = CancellationToken::new();
        let mut crowd = Crowd::new(128, stop.clone());
        let groups: Vec<_> = (0..6).map(|_| crowd.admit()).collect();
        let asked = |groups: &[Arc<Group>]| -> Vec<bool> {
            groups.iter().map(|group| group.0.is_cancelled()).collect()
        };
        crowd.make_room();
        assert_eq!(asked(&groups), [true, true, false, false, false, false]);
        crowd.make_room();
        assert_eq!(asked(&groups), [true, true, true, true, false, false]);
        // Also those that are not yet as many as make a group.
        crowd.make_room();
        assert_eq!(asked(&groups), [true; 6]);
        crowd.make_room();
        for _ in 0..100 {
            crowd.admit();
        }
        assert!(crowd.older.len() <= 1);
        let last = crowd.admit();
        stop.cancel();
        assert!(last.0.is_cancelled());
    }
}
