//! What the program logs, and how.

use std::process::Command;

use serde_json::Value;

use crate::support::binary::{Finished, run, write_config};
use crate::support::{Binary, eventually};

#[tokio::test]
async fn info_tells_start_stop_and_drain() {
    let server = Binary::serve(&["--log", "info"], "");
    let address = server.address.to_string();
    let ann = server.primus().await;
    server.terminate();
    let log = server.finished().await.stderr;
    let mut lines = log.lines();
    for part in [
        &*format!("serving address={address} transports="),
        "asked to stop by SIGTERM",
        "draining connections=1",
        "drained left=0",
    ] {
        assert!(lines.any(|line| line.contains(part)), "{part} in {log}");
    }
    drop(ann);
}

#[tokio::test]
async fn a_log_that_is_no_terminal_has_no_escapes() {
    let server = Binary::serve(&["--log", "debug"], "");
    server.primus().await.close().await;
    eventually("a line", || server.log().contains("serving")).await;
    server.terminate();
    let finished = server.finished().await;
    assert!(!finished.stderr.contains('\u{1b}'), "{finished:?}");
    assert!(!finished.stdout.contains('\u{1b}'), "{finished:?}");
}

/// A log is often piped into something else, which may end first.
#[tokio::test]
async fn a_log_that_nobody_reads_any_more_ends_nothing() {
    for arguments in [
        &["--log", "debug"][..],
        &["--log", "debug", "--log-format", "json"],
    ] {
        let mut command = Command::new("sh");
        // Here every write fails, as it does into such a pipe.
        let without = "exec \"$0\" \"$@\" 2>/dev/full";
        command.args(["-c", without, env!("CARGO_BIN_EXE_stellar")]);
        let server = Binary::spawn(command, arguments, "");
        server.primus().await.details().await;
        server.terminate();
        assert_eq!(server.finished().await.code, Some(0), "{arguments:?}");
    }
}

/// Every line is an object with these, and the level and message of each are given back.
#[track_caller]
fn objects(finished: &Finished) -> Vec<(String, String)> {
    let lines = finished.stdout.lines().chain(finished.stderr.lines());
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect(line);
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            assert!(text(&line["timestamp"]).contains('T'), "{line}");
            assert!(text(&line["target"]).starts_with("stellar"), "{line}");
            (text(&line["level"]), text(&line["fields"]["message"]))
        })
        .collect()
}

#[tokio::test]
async fn json_means_every_line() {
    let server = Binary::serve(&["--log", "info", "--log-format", "json"], "");
    assert_eq!(server.announcement.len(), 1);
    let facts: Value = serde_json::from_str(&server.announcement[0]).unwrap();
    let facts = &facts["fields"];
    assert_eq!(facts["address"], server.address.to_string());
    assert_eq!(facts["url"], format!("http://{}/", server.address));
    assert_eq!(facts["transports"][0], "ws");
    server.primus().await.details().await;
    server.terminate();
    let finished = server.finished().await;
    assert_eq!(finished.code, Some(0));
    let lines = objects(&finished);
    assert!(lines.iter().all(|(level, _)| level == "INFO"), "{lines:?}");
    assert!(lines.len() >= 5, "{lines:?}");
}

#[tokio::test]
async fn json_means_the_reasons_for_not_starting_too() {
    let config = write_config("[general]\nsimultanous_actions = 3\n");
    let config = config.path().to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, says) in [
        (&["--config", config][..], "simultanous_actions"),
        (&["--lisen", "8080"], "--lisen"),
        (&["--listen", "nonsense"], "nonsense"),
        (&["--log", "stellar=loud"], "loud"),
        (&["--listen", &taken], "another program"),
    ] {
        for format in [&["--log-format", "json"][..], &["--log-format=json"]] {
            let finished = run(&[&["serve"], arguments, format].concat()).await;
            let lines = objects(&finished);
            let [(level, message)] = &lines[..] else {
                panic!("{finished:?}")
            };
            assert_eq!(level, "ERROR");
            assert!(message.contains(says), "{message}");
        }
    }
}
