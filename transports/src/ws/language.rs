//! What a WebSocket's messages mean.

use std::sync::Arc;

use bytes::Bytes;

use super::dialect::payload;
use super::frame::{self, Opcode};
use crate::primus::{self, Control};
use crate::{CloseReason, Connection, Incoming, IncomingPayload};

/// What is spoken inside the frames of one connection. The [`Pump`](super::Pump) moves frames and knows nothing of it.
pub(crate) trait Language: Send + Unpin + 'static {
    /// Takes one message: reports it, answers it, or closes the connection over it.
    fn receive(&mut self, connection: &Arc<Connection>, message: IncomingPayload<'_>);

    /// Whether no further message can be taken now. The connection's task is woken when that changes.
    fn is_clogged(&self) -> bool {
        false
    }

    /// What is sent before the close frame, when this side ends the connection.
    fn farewell(&self, connection: &Connection, reason: &CloseReason) -> Option<Bytes>;

    /// The close frame for an end that this side decided on.
    fn close_frame(&self, reason: &CloseReason) -> Bytes;

    /// Reports the end. Called once.
    fn closed(&mut self, connection: &Arc<Connection>, reason: CloseReason) {
        connection.report_closed(reason);
    }
}

/// JSON in every frame, with Primus's control strings among it or without.
#[derive(Debug)]
pub(super) struct Json {
    pub(super) speaks_primus: bool,
}

impl Language for Json {
    fn receive(&mut self, connection: &Arc<Connection>, message: IncomingPayload<'_>) {
        let controls = &connection.context().controls;
        if self.speaks_primus
            && let Some(text) = controls.decode(message)
            && let Some(control) = Control::parse(&text)
        {
            if let Some(answer) = control.answer(connection.public_id()) {
                connection.send_control(payload(&controls.encode(&answer)));
            }
            if control == Control::Pong {
                connection.report_heartbeat();
            }
            return;
        }
        connection.report_received(Incoming {
            payload: message,
            name: None,
            ack: None,
        });
    }

    fn farewell(&self, connection: &Connection, reason: &CloseReason) -> Option<Bytes> {
        let controls = &connection.context().controls;
        (self.speaks_primus && !reason.may_return())
            .then(|| payload(&controls.encode(primus::SERVER_CLOSE)))
    }

    fn close_frame(&self, reason: &CloseReason) -> Bytes {
        close_frame(reason, self.speaks_primus)
    }
}

/// Primus closes without a code, on engine.io too (docs/protocol/primus.md#closing); a code tells the others, and
/// us, more.
pub(crate) fn close_frame(reason: &CloseReason, speaks_primus: bool) -> Bytes {
    match reason {
        CloseReason::Ended | CloseReason::Reconnect | CloseReason::HeartbeatMissed
            if speaks_primus =>
        {
            frame::encode(Opcode::Close, b"")
        }
        reason => frame::close(reason.code(), &reason.to_string()),
    }
}
