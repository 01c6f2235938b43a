//! All connections and rooms: the one home of what connections share.
//!
//! Locks, in the order in which they may be taken: a spark's list of rooms, the directory of rooms, a room, an
//! outbox. None is held over an `.await`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::RwLock;

use super::publication::Bare;
use super::room::{Room, Shared, is_spacious};
use super::spark::is_reserved;
use super::{
    ConnectionId, Member, Message, Publication, RoomError, Share, Spark, Turn, Voice, WriteError,
};

/// Rooms that a connection may be in, unless another number is chosen.
const MAX_ROOMS: usize = 1000;

/// Connections by id, and rooms by name.
#[derive(Debug)]
pub struct Hub {
    max_rooms: usize,
    voice: Arc<dyn Voice>,
    sparks: RwLock<HashMap<ConnectionId, Spark>>,
    /// Those for which an id was chosen.
    names: RwLock<HashMap<String, ConnectionId>>,
    rooms: RwLock<HashMap<Arc<str>, Shared>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(MAX_ROOMS, Arc::new(Bare))
    }
}

impl Hub {
    /// A hub in which a connection can be in so many rooms (1,000 by default), and whose members hear what is said as
    /// `voice` writes it (the bare body by default).
    pub fn new(max_rooms: usize, voice: Arc<dyn Voice>) -> Self {
        Self {
            max_rooms,
            voice,
            sparks: RwLock::default(),
            names: RwLock::default(),
            rooms: RwLock::default(),
        }
    }

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
        let name: Arc<str> = room.into();
        rooms.insert(Arc::clone(&name), Arc::new(Room::new(name)));
        true
    }

    /// Removes a room and its members from it, and returns them; `None` if there is no such room.
    pub fn destroy(&self, room: &str) -> Option<Vec<Member>> {
        let room = {
            let mut rooms = self.rooms.write();
            let room = rooms.remove(room)?;
            let len = rooms.len();
            if is_spacious(len, rooms.capacity()) {
                rooms.shrink_to(len * 2);
            }
            room
        };
        let members = room.destroy();
        for member in &members {
            member.spark.joined().lock().remove_this(&room);
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
    /// In this order: it is in it already, there is no such room, it is in as many as it may be, the connection is over.
    pub fn join(&self, spark: &Spark, room: &str) -> Result<(), RoomError> {
        let mut joined = spark.joined().lock();
        if joined.get(room).is_some() {
            return Err(RoomError::AlreadyIn);
        }
        let room = self.find(room).ok_or(RoomError::Missing)?;
        if joined.len() >= self.max_rooms {
            return Err(RoomError::TooMany);
        }
        if joined.is_over {
            return Err(RoomError::Closed);
        }
        room.insert(spark)?;
        joined.insert(room);
        Ok(())
    }

    /// Whether a connection is in as many rooms as it may be.
    pub fn has_enough(&self, spark: &Spark) -> bool {
        spark.joined().lock().len() >= self.max_rooms
    }

    /// Removes a connection from a room.
    ///
    /// # Errors
    ///
    /// When it is not in it.
    pub fn leave(&self, spark: &Spark, room: &str) -> Result<(), RoomError> {
        let mut joined = spark.joined().lock();
        let room = joined.remove(room).ok_or(RoomError::NotIn)?;
        room.remove(spark.id());
        Ok(())
    }

    /// Removes a connection from up to `count` of its rooms, and keeps it from joining any again. Returns whether it is in
    /// none any more.
    pub(super) fn leave_some(&self, spark: &Spark, count: usize) -> bool {
        let mut joined = spark.joined().lock();
        joined.is_over = true;
        for room in joined.take(count) {
            room.remove(spark.id());
        }
        joined.len() == 0
    }

    /// The members of a room, in no order; `None` if there is no such room.
    pub fn members(&self, room: &str) -> Option<Vec<Member>> {
        self.find(room).map(|room| room.members())
    }

    /// At most `max` members of a room, in the order of their ids, those behind `after` or the first; how many it has in all;
    /// and whether more are behind these. `None` if there is no such room.
    pub fn members_after(
        &self,
        room: &str,
        after: Option<ConnectionId>,
        max: usize,
    ) -> Option<(Vec<Member>, usize, bool)> {
        let room = self.find(room)?;
        Some(room.members_after(after, max))
    }

    /// How many members a room has; `None` if there is no such room.
    pub fn members_count(&self, room: &str) -> Option<usize> {
        self.find(room).map(|room| room.len())
    }

    /// Numbers what is said in a room, and sends it to every member: encoded once per dialect, and in the same order for
    /// all.
    ///
    /// # Errors
    ///
    /// When there is no such room, or the text is reserved for the protocol.
    pub fn publish(&self, publication: &Publication) -> Result<(), RoomError> {
        self.deliver(publication, None)
    }

    /// As [`publish`](Self::publish), but `share` decides for each member what it gets. It runs under the room's lock, so
    /// it must not use the hub. A message that nobody gets takes no number.
    ///
    /// # Errors
    ///
    /// As `publish`. A member whose own text is reserved gets nothing, and the others theirs.
    pub fn publish_each(
        &self,
        publication: &Publication,
        share: impl Fn(&Spark) -> Share,
    ) -> Result<(), RoomError> {
        self.deliver(publication, Some(&share))
    }

    /// The one way by which what is said reaches members.
    fn deliver(
        &self,
        publication: &Publication,
        share: Option<&dyn Fn(&Spark) -> Share>,
    ) -> Result<(), RoomError> {
        let room = self.find(&publication.room).ok_or(RoomError::Missing)?;
        let _turn = Turn::begin();
        match share {
            None => room.deliver(&*self.voice, publication),
            Some(share) => room.deliver_shares(&*self.voice, publication, share),
        }
    }

    pub(super) fn find(&self, room: &str) -> Option<Shared> {
        self.rooms.read().get(room).cloned()
    }
}

#[cfg(test)]
mod tests;
