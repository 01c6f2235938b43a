//! Small HTTP answers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::{Body, Refusal};

/// A body of known bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// An answer with `content_type`.
pub fn answer(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A plain text answer.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    answer(status, "text/plain", text)
}

/// A JSON answer.
pub fn json(status: StatusCode, json: impl Into<Bytes>) -> Response<Body> {
    answer(status, "application/json", json)
}

/// The answer to a refused handshake (docs/protocol/README.md#refusals).
pub fn refusal(refusal: &Refusal) -> Response<Body> {
    refusal_with(refusal, |error| serde_json::json!({ "error": error }))
}

/// As [`refusal`], for protocols whose clients read another body, which `body` makes of the error.
pub fn refusal_with(
    refusal: &Refusal,
    body: impl FnOnce(&serde_json::Value) -> serde_json::Value,
) -> Response<Body> {
    let mut response = json(refusal.status, body(&refusal.error).to_string());
    if refusal.status == StatusCode::UNAUTHORIZED
        && let Some(challenge) = &refusal.authenticate
        && let Ok(challenge) = HeaderValue::from_str(challenge)
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, soon);
    }
    response
}
