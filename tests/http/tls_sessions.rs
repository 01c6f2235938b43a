//! TLS sessions: a client that comes back goes on with the one it had, and the server signs nothing for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{HandshakeKind, SupportedProtocolVersion};

use crate::support::binary::{run, write_config};
use crate::support::tls::Certificate;
use crate::support::{Binary, within};

const SECRET: &str = "wS0nYb8rYcJ1mVQ4lKq2uT7eXo5dHgPzA9iRfNkMxBs";

/// Files that servers have in common.
struct Shared {
    certificate: Certificate,
}

impl Shared {
    fn new() -> Self {
        Self {
            certificate: Certificate::new(),
        }
    }

    /// Writes a file, and the configuration that names it.
    fn ticket_key(&self, text: &str) -> String {
        let path: PathBuf = self.certificate.folder().join("tickets.key");
        std::fs::write(&path, text).unwrap();
        format!("[tls]\nticket_key = {path:?}\n")
    }

    fn serve(&self, config: &str) -> Binary {
        let arguments = self.certificate.arguments();
        Binary::serve(&arguments.each_ref().map(String::as_str), config)
    }

    fn client(&self, version: &'static SupportedProtocolVersion) -> TlsConnector {
        TlsConnector::from(Arc::new(self.certificate.client(&[version])))
    }

    /// One that has never been there, and never comes back.
    fn stranger(&self) -> TlsConnector {
        let mut config = self.certificate.client(&[&TLS13]);
        config.resumption = Resumption::disabled();
        TlsConnector::from(Arc::new(config))
    }
}

/// Asks something, and tells how the connection began.
async fn visit(client: &TlsConnector, address: SocketAddr) -> HandshakeKind {
    let visit = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = client.connect(name, stream).await.unwrap();
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // Whether TLS is ended in an orderly way does not matter.
        let _end = stream.read_to_end(&mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        stream.get_ref().1.handshake_kind().unwrap()
    };
    within("an answer over TLS", visit).await
}

#[tokio::test]
async fn a_session_is_resumed_however_many_began_since() {
    let shared = Shared::new();
    let server = shared.serve("");
    for version in [&TLS13, &TLS12] {
        let client = shared.client(version);
        assert_eq!(visit(&client, server.address).await, HandshakeKind::Full);
        assert_eq!(visit(&client, server.address).await, HandshakeKind::Resumed);
    }
    let client = shared.client(&TLS13);
    visit(&client, server.address).await;
    let stranger = shared.stranger();
    for _ in 0..300 {
        assert_eq!(visit(&stranger, server.address).await, HandshakeKind::Full);
    }
    assert_eq!(visit(&client, server.address).await, HandshakeKind::Resumed);
}

#[tokio::test]
async fn servers_with_one_key_resume_each_others_sessions() {
    let shared = Shared::new();
    let config = shared.ticket_key(&format!("{SECRET}\n"));
    for version in [&TLS13, &TLS12] {
        let client = shared.client(version);
        let first = shared.serve(&config);
        assert_eq!(visit(&client, first.address).await, HandshakeKind::Full);
        // Another node, and the same one after it was killed.
        let second = shared.serve(&config);
        assert_eq!(visit(&client, second.address).await, HandshakeKind::Resumed);
        drop((first, second));
        let third = shared.serve(&config);
        assert_eq!(visit(&client, third.address).await, HandshakeKind::Resumed);
        // A new secret on top of the old.
        let changed = shared.ticket_key(&format!("{}\n{SECRET}\n", SECRET.to_lowercase()));
        let fourth = shared.serve(&changed);
        assert_eq!(visit(&client, fourth.address).await, HandshakeKind::Resumed);
        shared.ticket_key(&format!("{SECRET}\n"));
    }
}

#[tokio::test]
async fn servers_without_a_key_know_their_own_sessions_only() {
    let shared = Shared::new();
    let client = shared.client(&TLS13);
    let first = shared.serve("");
    assert_eq!(visit(&client, first.address).await, HandshakeKind::Full);
    let second = shared.serve("");
    assert_eq!(visit(&client, second.address).await, HandshakeKind::Full);
    let config = shared.ticket_key(SECRET);
    let third = shared.serve(&config);
    assert_eq!(visit(&client, third.address).await, HandshakeKind::Full);
}

#[tokio::test]
async fn a_ticket_key_that_is_none_is_refused_at_the_start() {
    let shared = Shared::new();
    for (text, says) in [("", "no secret"), ("short\n", "too short")] {
        let config = write_config(&shared.ticket_key(text));
        let mut arguments = vec!["serve".to_owned(), "--config".to_owned()];
        arguments.push(config.path().to_str().unwrap().to_owned());
        arguments.extend(shared.certificate.arguments());
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let finished = run(&arguments).await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(says), "{finished:?}");
        assert!(finished.stderr.contains("tickets.key"), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
}
