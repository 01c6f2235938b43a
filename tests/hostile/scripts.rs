//! Data that ends up in the client script, or in answers that a browser could take for a page.

use serde_json::{Deserializer, Value};

use crate::Arena;
use crate::support::binary::{run, write_config};
use crate::web::{self, request};

/// Ends strings, scripts, comments and lines, wherever it is put without escapes.
const HOSTILE: &str =
    "\"'`</script><script>alert(1)//*/\u{2028}\u{2029}\\\"\n${x}%SETTINGS%\"%CLIENT%\"\"%GLOBAL%\"";

/// The JSON value behind `key` in a script.
fn value_behind(script: &str, key: &str) -> Value {
    let (_, rest) = script
        .split_once(key)
        .unwrap_or_else(|| panic!("no {key} in the script"));
    let mut values = Deserializer::from_str(rest).into_iter();
    values.next().unwrap().unwrap()
}

fn is_harmless(script: &str) {
    let lower = script.to_ascii_lowercase();
    for ending in ["</script", "<!--", "\u{2028}", "\u{2029}"] {
        assert!(!lower.contains(ending), "{ending:?}");
    }
    // Whoever forbids these by a content security policy can use the script.
    for evaluation in ["eval(", "new Function", "document.write", "innerHTML"] {
        assert!(!script.contains(evaluation), "{evaluation}");
    }
}

/// A configuration with a hostile text in the one place where every text is right.
fn hostile_config() -> String {
    // TOML's basic strings have the escapes of JSON's.
    let text = Value::from(HOSTILE).to_string();
    format!("[client]\ndefault_room = {text}\n")
}

#[tokio::test]
async fn settings_cannot_break_out_of_the_written_script() {
    let config = write_config(&hostile_config());
    let path = config.path().to_str().unwrap();
    for more in [&[][..], &["--minify"][..]] {
        let written = run(&[&["client", "--config", path], more].concat()).await;
        assert_eq!(written.code, Some(0), "{}", written.stderr);
        is_harmless(&written.stdout);
        assert_eq!(value_behind(&written.stdout, "\"defaultRoom\":"), HOSTILE);
        let escaped = Value::from(HOSTILE).to_string().replace('<', "\\u003c");
        let escaped = escaped
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029");
        assert_eq!(written.stdout.matches(&escaped).count(), 1);
    }
    for option in ["--global", "--url"] {
        let refused = run(&["client", option, HOSTILE]).await;
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    }
    let arena = Arena::demo().await;
    arena.survives().await;
}

#[tokio::test]
async fn settings_cannot_break_out_of_the_served_script() {
    let arena = Arena::configured(&hostile_config()).await;
    for path in [
        "/stellar-client",
        "/stellar-client.js",
        "/stellar-client.min.js",
        "/stellar-client.mjs",
    ] {
        let script = web::get(arena.address(), path).await;
        assert_eq!(script.status, 200);
        is_harmless(script.text());
        let room = value_behind(script.text(), "\"defaultRoom\":");
        assert_eq!(room, HOSTILE);
    }
    arena.survives().await;
}

#[tokio::test]
async fn nothing_of_the_request_gets_into_the_script() {
    let mut arena = Arena::demo().await;
    for path in [
        "/stellar-client",
        "/stellar-client.js",
        "/stellar-client.mjs",
    ] {
        let plain = web::get(arena.address(), path).await;
        for (name, value) in [
            ("host", "evil.test"),
            ("x-forwarded-host", "evil.test"),
            ("forwarded", "host=evil.test;proto=https"),
            ("origin", "https://evil.test"),
            ("referer", "https://evil.test/</script>"),
            ("cookie", "sessionID=</script>"),
        ] {
            let request = request("GET", path).header(name, value);
            let script = web::send(arena.address(), request, "").await;
            assert_eq!(script.status, 200, "{name}: {value}");
            assert_eq!(script.body, plain.body, "{name}: {value}");
        }
        // What is no host gets no script at all.
        let no_host = request("GET", path).header("host", "\"></script><script>alert(1)</script>");
        assert_eq!(web::send(arena.address(), no_host, "").await.status, 400);
        let with_query = web::get(
            arena.address(),
            &format!("{path}?callback=evil&global=evil&x=%3C/script%3E"),
        )
        .await;
        assert_eq!(with_query.body, plain.body);
    }
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn a_hostile_transport_gets_no_script_and_no_echo() {
    let arena = Arena::demo().await;
    for wanted in [
        "%3C/script%3E%3Cscript%3Ealert(1)",
        "__proto__",
        "constructor",
        "ws,ws",
        "ws%00",
        "WS",
        "..%2Fws",
        "",
    ] {
        let answer = web::get(
            arena.address(),
            &format!("/stellar-client?transport={wanted}"),
        )
        .await;
        assert_eq!(answer.status, 404, "{wanted}");
        assert!(answer.header("content-type").starts_with("text/plain"));
        assert!(!answer.text().contains("script>"), "{}", answer.text());
        assert!(answer.text().contains("ws"), "{}", answer.text());
    }
    arena.survives().await;
}

#[tokio::test]
async fn errors_that_repeat_the_request_are_never_pages() {
    let arena = Arena::demo().await;
    let tag = "%3Cimg%20src=x%20onerror=alert(1)%3E";
    for path in [
        format!("/api/{tag}"),
        format!("/api?action={tag}"),
        format!("/api/status?{tag}={tag}"),
        format!("/{tag}"),
        format!("/primus/{tag}"),
        format!("/socket.io/?EIO={tag}"),
        format!("/stellar-client?transport={tag}"),
    ] {
        let answer = web::get(arena.address(), &path).await;
        let is_page = answer.header("content-type").starts_with("text/html");
        assert!(
            !is_page || !answer.text().contains("<img"),
            "{path}: {}",
            answer.text()
        );
        // Nor may a browser guess that it is one.
        if answer.text().contains("<img") {
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        }
    }
    arena.survives().await;
}
