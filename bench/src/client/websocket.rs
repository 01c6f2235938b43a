//! One WebSocket connection: handshake, reading, writing, heartbeats.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::frame::{self, Opcode};
use super::{packet, socket, socketio};

/// The nonce of RFC 6455, section 1.3, and the answer it must get.
const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const HEAD_LIMIT: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct WebSocket {
    stream: TcpStream,
    /// The beginning of a frame whose end has not arrived.
    partial: Vec<u8>,
    /// Frames that leave with the next `flush`.
    queued: Vec<u8>,
}

impl WebSocket {
    /// Connects from `source`, upgrades `path`, and leaves whatever the server
    /// sent after its head to the first `receive`.
    pub(super) async fn open(address: SocketAddr, path: &str, source: Ipv4Addr) -> Result<Self> {
        let mut stream = socket::connect(address, source).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {NONCE}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;

        let mut bytes = Vec::with_capacity(512);
        let head_end = loop {
            if let Some(at) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(bytes.len() < HEAD_LIMIT, "the response head has no end");
            let read = stream.read_buf(&mut bytes).await.context("handshake")?;
            ensure!(read > 0, "closed by the server during the handshake");
        };
        let head = String::from_utf8_lossy(&bytes[..head_end]);
        let status = head.lines().next().unwrap_or_default();
        ensure!(
            status.starts_with("HTTP/1.1 101"),
            "handshake refused: {status}"
        );
        ensure!(head.contains(ACCEPT), "wrong Sec-WebSocket-Accept");

        bytes.drain(..head_end);
        bytes.shrink_to_fit();
        Ok(Self {
            stream,
            partial: bytes,
            queued: Vec::new(),
        })
    }

    /// Queues one text frame for the next `flush`.
    pub(super) fn queue(&mut self, text: &[u8]) {
        frame::write(&mut self.queued, Opcode::Text, text);
    }

    /// Writes what is queued.
    ///
    /// Not cancel-safe once the socket's buffer is full, which a load with a
    /// bounded number of small requests in flight never makes it.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if !self.queued.is_empty() {
            self.stream
                .write_all(&self.queued)
                .await
                .context("closed by the server while writing")?;
            self.queued.clear();
        }
        Ok(())
    }

    /// Waits for one read and hands over every text that it completed, with
    /// the time of the read. Heartbeats are answered with the next `flush`.
    ///
    /// Cancel-safe: what was read has been handed over.
    pub(super) async fn receive(
        &mut self,
        on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
    ) -> Result<()> {
        poll_fn(|cx| {
            let Self {
                stream,
                partial,
                queued,
            } = self;
            let read = socket::poll_read(stream, cx, |bytes| {
                ensure!(!bytes.is_empty(), "closed by the server");
                take_in(bytes, partial, queued, on_text)
            });
            read.map(|outcome| outcome.context("closed by the server")?)
        })
        .await
    }

    /// Says goodbye and waits until the server has closed.
    pub(super) async fn close(mut self) -> Result<()> {
        const NORMAL: [u8; 2] = 1_000_u16.to_be_bytes();

        frame::write(&mut self.queued, Opcode::Close, &NORMAL);
        self.flush().await?;
        // What comes is the server's goodbye, or was under way before ours.
        let mut rest = [0; 256];
        loop {
            match self.stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error).context("closing"),
            }
        }
    }

    /// Hands over the texts that came in one segment with the handshake.
    pub(super) fn take_early(
        &mut self,
        on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
    ) -> Result<()> {
        let early = std::mem::take(&mut self.partial);
        take_in(&early, &mut self.partial, &mut self.queued, on_text)
    }
}

fn take_in(
    bytes: &[u8],
    partial: &mut Vec<u8>,
    queued: &mut Vec<u8>,
    on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
) -> Result<()> {
    let now = Instant::now();
    if partial.is_empty() {
        let taken = handle_frames(bytes, queued, now, on_text)?;
        partial.extend_from_slice(&bytes[taken..]);
    } else {
        partial.extend_from_slice(bytes);
        let taken = handle_frames(partial, queued, now, on_text)?;
        partial.drain(..taken);
    }
    Ok(())
}

/// Handles the complete frames of `bytes` and returns how many bytes they took.
fn handle_frames(
    bytes: &[u8],
    queued: &mut Vec<u8>,
    now: Instant,
    on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
) -> Result<usize> {
    let mut taken = 0;
    while let Some(frame) = frame::parse(&bytes[taken..])? {
        taken += frame.length;
        match frame.opcode {
            Opcode::Text => {
                if let Some(pong) = pong(frame.payload) {
                    frame::write(queued, Opcode::Text, &pong);
                } else {
                    on_text(frame.payload, now)?;
                }
            }
            Opcode::Ping => frame::write(queued, Opcode::Pong, frame.payload),
            Opcode::Pong => {}
            Opcode::Close => match frame.payload {
                [a, b, reason @ ..] => bail!(
                    "closed by the server: {} {}",
                    u16::from_be_bytes([*a, *b]),
                    String::from_utf8_lossy(reason)
                ),
                _ => bail!("closed by the server without a code"),
            },
        }
    }
    Ok(taken)
}

/// The answer to a heartbeat that is a text. The two kinds are told apart by
/// their first byte, and from JSON objects too.
fn pong(text: &[u8]) -> Option<Vec<u8>> {
    packet::primus_pong(text).or_else(|| socketio::pong(text))
}
