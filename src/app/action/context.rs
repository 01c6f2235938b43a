//! What an action and its middleware can see and change while it runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use stellar_transports::Reservation;

use super::super::connection::Connection;
use super::super::{App, Error};
use super::{Action, ActionError, Call};

/// One call of an action. Cloning shares it.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    app: App,
    connection: Connection,
    action: Arc<Action>,
    uploads: Vec<PathBuf>,
    number: u64,
    state: Mutex<State>,
    /// For the params, until nobody can ask for them.
    _memory: Option<Reservation>,
}

/// A call that may be over.
#[derive(Clone)]
pub(crate) struct WeakContext(Weak<Inner>);

impl WeakContext {
    /// Whether the call is not over.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Lets go of the params, which may be large: the action has been given its own, and nobody is to be answered.
    pub(crate) fn forget_params(&self) {
        if let Some(context) = self.0.upgrade() {
            let params = std::mem::take(&mut context.state.lock().params);
            // Behind the lock: there may be much to drop.
            drop(params);
        }
    }
}

impl fmt::Debug for WeakContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakContext")
    }
}

/// What changes during a call.
#[derive(Default)]
pub(super) struct State {
    /// An object.
    pub(super) params: Arc<Value>,
    pub(super) response: Map<String, Value>,
    pub(super) error: Option<Error>,
    pub(super) is_silent: bool,
    pub(super) status: Option<StatusCode>,
    pub(super) headers: HeaderMap,
}

impl Context {
    pub(super) fn new(app: App, call: Call, action: Arc<Action>) -> Self {
        let Call {
            connection,
            params,
            uploads,
            number,
            memory,
        } = call;
        Self(Arc::new(Inner {
            app,
            connection,
            action,
            uploads,
            number,
            state: Mutex::new(State {
                params: Arc::new(Value::Object(params)),
                ..State::default()
            }),
            _memory: memory,
        }))
    }

    /// The app, for rooms, connections and other actions.
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// Who calls.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The action's name.
    pub fn action(&self) -> &str {
        &self.0.action.name
    }

    /// The number of the request among all packets of its connection; 0 for calls that did not come as a packet.
    pub fn message_count(&self) -> u64 {
        self.0.number
    }

    /// The params as they are now. None any more once whoever called has gone: what an action was given, it keeps.
    pub fn params(&self) -> Map<String, Value> {
        match &*self.0.state.lock().params {
            Value::Object(params) => params.clone(),
            _ => Map::new(),
        }
    }

    /// Whether `path` is a file that came with this HTTP request. It is deleted once the action is done. A param that
    /// only looks like an uploaded file may name any path: ask before you open it.
    pub fn is_upload(&self, path: impl AsRef<Path>) -> bool {
        self.0.uploads.iter().any(|upload| upload == path.as_ref())
    }

    /// Sets a param; for middleware that runs before the action.
    pub fn set_param(&self, name: impl Into<String>, value: impl Into<Value>) {
        if let Value::Object(params) = Arc::make_mut(&mut self.0.state.lock().params) {
            params.insert(name.into(), value.into());
        }
    }

    /// Sets a field of the response. Fields set before a failure are sent with the error.
    pub fn respond(&self, field: impl Into<String>, value: impl Into<Value>) {
        self.0
            .state
            .lock()
            .response
            .insert(field.into(), value.into());
    }

    /// The response as it is now.
    pub fn response(&self) -> Map<String, Value> {
        self.0.state.lock().response.clone()
    }

    /// Replaces the response.
    pub fn set_response(&self, response: Map<String, Value>) {
        self.0.state.lock().response = response;
    }

    /// The error so far; for middleware that runs after the action.
    pub fn error(&self) -> Option<Error> {
        self.0.state.lock().error.clone()
    }

    /// Sends no response at all.
    pub fn silence(&self) {
        self.0.state.lock().is_silent = true;
    }

    /// Sets the HTTP status; without effect on realtime connections.
    pub fn set_status(&self, status: StatusCode) {
        self.0.state.lock().status = Some(status);
    }

    /// Sets an HTTP header; the last value wins, but `Set-Cookie` adds up. Without effect on realtime connections.
    pub fn set_header(&self, name: HeaderName, value: HeaderValue) {
        let headers = &mut self.0.state.lock().headers;
        if name == http::header::SET_COOKIE {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }

    /// Calls another action, also a private one, as the program itself.
    ///
    /// # Errors
    ///
    /// The error that a client would be sent.
    pub async fn call(
        &self,
        action: &str,
        params: Value,
    ) -> Result<Map<String, Value>, ActionError> {
        self.0.app.call(action, params).await
    }

    pub(crate) fn downgrade(&self) -> WeakContext {
        WeakContext(Arc::downgrade(&self.0))
    }

    pub(super) fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("action", &self.0.action.name)
            .field("connection", &self.0.connection)
            .finish_non_exhaustive()
    }
}
