//! The actions by name and version.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::middleware::ActionMiddleware;
use super::super::verbs::is_verb;
use super::Action;

/// All actions.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// Versions of one name in ascending order.
    actions: BTreeMap<String, Vec<Arc<Action>>>,
}

/// Why an app could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// An action without a name.
    #[error("an action needs a name")]
    NoName,
    /// An action whose name is a verb.
    #[error("action `{0}` has the name of a verb; choose another")]
    VerbName(String),
    /// The same name and version twice.
    #[error("action `{0}` is registered twice with the same version")]
    Duplicate(String),
    /// An input with a faulty rule.
    #[error("action `{action}`: {detail}")]
    Input {
        /// The action.
        action: String,
        /// What is wrong.
        detail: String,
    },
    /// An action names middleware that is not registered.
    #[error("action `{action}` names the middleware `{middleware}`, which is not registered")]
    Middleware {
        /// The action.
        action: String,
        /// The name.
        middleware: String,
    },
    /// A middleware without a name.
    #[error("middleware.name is required")]
    NoMiddlewareName,
}

impl Registry {
    pub(crate) fn add(&mut self, action: Action) -> Result<(), RegistrationError> {
        if action.name.is_empty() {
            return Err(RegistrationError::NoName);
        }
        if is_verb(&action.name) {
            return Err(RegistrationError::VerbName(action.name));
        }
        if let Some(error) = action.inputs.iter().find_map(|input| input.error()) {
            return Err(RegistrationError::Input {
                action: action.name,
                detail: error.to_string(),
            });
        }
        let versions = self.actions.entry(action.name.clone()).or_default();
        match versions.binary_search_by(|known| known.version.total_cmp(&action.version)) {
            Ok(_) => Err(RegistrationError::Duplicate(action.name)),
            Err(place) => {
                versions.insert(place, Arc::new(action));
                Ok(())
            }
        }
    }

    /// Checks that every middleware that an action names exists.
    pub(crate) fn check_middleware(
        &self,
        known: &[ActionMiddleware],
    ) -> Result<(), RegistrationError> {
        for action in self.actions.values().flatten() {
            let missing = action
                .middleware
                .iter()
                .find(|name| !known.iter().any(|middleware| middleware.name == **name));
            if let Some(missing) = missing {
                return Err(RegistrationError::Middleware {
                    action: action.name.clone(),
                    middleware: missing.clone(),
                });
            }
        }
        Ok(())
    }

    /// The action of this name, in the wanted version or the highest.
    pub(crate) fn find(&self, name: &str, version: Option<&Value>) -> Option<&Arc<Action>> {
        let versions = self.actions.get(name)?;
        let Some(wanted) = version else {
            return versions.last();
        };
        // HTTP queries carry numbers as text.
        let wanted = match wanted {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.trim().parse().ok()?,
            Value::Null => return versions.last(),
            _ => return None,
        };
        versions.iter().find(|action| action.version == wanted)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.actions.contains_key(name)
    }

    /// The name of an action, however its letters are written.
    pub(crate) fn find_ignoring_case(&self, name: &str) -> Option<&str> {
        let mut names = self.actions.keys().map(String::as_str);
        self.actions
            .get_key_value(name)
            .map(|(name, _)| &**name)
            .or_else(|| names.find(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Every action, by name and version.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Action>> {
        self.actions.values().flatten()
    }
}

/// A version as JSON shows it: whole numbers without a fraction.
pub(crate) fn version_value(version: f64) -> Value {
    if version.fract() == 0.0 && (0.0..9e15).contains(&version) {
        // In range, so nothing is cut off.
        Value::from(version as u64)
    } else {
        Value::from(version)
    }
}
