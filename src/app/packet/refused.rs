//! A text that is no packet: whether it is JSON at all, and what its answer needs of it.
//!
//! Only such texts come here, so reading them twice costs honest clients nothing. They nest as deep as their sender
//! likes: no recursion.

use serde_json::value::RawValue;

use super::is_id;

/// What JSON `text` has as its `messageId`, if that can be one. `None` if it is not JSON.
pub(super) fn scan(text: &str) -> Option<Option<&RawValue>> {
    let mut scanner = Scanner { text, at: 0 };
    // Of each collection that is open, whether it is an object.
    let mut open: Vec<bool> = Vec::new();
    let (mut id, mut is_messages) = (None, false);
    loop {
        scanner.skip_space();
        let start = scanner.at;
        let begun = match scanner.peek()? {
            b'{' => Some(true),
            b'[' => Some(false),
            _ => None,
        };
        if let Some(is_object) = begun {
            scanner.at += 1;
            if !scanner.take(closing(is_object)) {
                open.push(is_object);
                if is_object {
                    let is_id = scanner.key()?;
                    if open.len() == 1 {
                        is_messages = is_id;
                        id = id.filter(|_| !is_id);
                    }
                }
                continue;
            }
        } else {
            scanner.scalar()?;
            if is_messages && open.len() == 1 {
                id = Some(&text[start..scanner.at]);
            }
        }
        // A value is complete, and with it perhaps what is around it.
        loop {
            let Some(is_object) = open.last().copied() else {
                scanner.skip_space();
                let id = id.and_then(|id| serde_json::from_str::<&RawValue>(id).ok());
                return (scanner.at == text.len()).then(|| id.filter(|id| is_id(id)));
            };
            if scanner.take(closing(is_object)) {
                open.pop();
                continue;
            }
            if !scanner.take(b',') {
                return None;
            }
            if is_object {
                let is_id = scanner.key()?;
                if open.len() == 1 {
                    is_messages = is_id;
                    id = id.filter(|_| !is_id);
                }
            }
            break;
        }
    }
}

const fn closing(is_object: bool) -> u8 {
    match is_object {
        true => b'}',
        false => b']',
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads `byte`, behind space, if it is there.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Reads a key and its colon. Whether it is `messageId`.
    fn key(&mut self) -> Option<bool> {
        self.skip_space();
        let start = self.at;
        if self.peek()? != b'"' {
            return None;
        }
        self.scalar()?;
        let key = stellar_transports::json::string(&self.text[start..self.at])?;
        self.take(b':').then(|| key == "messageId")
    }

    /// Reads a string, a number or a word. What is in it is `serde_json`'s to judge: none of them nests.
    fn scalar(&mut self) -> Option<()> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        if self.peek()? == b'"' {
            self.at += 1;
            loop {
                let rest = bytes.get(self.at..)?;
                self.at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
                if bytes[self.at] == b'"' {
                    break;
                }
                self.at += 2;
            }
            self.at += 1;
        } else {
            while let Some(b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') =
                self.peek()
            {
                self.at += 1;
            }
        }
        let scalar = &self.text[start..self.at];
        serde_json::from_str::<&RawValue>(scalar).ok().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<Option<&str>> {
        scan(text).map(|id| id.map(RawValue::get))
    }

    #[test]
    fn what_is_json_is_known_however_deep_it_is() {
        for text in [
            "5",
            " [ ] ",
            "{}",
            "[[],{},[1,\"a]\",{\"b\":[null,true,false,-1.5e999]}]]",
            "{\"a\" : 1 , \"\\ud83d\":\"\\udfff\"}",
            "\"\\\"\\\\\"",
        ] {
            assert_eq!(id(text), Some(None), "{text}");
        }
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(id(&deep), Some(None));
        let deep = "{\"a\":".repeat(300_000) + "1" + &"}".repeat(300_000);
        assert_eq!(id(&deep), Some(None));
    }

    #[test]
    fn what_is_not_json_is_known_too() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "[1}",
            "{\"a\":1]",
            "01",
            "1.",
            "nul",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\n\"",
            "[] []",
            "{}x",
            "\u{FEFF}{}",
            "é",
            "[é]",
            "+1",
            "NaN",
            "'a'",
        ] {
            assert_eq!(id(text), None, "{text}");
            assert!(serde_json::from_str::<&RawValue>(text).is_err(), "{text}");
        }
        assert_eq!(id(&"[".repeat(1_000_000)), None);
    }

    #[test]
    fn the_id_is_that_of_the_packet() {
        for (text, expected) in [
            (r#"{"messageId":"a"}"#, Some("\"a\"")),
            (r#"{"x":[1],"messageId" : 5 ,"y":{}}"#, Some("5")),
            (r#"{"message\u0049d":-1}"#, Some("-1")),
            (r#"{"messageId":"\ud83d"}"#, Some(r#""\ud83d""#)),
            (r#"{"messageId":1,"messageId":2}"#, Some("2")),
            (r#"{"messageId":1,"messageId":{}}"#, None),
            (r#"{"messageId":1,"messageId":[2]}"#, None),
            (r#"{"messageId":[2]}"#, None),
            (r#"{"messageId":true}"#, None),
            (r#"{"message":{"messageId":1}}"#, None),
            (r#"{"messageId":7,"message":{"messageId":1}}"#, Some("7")),
            (r#"{"message":{"messageId":1},"z":2}"#, None),
            (r#"[{"messageId":1}]"#, None),
        ] {
            assert_eq!(id(text), Some(expected), "{text}");
        }
    }
}
