#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::primus::parser::Ejson;

/// What the npm modules write: a value in EJSON, in MessagePack, and in BinaryPack, if `binary-pack` can write it. The
/// bytes are in hexadecimal.
pub(in crate::primus::parser) type Vector = (String, String, Option<String>);

/// The same table as for the parsers in JavaScript, whose test compares it with the npm modules.
pub(in crate::primus::parser) fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

pub(in crate::primus::parser) fn value(ejson: &str) -> Value {
    Ejson.decode(IncomingPayload::Text(ejson)).unwrap()
}

pub(in crate::primus::parser) fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

pub(in crate::primus::parser) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub(in crate::primus::parser) fn encode(parser: &impl Parser, value: &Value) -> Vec<u8> {
    match parser.encode(value).unwrap() {
        Payload::Binary(bytes) => bytes.into(),
        Payload::Text(text) => panic!("text: {text}"),
    }
}

pub(in crate::primus::parser) fn decode(
    parser: &impl Parser,
    bytes: &[u8],
) -> Result<Value, ParserError> {
    parser.decode(IncomingPayload::Binary(bytes))
}

/// The order of keys counts, and NaN is NaN.
#[track_caller]
pub(in crate::primus::parser) fn assert_same(left: &Value, right: &Value) {
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}

/// Arrays in each other, the innermost one empty.
pub(in crate::primus::parser) fn nested(depth: usize) -> Value {
    (1..depth).fold(Value::Array(vec![]), |value, _| vec![value].into())
}

/// What must hold for every message of a binary parser.
pub(in crate::primus::parser) fn check_message(parser: &impl Parser, bytes: &[u8], value: &Value) {
    let string = |bytes| {
        parser
            .string(IncomingPayload::Binary(bytes))
            .map(Cow::into_owned)
    };
    assert_eq!(string(bytes).as_deref(), value.as_str());
    for end in 0..bytes.len() {
        let part = &bytes[..end];
        assert!(decode(parser, part).is_err(), "{end} of {}", hex(bytes));
        assert_eq!(string(part), None);
    }
    let longer = [bytes, &[0xC0]].concat();
    assert!(decode(parser, &longer).is_err());
    assert_eq!(string(&longer), None);
}

/// Reads noise, and messages with a few bytes changed. What can be read must survive being written.
pub(in crate::primus::parser) fn fuzz(parser: &impl Parser, messages: &[Vec<u8>]) {
    // xorshift64: the same noise every time.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let mut read = 0;
    for round in 0..60_000 {
        let mut bytes = messages[random(messages.len())].clone();
        if round % 3 == 0 {
            bytes = (0..random(40)).map(|_| random(256) as u8).collect();
        } else if !bytes.is_empty() {
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
        }
        let text = parser.string(IncomingPayload::Binary(&bytes));
        match decode(parser, &bytes) {
            Ok(value) => {
                read += 1;
                assert_eq!(text.as_deref(), value.as_str(), "{}", hex(&bytes));
                let written = encode(parser, &value);
                assert_same(&decode(parser, &written).unwrap(), &value);
            }
            Err(_) => assert_eq!(text, None, "{}", hex(&bytes)),
        }
    }
    assert!(
        read > 10_000,
        "most of the noise must not be refused: {read}"
    );
}

#[test]
fn values_are_written_as_the_npm_module_writes_them() {
    for (ejson, expected, _) in vectors() {
        let value = value(&ejson);
        let bytes = unhex(&expected);
        assert_eq!(hex(&encode(&MsgPack, &value)), expected, "{ejson}");
        assert_same(&decode(&MsgPack, &bytes).unwrap(), &value);
        check_message(&MsgPack, &bytes, &value);
    }
}

#[test]
fn long_values_have_long_heads() {
    let text = |len| Value::String("a".repeat(len));
    let bytes = |len| Value::Bytes(vec![0; len].into());
    let array = |len| Value::Array(vec![Value::Null; len]);
    let object = |len: usize| {
        let pairs = (0..len).map(|at| (at.to_string(), Value::Null));
        Value::Object(pairs.collect())
    };
    for (value, head) in [
        (text(0xFFFF), "daffff"),
        (text(0x1_0000), "db00010000"),
        (bytes(0xFFFF), "c5ffff"),
        (bytes(0x1_0000), "c600010000"),
        (array(0xFFFF), "dcffff"),
        (array(0x1_0000), "dd00010000"),
        (object(0xFFFF), "deffff"),
        (object(0x1_0000), "df00010000"),
    ] {
        let message = encode(&MsgPack, &value);
        assert!(hex(&message[..8]).starts_with(head), "{head}");
        assert_eq!(decode(&MsgPack, &message).unwrap(), value);
        assert!(decode(&MsgPack, &message[..message.len() - 1]).is_err());
    }
}

#[test]
fn numbers_that_scripts_lack_stay_exact() {
    for (value, expected) in [
        (Value::Int((1 << 53) + 1), "d3 0020000000000001"),
        (Value::Int(i64::MIN), "d3 8000000000000000"),
        (Value::UInt(u64::MAX), "cf ffffffffffffffff"),
        (Value::Float(1e300), "cb 7e37e43c8800759c"),
    ] {
        let bytes = unhex(expected);
        assert_eq!(encode(&MsgPack, &value), bytes);
        assert_eq!(decode(&MsgPack, &bytes).unwrap(), value);
    }
    assert_eq!(encode(&MsgPack, &Value::Float(3.0)), [3]);
    assert_eq!(encode(&MsgPack, &Value::Float(-0.0)), [0]);
}

#[test]
fn everything_that_others_may_write_is_read() {
    let bytes = |bytes: &'static [u8]| Value::Bytes(Bytes::from_static(bytes));
    for (message, expected) in [
        // Wider than needed.
        ("ce 00000001", 1.into()),
        ("d3 ffffffffffffffff", (-1).into()),
        ("cf 0000000000000001", 1.into()),
        ("ca 3fc00000", 1.5.into()),
        ("db 00000001 61", "a".into()),
        ("c6 00000001 ff", bytes(b"\xFF")),
        ("dd 00000001 c0", vec![Value::Null].into()),
        // Keys that are numbers, and a key twice.
        (
            "83 01 c0 ff c2 a161 c3",
            json!({ "1": null, "-1": false, "a": true }).into(),
        ),
        ("82 a161 01 a161 02", json!({ "a": 2 }).into()),
        // A lone surrogate, as some scripts write it.
        ("a3 eda080", "\u{FFFD}\u{FFFD}\u{FFFD}".into()),
        // Typed arrays, an array buffer, a buffer, a view.
        ("d4 12 01", bytes(b"\x01")),
        ("c7 03 12 010203", bytes(b"\x01\x02\x03")),
        ("c8 0003 12 010203", bytes(b"\x01\x02\x03")),
        ("c9 00000000 12", bytes(b"")),
        ("d6 14 01000200", bytes(b"\x01\x00\x02\x00")),
        ("d8 18 00000000000000000000000000000000", bytes(&[0; 16])),
        ("d5 1a 0102", bytes(b"\x01\x02")),
        ("d5 1b 0102", bytes(b"\x01\x02")),
        ("d5 1d 0102", bytes(b"\x01\x02")),
        // Objects around primitive values, a regular expression, an error, a date that is none.
        ("d4 0b c3", true.into()),
        ("d5 0c a161", "a".into()),
        ("d4 0f 05", 5.into()),
        ("c7 06 0a 92 a161 a2 6769", "/a/gi".into()),
        ("c7 07 05 81 a46e616d65 c0", json!({ "name": null }).into()),
        ("c7 09 0d cb7ff8000000000000", Value::Date(f64::NAN)),
        ("d4 0d c0", Value::Date(0.0)),
        // MessagePack's own dates.
        ("d6 ff 00000001", Value::Date(1000.0)),
        ("d7 ff 003d0900 00000002", Value::Date(2001.0)),
        ("c7 0c ff 3b9ac9ff ffffffffffffffff", Value::Date(-1.0)),
    ] {
        let read = decode(&MsgPack, &unhex(message)).unwrap_or_else(|e| panic!("{message}: {e}"));
        assert_same(&read, &expected);
    }
}

#[test]
fn nonsense_is_an_error() {
    for message in [
        "c1",
        // Keys that are no text.
        "81 c0 01",
        "81 90 01",
        "81 cb3fe0000000000000 01",
        // Lengths beyond the message, also where only all of them together are.
        "a2 61",
        "d9 02 61",
        "c6 ffffffff 00",
        "c9 ffffffff 12",
        "db ffffffff",
        "dd ffffffff",
        "dd ffffffff c0",
        "df ffffffff",
        "df 7fffffff a161 c0",
        "93 93 93 c0",
        "92 81 a161 c0",
        // Extensions: unknown ones, and those with something else inside.
        "d4 00 00",
        "d4 10 00",
        "d4 1c 00",
        "d4 1e 00",
        "d5 0d a161",
        "d5 0d 01 01",
        "d4 0a c0",
        "d5 0a 91 c0",
        "c7 00 0d",
        "d4 ff 00",
        "c7 05 ff 0000000000",
    ] {
        assert!(decode(&MsgPack, &unhex(message)).is_err(), "{message}");
    }
    assert!(MsgPack.decode(IncomingPayload::Text("1")).is_err());
    assert_eq!(MsgPack.string(IncomingPayload::Text("a")), None);
}

#[test]
fn nesting_has_a_limit_in_both_directions() {
    let message = encode(&MsgPack, &nested(MAX_DEPTH));
    assert_eq!(message.len(), MAX_DEPTH);
    assert_eq!(decode(&MsgPack, &message).unwrap(), nested(MAX_DEPTH));
    assert!(MsgPack.encode(&nested(MAX_DEPTH + 1)).is_err());
    for part in ["91", "81a0"] {
        let fits = [unhex(&part.repeat(MAX_DEPTH)), vec![0]].concat();
        assert!(decode(&MsgPack, &fits).is_ok(), "{part}");
        for depth in [MAX_DEPTH + 1, 1_000_000] {
            let bytes = [unhex(&part.repeat(depth)), vec![0]].concat();
            assert_eq!(decode(&MsgPack, &bytes), Err(too_deep()), "{part}");
        }
    }
    // Extensions in extensions.
    let wrapped = |depth| {
        (0..depth).fold(vec![0xC0], |content: Vec<u8>, _| {
            let head = [&[0xC9][..], &(content.len() as u32).to_be_bytes(), &[0x0B]].concat();
            [head, content].concat()
        })
    };
    assert_eq!(decode(&MsgPack, &wrapped(MAX_DEPTH)).unwrap(), Value::Null);
    assert_eq!(decode(&MsgPack, &wrapped(MAX_DEPTH + 1)), Err(too_deep()));
}

#[test]
fn noise_is_read_or_refused() {
    let messages: Vec<_> = vectors()
        .iter()
        .map(|(_, message, _)| unhex(message))
        .collect();
    fuzz(&MsgPack, &messages);
}
