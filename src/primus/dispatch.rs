//! What the engine brings, on its way to sparks.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use stellar_transports::primus::{Controls, PREFIX};
use stellar_transports::{Handshake, Payload, Refusal};

use super::parser::Parser;
use super::server::Shared;
use super::{CloseReason, End, Spark, SparkError, Value};
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
                handshake.id = Some(generate(handshake));
            }
            Ok(())
        })
    }

    fn opened(&self, engine: &engine::Spark, handshake: &Handshake) {
        let shared = &self.0;
        let spark = Spark::open(engine, shared, handshake, shared.on_connection.is_some());
        spark.announce();
        for plugin in &*shared.plugins {
            plugin.connected(&spark);
        }
        if let Some(listener) = &shared.on_data {
            spark.inbox().listen(&spark, listener);
        }
        if !shared.connections.tell(&spark) {
            spark.end_with(End::new().reconnect());
            tracing::warn!(spark = %spark.id(), "nobody takes new connections from a stream; this one has to come back");
            return;
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
        let forgetting = Arc::new(Forgetting(spark.clone()));
        spark.closed(reason);
        if !spark.is_announced() {
            return None;
        }
        if spark.is_drained() {
            return shared.say_farewell(&spark, reason, forgetting);
        }
        // The application hears of the end behind what came before it.
        let reason = reason.clone();
        Some(Box::pin(async move {
            let drained = tokio::time::timeout(DRAIN_TIMEOUT, spark.drained()).await;
            let farewell = shared.say_farewell(&spark, &reason, forgetting);
            if drained.is_err() {
                tracing::warn!(spark = %spark.id(), "its handler or transforms go on after its end");
            }
            if let Some(farewell) = farewell {
                farewell.await;
            }
        }))
    }
}

/// How long the news of an end waits for what the client sent before it: less than a farewell may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// Forgets a connection when dropped: when its handler is done, has panicked, or took too long, and when whoever took it
/// from a stream goes on to the next.
pub(super) struct Forgetting(Spark);

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
    match handled {
        Ok(()) => spark.open_gate(),
        Err(error) => {
            // First of all: whatever the listener does, this connection is over.
            spark.reject();
            spark.end();
            spark.guard(|| spark.fail(&SparkError::Handler(error)));
        }
    }
}

impl Shared {
    /// Tells plugins and application of an end.
    fn say_farewell(
        &self,
        spark: &Spark,
        reason: &CloseReason,
        forgetting: Arc<Forgetting>,
    ) -> Option<BoxFuture<'static, ()>> {
        for plugin in &*self.plugins {
            spark.guard(|| plugin.disconnected(spark, reason));
        }
        let event = (spark.clone(), reason.clone(), Arc::clone(&forgetting));
        let is_told = self.disconnections.tell(&event);
        let handler = self.on_disconnection.as_ref();
        let handled = handler.map(|handler| handler(spark.clone(), reason.clone()));
        if !is_told {
            tracing::warn!(spark = %spark.id(), "nobody takes ended connections from a stream; this one is not in it");
        }
        let handled = handled?;
        Some(Box::pin(async move {
            handled.await;
            drop(forgetting);
        }))
    }

    /// Starts a task on the server's runtime, from whatever thread.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self.runtime.get() {
            Some(runtime) => self.tasks.spawn_on(task, runtime),
            None => self.tasks.spawn(task),
        };
    }
}
