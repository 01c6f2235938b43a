//! A dense list whose entries know their place in it, so that none is searched.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// No place in the list.
const NOWHERE: u32 = u32::MAX;

/// The place of an entry in one list; written under the lock of that list.
#[derive(Debug)]
pub(super) struct Place(AtomicU32);

impl Default for Place {
    fn default() -> Self {
        Self(AtomicU32::new(NOWHERE))
    }
}

#[derive(Debug)]
pub(super) struct List<T> {
    entries: Mutex<Vec<Arc<T>>>,
    place: fn(&T) -> &Place,
}

impl<T> List<T> {
    /// `place` tells where an entry keeps its place in this list.
    pub(super) fn new(place: fn(&T) -> &Place) -> Self {
        Self {
            entries: Mutex::default(),
            place,
        }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, Vec<Arc<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, entry: Arc<T>) {
        let mut entries = self.entries();
        self.put(&entry, entries.len());
        entries.push(entry);
    }

    /// Does nothing if the entry is not in the list.
    pub(super) fn remove(&self, entry: &T) {
        let mut entries = self.entries();
        let place = &(self.place)(entry).0;
        let index = place.swap(NOWHERE, Ordering::Relaxed);
        if index == NOWHERE {
            return;
        }
        let index = index as usize;
        entries.swap_remove(index);
        if let Some(moved) = entries.get(index) {
            self.put(moved, index);
        }
    }

    fn put(&self, entry: &T, index: usize) {
        let index = u32::try_from(index).expect("there are fewer connections than ports");
        (self.place)(entry).0.store(index, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_fills_a_gap_can_leave_too() {
        let list: List<(u8, Place)> = List::new(|entry| &entry.1);
        let entries = [1, 2, 3, 4].map(|name| Arc::new((name, Place::default())));
        for entry in &entries {
            list.add(Arc::clone(entry));
        }
        for (leaving, left) in [
            (0, vec![4, 2, 3]),
            (3, vec![3, 2]),
            (3, vec![3, 2]),
            (1, vec![3]),
        ] {
            list.remove(&entries[leaving]);
            let names: Vec<u8> = list.entries().iter().map(|entry| entry.0).collect();
            assert_eq!(names, left);
        }
    }
}
