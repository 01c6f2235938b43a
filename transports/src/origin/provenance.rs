//! Where a request comes from that browsers send with cookies, whatever page asks.

use http::header::{AUTHORIZATION, COOKIE, REFERER};
use http::{Extensions, HeaderMap};

use super::{Origins, Verdict};

/// How sure it is that a request comes from a page that may connect. Requests for scripts and images, and forms that are
/// sent, come with cookies from any page, and often without `Origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// From a page that may.
    Allowed,
    /// From a page that may not.
    Foreign,
    /// Nothing says where it comes from. Programs say nothing, and no more do old browsers of pages that want it so.
    Unknown,
}

impl Provenance {
    /// Judges by `Origin`, `Sec-Fetch-Site` and `Referer`.
    pub fn of(origins: &Origins, headers: &HeaderMap, extensions: &Extensions) -> Self {
        match origins.judge(headers, extensions) {
            Verdict::NoPage => {}
            verdict => return Self::from(verdict == Verdict::Allowed),
        }
        if origins.allows_all() {
            // Any page may, and so none may do it with somebody's cookies.
            return Self::Unknown;
        }
        Self::told(origins, headers, extensions)
    }

    /// Judges one that carries a visitor's [credentials](carries_credentials): that every page may ask does not mean that
    /// it may do so in a visitor's name.
    pub fn of_credentials(origins: &Origins, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let listed = origins.only_listed();
        // The browser knows better than a server behind a proxy what the server's own pages are.
        if text(headers, "sec-fetch-site") == Some("same-origin") {
            return Self::Allowed;
        }
        match listed.judge(headers, extensions) {
            Verdict::NoPage => Self::told(&listed, headers, extensions),
            verdict => Self::from(verdict == Verdict::Allowed),
        }
    }

    /// What headers say that are not `Origin`.
    fn told(origins: &Origins, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let referer = text(headers, REFERER.as_str());
        match (text(headers, "sec-fetch-site"), referer) {
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

/// Whether a request carries what a browser adds for whoever asks.
pub fn carries_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(COOKIE) || headers.contains_key(AUTHORIZATION)
}

/// Takes that out of a request.
#[cfg(feature = "polling")]
pub(crate) fn forget_identity(headers: &mut HeaderMap) {
    headers.remove(COOKIE);
    headers.remove(AUTHORIZATION);
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']);
    end.map_or(url, |end| &url[..authority + end])
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

    const PAGES: &[(&[(&str, &str)], Provenance)] = &[
        (&[], Provenance::Unknown),
        (&[("origin", "http://a.test")], Provenance::Allowed),
        (&[("origin", "http://b.test")], Provenance::Foreign),
        (&[("origin", "http://ok.test")], Provenance::Allowed),
        (&[("origin", "null")], Provenance::Foreign),
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
        (&[("sec-fetch-site", "same-site")], Provenance::Foreign),
        (&[("sec-fetch-site", "same-origin")], Provenance::Allowed),
        (&[("sec-fetch-site", "none")], Provenance::Allowed),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("referer", "http://ok.test/"),
            ],
            Provenance::Allowed,
        ),
    ];

    #[test]
    fn requests_are_judged_by_what_the_browser_says_of_the_page() {
        let origins = Origins::allow(["http://ok.test"]).unwrap();
        for (pairs, expected) in PAGES {
            for judge in [Provenance::of, Provenance::of_credentials] {
                let found = judge(&origins, &headers(pairs), &Extensions::new());
                assert_eq!(found, *expected, "{pairs:?}");
            }
        }
        let open = Origins::allow(["*"]).unwrap();
        let foreign = headers(&[("referer", "http://b.test/")]);
        assert_eq!(
            Provenance::of(&open, &foreign, &Extensions::new()),
            Provenance::Unknown
        );
    }

    #[test]
    fn a_star_lists_nobody_who_asks_in_a_visitors_name() {
        let open = Origins::allow(["*", "http://ok.test"]).unwrap();
        for (pairs, expected) in PAGES {
            let found = Provenance::of_credentials(&open, &headers(pairs), &Extensions::new());
            assert_eq!(found, *expected, "{pairs:?}");
        }
    }

    #[test]
    fn the_browser_knows_the_pages_of_a_server_behind_a_proxy() {
        let origins = Origins::same_origin();
        let own = headers(&[
            ("origin", "https://public.test"),
            ("sec-fetch-site", "same-origin"),
        ]);
        let found = Provenance::of_credentials(&origins, &own, &Extensions::new());
        assert_eq!(found, Provenance::Allowed);
    }
}
