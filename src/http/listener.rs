//! The accept loop, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::connection;
use super::crowd::Crowd;
use super::places::{Full, Places};
use super::router::Router;
use super::secure::secure;
use super::site::{Settings, Site};
use crate::engine::Hub;
use crate::signals::Signals;

/// How long to wait after a failed accept: usually all file descriptors are in use, and the next try would fail too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that may wait to be accepted: enough for all clients of a restarted server to come back at once.
const BACKLOG: u32 = 4096;
/// Connections that are accepted before others have their turn.
const AT_ONCE: usize = 16;
/// How long somebody who was let in for a health check may take to ask.
const RESERVED_TIMEOUT: Duration = Duration::from_secs(3);
/// How long nothing more is said of those who found no place.
const REFUSALS_PAUSE: Duration = Duration::from_secs(60);

/// Why a server cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The address cannot be used.
    #[error("cannot listen on {address}: {source}; {advice}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The certificate or key cannot be used.
    #[error("cannot use {path} for TLS: {detail}")]
    Tls {
        /// The file.
        path: String,
        /// What is wrong, and what is expected.
        detail: String,
    },
}

/// A server that has its port, and serves once it is told to.
pub struct Bound {
    listener: TcpListener,
    site: Site,
}

impl Bound {
    pub(crate) fn listen(address: SocketAddr, site: Site) -> Result<Self, ServeError> {
        let listener = listen(address).map_err(|source| ServeError::Listen {
            address,
            advice: match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "another program has this port: stop it or choose another --listen"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need privileges: choose another --listen"
                }
                _ => "choose another --listen",
            },
            source,
        })?;
        Ok(Self { listener, site })
    }

    /// The address that clients connect to.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The connections and rooms.
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.site.hub
    }

    /// The memory that may be held for clients.
    pub fn memory_budget(&self) -> &stellar_transports::Budget {
        &self.site.router.context.budget
    }

    /// The generated client.
    pub fn scripts(&self) -> &crate::client_script::Scripts {
        &self.site.router.scripts
    }

    /// Serves until the process is asked to stop, then drains as [`serve`](Self::serve) does. Whoever asks a second time,
    /// by Ctrl-C or SIGTERM, does not want to wait: then the drain is cut short.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn run(self, mut signals: Signals) -> Drain {
        let (ask, asked) = oneshot::channel::<()>();
        let serving = self.serve(async {
            // The sender is there for as long as this is awaited.
            let _asked = asked.await;
        });
        tokio::pin!(serving);
        let signal = tokio::select! {
            () = &mut serving => return Drain::Whole,
            signal = signals.asked_to_stop() => signal,
        };
        // It is the server that waits for this.
        let _told = ask.send(());
        tracing::info!("asked to stop by {signal}");
        tokio::select! {
            () = serving => Drain::Whole,
            signal = signals.asked_again() => Drain::CutShort { signal },
        }
    }

    /// Serves until `shutdown` is done. Then `/readyz` says so for the time of `general.shutdown_delay_ms`, in which
    /// everything goes on as before; and then it drains: takes no new connections and actions, lets running actions
    /// finish within the limit, and closes all connections so that clients come back elsewhere, or not at all,
    /// as configured. This takes no longer than `shutdown_delay_ms`, `shutdown_timeout_ms`, the larger of
    /// `close_timeout_ms` and five seconds, and one second more.
    ///
    /// Dropping the future lets nothing drain, and closes the port a little later, when the runtime comes to it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let stop = CancellationToken::new();
        let sockets = TaskTracker::new();
        let site = self.site;
        // A task, because whoever awaits this may do so outside of the runtime's own threads: each socket would have
        // to be handed to one of them, and wake it.
        if let Ok(address) = self.listener.local_addr() {
            let transports: Vec<_> = site.router.transports().map(|open| open.name()).collect();
            let transports = transports.join(",");
            tracing::info!(%address, transports, "serving");
        }
        let router = Arc::clone(&site.router);
        let delay = site.settings.shutdown_delay;
        let shutdown = async move {
            shutdown.await;
            router.is_leaving.store(true, Relaxed);
            if !delay.is_zero() {
                tracing::info!(?delay, "not ready any more, serving for a little longer");
                tokio::time::sleep(delay).await;
            }
        };
        let mut accepting = AbortOnDropHandle::new(tokio::spawn(accept(
            self.listener,
            Arc::clone(&site.router),
            site.settings.clone(),
            stop.clone(),
            sockets.clone(),
        )));
        tokio::select! {
            ended = &mut accepting => {
                if let Err(error) = ended && error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            () = shutdown => {
                // Said at once, however long the runtime's threads are busy.
                site.router.context.drain();
                accepting.abort();
                // The port is free from here on.
                let _aborted = accepting.await;
            }
        }
        site.end(&stop, &sockets).await;
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Every connection was told, and waited for within the limits.
    Whole,
    /// It was asked a second time to stop.
    CutShort {
        /// By this signal.
        signal: &'static str,
    },
}

/// Accepts for ever.
async fn accept(
    listener: TcpListener,
    router: Arc<Router>,
    settings: Settings,
    stop: CancellationToken,
    sockets: TaskTracker,
) {
    let places = Places::new(
        settings.max_connections,
        settings.max_connections_per_address,
        settings.visits,
        Arc::clone(&settings.exempt),
    );
    let mut crowd = Crowd::new(settings.max_connections, stop.clone());
    let mut is_failing = false;
    let mut refusals = Refusals::default();
    let mut accepted = 0;
    loop {
        if accepted == AT_ONCE {
            accepted = 0;
            tokio::task::yield_now().await;
        }
        accepted += 1;
        let (stream, peer) = match listener.accept().await {
            Ok((stream, peer)) => {
                is_failing = false;
                // Clients of IPv4 come to `[::]` with addresses of IPv6, which nobody would recognise in the log.
                (
                    stream,
                    SocketAddr::new(peer.ip().to_canonical(), peer.port()),
                )
            }
            Err(error) => {
                // Said once, not at every try.
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                }
                // Who is idle can come back later; who waits cannot come in at all.
                crowd.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = match places.take(peer.ip()) {
            Ok(place) => place,
            Err(full) => {
                router.context.metrics.count_refusal(full.limit());
                refusals.warn(full, peer);
                if full == Full::All {
                    crowd.make_room();
                }
                continue;
            }
        };
        let mut settings = settings.clone();
        if place.is_reserved() {
            crowd.make_room();
            settings.header_timeout = settings.header_timeout.min(RESERVED_TIMEOUT);
        }
        let (router, stop, group) = (Arc::clone(&router), stop.clone(), crowd.admit());
        sockets.spawn(async move {
            if let Some(socket) = secure(stream, &place, &settings, &router.context.turnstile).await
            {
                connection::serve(socket, place, peer, router, settings, (group, stop)).await;
            }
        });
    }
}

/// What the operator is told of those who found no place: of the first in a while, and how many followed.
#[derive(Default)]
struct Refusals {
    last_said: Option<Instant>,
    suppressed: u64,
}

impl Refusals {
    fn warn(&mut self, full: Full, peer: SocketAddr) {
        let is_over = |said: Instant| said.elapsed() >= REFUSALS_PAUSE;
        if !self.last_said.is_none_or(is_over) {
            self.suppressed += 1;
            return;
        }
        let suppressed = std::mem::take(&mut self.suppressed);
        self.last_said = Some(Instant::now());
        tracing::warn!(%peer, limit = full.limit(), suppressed, "a connection found no place");
    }
}

/// Takes the port.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that restarts takes its port back at once, while connections of the old one are still ending.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}
