//! JSON, forms, and bodies that say nothing or something else.

use super::*;

async fn json_values(body: impl Into<Bytes>) -> Value {
    Ask::post("/api").content_type(JSON).values(body).await
}

async fn json_status(body: impl Into<Bytes>) -> u16 {
    Ask::post("/api").content_type(JSON).status(body).await
}

#[tokio::test]
async fn json_objects_are_params() {
    let body = r#" {"a":{"b":[1,2.5,null]},"c":"d","c":"e"} "#;
    let expected = json!({ "a": { "b": [1, 2.5, null] }, "c": "e" });
    assert_eq!(json_values(body).await, expected);
    assert_eq!(json_values("\u{feff}{\"a\":1}").await, json!({ "a": 1 }));
    for nothing in ["{}", "", " \n", "\u{feff}"] {
        assert_eq!(json_values(nothing).await, json!({}));
    }
}

#[tokio::test]
async fn json_arrays_are_the_payload() {
    assert_eq!(json_values("[]").await, json!({ "payload": [] }));
    let list: Vec<_> = (0..12).collect();
    let expected = json!({ "payload": list });
    assert_eq!(json_values(json!(list).to_string()).await, expected);
    // Twelve keys: their order as text is another one.
    let keyed: Vec<_> = list.iter().map(|it| format!("\"{it}\":{it}")).collect();
    let keyed = format!("{{{}}}", keyed.join(","));
    assert_eq!(json_values(keyed).await, expected);
}

#[tokio::test]
async fn only_all_the_keys_in_a_row_are_a_list() {
    for object in [
        json!({ "0": 1, "2": 3 }),
        json!({ "1": 1 }),
        json!({ "0": 1, "a": 2 }),
        json!({ "00": 1 }),
    ] {
        assert_eq!(json_values(object.to_string()).await, object);
    }
}

#[tokio::test]
async fn json_has_to_be_json() {
    for body in ["{", "{]", "{'a':1}", "[1,]", "{\"a\":1}x", "a=1"] {
        let error = Ask::post("/api").content_type(JSON).bytes(body).await;
        let error = error.unwrap_err();
        assert_eq!(error.status(), 400);
        let text = error.to_string();
        assert!(
            text.starts_with("The request body is not valid JSON: "),
            "{text}"
        );
    }
    for lone in ["1", "null", "true", "\"text\""] {
        assert_eq!(json_status(lone).await, 400);
    }
    assert_eq!(json_status(&b"{\"a\":\"\xff\"}"[..]).await, 400);
}

#[tokio::test]
async fn half_a_character_is_a_text_like_any_other() {
    let expected = json!({ "a\u{FFFD}": "b\u{FFFD}" });
    assert_eq!(json_values(r#"{"a\ud83d":"b\udfff"}"#).await, expected);
    let bytes = &b"{\"a\xED\xA0\xBD\":\"b\xED\xBF\xBF\"}"[..];
    assert_eq!(json_values(bytes).await, expected);
    let ask = Ask::post("/api").content_type(FORM);
    assert_eq!(ask.values("a%ED%A0%BD=b%ed%bf%bf").await, expected);
    let ask = Ask::post("/api").content_type(FORM);
    assert_eq!(ask.status("a=%ED%A0").await, 400, "half of a half");
}

#[tokio::test]
async fn json_that_nests_too_deep_is_told_so() {
    let body = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(json_values(body(31)).await["a"].is_array());
    let error = Ask::post("/api").content_type(JSON).bytes(body(32)).await;
    let error = error.unwrap_err();
    assert_eq!(error.status(), 400);
    assert_eq!(
        error.to_string(),
        "The request body nests deeper than 32 levels (limits.max_depth)"
    );
}

#[tokio::test]
async fn json_is_recognised_by_its_type() {
    for media in [
        "application/json",
        "Application/JSON ; charset=\"UTF-8\"",
        "application/vnd.api+json",
        "text/json;charset=us-ascii",
    ] {
        let ask = Ask::post("/api").content_type(media);
        let error = ask.bytes("{").await.unwrap_err();
        assert!(matches!(error, BadRequest::Json(_)), "{media}: {error}");
    }
}

#[tokio::test]
async fn forms_are_params() {
    let ask = Ask::post("/api").content_type("application/X-WWW-form-urlencoded; charset=utf-8");
    assert_eq!(
        ask.values("key=a+b&value=%C3%BC&empty=").await,
        json!({ "key": "a b", "value": "\u{fc}", "empty": "" })
    );
    for (junk, status) in [("a=%zz", 400), ("a=%ff", 400)] {
        let ask = Ask::post("/api").content_type(FORM);
        assert_eq!(ask.status(junk).await, status);
    }
    let ask = Ask::post("/api").content_type(FORM);
    assert_eq!(ask.status(&b"a=\xfc"[..]).await, 400);
}

#[tokio::test]
async fn other_charsets_are_refused() {
    for media in [JSON, FORM] {
        for charset in ["iso-8859-1", "\"UTF-16\"", "x"] {
            let ask = Ask::post("/api").content_type(&format!("{media}; a=b; Charset={charset}"));
            assert_eq!(ask.status("{}").await, 400, "{media} {charset}");
        }
    }
}

#[tokio::test]
async fn encoded_bodies_are_refused() {
    for coding in ["gzip", "identity, br"] {
        let ask = Ask::post("/api").content_type(JSON);
        let ask = ask.header(CONTENT_ENCODING, coding);
        assert_eq!(ask.status("{}").await, 415);
    }
    let ask = Ask::post("/api").content_type(JSON);
    let ask = ask.header(CONTENT_ENCODING, "Identity");
    assert_eq!(ask.values("{\"a\":1}").await, json!({ "a": 1 }));
}

#[tokio::test]
async fn a_body_of_another_type_is_ignored_and_json_refused() {
    for ask in [
        || Ask::post("/api?q=1"),
        || Ask::post("/api?q=1").content_type("text/plain"),
        || Ask::post("/api?q=1").content_type("multipart/mixed; boundary=x"),
    ] {
        for json in [" {\"a\":1}", "[1]", "\u{feff}{}"] {
            let error = ask().bytes(json).await.unwrap_err();
            assert!(matches!(error, BadRequest::Untyped), "{json}: {error}");
            assert_eq!(error.status(), 415);
        }
        for ignored in ["a=1", "[info] started", "{", "5", "", "\u{0}\u{1}"] {
            assert_eq!(ask().values(ignored).await, json!({ "q": "1" }));
        }
    }
}
