//! The in-memory transport.

use std::sync::Arc;

use stellar::engine::{Engine, Incoming};
use stellar_transports::Context;
use stellar_transports::memory::{Memory, MemoryPeer, Received};

use crate::{Client, Got, Plug, conforms};

conforms!(MemoryPlug);

struct MemoryPlug(Arc<Context>);

impl Plug for MemoryPlug {
    const TRANSPORT: &'static str = "memory";
    const HAS_NO_SIZE_LIMIT: bool = true;
    type Client = MemoryPeer;

    async fn start(engine: Engine) -> Self {
        Self(engine.start())
    }

    async fn connect(&self, query: &str) -> Result<MemoryPeer, u16> {
        let uri = format!("/?{query}").parse().unwrap();
        let connected = Memory.connect(&self.0, uri).await;
        connected.map_err(|refusal| refusal.status.as_u16())
    }
}

impl Client for MemoryPeer {
    async fn send_text(&mut self, text: &str) {
        self.send(Incoming::text(text)).await;
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        self.send(Incoming::binary(bytes)).await;
    }

    async fn receive(&mut self) -> Got {
        match Self::receive(self).await {
            Received::Text(text) => Got::Text(text),
            Received::Binary(bytes) => Got::Binary(bytes.to_vec()),
            Received::Closed(_) => Got::Closed,
        }
    }

    async fn close(self) {
        Self::close(&self);
    }
}
