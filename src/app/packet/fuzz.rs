//! Fuzz targets: a text as a packet, and an event with its argument as one.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Packet, Received, of_event};

/// Whatever is JSON is counted, and nothing else is: a client that counts its requests stays in step.
pub(crate) fn packet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    let received = Packet::parse(text);
    // A key is taken as it is, even with a line end in it, which no encoder writes.
    let is_almost = text.contains(|character: char| character < ' ');
    assert!(
        received.is_ok() == is_json || is_almost && !is_json,
        "{text}"
    );
    if let Ok(Received::NotAnObject) = received {
        assert!(!text.trim_start().starts_with('{'));
    }
    let (name, argument) = text.split_once('\n').unwrap_or((text, "null"));
    // An argument is JSON: it was read before it gets here.
    if serde_json::from_str::<Value>(argument).is_ok()
        && let Some(packet) = of_event(name, argument.trim())
    {
        match Packet::parse(&packet) {
            Ok(Received::Packet(packet)) => {
                let event = packet.event.map(|event| event.get());
                assert_eq!(
                    serde_json::from_str(event.expect("a name")).ok(),
                    Some(name.to_owned())
                );
            }
            Ok(Received::Refused { .. }) => {}
            other => panic!("an event became {other:?}"),
        }
    }
}
