//! The table of custom routes.

use serde_json::json;

use crate::support::Binary;
use crate::web::{self, request};

const ROUTES: &str = r#"
[[web.routes]]
method = "get"
path = "/users/:key(^[0-9]+$)"
action = "isolated.action"

[[web.routes]]
method = "get"
path = "/users/:key"
action = "status"

[[web.routes]]
method = ["post", "put"]
path = "/cache/:key/:value"
action = "cacheTest"

[[web.routes]]
method = "all"
path = "/versions/old"
action = "versionedAction"
api_version = 1

[[web.routes]]
method = "get"
path = "/trailing/:key"
action = "isolated.action"
match_trailing = true

[[web.routes]]
method = "all"
path = "/status"
action = "randomNumber"
"#;

async fn received(server: &Binary, method: &str, path: &str) -> serde_json::Value {
    let reply = web::send(server.address, request(method, path), "").await;
    reply.json()["requesterInformation"]["receivedParams"].clone()
}

#[tokio::test]
async fn captures_become_params() {
    let server = Binary::configured(ROUTES);
    let params = received(&server, "GET", "/api/users/12?key=replaced&more=1").await;
    assert_eq!(
        params,
        json!({"key": "12", "more": "1", "action": "isolated.action", "apiVersion": 1})
    );
    let reply = web::send(
        server.address,
        request("POST", "/api/CACHE/A%20%2F%C3%A9/b?value=c"),
        "",
    )
    .await;
    let results = &reply.json()["cacheTestResults"]["loadResp"];
    assert_eq!(
        (&results["key"], &results["value"]),
        (&json!("cache_test_A /é"), &json!("b"))
    );
}

#[tokio::test]
async fn a_pattern_has_to_match_the_whole_segment() {
    let server = Binary::configured(ROUTES);
    for (path, action) in [
        ("12", "isolated.action"),
        ("12a", "status"),
        ("a12", "status"),
        ("%31", "isolated.action"),
    ] {
        let params = received(&server, "GET", &format!("/api/users/{path}")).await;
        assert_eq!(params["action"], action, "{path}");
    }
}

#[tokio::test]
async fn methods_are_those_of_the_route() {
    let server = Binary::configured(ROUTES);
    for (method, path, status) in [
        ("GET", "/api/users/1", 200),
        ("HEAD", "/api/users/1", 200),
        ("POST", "/api/users/1", 404),
        ("PUT", "/api/cache/a/b", 200),
        ("GET", "/api/cache/a/b", 404),
        ("DELETE", "/api/versions/old", 200),
        ("PATCH", "/api/versions/OLD", 200),
    ] {
        let reply = web::send(server.address, request(method, path), "").await;
        assert_eq!(reply.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_route_may_pin_the_version() {
    let server = Binary::configured(ROUTES);
    for query in ["", "?apiVersion=2"] {
        let reply = web::get(server.address, &format!("/api/versions/old{query}")).await;
        assert_eq!(reply.json()["version"], 1, "{query}");
    }
}

#[tokio::test]
async fn longer_paths_match_only_where_they_may() {
    let server = Binary::configured(ROUTES);
    let params = received(&server, "GET", "/api/trailing/a/b/c.txt").await;
    assert_eq!(params["key"], "a/b/c.txt");
    assert_eq!(
        web::get(server.address, "/api/users/1/more").await.status,
        404
    );
}

#[tokio::test]
async fn routes_go_before_simple_routing_and_after_the_query() {
    let server = Binary::configured(ROUTES);
    assert!(web::get(server.address, "/api/status").await.json()["number"].is_number());
    let answer = web::get(server.address, "/api/status?action=isolated.action")
        .await
        .json();
    assert_eq!(answer["success"], "ok");
}
