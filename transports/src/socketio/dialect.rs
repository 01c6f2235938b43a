//! The bus's messages as socket.io packets of the namespace `/`.

use bytes::Bytes;
use serde_json::json;

use super::event::MESSAGE;
use super::msgpack;
use super::packet::Parser;
use crate::engineio::Protocol;
use crate::json::push_string;
use crate::polling::Form;
use crate::primus::Controls;
use crate::{Dialect, Message, Payload, Refusal};

/// Packets in one form, written for one parser.
#[derive(Debug)]
pub(super) struct SocketIo {
    form: Form,
    parser: Parser,
}

static DIALECTS: [[SocketIo; 2]; Form::COUNT] = {
    let [a, b, c, d, e, f] = Form::ALL;
    [both(a), both(b), both(c), both(d), both(e), both(f)]
};

const fn both(form: Form) -> [SocketIo; 2] {
    [
        SocketIo {
            form,
            parser: Parser::Json,
        },
        SocketIo {
            form,
            parser: Parser::Msgpack,
        },
    ]
}

impl SocketIo {
    /// The dialect for a form.
    pub(super) fn of(form: Form, parser: Parser) -> &'static Self {
        &DIALECTS[form.index()][parser as usize]
    }

    /// What clients with the msgpack parser speak before and after they have a socket. They all are of version 4.
    pub(super) fn msgpack(is_linked: bool) -> &'static dyn Dialect {
        let form = match is_linked {
            true => Form::Framed(Protocol::V4),
            false => Form::Polled(Protocol::V4),
        };
        Self::of(form, Parser::Msgpack)
    }
}

impl Dialect for SocketIo {
    fn name(&self) -> &'static str {
        "socket.io"
    }

    fn encoding(&self) -> &'static str {
        match (self.form, self.parser) {
            (Form::Polled(Protocol::V4), Parser::Json) => "socket.io 5 polling",
            (Form::Framed(Protocol::V4), Parser::Json) => "socket.io 5 websocket",
            (Form::Polled(Protocol::V4), Parser::Msgpack) => "socket.io 5 polling, msgpack",
            (Form::Framed(Protocol::V4), Parser::Msgpack) => "socket.io 5 websocket, msgpack",
            (Form::Polled(Protocol::V3), _) => "socket.io 4 polling",
            (Form::Framed(Protocol::V3), _) => "socket.io 4 websocket",
            (Form::FramedBase64(Protocol::V4), Parser::Json) => "socket.io 5 websocket, base64",
            (Form::FramedBase64(Protocol::V4), Parser::Msgpack) => {
                "socket.io 5 websocket, msgpack, base64"
            }
            (Form::FramedBase64(Protocol::V3), _) => "socket.io 4 websocket, base64",
        }
    }

    /// An event, or the answer to one (docs/protocol/socketio.md#packets).
    fn encode(&self, message: &Message) -> Bytes {
        match (self.parser, message.payload()) {
            (Parser::Json, Payload::Text(text)) => match message.ack() {
                Some(ack) => {
                    let mut digits = itoa::Buffer::new();
                    let digits = digits.format(ack);
                    self.form.joined(["3", digits, "[", text, "]"])
                }
                None => {
                    let name = quoted(name(message));
                    self.form.joined(["2[", &name, ",", text, "]"])
                }
            },
            (Parser::Json, Payload::Binary(bytes)) => {
                const PLACEHOLDER: &str = "{\"_placeholder\":true,\"num\":0}";
                let head = match message.ack() {
                    Some(ack) => format!("61-{ack}[{PLACEHOLDER}]"),
                    None => format!("51-[{},{PLACEHOLDER}]", quoted(name(message))),
                };
                self.form.group(&head, &[bytes])
            }
            (Parser::Msgpack, payload) => self.form.binary(&msgpack_packet(message, payload)),
        }
    }

    /// engine.io's heartbeat is enough.
    fn ping(&self, _now: u64, _controls: &dyn Controls) -> Option<Bytes> {
        None
    }
}

fn name(message: &Message) -> &'static str {
    message.name().unwrap_or(MESSAGE)
}

fn quoted(name: &str) -> String {
    let mut json = String::with_capacity(name.len() + 2);
    push_string(&mut json, name);
    json
}

/// The same as one map of msgpack (docs/protocol/socketio.md#msgpack).
fn msgpack_packet(message: &Message, payload: &Payload) -> Vec<u8> {
    let mut packet = msgpack::Writer::default();
    packet.map(if message.ack().is_some() { 4 } else { 3 });
    packet.text("type");
    packet.uint(if message.ack().is_some() { 3 } else { 2 });
    packet.text("nsp");
    packet.text("/");
    if let Some(ack) = message.ack() {
        packet.text("id");
        packet.uint(ack);
    }
    packet.text("data");
    packet.array(if message.ack().is_some() { 1 } else { 2 });
    if message.ack().is_none() {
        packet.text(name(message));
    }
    match payload {
        Payload::Text(text) => packet.json(text),
        Payload::Binary(bytes) => packet.binary(bytes),
    }
    packet.into_bytes()
}

/// A packet without arguments, or with what is no array.
fn control(form: Form, parser: Parser, kind: u8, namespace: &str, data: Option<&str>) -> Bytes {
    match parser {
        Parser::Json => {
            let comma = if namespace == "/" { "" } else { "," };
            let namespace = if namespace == "/" { "" } else { namespace };
            let data = data.unwrap_or_default();
            form.message(&format!("{kind}{namespace}{comma}{data}"))
        }
        Parser::Msgpack => {
            let mut packet = msgpack::Writer::default();
            packet.map(if data.is_some() { 3 } else { 2 });
            packet.text("type");
            packet.uint(kind.into());
            packet.text("nsp");
            packet.text(namespace);
            if let Some(data) = data {
                packet.text("data");
                packet.json(data);
            }
            form.binary(&packet.into_bytes())
        }
    }
}

/// The client is connected to `/` (docs/protocol/socketio.md#connecting). Version 4 of the protocol has no room for the
/// id.
pub(super) fn connected(form: Form, parser: Parser, protocol: Protocol, id: &str) -> Bytes {
    let data = match protocol {
        Protocol::V4 => Some(json!({"sid": id}).to_string()),
        Protocol::V3 => None,
    };
    control(form, parser, 0, "/", data.as_deref())
}

/// The client is not let in. A text is told as the message, an object may bring `message` and `data` of its own.
pub(super) fn refused(form: Form, parser: Parser, protocol: Protocol, refusal: &Refusal) -> Bytes {
    let error = &refusal.error;
    let message = match error {
        serde_json::Value::String(text) => Some(&**text),
        error => error.get("message").and_then(serde_json::Value::as_str),
    };
    let reason = refusal.status.canonical_reason().unwrap_or("refused");
    let data = match protocol {
        Protocol::V4 => {
            let data = match error {
                serde_json::Value::Object(object) => object.get("data").unwrap_or(error).clone(),
                _ => json!({"status": refusal.status.as_u16()}),
            };
            json!({"message": message.unwrap_or(reason), "data": data})
        }
        // One value, which clients hand to their listeners as it is (docs/protocol/socketio.md#version-4).
        Protocol::V3 => error.clone(),
    };
    control(form, parser, 4, "/", Some(&data.to_string()))
}

/// There is no such namespace (docs/protocol/socketio.md#connecting).
pub(super) fn unknown(form: Form, parser: Parser, namespace: &str) -> Bytes {
    let data = "{\"message\":\"Invalid namespace\"}";
    control(form, parser, 4, namespace, Some(data))
}

/// The client is to leave `/`, and not to come back.
pub(super) fn disconnected(form: Form, parser: Parser) -> Bytes {
    control(form, parser, 1, "/", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(form: Form, message: &Message) -> Bytes {
        SocketIo::of(form, Parser::Json).encode(message)
    }

    #[test]
    fn messages_are_events_or_answers() {
        let v4 = Form::Polled(Protocol::V4);
        let say = Message::text("{\"a\":1}").named("say");
        assert_eq!(encoded(v4, &say), "42[\"say\",{\"a\":1}]");
        assert_eq!(
            encoded(Form::Polled(Protocol::V3), &say),
            "17:42[\"say\",{\"a\":1}]"
        );
        assert_eq!(
            encoded(Form::Framed(Protocol::V3), &say),
            "\u{81}\u{11}42[\"say\",{\"a\":1}]"
                .chars()
                .map(|c| c as u8)
                .collect::<Vec<_>>()
        );
        assert_eq!(
            encoded(v4, &say.clone().answering(Some(12))),
            "4312[{\"a\":1}]"
        );
        assert_eq!(encoded(v4, &Message::text("5")), "42[\"message\",5]");
    }

    #[test]
    fn bytes_are_attachments() {
        let bytes = Message::binary(vec![1, 2, 3, 4]);
        let head = "[\"message\",{\"_placeholder\":true,\"num\":0}]";
        assert_eq!(
            encoded(Form::Polled(Protocol::V4), &bytes),
            format!("451-{head}\u{1E}bAQIDBA==")
        );
        assert_eq!(
            encoded(Form::Polled(Protocol::V3), &bytes),
            format!("{}:451-{head}10:b4AQIDBA==", head.len() + 4)
        );
        assert!(encoded(Form::Framed(Protocol::V4), &bytes).ends_with(&[0x82, 4, 1, 2, 3, 4]));
        assert!(encoded(Form::Framed(Protocol::V3), &bytes).ends_with(&[0x82, 5, 4, 1, 2, 3, 4]));
        assert_eq!(
            encoded(Form::Polled(Protocol::V4), &bytes.answering(Some(3))),
            "461-3[{\"_placeholder\":true,\"num\":0}]\u{1E}bAQIDBA=="
        );
    }

    #[test]
    fn refusals_say_what_they_can() {
        let v4 = |refusal: &Refusal| {
            refused(
                Form::Polled(Protocol::V4),
                Parser::Json,
                Protocol::V4,
                refusal,
            )
        };
        assert_eq!(
            v4(&Refusal::new("no")),
            "44{\"message\":\"no\",\"data\":{\"status\":401}}"
        );
        assert_eq!(
            v4(&Refusal::new(json!({"message": "no", "data": [1]}))),
            "44{\"message\":\"no\",\"data\":[1]}"
        );
        assert_eq!(
            v4(&Refusal::new(json!({"code": 5}))),
            "44{\"message\":\"Unauthorized\",\"data\":{\"code\":5}}"
        );
        let v3 = refused(
            Form::Polled(Protocol::V3),
            Parser::Json,
            Protocol::V3,
            &Refusal::new("no"),
        );
        assert_eq!(v3, "6:44\"no\"");
    }

    #[test]
    fn msgpack_packets_are_maps() {
        let say = Message::text("{\"a\":1}").named("say");
        let bytes = SocketIo::msgpack(true).encode(&say);
        assert_eq!(
            bytes[2..],
            *b"\x83\xA4type\x02\xA3nsp\xA1/\xA4data\x92\xA3say\x81\xA1a\x01"
        );
        let leave = disconnected(Form::Framed(Protocol::V4), Parser::Msgpack);
        assert_eq!(leave[2..], *b"\x82\xA4type\x01\xA3nsp\xA1/");
    }
}
