//! Primus's control strings (docs/protocol/primus.md#control-strings): strings that begin with `primus::`.
//! They ride inside messages, so every transport that serves Primus clients uses this module. How a string becomes a
//! message is the [`Controls`]' business: JSON, unless the server speaks something else.

use std::borrow::Cow;
use std::fmt;

use crate::{IncomingPayload, Payload};

/// How strings are written as messages, and recognised in them.
pub trait Controls: fmt::Debug + Send + Sync + 'static {
    /// The message that is this string.
    fn encode(&self, text: &str) -> Payload;

    /// The string that a message is, if it begins with [`PREFIX`].
    fn decode<'a>(&self, message: IncomingPayload<'a>) -> Option<Cow<'a, str>>;
}

/// JSON strings in text messages, the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonControls;

impl Controls for JsonControls {
    fn encode(&self, text: &str) -> Payload {
        Payload::Text(serde_json::Value::from(text).to_string().into())
    }

    fn decode<'a>(&self, message: IncomingPayload<'a>) -> Option<Cow<'a, str>> {
        match message {
            IncomingPayload::Text(text) => {
                json_string(text).filter(|text| text.starts_with(PREFIX))
            }
            IncomingPayload::Binary(_) => None,
        }
    }
}

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
    /// Reads a decoded string as a control string; `None` if it is application data.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
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
            Self::Ping(number) => Some(format!("primus::pong::{number}")),
            Self::Id => Some(format!("primus::id::{id}")),
            Self::Pong | Self::Unknown => None,
        }
    }
}

/// How every control string begins.
pub const PREFIX: &str = "primus::";

/// Tells the client that it must not come back.
pub const SERVER_CLOSE: &str = "primus::server::close";

/// The string that JSON `text` is; `None` if it is another value, or not JSON.
///
/// It is decoded, as Primus decodes it before it looks: `"\u0070rimus::…"` is a control string, too.
pub fn json_string(text: &str) -> Option<Cow<'_, str>> {
    let is_string = text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('"');
    // Nearly all strings in practice are control strings, so decoding here is not wasted.
    is_string.then(|| crate::json::string(text))?
}

/// Whether JSON `text`, written as a message, would be taken for a control string by a client.
pub fn is_reserved(text: &str) -> bool {
    json_string(text).is_some_and(|text| text.starts_with(PREFIX))
}

/// JSON text with U+2028 and U+2029 escaped, as Primus writes it (docs/protocol/primus.md#escaping).
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
    format!("primus::ping::{now}")
}

/// Tells the client how long to wait before it comes back, once the connection has closed. Clients that do not know it
/// ignore it, Primus's own among them.
pub fn retry(after: std::time::Duration) -> String {
    format!("primus::server::retry::{}", after.as_millis())
}

/// The document at `<pathname>/spec`: five keys in this order (docs/protocol/primus.md#the-description).
pub fn spec(
    ping_interval: Option<std::time::Duration>,
    pathname: &str,
    parser: &str,
    transformer: &str,
) -> String {
    let ping_interval = match ping_interval {
        Some(interval) => interval.as_millis().to_string(),
        None => "false".to_owned(),
    };
    let pathname = serde_json::Value::from(pathname);
    format!(
        "{{\"pingInterval\":{ping_interval},\"pathname\":{pathname},\"version\":\"{VERSION}\",\
         \"parser\":\"{parser}\",\"transformer\":\"{transformer}\"}}"
    )
}

/// The Primus release whose wire behaviour this crate speaks.
pub const VERSION: &str = "8.0.9";

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
            let control = JsonControls.decode(IncomingPayload::Text(text));
            let control = control.and_then(|control| Control::parse(&control));
            assert_eq!(control, expected, "{text}");
            assert_eq!(is_reserved(text), expected.is_some(), "{text}");
        }
    }

    #[test]
    fn answers_are_json_whatever_the_ping_carried() {
        for (carried, written) in [
            ("123", "\"primus::pong::123\""),
            ("a\"b", "\"primus::pong::a\\\"b\""),
        ] {
            let answer = Control::Ping(carried.into()).answer("id").unwrap();
            assert_eq!(JsonControls.encode(&answer), Payload::Text(written.into()));
        }
    }

    #[test]
    fn the_spec_has_its_five_keys_in_order() {
        assert_eq!(
            spec(
                Some(std::time::Duration::from_secs(30)),
                "/primus",
                "json",
                "websockets"
            ),
            "{\"pingInterval\":30000,\"pathname\":\"/primus\",\"version\":\"8.0.9\",\"parser\":\"json\",\"transformer\":\"websockets\"}"
        );
        assert!(
            spec(None, "/a\"", "json", "custom")
                .starts_with("{\"pingInterval\":false,\"pathname\":\"/a\\\"\",")
        );
    }
}
