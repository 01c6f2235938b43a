//! msgpack, as far as JSON goes with it: what `socket.io-msgpack-parser` sends and reads
//! (docs/protocol/socketio.md#msgpack).
//!
//! Both directions are one pass without a tree in between, so that a message never takes a multiple of its own size. What
//! is written is the crate `rmp`'s; what is read is not, because npm's parser gives one extension three meanings, and
//! encoders of browsers write half characters.

mod date;
mod json;
mod reader;
mod unusual;
mod writer;

pub(super) use self::json::{Unwritten, to_json};
pub(super) use self::reader::{Reader, Token, binary_message, event_name, mended};
pub(super) use self::writer::Writer;
