//! HTTPS: the page, the actions and the sockets behind one certificate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::{TlsConnector, rustls};

use crate::raw::Raw;
use crate::support::tls::Certificate;
use crate::support::{Binary, Client, within};
use crate::web::{Kept, request};

/// A server with a certificate of its own, and a client that trusts it.
struct Secure {
    server: Binary,
    certificate: Certificate,
}

impl Secure {
    fn new(config: &str) -> Self {
        let certificate = Certificate::new();
        let arguments = certificate.arguments();
        let mut all = vec!["--demo"];
        all.extend(arguments.iter().map(String::as_str));
        Self {
            server: Binary::serve(&all, config),
            certificate,
        }
    }

    async fn stream(&self) -> TlsStream<TcpStream> {
        self.certificate.connect(self.server.address).await
    }

    fn host(&self) -> String {
        Certificate::host(self.server.address)
    }

    async fn http(&self) -> Kept {
        Kept::over(self.stream().await, &self.host()).await
    }

    async fn client(&self, door: &str, headers: &[(&str, &str)]) -> Result<Client, u16> {
        let stream = Box::new(self.stream().await);
        let client = Client::over(stream, &self.host(), door, headers).await;
        client.map_err(|refused| refused.status)
    }
}

#[tokio::test]
async fn a_subprotocol_is_agreed_on_over_tls() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let secure = Secure::new("");
    for door in ["/ws", "/primus", "/engine.io/?EIO=4&transport=websocket"] {
        let mut stream = secure.stream().await;
        let offer = "Sec-WebSocket-Protocol: stellar.bearer.hush, json\r\n";
        let handshake = crate::raw::handshake(door, offer);
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = within("the answer", stream.read_u8()).await.unwrap();
            head.push(byte);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{door}: {head}");
        assert!(
            head.contains("sec-websocket-protocol: json\r\n"),
            "{door}: {head}"
        );
        assert!(!head.contains("hush"), "{door}: {head}");
    }
}

#[tokio::test]
async fn the_page_the_script_and_the_actions_come_over_https() {
    let secure = Secure::new("");
    assert!(
        secure
            .server
            .announcement
            .iter()
            .any(|line| line.contains("https://"))
    );
    let mut http = secure.http().await;
    let page = http.get("/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    assert_eq!(http.get("/stellar-client").await.status, 200);
    assert_eq!(
        http.get("/api/isolated.action").await.json()["success"],
        "ok"
    );
    let post = request("POST", "/api/cacheTest").header("content-type", "application/json");
    // More than one TLS record.
    let value = "x".repeat(100_000);
    let reply = http
        .send(post, json!({"key": "k", "value": value}).to_string())
        .await;
    assert_eq!(reply.json()["cacheTestResults"]["loadResp"]["value"], value);
    assert_eq!(http.get("/nothing-here").await.status, 404);
    assert_eq!(http.get("/primus").await.status, 426);
}

#[tokio::test]
async fn sockets_speak_over_wss() {
    let secure = Secure::new("");
    let mut members = Vec::new();
    for door in ["/primus", "/ws", "/primus?sessionID=known"] {
        let mut client = secure.client(door, &[]).await.unwrap();
        client.expect_welcome().await;
        client.join("defaultRoom").await;
        members.push(client);
    }
    assert_eq!(members[2].details().await["fingerprint"], "known");
    for message in [
        json!("short"),
        json!("long ".repeat(50_000)),
        json!({"a": [1]}),
    ] {
        assert_eq!(
            members[0].say("defaultRoom", message.clone()).await["status"],
            "OK"
        );
        for member in &mut members {
            assert_eq!(member.hears().await["message"], message);
        }
    }
    for member in members {
        assert_eq!(member.close().await.code, 1005);
    }
}

#[tokio::test]
async fn origins_are_looked_at_over_wss_too() {
    let secure = Secure::new("");
    let own = format!("https://{}", secure.host());
    assert!(secure.client("/primus", &[("Origin", &own)]).await.is_ok());
    for origin in ["https://localhost", "https://evil.test", "null"] {
        assert_eq!(
            secure.client("/primus", &[("Origin", origin)]).await.err(),
            Some(403),
            "{origin}"
        );
    }
}

#[tokio::test]
async fn only_http_1_1_is_agreed_on() {
    let secure = Secure::new("");
    let stream = TcpStream::connect(secure.server.address).await.unwrap();
    let mut config = ClientConfig::clone(secure.certificate.connector.config());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn plain_http_on_the_secure_port_is_no_harm() {
    let secure = Secure::new("");
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\xff\xff",
        b"\0\0\0\0",
        &[0x80; 100],
    ] {
        let mut wrong = Raw::connect(secure.server.address).await;
        wrong.write(bytes).await;
        wrong.end().await;
        let rest = wrong.rest().await;
        assert!(!rest.starts_with(b"HTTP/"), "{rest:?}");
    }
    assert_eq!(secure.http().await.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn handshakes_that_never_end_are_cut() {
    let secure = Secure::new("[limits]\nheader_timeout_ms = 3000\n");
    let mut half_open = Vec::new();
    for bytes in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut attacker = Raw::connect(secure.server.address).await;
        attacker.write(bytes).await;
        half_open.push(attacker);
    }
    // One that has finished TLS and says nothing after it.
    let mut silent = secure.stream().await;
    assert_eq!(secure.http().await.get("/healthz").await.status, 200);
    for mut attacker in half_open {
        attacker.rest().await;
    }
    let mut rest = Vec::new();
    // Whether TLS is ended in an orderly way does not matter.
    let _end = within(
        "the end",
        tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut rest),
    )
    .await;
    assert!(!rest.starts_with(b"HTTP/1.1 2"));
}

/// What a client says first.
fn hello(secure: &Secure) -> Vec<u8> {
    let config = Arc::clone(secure.certificate.connector.config());
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn handshakes_that_dribble_or_stop_half_way_are_cut() {
    const DEADLINE: Duration = Duration::from_secs(3);
    let secure = Secure::new("[limits]\nheader_timeout_ms = 3000\n");
    let hello = hello(&secure);
    // More than the deadline for all of it.
    let pause = DEADLINE * 2 / u32::try_from(hello.len()).unwrap();
    let began = Instant::now();
    let mut dribbling = Raw::connect(secure.server.address).await;
    // Some that wait for the answer to one half, and some that never read the answer to all of it.
    let mut stopped = Vec::new();
    for length in [hello.len() / 2, hello.len()] {
        for _ in 0..20 {
            let mut attacker = Raw::connect(secure.server.address).await;
            attacker.write(&hello[..length]).await;
            stopped.push(attacker);
        }
    }
    assert_eq!(secure.http().await.get("/healthz").await.status, 200);
    let mut is_cut = false;
    for byte in &hello {
        is_cut = dribbling.try_write([*byte]).await.is_err() || dribbling.has_something_to_read();
        if is_cut {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    assert!(is_cut, "all of it was taken");
    assert!(began.elapsed() >= DEADLINE, "cut too early");
    for mut attacker in stopped {
        attacker.rest().await;
    }
    assert_eq!(secure.http().await.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_know_the_certificate_is_not_served() {
    let secure = Secure::new("");
    let other = Secure::new("");
    let stream = TcpStream::connect(secure.server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = &other.certificate.connector;
    let refused = connector.connect(name, stream).await.unwrap_err();
    let cause = refused
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    assert!(
        matches!(cause, Some(rustls::Error::InvalidCertificate(_))),
        "{refused}"
    );
    // The server takes no harm from the alert.
    assert_eq!(secure.http().await.get("/healthz").await.status, 200);
}
