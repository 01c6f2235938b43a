//! Primus in an axum server, next to other routes: a chat without rooms. The page at `/` loads the client library from
//! the same server, and `/online` tells how many are there.
//!
//!     cargo run --example primus_axum
//!
//! Then open http://127.0.0.1:8080/ twice.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::{Html, Response};
use axum::routing::get;
use stellar::primus::{Destroy, Primus, Spark};
use tokio::net::TcpListener;

const PAGE: &str = "<!doctype html>
<meta charset=utf-8>
<title>Primus in axum</title>
<form><input autofocus placeholder='Say something'></form>
<ul></ul>
<script src='/primus/primus.js'></script>
<script>
  var primus = new Primus();
  primus.on('data', function (text) {
    document.querySelector('ul').appendChild(document.createElement('li')).textContent = text;
  });
  document.querySelector('form').onsubmit = function (event) {
    event.preventDefault();
    primus.write(event.target[0].value);
    event.target.reset();
  };
</script>
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter("warn").init();
    let primus = Primus::builder()
        .on_connection(|spark: Spark| async move {
            println!("{} came from {}", spark.id(), spark.address().ip);
            spark.on_data(|spark, packet| {
                let Some(text) = packet.data.as_str() else {
                    return;
                };
                let line = format!("{}: {text}", spark.address().port);
                if let Err(error) = spark.primus().write(line) {
                    println!("{error}");
                }
            });
        })
        .build()?;

    // The service has the whole path, so it is a fallback and not nested. What is not Primus's is 404.
    let app = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/online", get(online))
        .fallback_service(primus.service())
        .layer(middleware::from_fn(with_address))
        .with_state(primus.clone());
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    println!("A chat on http://{}/", listener.local_addr()?);
    let stopping = primus.clone();
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async move {
        stellar::asked_to_stop().await;
        // First: axum waits for requests, and a poll is held until its connection ends.
        stopping.destroy(Destroy::new().reconnect()).await;
    })
    .await?;
    Ok(())
}

async fn online(State(primus): State<Primus>) -> String {
    format!("{} online\n", primus.connected())
}

/// Puts the client's address where Primus looks for it.
async fn with_address(
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(address);
    next.run(request).await
}
