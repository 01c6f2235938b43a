//! The rooms of one connection.

use std::collections::HashMap;
use std::sync::Arc;

use super::room::Shared;

/// Up to so many rooms are a list, which costs the least and is searched as fast as anything.
const FEW: usize = 16;

/// The rooms of one connection. Whether it is in one, and to join or leave one, takes the same time in however many it is.
#[derive(Debug, Default)]
pub(super) struct Joined {
    rooms: Rooms,
    /// Set once the connection has left for good: a join that was under way then must not succeed.
    pub(super) is_over: bool,
}

#[derive(Debug)]
enum Rooms {
    /// In the order of joining.
    Few(Vec<Shared>),
    Many(Box<Many>),
}

impl Default for Rooms {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

#[derive(Debug, Default)]
struct Many {
    /// By name, with its place in the order of joining.
    rooms: HashMap<Arc<str>, (u64, Shared)>,
    next: u64,
}

impl Joined {
    pub(super) fn len(&self) -> usize {
        match &self.rooms {
            Rooms::Few(rooms) => rooms.len(),
            Rooms::Many(many) => many.rooms.len(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Shared> {
        match &self.rooms {
            Rooms::Few(rooms) => rooms.iter().find(|room| **room.name() == *name),
            Rooms::Many(many) => many.rooms.get(name).map(|(_, room)| room),
        }
    }

    /// Adds a room that is not there yet.
    pub(super) fn insert(&mut self, room: Shared) {
        match &mut self.rooms {
            Rooms::Few(rooms) if rooms.len() < FEW => rooms.push(room),
            Rooms::Few(rooms) => {
                let mut many = Many::default();
                std::mem::take(rooms)
                    .into_iter()
                    .chain([room])
                    .for_each(|room| many.insert(room));
                self.rooms = Rooms::Many(Box::new(many));
            }
            Rooms::Many(many) => many.insert(room),
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Shared> {
        match &mut self.rooms {
            Rooms::Few(rooms) => {
                let position = rooms.iter().position(|room| **room.name() == *name)?;
                Some(rooms.remove(position))
            }
            Rooms::Many(many) => {
                let (_, room) = many.rooms.remove(name)?;
                // Not at the same number: whoever goes in and out of one room would move all of them each time.
                if many.rooms.len() <= FEW / 2 {
                    self.rooms = Rooms::Few(std::mem::take(&mut **many).in_order());
                }
                Some(room)
            }
        }
    }

    /// Removes a room, but not another one that was created under its name since.
    pub(super) fn remove_this(&mut self, room: &Shared) {
        if self
            .get(room.name())
            .is_some_and(|joined| Arc::ptr_eq(joined, room))
        {
            self.remove(room.name());
        }
    }

    /// Takes up to `count` rooms out, in no order.
    pub(super) fn take(&mut self, count: usize) -> Vec<Shared> {
        match &mut self.rooms {
            Rooms::Few(rooms) => {
                let kept = rooms.len().saturating_sub(count);
                rooms.split_off(kept)
            }
            Rooms::Many(many) if many.rooms.len() <= count => {
                let rooms = std::mem::take(&mut **many).in_order();
                self.rooms = Rooms::default();
                rooms
            }
            Rooms::Many(many) => {
                let names: Vec<_> = many.rooms.keys().take(count).cloned().collect();
                let taken = names.iter().filter_map(|name| many.rooms.remove(name));
                taken.map(|(_, room)| room).collect()
            }
        }
    }

    /// The names in the order of joining.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        match &self.rooms {
            Rooms::Few(rooms) => rooms.iter().map(|room| Arc::clone(room.name())).collect(),
            Rooms::Many(many) => {
                let mut rooms: Vec<_> = many.rooms.iter().collect();
                rooms.sort_unstable_by_key(|(_, (place, _))| *place);
                rooms
                    .into_iter()
                    .map(|(name, _)| Arc::clone(name))
                    .collect()
            }
        }
    }
}

impl Many {
    fn insert(&mut self, room: Shared) {
        let place = self.next;
        self.next += 1;
        self.rooms.insert(Arc::clone(room.name()), (place, room));
    }

    fn in_order(self) -> Vec<Shared> {
        let mut rooms: Vec<_> = self.rooms.into_values().collect();
        rooms.sort_unstable_by_key(|(place, _)| *place);
        rooms.into_iter().map(|(_, room)| room).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::room::Room;

    fn room(number: usize) -> Shared {
        Arc::new(Room::new(number.to_string().as_str().into()))
    }

    fn with(count: usize) -> Joined {
        let mut joined = Joined::default();
        (0..count).for_each(|number| joined.insert(room(number)));
        joined
    }

    fn names(joined: &Joined) -> Vec<usize> {
        let names = joined.names();
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_connection_in_few_rooms_pays_for_no_more() {
        assert!(size_of::<Joined>() <= 32, "{}", size_of::<Joined>());
        assert!(matches!(with(FEW).rooms, Rooms::Few(_)));
        assert!(matches!(with(FEW + 1).rooms, Rooms::Many(_)));
    }

    #[test]
    fn they_keep_the_order_of_joining_however_many_they_are() {
        for count in [0, 1, FEW, FEW + 1, 200] {
            let mut joined = with(count);
            let mut expected: Vec<_> = (0..count).collect();
            assert_eq!(names(&joined), expected);
            // From the middle, and back to the end.
            while expected.len() > 3 {
                let number = expected.remove(expected.len() / 2);
                let name = number.to_string();
                assert_eq!(&**joined.remove(&name).unwrap().name(), name);
                assert!(joined.get(&name).is_none() && joined.remove(&name).is_none());
                assert_eq!(names(&joined), expected);
                assert_eq!(joined.len(), expected.len());
            }
            assert!(matches!(joined.rooms, Rooms::Few(_)));
            joined.insert(room(1000));
            assert_eq!(names(&joined).last(), Some(&1000));
        }
    }

    #[test]
    fn they_are_taken_out_piece_by_piece() {
        for count in [0, 5, FEW, 100] {
            let mut joined = with(count);
            let mut left = count;
            while left > 0 {
                let taken = joined.take(7);
                assert_eq!(taken.len(), left.min(7));
                left -= taken.len();
                assert_eq!(joined.len(), left);
                assert!(taken.iter().all(|room| joined.get(room.name()).is_none()));
            }
            assert!(joined.take(7).is_empty());
        }
    }

    #[test]
    fn a_room_of_the_same_name_is_another_one() {
        let mut joined = with(3);
        joined.remove_this(&room(1));
        assert_eq!(joined.len(), 3);
        let first = Arc::clone(joined.get("1").unwrap());
        joined.remove_this(&first);
        assert_eq!(names(&joined), [0, 2]);
    }
}
