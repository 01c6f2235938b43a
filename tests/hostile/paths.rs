//! Files outside of the public folder, asked for by the verb `file`. HTTP has the same corpus in its own tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::Arena;
use crate::support::{Binary, Client};

/// A public folder, and what lies around it.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["public", "public/sub", "public-old", "config"] {
            std::fs::create_dir(site.path(name)).unwrap();
        }
        for (name, content) in [
            ("public/simple.html", "public"),
            ("public/sub/deep.txt", "public"),
            ("public-old/secret.txt", "secret"),
            ("config/config.json", "secret"),
            ("secret.txt", "secret"),
        ] {
            std::fs::write(site.path(name), content).unwrap();
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn arena(&self, config: &str) -> Arena {
        let public = self.path("public");
        let server = Binary::serve(&["--demo", "--public", public.to_str().unwrap()], config);
        Arena::around(server).await
    }
}

async fn file(client: &mut Client, name: &str) -> serde_json::Value {
    client.request(json!({"event": "file", "file": name})).await
}

async fn is_missing(client: &mut Client, name: &str) {
    let mut answer = file(client, name).await;
    let number = answer["messageCount"].take();
    assert!(number.is_number());
    // One and the same answer, so that nothing about the outside is told.
    let expected = json!({
        "error": {"code": "010", "message": "The requested file does not exist"},
        "content": null,
        "mime": "text/html",
        "length": 33,
        "context": "response",
        "messageCount": null,
    });
    assert_eq!(answer, expected, "{name:?}");
}

fn link(target: impl AsRef<Path>, name: PathBuf) {
    std::os::unix::fs::symlink(target, name).unwrap();
}

#[tokio::test]
async fn no_name_leads_out_of_the_public_folder() {
    let site = Site::new();
    let mut arena = site.arena("").await;
    let mut client = arena.server.primus().await;
    assert_eq!(file(&mut client, "simple.html").await["content"], "public");
    let outside = site.path("secret.txt");
    let sibling = site.path("public-old/secret.txt");
    let inside = site.path("public/simple.html");
    for name in [
        "../secret.txt",
        "../config/config.json",
        "/../secret.txt",
        "sub/../../secret.txt",
        "./../secret.txt",
        "sub/../../public-old/secret.txt",
        "../public-old/secret.txt",
        "..\\secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "%252e%252e%252fsecret.txt",
        "..%c0%afsecret.txt",
        "..;/secret.txt",
        "....//secret.txt",
        ".../secret.txt",
        "..\u{0}/secret.txt",
        "../secret.txt\u{0}.html",
        "simple.html\u{0}",
        "..\u{2044}secret.txt",
        "..\u{ff0f}secret.txt",
        "file:///etc/passwd",
        "file://../secret.txt",
        "~/.profile",
        "/etc/passwd",
        "//etc/passwd",
        "///etc///passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/dev/stdin",
        "C:\\secret.txt",
        "\\\\host\\share",
        "-old/secret.txt",
        "../public/../secret.txt",
        "../public/simple.html",
        ".",
        "..",
        "/",
        "",
        "sub",
        "sub/",
        "simple.html/",
        "simple.html/.",
        "simple.html/..",
        "simple.html/../../secret.txt",
        outside.to_str().unwrap(),
        sibling.to_str().unwrap(),
        // Where the folder is is nobody's business.
        inside.to_str().unwrap(),
        &inside.to_str().unwrap()[1..],
    ] {
        is_missing(&mut client, name).await;
    }
    is_missing(&mut client, &"../".repeat(10_000)).await;
    is_missing(&mut client, &"a/".repeat(10_000)).await;
    is_missing(&mut client, &"a".repeat(100_000)).await;
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn links_out_of_the_folder_are_followed_only_if_they_may_be() {
    let site = Site::new();
    link("../secret.txt", site.path("public/link.txt"));
    link("..", site.path("public/up"));
    link("simple.html", site.path("public/inside.html"));
    link("loop", site.path("public/loop"));
    link(".", site.path("public/self"));

    std::fs::write(site.path("public/.env"), "secret").unwrap();
    link(".env", site.path("public/env"));

    let arena = site.arena("[web]\nfollow_links = true\n").await;
    let mut client = arena.server.primus().await;
    assert_eq!(file(&mut client, "link.txt").await["content"], "secret");
    assert_eq!(file(&mut client, "inside.html").await["content"], "public");
    is_missing(&mut client, "loop").await;
    arena.survives().await;

    let arena = site.arena("").await;
    let mut client = arena.server.primus().await;
    assert_eq!(file(&mut client, "inside.html").await["content"], "public");
    assert_eq!(
        file(&mut client, "self/self/simple.html").await["content"],
        "public"
    );
    for name in [
        "link.txt",
        "up/secret.txt",
        "up/public-old/secret.txt",
        "loop",
        "self/link.txt",
        "env",
        "self/env",
    ] {
        is_missing(&mut client, name).await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_opened() {
    let site = Site::new();
    link("/dev/zero", site.path("public/zero"));
    link("/dev/stdin", site.path("public/stdin"));
    let made = Command::new("mkfifo")
        .arg(site.path("public/pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(site.path("public/socket")).unwrap();
    let mut arena = site.arena("").await;
    let mut client = arena.server.primus().await;
    for name in ["zero", "pipe", "socket", "stdin"] {
        is_missing(&mut client, name).await;
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_huge_file_is_refused_before_it_is_in_memory() {
    let site = Site::new();
    let huge = std::fs::File::create(site.path("public/huge.bin")).unwrap();
    // A hole: it takes no place on the disk.
    huge.set_len(8 << 30).unwrap();
    std::fs::write(site.path("public/limit.txt"), "x".repeat(1000)).unwrap();
    std::fs::write(site.path("public/over.txt"), "x".repeat(1001)).unwrap();
    let mut arena = site.arena("[limits]\nmax_file_bytes = 1000\n").await;
    let mut client = arena.server.primus().await;
    let before = arena.memory();
    assert_eq!(file(&mut client, "limit.txt").await["length"], 1000);
    for name in ["over.txt", "huge.bin"] {
        let answer = file(&mut client, name).await;
        assert_eq!(answer["error"]["code"], "011", "{answer}");
        assert_eq!(answer["content"], json!(null));
        let told = answer.to_string();
        assert!(
            !told.contains(site.folder.path().to_str().unwrap()),
            "{told}"
        );
    }
    arena.serves().await;
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < 4096, "{grown} kB");
    arena.survives().await;
}
