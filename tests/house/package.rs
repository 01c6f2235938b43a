//! What is published: everything that building needs, and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{files, root};

/// What `cargo package` takes from the folder of a package.
fn listed(package: &str) -> Vec<String> {
    let cargo = Command::new(env!("CARGO"))
        .args([
            "package",
            "--list",
            "--allow-dirty",
            "--offline",
            "-p",
            package,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&cargo.stderr);
    assert!(cargo.status.success(), "{errors}");
    let list = String::from_utf8(cargo.stdout).unwrap();
    list.lines().map(|line| line.replace('\\', "/")).collect()
}

/// The files that a source file brings in by `include_str!` and `include_bytes!`, below `folder`.
fn included(source: &Path, folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(source).unwrap();
    let calls = text.split("include_str!(\"").skip(1);
    let calls = calls.chain(text.split("include_bytes!(\"").skip(1));
    calls
        .map(|rest| {
            let name = rest.split('"').next().unwrap();
            let path = source.parent().unwrap().join(name);
            let path = path.canonicalize().unwrap();
            let path = path.strip_prefix(folder).unwrap();
            path.to_string_lossy().replace('\\', "/")
        })
        .collect()
}

#[test]
fn each_package_is_whole_and_carries_nothing_else() {
    let root = root().canonicalize().unwrap();
    let by_cargo = [
        "Cargo.toml",
        "Cargo.toml.orig",
        "Cargo.lock",
        ".cargo_vcs_info.json",
    ];
    let app = [
        "build.rs",
        "src/",
        "client-js/dist/",
        "client-js/wrap/",
        "examples/",
        "docs/",
        "stellar.toml",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
    ];
    let transports = ["src/", "README.md", "LICENSE"];
    for (package, folder, allowed) in [
        ("stellar-realtime", root.clone(), &app[..]),
        ("stellar-transports", root.join("transports"), &transports),
    ] {
        let listed = listed(package);
        for file in &listed {
            let is_allowed = allowed
                .iter()
                .any(|prefix| file == prefix || prefix.ends_with('/') && file.starts_with(prefix));
            assert!(
                is_allowed || by_cargo.contains(&&**file),
                "{package} carries {file}"
            );
        }
        let mut needed = vec!["README.md".to_owned(), "LICENSE".to_owned()];
        for source in files(&folder.join("src"), ".rs") {
            needed.extend(included(&source, &folder));
            let path = source.strip_prefix(&folder).unwrap();
            needed.push(path.to_string_lossy().replace('\\', "/"));
        }
        assert!(needed.len() > 20, "{needed:?}");
        for file in needed {
            assert!(listed.contains(&file), "{package} lacks {file}");
        }
    }
    let licences = ["LICENSE", "transports/LICENSE"].map(|path| fs::read(root.join(path)).unwrap());
    assert_eq!(licences[0], licences[1]);
}
