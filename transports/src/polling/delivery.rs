//! The body of an answer that must not get lost unnoticed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::compression::Coding;
use super::session::Session;

/// How much is given at once. HTTP takes the next piece when it has room, and so not long before the client does.
const PIECE: usize = 16 * 1024;

/// Packets on their way to the client. They were taken out of the outbox: if they are not taken from here, the client is
/// gone, and its session ends.
#[derive(Debug)]
pub(super) struct Delivery {
    rest: Bytes,
    session: Option<Arc<Session>>,
}

impl Delivery {
    pub(super) fn new(body: Bytes, session: Arc<Session>) -> Self {
        let connection = session.connection();
        let budget = &connection.context().budget;
        Self {
            rest: budget.answer(connection.address(), body),
            session: Some(session),
        }
    }

    /// Compresses all of it. Returns false if that fails, and it is to be sent as it is.
    pub(super) async fn compress(&mut self, coding: Coding) -> bool {
        let compressed = coding.compress(self.rest.clone()).await;
        let is_compressed = compressed.is_some();
        if let (Some(compressed), Some(session)) = (compressed, &self.session) {
            let connection = session.connection();
            let budget = &connection.context().budget;
            self.rest = budget.answer(connection.address(), compressed);
        }
        is_compressed
    }
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = crate::BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(size);
        if let Some(session) = &self.session {
            // Who takes an answer is no slow consumer, however long that takes.
            session.connection().note_fetching();
        }
        if self.rest.is_empty() {
            self.session = None;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            session.lose_client();
        }
    }
}
