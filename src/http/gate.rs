//! Requests that are refused whatever they ask for: their host is unclear (RFC 9112 §3.2), their body is unclear
//! (RFC 9112 §6.1), or they ask for an echo (`TRACE`).

use std::net::Ipv6Addr;

use http::header::{ALLOW, CONNECTION, HOST, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use stellar_transports::{Body, body};

use super::places::Full;

/// The answer to a request that goes no further. It is the last one of its connection: what is behind such a request
/// was perhaps meant for somebody else.
///
/// The host of one that may pass is in its `Host`, also if it was named in the target.
pub(super) fn refusal<B>(request: &mut Request<B>) -> Option<Response<Body>> {
    if request.method() == Method::TRACE {
        let mut response = body::text(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not answered\n");
        let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        response.headers_mut().insert(ALLOW, allowed);
        return Some(last(response));
    }
    if !is_body_readable(request.headers()) {
        let text = "chunked is the one transfer coding that is understood\n";
        return Some(last(body::text(StatusCode::NOT_IMPLEMENTED, text)));
    }
    let invalid = name_host(request).err();
    invalid.map(|text| last(body::text(StatusCode::BAD_REQUEST, text)))
}

/// Whether its transfer coding, if it has one, is `chunked`, once: hyper takes off no more than that, so what is inside
/// would be taken for something else.
fn is_body_readable(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

fn name_host<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    host(request.headers(), request.version())?;
    let target = match request.uri().authority() {
        Some(authority) if request.method() != Method::CONNECT => authority.as_str(),
        _ => return Ok(()),
    };
    // RFC 9112 §3.2.3: a host alone is what a tunnel leads to.
    if request.uri().scheme().is_none() {
        return Err("the target has no path\n");
    }
    // RFC 9112 §3.2.2: the target's host is the one that counts.
    let named = HeaderValue::from_str(target).ok();
    let named = named.filter(|_| is_host(target));
    let named = named.ok_or("the target's host is not valid\n")?;
    request.headers_mut().insert(HOST, named);
    Ok(())
}

fn host(headers: &HeaderMap, version: Version) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (None, _) => Err("a Host header is missing\n"),
        (Some(_), Some(_)) => Err("more than one Host header\n"),
        (Some(host), None) if host.to_str().is_ok_and(is_host) => Ok(()),
        (Some(_), None) => Err("the Host header is not valid\n"),
    }
}

/// Whether it is `host`, `host:port` or nothing. Commas, which RFC 3986 would allow, look like two hosts.
fn is_host(text: &str) -> bool {
    let is_end = |end: &str| {
        let port = end.strip_prefix(':');
        end.is_empty() || port.is_some_and(|port| port.is_empty() || is_port(port))
    };
    if let Some(literal) = text.strip_prefix('[') {
        return literal.split_once(']').is_some_and(|(address, end)| {
            let address = address.split('%').next().unwrap_or_default();
            address.parse::<Ipv6Addr>().is_ok() && is_end(end)
        });
    }
    let (name, end) = text.split_at(text.find(':').unwrap_or(text.len()));
    let is_name = !name.is_empty() || end.is_empty();
    is_name && is_end(end) && name.bytes().all(is_of_a_name) && are_escapes_whole(name)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte)
}

fn are_escapes_whole(name: &str) -> bool {
    let mut escapes = name.split('%').skip(1).map(str::as_bytes);
    escapes.all(|rest| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit))
}

/// The answer to a request of one for whom there is no place.
pub(super) fn full(full: Full) -> Response<Body> {
    let mut response = match full {
        Full::All => last(body::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is full\n",
        )),
        Full::Address => body::text(
            StatusCode::TOO_MANY_REQUESTS,
            "too many connections from this address\n",
        ),
        Full::Connects(_) | Full::Requests(_) => body::text(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests from this address\n",
        ),
    };
    let seconds = match full {
        Full::All | Full::Address => 1,
        // Rounded up: whoever comes back then is not too early.
        Full::Connects(after) | Full::Requests(after) => after.as_secs().saturating_add(1),
    };
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Makes it the last answer of its connection.
pub(super) fn last(mut response: Response<Body>) -> Response<Body> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for host in [
            "",
            "x",
            "x:",
            "x:80",
            "a.b-c_d~e",
            "1.2.3.4:65535",
            "[::1]",
            "[::1]:8080",
            "[fe80::1%25eth0]",
            "a%20b",
            "xn--bcher-kva.example",
            "EXAMPLE.com.",
        ] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            ":80",
            " ",
            "a b",
            "a,b",
            "a@b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a\"b",
            "<a>",
            "x:y",
            "x:80:80",
            "x:65536",
            "x:+1",
            "::1",
            "[::1",
            "[::1]x",
            "[1.2.3.4]",
            "[]",
            "http://x",
            "a%2",
            "a%zz",
            "x:-1",
            "a\tb",
        ] {
            assert!(!is_host(host), "{host}");
        }
    }

    #[test]
    fn the_host_of_the_target_is_the_one_that_counts() {
        let request = |target: &str| {
            let request = Request::get(target).header(HOST, "other.example");
            let mut request = request.body(()).unwrap();
            let refused = refusal(&mut request).map(|refused| refused.status());
            (refused, request.headers()[HOST].clone())
        };
        let (refused, host) = request("http://a.example:81/x");
        assert_eq!((refused, host.to_str().unwrap()), (None, "a.example:81"));
        let (refused, _) = request("http://somebody@a.example/x");
        assert_eq!(refused, Some(StatusCode::BAD_REQUEST));
        let (refused, _) = request("a.example:81");
        assert_eq!(refused, Some(StatusCode::BAD_REQUEST));
        let (refused, host) = request("/x");
        assert_eq!((refused, host.to_str().unwrap()), (None, "other.example"));
    }
}
