//! One client's end of a channel.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::{Channel, MESSAGE, UNSUBSCRIBE, packet};
use crate::primus::plugins::emit::{self, Events};
use crate::primus::{Spark, Value, WriteError, Written};

type OnData = Arc<dyn Fn(&ChannelSpark, Value) + Send + Sync>;

/// One client's end of a channel. Cloning shares it.
#[derive(Clone)]
pub struct ChannelSpark(Arc<Member>);

struct Member {
    id: String,
    channel: Channel,
    spark: Spark,
    is_over: AtomicBool,
    on_data: Mutex<Option<OnData>>,
    on_end: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    events: Arc<Events>,
}

impl ChannelSpark {
    pub(super) fn new(id: &str, channel: &Channel, spark: &Spark) -> Self {
        Self(Arc::new(Member {
            id: id.to_owned(),
            channel: channel.clone(),
            spark: spark.clone(),
            is_over: AtomicBool::new(false),
            on_data: Mutex::default(),
            on_end: Mutex::default(),
            events: Arc::default(),
        }))
    }

    /// The id that the client gave it. Another client may have the same.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.0.channel
    }

    /// The connection that carries it.
    pub fn spark(&self) -> &Spark {
        &self.0.spark
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        !self.0.is_over.load(Ordering::Acquire) && self.0.spark.is_open()
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// As [`Spark::write`]; also when the client has left the channel.
    pub fn write(&self, data: impl Into<Value>) -> Result<Written, WriteError> {
        if !self.is_open() {
            return Err(WriteError::Closed);
        }
        let mut packet = packet(MESSAGE, self.id(), self.channel().name());
        packet.push(data.into());
        self.0.spark.write(packet)
    }

    /// Calls `listener` with what the client sends here, in order. It replaces the last one. Messages that come while
    /// there is none are dropped, so set it when the client [comes in](Channel::on_connection).
    pub fn on_data(&self, listener: impl Fn(&Self, Value) + Send + Sync + 'static) {
        let mut on_data = self.0.on_data.lock();
        if self.is_open() {
            *on_data = Some(Arc::new(listener));
        }
    }

    /// Calls `listener` once the client has left; at once if it has.
    pub fn on_end(&self, listener: impl FnOnce() + Send + 'static) {
        let mut on_end = self.0.on_end.lock();
        if self.0.is_over.load(Ordering::Acquire) {
            drop(on_end);
            listener();
        } else {
            on_end.push(Box::new(listener));
        }
    }

    /// Ends this end of the channel; the connection stays. Later calls do nothing.
    pub fn end(&self) {
        if self.finish() {
            let packet = packet(UNSUBSCRIBE, self.id(), self.channel().name());
            let _closed_meanwhile = self.0.spark.write(packet);
        }
    }

    pub(in crate::primus::plugins) fn events(&self) -> &Arc<Events> {
        &self.0.events
    }

    /// Takes it out. False if it was out already.
    pub(super) fn finish(&self) -> bool {
        if self.0.is_over.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.0.events.close();
        // A listener may hold this, which holds it.
        *self.0.on_data.lock() = None;
        self.0.channel.remove(self);
        let listeners = std::mem::take(&mut *self.0.on_end.lock());
        for listener in listeners {
            listener();
        }
        true
    }

    /// Takes what the client has sent.
    pub(super) fn receive(&self, data: Value) {
        let data = if emit::is_installed(&self.0.spark) {
            emit::receive(self.into(), data)
        } else {
            Some(data)
        };
        let listener = self.0.on_data.lock().clone();
        if let (Some(data), Some(listener)) = (data, listener) {
            listener(self, data);
        }
    }
}

impl fmt::Debug for ChannelSpark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSpark")
            .field("id", &self.id())
            .field("channel", &self.channel().name())
            .field("spark", &self.0.spark)
            .finish_non_exhaustive()
    }
}
