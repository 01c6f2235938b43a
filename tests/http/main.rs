//! HTTP, as clients see it: actions, files, the client script, and what operators ask.
//!
//! Tests that stand for one of the numbered black-box checks carry its number. What belongs where:
//!
//! * `api`: calling actions, params, answers. `jsonp`, `uploads`, `routes`: these parts of it.
//! * `connections`: what an action sees of an HTTP request. `identity`: who asks, by cookie and by proxy.
//! * `files`: the public folder; `ranges`: parts of files; `traversal`: what lies outside of it.
//! * `script`: the generated client. `operations`: health and metrics. `doors`: where realtime clients come in.
//! * `landing`: the page of a server that has no files.
//! * `service`: all of it in an HTTP server of somebody else's. `tls`: all of it over HTTPS; `tls_sessions`: coming
//!   back there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/raw.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod raw;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod web;

mod api;
mod connections;
mod doors;
mod files;
mod identity;
mod jsonp;
mod landing;
mod operations;
mod ranges;
mod routes;
mod script;
mod service;
mod sizes;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_sessions;
mod traversal;
mod uploads;

use std::path::PathBuf;

use support::Binary;
use tempfile::TempDir;

/// A small image: a signature and bytes that are no text.
const IMAGE: &[u8] = b"\x89PNG\r\n\x1a\n\0\xff\xfe\x80 not really an image";

/// A public folder, what lies around it, and the program that serves it.
struct Site {
    folder: TempDir,
    server: Binary,
}

impl Site {
    fn new() -> Self {
        Self::configured("")
    }

    fn configured(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["public/images", "public/empty", "public-old", "config"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let files: [(&str, &[u8]); 9] = [
            ("public/index.html", b"<h1>the index</h1>\n"),
            ("public/simple.html", b"<h1>simple</h1>\n"),
            ("public/images/index.html", b"<h1>images</h1>\n"),
            ("public/images/logo.png", IMAGE),
            ("public/with space and é.txt", b"found"),
            ("public/unknown.stellar", b"?"),
            ("public-old/secret.txt", b"secret"),
            ("config/config.json", b"secret"),
            ("secret.txt", b"secret"),
        ];
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let public = folder.path().join("public");
        let server = Binary::serve(&["--demo", "--public", public.to_str().unwrap()], config);
        Self { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn get(&self, path: &str) -> web::Reply {
        web::get(self.server.address, path).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> web::Reply {
        let request = headers
            .iter()
            .fold(web::request("GET", path), |request, (name, value)| {
                request.header(*name, *value)
            });
        web::send(self.server.address, request, "").await
    }
}
