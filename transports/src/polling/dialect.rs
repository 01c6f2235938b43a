//! Messages as engine.io packets, in each form that they take on their way.

use bytes::{BufMut, Bytes, BytesMut};

use crate::engineio::{self, Packet, Protocol};
use crate::ws::frame::{self, Opcode};
use crate::{Dialect, Message, Payload, primus};

/// How packets look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they wait for a poll.
    Polled(Protocol),
    /// As frames of a WebSocket.
    Framed(Protocol),
    /// As frames of a WebSocket whose client cannot take binary ones (version 3 with `b64=1`).
    FramedBase64,
}

/// Packets in one form, with Primus's control strings inside messages or without.
#[derive(Debug)]
pub(super) struct EngineIo {
    form: Form,
    speaks_primus: bool,
}

static DIALECTS: [[EngineIo; 2]; 5] = [
    both(Form::Polled(Protocol::V4)),
    both(Form::Polled(Protocol::V3)),
    both(Form::Framed(Protocol::V4)),
    both(Form::Framed(Protocol::V3)),
    both(Form::FramedBase64),
];

const fn both(form: Form) -> [EngineIo; 2] {
    [
        EngineIo {
            form,
            speaks_primus: false,
        },
        EngineIo {
            form,
            speaks_primus: true,
        },
    ]
}

impl EngineIo {
    /// The dialect for a form.
    pub(super) fn of(form: Form, speaks_primus: bool) -> &'static Self {
        let row = match form {
            Form::Polled(Protocol::V4) => 0,
            Form::Polled(Protocol::V3) => 1,
            Form::Framed(Protocol::V4) => 2,
            Form::Framed(Protocol::V3) => 3,
            Form::FramedBase64 => 4,
        };
        &DIALECTS[row][usize::from(speaks_primus)]
    }
}

impl Form {
    /// A text packet of the type that `kind`, a digit, says.
    pub(super) fn text(self, kind: char, text: &str) -> Bytes {
        match self {
            Self::Polled(protocol) => engineio::waiting_text(protocol, kind, text),
            Self::Framed(_) | Self::FramedBase64 => {
                frame::encode_prefixed(Opcode::Text, &[kind as u8], text.as_bytes())
            }
        }
    }

    /// A text message. In a payload of version 4 one character would end its packet, and what follows would be taken
    /// for another. JSON never holds it; other texts lose it.
    fn message(self, text: &str) -> Bytes {
        const SEPARATOR: char = '\u{1E}';
        if self == Self::Polled(Protocol::V4) && text.contains(SEPARATOR) {
            return self.text('4', &text.replace(SEPARATOR, "\u{FFFD}"));
        }
        self.text('4', text)
    }

    fn binary(self, bytes: &[u8]) -> Bytes {
        match self {
            Self::Polled(protocol) => engineio::waiting_binary(protocol, bytes),
            Self::Framed(Protocol::V4) => frame::encode(Opcode::Binary, bytes),
            Self::Framed(Protocol::V3) => frame::encode_prefixed(Opcode::Binary, &[4], bytes),
            Self::FramedBase64 => {
                let mut text = BytesMut::from(&b"b4"[..]);
                // What waits in version 4 begins with a `b` of its own.
                text.put_slice(&engineio::waiting_binary(Protocol::V4, bytes)[1..]);
                frame::encode(Opcode::Text, &text)
            }
        }
    }

    /// A packet that waited for a poll, in this form.
    pub(super) fn translate(self, protocol: Protocol, waiting: &[u8]) -> Bytes {
        match engineio::read_waiting(protocol, waiting) {
            Packet::Text(text) => self.text('4', text),
            Packet::Binary(bytes) => self.binary(&bytes),
            Packet::Control(kind, data) => self.text(kind.digit(), data),
        }
    }
}

impl Dialect for EngineIo {
    fn name(&self) -> &'static str {
        if self.speaks_primus {
            "primus"
        } else {
            "engine.io"
        }
    }

    fn encoding(&self) -> &'static str {
        match self.form {
            Form::Polled(Protocol::V4) => "engine.io 4 polling",
            Form::Polled(Protocol::V3) => "engine.io 3 polling",
            Form::Framed(Protocol::V4) => "engine.io 4 websocket",
            Form::Framed(Protocol::V3) => "engine.io 3 websocket",
            Form::FramedBase64 => "engine.io 3 websocket, base64",
        }
    }

    fn encode(&self, message: &Message) -> Bytes {
        match message.payload() {
            Payload::Text(text) => self.form.message(&primus::escape(text)),
            Payload::Binary(bytes) => self.form.binary(bytes),
        }
    }

    /// Primus's, which its clients wait for; engine.io's own heartbeat is the transport's.
    fn ping(&self, now: u64) -> Option<Bytes> {
        self.speaks_primus
            .then(|| self.form.text('4', &primus::ping(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> [Message; 2] {
        [
            Message::text("\"\u{2028}\""),
            Message::binary(vec![1, 2, 3, 4]),
        ]
    }

    fn encoded(form: Form) -> [Bytes; 2] {
        messages().map(|message| EngineIo::of(form, false).encode(&message))
    }

    #[test]
    fn every_form_has_its_dialect_and_its_bytes() {
        for (form, text, binary) in [
            (
                Form::Polled(Protocol::V4),
                &b"4\"\\u2028\""[..],
                &b"bAQIDBA=="[..],
            ),
            (
                Form::Polled(Protocol::V3),
                b"9:4\"\\u2028\"",
                &[4, 1, 2, 3, 4],
            ),
            (
                Form::Framed(Protocol::V4),
                b"\x81\x094\"\\u2028\"",
                &[0x82, 4, 1, 2, 3, 4],
            ),
            (
                Form::Framed(Protocol::V3),
                b"\x81\x094\"\\u2028\"",
                &[0x82, 5, 4, 1, 2, 3, 4],
            ),
            (
                Form::FramedBase64,
                b"\x81\x094\"\\u2028\"",
                b"\x81\x0Ab4AQIDBA==",
            ),
        ] {
            assert_eq!(EngineIo::of(form, true).form, form);
            assert_eq!(encoded(form), [text, binary], "{form:?}");
        }
    }

    #[test]
    fn what_waited_for_a_poll_is_the_same_on_a_socket() {
        for (waiting, framed) in [
            (Protocol::V4, Form::Framed(Protocol::V4)),
            (Protocol::V3, Form::Framed(Protocol::V3)),
            (Protocol::V3, Form::FramedBase64),
        ] {
            let translated =
                encoded(Form::Polled(waiting)).map(|frame| framed.translate(waiting, &frame));
            assert_eq!(translated, encoded(framed), "{framed:?}");
            let ping = Form::Polled(waiting).text('2', "");
            assert_eq!(framed.translate(waiting, &ping), framed.text('2', ""));
        }
    }

    #[test]
    fn no_text_can_pass_for_a_second_packet() {
        let message = Message::text("a\u{1E}1");
        let polled = |protocol| EngineIo::of(Form::Polled(protocol), false).encode(&message);
        assert_eq!(polled(Protocol::V4), "4a\u{FFFD}1");
        assert_eq!(polled(Protocol::V3), "4:4a\u{1E}1");
    }

    #[test]
    fn only_primus_clients_are_pinged_by_the_dialect() {
        let form = Form::Polled(Protocol::V4);
        assert_eq!(EngineIo::of(form, false).ping(1), None);
        assert_eq!(
            EngineIo::of(form, true).ping(1).unwrap(),
            "4\"primus::ping::1\""
        );
    }
}
