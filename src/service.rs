//! A server as a tower service: for an HTTP server of somebody else's.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use stellar_transports::{Body, BodyError, Peer, body};

/// What a service stands for.
pub(crate) trait Mounted: fmt::Debug + Send + Sync + 'static {
    /// Whether a request is for this server.
    fn claims(&self, request: &Request<Body>) -> bool;

    /// Who asks, if the request came over a socket from there.
    fn peer(&self, socket: SocketAddr, _request: &mut Request<Body>) -> Peer {
        Peer::direct(socket, false)
    }

    fn answer(
        self: Arc<Self>,
        request: Request<Body>,
        peer: Peer,
    ) -> BoxFuture<'static, Response<Body>>;

    fn drain(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// A server as a tower service: for one's own hyper or axum server. [`Server::service`](crate::Server::service) makes it of
/// an app or an engine, [`Primus::service`](crate::primus::Primus::service) of a Primus.
///
/// It answers everything: what is not the server's is 404. Make it the fallback of a router, or ask
/// [`claims`](Self::claims) first where something else may want the request. It has to see the whole path.
///
/// The HTTP server has to allow upgrades (`with_upgrades` in hyper; axum does), and should switch off Nagle's
/// algorithm. The client's address comes from the request's extensions: a [`Peer`], or a [`SocketAddr`], which may be
/// that of a trusted proxy. Without either it is `0.0.0.0`.
///
/// ```no_run
/// use hyper::service::service_fn;
/// use hyper_util::rt::TokioIo;
/// use stellar::Server;
/// use stellar::app::App;
/// use tower_service::Service as _;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Server::new(App::builder().build()?).service()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (stream, address) = listener.accept().await?;
///     stream.set_nodelay(true)?;
///     let service = service.clone();
///     let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
///         request.extensions_mut().insert(address);
///         service.clone().call(request)
///     });
///     tokio::spawn(
///         hyper::server::conn::http1::Builder::new()
///             .serve_connection(TokioIo::new(stream), service)
///             .with_upgrades(),
///     );
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Service(Arc<dyn Mounted>);

impl Service {
    pub(crate) fn new(mounted: Arc<dyn Mounted>) -> Self {
        Self(mounted)
    }

    /// Whether a request for this path is answered by something else than 404. Files of an app are not looked for.
    pub fn claims(&self, uri: &http::Uri) -> bool {
        let mut request = Request::new(body::full(""));
        *request.uri_mut() = uri.clone();
        self.0.claims(&request)
    }

    /// Lets nobody in any more, finishes what runs, and closes all connections so that their clients come back elsewhere,
    /// within the limits that the server was given. To be done before the HTTP server around it waits for its requests:
    /// a poll is held until its connection ends.
    pub async fn drain(&self) {
        Arc::clone(&self.0).drain().await;
    }
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mounted = Arc::clone(&self.0);
        let mut request = request.map(|body| body.map_err(BodyError::new).boxed_unsync());
        let extensions = request.extensions();
        let known = extensions.get::<Peer>().copied();
        let socket = extensions.get::<SocketAddr>().copied();
        let peer = match (known, socket) {
            (Some(peer), _) => Peer {
                ip: peer.ip.to_canonical(),
                ..peer
            },
            (None, Some(address)) => mounted.peer(address, &mut request),
            (None, None) => Peer::direct(SocketAddr::from(([0, 0, 0, 0], 0)), false),
        };
        Box::pin(async move { Ok(mounted.answer(request, peer).await) })
    }
}
