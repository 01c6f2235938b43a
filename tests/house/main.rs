//! Rules about this repository, as ordinary tests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// Which clients are held to what.
mod conformance;
/// What may be depended on.
mod dependencies;
/// What is published.
mod package;
/// What texts refer to.
mod references;
/// Which test shows what.
mod reliability;
/// What tables say.
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !matches!(&*name, "node_modules" | "target") && !name.starts_with('.') {
                found.extend(files(&path, ending));
            }
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// A file of the repository.
fn text(file: &str) -> String {
    let text = fs::read_to_string(root().join(file));
    text.unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A page that is written by a test. With `UPDATE` it is written anew.
fn assert_fresh(file: &str, test: &str, page: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join(file), page).unwrap();
    }
    let known = fs::read_to_string(root().join(file)).unwrap_or_default();
    let again = format!("UPDATE=1 cargo nextest run --test house {test}");
    assert!(known == page, "{file} is stale: {again}");
}

/// The code of a file, without comments.
fn code(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn bus_rooms_and_actions_name_no_transport() {
    let src = root().join("src");
    let mut rooms = files(&src.join("engine"), ".rs");
    rooms.extend(files(&src.join("app/action"), ".rs"));
    for file in [
        "chat.rs",
        "verbs.rs",
        "lane.rs",
        "packet.rs",
        "reply.rs",
        "middleware.rs",
        "handler.rs",
    ] {
        rooms.push(src.join("app").join(file));
    }
    let words = [
        "websocket",
        "polling",
        "socketio",
        "socket.io",
        "tungstenite",
        "engineio",
        "engine.io",
        "\"ws\"",
        "::ws::",
    ];
    for path in rooms {
        let code = code(&path).to_lowercase();
        for word in words {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn rooms_and_hub_know_no_http() {
    for file in ["hub.rs", "room.rs", "spark.rs"] {
        let code = code(&root().join("src/engine").join(file));
        assert!(
            !code.contains("http::") && !code.contains("hyper"),
            "{file} knows HTTP"
        );
    }
}

#[test]
fn transports_know_nothing_above_them() {
    let manifest = fs::read_to_string(root().join("transports/Cargo.toml")).unwrap();
    assert!(
        !manifest.contains("stellar-realtime"),
        "the crate must not depend on the engine"
    );
    for path in files(&root().join("transports/src"), ".rs") {
        let code = code(&path);
        for word in ["roomAdd", "detailsView", "struct Room", "struct Action"] {
            assert!(!code.contains(word), "{} knows {word}", path.display());
        }
    }
}

#[test]
fn files_stay_readable() {
    let mut all = files(&root().join("src"), ".rs");
    all.extend(files(&root().join("transports"), ".rs"));
    all.extend(files(&root().join("tests"), ".rs"));
    all.extend(files(&root().join("client-js/src"), ".js"));
    for path in all {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= 800,
            "{} has {lines} lines: split it by concern",
            path.display()
        );
    }
}

#[test]
fn every_transport_has_its_row_and_its_suite() {
    let readme = fs::read_to_string(root().join("transports/README.md")).unwrap();
    for entry in stellar::transports::REGISTRY {
        assert!(
            readme.contains(&format!("| `{}` |", entry.name)),
            "{} has no row",
            entry.name
        );
        if entry.build.is_some() {
            let suite = root().join(format!("tests/conformance/{}.rs", entry.name));
            assert!(
                suite.is_file(),
                "{} is not held to the conformance suite",
                entry.name
            );
        }
    }
}

#[test]
fn the_first_command_of_the_readme_means_the_server() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("cargo run --release -- serve --demo"));
    let cargo = std::process::Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--", "--version"])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&cargo.stdout).into_owned();
    let errors = String::from_utf8_lossy(&cargo.stderr);
    assert!(said.starts_with("stellar "), "{said}{errors}");
}

#[test]
fn architecture_is_short() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 250);
}
