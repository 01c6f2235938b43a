//! Groups of connections that messages are written to, as npm's `primus-rooms` has them.
//!
//! ```
//! use stellar::primus::plugins::Rooms;
//! use stellar::primus::{Primus, Spark};
//!
//! let rooms = Rooms::new();
//! let primus = Primus::builder()
//!     .plugin(rooms.clone())
//!     .on_connection({
//!         let rooms = rooms.clone();
//!         move |spark: Spark| {
//!             let rooms = rooms.clone();
//!             async move {
//!                 rooms.join(&spark, "news");
//!                 rooms.room("news").except(&spark).write("somebody has come")
//!             }
//!         }
//!     })
//!     .build()?;
//! rooms.room("news").room("sport").write("to all that are in one of them, or in both")?;
//! # let _ = primus;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Members see ordinary messages; the client has no part in it, and joins by asking the application. A connection that
//! ends leaves all its rooms. A name that has a `*` in it stands for all rooms that fit: who has joined `user:*` gets what
//! is written to `user:1` and to `user:1:mail`.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::emit::{self, Args};
use crate::engine::ConnectionId;
use crate::primus::{CloseReason, Plugin, Spark, Value, WriteError};

type Listener = Arc<dyn Fn(&Spark, &str) + Send + Sync>;

/// The plugin, and the handle on its rooms: cloning shares them. It belongs to one server.
#[derive(Clone, Default)]
pub struct Rooms(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    has_no_patterns: bool,
    on_join: RwLock<Option<Listener>>,
    on_leave: RwLock<Option<Listener>>,
}

#[derive(Default)]
struct State {
    /// Without empty ones.
    rooms: HashMap<Arc<str>, HashMap<ConnectionId, Spark>>,
    memberships: HashMap<ConnectionId, BTreeSet<Arc<str>>>,
    /// Names of rooms that stand for others, too.
    patterns: BTreeSet<Arc<str>>,
}

impl Rooms {
    /// No rooms yet: they begin with their first member and end with their last.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rooms in whose names a `*` is a character like any other.
    pub fn without_patterns() -> Self {
        Self(Arc::new(Inner {
            has_no_patterns: true,
            ..Inner::default()
        }))
    }

    /// Puts a connection into a room. False if it is over, or was there already.
    pub fn join(&self, spark: &Spark, room: impl AsRef<str>) -> bool {
        let room: Arc<str> = room.as_ref().into();
        let id = spark.connection_id();
        {
            let mut state = self.0.state.lock();
            // The end of a connection takes this lock, too: it comes later, or has been.
            if !spark.is_open() {
                return false;
            }
            let members = state.rooms.entry(Arc::clone(&room)).or_default();
            if members.insert(id, spark.clone()).is_some() {
                return false;
            }
            if room.contains('*') && !self.0.has_no_patterns {
                state.patterns.insert(Arc::clone(&room));
            }
            let memberships = state.memberships.entry(id).or_default();
            memberships.insert(Arc::clone(&room));
        }
        tell(&self.0.on_join, spark, &room);
        true
    }

    /// Takes a connection out of a room. False if it was not there.
    pub fn leave(&self, spark: &Spark, room: impl AsRef<str>) -> bool {
        let room = room.as_ref();
        let has_left = self.0.state.lock().remove(spark.connection_id(), room);
        if has_left {
            tell(&self.0.on_leave, spark, room);
        }
        has_left
    }

    /// Takes a connection out of all its rooms. Returns which they were.
    pub fn leave_all(&self, spark: &Spark) -> Vec<String> {
        let rooms = self.rooms(spark);
        rooms
            .into_iter()
            .filter(|room| self.leave(spark, room))
            .collect()
    }

    /// The rooms that a connection is in, sorted.
    pub fn rooms(&self, spark: &Spark) -> Vec<String> {
        let state = self.0.state.lock();
        let rooms = state.memberships.get(&spark.connection_id());
        rooms
            .into_iter()
            .flatten()
            .map(|room| room.to_string())
            .collect()
    }

    /// All rooms, in no order.
    pub fn all(&self) -> Vec<String> {
        let state = self.0.state.lock();
        state.rooms.keys().map(|room| room.to_string()).collect()
    }

    /// Who is in a room, by exactly its name. In no order.
    pub fn clients(&self, room: impl AsRef<str>) -> Vec<Spark> {
        let state = self.0.state.lock();
        let members = state.rooms.get(room.as_ref());
        members
            .into_iter()
            .flat_map(HashMap::values)
            .cloned()
            .collect()
    }

    /// Whether nobody is in a room, by exactly its name.
    pub fn is_empty(&self, room: impl AsRef<str>) -> bool {
        !self.0.state.lock().rooms.contains_key(room.as_ref())
    }

    /// Takes everybody out of a room.
    pub fn empty(&self, room: impl AsRef<str>) {
        let room = room.as_ref();
        for spark in self.clients(room) {
            self.leave(&spark, room);
        }
    }

    /// The members of a room, to write to. Add more with [`Room::room`].
    pub fn room(&self, room: impl Into<String>) -> Room {
        self.any().room(room)
    }

    /// Everybody who is in a room, whichever it is.
    pub fn any(&self) -> Room {
        Room {
            rooms: self.clone(),
            names: Vec::new(),
            except: Vec::new(),
        }
    }

    /// Calls `listener` when a connection has joined a room. It replaces the last one.
    pub fn on_join(&self, listener: impl Fn(&Spark, &str) + Send + Sync + 'static) {
        *self.0.on_join.write() = Some(Arc::new(listener));
    }

    /// Calls `listener` when a connection has left a room, also by its end. It replaces the last one.
    pub fn on_leave(&self, listener: impl Fn(&Spark, &str) + Send + Sync + 'static) {
        *self.0.on_leave.write() = Some(Arc::new(listener));
    }
}

fn tell(listener: &RwLock<Option<Listener>>, spark: &Spark, room: &str) {
    let listener = listener.read().clone();
    if let Some(listener) = listener {
        listener(spark, room);
    }
}

impl State {
    fn remove(&mut self, id: ConnectionId, room: &str) -> bool {
        let Some(members) = self.rooms.get_mut(room) else {
            return false;
        };
        if members.remove(&id).is_none() {
            return false;
        }
        if members.is_empty() {
            self.rooms.remove(room);
            self.patterns.remove(room);
        }
        if let Some(rooms) = self.memberships.get_mut(&id) {
            rooms.remove(room);
            if rooms.is_empty() {
                self.memberships.remove(&id);
            }
        }
        true
    }

    /// The rooms that a message to `room` goes to.
    fn fitting<'a>(
        &'a self,
        room: &'a str,
    ) -> impl Iterator<Item = &'a HashMap<ConnectionId, Spark>> {
        let patterns = self.patterns.iter().map(|pattern| &**pattern);
        let fitting = patterns.filter(move |pattern| *pattern != room && fits(pattern, room));
        std::iter::once(room)
            .chain(fitting)
            .filter_map(|name| self.rooms.get(name))
    }
}

impl Plugin for Rooms {
    fn name(&self) -> &'static str {
        "rooms"
    }

    fn disconnected(&self, spark: &Spark, _: &CloseReason) {
        self.leave_all(spark);
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Rooms")
            .field("rooms", &state.rooms.len())
            .field("patterns", &state.patterns.len())
            .finish_non_exhaustive()
    }
}

/// Members of rooms, to write to.
#[derive(Clone, Debug)]
#[must_use = "nothing is written yet"]
pub struct Room {
    rooms: Rooms,
    names: Vec<String>,
    except: Vec<ConnectionId>,
}

impl Room {
    /// Adds the members of another room. Who is in several gets one copy.
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.names.push(room.into());
        self
    }

    /// Leaves a connection out.
    pub fn except(mut self, spark: &Spark) -> Self {
        self.except.push(spark.connection_id());
        self
    }

    /// Who would get a message now. In no order.
    pub fn sparks(&self) -> Vec<Spark> {
        let state = self.rooms.0.state.lock();
        let mut sparks = HashMap::new();
        if self.names.is_empty() {
            sparks.extend(state.rooms.values().flatten());
        }
        for name in &self.names {
            sparks.extend(state.fitting(name).flatten());
        }
        for id in &self.except {
            sparks.remove(id);
        }
        sparks.into_values().cloned().collect()
    }

    /// Writes a message to all of them, encoded once for all clients of a kind. One that ends meanwhile has nothing to miss.
    ///
    /// # Errors
    ///
    /// As [`Primus::write_to`](crate::primus::Primus::write_to).
    pub fn write(&self, data: impl Into<Value>) -> Result<(), WriteError> {
        let sparks = self.sparks();
        let Some(primus) = sparks.first().map(Spark::primus) else {
            return Ok(());
        };
        primus.write_to(sparks, data)
    }

    /// Writes a message of their own to each, or none.
    ///
    /// ```
    /// # use stellar::primus::{Spark, Value, plugins::Rooms};
    /// # let rooms = Rooms::new();
    /// rooms.room("news").write_each(|spark| {
    ///     let name = spark.query("name")?;
    ///     Some(Value::from(format!("news for {name}")))
    /// })?;
    /// # Ok::<(), stellar::primus::WriteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Spark::write`], but not for connections that have ended. The others have not been sent theirs then.
    pub fn write_each(
        &self,
        mut message: impl FnMut(&Spark) -> Option<Value>,
    ) -> Result<(), WriteError> {
        for spark in self.sparks() {
            let Some(data) = message(&spark) else {
                continue;
            };
            match spark.write(data) {
                Ok(_) | Err(WriteError::Closed | WriteError::SlowConsumer) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends an event of the [emit] plugin to all of them.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn send(&self, event: &str, args: impl Args) -> Result<(), WriteError> {
        self.write(emit::event(event, args))
    }
}

/// Whether a name fits a pattern, in which each `*` stands for any characters, or none. Takes time in proportion to the
/// product of their lengths at the most: names may come from clients.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_say() {
        for (pattern, name) in [
            ("a", "a"),
            ("*", ""),
            ("*", "a:b"),
            ("a*", "a"),
            ("user:*", "user:1:mail"),
            ("*:1", "user:1"),
            ("a*b*c", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("a**b", "ab"),
            ("*a*", "bab"),
            ("é*", "é€"),
            ("a*a", "aa"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a", "b"),
            ("a*", "ba"),
            ("user:*", "user"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
            ("*a*", "bb"),
            ("a.*", "abc"),
            ("a*bc", "ab"),
            ("a*b*b", "ab"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
