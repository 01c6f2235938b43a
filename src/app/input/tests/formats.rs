use super::*;

#[test]
fn integer_reads_text_as_parse_int_does() {
    let inputs = [Input::new("x").integer()];
    for (given, expected) in [
        (json!("3"), json!(3)),
        (json!(" 3"), json!(3)),
        (json!("+3"), json!(3)),
        (json!("-3.7"), json!(-3)),
        (json!("3.7"), json!(3)),
        (json!("3."), json!(3)),
        (json!("0"), json!(0)),
        (json!("3px"), json!(3)),
        (json!("3e2"), json!(300)),
        (json!("3e"), json!(3)),
        (json!("9007199254740993"), json!(9_007_199_254_740_993_i64)),
        (json!("-9223372036854775808"), json!(i64::MIN)),
        (json!(3), json!(3)),
        (json!(3.7), json!(3)),
        (json!(-3.7), json!(-3)),
        (json!(0.5), json!(0)),
    ] {
        assert_eq!(
            run(&inputs, json!({ "x": given })),
            Ok(json!({ "x": expected }))
        );
    }
}

#[test]
fn integer_refuses_what_is_no_64_bit_integer() {
    let inputs = [Input::new("x").integer()];
    for given in [
        json!("thisIsInvalid"),
        json!("."),
        json!("-"),
        json!("e5"),
        json!("+.e1"),
        json!("Infinity"),
        json!("NaN"),
        json!("９"),
        json!("9223372036854775808"),
        json!("1e400"),
        json!(u64::MAX),
        json!(1e300),
        json!(true),
        json!([3]),
        json!({ "valueOf": 3 }),
    ] {
        assert_eq!(
            run(&inputs, json!({ "x": given })),
            Err(json!({ "x": invalid_type("x", "integer") })),
            "{given}"
        );
    }
}

#[test]
fn float_keeps_the_fraction() {
    let inputs = [Input::new("x").float()];
    for (given, expected) in [
        (json!("3.25"), json!(3.25)),
        (json!(".5"), json!(0.5)),
        (json!("-1.5e-1 kg"), json!(-0.15)),
        (json!("3"), json!(3)),
        (json!("1e300"), json!(1e300)),
        (json!(2.5), json!(2.5)),
        (json!(u64::MAX), json!(u64::MAX)),
    ] {
        assert_eq!(
            run(&inputs, json!({ "x": given })),
            Ok(json!({ "x": expected }))
        );
    }
    for given in [
        json!("abc"),
        json!("1e999"),
        json!("-1e999"),
        json!([]),
        json!(true),
    ] {
        assert_eq!(
            run(&inputs, json!({ "x": given })),
            Err(json!({ "x": invalid_type("x", "float") }))
        );
    }
}

#[test]
fn string_writes_scalars_out() {
    let inputs = [Input::new("x").string()];
    for (given, expected) in [
        (json!("a"), "a"),
        (json!(12), "12"),
        (json!(1.0), "1"),
        (json!(-2.5), "-2.5"),
        (json!(true), "true"),
    ] {
        assert_eq!(
            run(&inputs, json!({ "x": given })),
            Ok(json!({ "x": expected }))
        );
    }
    for given in [json!([1]), json!({})] {
        assert_eq!(
            run(&inputs, json!({ "x": given })),
            Err(json!({ "x": invalid_type("x", "string") }))
        );
    }
}

#[test]
fn formats_pass_over_falsy_values() {
    let refuse = |_: &Value| Err("never called".to_owned());
    for input in [
        Input::new("x").integer(),
        Input::new("x").float(),
        Input::new("x").string(),
        Input::new("x").format_with(refuse),
    ] {
        for given in [json!(null), json!(false), json!(0), json!(0.0), json!("")] {
            let params = json!({ "x": given });
            assert_eq!(
                run(std::slice::from_ref(&input), params.clone()),
                Ok(params)
            );
        }
    }
}

#[test]
fn a_format_function_converts_or_refuses_with_its_text() {
    let inputs = [Input::new("x").format_with(|value| match value.as_str() {
        Some(text) => Ok(text.to_uppercase().into()),
        None => Err("text please".to_owned()),
    })];
    assert_eq!(run(&inputs, json!({ "x": "a" })), Ok(json!({ "x": "A" })));
    assert_eq!(
        run(&inputs, json!({ "x": 1 })),
        Err(json!({ "x": "text please" }))
    );
}
