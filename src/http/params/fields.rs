//! Named values, and the form encoding that queries and forms share.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::BadRequest;

/// The values of a field: its name, and what it says.
const FIELD: usize = 2;

/// Collects the fields of one part of a request after the other, and counts them all.
#[derive(Debug)]
pub(super) struct Fields {
    values: Map<String, Value>,
    left: usize,
    limit: usize,
    /// The whole is one.
    values_left: usize,
    max_values: usize,
}

impl Fields {
    pub(super) fn new(limit: usize, max_values: usize) -> Self {
        Self {
            values: Map::new(),
            left: limit,
            limit,
            values_left: max_values.saturating_sub(1),
            max_values,
        }
    }

    /// Adds the fields of a query or form: `a=1&b=two+words&c`.
    pub(super) fn add_encoded(&mut self, encoded: &[u8]) -> Result<(), BadRequest> {
        let pairs = encoded.split(|byte| *byte == b'&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            self.count()?;
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            self.add(name, Value::String(value));
        }
        Ok(())
    }

    /// Counts a field. Comes before any work on it.
    pub(super) fn count(&mut self) -> Result<(), BadRequest> {
        let limit = self.limit;
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(BadRequest::TooManyFields { limit })?;
        let limit = self.max_values;
        self.values_left = self
            .values_left
            .checked_sub(FIELD)
            .ok_or(BadRequest::TooManyValues { limit })?;
        Ok(())
    }

    /// Adds a counted field; a name that is there already gets all its values in an array.
    pub(super) fn add(&mut self, name: String, value: Value) {
        match self.values.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                // Fields are strings and objects, so an array can only be one made here.
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }

    /// Takes what was collected. The count goes on.
    pub(super) fn take(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.values)
    }
}

fn decode(encoded: &[u8]) -> Result<String, BadRequest> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = digit(bytes.next()).ok_or(BadRequest::Escape)?;
                let low = digit(bytes.next()).ok_or(BadRequest::Escape)?;
                high * 16 + low
            }
            _ => byte,
        });
    }
    let text = stellar_transports::json::utf8(&decoded).ok_or(BadRequest::NotUtf8)?;
    Ok(text.into_owned())
}
