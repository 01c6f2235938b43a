//! GET: held until there is something to tell.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::session::{Request, Session};
use crate::engineio::{Answer, Fault, Jsonp};

/// How long a GET is held while its client moves to a WebSocket (docs/protocol/engineio.md#upgrade).
const HOLD_WHILE_MOVING: Duration = Duration::from_millis(100);

/// Waits for packets. When the client goes away, this future is dropped, and the session ends.
pub(super) async fn poll(
    session: &Arc<Session>,
    max_payload: usize,
    jsonp: Option<Jsonp>,
) -> Result<Answer, Fault> {
    let busy = session.begin(Request::Poll)?;
    let mut hold = None;
    let packets = poll_fn(|cx| match session.poll_packets(cx, max_payload) {
        Poll::Ready(Some(packets)) => Poll::Ready(packets),
        Poll::Ready(None) => {
            let hold = hold.get_or_insert_with(|| Box::pin(tokio::time::sleep(HOLD_WHILE_MOVING)));
            hold.as_mut().poll(cx).map(|()| session.noop())
        }
        Poll::Pending => Poll::Pending,
    })
    .await;
    busy.done();
    let base64 = session.base64 || jsonp.is_some();
    Ok(Answer::join(session.protocol, packets, base64, jsonp))
}
