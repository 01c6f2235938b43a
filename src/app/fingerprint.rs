//! What identifies a browser over several connections (docs/protocol/http.md#fingerprints).

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

/// What the cookie `key` stands for. One that this server has set is its own fingerprint. Any other is perhaps somebody
/// else's secret, to which the key was set by mistake or on purpose: it has one that tells nothing of it.
pub(crate) fn from_cookie(headers: &HeaderMap, key: &str) -> Option<String> {
    let cookie = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value.trim_matches('"'))
        .filter(|value| is_usable(value))?;
    match is_own(cookie) {
        true => Some(cookie.to_owned()),
        false => Some(sealed(&digits(&["of a cookie", cookie]))),
    }
}

/// Digits of a fingerprint that are its own. The rest follows from them.
const OWN_DIGITS: usize = 24;
/// All of its digits.
const DIGITS: usize = 40;

/// Completes the digits of a fingerprint so that it can be told from everything else.
fn sealed(digits: &str) -> String {
    let own = &digits[..OWN_DIGITS];
    let rest = &self::digits(&["a fingerprint", own])[OWN_DIGITS..];
    format!("{own}{rest}")
}

/// Whether this is a fingerprint that [`derive`] has made. Another system's cookie never looks like one.
fn is_own(value: &str) -> bool {
    value.len() == DIGITS
        && value
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && sealed(value) == value
}

/// The hash of these texts, in hexadecimal digits.
fn digits(texts: &[&str]) -> String {
    let mut hash = Sha1::new();
    for text in texts {
        hash.update(text);
        hash.update([0]);
    }
    hex(hash)
}

fn hex(hash: Sha1) -> String {
    let hash = hash.finalize();
    hash.iter()
        .fold(String::with_capacity(DIGITS), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
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
    sealed(&hex(hash))
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
        assert_eq!(
            brought("", &headers, "sessionID"),
            from_cookie(&headers, "sessionID")
        );
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

    #[test]
    fn a_cookie_is_shown_only_if_it_was_set_here() {
        let ip = std::net::IpAddr::from([127, 0, 0, 1]);
        let shown = |value: &str| {
            let headers = cookies(&format!("session={value}"));
            from_cookie(&headers, "session").unwrap()
        };
        let own = derive(ip, &HeaderMap::new());
        assert_eq!(shown(&own), own);
        let mut other = own.clone();
        other.replace_range(..1, if own.starts_with('0') { "1" } else { "0" });
        for secret in [
            "s3cret",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            &*own.to_uppercase(),
            &other,
        ] {
            let found = shown(secret);
            assert!(!found.contains(secret) && found.len() == 40, "{found}");
            // The same for the same, and it is one of ours from then on.
            assert_eq!(shown(secret), found);
            assert_eq!(shown(&found), found);
        }
        assert_ne!(shown("a"), shown("b"));
    }
}
