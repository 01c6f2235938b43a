//! Bodies as a real HTTP server receives them.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A connection to a server that answers with the params, and takes bodies of 1000 bytes.
async fn connect() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let service = service_fn(answer);
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    client
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let limits = BodyLimits {
        max_body: 1000,
        deadline: Duration::from_millis(200),
        ..BodyLimits::default()
    };
    let (parts, body) = request.into_parts();
    let (memory, store) = (memory(), Arc::new(Store::new(1000, 1 << 30)));
    let (method, uri, headers) = (&parts.method, &parts.uri, &parts.headers);
    let (status, text) = match read(method, uri, headers, body, &limits, &store, memory).await {
        Ok(params) => (StatusCode::OK, Value::Object(params.values).to_string()),
        Err(error) => (error.status(), error.to_string()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

/// All that comes back until the server closes the connection.
async fn exchange(sent: &str) -> String {
    let mut client = connect().await;
    client.write_all(sent.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let _ = client.read_to_end(&mut received).await;
    String::from_utf8(received).unwrap()
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /api?q=1 HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let json = "Content-Type: application/json\r\n";
    let multipart = "Content-Type: multipart/form-data; boundary=X\r\n";
    let part = "Content-Disposition: form-data; name=a\r\n\r\n3";
    let answers = exchange(
        &[
            post(&format!("{json}Content-Length: 7\r\n"), "{\"a\":1}"),
            post(
                &format!("{json}{chunked}"),
                "3\r\n{\"a\r\n4\r\n\":2}\r\n0\r\n\r\n",
            ),
            post(
                &format!("{multipart}{chunked}"),
                &format!(
                    "5\r\n--X\r\n\r\n{:x}\r\n{part}\r\n7\r\n\r\n--X--\r\n3\r\nend\r\n0\r\n\r\n",
                    part.len()
                ),
            ),
            "GET /api?a=4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        ]
        .concat(),
    )
    .await;
    let bodies = answers.split("\r\n\r\n").skip(1).map(|body| {
        let json = body.split("HTTP/1.1").next().unwrap();
        serde_json::from_str::<Value>(json).unwrap()
    });
    assert_eq!(
        bodies.collect::<Vec<_>>(),
        [
            json!({ "q": "1", "a": 1 }),
            json!({ "q": "1", "a": 2 }),
            json!({ "q": "1", "a": "3" }),
            json!({ "a": "4" }),
        ]
    );
}

#[tokio::test]
async fn too_long_bodies_are_answered_and_cut_off() {
    // The first is refused by what it says, before any of its body is there.
    let declared = exchange(&post("Content-Length: 1001\r\n", "")).await;
    assert!(declared.starts_with("HTTP/1.1 413 "), "{declared}");

    let mut client = connect().await;
    let head = post("Transfer-Encoding: chunked\r\n", "");
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 13];
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    let (mut reader, mut writer) = client.split();
    // Without end, until nobody reads any more.
    let endless = async { while writer.write_all(chunk.as_bytes()).await.is_ok() {} };
    let (read, ()) = tokio::join!(reader.read_exact(&mut answer), endless);
    read.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413 ");
}

#[tokio::test]
async fn bodies_shorter_than_they_say_are_given_up() {
    let short = post("Content-Length: 8\r\n", "{\"a\":1}");
    let answer = exchange(&short).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let text = "The request body did not arrive within 200ms";
    assert!(answer.ends_with(text), "{answer}");
}
