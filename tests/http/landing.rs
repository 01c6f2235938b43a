//! The page of a server that has no files.

use crate::support::Binary;
use crate::web::{self, request};

#[tokio::test]
async fn a_server_without_files_has_a_page_that_says_what_to_try() {
    let server = Binary::serve(&["--transport", "ws,socketio"], "");
    let text = server.announcement.join("\n");
    assert!(text.contains(&format!("start page http://{}/", server.address)));
    let page = web::get(server.address, "/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    for part in [
        "/primus<",
        "/ws<",
        "/socket.io<",
        "/stellar-client",
        "/api/status",
        "--demo",
    ] {
        assert!(page.text().contains(part), "{part}");
    }
    assert!(!page.text().contains("/engine.io"), "that door is closed");
    // What it links to is there.
    let links: Vec<_> = page.text().split("href=\"/").skip(1).collect();
    assert!(links.len() >= 6, "{links:?}");
    for link in links {
        let (path, _) = link.split_once('"').unwrap();
        let reply = web::get(server.address, &format!("/{path}")).await;
        assert_eq!(reply.status, 200, "/{path}");
    }
}

/// It needs nothing from elsewhere, and says nothing that a request says.
#[tokio::test]
async fn the_page_is_the_same_for_everybody() {
    let server = Binary::serve(&[], "[general]\nserver_name = \"<b>me</b>\"\n");
    let page = web::get(server.address, "/").await;
    let html = page.text();
    assert!(html.contains("&lt;b&gt;me"));
    for foreign in ["<script", "src=\"", "://", "<b>"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    let hostile = request("GET", "/?%22%3E%3Cscript%3E")
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "\"><script>alert(1)//");
    let again = web::send(server.address, hostile, "").await;
    assert_eq!(again.text(), html);
}

#[tokio::test]
async fn a_public_folder_has_no_page_but_its_own() {
    let public = tempfile::tempdir().unwrap();
    let folder = public.path().to_str().unwrap();
    let server = Binary::serve(&["--public", folder], "");
    let text = server.announcement.join("\n");
    assert!(text.contains("  files "), "{text}");
    assert_eq!(web::get(server.address, "/").await.status, 404);
    std::fs::write(public.path().join("index.html"), "mine").unwrap();
    let server = Binary::serve(&["--public", folder], "");
    let text = server.announcement.join("\n");
    assert!(text.contains("  page "), "{text}");
    assert_eq!(web::get(server.address, "/").await.text(), "mine");
}
