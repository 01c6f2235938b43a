//! What browsers have to be told of who may read an answer.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue, ORIGIN, VARY,
};
use http::{Extensions, HeaderMap};

use super::{Origins, Verdict};

/// CORS headers: pages that may connect can read an answer, and no others.
#[derive(Clone, Debug)]
pub struct Cors {
    allow: Option<HeaderValue>,
    may_send_cookies: bool,
}

impl Cors {
    /// As the origin of a request and the policy want it.
    pub fn of(origins: &Origins, headers: &HeaderMap, extensions: &Extensions) -> Self {
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

    /// Whether it is a page that asks, and one that may.
    pub const fn is_for_a_page(&self) -> bool {
        self.allow.is_some()
    }

    /// Puts it there.
    pub fn apply(self, headers: &mut HeaderMap) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_may_send_cookies() {
        let foreign = [("origin", "http://b.test"), ("host", "a.test")];
        let foreign: HeaderMap = foreign
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
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
