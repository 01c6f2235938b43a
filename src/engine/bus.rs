//! Where transports deliver. Every event of every connection comes through [`Engine::dispatch`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use stellar_transports::{Bus, CloseReason, Connection, Event};

use super::{Engine, FAREWELL_TIMEOUT, Handshake, Hub, Refusal, Spark};

#[async_trait]
impl Bus for Engine {
    async fn admit(&self, handshake: &mut Handshake) -> Result<(), Refusal> {
        self.handler.authorize(handshake).await?;
        match &handshake.id {
            Some(id) if id.is_empty() || self.hub.has_name(id) => {
                tracing::error!(id, "the id chosen for a connection is empty or in use");
                let refusal = Refusal::new("the connection has no id of its own");
                Err(refusal.with_status(http::StatusCode::INTERNAL_SERVER_ERROR))
            }
            _ => Ok(()),
        }
    }

    fn dispatch(&self, connection: &Arc<Connection>, event: Event<'_>) {
        match event {
            Event::Opened(handshake) => {
                let spark = Spark::open(connection, handshake.peer);
                if self.hub.add(&spark) {
                    self.handler.opened(&spark, &handshake);
                } else {
                    // Two with the same id were admitted at the same time. Nobody is told of this one.
                    spark.end(CloseReason::GoingAway);
                }
            }
            Event::Received(message) => {
                let spark = Spark::of(connection);
                match spark.take(&self.rates, message.payload.len()) {
                    Ok(()) => self.handler.received(&spark, message),
                    Err(limited) => {
                        if spark.refuse(&self.rates, limited.rate) {
                            self.handler.limited(&spark, message, limited);
                        }
                    }
                }
            }
            Event::Heartbeat => self.handler.heartbeat(&Spark::of(connection)),
            Event::Closed(reason) => {
                let spark = Spark::of(connection);
                self.hub.remove(&spark);
                // From here on it leaves its rooms, whatever the application's code does.
                let rooms = Leaving(Arc::clone(&self.hub), spark.clone());
                // Also called while a panic of the handler unwinds; a second one would end the process.
                let farewell =
                    catch_unwind(AssertUnwindSafe(|| self.handler.closed(&spark, &reason)));
                match farewell {
                    Ok(None) => {}
                    Err(_) => {
                        drop(rooms);
                        tracing::error!(conn = %spark.id(), "the handler panicked in `closed`")
                    }
                    Ok(Some(farewell)) => {
                        // Tracked, so that a drain waits for it.
                        connection.context().tasks.spawn(async move {
                            let left = tokio::time::timeout(FAREWELL_TIMEOUT, farewell).await;
                            drop(rooms);
                            if left.is_err() {
                                tracing::warn!(conn = %spark.id(), "leaving took too long; removed from its rooms");
                            }
                        });
                    }
                }
            }
        }
    }
}

/// Rooms that a connection leaves at once. In more, it is for a little while a member that nothing reaches any more, and
/// others have their turn in between.
const LEAVES_AT_ONCE: usize = 128;

/// Takes a connection out of its rooms when dropped.
struct Leaving(Arc<Hub>, Spark);

impl Drop for Leaving {
    fn drop(&mut self) {
        let Self(hub, spark) = self;
        if hub.leave_some(spark, LEAVES_AT_ONCE) {
            return;
        }
        if tokio::runtime::Handle::try_current().is_err() {
            // Where everything ends, nobody is waiting.
            hub.leave_some(spark, usize::MAX);
            return;
        }
        let tasks = &spark.connection().context().tasks;
        let (hub, spark) = (Arc::clone(hub), spark.clone());
        tasks.spawn(async move {
            while !hub.leave_some(&spark, LEAVES_AT_ONCE) {
                tokio::task::yield_now().await;
            }
        });
    }
}
