//! EJSON: JSON with dates, bytes, and the numbers that JSON lacks.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value as Node;
use stellar_transports::{IncomingPayload, Payload, json, primus};

use super::msgpack::date_of;
use super::{MAX_VALUES, Parser, ParserError};
use crate::primus::{Object, Value};

/// As deep as `serde_json` reads.
const MAX_DEPTH: usize = 127;

/// Not every sender writes the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// EJSON in text frames, as `ejson` has it (docs/protocol/primus.md#ejson).
///
/// [Bytes](Value::Bytes) reach scripts as `Uint8Array`, [dates](Value::Date) as `Date`, and infinite numbers and NaN as
/// what they are. Two kinds of values are objects here, in both directions: a regular expression is `{"$regexp": "a",
/// "$flags": "g"}`, and a value of an application's own type is `{"$type": "Point", "$value": …}`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ejson;

impl Parser for Ejson {
    fn name(&self) -> &'static str {
        "ejson"
    }

    fn encode(&self, value: &Value) -> Result<Payload, ParserError> {
        let depth = Cell::new(0);
        let text = serde_json::to_string(&Written {
            value,
            depth: &depth,
        })
        .map_err(|error| ParserError::new(error.to_string()))?;
        Ok(Payload::Text(match primus::escape(&text) {
            Cow::Borrowed(_) => text.into(),
            Cow::Owned(escaped) => escaped.into(),
        }))
    }

    fn decode(&self, message: IncomingPayload<'_>) -> Result<Value, ParserError> {
        match message {
            // Each value takes a character at least.
            IncomingPayload::Text(text) if text.len() > MAX_VALUES => {
                super::json::read(text).and_then(|_within_the_limit| parse(text))
            }
            IncomingPayload::Text(text) => parse(text),
            IncomingPayload::Binary(_) => Err(ParserError::new("the message is bytes, not text")),
        }
    }

    fn string<'a>(&self, message: IncomingPayload<'a>) -> Option<Cow<'a, str>> {
        match message {
            IncomingPayload::Text(text) => primus::json_string(text),
            IncomingPayload::Binary(_) => None,
        }
    }

    fn client(&self) -> Option<Cow<'static, str>> {
        Some(include_str!("../../../client-js/dist/primus-parser-ejson.min.js").into())
    }
}

fn parse(text: &str) -> Result<Value, ParserError> {
    json::from_str(text)
        .map_err(|error| ParserError::new(error.to_string()))
        .and_then(read)
}

/// What an object stands for, by its keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Plain,
    Date,
    Binary,
    Number,
    Escaped,
    /// A regular expression, or a type of the application. These stay as they are.
    Kept,
    /// It has the keys of these, but not their texts.
    Broken,
}

impl Shape {
    /// Asks for the keys, and whether their values are text.
    fn of<'a>(pairs: impl ExactSizeIterator<Item = (&'a str, bool)>) -> Self {
        let len = pairs.len();
        if len == 0 || len > 2 {
            return Self::Plain;
        }
        let mut named = [("", false); 2];
        for (place, pair) in named.iter_mut().zip(pairs) {
            *place = pair;
        }
        named[..len].sort_unstable();
        match named {
            [("$date", _), _] if len == 1 => Self::Date,
            [("$binary", _), _] if len == 1 => Self::Binary,
            [("$InfNaN", _), _] if len == 1 => Self::Number,
            [("$escape", _), _] if len == 1 => Self::Escaped,
            [("$flags", true), ("$regexp", true)] | [("$type", true), ("$value", _)] => Self::Kept,
            [("$flags", _), ("$regexp", _)] | [("$type", _), ("$value", _)] => Self::Broken,
            _ => Self::Plain,
        }
    }
}

/// A value on its way into JSON.
struct Written<'a> {
    value: &'a Value,
    /// How many brackets are open.
    depth: &'a Cell<usize>,
}

impl<'a> Written<'a> {
    const fn child(&self, value: &'a Value) -> Self {
        Written {
            value,
            depth: self.depth,
        }
    }

    fn open<E: serde::ser::Error>(&self) -> Result<(), E> {
        let depth = self.depth.get() + 1;
        self.depth.set(depth);
        if depth <= MAX_DEPTH {
            Ok(())
        } else {
            Err(E::custom("the value is nested too deeply"))
        }
    }

    fn close(&self) {
        self.depth.set(self.depth.get() - 1);
    }

    /// An object of one pair.
    fn marked<S: Serializer>(
        &self,
        serializer: S,
        mark: &str,
        content: &impl Serialize,
    ) -> Result<S::Ok, S::Error> {
        self.open()?;
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(mark, content)?;
        self.close();
        map.end()
    }
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Float(number) if !number.is_finite() => {
                let sign = match number.is_nan() {
                    true => 0,
                    false => number.signum() as i8,
                };
                self.marked(serializer, "$InfNaN", &sign)
            }
            // JSON writes a date that is none as null.
            Value::Date(ms) => self.marked(serializer, "$date", &Value::Float(ms.trunc())),
            Value::Bytes(bytes) => self.marked(serializer, "$binary", &BASE64.encode(bytes)),
            Value::Array(values) => {
                self.open()?;
                let array = serializer.collect_seq(values.iter().map(|value| self.child(value)))?;
                self.close();
                Ok(array)
            }
            Value::Object(object) => {
                let pairs = object.iter();
                match Shape::of(pairs.map(|(key, value)| (&**key, value.as_str().is_some()))) {
                    Shape::Plain => Pairs(self, object).serialize(serializer),
                    // What the functions of a type make and read is plain JSON.
                    Shape::Kept => serializer.collect_map(object),
                    Shape::Date
                    | Shape::Binary
                    | Shape::Number
                    | Shape::Escaped
                    | Shape::Broken => self.marked(serializer, "$escape", &Pairs(self, object)),
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::String(_) => self.value.serialize(serializer),
        }
    }
}

/// The pairs of an object.
struct Pairs<'a>(&'a Written<'a>, &'a Object);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(parent, object) = self;
        parent.open()?;
        let pairs = object.iter();
        let map = serializer.collect_map(pairs.map(|(key, value)| (key, parent.child(value))))?;
        parent.close();
        Ok(map)
    }
}

fn read(node: Node) -> Result<Value, ParserError> {
    let map = match node {
        Node::Array(nodes) => {
            let values = nodes.into_iter().map(read);
            return Ok(Value::Array(values.collect::<Result<_, _>>()?));
        }
        Node::Object(map) => map,
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) => {
            return Ok(Value::from(node));
        }
    };
    let shape = Shape::of(map.iter().map(|(key, node)| (&**key, node.is_string())));
    let mut pairs = map.into_iter();
    match shape {
        Shape::Plain => object(pairs),
        Shape::Kept => Ok(Value::Object(
            pairs.map(|(key, node)| (key, node.into())).collect(),
        )),
        Shape::Date | Shape::Binary | Shape::Number | Shape::Escaped | Shape::Broken => {
            let content = pairs.next().map(|(_, node)| node);
            special(shape, content.unwrap_or_default())
        }
    }
}

fn object(pairs: impl Iterator<Item = (String, Node)>) -> Result<Value, ParserError> {
    let pairs = pairs.map(|(key, node)| Ok((key, read(node)?)));
    Ok(Value::Object(pairs.collect::<Result<_, ParserError>>()?))
}

fn special(shape: Shape, content: Node) -> Result<Value, ParserError> {
    match (shape, content) {
        // So invalid dates are written.
        (Shape::Date, Node::Null) => Ok(Value::Date(f64::NAN)),
        (Shape::Date, Node::Number(ms)) => Ok(date_of(ms.as_f64().unwrap_or(f64::NAN))),
        (Shape::Number, Node::Number(sign)) => {
            Ok(Value::Float(sign.as_f64().unwrap_or(f64::NAN) / 0.0))
        }
        (Shape::Binary, Node::String(text)) => BASE64
            .decode(text)
            .map(|bytes| Value::Bytes(bytes.into()))
            .map_err(|error| ParserError::new(error.to_string())),
        (Shape::Escaped, Node::Object(map)) => object(map.into_iter()),
        _ => Err(ParserError::new(
            "a value beginning with $ is none of EJSON's",
        )),
    }
}
