//! Which pages may ask, and what their browsers have to be told (§1.9).

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    AUTHORIZATION, COOKIE, HeaderValue, ORIGIN, REFERER, VARY,
};
use http::{Extensions, HeaderMap, Response, StatusCode};

use crate::{Body, Origins, Verdict, body};

/// What is put on every answer.
#[derive(Clone, Debug)]
pub(super) struct Cors {
    allow: Option<HeaderValue>,
    may_send_cookies: bool,
}

impl Cors {
    pub(super) fn of(origins: &Origins, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let is_allowed = || origins.judge(headers, extensions) == Verdict::Allowed;
        let origin = headers.get(ORIGIN).filter(|_| is_allowed());
        // A server that is open to all pages hands none of them another page's cookies.
        let allow = match origin {
            Some(_) if origins.allows_all() => Some(HeaderValue::from_static("*")),
            origin => origin.cloned(),
        };
        Self {
            may_send_cookies: !origins.allows_all(),
            allow,
        }
    }

    pub(super) fn apply(self, headers: &mut HeaderMap) {
        // Whatever the answer is, it depends on who asked.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(allow) = self.allow {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allow);
            if self.may_send_cookies {
                let yes = HeaderValue::from_static("true");
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
    }
}

/// The answer to a browser that asks before it asks.
pub(super) fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(body::full(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let wanted = wanted.unwrap_or(HeaderValue::from_static("Content-Type"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// How sure it is that a request for a script comes from a page that may connect. Browsers send such requests with
/// cookies and without `Origin`, whatever page asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provenance {
    /// From a page that may.
    Allowed,
    /// From a page that may not.
    Foreign,
    /// Nothing says where it comes from.
    Unknown,
}

impl Provenance {
    pub(super) fn of(origins: &Origins, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        match origins.judge(headers, extensions) {
            Verdict::NoPage => {}
            verdict => return Self::from(verdict == Verdict::Allowed),
        }
        if origins.allows_all() {
            // Any page may, and so none may do it with somebody's cookies.
            return Self::Unknown;
        }
        match (text("sec-fetch-site"), text(REFERER.as_str())) {
            (Some("same-origin" | "none"), _) => Self::Allowed,
            (_, Some(referer)) => {
                Self::from(origins.allows_page(origin_of(referer), headers, extensions))
            }
            (Some(_), None) => Self::Foreign,
            (None, None) => Self::Unknown,
        }
    }

    fn from(is_allowed: bool) -> Self {
        if is_allowed {
            Self::Allowed
        } else {
            Self::Foreign
        }
    }
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']);
    end.map_or(url, |end| &url[..authority + end])
}

/// Takes out of a request what a browser adds for whoever asks.
pub(super) fn forget_identity(headers: &mut HeaderMap) {
    headers.remove(COOKIE);
    headers.remove(AUTHORIZATION);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().chain(&[("host", "a.test")]);
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn scripts_are_judged_by_what_the_browser_says_of_the_page() {
        for (pairs, expected) in [
            (&[][..], Provenance::Unknown),
            (&[("origin", "http://a.test")], Provenance::Allowed),
            (&[("origin", "http://b.test")], Provenance::Foreign),
            (&[("referer", "http://a.test/x?y")], Provenance::Allowed),
            (&[("referer", "http://a.test")], Provenance::Allowed),
            (
                &[("referer", "http://a.test.evil.test/")],
                Provenance::Foreign,
            ),
            (
                &[("referer", "http://evil.test/http://a.test")],
                Provenance::Foreign,
            ),
            (&[("referer", "nonsense")], Provenance::Foreign),
            (&[("referer", "*")], Provenance::Foreign),
            (&[("referer", "a.test")], Provenance::Foreign),
            (&[("origin", "ws://a.test")], Provenance::Unknown),
            (
                &[("origin", "*"), ("referer", "http://b.test/")],
                Provenance::Foreign,
            ),
            (&[("sec-fetch-site", "cross-site")], Provenance::Foreign),
            (&[("sec-fetch-site", "same-origin")], Provenance::Allowed),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("referer", "http://ok.test/"),
                ],
                Provenance::Allowed,
            ),
        ] {
            let origins = Origins::allow(["http://ok.test"]).unwrap();
            assert_eq!(
                Provenance::of(&origins, &headers(pairs), &Extensions::new()),
                expected,
                "{pairs:?}"
            );
        }
        let open = Origins::allow(["*"]).unwrap();
        let foreign = headers(&[("referer", "http://b.test/")]);
        assert_eq!(
            Provenance::of(&open, &foreign, &Extensions::new()),
            Provenance::Unknown
        );
    }

    #[test]
    fn only_listed_origins_may_send_cookies() {
        let foreign = headers(&[("origin", "http://b.test")]);
        let answer = |origins: &Origins| {
            let mut answer = HeaderMap::new();
            Cors::of(origins, &foreign, &Extensions::new()).apply(&mut answer);
            let text = |name| {
                answer
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            (
                text(ACCESS_CONTROL_ALLOW_ORIGIN),
                text(ACCESS_CONTROL_ALLOW_CREDENTIALS),
            )
        };
        assert_eq!(answer(&Origins::same_origin()), (None, None));
        assert_eq!(
            answer(&Origins::allow(["*"]).unwrap()),
            (Some("*".into()), None)
        );
        assert_eq!(
            answer(&Origins::allow(["http://b.test"]).unwrap()),
            (Some("http://b.test".into()), Some("true".into()))
        );
    }
}
