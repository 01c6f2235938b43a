//! One client, whatever carries its packets.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::time::timeout;

use super::packet::{self, Packet, Request};
use super::polling::{self, Polling};
use super::websocket::WebSocket;
use super::{Door, Transport, socketio};

/// For a handshake or the answer to one request while nothing else goes on.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct Connection {
    carrier: Carrier,
    dialect: Dialect,
}

#[derive(Debug)]
enum Carrier {
    WebSocket(WebSocket),
    Polling(Box<Polling>),
}

/// How packets are written in what is carried.
#[derive(Debug)]
enum Dialect {
    /// As JSON.
    Plain,
    Socketio {
        requests: u64,
    },
}

impl Connection {
    /// Opens a connection from the address `source`; it has had its welcome.
    pub(crate) async fn open(door: Door, source: Ipv4Addr) -> Result<Self> {
        let Door { address, path, .. } = door;
        let open = async {
            let (carrier, dialect) = match door.transport {
                Transport::Ws => {
                    let websocket = WebSocket::open(address, path, source).await?;
                    (Carrier::WebSocket(websocket), Dialect::Plain)
                }
                Transport::Polling => {
                    let polling = Polling::open(address, path, source).await?;
                    (Carrier::Polling(Box::new(polling)), Dialect::Plain)
                }
                Transport::Socketio => {
                    let path = format!("{path}?{}", socketio::QUERY);
                    let websocket = WebSocket::open(address, &path, source).await?;
                    let dialect = Dialect::Socketio { requests: 0 };
                    (Carrier::WebSocket(websocket), dialect)
                }
            };
            let mut connection = Self { carrier, dialect };
            connection.greet().await?;
            Ok(connection)
        };
        timeout(PATIENCE, open)
            .await
            .context("no handshake within 15 s")?
    }

    async fn greet(&mut self) -> Result<()> {
        match self.dialect {
            Dialect::Plain => {
                let [welcome] = self.texts().await?;
                packet::check_welcome(&welcome)
            }
            Dialect::Socketio { .. } => {
                let [open] = self.texts().await?;
                polling::read_open_packet(&open)?;
                self.carrier.queue(socketio::CONNECT);
                let [connected, welcome] = self.texts().await?;
                socketio::check_connected(&connected)?;
                packet::check_welcome(socketio::welcome(&welcome)?)
            }
        }
    }

    /// Queues one request for the next `flush`.
    pub(crate) fn queue(&mut self, request: Request) {
        match &mut self.dialect {
            Dialect::Plain => self.carrier.queue(request.to_json().as_bytes()),
            Dialect::Socketio { requests } => {
                let event = socketio::event(request, *requests);
                *requests += 1;
                self.carrier.queue(event.as_bytes());
            }
        }
    }

    /// Writes what is queued, as far as the transport lets it go now.
    ///
    /// Not cancel-safe once the socket's buffer is full, which a load with a
    /// bounded number of small requests in flight never makes it.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.carrier.flush().await
    }

    /// Waits until something has come and hands over every packet that it
    /// completed, with the time of the read. Heartbeats are answered with the
    /// next `flush`.
    ///
    /// Cancel-safe: what was read has been handed over.
    pub(crate) async fn receive(
        &mut self,
        on_packet: &mut impl FnMut(Packet, Instant) -> Result<()>,
    ) -> Result<()> {
        let read = match self.dialect {
            Dialect::Plain => Packet::read,
            Dialect::Socketio { .. } => socketio::read,
        };
        let mut on_text = |text: &[u8], at| on_packet(read(text)?, at);
        self.carrier.receive(&mut on_text).await
    }

    /// Sends `request` and returns the JSON of its answer. For use while
    /// nothing else is under way; a second text at the same time is an error.
    pub(crate) async fn exchange(&mut self, request: Request) -> Result<Vec<u8>> {
        self.queue(request);
        let [text] = timeout(PATIENCE, self.texts())
            .await
            .context("no answer within 15 s")??;
        Ok(match self.dialect {
            Dialect::Plain => text,
            Dialect::Socketio { .. } => socketio::answer(&text)?.to_vec(),
        })
    }

    /// The next texts, which must be all that comes.
    async fn texts<const COUNT: usize>(&mut self) -> Result<[Vec<u8>; COUNT]> {
        let texts = RefCell::new(Vec::<Vec<u8>>::with_capacity(COUNT));
        let mut keep = |text: &[u8], _| {
            texts.borrow_mut().push(text.to_vec());
            Ok(())
        };
        if let Carrier::WebSocket(websocket) = &mut self.carrier {
            websocket.take_early(&mut keep)?;
        }
        self.flush().await?;
        while texts.borrow().len() < COUNT {
            self.carrier.receive(&mut keep).await?;
            self.flush().await?;
        }
        <[_; COUNT]>::try_from(texts.into_inner()).map_err(|texts| {
            let (came, text) = (texts.len(), String::from_utf8_lossy(&texts[0]));
            anyhow!("{came} texts where {COUNT} were due: {text}")
        })
    }

    /// Closes it as its protocol wants it, where that has a way to; else drops it.
    pub(crate) async fn close(self) -> Result<()> {
        match self.carrier {
            Carrier::WebSocket(websocket) => timeout(PATIENCE, websocket.close())
                .await
                .context("not closed within 15 s")?,
            Carrier::Polling(_) => Ok(()),
        }
    }

    /// Gives up what a client does not need while it only listens.
    pub(crate) async fn rest(&mut self) -> Result<()> {
        match &mut self.carrier {
            Carrier::WebSocket(_) => Ok(()),
            Carrier::Polling(polling) => timeout(PATIENCE, polling.rest())
                .await
                .context("a POST was not answered within 15 s")?,
        }
    }
}

impl Carrier {
    fn queue(&mut self, text: &[u8]) {
        match self {
            Self::WebSocket(websocket) => websocket.queue(text),
            Self::Polling(polling) => polling.queue(text),
        }
    }

    async fn flush(&mut self) -> Result<()> {
        match self {
            Self::WebSocket(websocket) => websocket.flush().await,
            Self::Polling(polling) => polling.flush().await,
        }
    }

    async fn receive(
        &mut self,
        on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::WebSocket(websocket) => websocket.receive(on_text).await,
            Self::Polling(polling) => polling.receive(on_text).await,
        }
    }
}
