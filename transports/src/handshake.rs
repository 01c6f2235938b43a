//! What a peer brings when it knocks, and how it is turned away.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::COOKIE;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;

/// Where a request comes from, as far as the server trusts what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address: the socket's, or what a trusted proxy reported.
    pub ip: IpAddr,
    /// The client's port; 0 when a proxy did not say.
    pub port: u16,
    /// Whether the client's own connection is encrypted.
    pub secure: bool,
}

impl Peer {
    /// A peer that is directly connected. An IPv4 address that comes as IPv6, as sockets on `[::]` have it, is the IPv4
    /// address.
    pub const fn direct(address: SocketAddr, secure: bool) -> Self {
        Self {
            ip: address.ip().to_canonical(),
            port: address.port(),
            secure,
        }
    }
}

/// The address that limits count by: with IPv6 the /64 that a single client usually has to itself.
pub fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & !u128::from(u64::MAX);
            Ipv6Addr::from(prefix).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Everything known about a connection before it is one.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The name of the transport that received it.
    pub transport: &'static str,
    /// The name of the dialect that the peer will speak.
    pub dialect: &'static str,
    /// Where it comes from.
    pub peer: Peer,
    /// The requested path and query.
    pub uri: Uri,
    /// The request's headers.
    pub headers: HeaderMap,
    /// What an earlier layer attached to the request.
    pub extensions: http::Extensions,
    /// The public id that the connection is to have, if it is not to be a random one. Whoever admits the peer may choose
    /// it; two connections must not have the same.
    pub id: Option<String>,
    /// Credentials that the dialect has a place for: the `auth` of socket.io clients.
    pub auth: Option<Value>,
}

impl Handshake {
    /// The handshake that a request is.
    pub fn new(
        transport: &'static str,
        dialect: &'static str,
        peer: Peer,
        parts: http::request::Parts,
    ) -> Self {
        Self {
            transport,
            dialect,
            peer,
            uri: parts.uri,
            headers: parts.headers,
            extensions: parts.extensions,
            id: None,
            auth: None,
        }
    }

    /// The text after `?`, undecoded; empty if there is none.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The first value of a parameter of the query, decoded.
    pub fn query_param(&self, name: &str) -> Option<String> {
        self.query_params()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }

    /// All parameters of the query, decoded.
    pub fn query_params(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.query().as_bytes())
    }

    /// The value of the cookie `name`, without quotes around it.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.trim_matches('"'))
    }

    /// The value of the header `name`, if it is there once and readable text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The WebSocket sub-protocol that the peer is told: one that it has offered. `None` without any, and for a peer that
    /// begins by polling, whose WebSocket comes later.
    #[cfg(feature = "ws")]
    pub fn subprotocol(&self) -> Option<&str> {
        self.extensions.get::<Subprotocol>()?.0.to_str().ok()
    }
}

/// A handshake that was let in: what [`Context::admit`](crate::Context::admit) gives, and what
/// [`Connection::report_opened`](crate::Connection::report_opened) asks for. So no connection is opened unasked.
#[derive(Debug)]
pub struct Admitted(Box<Handshake>);

impl Admitted {
    pub(crate) fn new(handshake: Handshake) -> Self {
        Self(Box::new(handshake))
    }

    /// What was let in, with what the application noted in it.
    pub fn handshake(&self) -> &Handshake {
        &self.0
    }

    pub(crate) fn into_handshake(self) -> Box<Handshake> {
        self.0
    }
}

/// The sub-protocol that was agreed on.
#[cfg(feature = "ws")]
#[derive(Clone, Debug)]
pub(crate) struct Subprotocol(pub(crate) http::HeaderValue);

/// Why a handshake was turned away, and what the peer is told (docs/protocol/README.md#refusals).
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status; 401 unless chosen otherwise.
    pub status: StatusCode,
    /// Becomes the `error` of the JSON body.
    pub error: Value,
    /// Sent as `WWW-Authenticate`, with status 401 only.
    pub authenticate: Option<String>,
}

impl Refusal {
    /// A refusal with status 401.
    pub fn new(error: impl Into<Value>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: error.into(),
            authenticate: None,
        }
    }

    /// A refusal with status 503.
    pub(crate) fn unavailable(error: &str) -> Self {
        Self::new(error).with_status(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// What is said once the server is about to stop.
    pub(crate) fn shutting_down() -> Self {
        Self::unavailable("the server is shutting down")
    }

    /// Chooses the status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Sends a `WWW-Authenticate` challenge with a 401.
    #[must_use]
    pub fn with_authenticate(mut self, challenge: impl Into<String>) -> Self {
        self.authenticate = Some(challenge.into());
        self
    }
}
