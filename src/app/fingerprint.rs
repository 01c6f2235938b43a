//! What identifies a browser over several connections (Stellar specification, §3.3).

use std::fmt::Write;

use http::HeaderMap;
use http::header::{COOKIE, HOST, USER_AGENT};
use sha1::{Digest, Sha1};

/// Longest value that is taken from a cookie or query.
const MAX_LEN: usize = 128;

/// The fingerprint that a client brings: the query parameter `key` first, then the cookie.
pub(crate) fn brought(query: &str, headers: &HeaderMap, key: &str) -> Option<String> {
    from_query(query, key).or_else(|| from_cookie(headers, key))
}

/// The query parameter `key`.
fn from_query(query: &str, key: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
        .filter(|value| is_usable(value))
}

/// The cookie `key`.
pub(crate) fn from_cookie(headers: &HeaderMap, key: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value.trim_matches('"').to_owned())
        .filter(|value| is_usable(value))
}

/// It ends up in ids, logs and headers, so only what is harmless there.
fn is_usable(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= MAX_LEN
        && value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\'))
}

/// A new fingerprint of 40 hexadecimal digits for an HTTP client that brings none. The random part keeps clients
/// apart that look alike.
pub(crate) fn derive(ip: std::net::IpAddr, headers: &HeaderMap) -> String {
    let mut hash = Sha1::new();
    hash.update(ip.to_string());
    for name in [USER_AGENT, HOST] {
        hash.update(headers.get(name).map_or(&[][..], |value| value.as_bytes()));
    }
    hash.update(uuid::Uuid::new_v4().as_bytes());
    hash.finalize()
        .iter()
        .fold(String::with_capacity(40), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, text.parse().unwrap())])
    }

    #[test]
    fn the_query_wins_over_the_cookie() {
        let headers = cookies("a=1; sessionID=cookie");
        assert_eq!(
            brought("x=1&sessionID=query", &headers, "sessionID").unwrap(),
            "query"
        );
        assert_eq!(brought("", &headers, "sessionID").unwrap(), "cookie");
        assert_eq!(brought("", &HeaderMap::new(), "sessionID"), None);
    }

    #[test]
    fn what_could_do_harm_is_not_taken() {
        assert_eq!(
            brought("sessionID=a%0d%0ab", &HeaderMap::new(), "sessionID"),
            None
        );
        let long = format!("sessionID={}", "x".repeat(MAX_LEN + 1));
        assert_eq!(brought(&long, &HeaderMap::new(), "sessionID"), None);
    }

    #[test]
    fn derived_ones_are_forty_digits_and_differ() {
        let ip = std::net::IpAddr::from([127, 0, 0, 1]);
        let (a, b) = (derive(ip, &HeaderMap::new()), derive(ip, &HeaderMap::new()));
        assert_eq!(a.len(), 40);
        assert_ne!(a, b);
    }
}
