//! One client, whatever carries its packets.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::timeout;

use super::polling::Polling;
use super::websocket::WebSocket;
use super::{Door, Transport};

/// For a handshake or the answer to one request while nothing else goes on.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct Connection(Carrier);

#[derive(Debug)]
enum Carrier {
    WebSocket(WebSocket),
    Polling(Box<Polling>),
}

impl Connection {
    /// Opens a connection from the address `source`.
    pub(crate) async fn open(door: Door, source: Ipv4Addr) -> Result<Self> {
        let open = async {
            Ok(Self(match door.transport {
                Transport::Ws => {
                    Carrier::WebSocket(WebSocket::open(door.address, door.path, source).await?)
                }
                Transport::Polling => {
                    let polling = Polling::open(door.address, door.path, source).await?;
                    Carrier::Polling(Box::new(polling))
                }
            }))
        };
        timeout(PATIENCE, open)
            .await
            .context("no handshake within 15 s")?
    }

    /// Queues one text for the next `flush`.
    pub(crate) fn queue(&mut self, text: &[u8]) {
        match &mut self.0 {
            Carrier::WebSocket(websocket) => websocket.queue(text),
            Carrier::Polling(polling) => polling.queue(text),
        }
    }

    /// Writes what is queued, as far as the transport lets it go now.
    ///
    /// Not cancel-safe once the socket's buffer is full, which a load with a
    /// bounded number of small requests in flight never makes it.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        match &mut self.0 {
            Carrier::WebSocket(websocket) => websocket.flush().await,
            Carrier::Polling(polling) => polling.flush().await,
        }
    }

    /// Waits until something has come and hands over every text that it
    /// completed, with the time of the read. Heartbeats are answered with the
    /// next `flush`.
    ///
    /// Cancel-safe: what was read has been handed over.
    pub(crate) async fn receive(
        &mut self,
        on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
    ) -> Result<()> {
        match &mut self.0 {
            Carrier::WebSocket(websocket) => websocket.receive(on_text).await,
            Carrier::Polling(polling) => polling.receive(on_text).await,
        }
    }

    /// Sends `request`, if any, and returns the next text. For use while
    /// nothing else is under way; a second text at the same time is an error.
    pub(crate) async fn exchange(&mut self, request: Option<&[u8]>) -> Result<Vec<u8>> {
        if let Some(request) = request {
            self.queue(request);
        }
        timeout(PATIENCE, self.next_text())
            .await
            .context("no answer within 15 s")?
    }

    async fn next_text(&mut self) -> Result<Vec<u8>> {
        let texts = RefCell::new(Vec::<Vec<u8>>::new());
        let mut keep = |text: &[u8], _| {
            texts.borrow_mut().push(text.to_vec());
            Ok(())
        };
        if let Carrier::WebSocket(websocket) = &mut self.0 {
            websocket.take_early(&mut keep)?;
        }
        self.flush().await?;
        while texts.borrow().is_empty() {
            self.receive(&mut keep).await?;
            self.flush().await?;
        }
        let mut texts = texts.into_inner();
        let text = texts.swap_remove(0);
        ensure!(
            texts.is_empty(),
            "{} packets where one was due: {}",
            texts.len() + 1,
            String::from_utf8_lossy(&text)
        );
        Ok(text)
    }

    /// Gives up what a client does not need while it only listens.
    pub(crate) async fn rest(&mut self) -> Result<()> {
        match &mut self.0 {
            Carrier::WebSocket(_) => Ok(()),
            Carrier::Polling(polling) => timeout(PATIENCE, polling.rest())
                .await
                .context("a POST was not answered within 15 s")?,
        }
    }
}
