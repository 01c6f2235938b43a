//! The servers under test: how each is started, found and stopped.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::{Door, Transport};

const START_LIMIT: Duration = Duration::from_secs(15);

/// What a failure shows of the server's output.
const KEPT_LINES: usize = 12;

const PAGE: &str = "http://127.0.0.1:";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Stellar,
    Ws,
    Primus,
    Engineio,
    PrimusEngineio,
    Socketio,
    Socketioxide,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Stellar,
        Self::Ws,
        Self::Primus,
        Self::Engineio,
        Self::PrimusEngineio,
        Self::Socketio,
        Self::Socketioxide,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stellar => "stellar",
            Self::Ws => "ws",
            Self::Primus => "primus",
            Self::Engineio => "engineio",
            Self::PrimusEngineio => "primus-engineio",
            Self::Socketio => "socketio",
            Self::Socketioxide => "socketioxide",
        }
    }

    /// The path on which it lets clients in, if it has the transport.
    fn path(self, transport: Transport) -> Option<&'static str> {
        match (self, transport) {
            (Self::Stellar | Self::Ws | Self::Primus, Transport::Ws) => Some("/primus"),
            (Self::Stellar | Self::Engineio, Transport::Polling) => Some("/engine.io/"),
            (Self::PrimusEngineio, Transport::Polling) => Some("/primus/"),
            (Self::Stellar | Self::Socketio | Self::Socketioxide, Transport::Socketio) => {
                Some("/socket.io/")
            }
            _ => None,
        }
    }

    pub(crate) fn has(self, transport: Transport) -> bool {
        self.path(transport).is_some()
    }

    /// The npm packages that it is made of.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Stellar | Self::Socketioxide => &[],
            Self::Ws => &["ws"],
            Self::Primus => &["primus"],
            Self::Engineio => &["engine.io"],
            Self::PrimusEngineio => &["primus", "engine.io"],
            Self::Socketio => &["socket.io"],
        }
    }
}

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
    peers: PathBuf,
}

impl Launcher {
    /// Makes sure that everything `kinds` need is there.
    pub(crate) async fn prepare(binary: PathBuf, kinds: &[Kind]) -> Result<Self> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        if kinds.contains(&Kind::Stellar) {
            ensure!(
                binary.is_file(),
                "no server at {}: run `cargo build --release` first, or name one with --server",
                binary.display()
            );
        }
        let modules = peers.join("node_modules");
        let mut packages = kinds.iter().flat_map(|kind| kind.packages());
        if packages.any(|package| !modules.join(package).is_dir()) {
            eprintln!("installing the peers with npm ci");
            let status = Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&peers)
                .stdout(Stdio::null())
                .status()
                .await
                .context("npm did not start: the peers need Node 20 or newer")?;
            ensure!(status.success(), "npm ci failed in {}", peers.display());
        }
        Ok(Self { binary, peers })
    }

    pub(crate) async fn start(
        &self,
        kind: Kind,
        transport: Transport,
        garbage: Garbage,
    ) -> Result<Server> {
        let path = kind
            .path(transport)
            .with_context(|| format!("{} has no {}", kind.name(), transport.name()))?;
        let mut command = match kind {
            Kind::Stellar => {
                let mut command = Command::new(&self.binary);
                command.args(["serve", "--demo", "--transport", transport.name()]);
                command.args(["--listen", "127.0.0.1:0"]);
                command
            }
            Kind::Socketioxide => {
                // Built with the generator, so that no second build can be forgotten.
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("peer");
                command
            }
            Kind::Ws | Kind::Primus | Kind::Engineio | Kind::PrimusEngineio | Kind::Socketio => {
                let mut command = Command::new("node");
                if garbage == Garbage::Collected {
                    command.arg("--expose-gc");
                }
                command.arg(self.peers.join(format!("{}.js", kind.name())));
                command.env("NODE_ENV", "production");
                command
            }
        };
        Server::spawn(&mut command, transport, path).await
    }

    /// The version of what `start` starts, for the report.
    pub(crate) async fn version(&self, kind: Kind) -> String {
        let version = match kind {
            Kind::Stellar => first_line(Command::new(&self.binary).arg("--version")).await,
            Kind::Socketioxide => crate_version("socketioxide"),
            _ => {
                let versions: Option<Vec<String>> = kind
                    .packages()
                    .iter()
                    .map(|package| self.package_version(package))
                    .collect();
                versions.map(|versions| format!("npm {}", versions.join(" on ")))
            }
        };
        version.unwrap_or_else(|| format!("{}, version unknown", kind.name()))
    }

    fn package_version(&self, package: &str) -> Option<String> {
        let folder = self.peers.join("node_modules").join(package);
        let manifest = std::fs::read_to_string(folder.join("package.json")).ok()?;
        let version = quoted_after(&manifest, r#""version": ""#)?;
        Some(format!("{package} {version}"))
    }
}

/// The locked version of a crate that this program is built with.
fn crate_version(name: &str) -> Option<String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = std::fs::read_to_string(lock).ok()?;
    let label = format!("name = \"{name}\"\nversion = \"");
    Some(format!("crate {}", quoted_after(&lock, &label)?))
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

/// A running server, killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) pid: u32,
    pub(crate) door: Door,
    output: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    async fn spawn(
        command: &mut Command,
        transport: Transport,
        path: &'static str,
    ) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{:?} did not start", command.as_std().get_program()))?;
        let pid = child.id().context("the server has no process id")?;

        let output = Arc::new(Mutex::new(VecDeque::new()));
        let (found, mut ports) = mpsc::channel(1);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(drain(stdout, Arc::clone(&output), found.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(drain(stderr, Arc::clone(&output), found));
        }

        // Both readers end with the process: the channel closes if it exits.
        let port = match timeout(START_LIMIT, ports.recv()).await {
            Ok(Some(port)) => Ok(port),
            Ok(None) => Err(anyhow!("the server ended before it printed {PAGE}PORT")),
            Err(_) => Err(anyhow!("the server did not print {PAGE}PORT within 15 s")),
        };
        match port {
            Ok(port) => Ok(Self {
                child,
                pid,
                door: Door {
                    address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                    transport,
                    path,
                },
                output,
            }),
            Err(error) => Err(anyhow!("{error}; {}", shown(&output))),
        }
    }

    /// Adds to an error whether the server ended and what it printed last.
    pub(crate) async fn explain(mut self, error: anyhow::Error) -> anyhow::Error {
        /// From the end of its connections to the end of a process.
        const LAST_MOMENTS: Duration = Duration::from_millis(300);

        let state = match timeout(LAST_MOMENTS, self.child.wait()).await {
            Ok(Ok(status)) => format!("the server ended with {status}; "),
            Ok(Err(_)) | Err(_) => String::new(),
        };
        anyhow!("{error:#}; {state}{}", shown(&self.output))
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server ended by itself with {status}");
        }
        self.child.kill().await.context("the server did not stop")
    }
}

fn shown(output: &Mutex<VecDeque<String>>) -> String {
    let lines = output.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.is_empty() {
        return "it printed nothing".to_owned();
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    format!("it printed last: {}", lines.join(" | "))
}

/// Reads a server's output to its end, so that it never blocks on a full pipe.
async fn drain(
    output: impl AsyncRead + Unpin,
    kept: Arc<Mutex<VecDeque<String>>>,
    found: mpsc::Sender<u16>,
) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(port) = port_of_page(&line) {
            // Only the first is waited for; later ones find the channel full.
            let _ = found.try_send(port);
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

fn port_of_page(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once(PAGE)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_inside_a_line() {
        assert_eq!(port_of_page("http://127.0.0.1:8080"), Some(8080));
        assert_eq!(
            port_of_page("demo page: \u{1b}[1mhttp://127.0.0.1:41234/\u{1b}[0m"),
            Some(41234)
        );
        assert_eq!(port_of_page("listening on 127.0.0.1:80"), None);
        assert_eq!(port_of_page("http://127.0.0.1:0"), None);
    }
}
