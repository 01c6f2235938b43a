//! The client's address behind proxies.

use std::net::SocketAddr;

use async_trait::async_trait;
use ipnet::IpNet;
use stellar_transports::Refusal;

use super::{Exchange, Layer, Next};
use crate::address::{self, Forwarding};

/// Finds the client's address.
#[derive(Clone, Debug)]
pub(crate) struct Forwarded {
    pub(crate) trusted: Vec<IpNet>,
    pub(crate) forwarding: Forwarding,
}

impl Default for Forwarded {
    fn default() -> Self {
        let loopback = [
            IpNet::new_assert([127, 0, 0, 0].into(), 8),
            IpNet::new_assert(std::net::Ipv6Addr::LOCALHOST.into(), 128),
        ];
        Self {
            trusted: loopback.to_vec(),
            forwarding: Forwarding::default(),
        }
    }
}

#[async_trait]
impl Layer for Forwarded {
    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        let socket = SocketAddr::new(exchange.peer.ip, exchange.peer.port);
        let head = &mut exchange.head;
        if let Some(hosts) = address::hosts(socket.ip(), &head.headers, &self.trusted) {
            head.extensions.insert(hosts);
        }
        exchange.peer = address::of(
            socket,
            exchange.peer.secure,
            &exchange.head.headers,
            &self.trusted,
            &self.forwarding,
        );
        Ok(Next::Continue)
    }
}
