//! One room: its members in a dense list, and the numbering of what is said in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::spark::is_reserved;
use super::{Broadcast, ConnectionId, Message, Spark};

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
    /// A text that clients would take for one of the protocol's own control strings. Nobody was sent it.
    #[error("strings that begin with \"primus::\" belong to the protocol")]
    Reserved,
}

/// A message's place in the history of its room. Within an epoch numbers have no gaps; a room that was created anew
/// (also by a restart) has a new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Starts at 1.
    pub seq: u64,
    /// Opaque text.
    pub epoch: &'a str,
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
    epoch: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    /// Where each member is in the list, so that leaving does not search.
    positions: HashMap<ConnectionId, usize>,
    seq: u64,
    is_destroyed: bool,
}

impl Room {
    pub(super) fn new() -> Self {
        let epoch = ConnectionId::random().to_string();
        Self {
            epoch: epoch[..8].to_owned(),
            state: Mutex::default(),
        }
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
        if let Some(position) = state.positions.remove(&id) {
            state.members.swap_remove(position);
            if let Some(moved) = state.members.get(position) {
                let moved = moved.spark.id();
                state.positions.insert(moved, position);
            }
        }
    }

    /// Refuses new members from now on and returns those that it had.
    pub(super) fn destroy(&self) -> Vec<Member> {
        let mut state = self.state.lock();
        state.is_destroyed = true;
        state.positions = HashMap::new();
        std::mem::take(&mut state.members)
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.state.lock().members.clone()
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().members.len()
    }

    /// Numbers a message and puts it into every member's outbox. All of this under the room's lock, so every member
    /// sees the room's messages in the order of their numbers.
    pub(super) fn publish(
        &self,
        message: impl FnOnce(Stamp<'_>) -> Message,
    ) -> Result<(), RoomError> {
        let mut state = self.state.lock();
        let message = message(state.stamp(&self.epoch));
        if is_reserved(&message) {
            return Err(RoomError::Reserved);
        }
        state.seq += 1;
        let mut broadcast = Broadcast::new(&message);
        for member in &state.members {
            // A member whose connection is over is about to leave.
            let _closed = broadcast.send_to(member.spark.connection());
        }
        Ok(())
    }

    /// As [`publish`](Self::publish), but each member gets what `message` says for it; `None` is nothing.
    pub(super) fn publish_each(
        &self,
        mut message: impl FnMut(Stamp<'_>, &Spark) -> Option<Message>,
    ) -> Result<(), RoomError> {
        let mut state = self.state.lock();
        let stamp = state.stamp(&self.epoch);
        let mut result = Ok(());
        for member in &state.members {
            match message(stamp, &member.spark) {
                Some(message) if is_reserved(&message) => result = Err(RoomError::Reserved),
                Some(message) => {
                    let _closed = member.spark.connection().send(&message);
                }
                None => {}
            }
        }
        state.seq += 1;
        result
    }
}

impl State {
    /// The place of the next message.
    const fn stamp<'a>(&self, epoch: &'a str) -> Stamp<'a> {
        Stamp {
            seq: self.seq + 1,
            epoch,
        }
    }
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
