#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use serde_json::json;

use super::super::msgpack::tests::{assert_same, nested, value, vectors};
use super::*;

fn encode(value: &Value) -> String {
    match Ejson.encode(value).unwrap() {
        Payload::Text(text) => text.to_string(),
        Payload::Binary(bytes) => panic!("bytes: {bytes:?}"),
    }
}

fn decode(text: &str) -> Result<Value, ParserError> {
    Ejson.decode(IncomingPayload::Text(text))
}

#[test]
fn what_the_npm_module_writes_is_read_and_written_alike() {
    for (text, ..) in vectors() {
        let value = value(&text);
        assert_eq!(encode(&value), primus::escape(&text));
        let string = Ejson.string(IncomingPayload::Text(&text));
        assert_eq!(string.as_deref(), value.as_str());
        // A number without its last digits is another one.
        for (end, _) in text.char_indices().filter(|_| value.as_f64().is_none()) {
            assert!(decode(&text[..end]).is_err(), "{end} of {text}");
        }
        assert!(decode(&format!("{text} 1")).is_err());
    }
}

#[test]
fn marks_stand_for_values() {
    let bytes = |bytes: &'static [u8]| Value::Bytes(Bytes::from_static(bytes));
    for (text, expected) in [
        (r#"{"$date":1.9}"#, Value::Date(1.0)),
        (r#"{"$date":null}"#, Value::Date(f64::NAN)),
        (r#"{"$binary":"AQI="}"#, bytes(b"\x01\x02")),
        (r#"{"$binary":"AQI"}"#, bytes(b"\x01\x02")),
        (r#"{"$binary":"AQJ="}"#, bytes(b"\x01\x02")),
        (r#"{"$InfNaN":-1}"#, f64::NEG_INFINITY.into()),
        (r#"{"$InfNaN":7}"#, f64::INFINITY.into()),
        (r#"{"$escape":{"$date":1}}"#, json!({ "$date": 1 }).into()),
        (r#"{"$escape":{}}"#, json!({}).into()),
        (r#"{"$date":1,"a":2}"#, json!({ "$date": 1, "a": 2 }).into()),
        (r#"{"":1}"#, json!({ "": 1 }).into()),
        ("[[{\"$date\":1}]]", vec![vec![Value::Date(1.0)]].into()),
    ] {
        assert_same(&decode(text).unwrap(), &expected);
    }
    let escaped = decode(r#"{"$escape":{"a":{"$date":1}}}"#).unwrap();
    assert_same(&escaped["a"], &Value::Date(1.0));
}

#[test]
fn values_that_ejson_lacks_are_written_as_json_writes_them() {
    for (value, text) in [
        (Value::Date(f64::NAN), r#"{"$date":null}"#),
        (Value::Date(1.5), r#"{"$date":1}"#),
        (Value::Float(-0.0), "0"),
        (Value::UInt(u64::MAX), "18446744073709551615"),
    ] {
        assert_eq!(encode(&value), text);
    }
}

#[test]
fn regular_expressions_and_the_types_of_applications_pass_through() {
    for text in [
        r#"{"$regexp":"a","$flags":"g"}"#,
        r#"{"$flags":"","$regexp":""}"#,
        r#"[{"$type":"Point","$value":{"x":{"$date":1}}}]"#,
    ] {
        assert_eq!(encode(&decode(text).unwrap()), text);
    }
    // The content is the type's own.
    let point = decode(r#"{"$type":"Point","$value":{"$date":1}}"#).unwrap();
    assert_eq!(point["$value"], Value::from(json!({ "$date": 1 })));
    // An object that only looks like one must not reach a script as one.
    let literal = Value::from(json!({ "$regexp": 5, "$flags": "" }));
    assert_eq!(encode(&literal), r#"{"$escape":{"$regexp":5,"$flags":""}}"#);
    assert_eq!(decode(&encode(&literal)).unwrap(), literal);
}

#[test]
fn nonsense_is_an_error() {
    for text in [
        "",
        "{",
        r#"{"$date":"2020-01-01"}"#,
        r#"{"$date":{}}"#,
        r#"{"$InfNaN":"1"}"#,
        r#"{"$binary":1}"#,
        r#"{"$binary":"A"}"#,
        r#"{"$binary":"A!=="}"#,
        r#"{"$escape":1}"#,
        r#"{"$escape":[1]}"#,
        r#"{"$regexp":1,"$flags":""}"#,
        r#"{"$type":1,"$value":""}"#,
    ] {
        assert!(decode(text).is_err(), "{text}");
    }
    assert!(Ejson.decode(IncomingPayload::Binary(b"1")).is_err());
    assert_eq!(Ejson.string(IncomingPayload::Binary(b"\"a\"")), None);
}

#[test]
fn what_can_be_written_can_be_read_at_any_depth() {
    assert_eq!(decode(&encode(&nested(MAX_DEPTH))), Ok(nested(MAX_DEPTH)));
    assert!(Ejson.encode(&nested(MAX_DEPTH + 1)).is_err());
    assert!(decode(&"[".repeat(1_000_000)).is_err());
    // An escaped object takes two levels.
    let literal = Value::from(json!({ "$date": 1 }));
    let around = |depth| (0..depth).fold(literal.clone(), |value, _| vec![value].into());
    assert_eq!(
        decode(&encode(&around(MAX_DEPTH - 2))),
        Ok(around(MAX_DEPTH - 2))
    );
    assert!(Ejson.encode(&around(MAX_DEPTH - 1)).is_err());
}

#[test]
fn there_is_a_limit_to_what_one_message_unfolds_to() {
    let too_many = format!("[{}0]", "0,".repeat(MAX_VALUES));
    assert_eq!(decode(&too_many), Err(super::super::too_many()));
    let text = format!("\"{}\"", "x".repeat(MAX_VALUES + 1));
    assert_eq!(
        decode(&text).unwrap().as_str().map(str::len),
        Some(MAX_VALUES + 1)
    );
}
