//! The server, executed by valgrind.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

const PAGE: &str = "http://";

/// A running server whose instructions are counted.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    counts: PathBuf,
}

impl Server {
    /// Starts it on one thread, as the benchmark does.
    pub(crate) fn start(program: &Path, transport: &str) -> Result<Self> {
        ensure!(program.is_file(), "no server at {}", program.display());
        let counts = std::env::temp_dir().join(format!("stellar-count.{}", std::process::id()));
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stellar.toml");
        let mut child = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet", "--fair-sched=yes"])
            .arg(format!("--callgrind-out-file={}", counts.display()))
            .arg(program)
            .args(["serve", "--demo", "--listen", "127.0.0.1:0"])
            .args(["--transport", transport, "--config"])
            .arg(config)
            .env("TOKIO_WORKER_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("valgrind did not start (Debian: apt-get install valgrind)")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let stderr = child.stderr.take().context("no stderr")?;
        let (sender, lines) = std::sync::mpsc::channel();
        for output in [
            Box::new(stdout) as Box<dyn std::io::Read + Send>,
            Box::new(stderr),
        ] {
            let sender = sender.clone();
            // Read to the end: a full pipe would stop the server.
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _nobody_listens = sender.send(line);
                }
            });
        }
        drop(sender);
        let mut printed = Vec::new();
        // It ends with the process.
        for line in lines {
            if let Some(address) = address_in(&line) {
                return Ok(Self {
                    child,
                    address,
                    counts,
                });
            }
            printed.push(line);
        }
        let _status = child.wait();
        anyhow::bail!("the server did not start: {}", printed.join(" | "))
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and gives how many instructions it took from start to end.
    pub(crate) fn stop(mut self) -> Result<u64> {
        let kill = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        ensure!(kill.success(), "the server was gone before its end");
        let status = self.child.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        let counts = std::fs::read_to_string(&self.counts).context("valgrind wrote no counts")?;
        let total = counts
            .lines()
            .filter_map(|line| {
                line.strip_prefix("totals: ")
                    .or_else(|| line.strip_prefix("summary: "))
            })
            .find_map(|total| total.trim().parse().ok());
        total.context("valgrind wrote no total")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has ended, as it should have.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
        let _removed = std::fs::remove_file(&self.counts);
    }
}

/// The address in the line that names the demo's page.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(PAGE)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
    rest[..end.unwrap_or(rest.len())].parse().ok()
}
