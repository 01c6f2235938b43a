//! The answers as they leave a real HTTP server.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A connection to a server of the site.
async fn connect(site: &Arc<Site>) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let site = Arc::clone(site);
    let service = service_fn(move |request| answer(Arc::clone(&site), request));
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    client
}

async fn answer(
    site: Arc<Site>,
    request: http::Request<hyper::body::Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path();
    Ok(serve(
        &site.files,
        &site.options,
        &parts.method,
        &parts.headers,
        path,
    )
    .await)
}

#[tokio::test]
async fn answers_follow_each_other_on_one_connection() {
    let site = Arc::new(Site::new());
    let get =
        |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    let requests = [
        "HEAD /simple.html HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        get("/simple.html", "If-None-Match: *\r\n"),
        get("/a%20b.txt", "Range: bytes=2-4\r\n"),
        get("/missing", ""),
        "HEAD /missing HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        get("/empty.txt", ""),
        get("/built/in.js", "Connection: close\r\n"),
    ];
    let mut client = connect(&site).await;
    client
        .write_all(requests.concat().as_bytes())
        .await
        .unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    let mut rest = answers.as_str();
    for (status, length, body) in [
        ("200 OK", Some(15), ""),
        ("304 Not Modified", None, ""),
        ("206 Partial Content", Some(3), "234"),
        (
            "404 Not Found",
            Some(33),
            "The requested file does not exist",
        ),
        ("404 Not Found", Some(33), ""),
        ("200 OK", Some(0), ""),
        ("200 OK", Some(14), "let built = 1;"),
    ] {
        let (head, after) = rest.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{head}"
        );
        assert!(!head.contains("transfer-encoding"), "{head}");
        let sent = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(sent.map(|sent| sent.parse().unwrap()), length, "{head}");
        rest = after.strip_prefix(body).unwrap();
    }
    assert_eq!(rest, "");
}

#[tokio::test]
async fn a_file_cut_short_closes_the_connection() {
    const LENGTH: usize = 32 << 20;
    let site = Arc::new(Site::new());
    // More than the buffers on the way can hold.
    site.write("public/large.bin", vec![b'x'; LENGTH]);
    let mut client = connect(&site).await;
    let request = b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut answer = vec![0; 1000];
    client.read_exact(&mut answer).await.unwrap();
    site.write("public/large.bin", "short");
    // An end or a reset: both tell the peer that something is missing.
    let _ = client.read_to_end(&mut answer).await;
    let head = String::from_utf8_lossy(&answer[..1000]);
    assert!(head.contains("content-length: 33554432\r\n"), "{head}");
    assert!(answer.len() < LENGTH);
}
