//! Requests with one response each, in both directions, as npm's `primus-responder` writes them.
//!
//! ```
//! use stellar::primus::plugins::{Responder, responder};
//! use stellar::primus::{Primus, Spark};
//!
//! let primus = Primus::builder()
//!     .plugin(Responder::new())
//!     .on_connection(|spark: Spark| async move {
//!         // In the page: primus.writeAndWait('hello', function (response) { … })
//!         responder::on_request(&spark, |request| {
//!             let data = request.data.clone();
//!             let _closed_meanwhile = request.respond(data);
//!         });
//!     })
//!     .build()?;
//! # let _ = primus;
//! # Ok::<(), stellar::primus::PrimusError>(())
//! ```

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use super::call::{CallError, Calls};
use crate::primus::{ClientPart, CloseReason, Object, Packet, Plugin, Spark, Value, WriteError};

/// What marks the plugin's messages on the wire.
const MARK: &str = "primus-responder";

type Handler = Arc<dyn Fn(Request) + Send + Sync>;

/// The plugin. See the [module](self).
#[derive(Clone, Default)]
#[must_use = "it does nothing before a server has it"]
pub struct Responder {
    handler: Option<Handler>,
}

/// What is kept with a connection.
#[derive(Default)]
struct Requests {
    handler: RwLock<Option<Handler>>,
    calls: Arc<Calls>,
}

/// A request of a client. Dropping it leaves the client without a response.
#[derive(Debug)]
pub struct Request {
    /// What the client asks.
    pub data: Value,
    spark: Spark,
    id: Value,
}

impl Responder {
    /// The plugin, without a handler of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles the requests of all connections that have no handler of their own.
    pub fn on_request(mut self, handler: impl Fn(Request) + Send + Sync + 'static) -> Self {
        self.handler = Some(Arc::new(handler));
        self
    }
}

/// Handles the requests of a connection, in place of the handler that it had.
///
/// The handler is called on the task that reads from the client, in the order in which requests come. So it must return
/// quickly: move long work, and the [`Request`], into a task of its own. Requests that nobody handles are dropped.
pub fn on_request(spark: &Spark, handler: impl Fn(Request) + Send + Sync + 'static) {
    *requests(spark).handler.write() = Some(Arc::new(handler));
}

/// Sends a request to the client and waits for its response.
///
/// It waits as long as the connection is there; for less, put [`tokio::time::timeout`] around it.
///
/// ```no_run
/// # use stellar::primus::plugins::{CallError, responder};
/// # async fn ask(spark: &stellar::primus::Spark) -> Result<(), CallError> {
/// // In the page: primus.on('request', function (data, done) { done('fine'); })
/// let response = responder::write_and_wait(spark, "how are you?").await?;
/// assert_eq!(response.as_str(), Some("fine"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the request was not sent, [too many](super::MAX_CALLS) wait for a response, or the connection ended before it
/// came.
pub async fn write_and_wait(spark: &Spark, data: impl Into<Value>) -> Result<Value, CallError> {
    let call = requests(spark).calls.begin()?;
    spark.write(envelope(
        "requestId",
        call.id.to_string().into(),
        data.into(),
    ))?;
    call.answered().await
}

fn requests(spark: &Spark) -> Arc<Requests> {
    spark.get_or_set(Arc::default)
}

fn envelope(key: &str, id: Value, data: Value) -> Object {
    Object::from_iter([
        ("plugin".to_owned(), MARK.into()),
        (key.to_owned(), id),
        ("data".to_owned(), data),
    ])
}

impl Request {
    /// The connection that it came from.
    pub const fn spark(&self) -> &Spark {
        &self.spark
    }

    /// Sends the response.
    ///
    /// # Errors
    ///
    /// As [`Spark::write`].
    pub fn respond(self, data: impl Into<Value>) -> Result<(), WriteError> {
        let response = envelope("responseId", self.id, data.into());
        self.spark.write(response).map(|_| ())
    }
}

impl Responder {
    fn request(&self, spark: &Spark, id: Value, data: Value) {
        let own = requests(spark).handler.read().clone();
        if let Some(handler) = own.as_ref().or(self.handler.as_ref()) {
            handler(Request {
                data,
                spark: spark.clone(),
                id,
            });
        }
    }
}

impl Plugin for Responder {
    fn name(&self) -> &'static str {
        "responder"
    }

    fn received(&self, spark: &Spark, packet: Packet) -> Option<Packet> {
        if packet.data["plugin"].as_str() != Some(MARK) {
            return Some(packet);
        }
        let Value::Object(mut envelope) = packet.data else {
            return None;
        };
        let data = envelope.swap_remove("data").unwrap_or_default();
        let mut id = |key| envelope.swap_remove(key).filter(is_truthy);
        if let Some(id) = id("requestId") {
            self.request(spark, id, data);
        } else if let Some(id) = id("responseId").and_then(|id| id.as_str()?.parse().ok()) {
            requests(spark).calls.answer(id, data);
        }
        None
    }

    fn disconnected(&self, spark: &Spark, _: &CloseReason) {
        requests(spark).calls.close();
    }

    fn client(&self) -> Option<ClientPart> {
        let source = include_str!("../../../client-js/dist/primus-plugin-responder.min.js");
        Some(ClientPart::with_library(source))
    }
}

/// As scripts see it. Clients of npm may have any id but those.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        other => other
            .as_f64()
            .is_none_or(|number| number != 0.0 && !number.is_nan()),
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("has_handler", &self.handler.is_some())
            .finish()
    }
}
