//! Putting an app together.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::action::{Action, Context, RegistrationError, Registry};
use super::chat::{Chat, RoomEvent, RoomEvents};
use super::files::Links;
use super::middleware::{ActionMiddleware, ChatMiddleware, ConnectionMiddleware, Middleware};
use super::reply::Push;
use super::{App, Authorize, Inner, PublicFiles};
use crate::config::Config;
use crate::engine::{Handshake, Hub, Refusal};

/// Collects actions, middleware and options. See [`App::builder`].
#[derive(Default)]
#[must_use = "an app is made by `build`"]
pub struct AppBuilder {
    config: Config,
    actions: Vec<Action>,
    middleware: Middleware,
    events: RoomEvents,
    files: Option<PublicFiles>,
    authorize: Option<Authorize>,
}

impl AppBuilder {
    /// Replaces the configuration: what the app does, and what a [`Server`](crate::Server) for it does. There is no other
    /// place for it.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds an action.
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// Adds hooks around rooms.
    pub fn chat_middleware(mut self, middleware: ChatMiddleware) -> Self {
        self.middleware.chat.push(middleware);
        self
    }

    /// Adds hooks around connections.
    pub fn connection_middleware(mut self, middleware: ConnectionMiddleware) -> Self {
        self.middleware.connection.push(middleware);
        self
    }

    /// Adds hooks around actions.
    pub fn action_middleware(mut self, middleware: ActionMiddleware) -> Self {
        self.middleware.action.push(middleware);
        self
    }

    /// Listens to a room event in every room.
    pub fn on_room_event(
        mut self,
        event: &str,
        run: impl Fn(&RoomEvent) + Send + Sync + 'static,
    ) -> Self {
        self.events.on(None, event, run);
        self
    }

    /// Listens to a room event in one room.
    pub fn on_room_event_in(
        mut self,
        room: &str,
        event: &str,
        run: impl Fn(&RoomEvent) + Send + Sync + 'static,
    ) -> Self {
        self.events.on(Some(room), event, run);
        self
    }

    /// Chooses the files that clients may ask for, in place of the folder that the configuration names. Without either
    /// there are none.
    pub fn files(mut self, files: PublicFiles) -> Self {
        self.files = Some(files);
        self
    }

    /// Decides who may connect, before anything is promised. A refusal becomes the HTTP answer to the handshake.
    ///
    /// Actions called over HTTP have no handshake: guard them with a global [`ActionMiddleware`].
    ///
    /// ```
    /// use stellar::app::App;
    /// use stellar::engine::Refusal;
    ///
    /// let builder = App::builder().authorize(|handshake| {
    ///     Box::pin(async move {
    ///         match handshake.header("x-token") {
    ///             Some("secret") => Ok(()),
    ///             _ => Err(Refusal::new("sign in first")),
    ///         }
    ///     })
    /// });
    /// # drop(builder);
    /// ```
    pub fn authorize<F>(mut self, authorize: F) -> Self
    where
        F: for<'a> Fn(&'a mut Handshake) -> BoxFuture<'a, Result<(), Refusal>>
            + Send
            + Sync
            + 'static,
    {
        self.authorize = Some(Arc::new(authorize));
        self
    }

    /// Builds the app.
    ///
    /// # Errors
    ///
    /// When names or input rules are wrong; the text says which.
    pub fn build(mut self) -> Result<App, RegistrationError> {
        let mut registry = Registry::default();
        if !self.actions.iter().any(|action| action.name() == "status") {
            registry.add(status())?;
        }
        for action in self.actions {
            registry.add(action)?;
        }
        if self.middleware.names().any(str::is_empty) {
            return Err(RegistrationError::NoMiddlewareName);
        }
        self.middleware.sort();
        registry.check_middleware(&self.middleware.action)?;

        let options = self.config.app_options();
        let files = self.files.unwrap_or_else(|| {
            let files = match &self.config.public {
                Some(public) => PublicFiles::new().root(public),
                None => PublicFiles::new(),
            };
            files.links(Links::configured(&self.config))
        });
        let files = match self.config.limits.max_open_files {
            0 => files,
            most => files.max_open(most),
        };
        let hub = Arc::new(Hub::new(options.max_rooms, Arc::new(Push)));
        for room in &options.starting_rooms {
            hub.create(room);
        }
        let middleware = Arc::new(self.middleware);
        let chat = Chat::new(
            Arc::clone(&hub),
            Arc::clone(&middleware),
            Arc::new(self.events),
            Arc::new(options.errors.clone()),
            options.max_values,
        );
        Ok(App(Arc::new(Inner {
            hub,
            welcome: super::reply::welcome(&options.welcome_message),
            options,
            config: self.config,
            registry,
            middleware,
            chat,
            files,
            authorize: self.authorize,
            web: Mutex::new(HashMap::new()),
            is_running: AtomicBool::new(true),
            tasks: TaskTracker::new(),
        })))
    }
}

impl std::fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppBuilder")
            .field("config", &self.config)
            .field("actions", &self.actions)
            .field("middleware", &self.middleware)
            .finish_non_exhaustive()
    }
}

/// The one action that every app has: is the server there, and since when.
fn status() -> Action {
    let started = std::time::Instant::now();
    Action::new("status", move |context: Context, _: Value| async move {
        let uptime = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let options = context.app().options();
        Ok(json!({
            "status": "OK",
            "serverName": options.server_name,
            "apiVersion": options.api_version,
            "uptime": uptime,
            "connections": context.app().connection_count(),
        }))
    })
    .description("Tells that the server is up, for how long, and how many connections it has")
}
