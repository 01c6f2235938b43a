//! Hooks that run around connections, chat and actions, in priority order.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::action::{Context, guarded};
use super::connection::Connection;
use super::error::Error;
use crate::engine::Sender;

/// The priority of a middleware that does not choose one. Lower runs earlier; ties run in order of registration.
pub const DEFAULT_PRIORITY: i32 = 100;

/// What a hook decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<T = ()> {
    /// Go on with what there is.
    Keep,
    /// Go on with this instead.
    Replace(T),
    /// Stop here and do nothing; whoever asked is told that all is well.
    Drop,
    /// Stop here; whoever asked is told why.
    Refuse(Error),
}

impl<T> Verdict<T> {
    /// A refusal with a text.
    pub fn refuse(text: impl Into<String>) -> Self {
        Self::Refuse(Error::text(text))
    }
}

/// How a chain of hooks ended, short of going on.
#[derive(Debug, PartialEq)]
pub(crate) enum Stopped {
    Dropped,
    Refused(Error),
}

/// A chat message on its way through `on_say_receive` and `on_say` hooks.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatMessage {
    /// What is said.
    pub message: Value,
    /// Where.
    pub room: String,
    /// Who says it.
    pub from: Sender,
    /// When, in ms since the Unix epoch.
    pub sent_at: u64,
}

type Hook<A, R> = Arc<dyn Fn(Connection, A) -> BoxFuture<'static, R> + Send + Sync>;

fn hook<A: Send + 'static, R: 'static, F, Fut>(run: F) -> Hook<A, R>
where
    F: Fn(Connection, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    // Called inside the future, where `call` guards it: it may panic before its first await.
    let run = Arc::new(run);
    Arc::new(move |connection, argument| {
        let run = Arc::clone(&run);
        Box::pin(async move { run(connection, argument).await })
    })
}

/// Hooks around rooms and what is said in them.
///
/// `on_join` runs before the newcomer is a member, `on_leave` while it still is one. `on_say_receive` runs once per
/// message; `on_say` runs once per *receiver*, with the receiver's connection, on its own copy.
#[derive(Clone)]
pub struct ChatMiddleware {
    pub(crate) name: String,
    pub(crate) priority: i32,
    pub(crate) join: Option<Hook<String, Verdict>>,
    pub(crate) leave: Option<Hook<String, Verdict>>,
    pub(crate) say_receive: Option<Hook<ChatMessage, Verdict<ChatMessage>>>,
    pub(crate) say: Option<Hook<ChatMessage, Verdict<ChatMessage>>>,
}

impl ChatMiddleware {
    /// A middleware without hooks.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            priority: DEFAULT_PRIORITY,
            join: None,
            leave: None,
            say_receive: None,
            say: None,
        }
    }

    /// Chooses the place in the order.
    #[must_use]
    pub const fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Runs before a connection joins the named room.
    #[must_use]
    pub fn on_join<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Connection, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        self.join = Some(hook(run));
        self
    }

    /// Runs before a connection leaves the named room, also when it disconnects; then a refusal has no effect.
    #[must_use]
    pub fn on_leave<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Connection, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        self.leave = Some(hook(run));
        self
    }

    /// Runs once for each message, with the speaker's connection. Messages of the server itself skip it.
    #[must_use]
    pub fn on_say_receive<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Connection, ChatMessage) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict<ChatMessage>> + Send + 'static,
    {
        self.say_receive = Some(hook(run));
        self
    }

    /// Runs for each receiver of a message, with the receiver's connection.
    #[must_use]
    pub fn on_say<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Connection, ChatMessage) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict<ChatMessage>> + Send + 'static,
    {
        self.say = Some(hook(run));
        self
    }
}

/// Hooks around the life of a connection.
#[derive(Clone)]
pub struct ConnectionMiddleware {
    pub(crate) name: String,
    pub(crate) priority: i32,
    pub(crate) create: Option<Hook<(), Verdict>>,
    pub(crate) destroy: Option<Hook<(), ()>>,
}

impl ConnectionMiddleware {
    /// A middleware without hooks.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            priority: DEFAULT_PRIORITY,
            create: None,
            destroy: None,
        }
    }

    /// Chooses the place in the order.
    #[must_use]
    pub const fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Runs when a connection has opened, before its welcome. `Drop` and `Refuse` end it; a refusal is sent as
    /// an alert first.
    #[must_use]
    pub fn on_create<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        self.create = Some(hook(move |connection, ()| run(connection)));
        self
    }

    /// Runs when a connection is over, before it leaves its rooms.
    #[must_use]
    pub fn on_destroy<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.destroy = Some(hook(move |connection, ()| run(connection)));
        self
    }
}

type ActionHook = Arc<dyn Fn(Context) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// Hooks around actions: all of them when global, else those that name this middleware.
#[derive(Clone)]
pub struct ActionMiddleware {
    pub(crate) name: String,
    pub(crate) priority: i32,
    pub(crate) is_global: bool,
    pub(crate) before: Option<ActionHook>,
    pub(crate) after: Option<ActionHook>,
}

impl ActionMiddleware {
    /// A middleware for the actions that name it.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            priority: DEFAULT_PRIORITY,
            is_global: false,
            before: None,
            after: None,
        }
    }

    /// Applies it to every action.
    #[must_use]
    pub const fn global(mut self) -> Self {
        self.is_global = true;
        self
    }

    /// Chooses the place in the order.
    #[must_use]
    pub const fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Runs before the action's inputs are checked. It may change params and response through the context; `Drop`
    /// completes the action without running it.
    #[must_use]
    pub fn before<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        self.before = Some(Arc::new(move |context| Box::pin(run(context))));
        self
    }

    /// Runs after the action. It may change the response through the context; `Drop` sends nothing.
    #[must_use]
    pub fn after<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verdict> + Send + 'static,
    {
        self.after = Some(Arc::new(move |context| Box::pin(run(context))));
        self
    }
}

macro_rules! debug_by_name {
    ($($kind:ident),*) => {$(
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($kind))
                    .field("name", &self.name)
                    .field("priority", &self.priority)
                    .finish_non_exhaustive()
            }
        }
    )*};
}
debug_by_name!(ChatMiddleware, ConnectionMiddleware, ActionMiddleware);

/// All middleware of an app, in the order in which it runs.
#[derive(Debug, Default)]
pub(crate) struct Middleware {
    pub(crate) chat: Vec<ChatMiddleware>,
    pub(crate) connection: Vec<ConnectionMiddleware>,
    pub(crate) action: Vec<ActionMiddleware>,
}

impl Middleware {
    /// Sorts by priority; the sort is stable, so ties keep their order of registration.
    pub(crate) fn sort(&mut self) {
        self.chat.sort_by_key(|middleware| middleware.priority);
        self.connection
            .sort_by_key(|middleware| middleware.priority);
        self.action.sort_by_key(|middleware| middleware.priority);
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let chat = self.chat.iter().map(|middleware| &*middleware.name);
        let connection = self.connection.iter().map(|middleware| &*middleware.name);
        let action = self.action.iter().map(|middleware| &*middleware.name);
        chat.chain(connection).chain(action)
    }

    pub(crate) fn has_join(&self) -> bool {
        self.chat.iter().any(|middleware| middleware.join.is_some())
    }

    pub(crate) fn has_leave(&self) -> bool {
        self.chat
            .iter()
            .any(|middleware| middleware.leave.is_some())
    }

    pub(crate) fn has_say(&self) -> bool {
        self.chat.iter().any(|middleware| middleware.say.is_some())
    }

    /// Whether hooks are told of what is said.
    pub(crate) fn hears(&self) -> bool {
        self.has_say_receive() || self.has_say()
    }

    pub(crate) fn has_say_receive(&self) -> bool {
        self.chat
            .iter()
            .any(|middleware| middleware.say_receive.is_some())
    }

    pub(crate) async fn join(&self, connection: &Connection, room: &str) -> Result<(), Stopped> {
        for middleware in &self.chat {
            if let Some(hook) = &middleware.join {
                call(hook(connection.clone(), room.to_owned()))
                    .await
                    .and_then(go_on)?;
            }
        }
        Ok(())
    }

    pub(crate) async fn leave(&self, connection: &Connection, room: &str) -> Result<(), Stopped> {
        for middleware in &self.chat {
            if let Some(hook) = &middleware.leave {
                call(hook(connection.clone(), room.to_owned()))
                    .await
                    .and_then(go_on)?;
            }
        }
        Ok(())
    }

    pub(crate) async fn say_receive(
        &self,
        speaker: &Connection,
        message: ChatMessage,
    ) -> Result<ChatMessage, Stopped> {
        run(
            self.chat.iter().filter_map(|m| m.say_receive.as_ref()),
            speaker,
            message,
        )
        .await
    }

    pub(crate) async fn say(
        &self,
        receiver: &Connection,
        message: ChatMessage,
    ) -> Result<ChatMessage, Stopped> {
        run(
            self.chat.iter().filter_map(|m| m.say.as_ref()),
            receiver,
            message,
        )
        .await
    }
}

/// Passes a message through hooks; each sees what the one before made of it.
async fn run(
    hooks: impl Iterator<Item = &Hook<ChatMessage, Verdict<ChatMessage>>>,
    connection: &Connection,
    mut message: ChatMessage,
) -> Result<ChatMessage, Stopped> {
    for hook in hooks {
        match call(hook(connection.clone(), message.clone())).await? {
            Verdict::Keep => {}
            Verdict::Replace(replacement) => message = replacement,
            Verdict::Drop => return Err(Stopped::Dropped),
            Verdict::Refuse(error) => return Err(Stopped::Refused(error)),
        }
    }
    Ok(message)
}

/// How long a hook may take. What waits behind it, waits for all of this time.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs one hook. One that panics, or does not come to an end, refuses with 001.
pub(crate) async fn call<T>(hook: BoxFuture<'static, T>) -> Result<T, Stopped> {
    let done = tokio::time::timeout(HOOK_TIMEOUT, guarded(hook)).await;
    let done = done.unwrap_or_else(|_| {
        tracing::error!("a hook took longer than {HOOK_TIMEOUT:?}");
        Err(Error::Internal)
    });
    done.map_err(Stopped::Refused)
}

/// Where nothing can be replaced.
pub(crate) fn go_on(verdict: Verdict) -> Result<(), Stopped> {
    match verdict {
        Verdict::Keep | Verdict::Replace(()) => Ok(()),
        Verdict::Drop => Err(Stopped::Dropped),
        Verdict::Refuse(error) => Err(Stopped::Refused(error)),
    }
}
