//! A small HTTP/1.1 client over hyper: one connection per request, or one that is kept.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderMap};
use http::request::Builder;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::support::within;

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Kept {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address))
            .await
            .unwrap();
        Self::over(stream, &address.to_string()).await
    }

    /// Speaks HTTP on a stream of any kind.
    pub(crate) async fn over<S>(stream: S, host: &str) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            host: host.to_owned(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(request("GET", path), "").await
    }

    pub(crate) async fn send(&mut self, request: Builder, body: impl Into<Bytes>) -> Reply {
        let mut request = request.body(Full::new(body.into())).unwrap();
        let host = self.host.parse().unwrap();
        request.headers_mut().entry(HOST).or_insert(host);
        let exchange = async {
            self.sender.ready().await.unwrap();
            let (parts, body) = self
                .sender
                .send_request(request)
                .await
                .unwrap()
                .into_parts();
            Reply {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: body.collect().await.unwrap().to_bytes(),
            }
        };
        within("an answer", exchange).await
    }
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The value of a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }
}

/// Begins a request.
pub(crate) fn request(method: &str, path: &str) -> Builder {
    http::Request::builder().method(method).uri(path)
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Reply {
    send(address, request("GET", path), "").await
}

/// Sends a request on a connection of its own.
pub(crate) async fn send(address: SocketAddr, request: Builder, body: impl Into<Bytes>) -> Reply {
    Kept::connect(address).await.send(request, body).await
}
