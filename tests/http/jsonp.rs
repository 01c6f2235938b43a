//! JSONP: `callback` wraps the answer in a call.

use serde_json::Value;

use crate::support::Binary;
use crate::web::{self, request};

/// It is off unless this is said.
const JSONP: &str = "[web]\njsonp = true\n";

/// The name of the function that a script calls, and what it is called with.
fn call(script: &str) -> (&str, Value) {
    let (name, rest) = script.split_once('(').unwrap();
    let json = rest.strip_suffix(");").unwrap();
    (name, serde_json::from_str(json).unwrap())
}

#[tokio::test]
async fn it_is_off_by_default_and_the_answer_says_so() {
    let server = Binary::demo();
    for path in ["/api/isolated.action?callback=cb", "/api/nope?callback=cb"] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, 400, "{path}");
        assert_eq!(
            reply.header("content-type"),
            "application/json; charset=utf-8"
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("web.jsonp"), "{error}");
        assert!(reply.json().get("success").is_none());
    }
    // In a body it is a param like any other.
    let post = request("POST", "/api/isolated.action").header("content-type", "application/json");
    let reply = web::send(server.address, post, "{\"callback\":\"cb\"}").await;
    assert_eq!(reply.json()["success"], "ok");
}

#[tokio::test]
async fn check_097_a_callback_is_called_with_the_answer() {
    let server = Binary::configured(JSONP);
    let reply = web::get(server.address, "/api/isolated.action?callback=cb").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        "application/javascript; charset=utf-8"
    );
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert!(reply.text().starts_with("cb({"));
    let (name, answer) = call(reply.text());
    assert_eq!((name, &answer["success"]), ("cb", &Value::from("ok")));
    assert!(answer["requesterInformation"].is_object());
}

#[tokio::test]
async fn check_097_hostile_callbacks_are_neutralised() {
    let server = Binary::configured(JSONP);
    for (wanted, name) in [
        ("a.b.c", "a.b.c"),
        ("$_1", "$_1"),
        ("alert(1);//", "alert1"),
        (
            "</script><script>alert(1)</script>",
            "scriptscriptalert1script",
        ),
        ("a;b", "ab"),
        ("a\nb", "ab"),
        ("a\u{2028}b", "ab"),
        ("a['b']", "ab"),
        ("fé", "f"),
    ] {
        let encoded: String = wanted.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let reply = web::get(
            server.address,
            &format!("/api/isolated.action?callback={encoded}"),
        )
        .await;
        let (found, answer) = call(reply.text());
        assert_eq!(found, name, "{wanted}");
        assert_eq!(answer["success"], "ok");
    }
    // What leaves no name is no callback.
    for wanted in ["", "%28%29", "%3C%3E"] {
        let reply = web::get(
            server.address,
            &format!("/api/isolated.action?callback={wanted}"),
        )
        .await;
        assert_eq!(
            reply.header("content-type"),
            "application/json; charset=utf-8"
        );
        assert_eq!(reply.json()["success"], "ok");
    }
    // No name is so long that it is a script of its own.
    let long = web::get(
        server.address,
        &format!("/api/isolated.action?callback={}", "a".repeat(5000)),
    )
    .await;
    assert!(call(long.text()).0.len() <= 128);
}

#[tokio::test]
async fn data_cannot_end_the_call() {
    let server = Binary::configured(JSONP);
    let request =
        request("POST", "/api/cacheTest?callback=cb").header("content-type", "application/json");
    let value = "</script>\u{2028}\u{2029}\");alert(1);//";
    let body = serde_json::json!({"key": "k", "value": value}).to_string();
    let reply = web::send(server.address, request, body).await;
    assert!(!reply.text().contains(['\u{2028}', '\u{2029}']));
    let (_, answer) = call(reply.text());
    assert_eq!(answer["cacheTestResults"]["loadResp"]["value"], value);
}

#[tokio::test]
async fn errors_are_told_by_callback_too() {
    let server = Binary::configured(JSONP);
    let reply = web::get(server.address, "/api/nope?callback=cb").await;
    assert_eq!(reply.status, 404);
    assert_eq!(call(reply.text()).1["error"]["code"], "004");
}
