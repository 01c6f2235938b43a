//! Calling actions.

use serde_json::{Value, json};

use crate::support::Binary;
use crate::web::{self, Reply, request};

/// The methods that every action answers to.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

async fn post(server: &Binary, path: &str, content_type: &str, body: &str) -> Reply {
    let request = request("POST", path).header("content-type", content_type);
    web::send(server.address, request, body.to_owned()).await
}

#[tokio::test]
async fn check_082_an_action_answers_with_both_information_blocks() {
    let server = Binary::demo();
    let reply = web::get(server.address, "/api/randomNumber").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(reply.header("x-powered-by"), "Stellar API");
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    let answer = reply.json();
    assert!((0.0..1.0).contains(&answer["number"].as_f64().unwrap()));
    assert!(answer.get("error").is_none());
    assert!(answer.get("context").is_none() && answer.get("messageCount").is_none());
    let server_information = &answer["serverInformation"];
    assert_eq!(server_information["serverName"], "Stellar API");
    assert_eq!(server_information["apiVersion"], "0.0.1");
    assert!(server_information["requestDuration"].is_u64());
    assert!(server_information["currentTime"].as_u64().unwrap() > 1_600_000_000_000);
    let requester = &answer["requesterInformation"];
    assert_eq!(requester["remoteIP"], "127.0.0.1");
    assert_eq!(
        requester["receivedParams"],
        json!({"action": "randomNumber", "apiVersion": 1})
    );
    let fingerprint = requester["fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.len(), 40);
    let id = requester["id"].as_str().unwrap();
    let uuid = id
        .strip_prefix(fingerprint)
        .unwrap()
        .strip_prefix('-')
        .unwrap();
    assert_eq!(uuid.len(), 36);
    // Two spaces of indentation.
    assert!(reply.text().starts_with("{\n  \"number\": "));
}

#[tokio::test]
async fn check_083_no_action_is_404_004() {
    let server = Binary::demo();
    for path in [
        "/api",
        "/api/",
        "/api/nope",
        "/api?action=nope",
        "/api/randomNumber/more",
        "/api/%72andomNumbe",
    ] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, 404, "{path}");
        let answer = reply.json();
        assert_eq!(answer["error"]["code"], "004", "{path}");
        assert!(answer["requesterInformation"]["id"].is_string());
    }
}

#[tokio::test]
async fn check_084_the_query_is_received() {
    let server = Binary::demo();
    let answer = web::get(
        server.address,
        "/api?key=value&two=a+b%26%C3%A9&list=1&list=2&empty",
    )
    .await;
    let received = &answer.json()["requesterInformation"]["receivedParams"];
    assert_eq!(received["key"], "value");
    assert_eq!(received["two"], "a b&é");
    assert_eq!(received["list"], json!(["1", "2"]));
    assert_eq!(received["empty"], "");
}

#[tokio::test]
async fn check_085_a_private_action_is_refused() {
    let server = Binary::demo();
    let reply = web::get(server.address, "/api/sumANumber?a=1&b=2").await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["code"], "002");
    assert!(reply.json().get("result").is_none());
}

#[tokio::test]
async fn check_086_every_method_calls_actions() {
    let server = Binary::demo();
    for method in METHODS {
        for path in [
            "/api/randomNumber",
            "/api/RANDOMnumber",
            "/api?action=randomNumber",
            "/api/?action=randomNumber",
        ] {
            let reply = web::send(server.address, request(method, path), "").await;
            assert_eq!(reply.status, 200, "{method} {path}");
            assert!(reply.json()["number"].is_number());
        }
    }
}

#[tokio::test]
async fn check_087_forms_and_json_are_params() {
    let server = Binary::demo();
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", "key=a+b&value=c%26d"),
        ("application/json", "{\"key\":\"a b\",\"value\":\"c&d\"}"),
        (
            "application/json; charset=utf-8",
            "\u{FEFF} {\"key\":\"a b\",\"value\":\"c&d\"}\n",
        ),
        (
            "application/vnd.api+json",
            "{\"key\":\"a b\",\"value\":\"c&d\"}",
        ),
    ] {
        for path in [
            "/api/cacheTest",
            "/api?action=cacheTest",
            "/api/cacheTest?key=replaced",
        ] {
            let reply = post(&server, path, content_type, body).await;
            assert_eq!(reply.status, 200, "{content_type} {path}");
            let results = &reply.json()["cacheTestResults"];
            assert_eq!(results["saveResp"], true);
            assert_eq!(results["loadResp"]["key"], "cache_test_a b");
            assert_eq!(results["loadResp"]["value"], "c&d");
        }
    }
}

#[tokio::test]
async fn check_088_a_json_array_is_the_payload() {
    let server = Binary::demo();
    for (body, payload) in [
        ("[1,{\"a\":2}]", json!([1, {"a": 2}])),
        ("[]", json!([])),
        ("{\"1\":\"b\",\"0\":\"a\"}", json!(["a", "b"])),
    ] {
        let reply = post(&server, "/api/status?key=value", "application/json", body).await;
        assert_eq!(reply.status, 200);
        let received = &reply.json()["requesterInformation"]["receivedParams"];
        assert_eq!(received["payload"], payload);
        assert_eq!(received["key"], "value");
    }
}

#[tokio::test]
async fn check_089_a_failed_validation_is_400_with_a_map_of_fields() {
    let server = Binary::demo();
    let reply = web::get(server.address, "/api/cacheTest").await;
    assert_eq!(reply.status, 400);
    let expected =
        json!({"key": "The key field is required.", "value": "The value field is required."});
    assert_eq!(reply.json()["error"], expected);
    let reply = web::get(server.address, "/api/formattedSum?a=3&b=thisIsInvalid").await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["b"]["code"], "003");
    let reply = web::get(server.address, "/api/formattedSum?a=3&b=4").await;
    assert_eq!(reply.json()["formatted"], "3 + 4 = 7");
}

#[tokio::test]
async fn check_090_errors_can_be_200() {
    let server = Binary::configured("[web]\nreturn_error_codes = false\n");
    for path in ["/api/cacheTest", "/api/nope", "/api/sumANumber?a=1&b=2"] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.json()["error"].is_null());
    }
}

#[tokio::test]
async fn check_091_options_is_answered_for_every_path() {
    let server = Binary::demo();
    for path in [
        "/api",
        "/api/randomNumber",
        "/api/nope",
        "/",
        "/simple.html",
        "/nothing-here",
    ] {
        let reply = web::send(server.address, request("OPTIONS", path), "").await;
        assert_eq!(reply.status, 200, "{path}");
        let is_action = path.starts_with("/api");
        let anyone = if is_action { "" } else { "*" };
        assert_eq!(reply.header("access-control-allow-origin"), anyone);
        let methods = "HEAD, GET, POST, PUT, PATCH, DELETE, OPTIONS";
        assert_eq!(reply.header("access-control-allow-methods"), methods);
        assert_eq!(reply.header("access-control-allow-headers"), "Content-Type");
        assert_eq!(reply.header("content-length"), "0");
        assert!(reply.body.is_empty());
    }
}

#[tokio::test]
async fn check_093_head_has_headers_and_no_body() {
    let server = Binary::demo();
    for path in [
        "/api/isolated.action",
        "/api/nope",
        "/",
        "/simple.html",
        "/nothing-here",
        "/stellar-client",
        "/healthz",
    ] {
        let got = web::get(server.address, path).await;
        let head = web::send(server.address, request("HEAD", path), "").await;
        assert_eq!(head.status, got.status, "{path}");
        assert!(head.body.is_empty());
        for name in [
            "content-type",
            "etag",
            "cache-control",
            "x-powered-by",
            "access-control-allow-origin",
        ] {
            assert_eq!(head.header(name), got.header(name), "{path}: {name}");
        }
        if !path.starts_with("/api") {
            assert_eq!(
                head.header("content-length"),
                got.header("content-length"),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn get_and_head_have_no_body_whatever_they_carry() {
    let server = Binary::demo();
    let request = request("GET", "/api/cacheTest").header("content-type", "application/json");
    let reply = web::send(server.address, request, "{\"key\":\"a\",\"value\":\"b\"}").await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn bodies_that_are_not_what_they_say_are_400() {
    let server = Binary::demo();
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", "\"text\""),
        ("application/json", "{\"a\":1} x"),
        ("application/json; charset=utf-16", "{}"),
        ("application/x-www-form-urlencoded", "a=%zz"),
        ("application/x-www-form-urlencoded", "a=%ff"),
        ("multipart/form-data", "--x--"),
        ("multipart/form-data; boundary=x", "nothing of the kind"),
    ] {
        let reply = post(&server, "/api/status", content_type, body).await;
        assert_eq!(reply.status, 400, "{content_type} {body}");
        assert!(reply.json()["error"].is_string(), "{}", reply.text());
        assert!(reply.json()["requesterInformation"]["id"].is_string());
    }
    let compressed = request("POST", "/api/status")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    assert_eq!(web::send(server.address, compressed, "x").await.status, 415);
}

/// A page of another site may send such a body without asking first.
#[tokio::test]
async fn json_that_does_not_say_so_is_no_json() {
    let server = Binary::demo();
    let json = "{\"key\":\"a\",\"value\":\"b\"}";
    for content_type in ["", "text/plain", "text/plain; charset=utf-8", "x/json-not"] {
        let reply = post(&server, "/api/cacheTest", content_type, json).await;
        assert_eq!(reply.status, 415, "{content_type}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("application/json"), "{error}");
        // What is none is of no interest.
        let reply = post(&server, "/api/status", content_type, "[info] started").await;
        assert_eq!(reply.status, 200, "{content_type}");
    }
}

#[tokio::test]
async fn a_version_is_chosen_by_param() {
    let server = Binary::demo();
    for (query, version) in [("", 2), ("?apiVersion=1", 1), ("?apiVersion=2", 2)] {
        let answer = web::get(server.address, &format!("/api/versionedAction{query}"))
            .await
            .json();
        assert_eq!(answer["version"], version, "{query}");
    }
    let reply = web::get(server.address, "/api/versionedAction?apiVersion=99").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (404, &json!("004"))
    );
}

#[tokio::test]
async fn a_name_with_a_dot_is_one_segment() {
    let server = Binary::demo();
    for path in [
        "/api/isolated.action",
        "/api?action=isolated.action",
        "/api/isolated%2Eaction",
    ] {
        assert_eq!(
            web::get(server.address, path).await.json()["success"],
            "ok",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_known_action_in_the_query_goes_before_the_path() {
    let server = Binary::demo();
    let answer = web::get(server.address, "/api/randomNumber?action=isolated.action")
        .await
        .json();
    assert_eq!(answer["success"], "ok");
    // An unknown one does not.
    let answer = web::get(server.address, "/api/randomNumber?action=nope")
        .await
        .json();
    assert!(answer["number"].is_number());
}

#[tokio::test]
async fn query_and_simple_routing_can_be_switched_off() {
    let server = Binary::configured("[web]\nquery_routing = false\n");
    assert_eq!(
        web::get(server.address, "/api?action=randomNumber")
            .await
            .status,
        404
    );
    assert_eq!(
        web::get(server.address, "/api/randomNumber").await.status,
        200
    );
    let server = Binary::configured("[web]\nsimple_routing = false\n");
    assert_eq!(
        web::get(server.address, "/api?action=randomNumber")
            .await
            .status,
        200
    );
    assert_eq!(
        web::get(server.address, "/api/randomNumber").await.status,
        404
    );
}

#[tokio::test]
async fn answers_are_shaped_by_options() {
    let config = "[general]\nserver_name = \"Mine\"\napi_version = \"7\"\n[web]\nserver_information = false\n\
                  requester_information = false\npadding = 0\nurl_path_for_actions = \"call\"\n";
    let server = Binary::configured(config);
    let reply = web::get(server.address, "/call/isolated.action").await;
    assert_eq!(reply.text(), "{\"success\":\"ok\"}");
    assert_eq!(reply.header("x-powered-by"), "Mine");
    assert_eq!(
        web::get(server.address, "/api/isolated.action")
            .await
            .header("content-type"),
        "text/html"
    );
}

#[tokio::test]
async fn two_params_of_one_request_do_not_meet_those_of_another() {
    let server = Binary::demo();
    let calls = (0..20).map(|number| async move {
        let path = format!("/api/sleep?sleepDuration={}", 100 + number);
        (number, web::get(server.address, &path).await.json())
    });
    // Over HTTP nothing limits how many actions one caller has running.
    for (number, answer) in futures_util::future::join_all(calls).await {
        assert_eq!(answer["sleepDuration"], 100 + number);
        assert_eq!(answer["error"], Value::Null);
    }
}
