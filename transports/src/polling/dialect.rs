//! Primus's language and plain JSON, as engine.io messages.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;
use parking_lot::Mutex;

use super::form::Form;
use super::session::Session;
use super::speaker::{Speaker, Subprotocol};
use crate::engineio::Protocol;
use crate::primus::{self, Control, Controls};
use crate::{
    Admitted, CloseReason, Context, Dialect, Handshake, Incoming, IncomingPayload, Message, Paths,
    Peer, Refusal,
};

/// Packets in one form, with Primus's control strings inside messages or without.
#[derive(Debug)]
pub(super) struct EngineIo {
    form: Form,
    speaks_primus: bool,
}

static DIALECTS: [[EngineIo; 2]; Form::COUNT] = {
    let [a, b, c, d, e, f] = Form::ALL;
    [both(a), both(b), both(c), both(d), both(e), both(f)]
};

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
        &DIALECTS[form.index()][usize::from(speaks_primus)]
    }
}

impl Dialect for EngineIo {
    fn name(&self) -> &'static str {
        name(self.speaks_primus)
    }

    fn encoding(&self) -> &'static str {
        match self.form {
            Form::Polled(Protocol::V4) => "engine.io 4 polling",
            Form::Polled(Protocol::V3) => "engine.io 3 polling",
            Form::Framed(Protocol::V4) => "engine.io 4 websocket",
            Form::Framed(Protocol::V3) => "engine.io 3 websocket",
            Form::FramedBase64(Protocol::V4) => "engine.io 4 websocket, base64",
            Form::FramedBase64(Protocol::V3) => "engine.io 3 websocket, base64",
        }
    }

    fn encode(&self, message: &Message) -> Bytes {
        self.form.payload(message.payload())
    }

    /// Primus's, which its clients wait for; engine.io's own heartbeat is the transport's.
    fn ping(&self, now: u64, controls: &dyn Controls) -> Option<Bytes> {
        self.control(&primus::ping(now), controls)
    }

    fn control(&self, text: &str, controls: &dyn Controls) -> Option<Bytes> {
        self.speaks_primus
            .then(|| self.form.payload(&controls.encode(text)))
    }
}

const fn name(speaks_primus: bool) -> &'static str {
    if speaks_primus { "primus" } else { "engine.io" }
}

/// JSON in every message; Primus's control strings too, at its own door.
#[derive(Debug)]
pub(super) struct Json;

#[async_trait]
impl Subprotocol for Json {
    fn transport(&self) -> &'static str {
        "polling"
    }

    async fn admit(
        &self,
        _protocol: Protocol,
        parts: Parts,
        peer: Peer,
        context: &Arc<Context>,
        paths: &Paths,
    ) -> Result<Box<dyn Speaker>, Refusal> {
        let speaks_primus = crate::is_under(parts.uri.path(), &paths.primus);
        let handshake = Handshake::new(self.transport(), name(speaks_primus), peer, parts);
        let admitted = context.admit(handshake).await?;
        Ok(Box::new(JsonSpeaker {
            speaks_primus,
            admitted: Mutex::new(Some(admitted)),
        }))
    }
}

#[derive(Debug)]
struct JsonSpeaker {
    speaks_primus: bool,
    /// Until the session is open.
    admitted: Mutex<Option<Admitted>>,
}

impl Speaker for JsonSpeaker {
    fn dialect(&self, form: Form) -> &'static dyn Dialect {
        EngineIo::of(form, self.speaks_primus)
    }

    fn opened(&self, session: &Arc<Session>) {
        let admitted = self.admitted.lock().take();
        if let Some(admitted) = admitted {
            session.report_opened(admitted);
        }
    }

    fn receive(&self, session: &Arc<Session>, message: IncomingPayload<'_>) {
        let connection = session.connection();
        let controls = &connection.context().controls;
        if self.speaks_primus
            && let Some(text) = controls.decode(message)
            && let Some(control) = Control::parse(&text)
        {
            if let Some(answer) = control.answer(connection.public_id()) {
                session.send_message(&controls.encode(&answer));
            }
            if control == Control::Pong {
                session.report_heartbeat();
            }
            return;
        }
        session.report_received(Incoming {
            payload: message,
            name: None,
            ack: None,
        });
    }

    fn farewell(&self, form: Form, reason: &CloseReason, controls: &dyn Controls) -> Option<Bytes> {
        (self.speaks_primus && !reason.may_return())
            .then(|| form.payload(&controls.encode(primus::SERVER_CLOSE)))
    }

    fn closed(&self, session: &Arc<Session>, reason: CloseReason) {
        session.report_closed(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primus::JsonControls;

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
                Form::FramedBase64(Protocol::V4),
                b"\x81\x094\"\\u2028\"",
                b"\x81\x09bAQIDBA==",
            ),
            (
                Form::FramedBase64(Protocol::V3),
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
            (Protocol::V4, Form::FramedBase64(Protocol::V4)),
            (Protocol::V3, Form::FramedBase64(Protocol::V3)),
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
        assert_eq!(EngineIo::of(form, false).ping(1, &JsonControls), None);
        assert_eq!(
            EngineIo::of(form, true).ping(1, &JsonControls).unwrap(),
            "4\"primus::ping::1\""
        );
    }
}
