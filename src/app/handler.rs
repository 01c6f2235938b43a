//! Where the engine hands over to the app.

use futures_util::future::BoxFuture;
use http::StatusCode;

use super::action::guarded;
use super::connection::Connection;
use super::middleware::{Stopped, call, go_on};
use super::options::Welcome;
use super::{App, fingerprint};
use crate::engine::{CloseReason, Handler, Handshake, Incoming, Limited, Refusal, Spark};

impl Handler for App {
    fn authorize<'a>(&'a self, handshake: &'a mut Handshake) -> BoxFuture<'a, Result<(), Refusal>> {
        match &self.0.authorize {
            Some(authorize) => Box::pin(async move {
                let failed = |_| {
                    Refusal::new("internal error").with_status(StatusCode::INTERNAL_SERVER_ERROR)
                };
                guarded(async { authorize(handshake).await })
                    .await
                    .unwrap_or_else(|error| Err(failed(error)))
            }),
            None => Box::pin(async { Ok(()) }),
        }
    }

    fn opened(&self, spark: &Spark, handshake: &Handshake) {
        let key = &self.options().fingerprint_key;
        let fingerprint = fingerprint::brought(handshake.query(), &handshake.headers, key);
        let connection = Connection::realtime(spark, fingerprint, &handshake.extensions);
        let has_hooks = self
            .middleware()
            .connection
            .iter()
            .any(|middleware| middleware.create.is_some());
        if !has_hooks {
            return self.welcome(&connection);
        }
        // Requests wait in the lane until the hooks have decided.
        connection.record().lane.lock().occupy();
        connection.record().set_handshake(Some(handshake.clone()));
        let app = self.clone();
        self.tasks().spawn(async move {
            if app.create(&connection).await {
                app.welcome(&connection);
            }
            connection.record().set_handshake(None);
            app.work_off(&connection).await;
        });
    }

    fn received(&self, spark: &Spark, message: Incoming<'_>) {
        if let Some(connection) = Connection::of(spark) {
            self.receive_message(&connection, message, None);
        }
    }

    fn limited(&self, spark: &Spark, message: Incoming<'_>, limited: Limited) {
        if let Some(connection) = Connection::of(spark) {
            self.receive_message(&connection, message, Some(limited));
        }
    }

    fn closed(&self, spark: &Spark, _reason: &CloseReason) -> Option<BoxFuture<'static, ()>> {
        let connection = Connection::of(spark)?;
        connection.mark_destroyed();
        connection.record().lane.lock().clear();
        let middleware = self.middleware();
        let has_hooks = middleware
            .connection
            .iter()
            .any(|middleware| middleware.destroy.is_some());
        if !has_hooks && !middleware.has_leave() {
            return None;
        }
        let app = self.clone();
        Some(Box::pin(async move { app.destroy(&connection).await }))
    }
}

impl App {
    /// Runs the hooks of a new connection. False if one of them ended it.
    async fn create(&self, connection: &Connection) -> bool {
        for middleware in &self.middleware().connection {
            let Some(hook) = &middleware.create else {
                continue;
            };
            match call(hook(connection.clone(), ())).await.and_then(go_on) {
                Ok(()) => {}
                Err(stopped) => {
                    if let Stopped::Refused(error) = stopped {
                        let error = error.to_value(&self.options().errors);
                        connection.send_with_context(serde_json::json!({"error": error}), "alert");
                    }
                    connection.destroy();
                    return false;
                }
            }
        }
        true
    }

    fn welcome(&self, connection: &Connection) {
        match self.options().welcome {
            Welcome::Never => {}
            Welcome::AtOnce => {
                connection.send(&self.0.welcome);
            }
            Welcome::After(delay) => {
                let (connection, welcome) = (connection.clone(), self.0.welcome.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    connection.send(&welcome);
                });
            }
        }
    }

    /// Runs the hooks of a connection that is over: its own, then those of each room that it is about to leave.
    async fn destroy(&self, connection: &Connection) {
        for middleware in &self.middleware().connection {
            if let Some(hook) = &middleware.destroy {
                let _panicked = call(hook(connection.clone(), ())).await;
            }
        }
        for room in connection.rooms() {
            // A connection that is gone cannot be kept in a room, whatever a hook says.
            let _cannot_be_kept = self.middleware().leave(connection, &room).await;
        }
    }
}
