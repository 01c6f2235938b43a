//! What runs on top of engine.io: the messages of a session mean something to it alone.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;

use super::form::Form;
use super::session::Session;
use crate::engineio::Protocol;
use crate::primus::Controls;
use crate::{CloseReason, Context, Dialect, IncomingPayload, Paths, Peer, Refusal};

/// What the sessions of one transport speak.
#[async_trait]
pub(crate) trait Subprotocol: fmt::Debug + Send + Sync + 'static {
    /// The transport's name.
    fn transport(&self) -> &'static str;

    /// Decides whether a session may be opened. Whoever wants to ask the application asks it here, or later.
    async fn admit(
        &self,
        protocol: Protocol,
        parts: Parts,
        peer: Peer,
        context: &Arc<Context>,
        paths: &Paths,
    ) -> Result<Box<dyn Speaker>, Refusal>;
}

/// One session's part of a [`Subprotocol`].
///
/// `opened` comes first, `closed` last, each once; `receive` in the order of arrival.
pub(crate) trait Speaker: fmt::Debug + Send + Sync + 'static {
    /// How the bus's messages are written, in each form.
    fn dialect(&self, form: Form) -> &'static dyn Dialect;

    /// The session is open.
    fn opened(&self, session: &Arc<Session>);

    /// Takes a message from the client.
    fn receive(&self, session: &Arc<Session>, message: IncomingPayload<'_>);

    /// Whether no further message can be taken now. When that changes, the connection's task is to be
    /// [woken](crate::Connection::wake_task).
    fn is_clogged(&self) -> bool {
        false
    }

    /// When the session is to end, on the session's clock, unless it gets somewhere before; and why.
    fn deadline(&self) -> Option<(u64, CloseReason)> {
        None
    }

    /// Whether the close packet has to come in an answer of its own, because clients are still busy with what comes
    /// along with it.
    fn closes_alone(&self) -> bool {
        false
    }

    /// What is sent before this side ends the session.
    fn farewell(&self, form: Form, reason: &CloseReason, controls: &dyn Controls) -> Option<Bytes>;

    /// The session is over. Whoever has told the bus of it tells it of the end, too.
    fn closed(&self, session: &Arc<Session>, reason: CloseReason);
}
