//! The servers under test. A running one is a process of its own; `launcher`
//! knows how each is started, `kind` what there is.

mod kind;
mod launcher;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) use self::kind::Kind;
pub(crate) use self::launcher::{Garbage, Launcher, first_line};
use crate::client::{Door, Transport};

const START_LIMIT: Duration = Duration::from_secs(15);

/// What a failure shows of the server's output.
const KEPT_LINES: usize = 12;

const PAGE: &str = "http://127.0.0.1:";

/// A running server, killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) pid: u32,
    kind: Kind,
    address: SocketAddr,
    output: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    async fn spawn(command: &mut Command, kind: Kind) -> Result<Self> {
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
                kind,
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                output,
            }),
            Err(error) => Err(anyhow!("{error}; {}", shown(&output))),
        }
    }

    /// Where it lets clients of `transport` in.
    pub(crate) fn door(&self, transport: Transport) -> Result<Door> {
        let path = self
            .kind
            .path(transport)
            .with_context(|| format!("{} has no {}", self.kind.name(), transport.name()))?;
        Ok(Door {
            address: self.address,
            transport,
            path,
        })
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
