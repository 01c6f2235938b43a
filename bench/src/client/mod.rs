//! Clients that cost far less than the servers they load.
//!
//! One read fills a buffer that all of them share, what came is looked at in
//! place, and what is queued meanwhile leaves in one write.

mod connection;
mod frame;
mod http;
pub(crate) mod packet;
mod polling;
mod socket;
mod socketio;
mod websocket;

use std::net::SocketAddr;

pub(crate) use connection::Connection;

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Ws,
    Polling,
    Socketio,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Polling => "polling",
            Self::Socketio => "socketio",
        }
    }
}

/// Where a server lets clients in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) path: &'static str,
}
