//! The way of a request: through the layers, to a transport. And the same as a tower service.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::header::{UPGRADE, VARY};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use stellar_transports::{Body, BodyError, Context, Peer, REGISTRY, Transport, body};

use super::dispatch::Dispatcher;
use super::layer::{Exchange, RequestKind};
use super::library::Libraries;
use super::server::Shared;
use crate::engine::Engine;

/// A server that has started: its transports, and what they deliver to.
pub(crate) struct Endpoint {
    pub(crate) context: Arc<Context>,
    shared: Arc<Shared>,
    transports: Vec<Arc<dyn Transport>>,
    facts: Facts,
}

/// What the standard layers answer with.
#[derive(Clone)]
pub(super) struct Facts(Arc<Known>);

struct Known {
    shared: Arc<Shared>,
    libraries: OnceLock<Libraries>,
}

impl Facts {
    /// The answer to a request for the client library.
    pub(super) fn library(&self, head: &Parts) -> Option<Response<Body>> {
        let Known { shared, libraries } = &*self.0;
        let path = head.uri.path().strip_prefix(&*shared.pathname)?;
        libraries.get_or_init(|| Libraries::new(shared)).answer(
            path,
            head.uri.query(),
            &head.headers,
        )
    }

    /// The answer to a request for the description.
    pub(super) fn spec(&self, head: &Parts) -> Option<Response<Body>> {
        let shared = &self.0.shared;
        let path = head.uri.path().strip_prefix(&*shared.pathname)?;
        (path == "/spec").then(|| {
            let spec = super::Primus::of(shared).spec();
            body::json(StatusCode::OK, spec)
        })
    }
}

impl Endpoint {
    /// The endpoint of a server. The first call starts it.
    pub(super) fn of(shared: &Arc<Shared>) -> Arc<Self> {
        Arc::clone(
            shared
                .endpoint
                .get_or_init(|| Arc::new(Self::start(shared))),
        )
    }

    fn start(shared: &Arc<Shared>) -> Self {
        let _first = shared.runtime.set(tokio::runtime::Handle::current());
        let dispatcher = Arc::new(Dispatcher(Arc::clone(shared)));
        let context = Engine::with_hub(Arc::clone(&shared.hub), dispatcher)
            .limits(shared.limits.clone())
            .origins(shared.origins.clone())
            .subprotocols(shared.subprotocols.iter().cloned())
            .controls(Arc::new(super::dispatch::Strings(Arc::clone(
                &shared.parser,
            ))))
            .metrics(shared.metrics.clone())
            .start();
        let mut transports = std::mem::take(&mut *shared.own_transports.lock());
        transports.extend(
            shared
                .transports
                .iter()
                .filter_map(|name| stellar_transports::entry(name)?.build)
                .map(|build| build(&shared.options, &shared.transports)),
        );
        Self {
            context,
            shared: Arc::clone(shared),
            transports,
            facts: Facts(Arc::new(Known {
                shared: Arc::clone(shared),
                libraries: OnceLock::new(),
            })),
        }
    }

    /// What is open.
    pub(crate) fn transports(&self) -> impl Iterator<Item = &Arc<dyn Transport>> {
        self.transports.iter()
    }

    /// Whether a request is for this server.
    pub(crate) fn claims(&self, request: &Request<Body>) -> bool {
        stellar_transports::is_under(request.uri().path(), &self.shared.pathname)
            || self.transport_for(request).is_some()
            || self.closed_door(request).is_some()
    }

    fn transport_for(&self, request: &Request<Body>) -> Option<&Arc<dyn Transport>> {
        self.transports
            .iter()
            .find(|transport| transport.claims(request))
    }

    /// The name of the transport at whose door a request is, if that is not open.
    fn closed_door(&self, request: &Request<Body>) -> Option<&'static str> {
        let (path, query) = (
            request.uri().path(),
            request.uri().query().unwrap_or_default(),
        );
        let paths = &self.shared.options.paths;
        let entry = REGISTRY.iter().find(|entry| {
            let mut doors = entry.doors.iter();
            doors.any(|door| door.is_for(path, query, paths))
        })?;
        Some(entry.name)
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        if !self.claims(&request) {
            return body::text(StatusCode::NOT_FOUND, "not found\n");
        }
        // In a box: a held poll keeps this future.
        let (passed, headers) = Box::pin(self.pass(request, peer)).await;
        let mut response = match passed {
            Ok((request, peer)) => self.serve(request, peer).await,
            Err(answered) => answered,
        };
        add(response.headers_mut(), headers);
        response
    }

    /// Brings a request through the layers. Also returns the headers that the answer is to have.
    async fn pass(
        &self,
        request: Request<Body>,
        peer: Peer,
    ) -> (Result<(Request<Body>, Peer), Response<Body>>, HeaderMap) {
        let (mut head, body) = request.into_parts();
        let kind = if is_handshake(&head.headers) {
            RequestKind::Upgrade
        } else {
            RequestKind::Http
        };
        head.extensions.insert(self.facts.clone());
        let mut exchange = Exchange {
            head,
            peer,
            headers: HeaderMap::new(),
            kind,
        };
        let answered = self.shared.layers.run(&mut exchange).await;
        let Exchange {
            mut head,
            peer,
            headers,
            ..
        } = exchange;
        head.extensions.remove::<Facts>();
        let passed = match answered {
            Some(response) => Err(response),
            None => Ok((Request::from_parts(head, body), peer)),
        };
        (passed, headers)
    }

    async fn serve(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let transport = self.transport_for(&request).cloned();
        if let Some(transport) = transport {
            return transport.serve(request, peer, &self.context).await;
        }
        let Some(closed) = self.closed_door(&request) else {
            return body::text(StatusCode::NOT_FOUND, "not found\n");
        };
        self.context.metrics.count_refusal("closed_door");
        let open: Vec<_> = self
            .transports
            .iter()
            .map(|transport| transport.name())
            .collect();
        // The shape that engine.io clients read, with a text for people.
        let answer = serde_json::json!({
            "code": 0,
            "message": "Transport unknown",
            "error": format!("the transport `{closed}` is not open on this server; open: {}", open.join(", ")),
        });
        body::json(StatusCode::BAD_REQUEST, answer.to_string())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("primus", &self.shared)
            .finish_non_exhaustive()
    }
}

/// Whether a request asks for a WebSocket. Other protocols are offered by clients that do without them, too.
fn is_handshake(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(UPGRADE).iter();
    offers
        .filter_map(|offer| offer.to_str().ok())
        .flat_map(|offer| offer.split(','))
        .any(|offer| offer.trim().eq_ignore_ascii_case("websocket"))
}

/// Adds what the layers want the answer to have.
fn add(to: &mut HeaderMap, headers: HeaderMap) {
    let mut last = None;
    for (name, value) in headers {
        // A name that is there several times comes once.
        last = name.or(last);
        let Some(name) = &last else {
            continue;
        };
        if *name != VARY {
            to.insert(name.clone(), value);
        } else if !to.get_all(VARY).iter().any(|known| known == value) {
            to.append(VARY, value);
        }
    }
}

/// A server as a tower service: for one's own hyper or axum server.
///
/// It answers everything: what is not Primus's is 404. Ask [`claims`](Self::claims) first where something else may want
/// it, or mount it below [its pathname](super::Builder::pathname) without stripping that.
///
/// The HTTP server has to allow upgrades (`with_upgrades` in hyper; axum does), and should switch off Nagle's algorithm.
/// The client's address comes from the request's extensions: a [`Peer`], or a [`SocketAddr`]; without them it is unknown,
/// `0.0.0.0`.
///
/// ```no_run
/// use hyper::service::service_fn;
/// use hyper_util::rt::TokioIo;
/// use stellar::primus::Primus;
/// use tower_service::Service as _;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let primus = Primus::builder().build()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (stream, address) = listener.accept().await?;
///     stream.set_nodelay(true)?;
///     let service = primus.service();
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
pub struct Service(Arc<Endpoint>);

impl Service {
    pub(super) const fn new(endpoint: Arc<Endpoint>) -> Self {
        Self(endpoint)
    }

    /// Whether a request for this path is answered by something else than 404.
    pub fn claims(&self, uri: &http::Uri) -> bool {
        let mut request = Request::new(body::full(""));
        *request.uri_mut() = uri.clone();
        self.0.claims(&request)
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

    fn poll_ready(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let endpoint = Arc::clone(&self.0);
        let request = request.map(|body| body.map_err(BodyError::new).boxed_unsync());
        let extensions = request.extensions();
        let peer = match (extensions.get::<Peer>(), extensions.get::<SocketAddr>()) {
            (Some(peer), _) => Peer {
                ip: peer.ip.to_canonical(),
                ..*peer
            },
            (None, Some(address)) => Peer::direct(*address, false),
            (None, None) => Peer::direct(SocketAddr::from(([0, 0, 0, 0], 0)), false),
        };
        Box::pin(async move { Ok(endpoint.answer(request, peer).await) })
    }
}
