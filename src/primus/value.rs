//! What messages carry: the values that Primus's parsers know.

use bytes::Bytes;
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};

/// An object: its keys in the order in which they came.
pub type Object = IndexMap<String, Value>;

/// A value as a script has it: JSON, and what some parsers have besides.
///
/// ```
/// use serde_json::json;
/// use stellar::primus::Value;
///
/// let value = Value::from(json!({ "name": "ann", "age": 7 }));
/// assert_eq!(value["name"].as_str(), Some("ann"));
/// assert_eq!(value["nothing"], Value::Null);
/// assert_eq!(value.to_json(), json!({ "name": "ann", "age": 7 }));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`, and what scripts have as `undefined`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`. Scripts read it as a float.
    UInt(u64),
    /// Any other number, also infinite ones and NaN. JSON writes those as `null`.
    Float(f64),
    /// Text.
    String(String),
    /// Bytes. JSON writes them as Node writes a `Buffer`: `{"type":"Buffer","data":[1,2]}`.
    Bytes(Bytes),
    /// A time, in ms since the Unix epoch. JSON writes it as text, in the form of ISO 8601.
    Date(f64),
    /// A list.
    Array(Vec<Self>),
    /// Values by name.
    Object(Object),
}

static NULL: Value = Value::Null;

impl Value {
    /// The value of anything that can be serialized.
    ///
    /// # Errors
    ///
    /// As [`serde_json::to_value`].
    pub fn of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        serde_json::to_value(value).map(Self::from)
    }

    /// Reads the value as a `T`, as if it had come as JSON.
    ///
    /// # Errors
    ///
    /// When it is no `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_value(self.to_json())
    }

    /// The value as JSON has it.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => (*value).into(),
            Self::UInt(value) => (*value).into(),
            // Whole floats are written without a fraction, as scripts write them.
            Self::Float(value) => match whole(*value) {
                Some(whole) => whole.into(),
                None => (*value).into(),
            },
            Self::String(text) => Json::String(text.clone()),
            Self::Bytes(bytes) => json!({ "type": "Buffer", "data": &bytes[..] }),
            Self::Date(ms) => iso(*ms).map_or(Json::Null, Json::String),
            Self::Array(values) => values.iter().map(Self::to_json).collect(),
            Self::Object(object) => {
                let pairs = object.iter();
                Json::Object(
                    pairs
                        .map(|(key, value)| (key.clone(), value.to_json()))
                        .collect(),
                )
            }
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one. Beyond 2^53 it may be rounded.
    #[allow(
        clippy::cast_precision_loss,
        reason = "scripts have the same precision"
    )]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::UInt(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Float(value) => whole(*value),
            _ => None,
        }
    }

    /// The bytes, if it is such.
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        const NODE: usize = 32;
        NODE + match self {
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::UInt(_)
            | Self::Float(_)
            | Self::Date(_) => 0,
            Self::String(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Array(values) => values.iter().map(Self::weight).sum(),
            Self::Object(object) => {
                let pairs = object.iter();
                pairs
                    .map(|(key, value)| NODE + key.len() + value.weight())
                    .sum()
            }
        }
    }

    /// What an object has under `key`.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }
}

/// `Null` for what is not there.
impl std::ops::Index<&str> for Value {
    type Output = Self;

    fn index(&self, key: &str) -> &Self {
        self.get(key).unwrap_or(&NULL)
    }
}

/// `Null` for what is not there.
impl std::ops::Index<usize> for Value {
    type Output = Self;

    fn index(&self, at: usize) -> &Self {
        self.as_array()
            .and_then(|values| values.get(at))
            .unwrap_or(&NULL)
    }
}

/// As JSON has it.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::Float(value) => match whole(*value) {
                Some(whole) => serializer.serialize_i64(whole),
                None => serializer.serialize_f64(*value),
            },
            Self::String(text) => serializer.serialize_str(text),
            Self::Bytes(_) | Self::Date(_) => self.to_json().serialize(serializer),
            Self::Array(values) => serializer.collect_seq(values),
            Self::Object(object) => serializer.collect_map(object),
        }
    }
}

/// A float that scripts write as a whole number, exactly.
fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "it has no fraction and is in range"
    )]
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

/// A date as scripts write it into JSON: with three digits after the second, in UTC.
fn iso(ms: f64) -> Option<String> {
    const FORM: EncodedConfig = Config::DEFAULT
        .set_time_precision(TimePrecision::Second {
            decimal_digits: std::num::NonZero::new(3),
        })
        .encode();
    let nanos = i128::from(whole(ms.trunc())?) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    time.format(&Iso8601::<FORM>).ok()
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => Self::Int(value),
                (_, Some(value), _) => Self::UInt(value),
                (.., value) => Self::Float(value.unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::String(text),
            Json::Array(values) => Self::Array(values.into_iter().map(Self::from).collect()),
            Json::Object(object) => {
                let pairs = object.into_iter();
                Self::Object(pairs.map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::UInt(value), Self::Int)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_has_not_is_written_as_node_writes_it() {
        for (value, text) in [
            (Value::Float(f64::NAN), "null"),
            (Value::Float(f64::INFINITY), "null"),
            (Value::Float(3.0), "3"),
            (Value::Float(0.5), "0.5"),
            (Value::Float(-0.0), "0"),
            (Value::UInt(u64::MAX), "18446744073709551615"),
            (
                Value::Bytes(Bytes::from_static(b"\x01\xff")),
                r#"{"type":"Buffer","data":[1,255]}"#,
            ),
            (Value::Date(1000.0), "\"1970-01-01T00:00:01.000Z\""),
            (
                Value::Date(1_700_000_000_123.0),
                "\"2023-11-14T22:13:20.123Z\"",
            ),
            (Value::Date(f64::NAN), "null"),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(value.to_json().to_string(), text);
        }
    }

    #[test]
    fn json_survives_the_way_there_and_back() {
        let json = json!({ "z": [1, -1, 0.5, u64::MAX, true, null, "é"], "a": {} });
        let value = Value::from(json.clone());
        assert_eq!(value.to_json(), json);
        assert_eq!(serde_json::to_string(&value).unwrap(), json.to_string());
        assert_eq!(value["z"][2].as_f64(), Some(0.5));
        assert_eq!(value["z"][99], Value::Null);
    }

    #[test]
    fn vectors_of_what_becomes_a_value_become_lists() {
        let list = |values: &[Value]| Value::Array(values.to_vec());
        assert_eq!(Value::from(vec![1, 2]), list(&[1.into(), 2.into()]));
        assert_eq!(Value::from(vec!["a"]), list(&["a".into()]));
        assert_eq!(Value::from(vec![Value::Null]), list(&[Value::Null]));
        assert_eq!(Value::from(Vec::<String>::new()), list(&[]));
        let nested = Value::from(vec![vec![Some(true), None], vec![]]);
        assert_eq!(nested.to_json(), json!([[true, null], []]));
        // Not `Value::Bytes`: that is what `Bytes` becomes.
        assert_eq!(Value::from(vec![7_u32]).as_bytes(), None);
    }

    #[test]
    fn values_are_read_as_types() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Person {
            name: String,
            age: u8,
        }
        let ann = Person {
            name: "Ann".into(),
            age: 7,
        };
        let value = Value::of(&ann).unwrap();
        assert_eq!(value.parse::<Person>().unwrap(), ann);
        assert!(Value::from("Ann").parse::<Person>().is_err());
    }
}
