//! The opening handshake, as far as the server checks it (RFC 6455 §4.2.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::subprotocol;
use crate::{Body, Context, body, handshake};

/// What a valid handshake is answered with.
#[derive(Debug)]
pub(crate) struct Accept {
    key: HeaderValue,
    subprotocol: Option<HeaderValue>,
}

/// Why a request is no WebSocket handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// It does not ask for an upgrade to WebSocket.
    NotAnUpgrade,
    Method,
    Version,
    Key,
    Subprotocol,
    /// It has a body, which would be taken for frames.
    Body,
}

/// Checks the request line and headers of a handshake.
pub(crate) fn check(request: &Request<Body>, context: &Context) -> Result<Accept, Invalid> {
    let (method, version) = (request.method(), request.version());
    check_head(method, version, request.headers(), &context.subprotocols)
}

fn check_head(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    subprotocols: &[String],
) -> Result<Accept, Invalid> {
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return Err(Invalid::NotAnUpgrade);
    }
    if method != Method::GET || version != Version::HTTP_11 {
        return Err(Invalid::Method);
    }
    if has_body(headers) {
        return Err(Invalid::Body);
    }
    if single(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Invalid::Version);
    }
    let key = single(headers, &SEC_WEBSOCKET_KEY)
        .filter(|key| is_nonce(key))
        .ok_or(Invalid::Key)?;
    let accept = derive_accept_key(key.as_bytes());
    // The derived key is base64, which is always a valid header value.
    let key = HeaderValue::from_str(&accept).map_err(|_| Invalid::Key)?;
    let subprotocol = subprotocol::choose(headers, subprotocols);
    Ok(Accept {
        key,
        subprotocol: subprotocol.map_err(|_| Invalid::Subprotocol)?,
    })
}

impl Accept {
    /// Leaves word with the request of what was agreed on, for whoever decides whether it may connect.
    pub(crate) fn note(&self, request: &mut Request<Body>) {
        subprotocol::hide_secrets(request.headers_mut());
        if let Some(name) = &self.subprotocol {
            let agreed = handshake::Subprotocol(name.clone());
            request.extensions_mut().insert(agreed);
        }
    }

    /// The `101` answer.
    pub(crate) fn response(self) -> Response<Body> {
        let mut response = Response::new(body::full(""));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.key);
        if let Some(name) = self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, name);
        }
        response
    }
}

impl Invalid {
    /// The answer to a request that is no handshake; the texts are those that `ws` clients know.
    pub(crate) fn response(self) -> Response<Body> {
        let text = match self {
            Self::NotAnUpgrade => {
                let mut response = body::text(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                return response;
            }
            Self::Method => "A WebSocket handshake is a GET request over HTTP/1.1",
            Self::Version => "Missing or invalid Sec-WebSocket-Version header",
            Self::Key => "Missing or invalid Sec-WebSocket-Key header",
            Self::Subprotocol => "Invalid Sec-WebSocket-Protocol header",
            Self::Body => "A WebSocket handshake has no body",
        };
        let mut response = body::answer(StatusCode::BAD_REQUEST, "text/html", text);
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if self == Self::Version {
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// The value of a header that must be there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

fn has_body(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    headers.contains_key(TRANSFER_ENCODING)
        || lengths.any(|length| length.as_bytes().iter().any(|digit| *digit != b'0'))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|candidate| candidate.trim().eq_ignore_ascii_case(token))
}

/// Whether `key` is 16 bytes in base64: 22 digits and two pads.
fn is_nonce(key: &str) -> bool {
    let Some(digits) = key.strip_suffix("==") else {
        return false;
    };
    digits.len() == 22
        && digits
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn check_with(changes: &[(&str, &str)]) -> Result<Accept, Invalid> {
        let mut headers = headers(&GOOD);
        for (name, value) in changes {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        check_head(&Method::GET, Version::HTTP_11, &headers, &[])
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        assert_eq!(check_with(&[]).unwrap().key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_fault_has_its_own_answer() {
        assert_eq!(
            check_with(&[("upgrade", "h2c")]).unwrap_err(),
            Invalid::NotAnUpgrade
        );
        assert_eq!(
            check_with(&[("connection", "close")]).unwrap_err(),
            Invalid::NotAnUpgrade
        );
        assert_eq!(
            check_with(&[("sec-websocket-version", "8")]).unwrap_err(),
            Invalid::Version
        );
        for key in [
            "",
            "short==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZ$==",
        ] {
            assert_eq!(
                check_with(&[("sec-websocket-key", key)]).unwrap_err(),
                Invalid::Key,
                "{key}"
            );
        }
        for (name, value, has_body) in [
            ("content-length", "5", true),
            ("content-length", "0", false),
            ("content-length", "000", false),
            ("transfer-encoding", "chunked", true),
        ] {
            let refused = check_with(&[(name, value)]).err();
            assert_eq!(
                refused,
                has_body.then_some(Invalid::Body),
                "{name}: {value}"
            );
        }
        assert_eq!(
            check_with(&[("sec-websocket-protocol", "a,a")]).unwrap_err(),
            Invalid::Subprotocol
        );
        let good = headers(&GOOD);
        assert_eq!(
            check_head(&Method::POST, Version::HTTP_11, &good, &[]).unwrap_err(),
            Invalid::Method
        );
        assert_eq!(
            check_head(&Method::GET, Version::HTTP_10, &good, &[]).unwrap_err(),
            Invalid::Method
        );
    }
}
