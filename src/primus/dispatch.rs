//! What the engine brings, on its way to sparks.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use stellar_transports::primus::{Controls, PREFIX};
use stellar_transports::{Handshake, Payload, Refusal};

use super::parser::Parser;
use super::server::Shared;
use super::{CloseReason, Direction, End, Spark, SparkError, Value};
use crate::engine::{self, Handler, Incoming, IncomingPayload};

/// Primus's control strings, written by the parser of the server like all other values.
#[derive(Debug)]
pub(super) struct Strings(pub(super) Arc<dyn Parser>);

impl Controls for Strings {
    fn encode(&self, text: &str) -> Payload {
        let encoded = self.0.encode(&Value::from(text));
        encoded.unwrap_or_else(|error| {
            // Without them clients do not notice a dead server, and come back when they must not; all else works.
            tracing::error!(%error, "the parser cannot write strings, which Primus's protocol needs");
            Payload::Text(text.into())
        })
    }

    fn decode<'a>(&self, message: IncomingPayload<'a>) -> Option<Cow<'a, str>> {
        self.0
            .string(message)
            .filter(|text| text.starts_with(PREFIX))
    }
}

/// The server as the engine sees it.
#[derive(Debug)]
pub(super) struct Dispatcher(pub(super) Arc<Shared>);

impl Handler for Dispatcher {
    fn authorize<'a>(&'a self, handshake: &'a mut Handshake) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let shared = &self.0;
            if let Some(authorize) = &shared.authorize
                && shared.layers.is_enabled("authorization")
            {
                authorize(handshake).await?;
            }
            if let Some(generate) = &shared.id_generator {
                let id = generate(handshake);
                if id.is_empty() || shared.names.read().contains_key(&id) {
                    tracing::error!(id, "the id generator made an id that is empty or in use");
                    let refusal = Refusal::new("the connection has no id of its own");
                    return Err(refusal.with_status(http::StatusCode::INTERNAL_SERVER_ERROR));
                }
                handshake.id = Some(id);
            }
            Ok(())
        })
    }

    fn opened(&self, engine: &engine::Spark, handshake: &Handshake) {
        let shared = &self.0;
        let spark = Spark::open(engine, shared, handshake, shared.on_connection.is_some());
        if shared.id_generator.is_some() && !shared.enlist(&spark) {
            // Two with the same id were admitted at the same time.
            return spark.end_with(End::new().reconnect());
        }
        for plugin in &*shared.plugins {
            plugin.connected(&spark);
        }
        if let Some(listener) = &shared.on_data {
            spark.inbox().listen(&spark, listener);
        }
        if !shared.connections.tell(&spark) {
            tracing::warn!(spark = %spark.id(), "nobody takes new connections from a stream; this one has to come back");
            return spark.end_with(End::new().reconnect());
        }
        if shared.on_connection.is_some() {
            let handling = handle(Arc::clone(shared), spark);
            shared.spawn(handling);
        }
    }

    fn received(&self, engine: &engine::Spark, message: Incoming<'_>) {
        if let Some(spark) = Spark::of(engine) {
            spark.receive(message.payload);
        }
    }

    fn heartbeat(&self, engine: &engine::Spark) {
        if let Some(spark) = Spark::of(engine) {
            spark.beat();
        }
    }

    fn closed(
        &self,
        engine: &engine::Spark,
        reason: &CloseReason,
    ) -> Option<BoxFuture<'static, ()>> {
        let spark = Spark::of(engine)?;
        let shared = Arc::clone(&self.0);
        let forgetting = Forgetting(spark.clone());
        shared.strike_off(&spark);
        for plugin in &*shared.plugins {
            spark.guard(|| plugin.disconnected(&spark, reason));
        }
        spark.closed(reason);
        if !shared.disconnections.tell(&(spark.clone(), reason.clone())) {
            tracing::warn!(spark = %spark.id(), "nobody takes ended connections from a stream; this one is not in it");
        }
        let handled = shared
            .on_disconnection
            .as_ref()
            .map(|handler| handler(spark.clone(), reason.clone()));
        let handled = handled?;
        Some(Box::pin(async move {
            handled.await;
            drop(forgetting);
        }))
    }
}

/// Forgets a connection when dropped: when its handler is done, has panicked, or took too long.
struct Forgetting(Spark);

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.0.forget();
    }
}

/// Runs the application's handler for a new connection, then lets in what has come meanwhile.
async fn handle(shared: Arc<Shared>, spark: Spark) {
    let handled = async {
        match &shared.on_connection {
            Some(handler) => handler(spark.clone()).await,
            None => Ok(()),
        }
    };
    let handled = AssertUnwindSafe(handled).catch_unwind().await;
    let handled = handled.unwrap_or_else(|_| Err("it panicked".into()));
    if let Err(error) = handled {
        spark.fail(&SparkError::Handler(error));
        spark.end();
        spark.reject();
    }
    spark.go_on(Direction::Incoming);
}

impl Shared {
    /// Starts a task on the server's runtime, from whatever thread.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self.runtime.get() {
            Some(runtime) => self.tasks.spawn_on(task, runtime),
            None => self.tasks.spawn(task),
        };
    }

    /// Notes the id that was made for a connection. False if another has it.
    fn enlist(&self, spark: &Spark) -> bool {
        let mut names = self.names.write();
        let id = spark.id().into_owned();
        match names.get(&id) {
            Some(_) => false,
            None => {
                names.insert(id, spark.connection_id());
                true
            }
        }
    }

    fn strike_off(&self, spark: &Spark) {
        if self.id_generator.is_none() {
            return;
        }
        let mut names = self.names.write();
        let id = spark.id();
        // By whose it is: one that was refused for its id does not free it.
        if names.get(&*id) == Some(&spark.connection_id()) {
            names.remove(&*id);
        }
    }
}
