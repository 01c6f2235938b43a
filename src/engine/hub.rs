//! All connections and rooms: the one home of what connections share.
//!
//! Locks, in the order in which they may be taken: a spark's list of rooms, the directory of rooms, a room, an
//! outbox. None is held over an `.await`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::RwLock;

use super::room::{Room, Shared};
use super::spark::is_reserved;
use super::{ConnectionId, Member, Message, RoomError, Spark, Stamp, Turn, WriteError};

/// Connections by id, and rooms by name.
#[derive(Debug, Default)]
pub struct Hub {
    sparks: RwLock<HashMap<ConnectionId, Spark>>,
    /// Those for which an id was chosen.
    names: RwLock<HashMap<String, ConnectionId>>,
    rooms: RwLock<HashMap<Arc<str>, Shared>>,
}

impl Hub {
    /// False if another connection has the id that was chosen for this one.
    pub(super) fn add(&self, spark: &Spark) -> bool {
        if let Cow::Borrowed(name) = spark.public_id() {
            match self.names.write().entry(name.to_owned()) {
                Entry::Occupied(_) => return false,
                Entry::Vacant(place) => place.insert(spark.id()),
            };
        }
        self.sparks.write().insert(spark.id(), spark.clone());
        true
    }

    pub(super) fn remove(&self, spark: &Spark) {
        self.sparks.write().remove(&spark.id());
        if let Cow::Borrowed(name) = spark.public_id() {
            let mut names = self.names.write();
            // By whose it is: one that was not added for its id does not free it.
            if names.get(name) == Some(&spark.id()) {
                names.remove(name);
            }
        }
        // It is still in its rooms, but joins none any more.
        spark.joined().lock().is_over = true;
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.sparks.read().len()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connection with this id.
    pub fn spark(&self, id: ConnectionId) -> Option<Spark> {
        self.sparks.read().get(&id).cloned()
    }

    /// The connection that is [known](Spark::public_id) by this id.
    pub fn spark_by_public_id(&self, public_id: &str) -> Option<Spark> {
        let chosen = self.names.read().get(public_id).copied();
        self.spark(chosen.or_else(|| ConnectionId::parse(public_id))?)
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.read().contains_key(name)
    }

    /// All connections that are open now, in no order.
    pub fn sparks(&self) -> Vec<Spark> {
        self.sparks.read().values().cloned().collect()
    }

    /// Sends one message to every connection, encoded once per dialect.
    ///
    /// # Errors
    ///
    /// When the text is reserved for the protocol.
    pub fn broadcast(&self, message: &Message) -> Result<(), WriteError> {
        if is_reserved(message) {
            return Err(WriteError::Reserved);
        }
        let _turn = Turn::begin();
        let mut broadcast = super::Broadcast::new(message);
        for spark in self.sparks() {
            let _closed = broadcast.send_to(spark.connection());
        }
        Ok(())
    }

    /// Creates a room. False if it exists.
    pub fn create(&self, room: &str) -> bool {
        let mut rooms = self.rooms.write();
        if rooms.contains_key(room) {
            return false;
        }
        rooms.insert(room.into(), Arc::new(Room::new()));
        true
    }

    /// Removes a room and its members from it, and returns them; `None` if there is no such room.
    pub fn destroy(&self, room: &str) -> Option<Vec<Member>> {
        let (name, room) = self.rooms.write().remove_entry(room)?;
        let members = room.destroy();
        for member in &members {
            let mut joined = member.spark.joined().lock();
            // By identity: a room that was created anew under this name is another one.
            joined.names.retain(|joined| !Arc::ptr_eq(joined, &name));
        }
        Some(members)
    }

    /// Whether a room exists.
    pub fn exists(&self, room: &str) -> bool {
        self.rooms.read().contains_key(room)
    }

    /// The names of all rooms, sorted.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.rooms.read().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Adds a connection to a room.
    ///
    /// # Errors
    ///
    /// In this order: it is in it already, there is no such room, the connection is over.
    pub fn join(&self, spark: &Spark, room: &str) -> Result<(), RoomError> {
        let mut joined = spark.joined().lock();
        if joined.names.iter().any(|name| &**name == room) {
            return Err(RoomError::AlreadyIn);
        }
        let (name, room) = self.find(room).ok_or(RoomError::Missing)?;
        if joined.is_over {
            return Err(RoomError::Closed);
        }
        room.insert(spark)?;
        joined.names.push(name);
        Ok(())
    }

    /// Removes a connection from a room.
    ///
    /// # Errors
    ///
    /// When it is not in it.
    pub fn leave(&self, spark: &Spark, room: &str) -> Result<(), RoomError> {
        let mut joined = spark.joined().lock();
        let position = joined.names.iter().position(|name| &**name == room);
        joined.names.remove(position.ok_or(RoomError::NotIn)?);
        if let Some((_, room)) = self.find(room) {
            room.remove(spark.id());
        }
        Ok(())
    }

    /// Removes a connection from all rooms, and keeps it from joining any again.
    pub(super) fn leave_all(&self, spark: &Spark) {
        let mut joined = spark.joined().lock();
        joined.is_over = true;
        for name in std::mem::take(&mut joined.names) {
            if let Some((_, room)) = self.find(&name) {
                room.remove(spark.id());
            }
        }
    }

    /// The members of a room, in no order; `None` if there is no such room.
    pub fn members(&self, room: &str) -> Option<Vec<Member>> {
        self.find(room).map(|(_, room)| room.members())
    }

    /// How many members a room has; `None` if there is no such room.
    pub fn members_count(&self, room: &str) -> Option<usize> {
        self.find(room).map(|(_, room)| room.len())
    }

    /// Sends a message to every member of a room: numbered, encoded once per dialect, and in the same order for
    /// all. `message` makes it when its number is known; it runs under the room's lock, so it must not use the hub. It is
    /// asked again for a member from whom the messages before were withheld.
    ///
    /// # Errors
    ///
    /// When there is no such room, or the text is reserved for the protocol.
    pub fn publish(
        &self,
        room: &str,
        message: impl FnMut(Stamp<'_>) -> Message,
    ) -> Result<(), RoomError> {
        let (_, room) = self.find(room).ok_or(RoomError::Missing)?;
        let _turn = Turn::begin();
        room.publish(message)
    }

    /// As [`publish`](Self::publish), but `message` decides for each member what it gets, if anything. It too runs
    /// under the room's lock. A message that nobody gets takes no number, and whoever gets none of it is told so by the
    /// [next one's stamp](Stamp::prev).
    ///
    /// # Errors
    ///
    /// When there is no such room, or the text is reserved for the protocol.
    pub fn publish_each(
        &self,
        room: &str,
        message: impl FnMut(Stamp<'_>, &Spark) -> Option<Message>,
    ) -> Result<(), RoomError> {
        let (_, room) = self.find(room).ok_or(RoomError::Missing)?;
        let _turn = Turn::begin();
        room.publish_each(message)
    }

    fn find(&self, room: &str) -> Option<(Arc<str>, Shared)> {
        let rooms = self.rooms.read();
        let (name, room) = rooms.get_key_value(room)?;
        Some((Arc::clone(name), Arc::clone(room)))
    }
}

#[cfg(test)]
mod tests;
