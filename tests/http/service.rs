use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::routing::get;
use serde_json::json;
use stellar::app::{Action, App, ConnectionType, Context};
use stellar::config::Config;
use stellar::{Server, Service};
use tokio::net::TcpListener;

use crate::support::engineio::{Session, Version};
use crate::support::socketio::{Carrier, Kind, Peer};
use crate::support::{Client, within};
use crate::web;

/// Put into requests by the server around the app.
#[derive(Clone)]
struct Tenant(&'static str);

fn service(config: Config) -> Service {
    let app = stellar::demo::actions(App::builder())
        .config(config)
        .action(Action::new(
            "where",
            |context: Context, _: serde_json::Value| async move {
                let connection = context.connection();
                let tenant = connection.get::<Tenant>().map(|tenant| tenant.0);
                let is_web = connection.kind() == ConnectionType::Web;
                let ip = connection.remote_ip().map(|ip| ip.to_string());
                Ok(json!({ "tenant": tenant, "ip": ip, "isWeb": is_web }))
            },
        ))
        .build();
    Server::new(app.unwrap()).service().unwrap()
}

/// Axum with a route of its own, and the app for the rest.
async fn axum_with(service: &Service) -> SocketAddr {
    let router = Router::new()
        .route("/hello", get(async || "hello from a route"))
        .fallback_service(service.clone())
        .layer(middleware::from_fn(
            async |ConnectInfo(address): ConnectInfo<SocketAddr>,
                   mut request: Request,
                   next: Next| {
                request.extensions_mut().insert(address);
                request.extensions_mut().insert(Tenant("acme"));
                next.run(request).await
            },
        ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test]
async fn an_app_lives_in_an_axum_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.html"), "<h1>a file</h1>").unwrap();
    let service = service(Config {
        public: Some(folder.path().to_owned()),
        ..Config::default()
    });
    let at = axum_with(&service).await;

    let text = async |path: &str| web::get(at, path).await.text().to_owned();
    assert_eq!(text("/hello").await, "hello from a route");
    assert_eq!(text("/page.html").await, "<h1>a file</h1>");
    assert_eq!(text("/healthz").await, "ok\n");
    assert!(text("/stellar-client.js").await.contains("StellarClient"));
    assert_eq!(web::get(at, "/nothing.html").await.status, 404);
    let sum = web::get(at, "/api/formattedSum?a=3&b=4").await;
    assert_eq!(sum.json()["formatted"], "3 + 4 = 7");

    // The address comes by way of a proxy that is trusted; what axum's layers know, actions know.
    let place = web::request("GET", "/api/where").header("x-forwarded-for", "192.0.2.7");
    let place = web::send(at, place, "").await.json();
    assert_eq!(
        (&place["tenant"], &place["ip"], &place["isWeb"]),
        (&json!("acme"), &json!("192.0.2.7"), &json!(true))
    );

    // Every door is open, and all meet in one room.
    let mut ann = Client::greeted(at, "/ws").await;
    assert_eq!(ann.action("where", json!({})).await["tenant"], "acme");
    let mut bob = Client::greeted(at, "/primus").await;
    let mut cid = Session::greeted(at, Version::V4).await;
    let mut dan = Peer::connected(at, Kind::new(Version::V4, Carrier::Upgraded)).await;
    ann.join("defaultRoom").await;
    bob.join("defaultRoom").await;
    cid.join("defaultRoom").await;
    dan.join("defaultRoom").await;
    ann.say("defaultRoom", "hello").await;
    assert_eq!(bob.hears().await["message"], "hello");
    assert_eq!(cid.hears().await["message"], "hello");
    assert_eq!(dan.hears().await["message"], "hello");
}

#[tokio::test]
async fn an_app_in_another_server_drains() {
    let service = service(Config::default());
    let at = axum_with(&service).await;
    let mut ann = Client::greeted(at, "/ws").await;
    let mut cid = Session::greeted(at, Version::V4).await;
    cid.start_poll().await;
    within("the drain", service.drain()).await;
    assert_eq!(ann.closed().await.code, 1001);
    assert_eq!(web::get(at, "/readyz").await.status, 503);
    assert!(Client::connect(at, "/ws", &[]).await.is_err());
    assert_eq!(web::get(at, "/hello").await.status, 200, "the rest goes on");
}

#[tokio::test]
async fn a_service_knows_what_it_has_an_answer_for() {
    let service = service(Config::default());
    for (path, is_claimed) in [
        ("/ws", true),
        ("/primus/?EIO=4", true),
        ("/socket.io/?EIO=4", true),
        ("/primus/primus.js", true),
        ("/stellar-client", true),
        ("/api/status", true),
        ("/metrics", true),
        ("/", false),
        ("/apis", false),
        ("/hello", false),
    ] {
        assert_eq!(service.claims(&path.parse().unwrap()), is_claimed, "{path}");
    }
}
