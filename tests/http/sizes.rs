//! What the README says of the scripts is so.

use crate::support::Binary;
use crate::web::{request, send};

/// Rows such as ``| `/stellar-client` | 6.1 KB |`` of the README: URL and size.
fn rows() -> Vec<(String, f64)> {
    let readme = include_str!("../../README.md");
    let rows = readme.lines().filter_map(|line| {
        let (url, rest) = line.strip_prefix("| `/")?.split_once("` | ")?;
        let size = rest.strip_suffix(" KB |")?.parse().ok()?;
        Some((format!("/{url}"), size))
    });
    rows.collect()
}

#[tokio::test]
async fn the_readme_tells_the_size_of_each_script() {
    let server = Binary::serve(&[], "");
    let rows = rows();
    assert!(rows.len() >= 8, "{rows:?}");
    let mut wrong = Vec::new();
    for (url, said) in rows {
        let request = request("GET", &url).header("accept-encoding", "gzip");
        let reply = send(server.address, request, "").await;
        assert_eq!(
            (reply.status, reply.header("content-encoding")),
            (200, "gzip"),
            "{url}"
        );
        // Whoever changes the scripts does not have to come here for every byte.
        let size = f64::from(u32::try_from(reply.body.len()).unwrap()) / 1000.0;
        if (size - said).abs() > 0.35 {
            wrong.push(format!("{url}: {size:.1} KB, and not {said}"));
        }
    }
    assert!(wrong.is_empty(), "in README.md: {wrong:#?}");
}

#[tokio::test]
async fn every_script_says_what_it_is_and_under_which_licence() {
    let server = Binary::serve(&[], "");
    let version = env!("CARGO_PKG_VERSION");
    for (url, _) in rows() {
        let script = send(server.address, request("GET", &url), "").await;
        let name = match url.starts_with("/primus/") {
            true => "Stellar client for Primus",
            false => "Stellar client",
        };
        let first = script.text().lines().next().unwrap().to_owned();
        assert_eq!(first, format!("/*! {name} {version} | MIT */"), "{url}");
    }
}
