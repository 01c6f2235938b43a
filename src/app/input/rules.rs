//! The rules: what each accepts, and what it says otherwise.

use std::net::IpAddr;

use regex::Regex;
use serde_json::{Map, Value};

use super::text;

/// A rule, its arguments read.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    Required,
    RequiredIf(Choice),
    RequiredUnless(Choice),
    RequiredWith(Vec<String>),
    RequiredWithAll(Vec<String>),
    RequiredWithout(Vec<String>),
    RequiredWithoutAll(Vec<String>),
    Filled,
    Alpha,
    AlphaNum,
    AlphaDash,
    Array,
    Boolean,
    Json,
    Integer,
    Numeric,
    Date,
    Before(Bound<i128>),
    After(Bound<i128>),
    Email,
    Ip,
    Url,
    In(Vec<String>),
    NotIn(Vec<String>),
    Min(Bound<f64>),
    Max(Bound<f64>),
    Between(Bound<f64>, Bound<f64>),
    Size(Bound<f64>),
    Same(String),
    Different(String),
    Confirmed,
    Regex(Regex),
}

/// Another field and the values of it that matter.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) field: String,
    pub(super) values: Vec<String>,
}

/// A limit, with the text it was written as for messages.
#[derive(Clone, Debug)]
pub(super) struct Bound<T> {
    pub(super) value: T,
    pub(super) text: String,
}

/// What a rule is applied to: one field of one call.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) field: &'a str,
    /// `None` when the param is absent.
    pub(super) value: Option<&'a Value>,
    pub(super) params: &'a Map<String, Value>,
    /// Whether text that is a number is measured as one.
    pub(super) numeric: bool,
}

/// How large a value is, in what its limits count.
enum Measure {
    Number(f64),
    Characters(f64),
    Items(f64),
}

impl Rule {
    /// Why the subject fails this rule; `None` if it passes.
    pub(super) fn failure(&self, subject: &Subject<'_>) -> Option<String> {
        let passes = match subject.value {
            Some(value) => self.accepts(value, subject),
            None => self.accepts_absence(subject.params),
        };
        (!passes).then(|| self.message(subject))
    }

    /// The implicit rules decide whether a param may be absent; all others are about values.
    fn accepts_absence(&self, params: &Map<String, Value>) -> bool {
        let present = |field: &String| params.contains_key(field);
        match self {
            Self::Required => false,
            Self::RequiredIf(choice) => !choice.is_met(params),
            Self::RequiredUnless(choice) => choice.is_met(params),
            Self::RequiredWith(fields) => !fields.iter().any(present),
            Self::RequiredWithAll(fields) => !fields.iter().all(present),
            Self::RequiredWithout(fields) => fields.iter().all(present),
            Self::RequiredWithoutAll(fields) => fields.iter().any(present),
            _ => true,
        }
    }

    fn accepts(&self, value: &Value, subject: &Subject<'_>) -> bool {
        let other = |field: &str| subject.params.get(field);
        let measure = |fits: &dyn Fn(f64) -> bool| {
            Measure::of(value, subject.numeric).is_some_and(|measure| fits(measure.amount()))
        };
        match self {
            Self::Required
            | Self::RequiredIf(_)
            | Self::RequiredUnless(_)
            | Self::RequiredWith(_)
            | Self::RequiredWithAll(_)
            | Self::RequiredWithout(_)
            | Self::RequiredWithoutAll(_) => true,
            Self::Filled => match value {
                Value::Null => false,
                Value::String(text) => !text.trim().is_empty(),
                Value::Array(items) => !items.is_empty(),
                Value::Object(members) => !members.is_empty(),
                Value::Bool(_) | Value::Number(_) => true,
            },
            Self::Alpha => matches(&text::ALPHA, value),
            Self::AlphaNum => matches(&text::ALPHA_NUM, value),
            Self::AlphaDash => matches(&text::ALPHA_DASH, value),
            Self::Regex(regex) => matches(regex, value),
            Self::Array => value.is_array(),
            Self::Boolean => text::of(value)
                .is_some_and(|text| ["true", "false", "0", "1"].contains(&text.as_ref())),
            Self::Json => value.as_str().is_some_and(text::is_json),
            Self::Integer => match value {
                Value::Number(number) => number.as_f64().is_some_and(|n| n.fract() == 0.0),
                _ => value
                    .as_str()
                    .is_some_and(|text| text.parse::<i64>().is_ok()),
            },
            Self::Numeric => value.is_number() || value.as_str().and_then(text::number).is_some(),
            Self::Date => instant(value).is_some(),
            Self::Before(limit) => instant(value).is_some_and(|date| date < limit.value),
            Self::After(limit) => instant(value).is_some_and(|date| date > limit.value),
            Self::Email => value.as_str().is_some_and(text::is_email),
            Self::Ip => value
                .as_str()
                .is_some_and(|text| text.parse::<IpAddr>().is_ok()),
            Self::Url => value.as_str().is_some_and(text::is_url),
            Self::In(values) => elements(value).all(|element| is_among(element, values)),
            Self::NotIn(values) => !elements(value).any(|element| is_among(element, values)),
            Self::Min(limit) => measure(&|amount| amount >= limit.value),
            Self::Max(limit) => measure(&|amount| amount <= limit.value),
            Self::Between(low, high) => {
                measure(&|amount| (low.value..=high.value).contains(&amount))
            }
            Self::Size(size) => measure(&|amount| amount == size.value),
            Self::Same(field) => other(field).is_some_and(|other| equal(value, other)),
            Self::Different(field) => !other(field).is_some_and(|other| equal(value, other)),
            Self::Confirmed => other(&format!("{}_confirmation", subject.field))
                .is_some_and(|other| equal(value, other)),
        }
    }

    fn message(&self, subject: &Subject<'_>) -> String {
        let field = subject.field;
        let measure = subject
            .value
            .and_then(|value| Measure::of(value, subject.numeric));
        let items = matches!(measure, Some(Measure::Items(_)));
        let unit = match measure {
            Some(Measure::Characters(_)) => " characters",
            Some(Measure::Items(_)) => " items",
            Some(Measure::Number(_)) | None => "",
        };
        let required = format!("The {field} field is required");
        match self {
            Self::Required => format!("{required}."),
            Self::RequiredIf(Choice { field: other, .. }) => {
                let value = subject.params.get(other).and_then(text::of);
                format!("{required} when {other} is {}.", value.unwrap_or_default())
            }
            Self::RequiredUnless(Choice { field, values }) => {
                format!("{required} unless {field} is in {}.", values.join(", "))
            }
            Self::RequiredWith(fields) => {
                format!("{required} when {} is present.", fields.join(" / "))
            }
            Self::RequiredWithAll(fields) => {
                format!("{required} when {} are present.", fields.join(" / "))
            }
            Self::RequiredWithout(fields) => {
                format!("{required} when {} is not present.", fields.join(" / "))
            }
            Self::RequiredWithoutAll(fields) => {
                format!(
                    "{required} when none of {} are present.",
                    fields.join(" / ")
                )
            }
            Self::Filled => format!("The {field} field must have a value."),
            Self::Alpha => format!("The {field} may only contain letters."),
            Self::AlphaNum => format!("The {field} may only contain letters and numbers."),
            Self::AlphaDash => {
                format!("The {field} may only contain letters, numbers, dashes and underscores.")
            }
            Self::Regex(_) => format!("The {field} format is invalid."),
            Self::Array => format!("The {field} must be an array."),
            Self::Boolean => format!("The {field} field must be true or false."),
            Self::Json => format!("The {field} must be a valid JSON string."),
            Self::Integer => format!("The {field} must be an integer."),
            Self::Numeric => format!("The {field} must be a number."),
            Self::Date => format!("The {field} is not a valid date."),
            Self::Before(limit) => format!("The {field} must be a date before {}.", limit.text),
            Self::After(limit) => format!("The {field} must be a date after {}.", limit.text),
            Self::Email => format!("The {field} must be a valid email address."),
            Self::Ip => format!("The {field} must be a valid IP address."),
            Self::Url => format!("The {field} must be a valid URL."),
            Self::In(_) | Self::NotIn(_) => format!("The selected {field} is invalid."),
            Self::Min(limit) if items => {
                format!("The {field} must have at least {} items.", limit.text)
            }
            Self::Min(limit) => format!("The {field} must be at least {}{unit}.", limit.text),
            Self::Max(limit) if items => {
                format!("The {field} may not have more than {} items.", limit.text)
            }
            Self::Max(limit) => {
                format!("The {field} may not be greater than {}{unit}.", limit.text)
            }
            Self::Between(low, high) => {
                let verb = if items { "have" } else { "be" };
                let (low, high) = (&low.text, &high.text);
                format!("The {field} must {verb} between {low} and {high}{unit}.")
            }
            Self::Size(size) => {
                let verb = if items { "contain" } else { "be" };
                format!("The {field} must {verb} {}{unit}.", size.text)
            }
            Self::Same(other) => format!("The {field} and {other} must match."),
            Self::Different(other) => format!("The {field} and {other} must be different."),
            Self::Confirmed => format!("The {field} confirmation does not match."),
        }
    }
}

impl Choice {
    fn is_met(&self, params: &Map<String, Value>) -> bool {
        params
            .get(&self.field)
            .is_some_and(|value| is_among(value, &self.values))
    }
}

impl Measure {
    fn of(value: &Value, numeric: bool) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Some(match text::number(text).filter(|_| numeric) {
                Some(number) => Self::Number(number),
                None => Self::Characters(text.chars().count() as f64),
            }),
            Value::Array(items) => Some(Self::Items(items.len() as f64)),
            Value::Null | Value::Bool(_) | Value::Object(_) => None,
        }
    }

    fn amount(&self) -> f64 {
        match self {
            Self::Number(amount) | Self::Characters(amount) | Self::Items(amount) => *amount,
        }
    }
}

fn instant(value: &Value) -> Option<i128> {
    value.as_str().and_then(text::instant)
}

fn matches(regex: &Regex, value: &Value) -> bool {
    text::of(value).is_some_and(|text| regex.is_match(&text))
}

/// A list is judged by its elements, anything else by itself.
fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(elements) => elements.as_slice(),
        _ => std::slice::from_ref(value),
    }
    .iter()
}

fn is_among(value: &Value, values: &[String]) -> bool {
    text::of(value).is_some_and(|text| values.iter().any(|v| *v == text))
}

/// Equality as peers see it: JSON does not tell `1` from `1.0`.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64())
        }
        _ => one == other,
    }
}
