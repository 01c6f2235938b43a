//! Actions: what clients may call, as async Rust functions.

mod context;
mod registry;
mod run;

use std::any::{Any, TypeId};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub use context::Context;
pub(crate) use context::WeakContext;
use futures_util::future::BoxFuture;
pub use registry::RegistrationError;
pub(crate) use registry::Registry;
pub(crate) use run::{Call, Outcome, guarded};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connection::ConnectionType;
use super::error::Error;
use super::input::Input;

/// Something that clients may call by name.
///
/// ```
/// use serde::Deserialize;
/// use serde_json::json;
/// use stellar::app::{Action, Input};
///
/// #[derive(Deserialize)]
/// struct Sum {
///     a: i64,
///     b: i64,
/// }
///
/// let sum = Action::new("math.sum", |_context, params: Sum| async move {
///     Ok(json!({ "sum": params.a + params.b }))
/// })
/// .input(Input::new("a").integer().required())
/// .input(Input::new("b").integer().required());
/// assert_eq!(sum.name(), "math.sum");
/// ```
#[derive(Clone)]
pub struct Action {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) version: f64,
    pub(crate) inputs: Vec<Input>,
    pub(crate) middleware: Vec<String>,
    pub(crate) is_private: bool,
    pub(crate) blocked: Vec<ConnectionType>,
    pub(crate) run: Run,
}

/// The params are an object, shared with the context.
type Run =
    Arc<dyn Fn(Context, &Value) -> BoxFuture<'static, Result<Value, ActionError>> + Send + Sync>;

impl Action {
    /// An action of version 1. `run` gets the params as a type of your choice (`serde_json::Value` takes them as
    /// they are) and returns anything that serializes: an object's fields become the response, any other value
    /// its `data`.
    pub fn new<P, R, F, Fut>(name: impl Into<String>, run: F) -> Self
    where
        P: DeserializeOwned + 'static,
        R: Serialize + 'static,
        F: Fn(Context, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ActionError>> + Send + 'static,
    {
        let run: Run = Arc::new(move |context, params| match from_value(params) {
            Ok(params) => {
                let future = run(context, params);
                Box::pin(async move { Ok(to_value(future.await?)?) })
            }
            Err(error) => {
                Box::pin(async move { Err(ActionError::from(format!("Invalid params: {error}"))) })
            }
        });
        Self {
            name: name.into(),
            description: String::new(),
            version: 1.0,
            inputs: Vec::new(),
            middleware: Vec::new(),
            is_private: false,
            blocked: Vec::new(),
            run,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Chooses the version. Callers without `apiVersion` get the highest.
    #[must_use]
    pub const fn version(mut self, version: f64) -> Self {
        self.version = version;
        self
    }

    /// Declares a param.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }

    /// Applies the action middleware of this name. Those of one action run in the order in which it lists them,
    /// after the global ones.
    #[must_use]
    pub fn middleware(mut self, name: impl Into<String>) -> Self {
        self.middleware.push(name.into());
        self
    }

    /// Lets only the program itself call it.
    #[must_use]
    pub const fn private(mut self) -> Self {
        self.is_private = true;
        self
    }

    /// Closes it to a type of connection.
    #[must_use]
    pub fn block(mut self, kind: ConnectionType) -> Self {
        self.blocked.push(kind);
        self
    }
}

/// A value as the type that an action takes. What is a value already is only copied.
fn from_value<P: DeserializeOwned + 'static>(value: &Value) -> Result<P, serde_json::Error> {
    if TypeId::of::<P>() != TypeId::of::<Value>() {
        return P::deserialize(value);
    }
    retyped(value.clone()).map_or_else(|_| P::deserialize(value), Ok)
}

/// What an action returned as a value, which it may be already.
fn to_value<R: Serialize + 'static>(value: R) -> Result<Value, serde_json::Error> {
    retyped(value).or_else(serde_json::to_value)
}

/// The same value, if `A` and `B` are the same type.
fn retyped<A: 'static, B: 'static>(value: A) -> Result<B, A> {
    let mut slot = Some(value);
    match (&mut slot as &mut dyn Any).downcast_mut::<Option<B>>() {
        Some(same) => Ok(same.take().expect("it was put there")),
        None => Err(slot.expect("it was put there")),
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Why an action failed. A text, a JSON value, one of the table's [`Error`]s or any boxed error becomes one by `?`
/// or `.into()`.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionError(pub(crate) Error);

impl From<Error> for ActionError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<&str> for ActionError {
    fn from(text: &str) -> Self {
        Self(Error::text(text))
    }
}

impl From<String> for ActionError {
    fn from(text: String) -> Self {
        Self(Error::text(text))
    }
}

impl From<Value> for ActionError {
    fn from(value: Value) -> Self {
        Self(Error::Custom(value))
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for ActionError {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => Self(*error),
            Err(error) => Self(Error::text(error.to_string())),
        }
    }
}

impl From<serde_json::Error> for ActionError {
    fn from(error: serde_json::Error) -> Self {
        Self(Error::text(error.to_string()))
    }
}

impl From<std::io::Error> for ActionError {
    fn from(error: std::io::Error) -> Self {
        Self(Error::text(error.to_string()))
    }
}
