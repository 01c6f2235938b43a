//! Values of msgpack as JSON.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::date;
use super::reader::{Reader, Token};

/// How deep arrays and maps may nest in what clients send.
const MAX_DEPTH: usize = 128;

/// Why a value cannot be written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::socketio) enum Unwritten {
    /// It is not msgpack.
    Malformed,
    /// It is, but JSON, or JSON of such a depth, has no word for it.
    Unspeakable,
}

/// Writes one value as JSON, as npm's parser reads it and `JSON.stringify` would write it: a date as a text, and what is
/// undefined as null, or not at all in an object. Bytes, which come in two ways, are base64, as attachments are.
pub(in crate::socketio) fn to_json(value: &[u8]) -> Result<String, Unwritten> {
    let mut reader = Reader::new(value);
    let mut json = String::with_capacity(value.len() + value.len() / 4);
    write(&mut reader, &mut json, 0)?;
    match reader.rest {
        [] => Ok(json),
        _ => Err(Unwritten::Malformed),
    }
}

fn write(reader: &mut Reader<'_>, json: &mut String, depth: usize) -> Result<(), Unwritten> {
    let token = reader.token().ok_or(Unwritten::Malformed)?;
    write_token(reader, token, json, depth)
}

fn write_token(
    reader: &mut Reader<'_>,
    token: Token<'_>,
    json: &mut String,
    depth: usize,
) -> Result<(), Unwritten> {
    if depth > MAX_DEPTH {
        return Err(Unwritten::Unspeakable);
    }
    match token {
        Token::Nil | Token::Undefined => json.push_str("null"),
        Token::Bool(value) => json.push_str(if value { "true" } else { "false" }),
        Token::Uint(number) => json.push_str(&number.to_string()),
        Token::Int(number) => json.push_str(&number.to_string()),
        Token::Float(number) => json.push_str(&serde_json::json!(number).to_string()),
        Token::Text(text) => write_text(json, text).ok_or(Unwritten::Malformed)?,
        Token::Binary(bytes) => {
            json.push('"');
            BASE64_STANDARD.encode_string(bytes, json);
            json.push('"');
        }
        Token::Date(ms) => match date::iso(ms) {
            Some(text) => json.extend(["\"", &text, "\""]),
            None => json.push_str("null"),
        },
        Token::Ext => return Err(Unwritten::Unspeakable),
        Token::Array(len) => {
            json.push('[');
            for index in 0..len {
                if index > 0 {
                    json.push(',');
                }
                write(reader, json, depth + 1)?;
            }
            json.push(']');
        }
        Token::Map(len) => write_map(reader, len, json, depth)?,
    }
    Ok(())
}

fn write_map(
    reader: &mut Reader<'_>,
    len: usize,
    json: &mut String,
    depth: usize,
) -> Result<(), Unwritten> {
    json.push('{');
    let mut is_first = true;
    for _ in 0..len {
        let start = json.len();
        if !is_first {
            json.push(',');
        }
        match reader.token().ok_or(Unwritten::Malformed)? {
            Token::Text(key) => write_text(json, key).ok_or(Unwritten::Malformed)?,
            Token::Uint(key) => json.extend(["\"", &key.to_string(), "\""]),
            Token::Int(key) => json.extend(["\"", &key.to_string(), "\""]),
            _ => return Err(Unwritten::Unspeakable),
        }
        json.push(':');
        match reader.token().ok_or(Unwritten::Malformed)? {
            Token::Undefined => json.truncate(start),
            token => {
                write_token(reader, token, json, depth + 1)?;
                is_first = false;
            }
        }
    }
    json.push('}');
    Ok(())
}
fn write_text(json: &mut String, text: &[u8]) -> Option<()> {
    let text = crate::json::utf8(text)?;
    json.push_str(&serde_json::to_string(&text).ok()?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_msgpack_is_refused() {
        for bytes in [
            &b""[..],
            b"\x91",
            b"\xA2a",
            b"\xA1\xFF",
            b"\xC6\xFF\xFF\xFF\xFF",
            b"\xDD\xFF\xFF\xFF\xFF",
            b"\xDF\xFF\xFF\xFF\xFF",
            b"\x01\x01",
            b"\xD8\0",
            b"\xC1",
            b"\x91\xC1",
            b"\x81\xA1a\xC1",
            b"\x81\xA1a",
            b"\xC7\x05\0",
        ] {
            assert_eq!(to_json(bytes), Err(Unwritten::Malformed), "{bytes:?}");
        }
        for bytes in [
            // Types of somebody's own, in every form; a timestamp that is none.
            &b"\xD4\x05\0"[..],
            b"\xD5\0\0\0",
            b"\xD6\0\0\0\0\0",
            b"\xC7\0\x05",
            b"\xC7\x01\xFF\0",
            b"\xD8\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\x92\x01\xD4\x05\0",
            b"\x81\xA1a\xD4\x05\0",
            // Keys that are neither texts nor whole numbers.
            b"\x81\xC0\x01",
            b"\x81\xC3\x01",
            b"\x81\x90\x01",
            b"\x81\xC4\x01a\x01",
            b"\x81\xD4\0\0\x01",
        ] {
            assert_eq!(to_json(bytes), Err(Unwritten::Unspeakable), "{bytes:?}");
        }
        let mut deep = vec![0x91; MAX_DEPTH];
        deep.push(0);
        assert!(to_json(&deep).is_ok());
        deep.insert(0, 0x91);
        assert_eq!(to_json(&deep), Err(Unwritten::Unspeakable));
    }

    #[test]
    fn what_scripts_send_becomes_what_json_has() {
        let moment = "\"1970-01-01T00:00:01.001Z\"";
        for (bytes, json) in [
            (&b"\xC4\x01a"[..], "\"YQ==\""),
            (b"\xC5\0\x01a", "\"YQ==\""),
            (b"\xC6\0\0\0\x01a", "\"YQ==\""),
            // An array buffer, also of the lengths that other things have.
            (b"\xC7\x01\0a", "\"YQ==\""),
            (b"\xC8\0\x01\0a", "\"YQ==\""),
            (b"\xC9\0\0\0\x01\0a", "\"YQ==\""),
            (b"\xC7\0\0", "\"\""),
            (b"\xC7\x08\0\0\0\0\0\0\0\x03\xE8", "\"AAAAAAAAA+g=\""),
            (b"\xC7\x04\0\0\0\0\x01", "\"AAAAAQ==\""),
            (b"\xCB\x7F\xF0\0\0\0\0\0\0", "null"),
            (b"\xCB\x7F\xF8\0\0\0\0\0\0", "null"),
            (
                b"\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                "18446744073709551615",
            ),
            (b"\xD3\x80\0\0\0\0\0\0\0", "-9223372036854775808"),
            (b"\xD4\0\0", "null"),
            (b"\x92\x01\xD4\0\0", "[1,null]"),
            (b"\x81\xA1a\xD4\0\0", "{}"),
            (b"\x83\xA1a\xD4\0\0\xA1b\x01\xA1c\xD4\0\0", "{\"b\":1}"),
            (b"\x82\xA1a\x01\xA1b\xD4\0\0", "{\"a\":1}"),
            (b"\x82\xA1a\x81\xA1b\xD4\0\0\xA1c\x01", "{\"a\":{},\"c\":1}"),
            (b"\x82\x01\x02\xFF\x03", "{\"1\":2,\"-1\":3}"),
            (b"\xD7\0\0\0\0\0\0\0\x03\xE9", moment),
            (b"\xD7\xFF\0\x3D\x09\0\0\0\0\x01", moment),
            (b"\xC7\x0C\xFF\0\x0F\x42\x40\0\0\0\0\0\0\0\x01", moment),
            (b"\xD6\xFF\0\0\0\x01", "\"1970-01-01T00:00:01.000Z\""),
            (b"\xD7\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "null"),
        ] {
            assert_eq!(to_json(bytes).as_deref(), Ok(json), "{bytes:?}");
        }
    }
}
