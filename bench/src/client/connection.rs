//! One WebSocket connection: handshake, reading, writing, heartbeats.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::frame::{self, Opcode};

/// The nonce of RFC 6455, section 1.3, and the answer it must get.
const NONCE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// For a handshake or the answer to one request while nothing else goes on.
const PATIENCE: Duration = Duration::from_secs(15);

const HEAD_LIMIT: usize = 16 * 1024;
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    /// Reading happens within one poll, so one buffer serves all connections.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// The beginning of a frame whose end has not arrived.
    partial: Vec<u8>,
    /// Frames that leave with the next `flush`.
    queued: Vec<u8>,
}

impl Connection {
    /// Connects from `source`, upgrades `/primus`, and leaves whatever the
    /// server sent after its head to the first `receive`.
    pub(crate) async fn open(address: SocketAddr, source: Ipv4Addr) -> Result<Self> {
        timeout(PATIENCE, Self::handshake(address, source))
            .await
            .context("no handshake within 15 s")?
    }

    async fn handshake(address: SocketAddr, source: Ipv4Addr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if source != Ipv4Addr::LOCALHOST {
            // Ports of an earlier server's connections linger in TIME_WAIT.
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::from((source, 0)))?;
        }
        let mut stream = socket.connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;

        let request = format!(
            "GET /primus HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
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
    pub(crate) fn queue(&mut self, text: &[u8]) {
        frame::write(&mut self.queued, Opcode::Text, text);
    }

    /// Writes what is queued.
    ///
    /// Not cancel-safe once the socket's buffer is full, which a load with a
    /// bounded number of small requests in flight never makes it.
    pub(crate) async fn flush(&mut self) -> Result<()> {
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
    pub(crate) async fn receive(
        &mut self,
        on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
    ) -> Result<()> {
        poll_fn(|cx| {
            READ_BUFFER.with_borrow_mut(|buffer| {
                let mut read = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))
                    .context("closed by the server")?;
                if read.filled().is_empty() {
                    return Poll::Ready(Err(anyhow::anyhow!("closed by the server")));
                }
                Poll::Ready(self.take_in(read.filled(), on_text))
            })
        })
        .await
    }

    fn take_in(
        &mut self,
        bytes: &[u8],
        on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
    ) -> Result<()> {
        let now = Instant::now();
        if self.partial.is_empty() {
            let taken = handle_frames(bytes, &mut self.queued, now, on_text)?;
            self.partial.extend_from_slice(&bytes[taken..]);
        } else {
            self.partial.extend_from_slice(bytes);
            let taken = handle_frames(&self.partial, &mut self.queued, now, on_text)?;
            self.partial.drain(..taken);
        }
        Ok(())
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
        self.flush().await?;
        let mut texts: Vec<Vec<u8>> = Vec::new();
        // The welcome may have come in one segment with the handshake.
        let early = std::mem::take(&mut self.partial);
        self.take_in(&early, &mut |text, _| {
            texts.push(text.to_vec());
            Ok(())
        })?;
        while texts.is_empty() {
            self.receive(&mut |text, _| {
                texts.push(text.to_vec());
                Ok(())
            })
            .await?;
            self.flush().await?;
        }
        let text = texts.swap_remove(0);
        ensure!(
            texts.is_empty(),
            "{} packets where one was due: {}",
            texts.len() + 1,
            String::from_utf8_lossy(&text)
        );
        Ok(text)
    }
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
                if let Some(number) = frame.payload.strip_prefix(b"\"primus::ping::") {
                    let pong = [b"\"primus::pong::", number].concat();
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
