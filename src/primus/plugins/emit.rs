//! Named events in both directions, with acknowledgements, as npm's `primus-emitter` and `primus-emit` write them.
//!
//! ```
//! use stellar::primus::plugins::{Emit, emit};
//! use stellar::primus::{Primus, Spark, Value};
//!
//! let primus = Primus::builder()
//!     .plugin(Emit::new())
//!     .on_connection(|spark: Spark| async move {
//!         // In the page: primus.send('sum', 1, 2, function (sum) { … })
//!         emit::on(&spark, "sum", |args, ack| {
//!             let sum = args.parse::<(i64, i64)>().map(|(a, b)| a + b);
//!             let _closed_meanwhile = ack.send([Value::from(sum.ok())]);
//!         });
//!         // In the page: primus.on('hello', function (name, count) { … })
//!         let _closed_meanwhile = emit::send(&spark, "hello", ("you", 2));
//!     })
//!     .build()?;
//! primus.write(emit::event("news", ("to all",)))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Which of the two a client writes does not matter. Events go out in the form of `primus-emitter`, because only that
//! has acknowledgements. [`plain_event`] writes the form of `primus-emit`. The generated client reads both. No client
//! hears events by the names that Primus has for its own, such as `open`, `data` and `error`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use super::call::{CallError, Calls};
use super::multiplex::ChannelSpark;
use crate::primus::{
    ClientPart, CloseReason, Object, Packet, Plugin, Spark, Value, WriteError, Written,
};

const EVENT: i64 = 0;
const ACK: i64 = 1;

type Handler = Arc<dyn Fn(Value, Ack) + Send + Sync>;

/// The plugin. See the [module](self).
#[derive(Clone, Default)]
#[must_use = "it does nothing before a server has it"]
pub struct Emit {
    handlers: Arc<HashMap<String, Handler>>,
}

impl Emit {
    /// The plugin, without handlers of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles an event of all connections that have no handler of their own for it. [`Ack::spark`] tells whose it is.
    pub fn on(
        mut self,
        event: impl Into<String>,
        handler: impl Fn(Value, Ack) + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.handlers).insert(event.into(), Arc::new(handler));
        self
    }
}

impl Plugin for Emit {
    fn name(&self) -> &'static str {
        "emit"
    }

    fn connected(&self, spark: &Spark) {
        spark.set(Arc::new(Events {
            common: Some(Arc::clone(&self.handlers)),
            ..Events::default()
        }));
    }

    fn received(&self, spark: &Spark, mut packet: Packet) -> Option<Packet> {
        packet.data = receive(spark.into(), packet.data)?;
        Some(packet)
    }

    fn disconnected(&self, spark: &Spark, _: &CloseReason) {
        if let Some(events) = spark.get::<Arc<Events>>() {
            events.close();
        }
    }

    fn client(&self) -> Option<ClientPart> {
        let source = include_str!("../../../client-js/dist/primus-plugin-emit.min.js");
        Some(ClientPart::with_library(source))
    }
}

impl fmt::Debug for Emit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<_> = self.handlers.keys().collect();
        f.debug_struct("Emit").field("events", &events).finish()
    }
}

/// Handles an event of one connection or channel, in place of a handler that it had for it before.
///
/// The handler gets the arguments as a list; what a client left out is [`Value::Null`] there. It is called on the task
/// that reads from the client, in the order in which events come. So it must return quickly: move long work, and the
/// [`Ack`], into a task of its own. An event that nobody handles is dropped.
pub fn on(
    from: impl Into<Target>,
    event: impl Into<String>,
    handler: impl Fn(Value, Ack) + Send + Sync + 'static,
) {
    let events = from.into().events();
    events
        .handlers
        .write()
        .insert(event.into(), Arc::new(handler));
}

/// Stops handling an event.
pub fn off(from: impl Into<Target>, event: &str) {
    from.into().events().handlers.write().remove(event);
}

/// Sends an event.
///
/// # Errors
///
/// As [`Spark::write`].
pub fn send(to: impl Into<Target>, event: &str, args: impl Args) -> Result<Written, WriteError> {
    to.into().write(self::event(event, args))
}

/// Sends an event and waits for its acknowledgement: the list of the values that the client answers with.
///
/// It waits as long as the connection is there; for less, put [`tokio::time::timeout`] around it.
///
/// ```no_run
/// # use std::time::Duration;
/// # use stellar::primus::plugins::emit;
/// # async fn ask(spark: &stellar::primus::Spark) -> Result<(), Box<dyn std::error::Error>> {
/// // In the page: primus.on('age?', function (name, ack) { ack(7); })
/// let call = emit::call(spark, "age?", ("ann",));
/// let answer = tokio::time::timeout(Duration::from_secs(5), call).await??;
/// let age = answer[0].as_i64();
/// # let _ = age;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the event was not sent, [too many](super::MAX_CALLS) wait for an answer, or the connection ended before it came.
pub async fn call(to: impl Into<Target>, event: &str, args: impl Args) -> Result<Value, CallError> {
    let to = to.into();
    let call = to.events().calls.begin()?;
    let mut packet = event_object(event, args);
    packet.insert("id".to_owned(), call.id.into());
    to.write(packet.into())?;
    call.answered().await
}

/// An event as a value, for whatever writes values: all connections, or a [room](super::rooms::Room).
pub fn event(event: &str, args: impl Args) -> Value {
    event_object(event, args).into()
}

/// As [`event`](self::event()), in the form of `primus-emit`.
pub fn plain_event(event: &str, args: impl Args) -> Value {
    Object::from_iter([("emit".to_owned(), list(event, args))]).into()
}

fn event_object(event: &str, args: impl Args) -> Object {
    Object::from_iter([
        ("type".to_owned(), EVENT.into()),
        ("data".to_owned(), list(event, args)),
    ])
}

fn list(event: &str, args: impl Args) -> Value {
    let mut values = vec![event.into()];
    values.append(&mut args.into_values());
    values.into()
}

/// The way back to who sent an event. Dropping it leaves the client without an answer.
#[derive(Debug)]
pub struct Ack {
    to: Target,
    id: Option<Value>,
}

impl Ack {
    /// Whether the client waits for an answer.
    pub const fn is_wanted(&self) -> bool {
        self.id.is_some()
    }

    /// The connection that the event came from.
    pub fn spark(&self) -> &Spark {
        self.to.spark()
    }

    /// Answers with these values; does nothing if no answer is wanted.
    ///
    /// # Errors
    ///
    /// As [`Spark::write`].
    pub fn send(self, values: impl Args) -> Result<(), WriteError> {
        let Some(id) = self.id else {
            return Ok(());
        };
        let packet = Object::from_iter([
            ("id".to_owned(), id),
            ("type".to_owned(), ACK.into()),
            ("data".to_owned(), values.into_values().into()),
        ]);
        self.to.write(packet.into()).map(|_| ())
    }
}

/// Where events come from and go to: a [`Spark`], or a [`ChannelSpark`] of the multiplex plugin.
#[derive(Clone, Debug)]
pub struct Target(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Spark(Spark),
    Channel(ChannelSpark),
}

impl From<&Spark> for Target {
    fn from(spark: &Spark) -> Self {
        Self(Kind::Spark(spark.clone()))
    }
}

impl From<&ChannelSpark> for Target {
    fn from(spark: &ChannelSpark) -> Self {
        Self(Kind::Channel(spark.clone()))
    }
}

impl Target {
    fn spark(&self) -> &Spark {
        match &self.0 {
            Kind::Spark(spark) => spark,
            Kind::Channel(channel) => channel.spark(),
        }
    }

    fn events(&self) -> Arc<Events> {
        match &self.0 {
            Kind::Spark(spark) => spark.get_or_set(Arc::default),
            Kind::Channel(channel) => Arc::clone(channel.events()),
        }
    }

    fn write(&self, data: Value) -> Result<Written, WriteError> {
        match &self.0 {
            Kind::Spark(spark) => spark.write(data),
            Kind::Channel(channel) => channel.write(data),
        }
    }
}

/// The events of one connection or channel.
#[derive(Default)]
pub(super) struct Events {
    handlers: RwLock<HashMap<String, Handler>>,
    common: Option<Arc<HashMap<String, Handler>>>,
    calls: Arc<Calls>,
}

impl Events {
    /// It is over: calls fail, and handlers go, because they may hold what holds this.
    pub(super) fn close(&self) {
        self.calls.close();
        self.handlers.write().clear();
    }

    fn handler(&self, event: &str) -> Option<Handler> {
        let own = self.handlers.read().get(event).cloned();
        own.or_else(|| self.common.as_ref()?.get(event).cloned())
    }
}

/// Whether a server has the plugin.
pub(super) fn is_installed(spark: &Spark) -> bool {
    spark.get::<Arc<Events>>().is_some()
}

/// Takes a value that has come. Gives it back if it is none of the plugin's.
pub(super) fn receive(from: Target, data: Value) -> Option<Value> {
    let id = match Form::of(&data) {
        None => return Some(data),
        Some(Form::Answer(id)) => {
            let events = from.events();
            events.calls.answer(id, take(data, "data"));
            return None;
        }
        Some(Form::Plain) => None,
        Some(Form::Event(id)) => id,
    };
    let key = if data.get("emit").is_some() {
        "emit"
    } else {
        "data"
    };
    let Value::Array(mut values) = take(data, key) else {
        return None;
    };
    let name = values.remove(0);
    let handler = from.events().handler(name.as_str().unwrap_or_default());
    if let Some(handler) = handler {
        handler(values.into(), Ack { to: from, id });
    }
    None
}

/// What a value of the plugin's is.
enum Form {
    Event(Option<Value>),
    Answer(u64),
    Plain,
}

impl Form {
    /// Objects of the application may look alike, so that a single key more makes them data again.
    fn of(data: &Value) -> Option<Self> {
        let object = data.as_object()?;
        let begins_with_name = |list: &Value| list[0].as_str().is_some();
        if object.get("emit").is_some_and(begins_with_name) {
            return Some(Self::Plain);
        }
        let values = object.get("data")?;
        let id = object.get("id");
        let known = 2 + usize::from(id.is_some());
        if object.len() != known || id.is_some_and(|id| id.as_f64().is_none()) {
            return None;
        }
        match object.get("type")?.as_i64()? {
            EVENT if begins_with_name(values) => {
                // A script takes 0 for no id.
                Some(Self::Event(
                    id.filter(|id| id.as_f64() != Some(0.0)).cloned(),
                ))
            }
            ACK if values.as_array().is_some() => {
                // An id that is none of ours is that of an answer all the same.
                let id = id?.as_i64().and_then(|id| id.try_into().ok());
                Some(Self::Answer(id.unwrap_or(0)))
            }
            _ => None,
        }
    }
}

fn take(data: Value, key: &str) -> Value {
    match data {
        Value::Object(mut object) => object.swap_remove(key).unwrap_or_default(),
        _ => Value::Null,
    }
}

/// The arguments of an event: nothing, a tuple of up to six, an array or a vector.
pub trait Args {
    /// As values.
    fn into_values(self) -> Vec<Value>;
}

impl Args for () {
    fn into_values(self) -> Vec<Value> {
        Vec::new()
    }
}

impl Args for Vec<Value> {
    fn into_values(self) -> Vec<Value> {
        self
    }
}

impl<T: Into<Value>, const N: usize> Args for [T; N] {
    fn into_values(self) -> Vec<Value> {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! tuple {
    ($($name:ident)+) => {
        impl<$($name: Into<Value>),+> Args for ($($name,)+) {
            #[allow(non_snake_case, reason = "values have the names of their types")]
            fn into_values(self) -> Vec<Value> {
                let ($($name,)+) = self;
                vec![$($name.into()),+]
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
