//! Message transforms: what looks at every message on its way in or out (docs/protocol/primus.md#transforms).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use stellar_transports::Payload;

use super::{Spark, Value};

/// Whatever error a transform, handler or layer of the application has.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which way messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Incoming,
    /// To the client.
    Outgoing,
}

/// A message on its way through the transforms.
#[derive(Clone, Debug)]
pub struct Packet {
    /// What it says. A transform may change it.
    pub data: Value,
    /// The message as it came over the wire. `None` for outgoing messages, and for those that a plugin has made.
    pub raw: Option<Payload>,
    pub(super) spark: Option<Spark>,
    /// Whether it has been through the transforms of the server.
    pub(super) is_transformed: bool,
    /// The connections that a broadcast is for; `None` for all.
    to: Option<Arc<[Spark]>>,
}

impl Packet {
    pub(super) const fn new(data: Value, raw: Option<Payload>) -> Self {
        Self {
            data,
            raw,
            spark: None,
            is_transformed: false,
            to: None,
        }
    }

    pub(super) fn to(to: Option<Arc<[Spark]>>, data: Value) -> Self {
        Self {
            to,
            ..Self::new(data, None)
        }
    }

    pub(super) fn targets(&self) -> Option<&[Spark]> {
        self.to.as_deref()
    }

    /// Whose message it is. `None` for a message to all, which goes through the transforms once, and after the transforms.
    pub const fn spark(&self) -> Option<&Spark> {
        self.spark.as_ref()
    }

    /// An estimate of its memory, in bytes.
    pub(super) fn cost(&self) -> usize {
        const BASE: usize = 64;
        let raw = match &self.raw {
            Some(Payload::Text(text)) => text.len(),
            Some(Payload::Binary(bytes)) => bytes.len(),
            None => 0,
        };
        BASE + raw + self.data.weight()
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It is dropped, and nobody is told.
    Drop,
}

type Now = dyn Fn(&mut Packet) -> Result<Verdict, BoxError> + Send + Sync;
type Later = dyn Fn(Packet) -> BoxFuture<'static, Result<Option<Packet>, BoxError>> + Send + Sync;

/// One transform.
///
/// Those of the server come before those of a spark, each in the order of their registration. A message waits for the one
/// in front of it, also where a transform takes its time: they never overtake each other.
#[derive(Clone)]
pub struct Transform(pub(super) Kind);

#[derive(Clone)]
pub(super) enum Kind {
    Now(Arc<Now>),
    Later(Arc<Later>),
}

impl Transform {
    /// A transform that is done when it returns.
    ///
    /// ```
    /// use stellar::primus::{Transform, Verdict};
    ///
    /// let no_secrets = Transform::new(|packet| {
    ///     match packet.data.get("secret") {
    ///         Some(_) => Ok(Verdict::Drop),
    ///         None => Ok(Verdict::Pass),
    ///     }
    /// });
    /// # let _ = no_secrets;
    /// ```
    pub fn new(
        transform: impl Fn(&mut Packet) -> Result<Verdict, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Now(Arc::new(transform)))
    }

    /// A transform that waits for something. It returns the message that is to go on, or `None` to drop it.
    ///
    /// ```
    /// use stellar::primus::{Transform, Value};
    ///
    /// let stamped = Transform::waiting(|mut packet| async move {
    ///     tokio::task::yield_now().await;
    ///     packet.data = Value::from(vec![packet.data, Value::from("seen")]);
    ///     Ok(Some(packet))
    /// });
    /// # let _ = stamped;
    /// ```
    pub fn waiting<F, Fut>(transform: F) -> Self
    where
        F: Fn(Packet) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Packet>, BoxError>> + Send + 'static,
    {
        Self(Kind::Later(Arc::new(move |packet| {
            Box::pin(transform(packet))
        })))
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Now(_) => "Transform::new",
            Kind::Later(_) => "Transform::waiting",
        })
    }
}

/// The transforms of one direction. Taking a look costs a reference count, because hardly anybody changes them.
#[derive(Debug, Default)]
pub(super) struct Transforms(RwLock<Option<Arc<[Transform]>>>);

impl Transforms {
    pub(super) fn add(&self, transform: Transform) {
        let mut transforms = self.0.write();
        let known = transforms.iter().flat_map(|known| known.iter().cloned());
        *transforms = Some(known.chain([transform]).collect());
    }

    /// `None` if there are none.
    pub(super) fn all(&self) -> Option<Arc<[Transform]>> {
        self.0.read().clone()
    }

    pub(super) fn clear(&self) {
        *self.0.write() = None;
    }
}

/// What a transform that panics is said to have failed with.
const PANICKED: &str = "it panicked";

/// How far a packet has come.
pub(super) enum Step {
    /// Through all of them.
    Through(Packet),
    Dropped,
    Failed(BoxError),
    /// This one has to be waited for; the number is that of the next.
    Waits(BoxFuture<'static, Result<Option<Packet>, BoxError>>, usize),
}

/// Takes a packet through `transforms` from the one at `at` on, as far as that goes without waiting.
pub(super) fn advance(transforms: &[Transform], at: usize, mut packet: Packet) -> Step {
    for (number, transform) in transforms.iter().enumerate().skip(at) {
        match &transform.0 {
            Kind::Now(apply) => {
                // A panic must not leave the lane taken for ever.
                let applied = catch_unwind(AssertUnwindSafe(|| apply(&mut packet)));
                match applied.unwrap_or_else(|_| Err(PANICKED.into())) {
                    Ok(Verdict::Pass) => {}
                    Ok(Verdict::Drop) => return Step::Dropped,
                    Err(error) => return Step::Failed(error),
                }
            }
            Kind::Later(apply) => {
                return match catch_unwind(AssertUnwindSafe(|| apply(packet))) {
                    Ok(future) => Step::Waits(future, number + 1),
                    Err(_) => Step::Failed(PANICKED.into()),
                };
            }
        }
    }
    Step::Through(packet)
}

/// Takes a packet all the way.
pub(super) async fn finish(transforms: &[Transform], first: Step) -> Step {
    let mut step = first;
    loop {
        match step {
            Step::Waits(future, next) => {
                let applied = AssertUnwindSafe(future).catch_unwind().await;
                step = match applied.unwrap_or_else(|_| Err(PANICKED.into())) {
                    Ok(Some(packet)) => advance(transforms, next, packet),
                    Ok(None) => Step::Dropped,
                    Err(error) => Step::Failed(error),
                };
            }
            done => return done,
        }
    }
}
