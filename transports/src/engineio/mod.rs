//! The engine.io protocol, versions 4 and 3, without I/O and without a clock: bytes in, decisions out.
//!
//! ```text
//! query ─► Query ─► verify ─► open packet            (opening)
//! body  ─► payload::packets ─► Packet ─► Session     (what a client posts or sends)
//! frames ─► payload::encode ─► body of an answer     (what a client polls)
//! ```
//!
//! Who calls it brings sockets and the time. The protocol: docs/protocol/engineio.md.

mod fault;
mod heartbeat;
mod jsonp;
mod packet;
mod payload;
mod query;
mod session;

pub(crate) use fault::Fault;
pub(crate) use heartbeat::{Beat, Timing};
pub(crate) use jsonp::Jsonp;
pub(crate) use packet::{Kind, Malformed, Packet};
#[cfg(feature = "socketio")]
pub(crate) use payload::append_waiting_binary;
pub(crate) use payload::{Answer, Body, read_waiting, waiting_binary, waiting_text};
pub(crate) use query::{Query, TransportName};
pub(crate) use session::{Carrier, Misfit, Phase, Reaction, Session, Upgrade};

/// The protocol versions that clients may speak (query parameter `EIO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Clients of engine.io 1 to 3 and socket.io 1 and 2.
    V3,
    /// Clients of engine.io 4 and later.
    V4,
}

/// The data of the open packet: keys and order as clients know them (docs/protocol/engineio.md#opening).
pub(crate) fn open_packet(
    sid: &str,
    may_upgrade: bool,
    timing: Timing,
    max_payload: usize,
) -> String {
    let upgrades = if may_upgrade { "[\"websocket\"]" } else { "[]" };
    format!(
        "{{\"sid\":\"{sid}\",\"upgrades\":{upgrades},\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{max_payload}}}",
        timing.interval, timing.timeout
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_packet_has_its_five_keys_in_order() {
        let timing = Timing {
            interval: 25_000,
            timeout: 20_000,
        };
        assert_eq!(
            open_packet("lv_VI97HAXpY6yYWAAAC", true, timing, 1_000_000),
            "{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"
        );
        assert!(open_packet("x", false, timing, 1).contains("\"upgrades\":[],"));
    }
}
