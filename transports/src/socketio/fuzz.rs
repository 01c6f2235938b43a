//! What a fuzzer calls: events in JSON with attachments, and in msgpack.

use bytes::Bytes;
use serde::de::IgnoredAny;
use socketioxide_core::{Str, Value};

use super::{event, inlet, msgpack};
use crate::IncomingPayload;

/// The first byte tells how many attachments there are.
pub(crate) fn event(data: &[u8]) {
    let (count, text) = data.split_first().unwrap_or((&0, &[]));
    let count = usize::from(count % 4);
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let attachments = (0..count).map(|number| Bytes::from(vec![7; number]));
    let attachments = (count > 0).then(|| attachments.collect());
    hand_on(
        &Value::Str(Str::copy_from_slice(text), attachments),
        text.len(),
    );
    let message = inlet::message(text);
    // A name that stands in front of another is three bytes, two quotes and a comma.
    assert!(message.len() <= text.len() + inlet::MAX_ADDED + 6);
}

/// Packets and events are read by the same reader.
pub(crate) fn msgpack(data: &[u8]) {
    let _ = msgpack::header(data);
    let _ = msgpack::map(data);
    let _ = msgpack::event_name(data);
    hand_on(&Value::Bytes(Bytes::copy_from_slice(data)), data.len());
}

/// What goes on to the bus is JSON, and not much larger than what came.
fn hand_on(value: &Value, len: usize) {
    let _ = event::read(value, Some(1), |incoming| match incoming.payload {
        IncomingPayload::Text(text) => {
            let opening = text.bytes().filter(|byte| matches!(byte, b'[' | b'{'));
            let is_deep = opening.count() >= 127;
            let read = crate::json::from_str::<IgnoredAny>(text);
            assert!(read.is_ok() || is_deep, "no JSON: {text}");
            assert!(
                text.len() <= 64 + 32 * len,
                "{len} bytes became {}",
                text.len()
            );
        }
        IncomingPayload::Binary(bytes) => assert!(bytes.len() <= len.max(3)),
    });
}
