//! What the server must survive: input that is malformed, oversized, too slow, too much, or not meant for it.
//!
//! Every test runs the real program with an [`Arena`]'s bystander beside the attack: a well-behaved client whose
//! round trip has to work before, during and after it. The module of a test is what the attack abuses:
//!
//! * `packets`: JSON that is no request. `frames`: bytes that are no WebSocket. `sizes`: too large, too many pieces.
//! * `counting`: JSON that goes no further, and the number of its answer.
//! * `half_frames`: messages whose rest comes later, or never.
//! * `heads`: request lines and headers. `targets`: what a URL cannot have. `smuggling`: where a request ends. `upgrades`: handshakes.
//! * `prefixes`: data that looks like control. `scripts`: data that ends up in the client script.
//! * `origins`: pages of other sites. `paths`: files outside of the public folder.
//! * `slow`: peers that never finish. `floods`: peers that never stop. `rates`: more in a time than is allowed.
//! * `lagging`: members that read nothing for a while, and who speaks to them. `slow_links`: members that read as fast as they can.
//! * `amplification`: small requests that would be large answers, or much memory.
//! * `polling`: payloads of engine.io that are none; `polling_queries`: queries that are none; `polling_bombs`: too large
//!   or too many at once; `polling_times`: how long decoding takes; `polling_hoards`: sessions and upgrades that are
//!   begun and abandoned; `polling_sids`: sids of others; `polling_slow`: requests that never finish; `polling_races`: what
//!   comes at the moment of an end, or after it.
//! * `socketio`: packets of socket.io that are none; `socketio_bombs`: too large, too deep, too many; `socketio_hoards`:
//!   begun and abandoned; `socketio_prefixes`: data that looks like control; `socketio_sids`: sids of others;
//!   `socketio_slow`: members that do not read.
//! * `credentials`: actions called by pages of other sites. `downloads`: more of them than there are files.
//! * `logs`: standard error and output that take nothing.
//! * `uploads`: forms with many files, and files that are left behind.
//! * `pipelining`: requests that do not wait for answers, while the server holds a poll.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/raw.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod raw;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod web;

mod amplification;
mod clinging;
mod counting;
mod credentials;
mod downloads;
mod floods;
mod frames;
mod half_frames;
mod heads;
mod lagging;
mod logs;
mod origins;
mod packets;
mod paths;
mod pipelining;
mod polling;
mod polling_bombs;
mod polling_hoards;
mod polling_queries;
mod polling_races;
mod polling_sids;
mod polling_slow;
mod polling_times;
mod prefixes;
mod rates;
mod scripts;
mod sizes;
mod slow;
mod slow_links;
mod smuggling;
mod socketio;
mod socketio_bombs;
mod socketio_hoards;
mod socketio_prefixes;
mod socketio_sids;
mod socketio_slow;
mod targets;
mod upgrades;
mod uploads;

use std::net::SocketAddr;

use raw::Raw;
#[cfg(feature = "tls")]
use support::tls::Certificate;
use support::{Binary, Client};

/// The doors that are open, one per dialect.
const DOORS: [&str; 2] = ["/primus", "/ws"];

/// The program under attack, and a client that has nothing to do with it.
struct Arena {
    server: Binary,
    bystander: Client,
    /// Of a server that speaks TLS.
    #[cfg(feature = "tls")]
    certificate: Option<Certificate>,
}

/// Neither the bystander nor a neighbour is asked for a sign of life while a test is busy with an attack, which on a busy
/// machine may take minutes.
const UNHURRIED: &str = "[limits]\nping_interval_ms = 0\n[polling]\nping_interval_ms = 3600000\n[socketio]\nping_interval_ms = 3600000\n";

impl Arena {
    async fn demo() -> Self {
        Self::configured(UNHURRIED).await
    }

    async fn configured(config: &str) -> Self {
        Self::around(Binary::configured(config)).await
    }

    async fn around(server: Binary) -> Self {
        let bystander = server.primus().await;
        let mut arena = Self {
            server,
            bystander,
            #[cfg(feature = "tls")]
            certificate: None,
        };
        arena.serves().await;
        arena
    }

    /// As [`configured`](Self::configured), over TLS.
    #[cfg(feature = "tls")]
    async fn secure(config: &str) -> Self {
        let certificate = Certificate::new();
        let arguments = certificate.arguments();
        let mut all = vec!["--demo"];
        all.extend(arguments.iter().map(String::as_str));
        let server = Binary::serve(&all, config);
        let bystander = greeted(&certificate, server.address).await;
        let mut arena = Self {
            server,
            bystander,
            certificate: Some(certificate),
        };
        arena.serves().await;
        arena
    }

    /// One for each way in which bytes travel: as they are, and over TLS.
    async fn both(config: &str) -> Vec<Self> {
        vec![
            Self::configured(config).await,
            #[cfg(feature = "tls")]
            Self::secure(config).await,
        ]
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// A peer that writes its bytes by hand.
    async fn raw(&self) -> Raw {
        #[cfg(feature = "tls")]
        if let Some(certificate) = &self.certificate {
            let stream = certificate.connect(self.address()).await;
            return over_tls(stream);
        }
        Raw::connect(self.address()).await
    }

    /// As [`raw`](Self::raw), one whose system takes only a few kB before it makes the server wait.
    async fn raw_with_small_window(&self) -> Raw {
        #[cfg(feature = "tls")]
        if let Some(certificate) = &self.certificate {
            let stream = certificate.connect_with_small_window(self.address());
            return over_tls(stream.await);
        }
        Raw::with_small_window(self.address()).await
    }

    /// A client on `/primus` that has been greeted.
    async fn client(&self) -> Client {
        #[cfg(feature = "tls")]
        if let Some(certificate) = &self.certificate {
            return greeted(certificate, self.address()).await;
        }
        self.server.primus().await
    }

    /// The answer to a GET of a connection of its own.
    async fn get(&self, path: &str) -> web::Reply {
        #[cfg(feature = "tls")]
        if let Some(certificate) = &self.certificate {
            let stream = certificate.connect(self.address()).await;
            let host = Certificate::host(self.address());
            return web::Kept::over(stream, &host).await.get(path).await;
        }
        web::get(self.address(), path).await
    }

    /// The bystander's round trip, which has to work at any time.
    async fn serves(&mut self) {
        let answer = self
            .bystander
            .action("isolated.action", serde_json::json!({}));
        assert_eq!(answer.await["success"], "ok");
    }

    /// The end of every test: the bystander is served, so is a newcomer, and the process lives.
    async fn survives(mut self) {
        self.serves().await;
        let mut newcomer = self.client().await;
        assert_eq!(newcomer.details().await["totalActions"], 0);
        assert!(self.server.is_running());
    }

    /// The server's resident memory in kB.
    fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.unwrap().trim().trim_end_matches(" kB");
        resident.parse().unwrap()
    }

    /// Whether the server has its end of a connection open, by what the system says of it.
    fn holds(&self, client: SocketAddr) -> bool {
        let port = |address: SocketAddr| format!(":{:04X}", address.port());
        let (ours, theirs) = (port(self.address()), port(client));
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        sockets.lines().any(|socket| {
            let fields: Vec<_> = socket.split_whitespace().collect();
            let is_it = fields[1].ends_with(&ours) && fields[2].ends_with(&theirs);
            // What nobody holds any more is delivered all the same, and has no inode.
            is_it && fields[9] != "0"
        })
    }

    /// How often the server has counted this, by its own metrics.
    async fn metric(&self, line: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let value = metrics
            .text()
            .lines()
            .find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or(0)
    }

    /// Waits until the server has counted this at least once.
    async fn counts(&self, line: &str) {
        self.reaches(line, 1).await;
    }

    /// Waits until the server counts nothing of this any more.
    async fn reaches_none(&self, line: &str) {
        support::within(line, async {
            while self.metric(line).await > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Waits until the server has counted this so often. A client may know of an end before it is counted.
    async fn reaches(&self, line: &str, count: u64) {
        support::within(line, async {
            while self.metric(line).await < count {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[cfg(feature = "tls")]
fn over_tls(stream: tokio_rustls::client::TlsStream<tokio::net::TcpStream>) -> Raw {
    let address = stream.get_ref().0.local_addr().unwrap();
    Raw::layered(stream, address)
}

/// A client on `/primus`, over TLS, that has been greeted.
#[cfg(feature = "tls")]
async fn greeted(certificate: &Certificate, address: SocketAddr) -> Client {
    let stream = Box::new(certificate.connect(address).await);
    let host = Certificate::host(address);
    let client = Client::over(stream, &host, "/primus", &[]).await;
    let mut client = client.map_err(|refused| refused.status).unwrap();
    client.expect_welcome().await;
    client
}
