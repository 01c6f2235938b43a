//! A script as an answer over HTTP.

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue};
use http::header::{IF_NONE_MATCH, VARY};
use http::{HeaderMap, Response, StatusCode};
use stellar_transports::{Body, accept, body};

use super::Script;

impl Script {
    /// Answers with a script, or that it has not changed.
    pub(crate) fn response(&self, headers: &HeaderMap) -> Response<Body> {
        let takes_gzip = accept::takes(headers, "gzip");
        let takes_gzip = takes_gzip && !self.gzip.is_empty();
        let etag = &self.etags[usize::from(takes_gzip)];
        let is_known = headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag == etag);
        let mut response = if is_known {
            let mut response = Response::new(body::full(""));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else if takes_gzip {
            Response::new(body::full(self.gzip.clone()))
        } else {
            Response::new(body::full(self.raw.clone()))
        };
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/javascript; charset=utf-8"),
        );
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("max-age=60, must-revalidate, public"),
        );
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        // Pages of other origins may load it as a module; it holds nothing that is not public.
        let anyone = HeaderValue::from_static("*");
        headers.insert(http::header::ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
        if let Ok(etag) = HeaderValue::from_str(etag) {
            headers.insert(ETAG, etag);
        }
        if takes_gzip && !is_known {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}
