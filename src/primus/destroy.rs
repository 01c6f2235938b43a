//! The end of a server: a drain, paced so that clients do not all come back at once.

use std::time::Duration;

use stellar_transports::CloseReason;

use super::service::Endpoint;
use super::{End, Primus};
use crate::engine::at_random;

/// How often a drain ends a batch of connections, and looks whether all have gone.
const TICK: Duration = Duration::from_millis(50);

/// How to end a server.
#[derive(Clone, Debug)]
#[must_use = "it is only a description"]
pub struct Destroy {
    reconnect: bool,
    timeout: Duration,
    retry_within: Duration,
    grace: Duration,
}

impl Default for Destroy {
    fn default() -> Self {
        Self {
            reconnect: false,
            timeout: Duration::ZERO,
            retry_within: Duration::ZERO,
            grace: Duration::from_secs(5),
        }
    }
}

impl Destroy {
    /// For good, at once: clients do not come back.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has clients come back, here or wherever a balancer sends them.
    pub const fn reconnect(mut self) -> Self {
        self.reconnect = true;
        self
    }

    /// Over how long the connections are ended. Default at once. No new ones are let in meanwhile.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Has each client come back at a random time within this, so that a new server does not meet all of them at once.
    /// Our client does; Primus's own waits 500 ms, then longer.
    pub const fn retry_within(mut self, within: Duration) -> Self {
        self.reconnect = true;
        self.retry_within = within;
        self
    }

    /// How long to wait for clients to take their leave, and for handlers to finish. Default 5 s.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    fn end(&self) -> End {
        if self.retry_within.is_zero() {
            return if self.reconnect {
                End::new().reconnect()
            } else {
                End::new()
            };
        }
        End::new().retry_after(at_random(self.retry_within))
    }
}

impl Primus {
    /// Ends the server: lets nobody in any more, ends all connections as described, waits for them and for handlers that
    /// run, and ends [`listen`](Self::listen). It takes `timeout` and `grace` at the most. Calling again waits with the
    /// first.
    pub async fn destroy(&self, how: Destroy) {
        let destroyed = &self.shared().destroyed;
        destroyed.get_or_init(|| self.destroy_now(how)).await;
    }

    async fn destroy_now(&self, how: Destroy) {
        let shared = self.shared();
        let endpoint = Endpoint::of(shared);
        endpoint.context.drain();
        let said = std::future::poll_fn(|cx| shared.broadcasts.lock().poll_free(cx.waker()));
        let said = tokio::time::timeout(how.grace, said).await;
        if said.is_err() {
            tracing::warn!(
                "messages to all still waited for transforms when the time of grace was over"
            );
        }
        self.end_all(&how, how.timeout).await;
        let all_gone = async {
            while self.connected() > 0 {
                tokio::time::sleep(TICK).await;
                // A handshake that was under way may have become a connection.
                self.end_all(&how, Duration::ZERO).await;
            }
            // Those that never got so far.
            let reason = if how.reconnect {
                CloseReason::GoingAway
            } else {
                CloseReason::Ended
            };
            endpoint.context.close_all(&reason);
            endpoint.context.tasks.close();
            endpoint.context.tasks.wait().await;
            shared.tasks.close();
            shared.tasks.wait().await;
        };
        if tokio::time::timeout(how.grace, all_gone).await.is_err() {
            tracing::warn!(
                connections = self.connected(),
                "not all had left when the time of grace was over"
            );
        }
        shared.connections.dismiss();
        shared.disconnections.dismiss();
        shared.stop.cancel();
    }

    /// Ends those that are connected, evenly over a time.
    async fn end_all(&self, how: &Destroy, time: Duration) {
        let sparks = self.sparks();
        let ticks = time.as_millis() / TICK.as_millis();
        let ticks = usize::try_from(ticks).unwrap_or(usize::MAX).max(1);
        let batch = sparks.len().div_ceil(ticks).max(1);
        let batches = sparks.chunks(batch);
        let pause = time / u32::try_from(batches.len().max(1)).unwrap_or(u32::MAX);
        for (number, some) in batches.enumerate() {
            if number > 0 {
                tokio::time::sleep(pause).await;
            }
            for spark in some {
                spark.end_with(how.end());
            }
        }
    }
}
