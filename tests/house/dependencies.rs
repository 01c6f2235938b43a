//! What the lock file may hold.

use std::fs;

use toml::{Table, Value};

use super::root;

fn read(file: &str) -> Table {
    let text = fs::read_to_string(root().join(file)).unwrap();
    toml::from_str(&text).unwrap()
}

/// The packages of the lock file: name, version and source. Our own have no source.
fn locked() -> Vec<(String, String, Option<String>)> {
    let lock = read("Cargo.lock");
    let text = |package: &Value, key: &str| package.get(key)?.as_str().map(ToOwned::to_owned);
    let packages = lock["package"].as_array().unwrap().iter();
    packages
        .map(|it| {
            let name = text(it, "name").unwrap();
            (name, text(it, "version").unwrap(), text(it, "source"))
        })
        .collect()
}

#[test]
fn what_must_be_one_is_there_in_one_version() {
    let locked = locked();
    let deny = read("deny.toml");
    let bans = deny["bans"]["deny"].as_array().unwrap();
    let is_single = |ban: &&Value| ban["deny-multiple-versions"].as_bool() == Some(true);
    let singles: Vec<_> = bans.iter().filter(is_single).collect();
    assert!(singles.len() > 4, "{singles:?}");
    for single in singles {
        let name = single["crate"].as_str().unwrap();
        let versions: Vec<_> = locked
            .iter()
            .filter(|(it, ..)| it == name)
            .map(|(_, version, _)| version)
            .collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}

#[test]
fn everything_comes_from_the_one_registry() {
    for (name, _, source) in locked() {
        let is_known = source
            .as_deref()
            .is_none_or(|it| it == "registry+https://github.com/rust-lang/crates.io-index");
        assert!(is_known, "{name} comes from {source:?}");
    }
}
