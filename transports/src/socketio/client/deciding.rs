//! What namespaces decide about a session.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use socketioxide_core::Value;

use super::reading::MAKES_NO_SENSE;
use super::{Client, NONE};
use crate::polling::Session;
use crate::socketio::library::Parser;
use crate::socketio::{dialect, msgpack};
use crate::{Handshake, Refusal};

impl Client {
    /// Asks the application whether the client may connect to `/`. If not, the client is told.
    pub(in crate::socketio) async fn admit(&self, auth: Option<&Value>) -> bool {
        let Some(session) = self.session() else {
            return false;
        };
        session.connection().context().turnstile.turn().await;
        // There is one at a time, and none after the first that was let in.
        let handshake = self.handshake.lock().take();
        let Some(handshake) = handshake else {
            return false;
        };
        let Ok(auth) = read_auth(auth) else {
            session.connection().close(MAKES_NO_SENSE);
            return false;
        };
        // Each try begins anew: nothing stays of what a refused one made the application note.
        let mut asking = Handshake::clone(&handshake);
        asking.auth = auth;
        let context = session.connection().context();
        let admit = AssertUnwindSafe(context.admit(asking));
        let admitted = admit.catch_unwind().await.unwrap_or_else(|_| {
            let status = http::StatusCode::INTERNAL_SERVER_ERROR;
            Err(Refusal::new("internal error").with_status(status))
        });
        let refusal = match admitted {
            Ok(admitted) => {
                *self.admitted.lock() = Some(admitted);
                return true;
            }
            Err(refusal) => refusal,
        };
        *self.handshake.lock() = Some(handshake);
        if session.is_open() {
            let parser = self.parser().unwrap_or(Parser::Json);
            session.connection().send_control_with(|is_linked| {
                let form = session.form(is_linked);
                dialect::refused(form, parser, self.protocol, &refusal)
            });
        }
        false
    }

    /// Lets the client in, and tells the bus.
    pub(in crate::socketio) fn connect(&self) {
        // The application's code may panic in there, which ends the session; but that, too, waits for the decision.
        let _panicked = std::panic::catch_unwind(AssertUnwindSafe(|| self.open()));
        self.decided();
    }

    fn open(&self) {
        let admitted = self.admitted.lock().take();
        let (Some(session), Some(admitted)) = (self.session(), admitted) else {
            return;
        };
        if !session.is_open() {
            return;
        }
        self.has_arrived();
        let parser = self.parser().unwrap_or(Parser::Json);
        let connection = session.connection();
        let chosen = admitted.handshake().id.clone();
        let id = chosen.unwrap_or_else(|| connection.id().to_string());
        connection.send_control_with(|is_linked| {
            let form = session.form(is_linked);
            dialect::connected(form, parser, self.protocol, &id)
        });
        session.report_opened(admitted);
        self.state.lock().is_connected = true;
    }

    /// Keeps the time in which a namespace has to decide. Ours does in less; a handler of somebody else's may panic.
    pub(super) fn expect_decision(&self, session: &Arc<Session>) {
        let limit = session.connection().context().limits.admit_timeout * 2;
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let by = session.now().saturating_add(limit);
        self.decide_by.store(by, Ordering::Relaxed);
        session.watch();
    }

    /// The session has ended while a namespace is deciding. The library is told once that has decided, because it would
    /// keep the client otherwise; or when there is no more hope for it.
    pub(super) fn give_up_decision(self: &Arc<Self>, session: &Session) {
        let patience = session.connection().context().limits.admit_timeout * 2;
        let client = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            client.decided();
        });
    }

    /// The client is connected to something.
    pub(in crate::socketio) fn has_arrived(&self) {
        self.connect_by.store(NONE, Ordering::Relaxed);
    }

    /// It is decided about the client: what waits for that may go on.
    pub(in crate::socketio) fn decided(&self) {
        let reader = {
            let mut state = self.state.lock();
            state.is_deciding = false;
            self.decide_by.store(NONE, Ordering::Relaxed);
            state.pipe.take_reader()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// What the client says of itself: an object, or nothing.
fn read_auth(auth: Option<&Value>) -> serde_json::Result<Option<serde_json::Value>> {
    let json;
    let text = match auth {
        None => return Ok(None),
        Some(Value::Str(text, _)) => &**text,
        Some(Value::Bytes(bytes)) => {
            json = msgpack::to_json(bytes).unwrap_or_default();
            if json == "null" {
                // Where the client left it out.
                return Ok(None);
            }
            &*json
        }
    };
    let auth: serde_json::Map<_, _> = crate::json::from_str(text)?;
    Ok(Some(auth.into()))
}
