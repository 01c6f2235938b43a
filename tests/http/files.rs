//! The public folder over HTTP, and beside it the verb `file`, which serves the same files.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::support::eventually;
use crate::web::{self, request};
use crate::{IMAGE, Site};

/// A date as HTTP writes it.
fn http_date(when: SystemTime) -> String {
    let date = OffsetDateTime::from(when).format(&Rfc2822).unwrap();
    date.replace("+0000", "GMT")
}

#[tokio::test]
async fn check_071_a_file_over_websocket() {
    let site = Site::new();
    let mut client = site.server.primus().await;
    let file = client
        .request(json!({"event": "file", "file": "simple.html"}))
        .await;
    assert_eq!(file["error"], json!(null));
    assert!(file.as_object().unwrap().contains_key("error"));
    assert_eq!(file["content"], "<h1>simple</h1>\n");
    assert_eq!(file["mime"], "text/html");
    assert_eq!(file["length"], 16);
    assert!(file["lastModified"].as_str().unwrap().ends_with('Z'));
    assert_eq!(file["messageCount"], 1);
    assert!(file.get("encoding").is_none());
}

#[tokio::test]
async fn check_072_a_missing_file_over_websocket() {
    let site = Site::new();
    let mut client = site.server.primus().await;
    for packet in [
        json!({"event": "file", "file": "missing.html"}),
        json!({"event": "file"}),
    ] {
        let number = client.send(packet).await;
        let expected = json!({
            "error": {"code": "010", "message": "The requested file does not exist"},
            "content": null, "mime": "text/html", "length": 33, "context": "response", "messageCount": number,
        });
        assert_eq!(client.answer(number).await, expected);
    }
}

#[tokio::test]
async fn check_074_an_image_in_a_subfolder() {
    let site = Site::new();
    let mut client = site.server.primus().await;
    let file = client
        .request(json!({"event": "file", "file": "images/logo.png"}))
        .await;
    assert_eq!(
        (&file["mime"], &file["length"]),
        (&json!("image/png"), &json!(IMAGE.len()))
    );
    assert_eq!(file["encoding"], "base64");
    let content =
        base64::engine::general_purpose::STANDARD.decode(file["content"].as_str().unwrap());
    assert_eq!(content.unwrap(), IMAGE);

    let reply = site.get("/images/logo.png").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "image/png");
    assert_eq!(reply.header("content-length"), IMAGE.len().to_string());
    assert_eq!(reply.body, IMAGE);
}

#[tokio::test]
async fn check_075_a_folder_is_its_index() {
    let site = Site::new();
    for path in [
        "/",
        "",
        "//",
        "/index.html",
        "/public",
        "/public/",
        "/public/index.html",
        "/./",
        "/images/..",
    ] {
        let path = if path.is_empty() { "/?query" } else { path };
        let reply = site.get(path).await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, "<h1>the index</h1>\n"),
            "{path}"
        );
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    }
    for path in [
        "/images",
        "/images/",
        "/public/images",
        "/public/images/",
        "/images/index.html",
    ] {
        assert_eq!(site.get(path).await.text(), "<h1>images</h1>\n", "{path}");
    }
    for path in ["/empty", "/empty/", "/public/empty/", "/simple.html/"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn check_076_files_have_caching_headers_and_tags() {
    let site = Site::new();
    let mut tags = Vec::new();
    for path in ["/index.html", "/simple.html", "/images/logo.png"] {
        let reply = site.get(path).await;
        assert_eq!(
            reply.header("cache-control"),
            "max-age=60, must-revalidate, public"
        );
        assert!(reply.header("etag").starts_with("W/\""));
        assert!(reply.header("last-modified").ends_with(" GMT"));
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("accept-ranges"), "bytes");
        assert_eq!(reply.header("x-powered-by"), "Stellar API");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        tags.push(reply.header("etag").to_owned());
        // The same file has the same tag, under every path.
        assert_eq!(
            site.get(&format!("/public{path}")).await.header("etag"),
            tags.last().unwrap()
        );
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3);
    // A changed file has another one.
    let before = site.get("/simple.html").await.header("etag").to_owned();
    std::fs::write(site.path("public/simple.html"), "<h1>changed</h1>").unwrap();
    assert_ne!(site.get("/simple.html").await.header("etag"), before);

    let site = Site::configured("[web]\nfile_cache_seconds = 5\n");
    assert_eq!(
        site.get("/").await.header("cache-control"),
        "max-age=5, must-revalidate, public"
    );
}

#[tokio::test]
async fn check_077_if_modified_since() {
    let site = Site::new();
    let modified = std::fs::metadata(site.path("public/simple.html"))
        .unwrap()
        .modified()
        .unwrap();
    let day = Duration::from_secs(86_400);
    let last_modified = site
        .get("/simple.html")
        .await
        .header("last-modified")
        .to_owned();
    assert_eq!(last_modified, http_date(modified));
    for (since, status) in [
        (http_date(SystemTime::now()), 304),
        (last_modified, 304),
        (http_date(modified + day), 304),
        (http_date(modified - day), 200),
        ("junk".to_owned(), 200),
        (String::new(), 200),
    ] {
        let reply = site
            .get_with("/simple.html", &[("if-modified-since", &since)])
            .await;
        assert_eq!(reply.status, status, "{since}");
        assert_eq!(
            reply.text(),
            if status == 304 {
                ""
            } else {
                "<h1>simple</h1>\n"
            }
        );
        assert!(reply.header("etag").starts_with("W/"));
    }
}

#[tokio::test]
async fn check_078_if_none_match() {
    let site = Site::new();
    let tag = site.get("/simple.html").await.header("etag").to_owned();
    let strong = tag.trim_start_matches("W/").to_owned();
    for (condition, status) in [
        (tag.clone(), 304),
        (strong, 304),
        ("*".to_owned(), 304),
        (format!("\"other\", {tag}"), 304),
        (format!("W/\"other\",{tag}"), 304),
        ("\"other\"".to_owned(), 200),
        ("W/\"\"".to_owned(), 200),
    ] {
        let reply = site
            .get_with("/simple.html", &[("if-none-match", &condition)])
            .await;
        assert_eq!(reply.status, status, "{condition}");
        assert_eq!(reply.body.is_empty(), status == 304);
        assert_eq!(reply.header("etag"), tag);
        assert_eq!(
            reply.header("cache-control"),
            "max-age=60, must-revalidate, public"
        );
    }
    // Whoever wants no copy gets none.
    let fresh = [("if-none-match", &*tag), ("cache-control", "no-cache")];
    assert_eq!(site.get_with("/simple.html", &fresh).await.status, 200);
    // The tag goes before the date.
    let now = http_date(SystemTime::now());
    let both = [("if-none-match", "\"other\""), ("if-modified-since", &*now)];
    assert_eq!(site.get_with("/simple.html", &both).await.status, 200);
}

#[tokio::test]
async fn check_079_a_missing_file_is_404_whatever_the_conditions() {
    let site = Site::new();
    let now = http_date(SystemTime::now());
    for headers in [
        &[][..],
        &[("if-modified-since", &*now)],
        &[("if-none-match", "*")],
        &[("range", "bytes=0-1")],
        &[("accept-encoding", "gzip")],
    ] {
        let reply = site.get_with("/missing.html", headers).await;
        assert_eq!(reply.status, 404, "{headers:?}");
        assert_eq!(reply.text(), "The requested file does not exist");
        assert_eq!(reply.header("content-type"), "text/html");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn check_080_no_file_stays_open() {
    let site = Site::new();
    let big = std::fs::File::create(site.path("public/big.bin")).unwrap();
    big.set_len(64 << 20).unwrap();
    let folder = site.folder.path().canonicalize().unwrap();
    let open = || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", site.server.pid())).unwrap();
        descriptors
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(&folder))
            .count()
    };
    // While it is sent it is open: the test can fail.
    let mut slow = crate::raw::Raw::with_small_window(site.server.address).await;
    slow.write("GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n").await;
    eventually("the open file", || open() == 1).await;
    // The reader goes away.
    drop(slow);
    eventually("the end of an answer that nobody reads", || open() == 0).await;

    let mut kept = web::Kept::connect(site.server.address).await;
    let tag = site.get("/simple.html").await.header("etag").to_owned();
    for _ in 0..20 {
        assert_eq!(kept.get("/simple.html").await.status, 200);
        let known = request("GET", "/simple.html").header("if-none-match", &tag);
        assert_eq!(kept.send(known, "").await.status, 304);
        assert_eq!(
            kept.send(request("HEAD", "/simple.html"), "").await.status,
            200
        );
        let part = request("GET", "/big.bin").header("range", "bytes=5-9");
        assert_eq!(kept.send(part, "").await.status, 206);
        let none = request("GET", "/simple.html").header("range", "bytes=999-");
        assert_eq!(kept.send(none, "").await.status, 416);
        assert_eq!(kept.get("/missing.html").await.status, 404);
    }
    let mut client = site.server.primus().await;
    client
        .request(json!({"event": "file", "file": "simple.html"}))
        .await;
    client
        .request(json!({"event": "file", "file": "big.bin"}))
        .await;
    // The connections are still there, and none of them holds a file.
    eventually("no open file", || open() == 0).await;
    assert_eq!(kept.get("/simple.html").await.status, 200);
}

#[tokio::test]
async fn check_099_a_post_to_a_missing_file_is_404() {
    let site = Site::new();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let wrong = request(method, "/missing.html").header("content-type", "application/json");
        let reply = web::send(site.server.address, wrong, "not json").await;
        assert_eq!(
            (reply.status, reply.text()),
            (404, "The requested file does not exist"),
            "{method}"
        );
        // For a file that is there, the method is what is wrong.
        let reply = web::send(site.server.address, request(method, "/simple.html"), "").await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, "GET, HEAD, OPTIONS"),
            "{method}"
        );
    }
}

#[tokio::test]
async fn names_are_decoded_once() {
    let site = Site::new();
    for path in [
        "/with%20space%20and%20%C3%A9.txt",
        "/public/with%20space%20and%20%c3%a9.txt",
        "/%77ith%20space%20and%20%C3%A9.txt",
    ] {
        assert_eq!(site.get(path).await.text(), "found", "{path}");
    }
    for path in [
        "/with+space+and+%C3%A9.txt",
        "/with%2520space%2520and%2520%C3%A9.txt",
    ] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_has_no_known_type_is_bytes() {
    let site = Site::new();
    let reply = site.get("/unknown.stellar").await;
    assert_eq!(reply.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn a_server_without_files_has_none() {
    let server = crate::support::Binary::serve(&[], "");
    for path in ["/index.html", "/public/", "/public/index.html"] {
        assert_eq!(web::get(server.address, path).await.status, 404, "{path}");
    }
    assert_eq!(web::get(server.address, "/api/status").await.status, 200);
}

#[tokio::test]
async fn a_missing_file_is_told_in_the_configured_words() {
    for (config, text) in [
        ("", "The requested file does not exist"),
        (
            "[errors]\noriginal_texts = true\n",
            "The requested file not exists",
        ),
        ("[errors.texts]\n\"010\" = \"gone\"\n", "gone"),
    ] {
        let site = Site::configured(config);
        let reply = site.get("/nothing.html").await;
        assert_eq!((reply.status, reply.text()), (404, text));
        assert_eq!(reply.header("content-length"), text.len().to_string());
    }
}
