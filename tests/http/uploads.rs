//! Forms with files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stellar::app::{Action, App};

use crate::support::server::{self, Running, config};
use crate::web::{self, Reply, request};

/// A server whose action `upload` tells what it finds in the file `file`, and where that lay.
async fn start() -> (Running, Arc<Mutex<Vec<PathBuf>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&seen);
    let upload = Action::new("upload", move |_context, params: Value| {
        let path = params["file"]["path"].as_str().map(PathBuf::from);
        let content = path
            .as_ref()
            .map(|path| std::fs::read(path).map(|bytes| bytes.len()));
        paths.lock().unwrap().extend(path);
        async move {
            let length = match content {
                Some(Ok(length)) => json!(length),
                Some(Err(error)) => json!(error.to_string()),
                None => Value::Null,
            };
            Ok(json!({ "length": length, "params": params }))
        }
    });
    let server = server::start(
        App::builder().action(upload),
        config(|config| config.limits.max_body_bytes = 100_000),
    );
    (server.await, seen)
}

fn part(head: &str, content: &str) -> String {
    format!("--bound\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
}

async fn send(server: &Running, parts: &[String]) -> Reply {
    let request = request("POST", "/api/upload?from=query")
        .header("content-type", "multipart/form-data; boundary=bound");
    let body = format!("{}--bound--\r\n", parts.concat());
    web::send(server.address, request, body).await
}

#[tokio::test]
async fn a_file_is_there_while_the_action_runs_and_gone_after() {
    let (server, seen) = start().await;
    let file = part(
        "name=\"file\"; filename=\"photo é.png\"\r\nContent-Type: image/png",
        &"x".repeat(50_000),
    );
    let answer = send(&server, &[part("name=\"title\"", "a title"), file]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["length"], 50_000);
    let params = &answer["params"];
    assert_eq!(
        (&params["title"], &params["from"]),
        (&json!("a title"), &json!("query"))
    );
    assert_eq!(params["file"]["name"], "photo é.png");
    assert_eq!(params["file"]["type"], "image/png");
    assert_eq!(params["file"]["size"], 50_000);
    let path = seen.lock().unwrap()[0].clone();
    crate::support::eventually("the file to be deleted", || !path.exists()).await;
}

#[tokio::test]
async fn a_file_name_is_no_path() {
    let (server, seen) = start().await;
    for name in ["../../etc/passwd", "/etc/passwd", "..\\\\..\\\\x", "a%00b"] {
        let answer = send(
            &server,
            &[part(
                &format!("name=\"file\"; filename=\"{name}\""),
                "content",
            )],
        )
        .await;
        assert_eq!(answer.json()["length"], 7, "{name}: {}", answer.text());
    }
    for path in seen.lock().unwrap().iter() {
        assert_eq!(path.parent(), Some(&*std::env::temp_dir()), "{path:?}");
    }
}

#[tokio::test]
async fn several_files_and_fields_of_one_name_are_a_list() {
    let (server, _) = start().await;
    let parts = [
        part("name=\"many\"; filename=\"a\"", "1"),
        part("name=\"many\"; filename=\"b\"", "22"),
        part("name=\"word\"", "x"),
        part("name=\"word\"", "y"),
    ];
    let answer = send(&server, &parts).await.json();
    let params = &answer["params"];
    assert_eq!(params["many"][0]["size"], 1);
    assert_eq!(params["many"][1]["size"], 2);
    assert_eq!(params["word"], json!(["x", "y"]));
}

#[tokio::test]
async fn an_upload_over_the_limit_is_413() {
    let (server, seen) = start().await;
    let answer = send(
        &server,
        &[part("name=\"file\"; filename=\"a\"", &"x".repeat(100_001))],
    )
    .await;
    assert_eq!(answer.status, 413);
    assert!(seen.lock().unwrap().is_empty(), "the action ran");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let (server, seen) = start().await;
    for content_type in [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
    ] {
        let request = request("POST", "/api/upload").header("content-type", content_type);
        let reply = web::send(server.address, request, "[".repeat(100_001)).await;
        assert_eq!(reply.status, 413, "{content_type}");
    }
    assert!(seen.lock().unwrap().is_empty());
}
