//! A WebSocket client that costs far less than the servers it loads.
//!
//! One read fills a buffer that all connections share, every frame in it is
//! looked at in place, and what is queued meanwhile leaves in one write.

mod connection;
mod frame;
pub(crate) mod packet;

pub(crate) use connection::Connection;
