//! What a server is, whoever has its port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use ipnet::IpNet;
use stellar_transports::{Body, Peer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::router::Router;
use super::secure::Security;
use super::visits::VisitRates;
use crate::address::{self, Forwarding};
use crate::app::App;
use crate::engine::Hub;
use crate::service::Mounted;

/// What the accept loop needs to know.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) security: Security,
    pub(crate) trusted_proxies: Arc<[IpNet]>,
    /// Whose sockets are not counted by address.
    pub(crate) exempt: Arc<[IpNet]>,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    /// How often one address may come and ask.
    pub(crate) visits: VisitRates,
    pub(crate) header_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) shutdown_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) destroy_on_shutdown: bool,
    pub(crate) retry_within: Duration,
}

/// Everything that a server has but its port.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) router: Arc<Router>,
    pub(crate) settings: Settings,
    pub(crate) app: Option<App>,
    pub(crate) hub: Arc<Hub>,
}

impl Mounted for Site {
    fn claims(&self, request: &Request<Body>) -> bool {
        self.router.claims(request)
    }

    fn peer(&self, socket: SocketAddr, request: &mut Request<Body>) -> Peer {
        let trusted = &self.settings.trusted_proxies;
        if let Some(hosts) = address::hosts(socket.ip(), request.headers(), trusted) {
            request.extensions_mut().insert(hosts);
        }
        let headers = request.headers();
        address::of(socket, false, headers, trusted, &Forwarding::XForwardedFor)
    }

    fn answer(
        self: Arc<Self>,
        request: Request<Body>,
        peer: Peer,
    ) -> BoxFuture<'static, Response<Body>> {
        self.router.route(request, peer)
    }

    fn drain(self: Arc<Self>) -> BoxFuture<'static, ()> {
        // The sockets belong to the HTTP server around it.
        Box::pin(async move {
            self.router.is_leaving.store(true, Relaxed);
            self.end(&CancellationToken::new(), &TaskTracker::new())
                .await;
        })
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}
