//! More downloads than the system has files: refused as such, and nobody is told that a file is not there.

use std::process::Command;

use crate::Arena;
use crate::raw::Raw;
use crate::support::binary::stellar;
use crate::support::{Binary, eventually, within};

/// Files that the process may have open.
const FILES: usize = 264;

/// A public folder with a file that fits into no socket, and one that does.
struct Site {
    folder: tempfile::TempDir,
    arena: Arena,
}

impl Site {
    async fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let large = std::fs::File::create(folder.path().join("large.bin")).unwrap();
        large.set_len(64 << 20).unwrap();
        std::fs::write(folder.path().join("small.txt"), "small").unwrap();
        std::fs::write(folder.path().join("page.txt"), "x".repeat(60_000)).unwrap();
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -n {FILES}; exec \"$0\" \"$@\"");
        shell.args(["-c", &limited]).arg(stellar().get_program());
        let public = folder.path().to_str().unwrap().to_owned();
        let server = Binary::spawn(shell, &["--demo", "--public", &public], config);
        Self {
            arena: Arena::around(server).await,
            folder,
        }
    }

    /// How many files of the folder the server has open.
    fn open_files(&self) -> usize {
        let folder = self.folder.path().canonicalize().unwrap();
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.arena.server.pid())).unwrap();
        files
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(&folder))
            .count()
    }

    async fn sockets(&self, count: usize) -> Vec<Raw> {
        let mut sockets = Vec::new();
        for _ in 0..count {
            sockets.push(Raw::with_small_window(self.arena.address()).await);
        }
        sockets
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// Asks for the large file on each of these. Returns those that get it, and those that are told to try again.
async fn begin(mut sockets: Vec<Raw>) -> (Vec<Raw>, Vec<Raw>) {
    let (mut loading, mut refused) = (Vec::new(), Vec::new());
    for socket in &mut sockets {
        socket.write(get("/large.bin")).await;
    }
    for mut socket in sockets {
        let head = socket.head().await;
        match head.status {
            200 => loading.push(socket),
            503 => {
                assert_eq!(head.header("retry-after"), Some("1"), "{}", head.head);
                let length = head.header("content-length").unwrap();
                socket.body(length.parse().unwrap()).await;
                refused.push(socket);
            }
            _ => panic!("{}", head.head),
        }
    }
    (loading, refused)
}

/// Until a file is sent again.
async fn is_served(socket: &mut Raw) {
    within("the file", async {
        loop {
            socket.write(get("/small.txt")).await;
            let answer = socket.answer().await;
            match answer.status {
                200 => return assert_eq!(answer.body, "small"),
                status => assert_eq!(status, 503, "{}", answer.body),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn downloads_that_nobody_reads_leave_files_for_everything_else() {
    let mut site = Site::new("[access]\nmax_connections = 198\n").await;
    // An eighth of them all.
    let most = FILES / 8;
    let (loading, refused) = begin(site.sockets(190).await).await;
    assert_eq!((loading.len(), refused.len()), (most, 190 - most));
    assert_eq!(site.open_files(), most);
    site.arena.serves().await;
    let mut refused = refused.into_iter();
    let mut patient = refused.next().unwrap();
    for (path, status) in [
        ("/small.txt", 503),
        ("/missing.txt", 404),
        ("/api/status", 200),
        ("/healthz", 200),
    ] {
        patient.write(get(path)).await;
        let answer = patient.answer().await;
        assert_eq!(answer.status, status, "{path}: {}", answer.head);
    }
    assert!(site.arena.metric("stellar_files_refused_total").await > 0);
    drop((loading, refused));
    is_served(&mut patient).await;
    site.arena.survives().await;
}

#[tokio::test]
async fn a_process_without_a_file_left_says_so() {
    // More than there are, so that it is the system that refuses.
    let config = "[access]\nmax_connections = 150\n[limits]\nmax_open_files = 1000\n";
    let site = Site::new(config).await;
    let (loading, refused) = begin(site.sockets(140).await).await;
    assert!(!loading.is_empty() && !refused.is_empty());
    let mut refused = refused.into_iter();
    let mut patient = refused.next().unwrap();
    patient.write(get("/small.txt")).await;
    assert_eq!(patient.answer().await.status, 503);
    drop((loading, refused));
    is_served(&mut patient).await;
    site.arena.survives().await;
}

#[tokio::test]
async fn a_small_file_is_closed_however_slowly_it_is_read() {
    let site = Site::new("").await;
    let mut sockets = site.sockets(100).await;
    for socket in &mut sockets {
        socket.write(get("/page.txt")).await;
        assert_eq!(socket.head().await.status, 200);
    }
    // None of them has read more than the beginning.
    eventually("no open file", || site.open_files() == 0).await;
    for socket in &mut sockets {
        assert_eq!(socket.body(60_000).await.len(), 60_000);
    }
    drop(sockets);
    site.arena.survives().await;
}
