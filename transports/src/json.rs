//! JSON as scripts write it. A text that was cut inside an emoji holds half of a character (`"\ud83d"`). Scripts take
//! it for a text like any other. No Rust string can hold it, so U+FFFD stands for it there.
//!
//! Nothing is looked for before `serde_json` has refused a text, so whole texts cost what they always did.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How long an escape is, and U+FFFD as one.
const ESCAPE: usize = 6;
const REPLACEMENT: &str = "\\ufffd";

/// As [`serde_json::from_str`], with U+FFFD in place of half characters.
///
/// # Errors
///
/// As [`serde_json::from_str`].
pub fn from_str<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|error| match mended(text) {
        Some(mended) => serde_json::from_str(&mended),
        None => Err(error),
    })
}

/// As [`from_str`], for bytes. A half character may also be encoded as if it were a whole one.
///
/// # Errors
///
/// As [`serde_json::from_slice`].
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(bytes).or_else(|error| match utf8(bytes) {
        Some(text) => from_str(&text),
        None => Err(error),
    })
}

/// A JSON string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What the JSON string `text` says, with U+FFFD in place of half characters. `None` if it is no JSON string.
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    match serde_json::from_str(text) {
        Ok(Text(string)) => Some(string),
        Err(_) => from_str(&mended(text)?).ok().map(Cow::Owned),
    }
}

/// Appends `text` as a JSON string.
pub fn push_string(json: &mut String, text: &str) {
    let is_plain = |byte| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// JSON `text` with U+FFFD in place of half characters. `None` if it has none. It stays as long as it was.
pub fn mended(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut mended = String::new();
    // What has been copied, and what has been looked at.
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = memchr(b'\\', &bytes[at..]) {
        at += found;
        match unit(&bytes[at..]) {
            // Both halves.
            Some(0xD800..=0xDBFF) if is_second(&bytes[at + ESCAPE..]) => at += 2 * ESCAPE,
            Some(0xD800..=0xDFFF) => {
                mended.push_str(&text[copied..at]);
                mended.push_str(REPLACEMENT);
                at += ESCAPE;
                copied = at;
            }
            Some(_) => at += ESCAPE,
            // One of the short escapes. Whatever comes behind the backslash begins no escape.
            None => at = (at + 2).min(bytes.len()),
        }
    }
    if copied == 0 {
        return None;
    }
    mended.push_str(&text[copied..]);
    Some(mended)
}

fn is_second(bytes: &[u8]) -> bool {
    matches!(unit(bytes), Some(0xDC00..=0xDFFF))
}

/// The code unit that the escape `\uXXXX` at the beginning stands for.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Text of a peer whose encoder writes half characters as if they were whole ones (three bytes each), with U+FFFD in
/// their place. `None` if it is no text otherwise.
pub fn utf8(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(text));
    }
    let mut mended = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = memchr(0xED, &mended[at..]) {
        at += found;
        if let Some([_, 0xA0..=0xBF, 0x80..=0xBF]) = mended.get(at..at + 3) {
            mended[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
        at += 1;
    }
    String::from_utf8(mended).ok().map(Cow::Owned)
}

/// How much a JSON text may unfold to once it is parsed: a value takes many times the memory of the one or two bytes that
/// it can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How deep arrays and objects may nest.
    pub max_depth: usize,
    /// Most values: members of arrays, keys and members of objects, and the whole.
    pub max_values: usize,
}

/// What a text has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Levels.
    Depth,
    /// Values.
    Values,
}

impl Bounds {
    /// Looks at a text before it is parsed: one pass over what is not in strings, no recursion, and nothing is kept. What is
    /// no JSON may pass.
    ///
    /// # Errors
    ///
    /// What there is too much of.
    pub fn check(self, text: &[u8]) -> Result<(), Excess> {
        // Each level and each value takes a byte at least.
        if text.len() <= self.max_depth.min(self.max_values) {
            return Ok(());
        }
        let (mut depth, mut values) = (0_usize, 1_usize);
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            at += 1;
            match byte {
                b'[' | b'{' => {
                    depth += 1;
                    if depth > self.max_depth {
                        return Err(Excess::Depth);
                    }
                    // What is in it. Spaces are looked at again.
                    let next = text[at..].iter().find(|byte| !byte.is_ascii_whitespace());
                    values += usize::from(!matches!(next, Some(b']' | b'}')));
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                b',' | b':' => values += 1,
                b'"' => {
                    while let Some(found) = memchr2(b'"', b'\\', &text[at..]) {
                        at += found + 1;
                        if text[at - 1] == b'"' {
                            break;
                        }
                        at = (at + 1).min(text.len());
                    }
                    continue;
                }
                _ => continue,
            }
            if values > self.max_values {
                return Err(Excess::Values);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn half_characters_become_one_replacement_each() {
        for (text, expected) in [
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (r#""\uDE00""#, Some(r#""\ufffd""#)),
            (r#""a\ud83db""#, Some(r#""a\ufffdb""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ude00\ud83d""#, Some(r#""\ufffd\ufffd""#)),
            (r#""\ud83d\u0041""#, Some(r#""\ufffd\u0041""#)),
            (r#""\ud83d\n""#, Some(r#""\ufffd\n""#)),
            (r#"{"\udfff":["\ud800"]}"#, Some(r#"{"\ufffd":["\ufffd"]}"#)),
            (r#""\\ud83d""#, None),
            (r#""\\\ud83d""#, Some(r#""\\\ufffd""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\u00e9\n""#, None),
            (r#""\ud83""#, None),
            ("\"\u{1F600}\"", None),
            ("\"\\\u{1F600}", None),
            ("\\", None),
            ("", None),
        ] {
            assert_eq!(mended(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn they_are_texts_like_any_other() {
        assert_eq!(string(r#""x\ud83d""#).unwrap(), "x\u{FFFD}");
        assert_eq!(string(r#""x""#).unwrap(), "x");
        assert_eq!(string("5"), None);
        assert_eq!(string(r#""\ud83d"#), None);
        let value: Value = from_str(r#"{"\ud83d":"\ud83d"}"#).unwrap();
        assert_eq!(value, serde_json::json!({"\u{FFFD}": "\u{FFFD}"}));
        assert!(from_str::<Value>("{").is_err());
        assert!(from_str::<Value>(r#"{"\ud83d":}"#).is_err());
    }

    #[test]
    fn what_a_text_unfolds_to_is_known_before() {
        let values = |text: &str| {
            let fits = |max_values| {
                let bounds = Bounds {
                    max_depth: 8,
                    max_values,
                };
                bounds.check(text.as_bytes()).is_ok()
            };
            (1..1000).find(|count| fits(*count))
        };
        for (text, count) in [
            ("[1,1]", 3),
            ("{\"\":0}", 3),
            ("[[],{},[ ],{\n}]", 5),
            ("{\"a,:[\":\"b\\\",{\",\"c\":[]}", 5),
            ("[[[1]]]", 4),
            ("          1          ", 1),
            ("\"aaaaaaaaaa,,,\"", 1),
        ] {
            assert_eq!(values(text), Some(count), "{text}");
        }
        let deep = |levels: usize| {
            let text = "[".repeat(levels) + &"]".repeat(levels);
            let bounds = Bounds {
                max_depth: 8,
                max_values: 1000,
            };
            bounds.check(text.as_bytes())
        };
        assert_eq!(deep(8), Ok(()));
        assert_eq!(deep(9), Err(Excess::Depth));
        assert_eq!(deep(1_000_000), Err(Excess::Depth));
        // What is no JSON ends nowhere else.
        for text in ["\"", "\"\\", "]]]]]]]]]]", "[\"", "\\\"\\"] {
            let text = text.repeat(20);
            let _any = values(&text);
        }
    }

    #[test]
    fn encoded_as_if_they_were_whole_they_are_known_too() {
        assert_eq!(utf8(b"a").unwrap(), "a");
        assert_eq!(utf8(b"a\xED\xA0\xBDb").unwrap(), "a\u{FFFD}b");
        assert_eq!(utf8("\u{D7FF}".as_bytes()).unwrap(), "\u{D7FF}");
        for bytes in [&b"\xFF"[..], b"\xED\xA0", b"\xED", b"\xED\xA0\xBD\x80"] {
            assert_eq!(utf8(bytes), None, "{bytes:?}");
        }
    }
}
