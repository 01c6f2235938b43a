//! The request packet: its envelope is read by borrowing, its payload stays raw text.

#[cfg(feature = "testing")]
pub(super) mod fuzz;
mod refused;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use stellar_transports::json::{self, Bounds, Excess};

use super::error::Error;

/// How deep arrays and objects may nest. What passes here is handed to other clients, whose parsers may recurse. What is
/// parsed by the server has bounds of its own.
const MAX_DEPTH: usize = 128;
const RELAYED: Bounds = relayed(usize::MAX);

/// How many keys besides its own a packet may have.
const MAX_OTHER_KEYS: usize = 64;

/// A request. Keys that appear twice count once, the last time, as in `JSON.parse`.
#[derive(Debug, Default)]
pub(crate) struct Packet<'a> {
    /// The verb.
    pub(crate) event: Option<&'a RawValue>,
    pub(crate) room: Option<&'a RawValue>,
    pub(crate) message: Option<&'a RawValue>,
    pub(crate) params: Option<&'a RawValue>,
    pub(crate) file: Option<&'a RawValue>,
    /// Echoed in the response.
    pub(crate) message_id: Option<&'a RawValue>,
    /// Where the next page of a long answer begins.
    pub(crate) after: Option<&'a RawValue>,
    /// The values of all other keys, in order; `after` is one of them.
    pub(crate) others: Vec<&'a RawValue>,
}

/// What was received.
#[derive(Debug)]
pub(crate) enum Received<'a> {
    Packet(Packet<'a>),
    /// JSON, but no object.
    NotAnObject,
    /// JSON that goes no further. Its sender has counted it, so it is answered like any other.
    Refused {
        /// A text for the sender.
        detail: Cow<'static, str>,
        message_id: Option<&'a RawValue>,
    },
}

impl<'a> Received<'a> {
    /// What its answer is to give back.
    pub(crate) const fn message_id(&self) -> Option<&'a RawValue> {
        match self {
            Self::Packet(packet) => packet.message_id,
            Self::Refused { message_id, .. } => *message_id,
            Self::NotAnObject => None,
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads one packet.
    ///
    /// # Errors
    ///
    /// A text for the sender, when `text` is not JSON.
    pub(crate) fn parse(text: &'a str) -> Result<Received<'a>, String> {
        let read = match RELAYED.check(text.as_bytes()) {
            Err(_) => Err(format!("it nests deeper than {MAX_DEPTH} levels")),
            Ok(()) => Self::read(text),
        };
        read.or_else(|detail| match refused::scan(text) {
            Some(message_id) => Ok(Received::Refused {
                detail: detail.into(),
                message_id,
            }),
            None => Err(detail),
        })
    }

    fn read(text: &'a str) -> Result<Received<'a>, String> {
        let is_object = text
            .trim_start_matches([' ', '\t', '\r', '\n'])
            .starts_with('{');
        if is_object {
            serde_json::from_str(text).map(Received::Packet)
        } else {
            serde_json::from_str::<&RawValue>(text).map(|_| Received::NotAnObject)
        }
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Data => error.to_string(),
            _ => format!("it is not JSON ({error})"),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Packet<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Packet<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Packet<'de>, M::Error> {
                let mut packet = Packet::default();
                while let Some(key) = map.next_key()? {
                    let value: &'de RawValue = map.next_value()?;
                    match key {
                        Key::Event => packet.event = Some(value),
                        Key::Room => packet.room = Some(value),
                        Key::Message => packet.message = Some(value),
                        Key::Params => packet.params = Some(value),
                        Key::File => packet.file = Some(value),
                        Key::MessageId => packet.message_id = Some(value),
                        Key::After | Key::Data | Key::Other
                            if packet.others.len() == MAX_OTHER_KEYS =>
                        {
                            return Err(serde::de::Error::custom(format_args!(
                                "it has more than {MAX_OTHER_KEYS} keys besides those of a packet"
                            )));
                        }
                        Key::After => {
                            packet.after = Some(value);
                            packet.others.push(value);
                        }
                        Key::Data | Key::Other => packet.others.push(value),
                    }
                }
                packet.message_id = packet.message_id.filter(|id| is_id(id));
                Ok(packet)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The packet that an event is: its argument, with the event's name as the verb. `None` if the argument is no object. An
/// empty array is one: PHP knows no difference. The name comes last, and so wins over what the argument says.
pub(crate) fn of_event(name: &str, argument: &str) -> Option<String> {
    let mut packet = String::with_capacity(argument.len() + name.len() + 16);
    push_with_name(&mut packet, argument, "event", name)?;
    Some(packet)
}

/// The packet that calls the action of an event's name, with the event's argument as params. As in [`of_event`].
pub(crate) fn of_action(name: &str, argument: &str) -> Option<String> {
    let mut packet = String::with_capacity(argument.len() + name.len() + 48);
    packet.push_str("{\"event\":\"action\",\"params\":");
    push_with_name(&mut packet, argument, "action", name)?;
    packet.push('}');
    Some(packet)
}

/// Appends an event's argument with its name at `key`.
fn push_with_name(packet: &mut String, argument: &str, key: &str, name: &str) -> Option<()> {
    let keys = match argument == "null" || is_empty_array(argument) {
        true => "",
        false => argument.strip_prefix('{')?.strip_suffix('}')?.trim_end(),
    };
    packet.push('{');
    packet.push_str(keys);
    packet.push_str(if keys.is_empty() { "\"" } else { ",\"" });
    packet.push_str(key);
    packet.push_str("\":");
    json::push_string(packet, name);
    packet.push('}');
    Some(())
}

/// The params of the `event` verb. Keys that appear twice count once, as in a [`Packet`].
#[derive(Debug, Default)]
pub(crate) struct EventParams<'a> {
    pub(crate) room: Option<&'a RawValue>,
    pub(crate) event: Option<&'a RawValue>,
    pub(crate) data: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for EventParams<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = EventParams<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut params = EventParams::default();
                while let Some(key) = map.next_key()? {
                    let value = map.next_value()?;
                    match key {
                        Key::Room => params.room = Some(value),
                        Key::Event => params.event = Some(value),
                        Key::Data => params.data = Some(value),
                        _ => {}
                    }
                }
                Ok(params)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A key. Read as bytes, because it may hold what no Rust string can: half of a character.
enum Key {
    Event,
    Room,
    Message,
    Params,
    File,
    MessageId,
    After,
    Data,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Key, E> {
                Ok(match name {
                    b"event" => Key::Event,
                    b"room" => Key::Room,
                    b"message" => Key::Message,
                    b"params" => Key::Params,
                    b"file" => Key::File,
                    b"messageId" => Key::MessageId,
                    b"after" => Key::After,
                    b"data" => Key::Data,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_bytes(Name)
    }
}

/// Only a text or a number can be an id; anything else is not echoed.
fn is_id(value: &RawValue) -> bool {
    matches!(
        value.get().as_bytes().first(),
        Some(b'"' | b'-' | b'0'..=b'9')
    )
}

/// The value as text if it is a string.
pub(crate) fn as_text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    // It was checked when it was read: what has no escapes is the text itself.
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    json::string(value.get())
}

/// The value as a name: a non-empty string, or a number's digits.
pub(crate) fn as_name(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let value = value?;
    match value.get().as_bytes().first() {
        Some(b'"') => as_text(value).filter(|name| !name.is_empty()),
        Some(b'-' | b'0'..=b'9') => Some(Cow::Borrowed(value.get())),
        Some(_) | None => None,
    }
}

/// The bounds of what is passed on as it came, but parsed on its way.
pub(crate) const fn relayed(max_values: usize) -> Bounds {
    Bounds {
        max_depth: MAX_DEPTH,
        max_values,
    }
}

/// Refuses JSON that would unfold to too much, before it does.
///
/// # Errors
///
/// 023, which names the limit.
pub(crate) fn bounded(json: &[u8], what: &str, bounds: Bounds) -> Result<(), Error> {
    bounds.check(json).map_err(|excess| {
        let Bounds {
            max_depth,
            max_values,
        } = bounds;
        Error::InvalidPacket(match excess {
            Excess::Depth => {
                format!("{what} nests deeper than {max_depth} levels (limits.max_depth)")
            }
            Excess::Values => {
                format!("{what} has more than {max_values} values (limits.max_values)")
            }
        })
    })
}

/// Whether there is nothing to say: null, an empty text or an empty array.
pub(crate) fn is_empty_message(value: &RawValue) -> bool {
    matches!(value.get(), "null" | "\"\"") || is_empty_array(value.get())
}

fn is_empty_array(json: &str) -> bool {
    json.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| inner.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(text: &str) -> Packet<'_> {
        match Packet::parse(text) {
            Ok(Received::Packet(packet)) => packet,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// What is said about JSON that goes no further, and its id.
    fn refusal(text: &str) -> (String, Option<String>) {
        match Packet::parse(text) {
            Ok(Received::Refused { detail, message_id }) => (
                detail.into_owned(),
                message_id.map(|id| id.get().to_owned()),
            ),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn keys_may_come_in_any_order_and_twice() {
        let packet = packet(
            r#"{"message":{"a":[1]},"room":"r\u00e9","x":1,"event":"no","event":"say","y":"z"}"#,
        );
        assert_eq!(as_text(packet.event.unwrap()).unwrap(), "say");
        assert_eq!(as_name(packet.room).unwrap(), "ré");
        assert_eq!(packet.message.unwrap().get(), r#"{"a":[1]}"#);
        assert_eq!(packet.others.len(), 2);
    }

    #[test]
    fn what_is_no_packet_is_told_apart() {
        for text in ["5", "null", "[1,2]", "\"x\"", " true "] {
            assert!(
                matches!(Packet::parse(text), Ok(Received::NotAnObject)),
                "{text}"
            );
        }
        for text in [
            "",
            "{",
            "{]",
            "hello",
            "{\"a\":}",
            "\u{FEFF}{}",
            "{} {}",
            "{\"a\":\"\0\"}",
        ] {
            assert!(Packet::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_texts_or_numbers() {
        assert_eq!(as_name(packet(r#"{"room":12}"#).room).unwrap(), "12");
        for text in [
            r#"{"room":""}"#,
            r#"{"room":null}"#,
            r#"{"room":{}}"#,
            r#"{"room":["a"]}"#,
            "{}",
        ] {
            assert!(as_name(packet(text).room).is_none(), "{text}");
        }
    }

    #[test]
    fn empty_messages() {
        for (text, empty) in [
            ("null", true),
            ("\"\"", true),
            ("[ ]", true),
            ("{}", false),
            ("0", false),
            ("\" \"", false),
        ] {
            let json = format!("{{\"message\":{text}}}");
            assert_eq!(
                is_empty_message(packet(&json).message.unwrap()),
                empty,
                "{text}"
            );
        }
    }

    #[test]
    fn depth_is_limited_without_recursion() {
        let deep = |levels: usize| {
            format!(
                "{{\"message\":{}{}}}",
                "[".repeat(levels),
                "]".repeat(levels)
            )
        };
        assert!(Packet::parse(&deep(MAX_DEPTH - 1)).is_ok());
        for levels in [MAX_DEPTH, 1_000_000] {
            let (detail, id) = refusal(&deep(levels));
            assert_eq!(detail, "it nests deeper than 128 levels");
            assert_eq!(id, None);
        }
        assert!(Packet::parse(&"[".repeat(1000)).is_err(), "not JSON");
        let quoted = format!(
            "{{\"message\":\"{}\\\"{}\"}}",
            "[".repeat(1000),
            "[".repeat(1000)
        );
        assert!(
            Packet::parse(&quoted).is_ok(),
            "brackets in strings do not count"
        );
    }

    #[test]
    fn an_event_is_a_packet_with_its_name_as_verb() {
        let packet = |argument| of_event("s\"y", argument);
        let named = "{\"event\":\"s\\\"y\"}";
        assert_eq!(packet("null").unwrap(), named);
        assert_eq!(packet("{}").unwrap(), named);
        assert_eq!(packet("{ }").unwrap(), named);
        assert_eq!(packet("[]").unwrap(), named);
        assert_eq!(packet("[ \n]").unwrap(), named);
        let text = packet("{\"event\":\"quit\",\"room\":1}").unwrap();
        let Ok(Received::Packet(read)) = Packet::parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(as_name(read.event).unwrap(), "s\"y");
        assert_eq!(as_name(read.room).unwrap(), "1");
        for other in ["1", "\"a\"", "[{}]", "[[]]", "[null]", "[{},{}]", "true"] {
            assert_eq!(packet(other), None);
        }
    }

    #[test]
    fn an_event_named_as_an_action_is_a_call_of_it() {
        let text = of_action("sum", "{\"a\":1,\"action\":\"other\"}").unwrap();
        let expected = "{\"a\":1,\"action\":\"other\",\"action\":\"sum\"}";
        let Ok(Received::Packet(read)) = Packet::parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(as_name(read.event).unwrap(), "action");
        assert_eq!(read.params.unwrap().get(), expected);
        assert_eq!(
            of_action("sum", "null").unwrap(),
            "{\"event\":\"action\",\"params\":{\"action\":\"sum\"}}"
        );
        assert_eq!(of_action("sum", "[1]"), None);
    }

    #[test]
    fn keys_are_counted() {
        let with = |count: usize| format!("{{{}\"event\":\"say\"}}", "\"k\":1,".repeat(count));
        assert!(Packet::parse(&with(MAX_OTHER_KEYS)).is_ok());
        let mut text = with(MAX_OTHER_KEYS + 1);
        text.insert_str(1, "\"messageId\":\"a\",");
        let (detail, id) = refusal(&text);
        assert!(detail.starts_with("it has more than 64 keys"), "{detail}");
        assert_eq!(id.as_deref(), Some("\"a\""));
        assert!(Packet::parse(&text[..text.len() - 1]).is_err(), "not JSON");
    }

    #[test]
    fn half_a_character_is_a_text_like_any_other() {
        let packet = packet(
            r#"{"\ud83d":1,"event":"sa\u0079","room":"\ud83dx","message":"\ud83d","messageId":"\udfff"}"#,
        );
        assert_eq!(as_text(packet.event.unwrap()).unwrap(), "say");
        assert_eq!(as_name(packet.room).unwrap(), "\u{FFFD}x");
        assert_eq!(packet.message.unwrap().get(), r#""\ud83d""#);
        assert_eq!(packet.message_id.unwrap().get(), r#""\udfff""#);
        assert_eq!(packet.others.len(), 1);
    }

    #[test]
    fn the_last_of_equal_params_counts() {
        let text = r#"{"room":"a","\ud83d":1,"data":1,"event":"x","room":"b"}"#;
        let params: EventParams<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(as_name(params.room).unwrap(), "b");
        assert_eq!(as_name(params.event).unwrap(), "x");
        assert_eq!(params.data.unwrap().get(), "1");
    }

    #[test]
    fn a_message_id_is_a_text_or_a_number() {
        assert_eq!(
            packet(r#"{"messageId":"aaa"}"#).message_id.unwrap().get(),
            "\"aaa\""
        );
        assert_eq!(
            packet(r#"{"messageId":-1.5}"#).message_id.unwrap().get(),
            "-1.5"
        );
        assert!(packet(r#"{"messageId":{"a":1}}"#).message_id.is_none());
    }
}
