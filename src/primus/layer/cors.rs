//! What pages of other origins may do.

use std::time::Duration;

use async_trait::async_trait;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN,
    VARY,
};
use http::{Method, Response, StatusCode};
use stellar_transports::{Body, Origins, Refusal, Verdict, body};

use super::{Exchange, Layer, Next, RequestKind};

/// What a page may do whose origin may connect. The defaults are Primus's.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    methods: Vec<Method>,
    has_credentials: bool,
    max_age: Duration,
    headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: Origins::default(),
            methods: vec![
                Method::GET,
                Method::HEAD,
                Method::PUT,
                Method::POST,
                Method::DELETE,
                Method::OPTIONS,
            ],
            has_credentials: true,
            max_age: Duration::from_secs(30 * 24 * 60 * 60),
            headers: Vec::new(),
            exposed: Vec::new(),
        }
    }
}

impl Cors {
    /// The methods that may be used. Default GET, HEAD, PUT, POST, DELETE, OPTIONS.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Whether cookies may be sent along. Default true, but never where every origin may connect.
    #[must_use]
    pub const fn credentials(mut self, has_credentials: bool) -> Self {
        self.has_credentials = has_credentials;
        self
    }

    /// How long a browser may remember the answer to its question. Default 30 days.
    #[must_use]
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Headers that requests may have. Default those that are asked for.
    #[must_use]
    pub fn headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.headers = headers.into_iter().collect();
        self
    }

    /// Headers of answers that pages may read. Default none.
    #[must_use]
    pub fn exposed(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.exposed = headers.into_iter().collect();
        self
    }

    pub(super) fn for_origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    fn preflight(&self, exchange: &Exchange) -> Response<Body> {
        let mut response = Response::new(body::full(""));
        let headers = response.headers_mut();
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        let max_age = self.max_age.as_secs().to_string();
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, methods.join(", ")),
            (ACCESS_CONTROL_MAX_AGE, max_age),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        let asked = exchange.head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        if let Some(allowed) = list(&self.headers).or_else(|| asked.cloned()) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        response
    }
}

fn list(names: &[HeaderName]) -> Option<HeaderValue> {
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    let list = names.join(", ");
    (!list.is_empty())
        .then(|| HeaderValue::from_str(&list).ok())
        .flatten()
}

/// Whether it is `null`, or begins with a scheme and has nothing escaped (docs/protocol/primus.md#cors).
fn is_plausible(origin: &HeaderValue) -> bool {
    let bytes = origin.as_bytes();
    let scheme = bytes.split(|byte| *byte == b':').next();
    let has_scheme = scheme.is_some_and(|scheme| {
        scheme.len() < bytes.len()
            && scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
    });
    bytes == b"null" || (has_scheme && !bytes.contains(&b'%'))
}

#[async_trait]
impl Layer for Cors {
    /// The origin of a WebSocket's page is looked at by the transport.
    fn is_for(&self, kind: RequestKind) -> bool {
        kind == RequestKind::Http
    }

    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        let head = &exchange.head;
        let Some(origin) = head.headers.get(ORIGIN).cloned() else {
            return Ok(Next::Continue);
        };
        let verdict = self.origins.judge(&head.headers, &head.extensions);
        if verdict == Verdict::NoPage {
            return Ok(Next::Continue);
        }
        let is_permitted = is_plausible(&origin) && verdict == Verdict::Allowed;
        if !is_permitted {
            self.origins.warn(&head.headers);
        }
        if !is_permitted || !self.methods.contains(&head.method) {
            // As Primus words it (docs/protocol/primus.md#cors).
            let text = format!(
                "Invalid HTTP Access Control (CORS) request:\n  Origin: {}\n  Method: {}",
                String::from_utf8_lossy(origin.as_bytes()),
                head.method
            );
            let refused = body::text(StatusCode::FORBIDDEN, text);
            return Ok(Next::answer(refused));
        }
        let is_open_to_all = self.origins.allows_all();
        let answer = (head.method == Method::OPTIONS
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD))
        .then(|| self.preflight(exchange));
        let headers = &mut exchange.headers;
        if is_open_to_all {
            let anyone = HeaderValue::from_static("*");
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
        } else {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.append(VARY, HeaderValue::from_static("Origin"));
            if self.has_credentials {
                let yes = HeaderValue::from_static("true");
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
        match answer {
            Some(answer) => Ok(Next::answer(answer)),
            None => {
                if let Some(exposed) = list(&self.exposed) {
                    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
                }
                Ok(Next::Continue)
            }
        }
    }
}
