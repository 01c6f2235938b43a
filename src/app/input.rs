//! Declarative inputs of actions: what an action expects, checked before it runs.
//!
//! An action lists its [`Input`]s; [`prepare`] fills in defaults, converts formats and runs the
//! validators on the params of one call. It works in two passes over the inputs, each in
//! declaration order: first defaults and formats, then validators. So a validator that looks at
//! another field (`same:b`, `required_with:b`) sees that field as the action will see it, whichever
//! of the two was declared first.
//!
//! ```
//! use serde_json::json;
//! use stellar::app::input::{Input, prepare};
//!
//! let inputs = [
//!     Input::new("email").rules("required|email"),
//!     Input::new("age").integer().rules("between:18,120"),
//!     Input::new("page").default_value(1).integer(),
//! ];
//! let mut params = serde_json::Map::from_iter([("age".to_owned(), json!("17"))]);
//! let faults = prepare(&inputs, &mut params).unwrap_err();
//! assert_eq!(faults["email"], "The email field is required.");
//! assert_eq!(params["page"], 1);
//! ```
//!
//! **Absent** means that the params have no such key. `null` and the empty text are values: they
//! satisfy `required`, no default replaces them, and other rules judge them.

mod format;
mod parse;
mod rules;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use self::format::Format;
pub use self::parse::{RuleError, RuleProblem};
use self::rules::{Rule, Subject};
use super::{Error, ErrorFormat};

type DefaultFn = dyn Fn() -> Value + Send + Sync;
type CheckFn = dyn Fn(&Value, &Map<String, Value>) -> Result<(), Option<String>> + Send + Sync;

/// One declared input of an action: a param's name, its default, its format and its validators.
///
/// A fresh input is optional, has no default and accepts any value. The methods chain. None of them fails or panics.
/// [`Input::error`] tells of a mistake in a rule or a pattern, so that registering the action fails with a clear text.
/// Until it is mended, [`prepare`] refuses every call, so that a misspelt rule never turns into a missing check.
#[derive(Clone, Debug)]
pub struct Input {
    name: String,
    default: Option<Fallback>,
    format: Option<Format>,
    checks: Vec<Check>,
    error: Option<RuleError>,
}

#[derive(Clone, Debug)]
enum Fallback {
    Value(Value),
    With(Function<DefaultFn>),
}

#[derive(Clone, Debug)]
enum Check {
    Rule(Rule),
    With(Function<CheckFn>),
}

/// A function given by the author of an action. It exists to be cloned and to have a `Debug`.
struct Function<F: ?Sized>(Arc<F>);

impl<F: ?Sized> Clone for Function<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: ?Sized> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("function")
    }
}

impl Input {
    /// An optional input that takes the param `name` as it comes.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            default: None,
            format: None,
            checks: Vec::new(),
            error: None,
        }
    }

    /// Refuses calls without this param: the same as the rule `required`.
    ///
    /// A default comes first, so an input that has one is never missing.
    pub fn required(mut self) -> Self {
        self.checks.push(Check::Rule(Rule::Required));
        self
    }

    /// The value used when the param is absent; replaces an earlier default.
    pub fn default_value(mut self, v: impl Into<Value>) -> Self {
        self.default = Some(Fallback::Value(v.into()));
        self
    }

    /// As [`Input::default_value`], computed anew for each call that lacks the param.
    pub fn default_with(mut self, f: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        self.default = Some(Fallback::With(Function(Arc::new(f))));
        self
    }

    /// Converts to a whole number that fits an `i64`, dropping a fraction; replaces an earlier format.
    ///
    /// Text is read up to where its number ends, as JavaScript's `parseInt` and `parseFloat` do:
    /// `"3"`, `" 3.7"` and `"3px"` all become `3`. Put the strict check on the text, with the rule
    /// `integer` and no format, where that is too lenient. Anything without a number in front, or
    /// with one outside `i64`, is error 003.
    ///
    /// Every format passes over falsy values (`null`, `false`, `0`, `""`) and leaves them as they are.
    pub fn integer(mut self) -> Self {
        self.format = Some(Format::Integer);
        self
    }

    /// Converts to a number; replaces an earlier format.
    ///
    /// Text is read as by [`Input::integer`], keeping the fraction. Falsy values are passed over.
    pub fn float(mut self) -> Self {
        self.format = Some(Format::Float);
        self
    }

    /// Converts numbers and booleans to text; replaces an earlier format.
    ///
    /// An array or an object is error 003. Falsy values are passed over.
    pub fn string(mut self) -> Self {
        self.format = Some(Format::String);
        self
    }

    /// Converts with a function; replaces an earlier format.
    ///
    /// The text of an `Err` is what the caller gets for this field. Falsy values are passed over.
    pub fn format_with(
        mut self,
        f: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.format = Some(Format::With(Function(Arc::new(f))));
        self
    }

    /// Adds validators written as `"required|email|min:3"`: a rule's name, then its arguments after
    /// a colon, separated by commas. Blanks around rules and arguments do not count.
    ///
    /// An unknown rule or a wrong argument ends up in [`Input::error`].
    ///
    /// | rule | passes when |
    /// | --- | --- |
    /// | `required` | the param is there |
    /// | `required_if:f,v…` | it is there, or `f` is none of the values |
    /// | `required_unless:f,v…` | it is there, or `f` is one of the values |
    /// | `required_with:f…`, `required_with_all:f…` | it is there, or not one, or not all, of the fields are |
    /// | `required_without:f…`, `required_without_all:f…` | it is there, or all, or any, of the fields are |
    /// | `filled` | it is absent, or neither `null`, nor blank text, nor an empty array or object |
    /// | `alpha`, `alpha_num`, `alpha_dash` | letters; letters and digits; those, `-` and `_` (of any script) |
    /// | `array`, `boolean`, `json` | an array; `true`, `false`, `0`, `1` or their texts; text that is JSON |
    /// | `integer`, `numeric` | a whole number, a number, or text that is wholly one |
    /// | `date`, `before:date`, `after:date` | text in ISO 8601 or RFC 2822, in UTC unless it says otherwise |
    /// | `email`, `ip`, `url` | `name@domain.tld`; IPv4 or IPv6; http, https, ws, wss, ftp or ftps with a host |
    /// | `in:v…`, `not_in:v…` | it is one, or none, of the values; for an array, its elements are |
    /// | `min:n`, `max:n`, `between:a,b`, `size:n` | a number's value, a text's characters, an array's length |
    /// | `same:f`, `different:f`, `confirmed` | it equals `f`; differs from `f`; equals `<name>_confirmation` |
    /// | `regex:…` | as [`Input::pattern`]; a pattern that needs a vertical bar has to be given there |
    ///
    /// Only the first six lines run on an absent param. `min`, `max`, `between` and `size` take text
    /// as a number when `integer` or `numeric` is among the input's rules, because a query string
    /// has no other way to send one.
    pub fn rules(mut self, rules: &str) -> Self {
        for rule in rules.split('|').map(str::trim).filter(|r| !r.is_empty()) {
            self.add(rule, Rule::parse(rule));
        }
        self
    }

    /// Adds a validator that wants a match of `regex` anywhere in the text (or number).
    ///
    /// The syntax is that of the crate `regex`: matching takes linear time, and there are no
    /// look-arounds and no back-references. Anchor with `^` and `$` to match the whole text. A
    /// pattern may be wrapped in slashes with the flags `i`, `m`, `s` behind it. One that does not
    /// compile ends up in [`Input::error`].
    pub fn pattern(mut self, regex: &str) -> Self {
        self.add(regex, parse::compile(regex).map(Rule::Regex));
        self
    }

    /// Adds a function as validator; it gets the value and all params, formats applied.
    ///
    /// `Err(Some(text))` refuses the value with that text, `Err(None)` with a general one. It does
    /// not run on an absent param.
    pub fn check(
        mut self,
        f: impl Fn(&Value, &Map<String, Value>) -> Result<(), Option<String>> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Check::With(Function(Arc::new(f))));
        self
    }

    /// The name of the param.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first mistake among the rules and patterns, if any: a reason to refuse the action.
    pub fn error(&self) -> Option<&RuleError> {
        self.error.as_ref()
    }

    fn add(&mut self, source: &str, rule: Result<Rule, RuleProblem>) {
        match rule {
            Ok(rule) => self.checks.push(Check::Rule(rule)),
            Err(problem) => {
                let name = &self.name;
                self.error
                    .get_or_insert_with(|| RuleError::new(name, source, problem));
            }
        }
    }

    /// First pass: default and format.
    fn convert(&self, params: &mut Map<String, Value>) -> Result<(), Error> {
        if let Some(default) = &self.default
            && !params.contains_key(&self.name)
        {
            params.insert(self.name.clone(), default.value());
        }
        if let Some(format) = &self.format
            && let Some(value) = params.get_mut(&self.name)
        {
            format.apply(&self.name, value)?;
        }
        Ok(())
    }

    /// Second pass: the text of the last validator that fails.
    fn failure(&self, params: &Map<String, Value>) -> Option<String> {
        if self.error.is_some() {
            return Some(format!("The {} field cannot be checked.", self.name));
        }
        let subject = Subject {
            field: &self.name,
            value: params.get(&self.name),
            params,
            numeric: self
                .checks
                .iter()
                .any(|check| matches!(check, Check::Rule(Rule::Integer | Rule::Numeric))),
        };
        self.checks
            .iter()
            .rev()
            .find_map(|check| check.failure(&subject))
    }
}

impl Fallback {
    fn value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::With(function) => (function.0)(),
        }
    }
}

impl Check {
    fn failure(&self, subject: &Subject<'_>) -> Option<String> {
        match self {
            Self::Rule(rule) => rule.failure(subject),
            Self::With(function) => (function.0)(subject.value?, subject.params)
                .err()
                .map(|text| text.unwrap_or_else(|| format!("The {} is invalid.", subject.field))),
        }
    }
}

/// Applies defaults, formats and validators of `inputs` to the params of one call.
///
/// # Errors
///
/// The map that goes on the wire as `error`, with one entry for each refused field: a text, or for
/// a value of the wrong type `{"code":"003","message":"Param '<p>' has an invalid type, expected
/// <type>"}`. A field that failed its format is not validated as well: its 003 says it all. Of
/// several failing validators the last one speaks. The params may be partly converted then.
pub fn prepare(
    inputs: &[Input],
    params: &mut Map<String, Value>,
) -> Result<(), Map<String, Value>> {
    prepare_in(inputs, params, &ErrorFormat::default())
}

/// As [`prepare`], with 003 in the words of `format`.
pub(super) fn prepare_in(
    inputs: &[Input],
    params: &mut Map<String, Value>,
    format: &ErrorFormat,
) -> Result<(), Map<String, Value>> {
    let mut errors = Map::new();
    for input in inputs {
        if let Err(error) = input.convert(params) {
            errors.insert(input.name.clone(), error.to_value(format));
        }
    }
    for input in inputs {
        if !errors.contains_key(&input.name)
            && let Some(text) = input.failure(params)
        {
            errors.insert(input.name.clone(), text.into());
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}
