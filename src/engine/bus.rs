//! Where transports deliver. Every event of every connection comes through [`Engine::dispatch`].

use std::sync::Arc;

use async_trait::async_trait;
use stellar_transports::{Bus, Connection, Event};

use super::{Engine, FAREWELL_TIMEOUT, Handshake, Refusal, Spark};

#[async_trait]
impl Bus for Engine {
    async fn admit(&self, handshake: &mut Handshake) -> Result<(), Refusal> {
        self.handler.authorize(handshake).await
    }

    fn dispatch(&self, connection: &Arc<Connection>, event: Event<'_>) {
        match event {
            Event::Opened(handshake) => {
                let spark = Spark::open(connection, handshake.peer);
                self.hub.add(&spark);
                self.handler.opened(&spark, &handshake);
            }
            Event::Received(message) => {
                self.handler.received(&Spark::of(connection), message);
            }
            Event::Closed(reason) => {
                let spark = Spark::of(connection);
                self.hub.remove(&spark);
                match self.handler.closed(&spark, &reason) {
                    None => self.hub.leave_all(&spark),
                    Some(farewell) => {
                        let hub = Arc::clone(&self.hub);
                        // Tracked, so that a drain waits for it.
                        connection.context().tasks.spawn(async move {
                            if tokio::time::timeout(FAREWELL_TIMEOUT, farewell)
                                .await
                                .is_err()
                            {
                                tracing::warn!(conn = %spark.id(), "leaving took too long; removed from its rooms");
                            }
                            hub.leave_all(&spark);
                        });
                    }
                }
            }
        }
    }
}
