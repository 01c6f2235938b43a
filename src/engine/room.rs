//! One room: its members in a dense list, and the numbering of what is said in it.

use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::floor::Patience;
use super::spark::is_reserved;
use super::{Broadcast, ConnectionId, Publication, Share, Spark, Voice};

/// Why a room operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// No room has this name.
    #[error("the room does not exist")]
    Missing,
    /// The connection is in the room already.
    #[error("already in the room")]
    AlreadyIn,
    /// The connection is not in the room.
    #[error("not in the room")]
    NotIn,
    /// The connection is over.
    #[error("the connection is closed")]
    Closed,
    /// The connection is in as many rooms as it may be.
    #[error("in as many rooms as a connection may be")]
    TooMany,
    /// A text that clients would take for one of the protocol's own control strings. Nobody was sent it.
    #[error("strings that begin with \"primus::\" belong to the protocol")]
    Reserved,
}

/// A message's place in the history of its room. Within an epoch the room's numbers have no gaps; a room that was created
/// anew (also by a restart) has a new epoch.
///
/// A member from whom something was withheld sees a gap all the same. It can tell that from a loss: the next message that
/// it gets says what comes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Starts at 1.
    pub seq: u64,
    /// Opaque text.
    pub epoch: &'a str,
    /// The number of the message before this one, as its receiver counts, where that is not `seq - 1`: what is between
    /// them was withheld from it ([`Hub::publish_each`](super::Hub::publish_each)).
    pub prev: Option<u64>,
}

/// A member, as [`Hub::members`](super::Hub::members) lists it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub spark: Spark,
    /// Since when, in ms since the Unix epoch.
    pub joined_at: u64,
}

/// A room.
#[derive(Debug)]
pub(super) struct Room {
    name: Arc<str>,
    epoch: String,
    state: Mutex<State>,
    /// Whose turn it is while somebody lags.
    floor: OnceLock<Arc<tokio::sync::Mutex<Patience>>>,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    /// Where each member is in the list, so that leaving does not search.
    positions: HashMap<ConnectionId, usize>,
    seq: u64,
    /// Bytes of what has been said.
    said: u64,
    /// The members from whom everything since this number was withheld.
    behind: HashMap<ConnectionId, u64>,
    is_destroyed: bool,
}

impl Room {
    pub(super) fn new(name: Arc<str>) -> Self {
        let epoch = ConnectionId::random().to_string();
        Self {
            name,
            epoch: epoch[..8].to_owned(),
            state: Mutex::default(),
            floor: OnceLock::new(),
        }
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Adds a member. The caller holds the lock on the spark's own list, which comes first in the lock order.
    pub(super) fn insert(&self, spark: &Spark) -> Result<(), RoomError> {
        let mut state = self.state.lock();
        if state.is_destroyed {
            return Err(RoomError::Missing);
        }
        let position = state.members.len();
        state.positions.insert(spark.id(), position);
        state.members.push(Member {
            spark: spark.clone(),
            joined_at: now(),
        });
        Ok(())
    }

    pub(super) fn remove(&self, id: ConnectionId) {
        let mut state = self.state.lock();
        state.behind.remove(&id);
        if let Some(position) = state.positions.remove(&id) {
            state.members.swap_remove(position);
            if let Some(moved) = state.members.get(position) {
                let moved = moved.spark.id();
                state.positions.insert(moved, position);
            }
            state.give_back();
        }
    }

    /// Refuses new members from now on and returns those that it had.
    pub(super) fn destroy(&self) -> Vec<Member> {
        let mut state = self.state.lock();
        state.is_destroyed = true;
        state.positions = HashMap::new();
        state.behind = HashMap::new();
        std::mem::take(&mut state.members)
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.state.lock().members.clone()
    }

    /// A page of the members, how many there are, and whether more are behind it. No more is copied than is shown.
    pub(super) fn members_after(
        &self,
        after: Option<ConnectionId>,
        max: usize,
    ) -> (Vec<Member>, usize, bool) {
        let state = self.state.lock();
        let count = state.members.len();
        let ids = state.members.iter().map(|member| member.spark.id());
        let ids = ids.filter(|id| after.is_none_or(|after| *id > after));
        // The smallest of them, and one more, which is not shown. The largest is at hand, to make place for a smaller one.
        let mut page = BinaryHeap::with_capacity(max.min(count).saturating_add(2));
        for id in ids {
            if page.len() <= max {
                page.push(id);
            } else if page.peek().is_some_and(|largest| id < *largest) {
                page.pop();
                page.push(id);
            }
        }
        let has_more = page.len() > max;
        if has_more {
            page.pop();
        }
        let members = page.into_sorted_vec().into_iter().filter_map(|id| {
            let position = state.positions.get(&id)?;
            state.members.get(*position).cloned()
        });
        (members.collect(), count, has_more)
    }

    /// The first member of which `look` finds something, and what.
    pub(super) fn find_member<T>(&self, look: impl Fn(&Spark) -> Option<T>) -> Option<(Spark, T)> {
        let state = self.state.lock();
        let mut members = state.members.iter().map(|member| &member.spark);
        members.find_map(|spark| {
            let found = look(spark)?;
            Some((spark.clone(), found))
        })
    }

    /// How much has been said, in bytes.
    pub(super) fn said(&self) -> u64 {
        self.state.lock().said
    }

    pub(super) fn floor(&self) -> &Arc<tokio::sync::Mutex<Patience>> {
        self.floor.get_or_init(Arc::default)
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().members.len()
    }

    /// For how many members it holds memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let state = self.state.lock();
        state.members.capacity().max(state.positions.capacity())
    }

    /// Numbers what is said and puts it into every member's outbox. All of this under the room's lock, so every member
    /// sees the room's messages in the order of their numbers.
    pub(super) fn deliver(
        &self,
        voice: &dyn Voice,
        publication: &Publication,
    ) -> Result<(), RoomError> {
        let mut state = self.state.lock();
        let message = |prev| voice.message(publication, state.stamp(&self.epoch, prev));
        let shared = message(None);
        if is_reserved(&shared) {
            return Err(RoomError::Reserved);
        }
        let mut broadcast = Broadcast::new(&shared);
        // A member whose connection is over is about to leave.
        if state.behind.is_empty() {
            for member in &state.members {
                let _closed = broadcast.send_to(member.spark.connection());
            }
        } else {
            for member in &state.members {
                let connection = member.spark.connection();
                let _closed = match state.prev_of(member) {
                    None => broadcast.send_to(connection),
                    prev => connection.send(&message(prev)),
                };
            }
            state.behind = HashMap::new();
        }
        state.seq += 1;
        state.said += shared.payload().len() as u64;
        Ok(())
    }

    /// As [`deliver`](Self::deliver), but each member gets its share. What nobody gets has no number.
    pub(super) fn deliver_shares(
        &self,
        voice: &dyn Voice,
        publication: &Publication,
        share: &dyn Fn(&Spark) -> Share,
    ) -> Result<(), RoomError> {
        let mut state = self.state.lock();
        let message = |said: &_, prev| voice.message(said, state.stamp(&self.epoch, prev));
        let shared = message(publication, None);
        let is_reserved_for_all = is_reserved(&shared);
        let mut broadcast = Broadcast::new(&shared);
        let mut result = Ok(());
        let mut is_said = false;
        let mut longest = 0;
        let mut behind = HashMap::new();
        for member in &state.members {
            let connection = member.spark.connection();
            let prev = state.prev_of(member);
            let share = share(&member.spark);
            let own = match &share {
                Share::Whole if prev.is_none() && !is_reserved_for_all => {
                    let _closed = broadcast.send_to(connection);
                    is_said = true;
                    longest = longest.max(shared.payload().len() as u64);
                    continue;
                }
                Share::Whole => Some(message(publication, prev)),
                Share::Instead(own) => Some(message(own, prev)),
                Share::Nothing => None,
            };
            match own {
                Some(own) if !is_reserved(&own) => {
                    let _closed = connection.send(&own);
                    is_said = true;
                    longest = longest.max(own.payload().len() as u64);
                }
                withheld => {
                    if withheld.is_some() {
                        result = Err(RoomError::Reserved);
                    }
                    behind.insert(member.spark.id(), prev.unwrap_or(state.seq));
                }
            }
        }
        if is_said {
            state.seq += 1;
            state.said += longest;
            state.behind = behind;
        }
        result
    }
}

/// A list that has room for more than so many times what is in it is made smaller, to half of that: what went with the
/// fullest hour is given back, and whoever comes and goes does not move the others each time.
const SPARE: usize = 4;

/// A list of so few is as small as it gets.
const SMALL: usize = 16;

impl State {
    /// Gives back the memory of members that have left.
    fn give_back(&mut self) {
        let len = self.members.len();
        if is_spacious(len, self.members.capacity()) {
            self.members.shrink_to(len * SPARE / 2);
        }
        if is_spacious(len, self.positions.capacity()) {
            self.positions.shrink_to(len * SPARE / 2);
        }
    }

    /// The place of the next message, for a member that is so far behind.
    const fn stamp<'a>(&self, epoch: &'a str, prev: Option<u64>) -> Stamp<'a> {
        Stamp {
            seq: self.seq + 1,
            epoch,
            prev,
        }
    }

    /// The number of the last message before the withheld ones, if there are any.
    fn prev_of(&self, member: &Member) -> Option<u64> {
        self.behind.get(&member.spark.id()).copied()
    }
}

/// Whether a list of so many has much more room than it needs.
pub(super) const fn is_spacious(len: usize, capacity: usize) -> bool {
    capacity > SMALL && capacity / SPARE > len
}

/// Ms since the Unix epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// A room by name, shared so that work on it does not hold the directory.
pub(super) type Shared = Arc<Room>;
