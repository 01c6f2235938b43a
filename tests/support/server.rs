//! A server in this process, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use stellar::Server;
use stellar::app::{App, AppBuilder};
use stellar::config::Config;
use stellar::engine::Hub;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::within;
use super::ws::Client;

/// A server that runs until it is stopped, or until the test is over.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) app: App,
    pub(crate) hub: Arc<Hub>,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Builds the app with this configuration, and serves it.
pub(crate) async fn start(builder: AppBuilder, config: Config) -> Running {
    let app = builder.config(config).build();
    start_app(app.expect("the app of the test is right")).await
}

/// Serves an app that has been built.
pub(crate) async fn start_app(app: App) -> Running {
    let server = Server::new(app.clone());
    start_server(app, server).await
}

/// Runs a server of the test's own making for an app.
pub(crate) async fn start_server(app: App, server: Server) -> Running {
    run(app, server.listen(([127, 0, 0, 1], 0))).await
}

/// Serves an app on all addresses of this machine, of IPv6 and IPv4; `None` where there is no IPv6.
pub(crate) async fn start_dual(app: App, server: Server) -> Option<Running> {
    drop(std::net::TcpListener::bind("[::]:0").ok()?);
    let everywhere = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
    let mut running = run(app, server.listen(everywhere)).await;
    running.address = SocketAddr::from(([127, 0, 0, 1], running.address.port()));
    Some(running)
}

async fn run(app: App, server: Server) -> Running {
    let bound = server.bind().await;
    let bound = bound.expect("the server of the test can be bound");
    let address = bound.local_addr().expect("a bound server has an address");
    let hub = Arc::clone(bound.hub());
    let (shutdown, asked) = oneshot::channel::<()>();
    let task = tokio::spawn(bound.serve(async move {
        // A sender that is dropped unused means the same: the test is over.
        let _ = asked.await;
    }));
    Running {
        address,
        app,
        hub,
        shutdown: Some(shutdown),
        task,
    }
}

/// The demo's actions and the default configuration.
pub(crate) async fn demo() -> Running {
    start(stellar::demo::actions(App::builder()), Config::default()).await
}

/// The default configuration after a change.
pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

impl Running {
    /// A client on `/primus` that has been greeted.
    pub(crate) async fn primus(&self) -> Client {
        Client::greeted(self.address, "/primus").await
    }

    /// A client on `/ws` that has been greeted.
    pub(crate) async fn plain(&self) -> Client {
        Client::greeted(self.address, "/ws").await
    }

    /// Asks the server to stop, and does not wait for it.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            // The receiver is gone only if the server already is.
            let _ = shutdown.send(());
        }
    }

    /// Asks the server to stop and waits until it has drained.
    pub(crate) async fn stop(mut self) {
        self.begin_stop();
        within("the drain", self.task)
            .await
            .expect("the server does not panic");
    }
}
