use super::*;

#[test]
fn a_missing_param_is_named_as_tests_of_clients_expect() {
    let inputs = [
        Input::new("key").required(),
        Input::new("value").rules("required"),
    ];
    assert_eq!(
        run(&inputs, json!({})),
        Err(json!({
            "key": "The key field is required.",
            "value": "The value field is required.",
        }))
    );
}

#[test]
fn required_is_about_absence_only() {
    accepts("required", json!(["", null, false, []]));
}

#[test]
fn rules_on_values_skip_absent_params() {
    let rules = "alpha|alpha_num|alpha_dash|array|before:2020-01-01|after:2020-01-01|between:1,2\
        |boolean|confirmed|date|different:y|email|in:a|not_in:a|integer|ip|json|max:1|min:1|numeric\
        |regex:^a$|same:y|size:1|url|filled";
    assert_eq!(text(rules, json!({ "y": 1 })), None);
    let inputs = [Input::new("x").pattern("^a$").check(|_, _| Err(None))];
    assert_eq!(run(&inputs, json!({})), Ok(json!({})));
}

#[test]
fn filled_may_be_absent_but_not_empty() {
    let expected = "The x field must have a value.";
    refuses("filled", expected, json!([null, "", " \t", [], {}]));
    accepts("filled", json!([0, false, "a", [null]]));
}

#[test]
fn conditional_presence() {
    let cases = [
        (
            "required_if:a,1,yes",
            json!({ "a": "yes" }),
            Some("when a is yes"),
        ),
        (
            "required_if:a,1,yes",
            json!({ "a": 1 }),
            Some("when a is 1"),
        ),
        (
            "required_if:a,true",
            json!({ "a": true }),
            Some("when a is true"),
        ),
        ("required_if:a,1,yes", json!({ "a": "no" }), None),
        ("required_if:a,1,yes", json!({}), None),
        (
            "required_unless:a,1,yes",
            json!({}),
            Some("unless a is in 1, yes"),
        ),
        (
            "required_unless:a,1,yes",
            json!({ "a": 2 }),
            Some("unless a is in 1, yes"),
        ),
        ("required_unless:a,1,yes", json!({ "a": 1 }), None),
        ("required_with:a,b", json!({}), None),
        (
            "required_with:a,b",
            json!({ "b": null }),
            Some("when a / b is present"),
        ),
        ("required_with_all:a,b", json!({ "b": 1 }), None),
        (
            "required_with_all:a,b",
            json!({ "a": 1, "b": 1 }),
            Some("when a / b are present"),
        ),
        ("required_without:a,b", json!({ "a": 1, "b": 1 }), None),
        (
            "required_without:a,b",
            json!({ "a": 1 }),
            Some("when a / b is not present"),
        ),
        ("required_without_all:a,b", json!({ "a": 1 }), None),
        (
            "required_without_all:a,b",
            json!({}),
            Some("when none of a / b are present"),
        ),
    ];
    for (rules, mut params, expected) in cases {
        let expected = expected.map(|why| format!("The x field is required {why}."));
        assert_eq!(text(rules, params.clone()), expected, "{rules} {params}");
        params["x"] = json!(null);
        assert_eq!(text(rules, params), None, "{rules} with the param");
    }
}
