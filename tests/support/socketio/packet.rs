//! Packets of engine.io that socket.io is written in.

use crate::support::engineio::{Packet, Version};

/// A text packet.
pub(crate) fn text(packet: impl Into<String>) -> Packet {
    Packet::Text(packet.into())
}

/// Binary packets as version 3 has them in frames.
pub(super) fn marked(version: Version, packets: &[Packet]) -> Vec<Packet> {
    let mark = |packet: &Packet| match (version, packet) {
        (Version::V3, Packet::Binary(bytes)) => Packet::Binary([&[4], &bytes[..]].concat()),
        (_, packet) => packet.clone(),
    };
    packets.iter().map(mark).collect()
}

/// Packets as they were before [`marked`].
pub(super) fn unmarked(version: Version, packet: Packet) -> Packet {
    match (version, packet) {
        (Version::V3, Packet::Binary(bytes)) => {
            let bytes = bytes.strip_prefix(&[4]).expect("a binary message");
            Packet::Binary(bytes.to_vec())
        }
        (_, packet) => packet,
    }
}

/// The text of a packet, which must be text.
pub(crate) fn into_text(packet: Packet) -> String {
    match packet {
        Packet::Text(text) => text,
        Packet::Binary(bytes) => panic!("bytes: {}", bytes.escape_ascii()),
    }
}
