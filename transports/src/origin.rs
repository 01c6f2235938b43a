//! Which web pages may connect. Browsers do not apply CORS to WebSocket, so the server has to look.

mod cors;
mod listed;
mod provenance;
mod refusals;

use std::sync::Arc;

use http::header::{HOST, ORIGIN};
use http::{Extensions, HeaderMap};

pub use self::cors::Cors;
use self::listed::Listed;
pub use self::listed::OriginError;
#[cfg(feature = "polling")]
pub(crate) use self::provenance::forget_identity;
pub use self::provenance::{Provenance, carries_credentials};
use self::refusals::Refusals;

/// The policy for the `Origin` header of upgrades and polls.
///
/// No `Origin` at all (not a browser) and the server's own origin always pass.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    any: bool,
    allowed: Vec<Listed>,
    refusals: Arc<Refusals>,
}

/// Who asks, as far as its `Origin` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not a page: there is no `Origin`, or one that browsers never send and that names this server or nobody.
    NoPage,
    /// A page that may connect.
    Allowed,
    /// A page that may not connect, or that does not make clear who it is.
    Refused,
}

/// The hosts under which a trusted proxy is known to those who ask: they are this server's own, besides `Host`. Found in
/// the extensions of a request.
#[derive(Clone, Debug)]
pub struct ForwardedHosts(pub Vec<String>);

impl Origins {
    /// What a page that may not connect is answered.
    pub const REFUSED: &str =
        "this web origin may not connect: the server's `origins` option does not list it";

    /// The answer to a request that would act in a visitor's name for such a page.
    pub const REFUSED_CREDENTIALS: &str = "this web origin may not send its visitors' cookies or `Authorization`: the \
                                           server's `origins` option does not list it";

    /// Only pages that this server itself delivered.
    pub fn same_origin() -> Self {
        Self::default()
    }

    /// The same origin and the listed ones.
    ///
    /// | listed | lets in |
    /// | --- | --- |
    /// | `https://example.com`, `http://localhost:3000` | the pages of this origin |
    /// | `https://*.example.com` | those of every host below, but not of `example.com` itself |
    /// | `http://localhost:*` | those of every port |
    /// | `file://`, `content://`, `capacitor://localhost` | pages of apps and of local files, where they name this |
    /// | `null` | pages that say who they are not: sandboxed ones, most local files |
    /// | `*` | all |
    ///
    /// # Errors
    ///
    /// One line for the first that cannot be the origin of a page.
    pub fn allow<S: AsRef<str>>(origins: impl IntoIterator<Item = S>) -> Result<Self, OriginError> {
        let mut policy = Self::default();
        for origin in origins {
            match origin.as_ref().trim() {
                "*" => policy.any = true,
                other => policy.allowed.push(Listed::parse(other)?),
            }
        }
        Ok(policy)
    }

    /// Whether every origin is allowed.
    pub const fn allows_all(&self) -> bool {
        self.any
    }

    /// The same without `*`.
    fn only_listed(&self) -> Self {
        Self {
            any: false,
            ..self.clone()
        }
    }

    /// Judges a request by its headers, and by what a trusted proxy says of its [hosts](ForwardedHosts).
    pub fn judge(&self, headers: &HeaderMap, extensions: &Extensions) -> Verdict {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Verdict::NoPage;
        };
        let (Ok(text), None) = (origin.to_str(), origins.next()) else {
            return Verdict::Refused;
        };
        let own = Own(headers, extensions);
        if Origin::parse(text).is_none() && own.is_named_by_a_program(text) {
            return Verdict::NoPage;
        }
        match self.allows_page(text, headers, extensions) {
            true => Verdict::Allowed,
            false => Verdict::Refused,
        }
    }

    /// Whether a page of `origin` may connect with a request that has these headers.
    pub fn allows_page(&self, origin: &str, headers: &HeaderMap, extensions: &Extensions) -> bool {
        if self.any {
            return true;
        }
        let Some(origin) = Origin::parse(origin) else {
            return false;
        };
        let own = Own(headers, extensions);
        self.allowed.iter().any(|listed| listed.is(&origin)) || own.is_origin(&origin)
    }

    /// Tells the operator, who alone can mend it, that a page was refused: browsers hide the answer from the page. Once a
    /// minute for each origin.
    pub fn warn(&self, headers: &HeaderMap) {
        if let Some(origin) = headers.get(ORIGIN) {
            self.refusals.warn(origin.as_bytes());
        }
    }
}

/// An origin as browsers write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin<'a> {
    /// `null`.
    Opaque,
    Named {
        scheme: &'a str,
        /// Empty for some schemes: `file://`.
        host: &'a str,
        /// `None` for the scheme's default.
        port: Option<u16>,
    },
}

impl<'a> Origin<'a> {
    /// `None` for what is in no browser's `Origin`.
    fn parse(text: &'a str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Opaque);
        }
        let (scheme, authority) = text.split_once("://")?;
        let is_usual = is_scheme(scheme) && !is_one_of(scheme, ["ws", "wss"]);
        let (host, port) = split_port(authority)?;
        let is_complete = !host.is_empty() || !is_one_of(scheme, ["http", "https"]);
        (is_usual && is_complete && (is_host(host) || authority.is_empty())).then_some(
            Self::Named {
                scheme,
                host,
                port: port.filter(|port| Some(*port) != default_port(scheme)),
            },
        )
    }
}

/// Where the server is, in its clients' words.
struct Own<'a>(&'a HeaderMap, &'a Extensions);

impl<'a> Own<'a> {
    fn hosts(&self) -> impl Iterator<Item = &'a str> {
        let host = self.0.get(HOST).and_then(|host| host.to_str().ok());
        let forwarded = self.1.get::<ForwardedHosts>().into_iter();
        let forwarded = forwarded.flat_map(|hosts| hosts.0.iter().map(String::as_str));
        host.into_iter().chain(forwarded)
    }

    /// Compares host and port. The scheme is left out: behind a proxy that ends TLS the server cannot know its own.
    fn is_origin(&self, origin: &Origin<'_>) -> bool {
        let Origin::Named { scheme, host, port } = *origin else {
            return false;
        };
        let default = match default_port(scheme) {
            Some(port) if !host.is_empty() => port,
            _ => return false,
        };
        self.hosts().filter_map(split_port).any(|(own, own_port)| {
            own.eq_ignore_ascii_case(host) && own_port.unwrap_or(default) == port.unwrap_or(default)
        })
    }

    /// Whether this, which no browser sends, is what programs put there for an address of this server: `ws://host`,
    /// `host:port`, `http://host/`. A `*` means no address at all.
    fn is_named_by_a_program(&self, text: &str) -> bool {
        let Some((scheme, rest)) = text.split_once("://") else {
            let is_own = |own: &str| !own.is_empty() && own.eq_ignore_ascii_case(text);
            return text == "*" || self.hosts().any(is_own);
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => "http",
            "wss" | "https" => "https",
            _ => return false,
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let named = split_port(authority).filter(|(host, _)| is_host(host));
        named.is_some_and(|(host, port)| self.is_origin(&Origin::Named { scheme, host, port }))
    }
}

/// `None` if what follows the host is no port.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        // A colon inside an IPv6 literal is not a port's.
        Some((host, port)) if !port.ends_with(']') => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|_| is_number)?;
            Some((host, Some(port)))
        }
        _ => Some((authority, None)),
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ => None,
    }
}

fn is_one_of(scheme: &str, schemes: [&str; 2]) -> bool {
    schemes.iter().any(|it| scheme.eq_ignore_ascii_case(it))
}

fn is_scheme(text: &str) -> bool {
    let is_of_a_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && text.bytes().all(is_of_a_scheme)
}

fn is_host(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[') {
        let address = literal.strip_suffix(']');
        return address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let is_of_a_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_a_host)
}

#[cfg(test)]
mod tests;
