//! The way of a request: through the layers, to a transport.

use std::fmt;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use http::header::{UPGRADE, VARY};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use stellar_transports::{Body, Context, Peer, REGISTRY, Transport, body};

use super::dispatch::Dispatcher;
use super::layer::{Exchange, RequestKind};
use super::library::Libraries;
use super::server::Shared;
use crate::engine::Engine;
use crate::service::Mounted;

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
            .rates(shared.rates.clone())
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

    /// The networks of proxies.
    pub(crate) fn trusted_proxies(&self) -> &[ipnet::IpNet] {
        &self.shared.proxies
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

impl Mounted for Endpoint {
    fn claims(&self, request: &Request<Body>) -> bool {
        Self::claims(self, request)
    }

    fn answer(
        self: Arc<Self>,
        request: Request<Body>,
        peer: Peer,
    ) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { Self::answer(&self, request, peer).await })
    }

    fn drain(self: Arc<Self>) -> BoxFuture<'static, ()> {
        let primus = super::Primus::of(&self.shared);
        Box::pin(async move { primus.destroy(super::Destroy::new().reconnect()).await })
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
