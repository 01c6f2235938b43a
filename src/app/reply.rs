//! Response and push packets, as JSON text (docs/protocol/packets.md#answers).

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use stellar_transports::json::push_string;
use stellar_transports::{AckId, Message};

use super::error::{Error, ErrorFormat};
use crate::engine::{Publication, Sender, Stamp, Voice};
use crate::json::to_string;

/// What a response must say about the request it answers. Taken when the request is received: a slow request
/// keeps its own number.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The position of the request among all packets of its connection, from 1.
    pub(crate) number: u64,
    pub(crate) message_id: Option<Box<RawValue>>,
    pub(crate) ack: Option<AckId>,
}

#[derive(Serialize)]
struct VerbResponse<'a, D> {
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    context: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<D>,
    #[serde(rename = "messageCount")]
    message_count: u64,
    #[serde(rename = "messageId", skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a RawValue>,
}

/// Somebody's object, with keys of ours in the place of its own, or behind it. A `messageId` of its own stays: nobody
/// is to read the number of a request where the application put the number of a message.
struct ObjectResponse<'a> {
    object: &'a Map<String, Value>,
    message_count: u64,
    message_id: Option<&'a RawValue>,
}

impl ObjectResponse<'_> {
    const OURS: [&'static str; 2] = ["context", "messageCount"];

    /// Writes one of our keys.
    fn write<M: SerializeMap>(&self, key: &'static str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "context" => map.serialize_entry(key, "response"),
            _ => map.serialize_entry(key, &self.message_count),
        }
    }
}

impl Serialize for ObjectResponse<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut is_written = [false; Self::OURS.len()];
        for (key, value) in self.object {
            match Self::OURS.iter().position(|ours| ours == key) {
                Some(ours) => {
                    self.write(Self::OURS[ours], &mut map)?;
                    is_written[ours] = true;
                }
                None => map.serialize_entry(key, value)?,
            }
        }
        for (key, is_written) in Self::OURS.into_iter().zip(is_written) {
            if !is_written {
                self.write(key, &mut map)?;
            }
        }
        if let Some(id) = self.message_id
            && !self.object.contains_key("messageId")
        {
            map.serialize_entry("messageId", id)?;
        }
        map.end()
    }
}

impl Request {
    /// A verb's success. `data` is left out where there is none.
    pub(crate) fn ok(&self, data: Option<impl Serialize>) -> Message {
        self.packet(&VerbResponse {
            status: "OK",
            error: None,
            context: "response",
            data,
            message_count: self.number,
            message_id: self.message_id.as_deref(),
        })
    }

    /// A verb's failure.
    pub(crate) fn failed(
        &self,
        error: &Error,
        data: Option<Value>,
        format: &ErrorFormat,
    ) -> Message {
        let error_value = match error {
            Error::Custom(Value::Object(_)) => error.to_value(format),
            _ if format.as_text => error.to_value(format),
            _ => error.to_object(format),
        };
        self.packet(&VerbResponse {
            status: &error.message(format),
            error: Some(error_value),
            context: "response",
            data,
            message_count: self.number,
            message_id: self.message_id.as_deref(),
        })
    }

    /// An answer that is an object of its own: an action's or a file's. Its `context` and number are ours.
    pub(crate) fn object(&self, object: &Map<String, Value>) -> Message {
        self.packet(&ObjectResponse {
            object,
            message_count: self.number,
            message_id: self.message_id.as_deref(),
        })
    }

    fn packet(&self, value: &impl Serialize) -> Message {
        Message::text(to_string(value))
            .named("response")
            .answering(self.ack)
    }
}

/// The greeting.
pub(crate) fn welcome(text: &str) -> Message {
    let mut packet = Map::new();
    packet.insert("welcome".into(), text.into());
    packet.insert("context".into(), "api".into());
    Message::text(to_string(&packet)).named("welcome")
}

/// A push with a context. What is no object is wrapped as its `message`.
pub(crate) fn push(value: Value, context: &str) -> Message {
    let mut packet = match value {
        Value::Object(packet) => packet,
        other => Map::from_iter([("message".to_owned(), other)]),
    };
    packet.insert("context".into(), context.into());
    let name = match context {
        "alert" => "alert",
        "user" => "say",
        "response" => "response",
        _ => "api",
    };
    Message::text(to_string(&packet)).named(name)
}

/// Members hear what is said as a chat push (docs/protocol/packets.md#what-was-said). The message is JSON text that is
/// passed on as it came.
#[derive(Debug)]
pub(crate) struct Push;

impl Voice for Push {
    fn message(&self, publication: &Publication, stamp: Stamp<'_>) -> Message {
        chat(publication, stamp)
    }
}

fn chat(publication: &Publication, stamp: Stamp<'_>) -> Message {
    let Publication {
        room,
        body,
        from,
        sent_at,
    } = publication;
    use std::fmt::Write;
    let mut packet = String::with_capacity(body.len() + room.len() + 160);
    packet.push_str("{\"message\":");
    packet.push_str(body);
    packet.push_str(",\"room\":");
    push_string(&mut packet, room);
    packet.push_str(",\"from\":");
    match from {
        Sender::Connection(id) => push_string(&mut packet, id),
        Sender::Server => packet.push('0'),
    }
    // The epoch is hexadecimal: nothing to escape.
    let written = write!(
        packet,
        ",\"context\":\"user\",\"sentAt\":{sent_at},\"seq\":{},\"epoch\":\"{}\"",
        stamp.seq, stamp.epoch
    );
    let written = written.and_then(|()| match stamp.prev {
        Some(prev) => write!(packet, ",\"prev\":{prev}"),
        None => Ok(()),
    });
    debug_assert!(written.is_ok(), "writing to a String does not fail");
    packet.push('}');
    Message::text(packet).named("say")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stellar_transports::Payload;

    use super::*;

    fn text(message: &Message) -> &str {
        match message.payload() {
            Payload::Text(text) => text,
            Payload::Binary(_) => panic!("packets are text"),
        }
    }

    fn request(number: u64) -> Request {
        Request {
            number,
            message_id: None,
            ack: None,
        }
    }

    #[test]
    fn verb_answers_are_those_of_the_specification() {
        let format = ErrorFormat::default();
        assert_eq!(
            text(&request(3).ok(Some(true))),
            r#"{"status":"OK","context":"response","data":true,"messageCount":3}"#
        );
        assert_eq!(
            text(&request(4).ok(None::<()>)),
            r#"{"status":"OK","context":"response","messageCount":4}"#
        );
        assert_eq!(
            text(&request(8).failed(
                &Error::VerbRefused("paramAdd".into()),
                Some(Value::Null),
                &format
            )),
            r#"{"status":"Verb not found or not allowed (paramAdd)","error":{"code":"014","message":"Verb not found or not allowed (paramAdd)"},"context":"response","data":null,"messageCount":8}"#
        );
    }

    #[test]
    fn objects_get_our_context_and_number() {
        let mut with_id = request(7);
        with_id.message_id = Some(RawValue::from_string("\"aaa\"".into()).unwrap());
        let object = json!({"context": "mine", "number": 0.5});
        let Value::Object(object) = object else {
            unreachable!()
        };
        let packet: Value = serde_json::from_str(text(&with_id.object(&object))).unwrap();
        assert_eq!(
            packet,
            json!({"context": "response", "number": 0.5, "messageCount": 7, "messageId": "aaa"})
        );
    }

    #[test]
    fn an_object_keeps_a_message_id_of_its_own() {
        let mut with_id = request(7);
        with_id.message_id = Some(RawValue::from_string("\"~7\"".into()).unwrap());
        let object = Map::from_iter([("messageId".to_owned(), json!(812))]);
        assert_eq!(
            text(&with_id.object(&object)),
            r#"{"messageId":812,"context":"response","messageCount":7}"#
        );
    }

    #[test]
    fn a_chat_push_carries_the_message_untouched() {
        let stamp = Stamp {
            seq: 5,
            epoch: "ab",
            prev: None,
        };
        let mut said = Publication {
            room: "a\"b".to_owned(),
            body: "{\"x\": 1e999}".to_owned(),
            from: Sender::Server,
            sent_at: 12,
        };
        let push = chat(&said, stamp);
        assert_eq!(
            text(&push),
            r#"{"message":{"x": 1e999},"room":"a\"b","from":0,"context":"user","sentAt":12,"seq":5,"epoch":"ab"}"#
        );
        let prev = Some(2);
        said.body = "1".to_owned();
        let push = chat(&said, Stamp { prev, ..stamp });
        assert!(text(&push).ends_with(r#","seq":5,"epoch":"ab","prev":2}"#));
    }

    #[test]
    fn pushes_are_objects_with_a_context() {
        assert_eq!(
            text(&push(json!("hi"), "alert")),
            r#"{"message":"hi","context":"alert"}"#
        );
        assert_eq!(push(json!({}), "mine").name(), Some("api"));
    }
}
