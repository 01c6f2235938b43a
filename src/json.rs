//! JSON text of what is built from plain structs and JSON values.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
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

/// What indentation may add to a text in any case, in bytes.
const INDENTED: usize = 16 * 1024;

/// As [`to_string`], indented by so many spaces, unless that makes more than twice the text and [`INDENTED`]: a value deep
/// down may be indented by many times its own length.
pub(crate) fn indented(value: &impl Serialize, spaces: usize) -> String {
    if spaces == 0 {
        return to_string(value);
    }
    let indent = " ".repeat(spaces);
    let pretty = |limit| {
        within(
            value,
            limit,
            PrettyFormatter::with_indent(indent.as_bytes()),
        )
    };
    pretty(INDENTED).unwrap_or_else(|| {
        let text = to_string(value);
        pretty(2 * text.len() + INDENTED).unwrap_or(text)
    })
}

/// Whether a value takes at most `limit` bytes as JSON.
pub(crate) fn fits(value: &impl Serialize, limit: usize) -> bool {
    within(value, limit, CompactFormatter).is_some()
}

/// The text, if it takes at most `limit` bytes. Nothing beyond them is written.
fn within(value: &impl Serialize, limit: usize, formatter: impl Formatter) -> Option<String> {
    let mut room = Room {
        bytes: Vec::new(),
        limit,
    };
    let mut serializer = serde_json::Serializer::with_formatter(&mut room, formatter);
    value.serialize(&mut serializer).ok()?;
    String::from_utf8(room.bytes).ok()
}

/// So much memory, and no more.
struct Room {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn what_is_small_is_indented() {
        let value = json!({"a": [1]});
        assert_eq!(indented(&value, 2), "{\n  \"a\": [\n    1\n  ]\n}");
        assert_eq!(indented(&value, 0), "{\"a\":[1]}");
        let large = json!(vec!["x".repeat(100); 1000]);
        assert!(indented(&large, 2).starts_with("[\n  \"xxx"));
    }

    #[test]
    fn indentation_at_most_doubles_what_is_large() {
        let deep = (0..100).fold(json!(vec![1; 100_000]), |inner, _| json!([inner]));
        let small = (0..100).fold(json!([1]), |inner, _| json!([inner]));
        for value in [deep, small] {
            let compact = to_string(&value);
            for spaces in [1, 2, 255] {
                let text = indented(&value, spaces);
                assert!(text.len() <= 2 * compact.len() + INDENTED);
                assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            }
        }
    }

    #[test]
    fn a_value_fits_to_the_byte() {
        assert!(fits(&json!({"a": "é"}), 10));
        assert!(!fits(&json!({"a": "é"}), 9));
    }
}
