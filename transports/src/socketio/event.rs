//! Events of the namespace `/`, as messages for the bus.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use socketioxide_core::Value;

use super::msgpack;
use crate::{Incoming, IncomingPayload};

/// Names that belong to the protocol's own events (§2.1).
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// The event of plain messages.
pub(super) const MESSAGE: &str = "message";

/// Reads an event, and hands it on as a message.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read(
    value: &Value,
    ack: Option<i64>,
    then: impl FnOnce(Incoming<'_>),
) -> Result<(), &'static str> {
    let ack = match ack.map(u64::try_from) {
        None => None,
        Some(Ok(ack)) => Some(ack),
        Some(Err(_)) => return Err("an acknowledgement has no such id"),
    };
    let json;
    let (text, attachments) = match value {
        Value::Str(text, attachments) => (&**text, attachments.as_ref()),
        Value::Bytes(bytes) => {
            if let Some(binary) = msgpack::binary_message(bytes) {
                then(Incoming {
                    payload: IncomingPayload::Binary(binary),
                    name: None,
                    ack,
                });
                return Ok(());
            }
            json = msgpack::to_json(bytes).ok_or("the packet is not msgpack, or too deep")?;
            (&*json, None)
        }
    };
    let event: Event<'_> = serde_json::from_str(text).map_err(|_| "an event is not JSON")?;
    if RESERVED.contains(&&*event.name) {
        return Err("an event has a reserved name");
    }
    let name = (event.name != MESSAGE).then_some(&*event.name);
    let joined;
    let inlined;
    let mut argument = match (event.first, &event.others[..]) {
        (None, _) => "null",
        (Some(first), []) => first.get(),
        (Some(first), others) => {
            let texts = others.iter().map(|other| other.get());
            let texts: Vec<_> = std::iter::once(first.get()).chain(texts).collect();
            joined = format!("[{}]", texts.join(","));
            &joined
        }
    };
    if let Some(attachments) = attachments.filter(|attachments| !attachments.is_empty()) {
        let mut value =
            serde_json::from_str(argument).map_err(|_| "an event nests too deep for binary")?;
        if let (None, Some(alone)) = (name, whole(&value, attachments)) {
            then(Incoming {
                payload: IncomingPayload::Binary(alone),
                name,
                ack,
            });
            return Ok(());
        }
        inline(&mut value, attachments)?;
        inlined = value.to_string();
        argument = &inlined;
    }
    then(Incoming {
        payload: IncomingPayload::Text(argument),
        name,
        ack,
    });
    Ok(())
}

/// `["name",argument,…]`
struct Event<'a> {
    name: Cow<'a, str>,
    first: Option<&'a RawValue>,
    others: Vec<&'a RawValue>,
}

/// More arguments than any event has: nobody is told what they are.
const MAX_ARGUMENTS: usize = 64;

impl<'de: 'a, 'a> Deserialize<'de> for Event<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Event<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array that begins with a name")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Event<'de>, S::Error> {
                let Some(Name(name)) = seq.next_element()? else {
                    return Err(serde::de::Error::invalid_length(0, &self));
                };
                let first = seq.next_element()?;
                let mut others = Vec::new();
                while others.len() < MAX_ARGUMENTS {
                    match seq.next_element()? {
                        Some(other) => others.push(other),
                        None => break,
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Event {
                    name,
                    first,
                    others,
                })
            }
        }
        deserializer.deserialize_seq(Array)
    }
}

/// A JSON string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The attachment that a placeholder stands for.
fn attachment<'a>(
    value: &serde_json::Value,
    attachments: &'a VecDeque<Bytes>,
) -> Option<Result<&'a Bytes, &'static str>> {
    let object = value.as_object()?;
    if object.get("_placeholder") != Some(&serde_json::Value::Bool(true)) {
        return None;
    }
    let number = object.get("num").and_then(serde_json::Value::as_u64);
    let found = number
        .and_then(|number| usize::try_from(number).ok())
        .and_then(|number| attachments.get(number));
    Some(found.ok_or("a placeholder stands for no attachment"))
}

/// The attachment that an argument consists of.
fn whole<'a>(value: &serde_json::Value, attachments: &'a VecDeque<Bytes>) -> Option<&'a Bytes> {
    attachment(value, attachments)?.ok()
}

/// Puts attachments where their placeholders are, as base64: rooms speak JSON, and each member gets the same.
fn inline(
    value: &mut serde_json::Value,
    attachments: &VecDeque<Bytes>,
) -> Result<(), &'static str> {
    match attachment(value, attachments) {
        Some(found) => *value = BASE64_STANDARD.encode(found?).into(),
        None => match value {
            serde_json::Value::Array(items) => {
                for item in items {
                    inline(item, attachments)?;
                }
            }
            serde_json::Value::Object(object) => {
                for item in object.values_mut() {
                    inline(item, attachments)?;
                }
            }
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Got {
        Text(Option<String>, String, Option<u64>),
        Binary(Vec<u8>),
    }

    fn event(text: &str, attachments: &[&[u8]], ack: Option<i64>) -> Result<Got, &'static str> {
        let attachments = attachments.iter().map(|a| Bytes::copy_from_slice(a));
        let value = Value::Str(text.to_owned().into(), Some(attachments.collect()));
        let mut got = None;
        read(&value, ack, |message| {
            got = Some(match message.payload {
                IncomingPayload::Text(text) => Got::Text(
                    message.name.map(ToOwned::to_owned),
                    text.to_owned(),
                    message.ack,
                ),
                IncomingPayload::Binary(bytes) => Got::Binary(bytes.to_vec()),
            });
        })?;
        Ok(got.unwrap())
    }

    fn text(name: Option<&str>, text: &str, ack: Option<u64>) -> Result<Got, &'static str> {
        Ok(Got::Text(name.map(ToOwned::to_owned), text.into(), ack))
    }

    #[test]
    fn names_arguments_and_acknowledgements_are_told_apart() {
        assert_eq!(
            event("[\"say\",{\"a\": 1}]", &[], Some(7)),
            text(Some("say"), "{\"a\": 1}", Some(7))
        );
        assert_eq!(event("[\"message\", 5]", &[], None), text(None, "5", None));
        assert_eq!(
            event("[\"quit\"]", &[], None),
            text(Some("quit"), "null", None)
        );
        assert_eq!(
            event("[\"e\", 1, [2]]", &[], None),
            text(Some("e"), "[1,[2]]", None)
        );
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for bad in [
            "", "[]", "{}", "[1]", "[\"a\"", "[\"a\",]", "[\"a\"]x", "[null]",
        ] {
            assert!(event(bad, &[], None).is_err(), "{bad}");
        }
        for name in RESERVED {
            assert!(event(&format!("[\"{name}\"]"), &[], None).is_err());
        }
        assert!(event("[\"a\"]", &[], Some(-1)).is_err());
    }

    #[test]
    fn attachments_take_the_place_of_their_placeholders() {
        let place = |num: &str| format!("{{\"_placeholder\":true,\"num\":{num}}}");
        let say = format!("[\"say\",{{\"m\":{},\"n\":[{}]}}]", place("1"), place("0"));
        assert_eq!(
            event(&say, &[b"a", b"bc"], None),
            text(Some("say"), "{\"m\":\"YmM=\",\"n\":[\"YQ==\"]}", None)
        );
        assert_eq!(
            event(&format!("[\"message\",{}]", place("0")), &[b"a"], None),
            Ok(Got::Binary(b"a".to_vec()))
        );
        for num in ["1", "-1", "0.5", "\"0\"", "null", "{}", "1e99"] {
            let say = format!("[\"say\",[{}]]", place(num));
            assert!(event(&say, &[b"a"], None).is_err(), "{num}");
        }
    }
}
