//! Primus's control strings (Primus specification, §1 and §5): JSON strings that begin with `primus::`.
//! They ride inside messages, so every transport that serves Primus clients uses this module.

use std::borrow::Cow;

/// What a peer says with a control string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// `primus::ping::<n>`: clients up to version 6 measure liveness this way. Answered with a pong.
    Ping(String),
    /// `primus::pong::<n>`: the answer to our ping. A sign of life like any other traffic.
    Pong,
    /// `primus::id::`: asks for the connection's id.
    Id,
    /// Any other name. Ignored: it is neither ours nor the application's.
    Unknown,
}

impl Control {
    /// Reads `text` as a control string; `None` if it is application data.
    ///
    /// The decision is made on the decoded string, as Primus makes it: `"\u0070rimus::…"` is one too.
    pub fn parse(text: &str) -> Option<Self> {
        if !is_string(text) {
            return None;
        }
        // Nearly all strings in practice are control strings, so decoding here is not wasted.
        let decoded: Cow<'_, str> = match serde_json::from_str(text) {
            Ok(Decoded(decoded)) => decoded,
            Err(_) => return None,
        };
        let body = decoded.strip_prefix(PREFIX)?;
        Some(match body.split_once("::") {
            Some(("ping", number)) => Self::Ping(number.to_owned()),
            Some(("pong", _)) => Self::Pong,
            Some(("id", _)) => Self::Id,
            Some(_) | None => Self::Unknown,
        })
    }

    /// What the peer is answered, if anything. `id` is the connection's public id.
    pub fn answer(&self, id: impl std::fmt::Display) -> Option<String> {
        match self {
            Self::Ping(number) => Some(pong(number)),
            Self::Id => Some(self::id(id)),
            Self::Pong | Self::Unknown => None,
        }
    }
}

/// A JSON string, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Decoded<'a>(#[serde(borrow)] Cow<'a, str>);

/// How every control string begins.
pub const PREFIX: &str = "primus::";

/// Tells the client that it must not come back.
pub const SERVER_CLOSE: &str = "\"primus::server::close\"";

/// Whether JSON `text` is a string.
fn is_string(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('"')
}

/// Whether `text`, written as a message, would be taken for a control string by a client.
pub fn is_reserved(text: &str) -> bool {
    Control::parse(text).is_some()
}

/// JSON text with U+2028 and U+2029 escaped, as Primus writes it (Primus specification, §6.1).
/// In valid JSON they occur inside strings only, where the escape means the same.
pub fn escape(text: &str) -> Cow<'_, str> {
    // Both characters begin with this byte, which is rare enough to make the second look cheap.
    if memchr::memchr(0xE2, text.as_bytes()).is_none() || !text.contains(['\u{2028}', '\u{2029}']) {
        return text.into();
    }
    let escaped = text.replace('\u{2028}', "\\u2028");
    escaped.replace('\u{2029}', "\\u2029").into()
}

/// The ping sent at `now`, in ms since the Unix epoch.
pub fn ping(now: u64) -> String {
    format!("\"primus::ping::{now}\"")
}

/// The answer to a ping that carried `number`.
pub fn pong(number: &str) -> String {
    serde_json::Value::String(format!("primus::pong::{number}")).to_string()
}

/// The answer to the question for the id.
pub fn id(id: impl std::fmt::Display) -> String {
    format!("\"primus::id::{id}\"")
}

/// The document at `<pathname>/spec`: five keys in this order (Primus specification, §2.3).
pub fn spec(ping_interval: Option<std::time::Duration>, transformer: &str) -> String {
    let ping_interval = match ping_interval {
        Some(interval) => interval.as_millis().to_string(),
        None => "false".to_owned(),
    };
    format!(
        "{{\"pingInterval\":{ping_interval},\"pathname\":\"/primus\",\"version\":\"{VERSION}\",\
         \"parser\":\"json\",\"transformer\":\"{transformer}\"}}"
    )
}

/// The Primus release whose wire behaviour this crate speaks.
const VERSION: &str = "8.0.9";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_strings_are_told_from_data() {
        for (text, expected) in [
            ("\"primus::ping::123\"", Some(Control::Ping("123".into()))),
            (" \"primus::pong::123\"", Some(Control::Pong)),
            ("\"primus::id::\"", Some(Control::Id)),
            ("\"\\u0070rimus::id::\"", Some(Control::Id)),
            ("\"primus::server::close\"", Some(Control::Unknown)),
            ("\"primus::\"", Some(Control::Unknown)),
            ("\"primus::idx\"", Some(Control::Unknown)),
            ("\"primus:\"", None),
            ("\"hello\"", None),
            ("\"primus::ping::1", None),
            ("{\"primus::ping\":1}", None),
            ("", None),
        ] {
            assert_eq!(Control::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn answers_are_json_whatever_the_ping_carried() {
        assert_eq!(pong("123"), "\"primus::pong::123\"");
        assert_eq!(pong("a\"b"), "\"primus::pong::a\\\"b\"");
    }

    #[test]
    fn the_spec_has_its_five_keys_in_order() {
        assert_eq!(
            spec(Some(std::time::Duration::from_secs(30)), "websockets"),
            "{\"pingInterval\":30000,\"pathname\":\"/primus\",\"version\":\"8.0.9\",\"parser\":\"json\",\"transformer\":\"websockets\"}"
        );
        assert!(spec(None, "websockets").starts_with("{\"pingInterval\":false,"));
    }
}
