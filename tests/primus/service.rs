use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use stellar::primus::{Builder, Peer, Primus};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tower_service::Service as _;

use crate::support::engineio::{Opening, PRIMUS, Session, Version};
use crate::support::{Client, eventually};
use crate::web::{self, Kept};

/// A server that echoes.
fn echo() -> Builder {
    Primus::builder().on_data(|spark, packet| {
        spark.write(packet.data).unwrap();
    })
}

/// Serves one stream with hyper alone.
async fn hyper_on<S>(stream: S, primus: Primus, address: Option<SocketAddr>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = primus.service();
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(address) = address {
            request.extensions_mut().insert(address);
        }
        service.clone().call(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A client that breaks off is no failure of the test.
    let _ended = connection.await;
}

/// A port whose connections are given to `serve`.
async fn port<F>(
    mut serve: impl FnMut(tokio::net::TcpStream, SocketAddr) -> F + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, from)) = listener.accept().await {
            tokio::spawn(serve(stream, from));
        }
    });
    address
}

/// Axum with a route of its own, and Primus for the rest.
async fn axum_with(primus: &Primus) -> SocketAddr {
    let router = Router::new()
        .route("/hello", get(async || "hello from a route"))
        .fallback_service(primus.service());
    serve(router).await
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn a_socket_works(address: SocketAddr) {
    let mut client = Client::open(address, "/primus").await;
    client.send(json!({"over": "ws"})).await;
    assert_eq!(client.next_packet().await, json!({"over": "ws"}));
    client.send(json!("x".repeat(300_000))).await;
    assert_eq!(client.next_packet().await, "x".repeat(300_000));
    client.close().await;
}

async fn polling_works(address: SocketAddr) -> Session {
    let mut session = Opening::new(address, Version::V4)
        .door(PRIMUS)
        .session()
        .await;
    session.send_text("4{\"over\":\"polling\"}").await;
    assert_eq!(session.next_json().await, json!({"over": "polling"}));
    session
}

async fn an_upgrade_works(address: SocketAddr) {
    let mut session = polling_works(address).await;
    let mut socket = session.upgrade().await;
    socket.send("4\"upgraded\"").await;
    assert_eq!(socket.next_json().await, "upgraded");
    socket.close().await;
}

#[tokio::test]
async fn hyper_serves_it() {
    let primus = echo().build().unwrap();
    let served = primus.clone();
    let address = port(move |stream, from| hyper_on(stream, served.clone(), Some(from))).await;
    a_socket_works(address).await;
    an_upgrade_works(address).await;
    assert_eq!(
        web::get(address, "/primus/spec").await.text(),
        primus.spec()
    );
    assert_eq!(web::get(address, "/elsewhere").await.status, 404);
    eventually("the ends", || primus.connected() == 0).await;
}

#[tokio::test]
async fn axum_serves_it_next_to_other_routes() {
    let primus = echo().build().unwrap();
    let address = axum_with(&primus).await;
    a_socket_works(address).await;
    an_upgrade_works(address).await;
    assert_eq!(
        web::get(address, "/hello").await.text(),
        "hello from a route"
    );
    assert_eq!(
        web::get(address, "/primus/spec").await.text(),
        primus.spec()
    );
    assert_eq!(web::get(address, "/elsewhere").await.status, 404);
}

#[tokio::test]
async fn axum_serves_it_below_its_pathname_only() {
    let primus = echo().build().unwrap();
    let router = Router::new()
        .route("/", get(async || "home"))
        .route_service("/primus", primus.service())
        .route_service("/primus/{*rest}", primus.service())
        .route_service("/primus/", primus.service())
        .fallback(async || "not here");
    let address = serve(router).await;
    a_socket_works(address).await;
    polling_works(address).await;
    assert_eq!(web::get(address, "/").await.text(), "home");
    assert_eq!(web::get(address, "/ws").await.text(), "not here");
    let library = web::get(address, "/primus/primus.js").await;
    assert_eq!(library.text(), primus.library().unwrap());
}

#[tokio::test]
async fn an_extension_tells_the_address() {
    let primus = echo().build().unwrap();
    let known: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    let served = primus.clone();
    let address = port(move |stream, _| hyper_on(stream, served.clone(), Some(known))).await;
    let client = Client::open(address, "/primus").await;
    assert_eq!(primus.sparks()[0].address(), Peer::direct(known, false));
    client.close().await;
    eventually("the end", || primus.connected() == 0).await;
    // A whole peer is believed as it is, security included.
    let served = primus.clone();
    let address = port(move |stream, _| {
        let service = served.service();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer::direct(known, true));
            service.clone().call(request)
        });
        async move {
            let http = hyper::server::conn::http1::Builder::new();
            let connection = http.serve_connection(TokioIo::new(stream), service);
            let _ended = connection.with_upgrades().await;
        }
    })
    .await;
    let client = Client::open(address, "/primus").await;
    assert_eq!(primus.sparks()[0].address(), Peer::direct(known, true));
    client.close().await;
    eventually("the end", || primus.connected() == 0).await;
    // Without one it is unknown.
    let served = primus.clone();
    let address = port(move |stream, _| hyper_on(stream, served.clone(), None)).await;
    let _client = Client::open(address, "/primus").await;
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    assert_eq!(primus.sparks()[0].address(), Peer::direct(unknown, false));
}

/// As under TLS, the stream that hyper has is no socket.
#[tokio::test]
async fn any_stream_of_bytes_will_do() {
    let primus = echo().build().unwrap();
    // Smaller than a frame, so that every message goes in pieces.
    let over = |primus: &Primus| {
        let (near, far) = tokio::io::duplex(1000);
        tokio::spawn(hyper_on(far, primus.clone(), None));
        near
    };
    let stream = Box::new(over(&primus));
    let mut client = Client::over(stream, "inside", "/primus", &[])
        .await
        .unwrap();
    for text in ["x".to_owned(), "y".repeat(100_000)] {
        client.send(json!(text)).await;
        assert_eq!(client.next_packet().await, text);
    }
    let spark = primus.sparks().remove(0);
    spark.end();
    assert_eq!(
        client.wait_control("primus::server").await,
        "primus::server::close"
    );
    client.closed().await;
    let mut http = Kept::over(over(&primus), "inside").await;
    let opening = http.get("/primus/?EIO=4&transport=polling").await;
    assert_eq!((opening.status, &opening.text()[..1]), (200, "0"));
    assert_eq!(http.get("/primus/spec").await.text(), primus.spec());
}

#[tokio::test]
async fn a_stream_inside_hyper_is_held_up_and_goes_on() {
    let primus = Primus::builder().build().unwrap();
    let served = primus.clone();
    let address = port(move |stream, from| hyper_on(stream, served.clone(), Some(from))).await;
    let mut client = Client::open(address, "/primus").await;
    let spark = Arc::new(primus.sparks().remove(0));
    let writer = Arc::clone(&spark);
    let writing = tokio::spawn(async move {
        for number in 0..2000 {
            let data = json!([number, "x".repeat(4096)]);
            writer.write_when_ready(data).await.unwrap();
        }
    });
    for number in 0..2000 {
        assert_eq!(client.next_packet().await[0], number);
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn it_knows_what_is_its_own() {
    let service = Primus::builder()
        .pathname("/live")
        .build()
        .unwrap()
        .service();
    for (uri, is_its_own) in [
        ("/live", true),
        ("/live/primus.js", true),
        ("/live/?EIO=4&transport=polling", true),
        ("/ws", true),
        ("/engine.io/?EIO=4", true),
        ("/livestock", false),
        ("/primus", false),
        ("/", false),
    ] {
        assert_eq!(service.claims(&uri.parse().unwrap()), is_its_own, "{uri}");
    }
}

#[tokio::test]
async fn a_get_behind_one_that_was_let_go_finds_no_session() {
    let mut service = echo().build().unwrap().service();
    let get = |query: &str| {
        Request::get(format!("/primus/?EIO=4&transport=polling{query}"))
            .header("host", "localhost")
            .body(Body::empty())
            .unwrap()
    };
    let opened = service.call(get("")).await.unwrap().into_body();
    let opened = opened.collect().await.unwrap().to_bytes();
    let opened: serde_json::Value = serde_json::from_slice(&opened[1..]).unwrap();
    let query = format!("&sid={}", opened["sid"].as_str().unwrap());
    let mut held = Box::pin(service.call(get(&query)));
    assert!(futures_util::poll!(&mut held).is_pending());
    drop(held);
    // Nothing else of the server has run meanwhile.
    let answer = service.call(get(&query)).await.unwrap();
    assert_eq!(answer.status(), 400);
}
