//! Actions and files over HTTP (docs/protocol/http.md#actions).

use std::sync::Arc;
use std::time::Instant;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Map, Value, json};
use stellar_transports::{
    Address, Body, Budget, Context, Cors, Holding, Origins, Peer, Provenance, body,
    carries_credentials,
};
use tokio::sync::Semaphore;

use super::params::{self, BadRequest, BodyLimits, Store};
use super::routes::Routes;
use super::statics::{self, StaticOptions};
use crate::app::verbs::{MEMORY_RETRY, PARAMS};
use crate::app::{App, Connection, Error, Outcome, fingerprint, now};
use crate::config::Web;
use crate::engine::Handshake;
use crate::json::{self, fields_weight};

/// Methods that a page of another origin may use.
const METHODS: HeaderValue =
    HeaderValue::from_static("HEAD, GET, POST, PUT, PATCH, DELETE, OPTIONS");

/// What is answered where a callback is asked for and none is called.
const JSONP_IS_OFF: &str = "JSONP is off: pages of other origins call actions with fetch or XMLHttpRequest where \
                            `access.origins` lists them, or `web.jsonp` brings it back";

/// The HTTP side of an app.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) app: App,
    pub(crate) web: Web,
    pub(crate) routes: Routes,
    /// One for each action that may run. Callers that hang up leave theirs running.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) limits: BodyLimits,
    pub(crate) uploads: Arc<Store>,
    pub(crate) statics: StaticOptions,
    pub(crate) budget: Budget,
}

/// A caller that waits for its answer. A caller that hangs up drops the future that would answer, and this with it.
struct Caller(Connection);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.mark_destroyed();
    }
}

/// Who asks, and since when.
struct Requester {
    connection: Connection,
    /// The cookie to set, if the client brought none.
    cookie: Option<HeaderValue>,
    started: Instant,
}

impl Api {
    /// Answers a request that no door has claimed.
    pub(crate) async fn answer(
        &self,
        request: Request<Body>,
        peer: Peer,
        context: &Context,
    ) -> Response<Body> {
        let is_action = self.is_action(request.uri().path());
        let (asked, extensions) = (request.headers(), request.extensions());
        let cors = is_action.then(|| Cors::of(&context.origins, asked, extensions));
        let is_for_a_page = cors.as_ref().is_some_and(Cors::is_for_a_page);
        let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let wanted = wanted.filter(|_| is_for_a_page);
        let mut response = self.dispatch(request, peer, context).await;
        let headers = response.headers_mut();
        if let Ok(name) = HeaderValue::from_str(&self.app.options().server_name) {
            headers.entry("x-powered-by").or_insert(name);
        }
        match cors {
            // An action may have its own word on it.
            Some(_) if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) => {}
            Some(cors) => cors.apply(headers),
            // Files are everybody's, and sent without a look at who asks.
            None => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
        }
        headers
            .entry(ACCESS_CONTROL_ALLOW_METHODS)
            .or_insert(METHODS);
        headers
            .entry(ACCESS_CONTROL_ALLOW_HEADERS)
            .or_insert_with(|| wanted.unwrap_or(HeaderValue::from_static("Content-Type")));
        response
    }

    /// Whether a path is an action's.
    pub(crate) fn is_action(&self, path: &str) -> bool {
        first_segment(path) == self.web.url_path_for_actions
    }

    async fn dispatch(
        &self,
        request: Request<Body>,
        peer: Peer,
        context: &Context,
    ) -> Response<Body> {
        if request.method() == Method::OPTIONS {
            return Response::new(body::full(""));
        }
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let first = first_segment(&path);
        if first == self.web.url_path_for_actions {
            return self.action(&parts, body, peer, context).await;
        }
        let file = match path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(first))
        {
            Some(rest) if !first.is_empty() && first == self.web.url_path_for_files => rest,
            _ => &path,
        };
        let file = if file.is_empty() { "/" } else { file };
        statics::serve(
            self.app.files(),
            &self.statics,
            &parts.method,
            &parts.headers,
            file,
        )
        .await
    }

    async fn action(
        &self,
        parts: &Parts,
        body: Body,
        peer: Peer,
        context: &Context,
    ) -> Response<Body> {
        let requester = self.requester(parts, peer);
        let refused = |status, text: &str| Outcome {
            error: Some(Error::text(text)),
            status: Some(status),
            ..Outcome::default()
        };
        if !may_act(parts, context) {
            context.refuse_origin(&parts.headers);
            let outcome = refused(StatusCode::FORBIDDEN, Origins::REFUSED_CREDENTIALS);
            let nobody = Requester {
                cookie: None,
                ..requester
            };
            return self.respond(nobody, outcome, None);
        }
        // Only the query counts, because a script element has nothing else. In a body `callback` is a param like any
        // other.
        let query = parts.uri.query().unwrap_or_default();
        let callback = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "callback")
            .and_then(|(_, name)| callback_name(&name));
        if callback.is_some() && !self.web.jsonp {
            let outcome = refused(StatusCode::BAD_REQUEST, JSONP_IS_OFF);
            return self.respond(requester, outcome, None);
        }
        let read = params::read(
            &parts.method,
            &parts.uri,
            &parts.headers,
            body,
            &self.limits,
            &self.uploads,
            self.budget.nothing(Holding::Body, Address::of(peer.ip)),
        )
        .await;
        // The uploads are kept until the action is done.
        let (params, uploads) = match read {
            Ok(params) => (params.values, params.uploads),
            Err(error) => {
                let mut outcome = refused(error.status(), &error.to_string());
                if let BadRequest::OverBudget(_) = error {
                    outcome.error = Some(Error::too_many_requests(MEMORY_RETRY));
                } else if error.status() == StatusCode::SERVICE_UNAVAILABLE {
                    let soon = HeaderValue::from_static("1");
                    outcome.headers.insert(RETRY_AFTER, soon);
                }
                return self.respond(requester, outcome, None);
            }
        };
        let params = self.choose_action(parts, params);
        let weight = PARAMS * fields_weight(&params);
        let memory = self
            .budget
            .cover(Holding::Params, Address::of(peer.ip), weight);
        let Ok(memory) = memory else {
            let outcome = Outcome {
                error: Some(Error::too_many_requests(MEMORY_RETRY)),
                status: Some(StatusCode::SERVICE_UNAVAILABLE),
                ..Outcome::default()
            };
            return self.respond(requester, outcome, callback);
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let outcome = Outcome {
                error: Some(Error::TooManyPending),
                status: Some(StatusCode::SERVICE_UNAVAILABLE),
                params: Arc::new(params.into()),
                ..Outcome::default()
            };
            return self.respond(requester, outcome, callback);
        };
        let _caller = Caller(requester.connection.clone());
        let (app, connection) = (self.app.clone(), requester.connection.clone());
        // In a task of its own: an action is not torn apart because its caller hangs up.
        let call = self.app.tasks().spawn(async move {
            let paths = uploads
                .iter()
                .map(|upload| upload.path().to_owned())
                .collect();
            let outcome = app.call_web(connection, params, paths, memory).await;
            drop((uploads, place));
            outcome
        });
        let outcome = call.await.unwrap_or_else(|_| Outcome {
            error: Some(Error::Internal),
            ..Outcome::default()
        });
        self.respond(requester, outcome, callback)
    }

    /// Puts the action's name into `params`: the param itself if it names an action, then a route, then the path.
    fn choose_action(&self, parts: &Parts, mut params: Map<String, Value>) -> Map<String, Value> {
        let registry = self.app.registry();
        if !self.web.query_routing {
            params.remove("action");
        }
        let named = params.get("action").and_then(Value::as_str);
        if named.is_some_and(|name| registry.contains(name)) {
            return params;
        }
        let path = parts.uri.path();
        let segments: Vec<&str> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .skip(1)
            .collect();
        if let Some(matched) = self.routes.find(&parts.method, &segments) {
            params.insert("action".into(), matched.action.into());
            if let Some(version) = matched.api_version {
                params.insert("apiVersion".into(), version.clone());
            }
            for (name, value) in matched.params {
                params.insert(name, value.into());
            }
        } else if let (true, [name]) = (self.web.simple_routing, &segments[..]) {
            let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
            let known = registry.find_ignoring_case(&name).unwrap_or(&name);
            params.insert("action".into(), known.into());
        }
        params
    }

    fn requester(&self, parts: &Parts, peer: Peer) -> Requester {
        let key = &self.web.cookie_key;
        let (fingerprint, cookie) = match fingerprint::from_cookie(&parts.headers, key) {
            Some(known) => (known, None),
            None => {
                let new = fingerprint::derive(peer.ip, &parts.headers);
                let life = self.web.cookie_expires_ms / 1000;
                let secure = if peer.secure { "; Secure" } else { "" };
                let cookie = format!("{key}={new}; Path=/; Max-Age={life}; SameSite=Lax{secure}");
                let cookie = self
                    .web
                    .set_cookie
                    .then(|| HeaderValue::from_str(&cookie).ok());
                (new, cookie.flatten())
            }
        };
        let handshake = Handshake {
            transport: "web",
            dialect: "json",
            peer,
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            extensions: parts.extensions.clone(),
            id: None,
            auth: None,
        };
        Requester {
            connection: Connection::web(fingerprint, handshake),
            cookie,
            started: Instant::now(),
        }
    }

    fn respond(
        &self,
        requester: Requester,
        outcome: Outcome,
        callback: Option<String>,
    ) -> Response<Body> {
        let Requester {
            connection,
            cookie,
            started,
        } = requester;
        let holder = connection.remote_ip().map(Address::of).unwrap_or_default();
        let status = match (&outcome.error, outcome.status) {
            (_, Some(status)) => status,
            (None, None) => StatusCode::OK,
            (Some(_), None) if !self.web.return_error_codes => StatusCode::OK,
            (Some(Error::UnknownAction(_)), None) => StatusCode::NOT_FOUND,
            (Some(Error::Internal), None) => StatusCode::INTERNAL_SERVER_ERROR,
            (Some(Error::TooManyRequests { .. } | Error::LimitReached(_)), None) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            (Some(_), None) => StatusCode::BAD_REQUEST,
        };
        let mut response = if outcome.is_silent {
            Response::new(body::full(""))
        } else {
            let echoed = self.echo(&outcome);
            let mut fields = outcome.response;
            let options = self.app.options();
            if let Some(error) = &outcome.error {
                fields.insert("error".into(), error.to_value(&options.errors));
            }
            if self.web.server_information {
                let duration = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                fields.insert(
                    "serverInformation".into(),
                    json!({
                        "serverName": options.server_name,
                        "apiVersion": options.api_version,
                        "requestDuration": duration,
                        "currentTime": now(),
                    }),
                );
            }
            if self.web.requester_information {
                fields.insert(
                    "requesterInformation".into(),
                    json!({
                        "id": connection.id(),
                        "fingerprint": connection.fingerprint(),
                        "remoteIP": connection.remote_ip().map(|ip| ip.to_string()),
                        "receivedParams": echoed,
                    }),
                );
            }
            let json = json::indented(&fields, usize::from(self.web.padding));
            let held = |answer: String| self.budget.answer(holder, answer.into());
            match callback {
                Some(callback) => {
                    // JSON allows two line ends in strings that scripts of old browsers do not.
                    let json = json
                        .replace('\u{2028}', "\\u2028")
                        .replace('\u{2029}', "\\u2029");
                    let script = format!("{callback}({json});");
                    body::answer(
                        StatusCode::OK,
                        "application/javascript; charset=utf-8",
                        held(script),
                    )
                }
                None => body::answer(
                    StatusCode::OK,
                    "application/json; charset=utf-8",
                    held(json),
                ),
            }
        };
        *response.status_mut() = match (outcome.is_silent, outcome.status) {
            (true, None) => StatusCode::NO_CONTENT,
            _ => status,
        };
        let is_full = response.status() == StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        if is_full {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        } else if let Some(Error::TooManyRequests { retry_after }) = outcome.error {
            headers.insert(RETRY_AFTER, retry_after.div_ceil(1000).into());
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(cookie) = cookie {
            headers.append(SET_COOKIE, cookie);
        }
        for (name, value) in own_headers(outcome.headers) {
            if name == SET_COOKIE {
                headers.append(name, value);
            } else {
                headers.insert(name, value);
            }
        }
        response
    }

    /// The params that an answer gives back: its caller knows them, so large ones would only cost.
    fn echo(&self, outcome: &Outcome) -> Value {
        let limit = match outcome.error {
            None => self.web.max_echo_bytes,
            Some(_) => self.web.max_failed_echo_bytes,
        };
        match &*outcome.params {
            params @ Value::Object(_) if json::fits(params, limit) => params.clone(),
            _ => json!({}),
        }
    }
}

/// Whether a request may act in the name of a visitor, if it would: only for pages that may connect. A program has no
/// visitor.
fn may_act(parts: &Parts, context: &Context) -> bool {
    let headers = &parts.headers;
    !carries_credentials(headers)
        || Provenance::of_credentials(&context.origins, headers, &parts.extensions)
            != Provenance::Foreign
}

fn first_segment(path: &str) -> &str {
    let mut segments = path.split('/');
    segments
        .find(|segment| !segment.is_empty())
        .unwrap_or_default()
}

/// The headers that an action set, each with its name; those of the connection itself are ours.
fn own_headers(headers: http::HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let mut last = CONTENT_TYPE;
    headers
        .into_iter()
        .map(move |(name, value)| {
            // Repeated values come without their name.
            if let Some(name) = name {
                last = name;
            }
            (last.clone(), value)
        })
        .filter(|(name, _)| {
            !matches!(
                *name,
                http::header::CONTENT_LENGTH
                    | http::header::TRANSFER_ENCODING
                    | http::header::CONNECTION
            )
        })
}

/// The name of a JSONP callback, reduced to what can be part of one. What is left over is no name: no JSONP then.
fn callback_name(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.'))
        .take(128)
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callback_names_cannot_carry_code() {
        assert_eq!(callback_name("cb").unwrap(), "cb");
        assert_eq!(callback_name("a.b$_1").unwrap(), "a.b$_1");
        assert_eq!(callback_name("alert(1);//").unwrap(), "alert1");
        assert_eq!(callback_name("<>()"), None);
    }
}
