//! Reads the members of a packet's outermost object by borrowing, and nothing
//! else of it: nested values are skipped by counting brackets.
//!
//! It checks less than a parser does. That is right for a floor, and wrong for
//! a server that strangers talk to.

use memchr::memchr2;

/// A request; values are raw JSON.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) event: &'a str,
    pub(super) room: &'a str,
    pub(super) message: &'a str,
    pub(super) params: &'a str,
}

impl<'a> Envelope<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut envelope = Self::default();
        for member in Members::of(text)? {
            let (key, value) = member?;
            match key {
                "event" => envelope.event = value,
                "room" => envelope.room = value,
                "message" => envelope.message = value,
                "params" => envelope.params = value,
                _ => {}
            }
        }
        Some(envelope)
    }
}

/// The value of one member of an object.
pub(super) fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let mut members = Members::of(object)?.flatten();
    members
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

/// Keys without their quotes, values as they stand; `None` ends a broken object.
struct Members<'a> {
    rest: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn of(object: &'a str) -> Option<Self> {
        let inside = object.trim_ascii().strip_prefix('{')?.strip_suffix('}')?;
        let inside = inside.trim_ascii();
        Some(Self {
            rest: Some(inside).filter(|inside| !inside.is_empty()),
        })
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Option<(&'a str, &'a str)>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        Some(split_member(rest).map(|(key, value, rest)| {
            self.rest = rest;
            (key, value)
        }))
    }
}

fn split_member(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let text = text.trim_ascii_start();
    let key_end = end_of_string(text.as_bytes())?;
    let key = &text[1..key_end - 1];
    let value = text[key_end..].trim_ascii_start().strip_prefix(':')?;
    let value = value.trim_ascii_start();
    let end = end_of_value(value.as_bytes())?;
    let (value, rest) = value.split_at(end);
    let rest = match rest.trim_ascii_start() {
        "" => None,
        more => Some(more.strip_prefix(',')?),
    };
    Some((key, value.trim_ascii_end(), rest))
}

/// Where the string at the start of `bytes` ends, behind its closing quote.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
        if at > bytes.len() {
            return None;
        }
    }
}

fn end_of_value(bytes: &[u8]) -> Option<usize> {
    if bytes.first() == Some(&b'"') {
        return end_of_string(bytes);
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += end_of_string(&bytes[at..])?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
    (depth == 0 && at > 0).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_whatever_else_there_is() {
        let text = r#" { "event" : "say","x":{"room":"no,\"}"},"room":"a","list":[1,{"b":2}],
            "message":"a \"quoted\\" } "#;
        let envelope = Envelope::read(text).unwrap();
        assert_eq!(envelope.event, r#""say""#);
        assert_eq!(envelope.room, r#""a""#);
        assert_eq!(envelope.message, r#""a \"quoted\\""#);
        assert_eq!(Envelope::read("{}"), Some(Envelope::default()));
    }

    #[test]
    fn a_member_of_params_is_found() {
        let params = r#"{"action":"formattedSum","a":3,"b":-4}"#;
        assert_eq!(member(params, "action"), Some(r#""formattedSum""#));
        assert_eq!(member(params, "b"), Some("-4"));
        assert_eq!(member(params, "c"), None);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{1}",
            r#"{"a"}"#,
            r#"{"a":"\"#,
            r#"{"a":"\}"#,
        ] {
            assert_eq!(Envelope::read(text), None, "{text}");
        }
    }
}
