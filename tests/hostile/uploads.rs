//! Forms with more files than anybody needs, and files that are left behind: none is.

use std::time::Duration;

use serde_json::{Value, json};
use stellar::app::{Action, App};

use crate::Arena;
use crate::raw::Raw;
use crate::support::binary::stellar;
use crate::support::{Binary, eventually, server};
use crate::web::{self, request};

/// A server whose temporary files are in a folder of their own.
struct Site {
    folder: tempfile::TempDir,
    arena: Arena,
}

impl Site {
    async fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = stellar();
        command.env("TMPDIR", folder.path());
        let server = Binary::spawn(command, &["--demo", "--log", "info"], config);
        Self {
            arena: Arena::around(server).await,
            folder,
        }
    }

    fn stored(&self) -> usize {
        std::fs::read_dir(self.folder.path()).unwrap().count()
    }

    /// Begins to call the action `sleep` for an hour, with a file.
    async fn sleep(&self, content: &str) -> Raw {
        let mut socket = Raw::connect(self.arena.address()).await;
        socket.write(post(&form(1, content))).await;
        socket
    }
}

/// A form with so many files.
fn form(files: usize, content: &str) -> String {
    let part = format!(
        "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n{content}\r\n"
    );
    part.repeat(files) + "--b--\r\n"
}

fn post(body: &str) -> String {
    format!(
        "POST /api/sleep?sleepDuration=3600000 HTTP/1.1\r\nHost: x\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_form_has_so_many_files_and_no_more() {
    let site = Site::new("").await;
    let mut socket = Raw::connect(site.arena.address()).await;
    socket.write(post(&form(998, ""))).await;
    let answer = socket.answer().await;
    assert_eq!(answer.status, 413);
    assert!(
        answer.body.contains("limits.max_uploads"),
        "{}",
        answer.body
    );
    eventually("no file", || site.stored() == 0).await;
    // What is within the limit is stored.
    let mut socket = Raw::connect(site.arena.address()).await;
    socket.write(post(&form(100, "x"))).await;
    eventually("the files", || site.stored() == 100).await;
    site.arena.survives().await;
}

#[tokio::test]
async fn all_requests_together_store_so_much_and_no_more() {
    for (config, large) in [
        ("[limits]\nmax_stored_uploads = 3\n", "x".to_owned()),
        (
            "[limits]\nmax_stored_upload_bytes = 300000\n",
            "x".repeat(90_000),
        ),
    ] {
        let config = format!("{config}[general]\naction_timeout_ms = 3600000\n");
        let site = Site::new(&config).await;
        let mut sleeping = Vec::new();
        for count in 1..=3 {
            sleeping.push(site.sleep(&large).await);
            eventually("the file", || site.stored() == count).await;
        }
        let mut refused = site.sleep(&large).await;
        let answer = refused.answer().await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert_eq!(answer.header("retry-after"), Some("1"));
        site.arena.counts("stellar_uploads_refused_total").await;
        eventually("what was begun to go", || site.stored() == 3).await;
        // Whoever brings no file is served.
        let path = "/api/isolated.action";
        assert_eq!(web::get(site.arena.address(), path).await.status, 200);
        site.arena.survives().await;
    }
}

#[tokio::test]
async fn a_file_whose_sender_goes_away_is_deleted_and_its_room_is_free() {
    let site = Site::new("[limits]\nmax_stored_uploads = 2\n").await;
    for _ in 0..5 {
        let mut senders = Vec::new();
        for count in 1..=2 {
            let mut sender = Raw::connect(site.arena.address()).await;
            let whole = post(&form(1, &"x".repeat(90_000)));
            sender.write(&whole[..whole.len() - 100]).await;
            senders.push(sender);
            eventually("the file", || site.stored() == count).await;
        }
        drop(senders);
        eventually("no file", || site.stored() == 0).await;
    }
    site.arena.survives().await;
}

#[tokio::test]
async fn a_body_that_is_too_slow_or_broken_leaves_nothing() {
    let site = Site::new("[limits]\nbody_timeout_ms = 300\n").await;
    let whole = post(&form(3, "content"));
    let mut slow = Raw::connect(site.arena.address()).await;
    slow.write(&whole[..whole.len() - 20]).await;
    assert_eq!(slow.answer().await.status, 408);
    let mut broken = Raw::connect(site.arena.address()).await;
    broken.write(whole.replace("--b--", "--b-x")).await;
    assert_eq!(broken.answer().await.status, 400);
    eventually("no file", || site.stored() == 0).await;
    site.arena.survives().await;
}

/// The action is not torn apart because its caller hangs up; its file goes with it.
#[tokio::test]
async fn an_action_that_ends_in_whatever_way_leaves_nothing() {
    let (told, mut hears) = tokio::sync::mpsc::channel(64);
    let action = Action::new("act", move |_context, params: Value| {
        let told = told.clone();
        async move {
            let path = params["f"]["path"].as_str().unwrap_or_default().to_owned();
            told.send(path).await.unwrap();
            match params["how"].as_str() {
                Some("panic") => panic!("as it was told"),
                Some("sleep") => tokio::time::sleep(Duration::from_secs(3600)).await,
                _ => {}
            }
            Ok(json!({}))
        }
    });
    let config = server::config(|config| config.general.action_timeout_ms = 500);
    let server = server::start(App::builder().action(action), config).await;
    for how in ["well", "panic", "sleep"] {
        let path = format!("/api/act?how={how}");
        let ask = request("POST", &path).header("content-type", "multipart/form-data; boundary=b");
        let calling = tokio::spawn(web::send(server.address, ask, form(1, "content")));
        let file = std::path::PathBuf::from(hears.recv().await.unwrap());
        if how == "sleep" {
            // Nobody waits for it any more.
            calling.abort();
        } else {
            calling.await.unwrap();
        }
        eventually("the file to go", || !file.exists()).await;
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_end_at_once_leaves_nothing() {
    let config = "[general]\nshutdown_timeout_ms = 3600000\naction_timeout_ms = 3600000\n";
    let site = Site::new(config).await;
    let _sleeping = site.sleep("content").await;
    eventually("the file", || site.stored() == 1).await;
    site.arena.server.terminate();
    eventually("the drain", || site.arena.server.log().contains("draining")).await;
    site.arena.server.terminate();
    let (folder, arena) = (site.folder, site.arena);
    assert_eq!(arena.server.finished().await.code, Some(1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
