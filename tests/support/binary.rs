//! The real program as a child process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::ws::Client;

/// A running `stellar serve`. It is killed when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) address: SocketAddr,
    child: Child,
    /// What it said when it started.
    pub(crate) announcement: Vec<String>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<()>>,
    log: Log,
    _config: Option<tempfile::NamedTempFile>,
}

/// What a program that has ended left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Binary {
    /// `stellar serve --demo` on a free port.
    pub(crate) fn demo() -> Self {
        Self::serve(&["--demo"], "")
    }

    /// `stellar serve --demo` with the TOML text as its configuration file.
    pub(crate) fn configured(config: &str) -> Self {
        Self::serve(&["--demo"], config)
    }

    /// `stellar serve` on a free port with further arguments and, unless it is empty, a configuration file.
    pub(crate) fn serve(arguments: &[&str], config: &str) -> Self {
        Self::spawn(stellar(), arguments, config)
    }

    /// As [`serve`](Self::serve), started by a command of the caller's (such as a shell that sets limits first).
    /// It has to pass on the arguments that are added here.
    pub(crate) fn spawn(command: Command, arguments: &[&str], config: &str) -> Self {
        let (binary, lines) = Self::start(command, arguments, config);
        binary.announced(&lines)
    }

    /// As [`spawn`](Self::spawn), for a command that lets nobody hear what the program says. Its port is found all the
    /// same.
    pub(crate) fn spawn_unheard(command: Command, arguments: &[&str], config: &str) -> Self {
        let (mut binary, _) = Self::start(command, arguments, config);
        let deadline = Instant::now() + PATIENCE;
        while binary.address.port() == 0 {
            assert!(binary.is_running(), "it did not start");
            assert!(Instant::now() < deadline, "it does not listen");
            std::thread::sleep(Duration::from_millis(5));
            let port = listening_port(binary.pid()).unwrap_or(0);
            binary.address.set_port(port);
        }
        binary
    }

    fn start(
        mut command: Command,
        arguments: &[&str],
        config: &str,
    ) -> (Self, mpsc::Receiver<String>) {
        command.arg("serve");
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let config = (!config.is_empty()).then(|| write_config(config));
        if let Some(file) = &config {
            command.arg("--config").arg(file.path());
        }
        command.args(arguments);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");

        let (said, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let stdout = std::thread::spawn(move || {
            let mut all = String::new();
            for line in stdout.lines().map_while(Result::ok) {
                all.push_str(&line);
                all.push('\n');
                // Nobody listens any more once the server has told its address.
                let _ = said.send(line);
            }
            all
        });
        let log = Log::default();
        let stderr = log.read(child.stderr.take().expect("it is piped"));
        let binary = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
            announcement: Vec::new(),
            stdout: Some(stdout),
            stderr: Some(stderr),
            log,
            _config: config,
        };
        (binary, lines)
    }

    /// Reads up to the last line of the announcement, the one about the file limit.
    fn announced(mut self, lines: &mpsc::Receiver<String>) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = lines.recv_timeout(left) else {
                let _ = self.child.kill();
                let _ = self.stderr.take().map(JoinHandle::join);
                panic!("the program did not announce itself: {}", self.log.text());
            };
            // For machines it is one line.
            let is_last = line.trim_start().starts_with("file limit") || line.starts_with('{');
            self.announcement.push(line);
            if is_last {
                break;
            }
        }
        let address = self.announcement.iter().find_map(|line| {
            let (_, address) = line.split_once("://")?;
            address.split('/').next()?.parse().ok()
        });
        self.address = address.expect("the announcement names http://<address>:<port>/");
        self
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// A client on `/primus` that has been greeted.
    pub(crate) async fn primus(&self) -> Client {
        Client::greeted(self.address, "/primus").await
    }

    /// A client on `/ws` that has been greeted.
    pub(crate) async fn plain(&self) -> Client {
        Client::greeted(self.address, "/ws").await
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.pid())])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot signal");
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub(crate) async fn finished(mut self) -> Finished {
        let code = wait(&mut self.child).await;
        let stdout = self.stdout.take().expect("it is taken once");
        let stderr = self.stderr.take().expect("it is taken once");
        stderr.join().expect("the reader does not panic");
        Finished {
            code,
            stdout: stdout.join().expect("the reader does not panic"),
            stderr: self.log.text(),
        }
    }
}

/// Standard error, line by line as it comes.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    /// Reads on a thread of its own, so that a full pipe never holds up the program.
    fn read(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let mut text = log.0.lock().expect("no reader panics");
                text.push_str(&line);
                text.push('\n');
            }
        })
    }

    fn text(&self) -> String {
        self.0.lock().expect("no reader panics").clone()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port that a process listens on, as the system knows it: a socket in state 0A among its files.
fn listening_port(pid: u32) -> Option<u16> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let own: Vec<_> = links
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_own = fields.get(3) == Some(&"0A") && own.iter().any(|it| it == fields[9]);
        let (_, port) = fields.get(1).filter(|_| is_own)?.split_once(':')?;
        u16::from_str_radix(port, 16).ok()
    })
}

/// The program, without arguments.
pub(crate) fn stellar() -> Command {
    Command::new(env!("CARGO_BIN_EXE_stellar"))
}

/// A configuration file that is removed with the returned value.
pub(crate) fn write_config(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".toml").tempfile();
    let file = file.expect("a temporary file can be made");
    std::fs::write(file.path(), text).expect("a temporary file can be written");
    file
}

/// Runs the program to its end.
pub(crate) async fn run(arguments: &[&str]) -> Finished {
    let mut child = stellar()
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let stdout = read_all(child.stdout.take().expect("it is piped"));
    let stderr = read_all(child.stderr.take().expect("it is piped"));
    let code = wait(&mut child).await;
    Finished {
        code,
        stdout: stdout.join().expect("the reader does not panic"),
        stderr: stderr.join().expect("the reader does not panic"),
    }
}

/// Reads on a thread of its own, so that a full pipe never holds up the program.
fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        // What is not text ends the reading; the test then misses it and says so.
        let _ = from.read_to_string(&mut text);
        text
    })
}

async fn wait(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code();
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            panic!("the program did not end within {:?}", 2 * PATIENCE);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
