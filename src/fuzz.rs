//! Fuzz targets: every decoder of this crate, with its invariants. `fuzz/README.md` tells how.
//!
//! A target panics when something does not hold.

use crate::primus::Parser;
use crate::primus::parser::{BinaryPack, Ejson, Json, MsgPack, Raw};
use crate::transports::fuzz::Target;
use crate::transports::{IncomingPayload, Payload};

/// A decoder by name. The names are those of the folders in `fuzz/corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("packet", crate::app::fuzz_packet),
    ("http_params", crate::http::fuzz_params),
    ("primus_json", |data| parser(&Json, data)),
    ("primus_ejson", |data| parser(&Ejson, data)),
    ("primus_msgpack", |data| parser(&MsgPack, data)),
    ("primus_binary_pack", |data| parser(&BinaryPack, data)),
    ("primus_raw", |data| parser(&Raw, data)),
];

/// What was read is written as something that reads as the same.
fn parser(parser: &impl Parser, data: &[u8]) {
    let text = std::str::from_utf8(data).ok().map(IncomingPayload::Text);
    for message in text.into_iter().chain([IncomingPayload::Binary(data)]) {
        let _ = parser.string(message);
        let Ok(value) = parser.decode(message) else {
            continue;
        };
        let Ok(written) = parser.encode(&value) else {
            continue;
        };
        let read = parser.decode(incoming(&written));
        let again = parser.encode(&read.expect("what was written can be read"));
        assert_eq!(again.expect("what was read can be written"), written);
    }
}

fn incoming(payload: &Payload) -> IncomingPayload<'_> {
    match payload {
        Payload::Text(text) => IncomingPayload::Text(text),
        Payload::Binary(bytes) => IncomingPayload::Binary(bytes),
    }
}
