//! JSON text of what is built from plain structs and JSON values.

use serde::Serialize;

/// Serializes what cannot fail to: plain structs and JSON values.
pub(crate) fn to_string(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a value could not be serialized");
        "null".to_owned()
    })
}
