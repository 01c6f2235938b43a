//! Channels on one connection, as npm's `primus-multiplex` writes them.
//!
//! ```
//! use stellar::primus::Primus;
//! use stellar::primus::plugins::Multiplex;
//! use stellar::primus::plugins::multiplex::ChannelSpark;
//!
//! let multiplex = Multiplex::new();
//! let primus = Primus::builder().plugin(multiplex.clone()).build()?;
//! // In the page: var news = primus.channel('news'); news.on('data', function (data) { … })
//! let news = multiplex.channel("news");
//! news.on_connection(|spark: &ChannelSpark| {
//!     let _closed_meanwhile = spark.write("hi");
//!     spark.on_data(|spark, data| drop(spark.write(data)));
//! });
//! news.write("to all");
//! # let _ = primus;
//! # Ok::<(), stellar::primus::PrimusError>(())
//! ```
//!
//! A client may be in a channel several times, each with a [`ChannelSpark`] of its own. With the [emit](super::emit) plugin
//! these have events, too. Where a channel does not exist, a client that asks for it is told that it has ended.

mod spark;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::engine::ConnectionId;
use crate::primus::{ClientPart, CloseReason, Packet, Plugin, Spark, Value};

pub use spark::ChannelSpark;

/// Channels that one connection may be in at a time. Further ones end at once.
pub const MAX_CHANNELS: usize = 1000;
/// Bytes of the id that a client may give to its end of a channel. The plugin on npm takes 11.
const MAX_ID: usize = 64;

const MESSAGE: i64 = 0;
const SUBSCRIBE: i64 = 1;
const UNSUBSCRIBE: i64 = 2;

type OnSpark = Arc<dyn Fn(&ChannelSpark) + Send + Sync>;

/// The plugin, and the handle on its channels: cloning shares them. It belongs to one server.
#[derive(Clone, Default)]
pub struct Multiplex(Arc<Mutex<HashMap<Arc<str>, Channel>>>);

/// A channel. Cloning shares it.
#[derive(Clone)]
pub struct Channel(Arc<Shared>);

struct Shared {
    name: Arc<str>,
    members: Mutex<Members>,
    listeners: Mutex<Listeners>,
}

#[derive(Default)]
struct Members {
    /// By whose it is first: a client must not reach what is another's by guessing its id.
    all: HashMap<ConnectionId, HashMap<String, ChannelSpark>>,
    is_destroyed: bool,
}

#[derive(Default)]
struct Listeners {
    connection: Option<OnSpark>,
    disconnection: Option<OnSpark>,
}

/// How many channels a connection is in.
type Count = Arc<Mutex<usize>>;

impl Multiplex {
    /// No channels yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The channel of this name. It is there from the first time that it is asked for, until it is
    /// [destroyed](Channel::destroy).
    pub fn channel(&self, name: impl AsRef<str>) -> Channel {
        let name = name.as_ref();
        let mut channels = self.0.lock();
        if let Some(channel) = channels.get(name)
            && !channel.0.members.lock().is_destroyed
        {
            return channel.clone();
        }
        let channel = Channel(Arc::new(Shared {
            name: name.into(),
            members: Mutex::default(),
            listeners: Mutex::default(),
        }));
        // Those that were destroyed since the last one was made.
        channels.retain(|_, channel| !channel.0.members.lock().is_destroyed);
        channels.insert(name.into(), channel.clone());
        channel
    }

    fn find(&self, name: &str) -> Option<Channel> {
        self.0.lock().get(name).cloned()
    }

    fn subscribe(&self, spark: &Spark, id: &str, name: &str) {
        let member = self.find(name).and_then(|channel| channel.admit(spark, id));
        match member {
            Some(Admission::New(member)) => {
                let listener = member.channel().0.listeners.lock().connection.clone();
                if let Some(listener) = listener {
                    listener(&member);
                }
            }
            Some(Admission::Known) => {}
            None => {
                let _closed_meanwhile = spark.write(packet(UNSUBSCRIBE, id, name));
            }
        }
    }
}

/// What becomes of a subscription that is not refused.
enum Admission {
    New(ChannelSpark),
    Known,
}

impl Channel {
    /// The name that clients know it by.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Calls `listener` with each client that comes into the channel, before anything that it sends there. It replaces
    /// the last one, and is called on the task that reads from the client, so it returns quickly.
    pub fn on_connection(&self, listener: impl Fn(&ChannelSpark) + Send + Sync + 'static) {
        self.0.listeners.lock().connection = Some(Arc::new(listener));
    }

    /// Calls `listener` with each client that has left. It replaces the last one.
    pub fn on_disconnection(&self, listener: impl Fn(&ChannelSpark) + Send + Sync + 'static) {
        self.0.listeners.lock().disconnection = Some(Arc::new(listener));
    }

    /// Who is in the channel, in no order.
    pub fn sparks(&self) -> Vec<ChannelSpark> {
        let members = self.0.members.lock();
        members
            .all
            .values()
            .flat_map(HashMap::values)
            .cloned()
            .collect()
    }

    /// How many are in the channel.
    pub fn connected(&self) -> usize {
        self.0.members.lock().all.values().map(HashMap::len).sum()
    }

    /// Writes a message to all in the channel. A client that leaves meanwhile gets nothing. A connection that refuses
    /// the message says so by its [errors](Spark::on_error) or its end.
    pub fn write(&self, data: impl Into<Value>) {
        let data = data.into();
        for spark in self.sparks() {
            let _closed_meanwhile = spark.write(data.clone());
        }
    }

    /// Ends the channel: all clients leave it, and it is gone.
    pub fn destroy(&self) {
        self.0.members.lock().is_destroyed = true;
        for spark in self.sparks() {
            spark.end();
        }
    }

    fn admit(&self, spark: &Spark, id: &str) -> Option<Admission> {
        let count = spark.get_or_set(Count::default);
        let mut count = count.lock();
        let mut members = self.0.members.lock();
        // The end of a connection takes this lock, too: it comes later, or has been.
        if members.is_destroyed || !spark.is_open() || id.len() > MAX_ID {
            return None;
        }
        let own = members.all.entry(spark.connection_id()).or_default();
        if own.contains_key(id) {
            return Some(Admission::Known);
        }
        if *count == MAX_CHANNELS {
            if own.is_empty() {
                members.all.remove(&spark.connection_id());
            }
            return None;
        }
        *count += 1;
        let member = ChannelSpark::new(id, self, spark);
        own.insert(id.to_owned(), member.clone());
        Some(Admission::New(member))
    }

    fn member(&self, spark: &Spark, id: &str) -> Option<ChannelSpark> {
        let members = self.0.members.lock();
        members.all.get(&spark.connection_id())?.get(id).cloned()
    }

    fn members_of(&self, spark: &Spark) -> Vec<ChannelSpark> {
        let members = self.0.members.lock();
        let own = members.all.get(&spark.connection_id());
        own.into_iter().flat_map(HashMap::values).cloned().collect()
    }

    /// A client has left.
    fn remove(&self, member: &ChannelSpark) {
        let connection = member.spark().connection_id();
        {
            let mut members = self.0.members.lock();
            if let Some(own) = members.all.get_mut(&connection) {
                own.remove(member.id());
                if own.is_empty() {
                    members.all.remove(&connection);
                }
            }
        }
        if let Some(count) = member.spark().get::<Count>() {
            *count.lock() -= 1;
        }
        let listener = self.0.listeners.lock().disconnection.clone();
        if let Some(listener) = listener {
            listener(member);
        }
    }
}

/// The beginning of every packet.
fn packet(kind: i64, id: &str, channel: &str) -> Vec<Value> {
    vec![kind.into(), id.into(), channel.into()]
}

/// Whether a value has the form of a packet, and of which kind it is then.
fn kind(data: &Value) -> Option<(i64, &str)> {
    match data.as_array()? {
        [kind, Value::String(_), Value::String(name)]
        | [kind, Value::String(_), Value::String(name), _] => {
            let kind = kind.as_i64()?;
            matches!(kind, MESSAGE | SUBSCRIBE | UNSUBSCRIBE).then_some((kind, name))
        }
        _ => None,
    }
}

impl Plugin for Multiplex {
    fn name(&self) -> &'static str {
        "multiplex"
    }

    fn received(&self, spark: &Spark, packet: Packet) -> Option<Packet> {
        let Some((kind, name)) = kind(&packet.data) else {
            return Some(packet);
        };
        let channel = self.find(name);
        if channel.is_none() && kind != SUBSCRIBE {
            return Some(packet);
        }
        let Value::Array(mut values) = packet.data else {
            return None;
        };
        let data = values.drain(3..).next().unwrap_or_default();
        let (Some(Value::String(name)), Some(Value::String(id))) = (values.pop(), values.pop())
        else {
            return None;
        };
        match (kind, channel) {
            (SUBSCRIBE, _) => self.subscribe(spark, &id, &name),
            (MESSAGE, Some(channel)) => {
                if let Some(member) = channel.member(spark, &id) {
                    member.receive(data);
                }
            }
            (_, Some(channel)) => {
                if let Some(member) = channel.member(spark, &id) {
                    member.finish();
                }
            }
            (_, None) => {}
        }
        None
    }

    fn disconnected(&self, spark: &Spark, _: &CloseReason) {
        let channels: Vec<_> = self.0.lock().values().cloned().collect();
        for member in channels
            .iter()
            .flat_map(|channel| channel.members_of(spark))
        {
            member.finish();
        }
    }

    fn client(&self) -> Option<ClientPart> {
        let source = include_str!("../../../client-js/dist/primus-plugin-multiplex.min.js");
        Some(ClientPart::with_library(source))
    }
}

impl fmt::Debug for Multiplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().keys()).finish()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.name()).finish()
    }
}
