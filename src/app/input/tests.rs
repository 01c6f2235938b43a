mod formats;
mod presence;
mod rules;

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use serde_json::json;

/// What `prepare` makes of the params, or the error map.
fn run(inputs: &[Input], params: Value) -> Result<Value, Value> {
    let Value::Object(mut params) = params else {
        panic!("params are an object");
    };
    for input in inputs {
        assert_eq!(input.error(), None);
    }
    match prepare(inputs, &mut params) {
        Ok(()) => Ok(Value::Object(params)),
        Err(errors) => Err(Value::Object(errors)),
    }
}

/// The text that `rules` have against the field `x` of the params.
fn text(rules: &str, params: Value) -> Option<String> {
    let errors = run(&[Input::new("x").rules(rules)], params).err()?;
    let errors = errors.as_object().unwrap();
    assert_eq!(errors.len(), 1);
    Some(errors["x"].as_str().unwrap().to_owned())
}

/// Each of the array's elements, as field `x`, passes the rules.
fn accepts(rules: &str, values: Value) {
    for value in elements(values) {
        assert_eq!(text(rules, json!({ "x": value })), None, "{rules} {value}");
    }
}

/// Each of the array's elements, as field `x`, is refused with that text.
fn refuses(rules: &str, expected: &str, values: Value) {
    for value in elements(values) {
        let text = text(rules, json!({ "x": value }));
        assert_eq!(text.as_deref(), Some(expected), "{rules} {value}");
    }
}

fn elements(values: Value) -> Vec<Value> {
    match values {
        Value::Array(elements) => elements,
        value => panic!("{value} is no array"),
    }
}

fn invalid_type(field: &str, expected: &str) -> Value {
    let message = format!("Param '{field}' has an invalid type, expected {expected}");
    json!({ "code": "003", "message": message })
}

fn problem(rules: &str) -> RuleProblem {
    Input::new("x")
        .rules(rules)
        .error()
        .unwrap()
        .problem()
        .clone()
}

#[test]
fn an_input_without_rules_accepts_anything() {
    let params = json!({ "x": { "y": [1, null] }, "other": 1 });
    assert_eq!(run(&[Input::new("x")], params.clone()), Ok(params));
    assert_eq!(run(&[Input::new("x")], json!({})), Ok(json!({})));
}

#[test]
fn a_default_fills_an_absent_param_and_only_that() {
    let inputs = [Input::new("x").default_value("d").required()];
    assert_eq!(run(&inputs, json!({})), Ok(json!({ "x": "d" })));
    for given in [json!(null), json!(""), json!(0), json!("v")] {
        let params = json!({ "x": given });
        assert_eq!(run(&inputs, params.clone()), Ok(params));
    }
}

#[test]
fn a_default_function_runs_once_per_call_that_needs_it() {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let inputs =
        [Input::new("x").default_with(move || counter.fetch_add(1, Ordering::Relaxed).into())];
    assert_eq!(run(&inputs, json!({})), Ok(json!({ "x": 0 })));
    assert_eq!(run(&inputs, json!({ "x": 9 })), Ok(json!({ "x": 9 })));
    assert_eq!(run(&inputs.clone(), json!({})), Ok(json!({ "x": 1 })));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_default_passes_through_the_format() {
    let inputs = [Input::new("x").default_value("7").integer()];
    assert_eq!(run(&inputs, json!({})), Ok(json!({ "x": 7 })));
}

#[test]
fn type_errors_and_validator_errors_come_together() {
    let inputs = [
        Input::new("a").integer().required().rules("integer|min:5"),
        Input::new("b").integer().required().rules("integer|min:5"),
        Input::new("c").required(),
    ];
    assert_eq!(
        run(&inputs, json!({ "a": "thisIsInvalid", "b": "3" })),
        Err(json!({
            "a": invalid_type("a", "integer"),
            "b": "The b must be at least 5.",
            "c": "The c field is required.",
        }))
    );
}

#[test]
fn the_last_failing_rule_speaks() {
    refuses(
        "email|min:5",
        "The x must be at least 5 characters.",
        json!(["ab"]),
    );
    refuses(
        "min:5|email",
        "The x must be a valid email address.",
        json!(["ab"]),
    );
    refuses(
        "email|min:2",
        "The x must be a valid email address.",
        json!(["ab"]),
    );
}

#[test]
fn validators_see_every_field_formatted() {
    let inputs = [
        Input::new("x").integer().rules("same:y|required_if:z,1"),
        Input::new("y").integer(),
        Input::new("z").default_value("1").integer(),
    ];
    assert!(run(&inputs, json!({ "x": "3", "y": 3 })).is_ok());
    assert_eq!(
        run(&inputs, json!({})),
        Err(json!({ "x": "The x field is required when z is 1." }))
    );
}

#[test]
fn a_check_function_sees_the_value_and_all_params() {
    let inputs = [
        Input::new("low").integer(),
        Input::new("x").integer().check(|value, params| {
            match (value.as_i64(), params.get("low").and_then(Value::as_i64)) {
                (Some(x), Some(low)) if x >= low => Ok(()),
                (Some(_), Some(low)) => Err(Some(format!("not below {low}, please"))),
                _ => Err(None),
            }
        }),
    ];
    assert!(run(&inputs, json!({ "x": "5", "low": "4" })).is_ok());
    assert_eq!(
        run(&inputs, json!({ "x": 3, "low": 4 })),
        Err(json!({ "x": "not below 4, please" }))
    );
    assert_eq!(
        run(&inputs, json!({ "x": 3 })),
        Err(json!({ "x": "The x is invalid." }))
    );
}

#[test]
fn mistakes_in_rules_are_told_when_declared() {
    assert_eq!(problem("required|emial"), RuleProblem::Unknown);
    assert_eq!(problem("Required"), RuleProblem::Unknown);
    for rules in [
        "min",
        "min:",
        "min:x",
        "max:1,2",
        "size:inf",
        "between:1",
        "between:2,1",
        "between:a,b",
        "between:1,2,3",
        "before",
        "before:soon",
        "after:2015-02-29",
        "in",
        "in:",
        "not_in",
        "required_if",
        "required_if:a",
        "required_if:,1",
        "required_unless:a",
        "required_with",
        "required_with:a,",
        "required_without_all:",
        "same",
        "same:",
        "different:a,b",
        "regex",
        "regex:",
        "email:x",
        "required:",
        "alpha:1",
    ] {
        assert!(
            matches!(problem(rules), RuleProblem::Expected(_)),
            "{rules}"
        );
    }
    assert!(matches!(problem("regex:(a"), RuleProblem::Pattern(_)));
    // A vertical bar separates rules, so a pattern with one never passes half understood.
    assert!(matches!(problem("regex:^(a|b)$"), RuleProblem::Pattern(_)));
    let input = Input::new("x").pattern("(?=look-ahead)");
    assert!(matches!(
        input.error().unwrap().problem(),
        RuleProblem::Pattern(_)
    ));
}

#[test]
fn the_first_mistake_is_kept_and_readable() {
    let input = Input::new("age").rules("required|min:x|nope");
    let error = input.error().unwrap();
    assert_eq!((error.input(), error.rule()), ("age", "min:x"));
    assert_eq!(
        error.to_string(),
        "input 'age': rule 'min:x' expects a number"
    );
    let input = Input::new("age").rules("nope:1");
    assert_eq!(
        input.error().unwrap().to_string(),
        "input 'age': rule 'nope:1' does not exist"
    );
}

#[test]
fn an_input_with_a_mistake_lets_nothing_through() {
    let inputs = [Input::new("x").rules("emial")];
    let mut params = Map::new();
    let errors = prepare(&inputs, &mut params).unwrap_err();
    assert_eq!(errors["x"], "The x field cannot be checked.");
}

#[test]
fn blanks_and_empty_rules_do_not_count() {
    let input = Input::new("x").rules(" required | min : 3 || in: abc , def |");
    assert_eq!(input.error(), None);
    assert!(run(std::slice::from_ref(&input), json!({ "x": "def" })).is_ok());
    assert!(Input::new("x").rules("").error().is_none());
}

#[test]
fn names_with_a_meaning_to_javascript_are_plain_names() {
    let inputs = [
        Input::new("__proto__").required(),
        Input::new("").rules("required"),
    ];
    assert_eq!(
        run(&inputs, json!({ "constructor": 1 })),
        Err(json!({
            "__proto__": "The __proto__ field is required.",
            "": "The  field is required.",
        }))
    );
}

/// Every rule and format meets every kind of value; the assertion is that none panics.
#[test]
fn nothing_a_peer_sends_panics() {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-0.0),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(f64::MAX),
        json!(f64::MIN_POSITIVE),
        json!(""),
        json!("\0"),
        json!("é"),
        json!("+"),
        json!("1e"),
        json!("1e+"),
        json!("-.e"),
        json!("@"),
        json!("://"),
        json!("http://["),
        json!("http://]"),
        json!("9".repeat(100_000)),
        json!("[".repeat(1_000_000)),
        json!("[".repeat(1_000_000)),
        json!("\u{10ffff}"),
        json!("2016-08-02T"),
        json!("+999999-01-01"),
        json!("-999999-12-31T00:00:00Z"),
        json!("9999-W99-9"),
        json!([]),
        json!([[[]]]),
        json!({}),
        json!({ "x": null }),
    ];
    let rules = [
        "alpha",
        "alpha_num",
        "alpha_dash",
        "array",
        "before:2020-01-01",
        "after:2020-01-01",
        "between:1,2",
        "boolean",
        "confirmed",
        "date",
        "different:y",
        "email",
        "filled",
        "in:a",
        "not_in:a",
        "integer",
        "ip",
        "json",
        "max:1",
        "min:1|numeric",
        "regex:^a+$",
        "required",
        "required_if:y,1",
        "required_unless:y,1",
        "required_with:y",
        "required_with_all:y",
        "required_without:y",
        "required_without_all:y",
        "same:y",
        "size:1",
        "url",
    ];
    for value in &values {
        for rule in rules {
            let _ = text(rule, json!({ "x": value, "y": value }));
            let _ = text(rule, json!({ "y": value }));
        }
        for input in [
            Input::new("x").integer(),
            Input::new("x").float(),
            Input::new("x").string(),
        ] {
            let _ = run(&[input], json!({ "x": value }));
        }
    }
}

#[test]
fn inputs_can_be_cloned_and_shown() {
    let input = Input::new("x")
        .default_with(|| json!(1))
        .format_with(|value| Ok(value.clone()))
        .check(|_, _| Ok(()))
        .rules("required");
    let shown = format!("{:?}", input.clone());
    assert!(
        shown.contains("Required") && shown.contains("function"),
        "{shown}"
    );
    assert_eq!(input.name(), "x");
}
