//! Formats: converting a param to the type that its action wants.

use serde_json::Value;

use super::{Function, text};
use crate::app::Error;

/// 2⁶³, the first number above every `i64`; exact as a float, which `i64::MAX` is not.
const ABOVE_I64: f64 = 9_223_372_036_854_775_808.0;

/// The largest magnitude below which every whole number has a float of its own (2⁵³).
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

pub(super) type FormatFn = dyn Fn(&Value) -> Result<Value, String> + Send + Sync;

/// What a param is converted to before validators see it.
#[derive(Clone, Debug)]
pub(super) enum Format {
    Integer,
    Float,
    String,
    With(Function<FormatFn>),
}

impl Format {
    /// Converts the param `name` in place, unless it is falsy.
    pub(super) fn apply(&self, name: &str, value: &mut Value) -> Result<(), Error> {
        if !is_truthy(value) {
            return Ok(());
        }
        let (converted, expected) = match self {
            Self::Integer => (to_integer(value), "integer"),
            Self::Float => (to_float(value), "float"),
            Self::String => (
                text::of(value).map(|t| Value::from(t.into_owned())),
                "string",
            ),
            Self::With(function) => {
                *value = (function.0)(value).map_err(Error::text)?;
                return Ok(());
            }
        };
        *value = converted.ok_or_else(|| Error::InvalidType {
            param: name.to_owned(),
            expected: expected.to_owned(),
        })?;
        Ok(())
    }
}

/// Truth as JavaScript has it; formats are defined by it.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn to_integer(value: &Value) -> Option<Value> {
    let whole = |number: f64| {
        let number = number.trunc();
        (-ABOVE_I64..ABOVE_I64)
            .contains(&number)
            .then(|| Value::from(number as i64))
    };
    match value {
        Value::Number(number) if number.is_i64() => Some(value.clone()),
        Value::Number(number) => whole(number.as_f64()?),
        Value::String(text) => {
            let number = text::leading_number(text)?;
            // Digits alone keep all of their 64 bits; only the rest goes through a float.
            match number.parse::<i64>() {
                Ok(number) => Some(number.into()),
                Err(_) => whole(number.parse().ok()?),
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn to_float(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let number: f64 = text::leading_number(text)?.parse().ok()?;
            if number.fract() == 0.0 && number.abs() <= EXACT_FLOAT {
                // Echoed params should read `3`, as the same number sent as JSON would.
                Some(Value::from(number as i64))
            } else {
                number.is_finite().then(|| number.into())
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
