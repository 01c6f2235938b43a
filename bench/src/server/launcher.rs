//! How each server is started, and which version of it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use tokio::process::Command;

use super::kind::Program;
use super::{Kind, Server};
use crate::client::Transport;
use crate::peer::Peer;

/// What the heap of a collected language holds when memory is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Garbage {
    /// As the runtime sees fit.
    Natural,
    /// Collected twice a second: the peers are measured without garbage.
    Collected,
}

/// Where the servers are.
#[derive(Debug)]
pub(crate) struct Launcher {
    binary: PathBuf,
    folder: &'static Path,
}

impl Launcher {
    /// Makes sure that everything `kinds` need is there.
    pub(crate) async fn prepare(binary: PathBuf, kinds: &[Kind]) -> Result<Self> {
        if kinds.contains(&Kind::Stellar) {
            ensure!(
                binary.is_file(),
                "no server at {}: run `cargo build --release` first, or name one with --server",
                binary.display()
            );
        }
        let launcher = Self {
            binary,
            folder: Path::new(env!("CARGO_MANIFEST_DIR")),
        };
        let mut packages = kinds.iter().flat_map(|kind| packages(*kind));
        if packages.any(|package| !launcher.package(package).is_dir()) {
            eprintln!("installing the peers with npm ci");
            let status = Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(launcher.peers())
                .stdout(Stdio::null())
                .status()
                .await
                .context("npm did not start: the peers need Node 20 or newer")?;
            ensure!(
                status.success(),
                "npm ci failed in {}",
                launcher.peers().display()
            );
        }
        Ok(launcher)
    }

    fn peers(&self) -> PathBuf {
        self.folder.join("peers")
    }

    fn package(&self, name: &str) -> PathBuf {
        self.peers().join("node_modules").join(name)
    }

    /// Starts a server with the doors of `transports` open. Those on Node have
    /// one thread, whatever `threads` says.
    pub(crate) async fn start(
        &self,
        kind: Kind,
        transports: &[Transport],
        garbage: Garbage,
        threads: usize,
    ) -> Result<Server> {
        let mut command = match kind.program() {
            Program::Ours => {
                let names: Vec<&str> = transports.iter().map(|t| t.name()).collect();
                let mut command = Command::new(&self.binary);
                command.args(["serve", "--demo", "--listen", "127.0.0.1:0"]);
                command.args(["--transport", &names.join(",")]);
                command
                    .arg("--config")
                    .arg(self.folder.join("stellar.toml"));
                command.env("TOKIO_WORKER_THREADS", threads.to_string());
                command
            }
            Program::Rust(peer) => {
                // Built with the generator, so that no second build can be forgotten.
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["peer", name_of(peer).as_str()]);
                command.args(["--threads", &threads.to_string()]);
                command
            }
            Program::Node(_) => {
                let mut command = Command::new("node");
                if garbage == Garbage::Collected {
                    command.arg("--expose-gc");
                }
                command.arg(self.peers().join(format!("{}.js", kind.name())));
                command.env("NODE_ENV", "production");
                command
            }
        };
        Server::spawn(&mut command, kind).await
    }

    /// The version of what `start` starts, for the report.
    pub(crate) async fn version(&self, kind: Kind) -> String {
        let version = match kind.program() {
            Program::Ours => first_line(Command::new(&self.binary).arg("--version")).await,
            Program::Rust(Peer::Floor) => Some("part of this benchmark".to_owned()),
            Program::Rust(Peer::Tungstenite) => self.crate_version("tokio-tungstenite"),
            Program::Rust(Peer::Fastwebsockets | Peer::Socketioxide) => {
                self.crate_version(kind.name())
            }
            Program::Node(packages) => {
                let versions = packages.iter().map(|package| self.package_version(package));
                let versions: Option<Vec<String>> = versions.collect();
                versions.map(|versions| format!("npm {}", versions.join(" on ")))
            }
        };
        version.unwrap_or_else(|| format!("{}, version unknown", kind.name()))
    }

    fn package_version(&self, package: &str) -> Option<String> {
        let manifest = std::fs::read_to_string(self.package(package).join("package.json")).ok()?;
        let version = quoted_after(&manifest, r#""version": ""#)?;
        Some(format!("{package} {version}"))
    }

    /// The locked version of a crate that this program is built with.
    fn crate_version(&self, name: &str) -> Option<String> {
        let lock = std::fs::read_to_string(self.folder.join("../Cargo.lock")).ok()?;
        let label = format!("name = \"{name}\"\nversion = \"");
        let version = quoted_after(&lock, &label)?;
        Some(format!("crate {name} {version}"))
    }
}

fn packages(kind: Kind) -> &'static [&'static str] {
    match kind.program() {
        Program::Node(packages) => packages,
        Program::Ours | Program::Rust(_) => &[],
    }
}

/// As the command line has it.
fn name_of(peer: Peer) -> String {
    peer.to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

fn quoted_after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    Some(text.split_once(label)?.1.split_once('"')?.0)
}

/// The first line that a command prints, if it succeeds.
pub(crate) async fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
