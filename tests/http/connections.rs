//! What an action sees of an HTTP request, and what it may change of the answer.

use std::sync::Arc;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use serde_json::{Value, json};
use stellar::app::{Action, App, AppBuilder, ConnectionType, Context};
use tokio::sync::Semaphore;

use crate::support::server::{self, Running, config};
use crate::support::{eventually, within};
use crate::web::{self, request};

const THING: HeaderName = HeaderName::from_static("x-thing");

async fn start(change: impl FnOnce(AppBuilder) -> AppBuilder) -> Running {
    server::start(
        change(stellar::demo::actions(App::builder())),
        config(|_| {}),
    )
    .await
}

#[tokio::test]
async fn check_094_the_last_header_wins_but_cookies_add_up() {
    let action = Action::new("headers", |context: Context, _: Value| async move {
        for value in ["A", "B", "C"] {
            context.set_header(THING, HeaderValue::from_static(value));
        }
        for value in ["someCookie=1", "other=2"] {
            context.set_header(SET_COOKIE, HeaderValue::from_static(value));
        }
        Ok(json!({}))
    });
    let server = start(|app| app.action(action)).await;
    let request = request("GET", "/api/headers").header("cookie", "sessionID=known");
    let reply = web::send(server.address, request, "").await;
    assert_eq!(reply.all("x-thing"), ["C"]);
    assert_eq!(reply.all("set-cookie"), ["someCookie=1", "other=2"]);
    // A first request's own cookie comes along with them.
    let reply = web::get(server.address, "/api/headers").await;
    assert_eq!(reply.all("set-cookie").len(), 3);
}

#[tokio::test]
async fn an_action_may_choose_status_and_type_but_not_the_framing() {
    let action = Action::new("teapot", |context: Context, _: Value| async move {
        context.set_status(StatusCode::IM_A_TEAPOT);
        context.set_header(
            CONTENT_TYPE,
            HeaderValue::from_static("application/tea+json"),
        );
        context.set_header(http::header::CONTENT_LENGTH, HeaderValue::from_static("1"));
        context.set_header(
            http::header::TRANSFER_ENCODING,
            HeaderValue::from_static("gzip"),
        );
        context.set_header(
            HeaderName::from_static("access-control-allow-origin"),
            HeaderValue::from_static("https://a.test"),
        );
        Err::<Value, _>("short and stout".into())
    });
    let server = start(|app| app.action(action)).await;
    let reply = web::get(server.address, "/api/teapot").await;
    assert_eq!(reply.status, 418);
    assert_eq!(reply.json()["error"], "short and stout");
    assert_eq!(reply.all("content-type"), ["application/tea+json"]);
    assert_eq!(reply.all("content-length"), [reply.body.len().to_string()]);
    assert_eq!(reply.all("transfer-encoding"), Vec::<&str>::new());
    assert_eq!(reply.all("access-control-allow-origin"), ["https://a.test"]);
}

#[tokio::test]
async fn check_096_a_request_is_a_connection_while_its_action_runs() {
    let server = start(|app| app).await;
    let address = server.address;
    let call = tokio::spawn(async move { web::get(address, "/api/sleep?sleepDuration=500").await });
    eventually("the connection", || server.app.connections().len() == 1).await;
    let connection = server.app.connections().remove(0);
    assert_eq!(connection.kind(), ConnectionType::Web);
    let reply = within("the answer", call).await.unwrap();
    assert_eq!(reply.json()["requesterInformation"]["id"], connection.id());
    eventually("an empty table", || server.app.connections().is_empty()).await;
    assert!(connection.is_destroyed());
}

#[tokio::test]
async fn check_096_nothing_stays_behind() {
    let silent = Action::new("silent", |context: Context, _: Value| async move {
        context.silence();
        Ok(json!({"unseen": true}))
    });
    let panics = Action::new("panics", |_context, params: Value| async move {
        assert!(params["never"].is_string(), "it breaks");
        Ok(json!({}))
    });
    let server = start(|app| app.action(silent).action(panics)).await;
    for (path, status) in [
        ("/api/randomNumber", 200),
        ("/api/nope", 404),
        ("/api/cacheTest", 400),
        ("/nothing-here", 404),
        ("/api/silent", 204),
        ("/api/panics", 500),
    ] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, status, "{path}");
        eventually("an empty table", || server.app.connections().is_empty()).await;
        assert!(status != 204 || reply.body.is_empty());
        if status == 500 {
            let error =
                json!({"code": "001", "message": "The server experienced an internal error"});
            assert_eq!(reply.json()["error"], error);
            assert!(!reply.text().contains("it breaks"));
        }
    }
}

#[tokio::test]
async fn check_096_an_action_is_finished_though_its_caller_hangs_up() {
    let (finished, mut is_finished) = tokio::sync::mpsc::channel(1);
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let slow = Action::new("slow", move |_context, _: Value| {
        let (finished, gate) = (finished.clone(), Arc::clone(&gate));
        async move {
            gate.acquire().await.unwrap().forget();
            finished.send(()).await.ok();
            Ok(json!({}))
        }
    });
    let server = start(|app| app.action(slow)).await;
    let mut caller = crate::raw::Raw::connect(server.address).await;
    caller
        .write("GET /api/slow HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    eventually("the connection", || server.app.connections().len() == 1).await;
    drop(caller);
    opened.add_permits(1);
    within("the end of the action", is_finished.recv())
        .await
        .unwrap();
    eventually("an empty table", || server.app.connections().is_empty()).await;
}

#[tokio::test]
async fn an_action_may_be_closed_to_http() {
    let action = Action::new(
        "socketsOnly",
        |_context, _: Value| async move { Ok(json!({})) },
    )
    .block(ConnectionType::Web);
    let server = start(|app| app.action(action)).await;
    let reply = web::get(server.address, "/api/socketsOnly").await;
    assert_eq!(reply.status, 400);
    let expected =
        json!({"code": "005", "message": "This action does not support the web connection type"});
    assert_eq!(reply.json()["error"], expected);
    let answer = server.primus().await.action("socketsOnly", json!({})).await;
    assert!(answer.get("error").is_none());
}

#[tokio::test]
async fn an_action_over_http_times_out_too() {
    let options = config(|config| config.general.action_timeout_ms = 100);
    let server = server::start(stellar::demo::actions(App::builder()), options).await;
    let reply = web::get(server.address, "/api/sleep?sleepDuration=5000").await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["code"], "022");
}

#[tokio::test]
async fn no_new_action_is_taken_while_the_server_stops() {
    let server = start(|app| app).await;
    server.app.stop();
    let reply = web::get(server.address, "/api/randomNumber").await;
    assert_eq!(reply.json()["error"]["code"], "006");
    assert!(reply.json().get("number").is_none());
}
