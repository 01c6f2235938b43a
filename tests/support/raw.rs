//! A client that writes its bytes by hand: what no well-behaved library would send.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::either::Either;

use crate::support::wire::Io;
use crate::support::within;

/// First bytes of frames: FIN and opcode.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;
/// A text that goes on in the next frame.
pub(crate) const TEXT_BEGINS: u8 = 0x01;
pub(crate) const CONTINUES: u8 = 0x00;
pub(crate) const ENDS: u8 = 0x80;

/// The nonce of RFC 6455's example.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const MASK: [u8; 4] = [0xA5, 0x5A, 0x3C, 0xC3];

/// A socket, and what has arrived on it.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: Either<TcpStream, Box<dyn Io>>,
    address: SocketAddr,
    received: BytesMut,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A WebSocket frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("a TCP connection", TcpStream::connect(address))
            .await
            .unwrap();
        Self::over(stream)
    }

    /// A peer whose system takes only a few kB before it makes the server wait.
    pub(crate) async fn with_small_window(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = within("a TCP connection", socket.connect(address))
            .await
            .unwrap();
        Self::over(stream)
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            address: stream.local_addr().unwrap(),
            stream: Either::Left(stream),
            received: BytesMut::new(),
        }
    }

    /// A peer over a stream of some other kind, which comes from `address`.
    pub(crate) fn layered(stream: impl Io + 'static, address: SocketAddr) -> Self {
        Self {
            address,
            stream: Either::Right(Box::new(stream)),
            received: BytesMut::new(),
        }
    }

    /// Where it connects from.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A finished WebSocket handshake for `path`.
    pub(crate) async fn upgraded(address: SocketAddr, path: &str) -> Self {
        Self::connect(address).await.upgrade(path).await
    }

    /// Makes a WebSocket connection of this socket.
    pub(crate) async fn upgrade(mut self, path: &str) -> Self {
        self.write(handshake(path, "")).await;
        let answer = self.head().await;
        assert_eq!(answer.status, 101, "{}", answer.head);
        self
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.unwrap();
    }

    /// Writes where the server may have hung up already.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("a write", self.stream.write_all(bytes.as_ref())).await
    }

    /// The bare socket, for writers that block.
    pub(crate) fn into_blocking(self) -> std::net::TcpStream {
        let Either::Left(stream) = self.stream else {
            panic!("it is no bare socket");
        };
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    }

    /// Says that nothing more comes.
    pub(crate) async fn end(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads more. False at the end, however it came about.
    async fn read(&mut self) -> bool {
        let read = within("more bytes", self.stream.read_buf(&mut self.received)).await;
        read.is_ok_and(|count| count > 0)
    }

    /// The next answer without its body.
    pub(crate) async fn head(&mut self) -> Answer {
        let end = loop {
            let found = self.received.windows(4).position(|it| it == b"\r\n\r\n");
            if let Some(end) = found {
                break end + 4;
            }
            assert!(self.read().await, "no answer but {:?}", self.received);
        };
        let head = String::from_utf8(self.received.split_to(end).to_vec()).unwrap();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer {
            status: status.unwrap(),
            head: head.to_ascii_lowercase(),
            body: String::new(),
        }
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length = answer.header("content-length").unwrap_or("0");
        let length: usize = length.parse().unwrap();
        answer.body = self.body(length).await;
        answer
    }

    /// The next bytes, so many.
    pub(crate) async fn body(&mut self, length: usize) -> String {
        while self.received.len() < length {
            assert!(self.read().await, "an answer that ends early");
        }
        String::from_utf8_lossy(&self.received.split_to(length)).into_owned()
    }

    /// Everything up to the end of the connection, which has to come.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.read().await {}
        self.received.split().to_vec()
    }

    /// Whether the server ends the connection without a further byte.
    pub(crate) async fn is_closed_silently(&mut self) -> bool {
        self.rest().await.is_empty()
    }

    /// Whether something comes next, and not the end.
    pub(crate) async fn gets_something(&mut self) -> bool {
        !self.received.is_empty() || self.read().await
    }

    /// Whether something has come that was not read yet; does not wait.
    pub(crate) fn has_something_to_read(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.received).now_or_never();
        !self.received.is_empty() || matches!(read, Some(Ok(0)))
    }

    /// Sends one masked frame.
    pub(crate) async fn send(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.write(frame(first, payload)).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.parse() {
                return Some(frame);
            }
            if !self.read().await {
                assert!(self.received.is_empty(), "half a frame at the end");
                return None;
            }
        }
    }

    fn parse(&mut self) -> Option<Frame> {
        let [first, second, rest @ ..] = &self.received[..] else {
            return None;
        };
        assert_eq!(second & 0x80, 0, "servers do not mask");
        let extended = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length = rest.get(..extended)?.iter();
        let length = match extended {
            0 => usize::from(second & 0x7F),
            _ => length.fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        };
        let (first, head) = (*first, 2 + extended);
        if self.received.len() < head + length {
            return None;
        }
        self.received.advance(head);
        let payload = self.received.split_to(length).to_vec();
        Some(Frame { first, payload })
    }

    /// The code of the close frame, which has to come. What comes before it is passed over.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            let frame = self.frame().await.expect("a close frame");
            if frame.first == CLOSE {
                let code = frame.payload.get(..2);
                return code.map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
            }
        }
    }

    /// The next JSON object. Frames that say nothing, and control strings, are passed over.
    pub(crate) async fn packet(&mut self) -> Value {
        loop {
            let frame = self.frame().await.expect("a packet");
            assert_ne!(frame.first, CLOSE, "{:?}", frame.payload);
            if frame.first == TEXT {
                let value: Value = serde_json::from_slice(&frame.payload).unwrap();
                if value.is_object() {
                    return value;
                }
            }
        }
    }
}

impl Answer {
    /// The value of a header, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.trim())
    }
}

/// A WebSocket handshake; `more` are further header lines, each with its line end.
pub(crate) fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

/// A masked frame.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = header(first, payload.len() as u64);
    let masked = payload.iter().zip(MASK.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

/// The header of a masked frame that announces `length` bytes.
pub(crate) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(0x80 | length as u8),
        126..=0xFFFF => {
            header.push(0x80 | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend(MASK);
    header
}
