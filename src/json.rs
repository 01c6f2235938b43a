//! JSON text of what is built from plain structs and JSON values.

use serde::Serialize;
use serde_json::{Map, Value};

/// Serializes what cannot fail to: plain structs and JSON values.
pub(crate) fn to_string(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a value could not be serialized");
        "null".to_owned()
    })
}

/// What the allocator keeps beside each piece of memory.
const PIECE: usize = 16;

/// The memory that a value takes beside itself, in bytes: about what the allocator says. In depth it is bounded, because
/// what is read is.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text_weight(text),
        Value::Array(values) if values.capacity() == 0 => 0,
        Value::Array(values) => {
            let own = values.capacity() * size_of::<Value>() + PIECE;
            own + values.iter().map(weight).sum::<usize>()
        }
        Value::Object(fields) => fields_weight(fields),
    }
}

/// The memory that the fields of an object take.
pub(crate) fn fields_weight(fields: &Map<String, Value>) -> usize {
    if fields.is_empty() {
        return 0;
    }
    // A table of positions, which is a power of two and an eighth of it empty, and as many entries as have a place in it.
    let buckets = (fields.len() * 8 / 7 + 1).next_power_of_two().max(4);
    let entry = size_of::<Value>() + size_of::<String>() + size_of::<u64>();
    let own = buckets * (size_of::<usize>() + 1) + buckets * 7 / 8 * entry + 3 * PIECE;
    let of_field = |(name, value): (&String, &Value)| text_weight(name) + weight(value);
    own + fields.iter().map(of_field).sum::<usize>()
}

fn text_weight(text: &String) -> usize {
    match text.capacity() {
        0 => 0,
        capacity => capacity + PIECE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_texts_can_be_heavy_values() {
        let of = |text: &str| weight(&serde_json::from_str(text).unwrap());
        for light in ["null", "1", "\"\"", "[]", "{}"] {
            assert_eq!(of(light), 0, "{light}");
        }
        let numbers = format!("[{}1]", "1,".repeat(999));
        assert!(of(&numbers) >= 1000 * size_of::<Value>());
        let objects = format!("[{}0]", "{\"\":0},".repeat(1000));
        let each = of(&objects) / 1000;
        assert!((300..700).contains(&each), "{each}");
        let text = format!("{{\"a\":{{\"b\":\"{}\"}}}}", "x".repeat(5000));
        assert!((5000..7000).contains(&of(&text)));
    }
}
