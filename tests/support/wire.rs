//! Below the WebSocket client: how it begins and ends, and its stream. The handshake is written by hand, so that tests
//! see every header.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::within;

/// The key of RFC 6455's own example, and what a server must answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Any two-way stream of bytes: TCP, or TLS over it.
pub(crate) trait Io: AsyncRead + AsyncWrite + Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Io for T {}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    /// 1005: a close frame without a code; 1006: no close frame at all.
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Packet(Value),
    Closed(Close),
}

/// An answer to the handshake that was no upgrade.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Refused {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known == name)?;
        Some(value)
    }
}

/// Asks for an upgrade. Returns what the server sent right behind its answer.
pub(super) async fn open(
    io: &mut Box<dyn Io>,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Vec<u8>, Refused> {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    io.write_all(request.as_bytes())
        .await
        .expect("the server reads the handshake");
    let (answer, rest) = within("the answer to the handshake", read_head(io)).await;
    if answer.status == 101 {
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
        return Ok(rest);
    }
    Err(within("the body of a refusal", read_body(io, answer, rest)).await)
}

/// Reads the head of an HTTP answer; returns what was read beyond it too.
async fn read_head(io: &mut Box<dyn Io>) -> (Refused, Vec<u8>) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let read = io.read_buf(&mut bytes).await.unwrap_or(0);
        assert!(read > 0, "the handshake was cut off: {bytes:?}");
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let answer = Refused {
        status: status
            .and_then(|status| status.parse().ok())
            .expect("an HTTP answer has a status"),
        headers: headers.collect(),
        body: String::new(),
    };
    (answer, bytes.split_off(end + 4))
}

async fn read_body(io: &mut Box<dyn Io>, mut answer: Refused, mut bytes: Vec<u8>) -> Refused {
    let length = answer.header("content-length");
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < length {
        let read = io.read_buf(&mut bytes).await.unwrap_or(0);
        assert!(read > 0, "the body was cut off");
    }
    answer.body = String::from_utf8_lossy(&bytes).into_owned();
    answer
}

/// A stream whose writing side can be made to lead nowhere, for peers that have fallen silent.
pub(super) struct Muteable {
    io: Box<dyn Io>,
    is_mute: Arc<AtomicBool>,
}

impl Muteable {
    pub(super) fn new(io: Box<dyn Io>, is_mute: Arc<AtomicBool>) -> Self {
        Self { io, is_mute }
    }

    /// The stream itself, silenced or not.
    pub(super) fn past_silence(&mut self) -> &mut Box<dyn Io> {
        &mut self.io
    }
}

impl AsyncRead for Muteable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Muteable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.is_mute.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
