//! One call of an action, from the request to its outcome (docs/protocol/packets.md#actions).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use stellar_transports::Reservation;

use super::super::connection::{Connection, ConnectionType};
use super::super::middleware::{ActionMiddleware, Stopped, go_on};
use super::super::{App, Error, input};
use super::registry::version_value;
use super::{Action, Context};

/// A request for an action.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) connection: Connection,
    pub(crate) params: Map<String, Value>,
    /// Files that came with the request.
    pub(crate) uploads: Vec<PathBuf>,
    /// The number of the packet, or 0.
    pub(crate) number: u64,
    /// What the params take, as long as the call lasts.
    pub(crate) memory: Option<Reservation>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) response: Map<String, Value>,
    pub(crate) error: Option<Error>,
    /// Nothing is sent.
    pub(crate) is_silent: bool,
    /// The params as the action saw them, `apiVersion` included: an object, or null where there were none.
    pub(crate) params: Arc<Value>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
}

impl Call {
    /// Runs the action. Never fails and never panics: whatever happens is in the outcome.
    pub(crate) async fn run(mut self, app: &App) -> Outcome {
        let pending = self.connection.begin_action();
        let wanted = self.params.get("apiVersion").filter(|it| !it.is_null());
        let is_wanted = wanted.is_some();
        let action = app.registry().find(self.action(), wanted).cloned();
        if let (Some(action), false) = (&action, is_wanted) {
            let version = version_value(action.version);
            self.params.insert("apiVersion".into(), version);
        }
        match self.check(app, action, pending.running) {
            Err(error) => Outcome {
                error: Some(error),
                params: Arc::new(Value::Object(self.params)),
                ..Outcome::default()
            },
            Ok(action) => {
                let context = Context::new(app.clone(), self, Arc::clone(&action));
                run_in(app, &action, &context).await;
                let state = std::mem::take(&mut *context.state());
                Outcome {
                    response: state.response,
                    error: state.error,
                    is_silent: state.is_silent,
                    params: state.params,
                    status: state.status,
                    headers: state.headers,
                }
            }
        }
    }

    /// The name of the action; empty where there is none.
    fn action(&self) -> &str {
        match self.params.get("action") {
            Some(Value::String(name)) => name,
            Some(_) | None => "",
        }
    }

    /// The first failing check wins.
    fn check(
        &self,
        app: &App,
        action: Option<Arc<Action>>,
        running: u32,
    ) -> Result<Arc<Action>, Error> {
        let kind = self.connection.kind();
        // What is running may finish, with whatever it calls.
        if kind != ConnectionType::Internal && !app.is_running() {
            return Err(Error::ShuttingDown);
        }
        if kind != ConnectionType::Internal && running > app.options().simultaneous_actions {
            return Err(Error::TooManyPending);
        }
        let action = action.ok_or_else(|| Error::UnknownAction(self.action().to_owned()))?;
        if action.blocked.contains(&kind) {
            return Err(Error::BlockedConnectionType(kind.as_str()));
        }
        if action.is_private && kind != ConnectionType::Internal {
            return Err(Error::PrivateAction(self.action().to_owned()));
        }
        Ok(action)
    }
}

/// Middleware, inputs, the action, middleware.
async fn run_in(app: &App, action: &Action, context: &Context) {
    let middleware = app.action_middleware();
    let chain: Vec<&ActionMiddleware> = middleware
        .iter()
        .filter(|middleware| middleware.is_global)
        .chain(action.middleware.iter().filter_map(|name| {
            middleware
                .iter()
                .find(|middleware| middleware.name == *name)
        }))
        .collect();
    let result = match before(&chain, context).await {
        Ok(()) => run_action(app, action, context).await,
        Err(Stopped::Dropped) => Ok(()),
        Err(Stopped::Refused(error)) => Err(error),
    };
    context.state().error = result.err();
    for middleware in &chain {
        let Some(hook) = &middleware.after else {
            continue;
        };
        let verdict = guarded(async { hook(context.clone()).await }).await;
        match verdict.map_err(Stopped::Refused).and_then(go_on) {
            Ok(()) => {}
            Err(Stopped::Dropped) => context.silence(),
            Err(Stopped::Refused(error)) => context.state().error = Some(error),
        }
    }
}

async fn before(chain: &[&ActionMiddleware], context: &Context) -> Result<(), Stopped> {
    for middleware in chain {
        if let Some(hook) = &middleware.before {
            let verdict = guarded(async { hook(context.clone()).await }).await;
            verdict.map_err(Stopped::Refused).and_then(go_on)?;
        }
    }
    Ok(())
}

async fn run_action(app: &App, action: &Action, context: &Context) -> Result<(), Error> {
    // Defaults, formats and checks may be the application's functions too.
    let prepared = guarded(async {
        let state = &mut *context.state();
        let prepared = match Arc::make_mut(&mut state.params) {
            Value::Object(params) => {
                input::prepare_in(&action.inputs, params, &app.options().errors)
            }
            _ => Ok(()),
        };
        prepared.map(|()| Arc::clone(&state.params))
    });
    let params = prepared
        .await?
        .map_err(|fields| Error::Custom(Value::Object(fields)))?;
    // Calling the function is inside the guard too: it may panic before its first await.
    let begun = catch_unwind(AssertUnwindSafe(|| (action.run)(context.clone(), &params)));
    let mut run = begun.map_err(panicked)?;
    // It has its own now.
    drop(params);
    // Most are done at once, and need no timer.
    let first = guarded(std::future::poll_fn(|cx| {
        Poll::Ready(run.as_mut().poll(cx))
    }));
    let done = match first.await? {
        Poll::Ready(done) => done,
        Poll::Pending => {
            context.connection().waits(context);
            tokio::time::timeout(app.options().action_timeout, guarded(run))
                .await
                .map_err(|_| Error::ActionTimeout(action.name.clone()))??
        }
    };
    let value = done.map_err(|error| error.0)?;
    match value {
        Value::Object(fields) => {
            let response = &mut context.state().response;
            match response.is_empty() {
                true => *response = fields,
                false => response.extend(fields),
            }
        }
        Value::Null => {}
        other => {
            context.state().response.insert("data".into(), other);
        }
    }
    Ok(())
}

/// Turns a panic of the application's code into the table's 001.
pub(crate) async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, Error> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .map_err(panicked)
}

fn panicked(_payload: Box<dyn Any + Send>) -> Error {
    tracing::error!("the application's code panicked");
    Error::Internal
}
