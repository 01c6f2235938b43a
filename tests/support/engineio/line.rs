//! HTTP/1.1 by hand on one connection that is kept: tests see every header, and decide when a request ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::within;

/// A request as it will stand on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: String,
    body: Option<Vec<u8>>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    received: BytesMut,
    /// Of the requests under way, in order: whether their answers have no body whatever their headers say.
    bodiless: std::collections::VecDeque<bool>,
    address: SocketAddr,
    used: Instant,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            head: format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n"),
            body: None,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// What an engine.io client posts: text, unless a header says something else.
    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(crate) fn headers(self, headers: &[(String, String)]) -> Self {
        headers
            .iter()
            .fold(self, |request, (name, value)| request.header(name, value))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The bytes, with a `Content-Length` and, unless there is one, the `Content-Type` of text.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone().into_bytes();
        if let Some(body) = &self.body {
            if !self.head.to_ascii_lowercase().contains("\r\ncontent-type:") {
                bytes.extend_from_slice(b"Content-Type: text/plain;charset=UTF-8\r\n");
            }
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

impl Reply {
    /// The value of a header that is there at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let (_, value) = values.next()?;
        assert!(values.next().is_none(), "{name} twice: {:?}", self.headers);
        Some(value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.body.escape_ascii()))
    }

    /// Status and engine.io code of an error answer.
    pub(crate) fn fault(&self) -> (u16, u64) {
        let code = self.json()["code"].as_u64();
        (self.status, code.expect("an error has a number as code"))
    }
}

impl Line {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("a TCP connection", TcpStream::connect(address)).await;
        let stream = stream.expect("the server's port is open");
        stream
            .set_nodelay(true)
            .expect("a TCP socket has this option");
        Self {
            stream,
            received: BytesMut::new(),
            bodiless: std::collections::VecDeque::new(),
            address,
            used: Instant::now(),
        }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.try_write(bytes).await;
        sent.expect("the connection takes the bytes");
    }

    /// Writes where the server may have hung up already.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        within("a write", self.stream.write_all(bytes.as_ref())).await
    }

    /// Takes a new connection if this one was not used for a while: the server drops it then, and clients know that.
    pub(crate) async fn renew(&mut self) {
        const IDLE: Duration = Duration::from_secs(5);
        if self.bodiless.is_empty() && self.used.elapsed() > IDLE {
            *self = Self::connect(self.address).await;
        }
    }

    /// Sends a request; its answer is for [`reply`](Self::reply).
    pub(crate) async fn send(&mut self, request: &Request) {
        self.used = Instant::now();
        self.bodiless.push_back(request.head.starts_with("HEAD "));
        self.write(request.bytes()).await;
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn exchange(&mut self, request: &Request) -> Reply {
        self.send(request).await;
        self.reply().await
    }

    /// The next answer, which has to come.
    pub(crate) async fn reply(&mut self) -> Reply {
        let reply = self.reply_or_cut().await;
        reply.expect("an answer, and not the end of the connection")
    }

    /// The next answer, or `None` if the connection ends without one.
    pub(crate) async fn reply_or_cut(&mut self) -> Option<Reply> {
        within("an answer", self.wait_reply()).await
    }

    /// The next answer, however long it takes. Nothing is lost if this is given up.
    pub(crate) async fn wait_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(reply) = self.parse() {
                return Some(reply);
            }
            if self.stream.read_buf(&mut self.received).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Takes a whole answer off what was received.
    fn parse(&mut self) -> Option<Reply> {
        let end = self.received.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&self.received[..end]).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        let mut reply = Reply {
            status: status.expect("an answer has a status"),
            headers: headers.collect(),
            body: Vec::new(),
        };
        assert_eq!(reply.header("transfer-encoding"), None, "lengths are known");
        let length = reply.header("content-length").unwrap_or("0");
        let mut length: usize = length.parse().expect("a length is a number");
        if self.bodiless.front().copied().unwrap_or(false) {
            length = 0;
        }
        if self.received.len() < end + length {
            return None;
        }
        if reply.status != 100 {
            self.bodiless.pop_front();
        }
        let whole = self.received.split_to(end + length);
        reply.body = whole[end..].to_vec();
        Some(reply)
    }

    /// Whether the server ends the connection without a further byte.
    pub(crate) async fn is_cut(&mut self) -> bool {
        within("the end of the connection", self.wait_reply())
            .await
            .is_none()
            && self.received.is_empty()
    }

    /// Whether nothing has come by now, neither bytes nor the end; does not wait.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let read = self.stream.try_read_buf(&mut self.received);
        let is_waiting = read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        is_waiting && self.received.is_empty()
    }

    /// The socket, and what was received behind the last answer.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.received.to_vec())
    }
}

/// Sends a request on a connection of its own.
pub(crate) async fn exchange(address: SocketAddr, request: &Request) -> Reply {
    Line::connect(address).await.exchange(request).await
}
