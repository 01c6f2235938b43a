//! How a server ends what is open.

use std::time::Duration;

use stellar_transports::CloseReason;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::router::Router;
use super::site::{Settings, Site};
use crate::app::App;
use crate::engine::{FAREWELL_TIMEOUT, Hub, at_random};

/// How often a drain looks for connections that have opened meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long the last sockets may take to close once every client has been told to.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

impl Site {
    /// Drains, and says so.
    pub(super) async fn end(&self, stop: &CancellationToken, sockets: &TaskTracker) {
        let began = Instant::now();
        self.router.context.drain();
        tracing::info!(connections = self.hub.len(), "draining");
        let app = self.app.as_ref();
        drain(&self.router, &self.settings, app, &self.hub, stop, sockets).await;
        let (left, took) = (self.hub.len(), began.elapsed());
        tracing::info!(left, ?took, "drained");
    }
}

/// Ends what is open.
async fn drain(
    router: &Router,
    settings: &Settings,
    app: Option<&App>,
    hub: &Hub,
    stop: &CancellationToken,
    sockets: &TaskTracker,
) {
    router.context.drain();
    if let Some(app) = app {
        app.stop();
        let _cut_short = tokio::time::timeout(settings.shutdown_timeout, app.idle()).await;
    }
    let reason = if settings.destroy_on_shutdown {
        CloseReason::Ended
    } else {
        CloseReason::GoingAway
    };
    let realtime = &router.context.tasks;
    realtime.close();
    let all_ended = || async {
        loop {
            realtime.wait().await;
            // Not every connection has a task at this moment.
            if hub.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN / 10).await;
        }
    };
    let comes_back = !settings.destroy_on_shutdown && !settings.retry_within.is_zero();
    // More than one look: a handshake that was under way may still become a connection.
    let tell_all = || async {
        loop {
            if comes_back {
                for spark in hub.sparks() {
                    spark.advise_retry(at_random(settings.retry_within));
                }
            }
            router.context.close_all(&reason);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let all_told = async {
        tokio::select! {
            () = all_ended() => {}
            () = tell_all() => {}
        }
    };
    // Members that leave may have hooks, which have a limit of their own.
    let limit = settings.close_timeout.max(FAREWELL_TIMEOUT);
    let deadline = Instant::now() + limit;
    let _cut_short = tokio::time::timeout_at(deadline, all_told).await;
    // Only now: until here, clients that come with one request after the other could fetch what was left for them.
    stop.cancel();
    sockets.close();
    let all_closed = async {
        let last_handshakes = async {
            sockets.wait().await;
            router.context.close_all(&reason);
            all_ended().await;
        };
        tokio::select! {
            () = last_handshakes => {}
            () = tell_all() => {}
        }
    };
    let _cut_short = tokio::time::timeout_at(deadline + CLOSE_GRACE, all_closed).await;
}
