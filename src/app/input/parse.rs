//! Reading rules as they are written, `name` or `name:arguments`, and what can be wrong with them.

use regex::{Regex, RegexBuilder};

use super::rules::{Bound, Choice, Rule};
use super::text;

/// A rule or pattern of an input that cannot be used, found when the input is declared.
///
/// Its text names input, rule and mistake: `input 'age': rule 'min:x' expects a number`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("input '{input}': rule '{rule}' {problem}")]
pub struct RuleError {
    input: String,
    rule: String,
    problem: RuleProblem,
}

impl RuleError {
    pub(super) fn new(input: &str, rule: &str, problem: RuleProblem) -> Self {
        Self {
            input: input.to_owned(),
            rule: rule.to_owned(),
            problem,
        }
    }

    /// The name of the input.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The rule as it was written, with its arguments; a pattern stands for itself.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// What is wrong with the rule.
    pub fn problem(&self) -> &RuleProblem {
        &self.problem
    }
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleProblem {
    /// There is no rule of that name.
    #[error("does not exist")]
    Unknown,
    /// The arguments are missing, too many or of the wrong kind; says what belongs there.
    #[error("expects {0}")]
    Expected(&'static str),
    /// The regular expression does not compile; says why.
    #[error("is not a regular expression: {0}")]
    Pattern(String),
}

impl Rule {
    /// Reads one rule, `name` or `name:arguments`.
    pub(super) fn parse(rule: &str) -> Result<Self, RuleProblem> {
        let (name, argument) = match rule.split_once(':') {
            Some((name, argument)) => (name.trim_end(), Some(argument.trim_start())),
            None => (rule, None),
        };
        let rule = match name {
            "required_if" => Self::RequiredIf(choice(argument)?),
            "required_unless" => Self::RequiredUnless(choice(argument)?),
            "required_with" => Self::RequiredWith(fields(argument)?),
            "required_with_all" => Self::RequiredWithAll(fields(argument)?),
            "required_without" => Self::RequiredWithout(fields(argument)?),
            "required_without_all" => Self::RequiredWithoutAll(fields(argument)?),
            "before" => Self::Before(date(argument)?),
            "after" => Self::After(date(argument)?),
            "in" => Self::In(values(argument)?),
            "not_in" => Self::NotIn(values(argument)?),
            "min" => Self::Min(number(argument)?),
            "max" => Self::Max(number(argument)?),
            "between" => between(argument)?,
            "size" => Self::Size(number(argument)?),
            "same" => Self::Same(field(argument)?),
            "different" => Self::Different(field(argument)?),
            "regex" => Self::Regex(compile(argument.unwrap_or_default())?),
            _ => {
                let rule = Self::plain(name).ok_or(RuleProblem::Unknown)?;
                if argument.is_some() {
                    return Err(RuleProblem::Expected("no argument"));
                }
                rule
            }
        };
        Ok(rule)
    }

    /// The rules without arguments.
    fn plain(name: &str) -> Option<Self> {
        Some(match name {
            "required" => Self::Required,
            "filled" => Self::Filled,
            "alpha" => Self::Alpha,
            "alpha_num" => Self::AlphaNum,
            "alpha_dash" => Self::AlphaDash,
            "array" => Self::Array,
            "boolean" => Self::Boolean,
            "json" => Self::Json,
            "integer" => Self::Integer,
            "numeric" => Self::Numeric,
            "date" => Self::Date,
            "email" => Self::Email,
            "ip" => Self::Ip,
            "url" => Self::Url,
            "confirmed" => Self::Confirmed,
            _ => return None,
        })
    }
}

/// Compiles a regular expression, bare or between slashes with flags behind.
pub(super) fn compile(pattern: &str) -> Result<Regex, RuleProblem> {
    if pattern.is_empty() {
        return Err(RuleProblem::Expected("a regular expression"));
    }
    let delimited = pattern
        .strip_prefix('/')
        .and_then(|rest| rest.rsplit_once('/'))
        .filter(|(_, flags)| flags.chars().all(|flag| "ims".contains(flag)));
    let (pattern, flags) = delimited.unwrap_or((pattern, ""));
    RegexBuilder::new(pattern)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .build()
        .map_err(|error| RuleProblem::Pattern(error.to_string()))
}

fn list(argument: Option<&str>) -> Vec<String> {
    argument.map_or_else(Vec::new, |argument| {
        argument.split(',').map(|v| v.trim().to_owned()).collect()
    })
}

fn values(argument: Option<&str>) -> Result<Vec<String>, RuleProblem> {
    argument
        .filter(|argument| !argument.is_empty())
        .map(|argument| list(Some(argument)))
        .ok_or(RuleProblem::Expected("one value or more"))
}

fn fields(argument: Option<&str>) -> Result<Vec<String>, RuleProblem> {
    let fields = list(argument);
    if fields.is_empty() || fields.iter().any(String::is_empty) {
        return Err(RuleProblem::Expected("the names of one field or more"));
    }
    Ok(fields)
}

fn field(argument: Option<&str>) -> Result<String, RuleProblem> {
    argument
        .filter(|argument| !argument.is_empty() && !argument.contains(','))
        .map(str::to_owned)
        .ok_or(RuleProblem::Expected("the name of one field"))
}

fn choice(argument: Option<&str>) -> Result<Choice, RuleProblem> {
    let mut values = list(argument);
    if values.len() < 2 || values[0].is_empty() {
        return Err(RuleProblem::Expected(
            "the name of a field and one value or more",
        ));
    }
    let field = values.remove(0);
    Ok(Choice { field, values })
}

fn number(argument: Option<&str>) -> Result<Bound<f64>, RuleProblem> {
    argument
        .and_then(bound)
        .ok_or(RuleProblem::Expected("a number"))
}

fn between(argument: Option<&str>) -> Result<Rule, RuleProblem> {
    argument
        .and_then(|argument| argument.split_once(','))
        .and_then(|(low, high)| Some((bound(low.trim())?, bound(high.trim())?)))
        .filter(|(low, high)| low.value <= high.value)
        .map(|(low, high)| Rule::Between(low, high))
        .ok_or(RuleProblem::Expected("two numbers, the smaller one first"))
}

fn bound(text: &str) -> Option<Bound<f64>> {
    text::number(text).map(|value| Bound {
        value,
        text: text.to_owned(),
    })
}

fn date(argument: Option<&str>) -> Result<Bound<i128>, RuleProblem> {
    argument
        .and_then(|text| {
            Some(Bound {
                value: text::instant(text)?,
                text: text.to_owned(),
            })
        })
        .ok_or(RuleProblem::Expected("a date in ISO 8601 or RFC 2822"))
}
