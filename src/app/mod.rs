//! The app: Stellar's verbs, rooms, actions and files on top of the engine.
//!
//! ```
//! use serde_json::{Value, json};
//! use stellar::app::{Action, App, ChatMiddleware, Verdict};
//!
//! let app = App::builder()
//!     .action(Action::new("hello", |_context, params: Value| async move {
//!         Ok(json!({ "greeting": format!("Hello {}", params["name"]) }))
//!     }))
//!     .chat_middleware(ChatMiddleware::new("staff only").on_join(|connection, room| async move {
//!         if room == "staff" && connection.fingerprint().is_none() {
//!             return Verdict::refuse("sign in first");
//!         }
//!         Verdict::Keep
//!     }))
//!     .build()
//!     .expect("names and rules are right");
//! assert!(app.chat().exists("defaultRoom"));
//! ```

mod action;
mod builder;
mod chat;
mod connection;
mod error;
pub mod files;
pub(crate) mod fingerprint;
mod handler;
pub mod input;
mod lane;
mod middleware;
mod options;
mod packet;
mod rates;
mod reply;
pub(crate) mod verbs;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::engine::Sender;
pub use action::{Action, ActionError, Context, RegistrationError};
pub(crate) use action::{Call, Outcome, Registry};
pub use builder::AppBuilder;
pub use chat::{Chat, RoomEvent, RoomMember, RoomStatus};
pub(crate) use connection::now;
pub use connection::{Connection, ConnectionType};
pub use error::{Error, ErrorFormat};
pub use files::PublicFiles;
use futures_util::future::BoxFuture;
pub use input::Input;
pub(crate) use middleware::Middleware;
pub use middleware::{
    ActionMiddleware, ChatMessage, ChatMiddleware, ConnectionMiddleware, DEFAULT_PRIORITY, Verdict,
};
pub use options::{Options, Welcome};
#[cfg(feature = "testing")]
pub(crate) use packet::fuzz::packet as fuzz_packet;
use parking_lot::Mutex;
pub use rates::Rates;
use serde_json::{Map, Value};
use stellar_transports::{Message, Reservation};
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::engine::{Engine, Handshake, Hub, Refusal};

/// An application. Cloning shares it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

type Authorize =
    Arc<dyn for<'a> Fn(&'a mut Handshake) -> BoxFuture<'a, Result<(), Refusal>> + Send + Sync>;

struct Inner {
    hub: Arc<Hub>,
    config: Config,
    /// What of it is asked at every turn, in the form that it is asked in.
    options: Options,
    registry: Registry,
    middleware: Arc<Middleware>,
    chat: Chat,
    /// The same for everyone.
    welcome: Message,
    files: PublicFiles,
    authorize: Option<Authorize>,
    /// Connections that stand for HTTP requests under way.
    web: Mutex<HashMap<String, Connection>>,
    is_running: AtomicBool,
    tasks: TaskTracker,
}

impl App {
    /// Begins an app with default options and no actions but `status`.
    pub fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// The engine that brings connections to this app.
    pub fn engine(&self) -> Engine {
        Engine::with_hub(Arc::clone(&self.0.hub), Arc::new(self.clone()))
            .rates(self.options().rates.connection.clone())
    }

    /// The rooms.
    pub fn chat(&self) -> &Chat {
        &self.0.chat
    }

    /// The configuration that it was built with.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// What the configuration says of the app.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The public folder.
    pub fn files(&self) -> &PublicFiles {
        &self.0.files
    }

    /// The connection with this id.
    pub fn connection(&self, id: &str) -> Option<Connection> {
        let realtime = self
            .0
            .hub
            .spark_by_public_id(id)
            .and_then(|spark| Connection::of(&spark));
        realtime.or_else(|| self.0.web.lock().get(id).cloned())
    }

    /// All connections: realtime ones, and those of HTTP requests that are being answered.
    pub fn connections(&self) -> Vec<Connection> {
        let mut all: Vec<_> = self.0.web.lock().values().cloned().collect();
        all.extend(self.0.hub.sparks().iter().filter_map(Connection::of));
        all
    }

    /// How many connections there are, counted as [`connections`](Self::connections) lists them.
    pub fn connection_count(&self) -> usize {
        self.0.hub.len() + self.0.web.lock().len()
    }

    /// Calls an action as the program itself. Private actions can be called, and limits do not apply.
    ///
    /// # Errors
    ///
    /// The error that a client would be sent.
    pub async fn call(
        &self,
        action: &str,
        params: Value,
    ) -> Result<Map<String, Value>, ActionError> {
        let mut params = match params {
            Value::Object(params) => params,
            Value::Null => Map::new(),
            other => Map::from_iter([("payload".to_owned(), other)]),
        };
        params.insert("action".into(), action.into());
        let call = Call {
            connection: Connection::internal(),
            params,
            uploads: Vec::new(),
            number: 0,
            memory: None,
        };
        let outcome = call.run(self).await;
        match outcome.error {
            None => Ok(outcome.response),
            Some(error) => Err(ActionError(error)),
        }
    }

    /// Whether new actions are taken.
    pub fn is_running(&self) -> bool {
        self.0.is_running.load(Ordering::Relaxed)
    }

    /// Takes no new actions from now on: they are answered 006.
    pub fn stop(&self) {
        self.0.is_running.store(false, Ordering::Relaxed);
    }

    /// Waits until everything that is being answered is answered.
    pub async fn idle(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.tasks.reopen();
    }

    /// Names and descriptions of all actions, private ones aside.
    pub fn actions(&self) -> Vec<(&str, &str)> {
        let public = self.0.registry.iter().filter(|action| !action.is_private);
        public
            .map(|action| (&*action.name, &*action.description))
            .collect()
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn middleware(&self) -> &Middleware {
        &self.0.middleware
    }

    pub(crate) fn action_middleware(&self) -> &[ActionMiddleware] {
        &self.0.middleware.action
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Runs an action for an HTTP request.
    pub(crate) async fn call_web(
        &self,
        connection: Connection,
        params: Map<String, Value>,
        uploads: Vec<PathBuf>,
        memory: Option<Reservation>,
    ) -> Outcome {
        let _listed = Listed::new(self, &connection);
        let call = Call {
            connection,
            params,
            uploads,
            number: 0,
            memory,
        };
        call.run(self).await
    }
}

/// Keeps a connection in the table of HTTP requests for as long as it lives.
struct Listed<'a> {
    app: &'a App,
    id: String,
}

impl<'a> Listed<'a> {
    fn new(app: &'a App, connection: &Connection) -> Self {
        let id = connection.id().to_owned();
        app.0.web.lock().insert(id.clone(), connection.clone());
        Self { app, id }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.app.0.web.lock().remove(&self.id) {
            connection.mark_destroyed();
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}
