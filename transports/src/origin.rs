//! Which web pages may connect. Browsers do not apply CORS to WebSocket, so the server has to look.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// The policy for the `Origin` header of upgrades and polls.
///
/// No `Origin` at all (not a browser) and the server's own origin always pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    /// Lower-case `scheme://host[:port]`, compared whole.
    allowed: Vec<String>,
}

impl Origins {
    /// What a page that may not connect is answered.
    pub const REFUSED: &str =
        "this web origin may not connect: the server's `origins` option does not list it";

    /// Only pages that this server itself delivered.
    pub fn same_origin() -> Self {
        Self::default()
    }

    /// The same origin and the listed ones (`https://example.com`, or `null` for pages without one). `*` allows all.
    pub fn allow<S: AsRef<str>>(origins: impl IntoIterator<Item = S>) -> Self {
        let mut policy = Self::default();
        for origin in origins {
            match origin.as_ref().trim() {
                "*" => policy.any = true,
                other => policy
                    .allowed
                    .push(other.trim_end_matches('/').to_ascii_lowercase()),
            }
        }
        policy
    }

    /// Whether every origin is allowed.
    pub const fn allows_all(&self) -> bool {
        self.any
    }

    /// Whether a request with these headers may connect.
    pub fn permits(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return true;
        };
        let (Ok(origin), None) = (origin.to_str(), origins.next()) else {
            return false;
        };
        self.permits_origin(origin, headers)
    }

    /// Whether a page of `origin` may connect with a request that has these headers.
    pub fn permits_origin(&self, origin: &str, headers: &HeaderMap) -> bool {
        if self.any || self.allowed.contains(&origin.to_ascii_lowercase()) {
            return true;
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        host.is_some_and(|host| is_same_origin(origin, host))
    }
}

/// Compares host and port. The scheme is left out: behind a proxy that ends TLS the server cannot know its own.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let origin = split_port(authority, default_port);
    let host = split_port(host, default_port);
    origin.1 == host.1 && origin.0.eq_ignore_ascii_case(host.0) && !origin.0.is_empty()
}

fn split_port<'a>(authority: &'a str, default: &'a str) -> (&'a str, &'a str) {
    match authority.rsplit_once(':') {
        // A colon inside an IPv6 literal is not a port's.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(policy: &Origins, origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        headers.insert(HOST, host.parse().unwrap());
        policy.permits(&headers)
    }

    #[test]
    fn same_origin_compares_host_and_port() {
        let policy = Origins::same_origin();
        assert!(policy.permits(&HeaderMap::new()));
        for (origin, host) in [
            ("http://localhost:8080", "localhost:8080"),
            ("https://example.com", "example.com"),
            ("https://example.com", "example.com:443"),
            ("https://Example.com", "example.COM"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[::1]", "[::1]"),
        ] {
            assert!(permits(&policy, origin, host), "{origin} on {host}");
        }
        for (origin, host) in [
            ("http://localhost:8081", "localhost:8080"),
            ("https://example.com.evil.test", "example.com"),
            ("https://evil-example.com", "example.com"),
            ("http://example.com", "example.com:443"),
            ("null", "example.com"),
            ("example.com", "example.com"),
            ("file://", "example.com"),
            ("https://", ""),
        ] {
            assert!(!permits(&policy, origin, host), "{origin} on {host}");
        }
    }

    #[test]
    fn an_allow_list_is_exact() {
        let policy = Origins::allow(["https://app.example.com/", "null"]);
        assert!(permits(&policy, "https://APP.example.com", "api.test"));
        assert!(permits(&policy, "null", "api.test"));
        assert!(!permits(&policy, "http://app.example.com", "api.test"));
        assert!(!permits(
            &policy,
            "https://app.example.com.evil.test",
            "api.test"
        ));
        assert!(permits(
            &Origins::allow(["*"]),
            "https://anything.test",
            "api.test"
        ));
    }

    #[test]
    fn two_origin_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(ORIGIN, "http://a.test".parse().unwrap());
        headers.append(ORIGIN, "http://a.test".parse().unwrap());
        headers.insert(HOST, "a.test".parse().unwrap());
        assert!(!Origins::same_origin().permits(&headers));
    }
}
