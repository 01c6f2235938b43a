//! Events of the namespace `/`, as messages for the bus.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::msgpack::{self, Unwritten};
use super::packet::Data;
use crate::{Incoming, IncomingPayload};

/// Names that belong to the protocol's own events (docs/protocol/socketio.md#packets).
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

/// Reads the data of an event, and hands it on as a message.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read(
    data: Data<'_>,
    attachments: &[Bytes],
    ack: Option<u64>,
    then: impl FnOnce(Incoming<'_>),
) -> Result<(), &'static str> {
    let json;
    let text = match data {
        Data::Json(text) => text,
        Data::Msgpack(bytes) => {
            if let Some(binary) = msgpack::binary_message(bytes) {
                then(Incoming {
                    payload: IncomingPayload::Binary(binary),
                    name: None,
                    ack,
                });
                return Ok(());
            }
            json = match msgpack::to_json(bytes) {
                Ok(json) => json,
                Err(Unwritten::Malformed) => return Err("the packet is not msgpack"),
                Err(Unwritten::Unspeakable) => return read_unspeakable(bytes, ack, then),
            };
            &json
        }
    };
    let event: Event<'_> = serde_json::from_str(text).map_err(|_| "an event is not JSON")?;
    let name = name(event.name).ok_or("an event has no name")?;
    if RESERVED.contains(&&*name) {
        return Err("an event has a reserved name");
    }
    let name = (name != MESSAGE).then_some(&*name);
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
    if !attachments.is_empty() {
        if let (None, Some((number, len))) = (name, placeholder(argument)?)
            && len == argument.len()
        {
            let alone = attachments.get(number).ok_or(NO_ATTACHMENT)?;
            then(Incoming {
                payload: IncomingPayload::Binary(alone),
                name,
                ack,
            });
            return Ok(());
        }
        inlined = inline(argument, attachments)?;
        argument = &inlined;
    }
    then(Incoming {
        payload: IncomingPayload::Text(argument),
        name,
        ack,
    });
    Ok(())
}

/// What an event is called: a text, or the digits of a number, as in Node.
fn name(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'"' => match text.contains('\\') {
            // It was checked when it was read: what has no escapes is the text itself.
            false => Some(Cow::Borrowed(&text[1..text.len() - 1])),
            true => crate::json::string(text),
        },
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

/// Hands on an event whose arguments JSON has no word for, as they came, so that its sender can be told. A plain message
/// has no place for that: there, bytes are the message.
fn read_unspeakable(
    event: &[u8],
    ack: Option<u64>,
    then: impl FnOnce(Incoming<'_>),
) -> Result<(), &'static str> {
    let name = msgpack::event_name(event)
        .filter(|name| name != MESSAGE && !RESERVED.contains(&&**name))
        .ok_or("a packet says what JSON has no word for")?;
    then(Incoming {
        payload: IncomingPayload::Binary(event),
        name: Some(&name),
        ack,
    });
    Ok(())
}

/// `["name",argument,…]`
struct Event<'a> {
    name: &'a RawValue,
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
                let Some(name) = seq.next_element()? else {
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

const NO_ATTACHMENT: &str = "a placeholder stands for no attachment";

/// Longest text of a placeholder, however its writer spaces it.
const MAX_PLACEHOLDER: usize = 80;

/// The number of the placeholder that `json` begins with, and the length of its text, if there is one.
fn placeholder(json: &str) -> Result<Option<(usize, usize)>, &'static str> {
    let end = json
        .bytes()
        .take(MAX_PLACEHOLDER)
        .position(|byte| byte == b'}');
    let Some(text) = end.map(|end| &json[..=end]) else {
        return Ok(None);
    };
    if !text.starts_with('{') || !text.contains("\"_placeholder\"") {
        return Ok(None);
    }
    let Ok(object) = crate::json::from_str::<serde_json::Value>(text) else {
        // An object around one, or one whose number is none.
        let is_one = text[1..].trim_start().starts_with("\"_placeholder\"");
        return if is_one { Err(NO_ATTACHMENT) } else { Ok(None) };
    };
    if object["_placeholder"] != true {
        return Ok(None);
    }
    let number = object["num"].as_u64().map(usize::try_from);
    match number {
        Some(Ok(number)) => Ok(Some((number, text.len()))),
        Some(Err(_)) | None => Err(NO_ATTACHMENT),
    }
}

/// Puts attachments where their placeholders are, as base64: rooms speak JSON, and each member gets the same. Everything
/// else is copied as it is. An attachment has one place, so that the result is no larger than what was sent.
fn inline(json: &str, attachments: &[Bytes]) -> Result<String, &'static str> {
    let mut inlined = String::with_capacity(json.len());
    let mut places = vec![false; attachments.len()];
    let mut copied = 0;
    let mut at = 0;
    let bytes = json.as_bytes();
    while let Some(found) = memchr::memchr2(b'"', b'{', &bytes[at..]) {
        at += found;
        if bytes[at] == b'"' {
            at = end_of_string(bytes, at);
            continue;
        }
        let Some((number, len)) = placeholder(&json[at..])? else {
            at += 1;
            continue;
        };
        let attachment = attachments.get(number).ok_or(NO_ATTACHMENT)?;
        if std::mem::replace(&mut places[number], true) {
            return Err("an attachment has two places");
        }
        inlined.push_str(&json[copied..at]);
        inlined.push('"');
        BASE64_STANDARD.encode_string(attachment, &mut inlined);
        inlined.push('"');
        at += len;
        copied = at;
    }
    inlined.push_str(&json[copied..]);
    Ok(inlined)
}

/// Where the string that begins at `start` ends: behind its quote, or with the text if that is no JSON.
pub(super) fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(rest) = json.get(at..)
        && let Some(found) = memchr::memchr2(b'"', b'\\', rest)
    {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Got {
        Text(Option<String>, String, Option<u64>),
        Binary(Vec<u8>),
    }

    fn event(text: &str, attachments: &[&[u8]], ack: Option<u64>) -> Result<Got, &'static str> {
        let attachments = attachments.iter().map(|a| Bytes::copy_from_slice(a));
        let attachments: Vec<_> = attachments.collect();
        let mut got = None;
        read(Data::Json(text), &attachments, ack, |message| {
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
    fn names_are_texts_however_they_are_written_and_numbers() {
        for (written, name) in [
            ("\"\\u20ac\\n\"", "\u{20ac}\n"),
            ("\"nice \\ud83d\"", "nice \u{FFFD}"),
            ("\"a\\\"\"", "a\""),
            ("\"\"", ""),
            ("7", "7"),
            ("-1.5", "-1.5"),
        ] {
            let read = event(&format!("[ {written} ,1]"), &[], None);
            assert_eq!(read, text(Some(name), "1", None), "{written}");
        }
        assert_eq!(
            event("[\"m\\u0065ssage\",1]", &[], None),
            text(None, "1", None)
        );
        assert!(event("[\"\\u0063onnect\"]", &[], None).is_err());
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for bad in [
            "", "[]", "{}", "[{}]", "[\"a\"", "[\"a\",]", "[\"a\"]x", "[null]",
        ] {
            assert!(event(bad, &[], None).is_err(), "{bad}");
        }
        for name in RESERVED {
            assert!(event(&format!("[\"{name}\"]"), &[], None).is_err());
        }
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
        let spaced = "[\"say\",{\"m\":{ \"num\": 0, \"_placeholder\": true },\"s\":\"{\\\"_placeholder\\\":true\"}]";
        assert_eq!(
            event(spaced, &[b"a"], None),
            text(
                Some("say"),
                "{\"m\":\"YQ==\",\"s\":\"{\\\"_placeholder\\\":true\"}",
                None
            )
        );
        let twice = format!("[\"say\",[{},{}]]", place("0"), place("0"));
        assert!(event(&twice, &[b"a"], None).is_err());
        let none = "[\"say\",{\"a\":{\"_placeholder\":false},\"n\":1e999}]";
        assert_eq!(
            event(none, &[b"a"], None),
            text(
                Some("say"),
                "{\"a\":{\"_placeholder\":false},\"n\":1e999}",
                None
            )
        );
        for num in ["1", "-1", "0.5", "\"0\"", "null", "{}", "1e99"] {
            let say = format!("[\"say\",[{}]]", place(num));
            assert!(event(&say, &[b"a"], None).is_err(), "{num}");
        }
    }
}
