//! Which part of the server answers a request.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::HeaderValue;
use http::{Method, Request, Response, StatusCode};
use ipnet::IpNet;
use prometheus_client::registry::Registry;
use stellar_transports::{Body, Context, Entry, Paths, Peer, REGISTRY, Transport, body, primus};

use super::api::Api;
use super::socketio_client::SocketIoClient;
use crate::client_script::Scripts;
use crate::primus::{Endpoint, Libraries};

/// Paths that no transport can have.
const OPERATIONS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What a proxy adds that says for whom it asks. From a trusted one the address was taken already.
const FORWARDED_BY: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/// What is below the door of Primus's clients, and for no transport.
const BESIDE_PRIMUS: [&str; 4] = ["/spec", "/primus.js", "/primus.min.js", "/primus.mjs"];

/// All routes of one server.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) context: Arc<Context>,
    pub(crate) transports: Vec<Arc<dyn Transport>>,
    /// Where the doors are.
    pub(crate) paths: Paths,
    /// The client that servers of socket.io's kind bring along.
    pub(crate) socketio_client: SocketIoClient,
    /// Actions and files, when there is an app.
    pub(crate) api: Option<Api>,
    /// A server of Primus's kind, which then has everything but the operators' pages.
    pub(crate) primus: Option<Arc<Endpoint>>,
    pub(crate) scripts: Scripts,
    pub(crate) libraries: Libraries,
    pub(crate) metrics: Registry,
    /// Who may see them besides this machine.
    pub(crate) metrics_networks: Vec<IpNet>,
    /// What is shown at `/` in place of a file.
    pub(crate) start_page: Option<Bytes>,
    /// Set when the server has been asked to stop, which may be some time before it drains.
    pub(crate) is_leaving: AtomicBool,
}

impl Router {
    /// Answers one request. A transport's answer may take long, so nothing else is kept with it.
    pub(crate) fn route(
        self: &Arc<Self>,
        request: Request<Body>,
        peer: Peer,
    ) -> BoxFuture<'static, Response<Body>> {
        let router = Arc::clone(self);
        if router.primus.is_some() {
            return Box::pin(async move { router.answer_primus(request, peer).await });
        }
        match self.transport_for(&request).map(Arc::clone) {
            // Also while draining: what is connected has answers to wait for, and nothing new is admitted.
            Some(transport) => Box::pin(async move {
                let context = &router.context;
                transport.serve(request, peer, context).await
            }),
            None => Box::pin(async move { router.answer(request, peer).await }),
        }
    }

    /// Whether a request asks how the server is.
    pub(super) fn is_operation<B>(request: &Request<B>) -> bool {
        OPERATIONS.contains(&request.uri().path())
    }

    /// Whether a request is for more than a file.
    pub(crate) fn claims(&self, request: &Request<Body>) -> bool {
        if let Some(primus) = &self.primus {
            return is_operation(request) || primus.claims(request);
        }
        let path = request.uri().path();
        OPERATIONS.contains(&path)
            || self.beside_primus(path).is_some()
            || self.transport_for(request).is_some()
            || self.closed(request).is_some()
            || self.scripts.find(path, None).is_some()
            || self
                .socketio_client
                .named(&self.paths.socketio, path)
                .is_some()
            || self.api.as_ref().is_some_and(|api| api.is_action(path))
    }

    /// What is open.
    pub(crate) fn transports(&self) -> impl Iterator<Item = &Arc<dyn Transport>> {
        let primus = self.primus.iter().flat_map(|primus| primus.transports());
        self.transports.iter().chain(primus)
    }

    /// Answers one request on a server of Primus's kind.
    async fn answer_primus(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let operations = self.operations(&request, peer);
        match (operations, &self.primus) {
            (None, Some(primus)) => primus.answer(request, peer).await,
            (operations, _) => operations.unwrap_or_else(not_found),
        }
    }

    /// Answers what is for no transport.
    async fn answer(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let operations = self.operations(&request, peer);
        let mut response = match operations {
            Some(response) => response,
            None => self.dispatch(request, peer).await,
        };
        if self.context.is_draining() {
            let close = HeaderValue::from_static("close");
            response
                .headers_mut()
                .insert(http::header::CONNECTION, close);
        }
        response
    }

    /// The transport at whose door the request is.
    fn transport_for(&self, request: &Request<Body>) -> Option<&Arc<dyn Transport>> {
        let path = request.uri().path();
        if OPERATIONS.contains(&path) || self.beside_primus(path).is_some() {
            return None;
        }
        let mut transports = self.transports.iter();
        transports.find(|transport| transport.claims(request))
    }

    /// The name of what is not a transport's below the door of Primus's clients.
    fn beside_primus<'p>(&self, path: &'p str) -> Option<&'p str> {
        let name = path.strip_prefix(&*self.paths.primus)?;
        BESIDE_PRIMUS.contains(&name).then_some(name)
    }

    /// What operators ask.
    fn operations(&self, request: &Request<Body>, peer: Peer) -> Option<Response<Body>> {
        if !is_operation(request) {
            return None;
        }
        Some(match request.uri().path() {
            "/healthz" => body::text(StatusCode::OK, "ok\n"),
            "/readyz" if self.is_leaving.load(Relaxed) || self.context.is_draining() => {
                body::text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            }
            "/readyz" => body::text(StatusCode::OK, "ready\n"),
            "/metrics" if !self.shows_metrics(request, peer) => body::text(
                StatusCode::FORBIDDEN,
                "metrics are for this machine, and for the networks that `access.metrics_networks` lists\n",
            ),
            "/metrics" => {
                let mut text = String::new();
                let encoded = prometheus_client::encoding::text::encode(&mut text, &self.metrics);
                match encoded {
                    Ok(()) => body::answer(
                        StatusCode::OK,
                        "application/openmetrics-text; version=1.0.0; charset=utf-8",
                        text,
                    ),
                    Err(_) => body::text(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "metrics cannot be written\n",
                    ),
                }
            }
            _ => return None,
        })
    }

    /// Whether whoever asks may know what the server counts: this machine, unless somebody else asks through a proxy on
    /// it, and the networks that are listed.
    fn shows_metrics(&self, request: &Request<Body>, peer: Peer) -> bool {
        let mut networks = self.metrics_networks.iter();
        let is_forwarded = || {
            let headers = request.headers();
            FORWARDED_BY.iter().any(|name| headers.contains_key(*name))
        };
        networks.any(|network| network.contains(&peer.ip))
            || peer.ip.is_loopback() && !is_forwarded()
    }

    async fn dispatch(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let path = request.uri().path();
        match self.beside_primus(path) {
            Some("/spec") => return body::json(StatusCode::OK, self.spec()),
            Some(name) => {
                let query = request.uri().query();
                let answer = self.libraries.answer(name, query, request.headers());
                return answer.unwrap_or_else(not_found);
            }
            None => {}
        }
        let closed = self.closed_door(&request);
        if let Some(response) = closed {
            return response;
        }
        if let (Some(api), &Method::OPTIONS) = (&self.api, request.method()) {
            return Box::pin(api.answer(request, peer, &self.context)).await;
        }
        let wanted = request.uri().query().and_then(|query| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "transport")
                .map(|(_, value)| value.into_owned())
        });
        if let Some(script) = self.scripts.find(path, wanted.as_deref()) {
            return match script {
                Ok(script) => script.response(request.headers()),
                Err(names) => body::text(
                    StatusCode::NOT_FOUND,
                    format!(
                        "there is no client script for this transport; choose {}\n",
                        names.join(" or ")
                    ),
                ),
            };
        }
        if let (Some(page), "/", &Method::GET | &Method::HEAD) =
            (&self.start_page, path, request.method())
        {
            return body::answer(StatusCode::OK, "text/html; charset=utf-8", page.clone());
        }
        // In boxes of their own: a held poll keeps the future of this function.
        if let Some(name) = self.socketio_client.named(&self.paths.socketio, path) {
            return Box::pin(self.answer_socketio_client(name, request, peer)).await;
        }
        match &self.api {
            Some(api) => Box::pin(api.answer(request, peer, &self.context)).await,
            None => not_found(),
        }
    }

    /// Answers with a script of socket.io's client: from the folder that was chosen for them, from the public one, or
    /// with where to get it.
    async fn answer_socketio_client(
        &self,
        name: &str,
        request: Request<Body>,
        peer: Peer,
    ) -> Response<Body> {
        let (method, headers) = (request.method().clone(), request.headers());
        if let Some(response) = self.socketio_client.answer(name, &method, headers).await {
            return response;
        }
        let response = match &self.api {
            Some(api) => api.answer(request, peer, &self.context).await,
            None => not_found(),
        };
        if response.status() == StatusCode::NOT_FOUND {
            SocketIoClient::missing(name, &method).unwrap_or(response)
        } else {
            response
        }
    }

    fn spec(&self) -> String {
        // The first transport that is open decides, as it does for the generated client.
        let first = self.transports.first();
        let entry = first.and_then(|transport| stellar_transports::entry(transport.name()));
        let transformer = entry.map_or("custom", |entry| entry.transformer);
        primus::spec(
            self.context.limits.ping_interval,
            &self.paths.primus,
            "json",
            transformer,
        )
    }

    /// The built-in transport at whose door a request is.
    fn closed(&self, request: &Request<Body>) -> Option<&'static Entry> {
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        REGISTRY.iter().find(|entry| {
            entry
                .doors
                .iter()
                .any(|door| door.is_for(path, query, &self.paths))
        })
    }

    /// The answer at the door of a transport that is not open.
    fn closed_door(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let closed = self.closed(request)?;
        let open: Vec<String> = self
            .transports
            .iter()
            .filter_map(|transport| stellar_transports::entry(transport.name()))
            .map(|entry| {
                let doors: Vec<_> = entry
                    .doors
                    .iter()
                    .map(|door| door.path(&self.paths))
                    .collect();
                format!("{} ({})", entry.name, doors.join(", "))
            })
            .collect();
        self.context.metrics.count_refusal("closed_door");
        // The shape that engine.io clients read, with a text for people.
        let answer = serde_json::json!({
            "code": 0,
            "message": "Transport unknown",
            "error": format!("the transport `{}` is not open on this server; open: {}", closed.name, open.join("; ")),
        });
        Some(body::json(StatusCode::BAD_REQUEST, answer.to_string()))
    }
}

fn is_operation(request: &Request<Body>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && OPERATIONS.contains(&request.uri().path())
}

fn not_found() -> Response<Body> {
    body::text(StatusCode::NOT_FOUND, "not found\n")
}
