//! The `socketio` transport: both versions of its protocol, and after the upgrade.

use std::net::SocketAddr;

use stellar::engine::Engine;

use crate::polling::{self, PollingClient, UpgradedClient};
use crate::{Client, Got, Plug};

mod v5 {
    crate::conforms!(super::SocketIoPlug<5>);
}

mod v4 {
    crate::conforms!(super::SocketIoPlug<4>);
}

mod upgraded {
    crate::conforms!(super::UpgradedPlug);
}

const DOOR: &str = "/socket.io/";

/// An event with one attachment, which follows.
const BINARY: &str = "51-[\"message\",{\"_placeholder\":true,\"num\":0}]";

/// socket.io on top of an engine.io client.
struct SocketIoClient<C>(C);

impl<C: Client> SocketIoClient<C> {
    /// Connects to `/`. Version 4 does not ask for it. The error is the status that a refusal tells.
    async fn connect(mut engine: C, version: u8) -> Result<Self, u16> {
        if version == 5 {
            engine.send_text("0").await;
        }
        let Got::Text(answer) = engine.receive().await else {
            panic!("the server answers");
        };
        let Some(refusal) = answer.strip_prefix('4') else {
            assert!(answer.starts_with('0'), "{answer}");
            return Ok(Self(engine));
        };
        let refusal: serde_json::Value = serde_json::from_str(refusal).unwrap();
        // Version 4 tells the message alone.
        let status = refusal["data"]["status"].as_u64().unwrap_or(401);
        Err(u16::try_from(status).unwrap())
    }
}

impl<C: Client> Client for SocketIoClient<C> {
    async fn send_text(&mut self, text: &str) {
        self.0.send_text(&format!("2[\"message\",{text}]")).await;
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        self.0.send_text(BINARY).await;
        self.0.send_binary(bytes).await;
    }

    async fn receive(&mut self) -> Got {
        match self.0.receive().await {
            Got::Text(text) if text == BINARY => self.0.receive().await,
            // The farewell: no such client comes back by itself.
            Got::Text(text) if text == "1" => Got::Closed,
            Got::Text(text) => {
                let argument = text.strip_prefix("2[\"message\",").unwrap();
                Got::Text(argument.strip_suffix(']').unwrap().to_owned())
            }
            other => other,
        }
    }

    async fn close(self) {
        self.0.close().await;
    }
}

/// Over polling, in a version of socket.io's protocol: 5 goes with 4 of engine.io's, 4 with 3.
struct SocketIoPlug<const VERSION: u8>(SocketAddr);

impl<const VERSION: u8> Plug for SocketIoPlug<VERSION> {
    const TRANSPORT: &'static str = "socketio";
    const MAY_GO_UNSEEN: bool = true;
    type Client = SocketIoClient<PollingClient>;

    async fn start(engine: Engine) -> Self {
        Self(polling::start(engine).await)
    }

    async fn connect(&self, query: &str) -> Result<Self::Client, u16> {
        let engine = PollingClient::connect(self.0, DOOR, VERSION - 1, query).await?;
        SocketIoClient::connect(engine, VERSION).await
    }
}

struct UpgradedPlug(SocketAddr);

impl Plug for UpgradedPlug {
    const TRANSPORT: &'static str = "socketio";
    type Client = SocketIoClient<UpgradedClient>;

    async fn start(engine: Engine) -> Self {
        Self(polling::start(engine).await)
    }

    async fn connect(&self, query: &str) -> Result<Self::Client, u16> {
        let engine = UpgradedClient::connect(self.0, DOOR, query).await?;
        SocketIoClient::connect(engine, 5).await
    }
}
