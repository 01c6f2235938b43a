#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use serde_json::json;

use super::super::msgpack::tests::{
    assert_same, check_message, decode, encode, fuzz, hex, nested, unhex, value, vectors,
};
use super::*;

#[test]
fn values_are_written_as_the_npm_module_writes_them() {
    for (ejson, _, expected) in vectors() {
        let Some(expected) = expected else { continue };
        let bytes = unhex(&expected);
        let sent = value(&ejson);
        assert_eq!(hex(&encode(&BinaryPack, &sent)), expected, "{ejson}");
        let received = decode(&BinaryPack, &bytes).unwrap();
        assert_eq!(encode(&BinaryPack, &received), bytes);
        // There are no dates in the format.
        if !ejson.contains("$date\":") {
            assert_same(&received, &sent);
        }
        check_message(&BinaryPack, &bytes, &received);
    }
}

#[test]
fn dates_are_text() {
    for (ms, text) in [
        (
            0.0,
            "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
        ),
        (
            -1.0,
            "Wed Dec 31 1969 23:59:59 GMT+0000 (Coordinated Universal Time)",
        ),
        (f64::NAN, "Invalid Date"),
        (f64::MAX, "Invalid Date"),
    ] {
        let message = encode(&BinaryPack, &Value::Date(ms));
        assert_eq!(decode(&BinaryPack, &message).unwrap(), Value::from(text));
    }
}

#[test]
fn what_the_npm_module_cannot_write_or_read_is_written_and_read() {
    for (value, expected) in [
        (Value::Bytes(Bytes::new()), "a0"),
        (Value::Float(f64::NEG_INFINITY), "cb fff0000000000000"),
        (Value::Float(1e300), "cb 7e37e43c8800759c"),
        (Value::Int(i64::MIN), "d3 8000000000000000"),
        (Value::UInt(u64::MAX), "cf ffffffffffffffff"),
    ] {
        let bytes = unhex(expected);
        assert_eq!(encode(&BinaryPack, &value), bytes);
        assert_eq!(decode(&BinaryPack, &bytes).unwrap(), value);
    }
}

#[test]
fn long_values_have_long_heads() {
    let text = |len| Value::String("a".repeat(len));
    let bytes = |len| Value::Bytes(vec![0; len].into());
    for (value, head) in [
        (text(0xFFFF), "d8ffff"),
        (text(0x1_0000), "d900010000"),
        (bytes(0xFFFF), "daffff"),
        (bytes(0x1_0000), "db00010000"),
    ] {
        let message = encode(&BinaryPack, &value);
        assert!(hex(&message[..8]).starts_with(head), "{head}");
        assert_eq!(decode(&BinaryPack, &message).unwrap(), value);
        assert!(decode(&BinaryPack, &message[..message.len() - 1]).is_err());
    }
}

#[test]
fn everything_that_others_may_write_is_read() {
    for (message, expected) in [
        ("c1", Value::Null),
        ("d4", Value::Null),
        ("d7", Value::Null),
        ("d9 00000001 61", "a".into()),
        ("db 00000001 ff", Bytes::from_static(b"\xFF").into()),
        ("dd 00000001 01", vec![Value::from(1)].into()),
        ("de 0001 05 b161", json!({ "5": "a" }).into()),
        ("df 00000001 b161 ca3f000000", json!({ "a": 0.5 }).into()),
    ] {
        assert_same(&decode(&BinaryPack, &unhex(message)).unwrap(), &expected);
    }
}

#[test]
fn nonsense_is_an_error() {
    for message in [
        "c4 01 00",
        "c5",
        "c6",
        "c7 01 0d 01",
        "c8",
        "c9",
        "81 c0 01",
        "b2 61",
        "a2 61",
        "d9 ffffffff",
        "db ffffffff",
        "dd ffffffff 01",
        "df ffffffff",
        "93 93 93 c0",
    ] {
        assert!(decode(&BinaryPack, &unhex(message)).is_err(), "{message}");
    }
    assert!(BinaryPack.decode(IncomingPayload::Text("1")).is_err());
    assert!(BinaryPack.encode(&nested(128)).is_ok());
    assert!(BinaryPack.encode(&nested(129)).is_err());
    assert!(decode(&BinaryPack, &[0x91; 1_000_000]).is_err());
}

#[test]
fn noise_is_read_or_refused() {
    let vectors = vectors();
    let messages = vectors
        .iter()
        .filter_map(|(.., message)| message.as_deref());
    fuzz(&BinaryPack, &messages.map(unhex).collect::<Vec<_>>());
}
