//! POST: packets from the client.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Options;
use super::session::{Request, Session};
use crate::allowance::Allowance;
use crate::engineio::{Body, Fault, Jsonp, Protocol};
use crate::{CloseReason, Holding, OverBudget, Reservation, Turn};

/// Takes the packets of one request. Answered once all of them have been handed on, so that a client which sends more
/// than the application wants is slowed down.
pub(super) async fn post(
    session: Arc<Session>,
    headers: &HeaderMap,
    body: crate::Body,
    is_jsonp: bool,
    options: &Options,
) -> Result<(), Fault> {
    let busy = session.begin(Request::Post)?;
    let is_binary = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| is_octets(value.as_bytes()));
    let read = match (session.protocol, is_binary) {
        // The form of version 3, which has no meaning here.
        (Protocol::V4, true) => Err(Fault::REQUEST),
        _ => read(&session, body, options.max_payload).await,
    };
    let outcome = match read {
        Ok((bytes, _held)) => deliver(&session, &bytes, is_binary, is_jsonp, options).await,
        Err(fault) => Err(fault),
    };
    busy.done();
    // A body over the limit is refused, and no more: the client can go on with smaller ones.
    if let Err(fault) = &outcome
        && *fault == Fault::REQUEST
    {
        session.end(CloseReason::ProtocolError(
            "a payload that cannot be read".into(),
        ));
    }
    outcome
}

/// Whether a media type is `application/octet-stream`, whatever its parameters.
fn is_octets(content_type: &[u8]) -> bool {
    const OCTETS: &[u8] = b"application/octet-stream";
    content_type
        .get(..OCTETS.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(OCTETS))
}

/// Reads the body: within the limit, whatever its announced length says, within the deadline, and while there is memory.
async fn read(
    session: &Arc<Session>,
    body: crate::Body,
    limit: usize,
) -> Result<(Bytes, Reservation), Fault> {
    let announced = http_body::Body::size_hint(&body).lower();
    if announced > limit as u64 {
        return Err(Fault::TOO_LARGE);
    }
    let connection = session.connection();
    let context = connection.context();
    let mut held = context.budget.nothing(Holding::Body, connection.address());
    let mut body = Limited::new(body, limit);
    let collect = async {
        // Joined at the end: a buffer that grows takes twice what is in it, and while it moves three times.
        let (mut chunks, mut len) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else {
                continue;
            };
            len += data.len();
            held.cover(len).map_err(|OverBudget| Unread::OverBudget)?;
            chunks.push(data);
        }
        Ok(match &mut chunks[..] {
            [alone] => std::mem::take(alone),
            _ => chunks.concat().into(),
        })
    };
    match tokio::time::timeout(context.limits.receive_timeout, collect).await {
        Ok(Ok(bytes)) => Ok((bytes, held)),
        Ok(Err(Unread::OverBudget)) => Err(Fault::OVERLOADED),
        Ok(Err(Unread::Broken(error))) if error.is::<LengthLimitError>() => Err(Fault::TOO_LARGE),
        Ok(Err(Unread::Broken(_))) => {
            session.end(CloseReason::PeerGone);
            Err(Fault::SESSION)
        }
        Err(_) => {
            session.end(CloseReason::ReceiveTimeout);
            Err(Fault::TOO_SLOW)
        }
    }
}

/// Why a body was not read to its end.
enum Unread {
    Broken(Box<dyn std::error::Error + Send + Sync>),
    OverBudget,
}

async fn deliver(
    session: &Arc<Session>,
    bytes: &[u8],
    is_binary: bool,
    is_jsonp: bool,
    options: &Options,
) -> Result<(), Fault> {
    let form;
    let body = match (session.protocol, is_binary, is_jsonp) {
        (Protocol::V3, true, false) => Body::V3Binary(bytes),
        (protocol, _, is_jsonp) => {
            let text = if is_jsonp {
                form = Jsonp::payload(bytes).map_err(|_| Fault::REQUEST)?;
                &form
            } else {
                std::str::from_utf8(bytes).map_err(|_| Fault::REQUEST)?
            };
            match protocol {
                Protocol::V4 => Body::V4(text),
                Protocol::V3 => Body::V3(text),
            }
        }
    };
    if session.is_over() {
        // It ended while the body was on its way.
        return Err(Fault::SESSION);
    }
    if body.has_more_than(options.max_packets) {
        session.end(CloseReason::TooManyPackets);
        return Err(Fault::REQUEST);
    }
    let mut packets = body.packets();
    loop {
        poll_fn(|cx| session.poll_resumed(cx)).await;
        {
            let _turn = Turn::begin();
            let mut allowance = Allowance::default();
            loop {
                let Some(packet) = packets.next() else {
                    return Ok(());
                };
                let packet = packet.map_err(|_| Fault::REQUEST)?;
                if !session.receive(&packet) {
                    // It is over: by what this packet said, or for a reason that has nothing to do with it.
                    return Ok(());
                }
                let now = session.connection().received_at();
                if !allowance.spend(packet.len(), now) || session.is_held_up() {
                    break;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}
