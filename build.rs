//! Tells the program its version: with the commit that it was built from, if that is known, and its features.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let commit = commit(&root).unwrap_or_else(|| "unknown".into());
    let features = ["ws", "polling", "socketio", "tls", "mimalloc"].into_iter();
    let features: Vec<_> = features
        .filter(|name| {
            let variable = format!("CARGO_FEATURE_{}", name.to_uppercase());
            println!("cargo::rerun-if-env-changed={variable}");
            std::env::var_os(variable).is_some()
        })
        .collect();
    let features = match &features[..] {
        [] => "none".to_owned(),
        some => some.join(" "),
    };
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=STELLAR_VERSION={version} (commit {commit}, features: {features})");
}

/// The commit of a package or of a checkout, without help of git. What is not there is not watched: that would build
/// everything anew each time.
fn commit(root: &Path) -> Option<String> {
    let package = root.join(".cargo_vcs_info.json");
    if let Some(info) = read(&package) {
        let (_, hash) = info.split_once("\"sha1\"")?;
        return short(hash.split('"').nth(1)?);
    }
    let dot_git = root.join(".git");
    let git = if dot_git.is_dir() {
        dot_git
    } else {
        // A worktree: a file that names its folder.
        root.join(read(&dot_git)?.strip_prefix("gitdir:")?.trim())
    };
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.trim().strip_prefix("ref: ") else {
        return short(head.trim());
    };
    let common = match read(&git.join("commondir")) {
        Some(common) => git.join(common.trim()),
        None => git,
    };
    if let Some(hash) = read(&common.join(name)) {
        return short(hash.trim());
    }
    let packed = read(&common.join("packed-refs"))?;
    let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
    let (hash, _) = lines.find(|(_, known)| *known == name)?;
    short(hash)
}

fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    println!("cargo::rerun-if-changed={}", path.display());
    Some(text)
}

/// As git abbreviates it; `None` if it is none.
fn short(hash: &str) -> Option<String> {
    let is_hash = hash.len() >= 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| hash[..12].to_owned())
}
