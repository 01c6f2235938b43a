//! JSON that `serde_json` reads only in pieces: with numbers larger than any, with half characters, or nested deeper than
//! it goes down.
//!
//! Each member of a room has to get what was said as what it is: a text in its place would be something else.

use serde_json::value::RawValue;

use super::Writer;
use crate::json;
use crate::socketio::event::end_of_string;

/// Writes what `text` says, as scripts read it: a number that is too large is infinite, and U+FFFD stands for half a
/// character. Returns false if it is no JSON.
pub(super) fn write(writer: &mut Writer, text: &str) -> bool {
    // This looks into nothing, and so minds nothing of that. From here on each byte is where it belongs.
    if serde_json::from_str::<&RawValue>(text).is_err() {
        return false;
    }
    let mut lens = lens(text).into_iter();
    for token in Tokens(text) {
        match token {
            "[" => writer.array(lens.next().unwrap_or_default()),
            "{" => writer.map(lens.next().unwrap_or_default() / 2),
            "]" | "}" => {}
            "null" => writer.nil(),
            "false" => writer.bool(false),
            "true" => writer.bool(true),
            string if string.starts_with('"') => {
                writer.text(&json::string(string).unwrap_or_default());
            }
            number => write_number(writer, number),
        }
    }
    true
}

fn write_number(writer: &mut Writer, text: &str) {
    match (text.parse(), text.parse()) {
        (Ok(number), _) => writer.uint(number),
        (_, Ok(number)) if number != 0 => writer.int(number),
        _ => {
            let number: f64 = text.parse().unwrap_or(f64::NAN);
            writer.float(number);
        }
    }
}

/// How many values each collection has, keys included, in the order in which they begin.
fn lens(text: &str) -> Vec<u32> {
    let mut lens: Vec<u32> = Vec::new();
    let mut open = Vec::new();
    for token in Tokens(text) {
        if matches!(token, "]" | "}") {
            open.pop();
            continue;
        }
        if let Some(around) = open.last() {
            lens[*around] += 1;
        }
        if matches!(token, "[" | "{") {
            open.push(lens.len());
            lens.push(0);
        }
    }
    lens
}

/// Brackets, and values that are none, of a JSON text.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        const BETWEEN: [char; 6] = [' ', '\t', '\r', '\n', ',', ':'];
        let rest = self.0.trim_start_matches(BETWEEN);
        let len = match rest.as_bytes().first()? {
            b'[' | b']' | b'{' | b'}' => 1,
            b'"' => end_of_string(rest.as_bytes(), 0),
            _ => {
                let is_behind = |c: char| BETWEEN.contains(&c) || matches!(c, ']' | '}');
                rest.find(is_behind).unwrap_or(rest.len())
            }
        };
        let (token, rest) = rest.split_at(len);
        self.0 = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> Option<Vec<u8>> {
        let mut writer = Writer::default();
        write(&mut writer, json).then(|| writer.into_bytes())
    }

    /// What both ways can read, they write alike.
    #[test]
    fn the_usual_is_written_as_usual() {
        let wide = format!("[{}{{}}]", "[ ],".repeat(70_000));
        for json in [
            "null",
            " [ true , false,null ] ",
            "{\"a\" : {\"b\\n\":[1,-1,1.5,[],{}]},\"]\":\"[\\\"\\\\\",\"\u{1F600}\":\"\\ud83d\\ude00\"}",
            "[0,255,18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809]",
            "[-0,-0.0,0.0,1e2,1E+2,1e-400,123456789012345678901234567890,0.1]",
            "\"\"",
            "5",
            "{}",
            &wide,
        ] {
            let mut usual = Writer::default();
            assert!(usual.try_json(json), "{json}");
            assert_eq!(written(json), Some(usual.into_bytes()), "{json}");
        }
    }

    #[test]
    fn the_unusual_is_written_too() {
        for (json, bytes) in [
            ("1e999", &b"\xCB\x7F\xF0\0\0\0\0\0\0"[..]),
            ("[-1E999,1]", b"\x92\xCB\xFF\xF0\0\0\0\0\0\0\x01"),
            (
                "{\"\\ud83d\":\"\\udfffx\"}",
                b"\x81\xA3\xEF\xBF\xBD\xA4\xEF\xBF\xBDx",
            ),
        ] {
            assert_eq!(written(json).as_deref(), Some(bytes), "{json}");
        }
        let infinite = "9".repeat(400);
        assert_eq!(written(&infinite), written("1e999"));
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let mut bytes = vec![0x91; 99_999];
        bytes.push(0x90);
        assert_eq!(written(&deep), Some(bytes));
    }

    #[test]
    fn what_is_no_json_is_not_written() {
        for text in [
            "", "not json", "[1", "[1,]", "1 2", "\"\\x\"", "1e", "{1:2}",
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}
