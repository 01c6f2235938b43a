//! An origin on the operator's list.

use std::net::Ipv6Addr;

use super::{Origin, default_port, is_host, is_one_of, is_scheme};

/// What is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// `null`.
    Opaque,
    /// All in lower case.
    Named {
        scheme: String,
        host: Host,
        port: Port,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Exactly(String),
    /// Every host that ends with this, which begins with a dot.
    Below(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// `None` for the scheme's default.
    Exactly(Option<u16>),
    Any,
}

/// A text that cannot be the origin of a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the origin `{}` {fault}", .text.escape_debug())]
pub struct OriginError {
    text: String,
    fault: String,
}

impl Listed {
    pub(super) fn parse(text: &str) -> Result<Self, OriginError> {
        parse(text).map_err(|fault| OriginError {
            text: text.to_owned(),
            fault,
        })
    }

    pub(super) fn is(&self, origin: &Origin<'_>) -> bool {
        match (self, origin) {
            (Self::Opaque, Origin::Opaque) => true,
            (
                Self::Named { scheme, host, port },
                Origin::Named {
                    scheme: its_scheme,
                    host: its_host,
                    port: its_port,
                },
            ) => {
                let is_port = match port {
                    Port::Any => true,
                    Port::Exactly(port) => port == its_port,
                };
                is_port && scheme.eq_ignore_ascii_case(its_scheme) && host.is(its_host)
            }
            _ => false,
        }
    }
}

impl Host {
    fn is(&self, host: &str) -> bool {
        match self {
            Self::Exactly(own) => own.eq_ignore_ascii_case(host),
            Self::Below(end) => {
                let split = host.len().checked_sub(end.len()).filter(|at| *at > 0);
                let split = split.and_then(|at| host.split_at_checked(at));
                split.is_some_and(|(below, its_end)| {
                    its_end.eq_ignore_ascii_case(end) && !below.starts_with('.')
                })
            }
        }
    }
}

/// The fault completes the sentence "the origin … ".
fn parse(text: &str) -> Result<Listed, String> {
    let fault = |fault: &str| Err(fault.to_owned());
    if text.eq_ignore_ascii_case("null") {
        return Ok(Listed::Opaque);
    }
    if text.contains(',') || text.contains(char::is_whitespace) {
        return fault("is a list: give each origin by itself");
    }
    if !text.is_ascii() {
        return fault(
            "is not in ASCII: write its host as browsers send it, which begins with xn--",
        );
    }
    let text = text.to_ascii_lowercase();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("has no scheme: write https://{text}"));
    };
    if !is_scheme(scheme) {
        return fault("has a scheme that is none: write http:// or https://");
    }
    if is_one_of(scheme, ["ws", "wss"]) {
        let page = scheme.replace("ws", "http");
        return Err(format!(
            "is of a scheme that no page has: write {page}://{rest}"
        ));
    }
    let authority = rest.trim_end_matches('/');
    if authority.contains('@') {
        return fault("has a user name, which browsers do not send: leave it out");
    }
    if let Some(end) = authority.find(['/', '?', '#', '\\']) {
        let origin = &authority[..end];
        return Err(format!(
            "has a path, which browsers do not send: write {scheme}://{origin}"
        ));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        None => Port::Exactly(None),
        Some("*") => Port::Any,
        Some(port) => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            let number: Option<u16> = port.parse().ok().filter(|port| is_number && *port > 0);
            let Some(number) = number else {
                return fault("has a port that is none: write a number or `*`");
            };
            Port::Exactly(Some(number).filter(|port| Some(*port) != default_port(scheme)))
        }
    };
    let host = match host.strip_prefix('*') {
        Some(end) if end.strip_prefix('.').is_some_and(is_host) => Host::Below(end.to_owned()),
        Some(_) => {
            return fault(
                "has a `*` that stands for no part of a host: write https://*.example.com, or `*` for all",
            );
        }
        None if host.contains('*') => {
            return fault(
                "has a `*` within its host: only the beginning can be left open, as in https://*.example.com",
            );
        }
        None if host.is_empty() && is_one_of(scheme, ["http", "https"]) => {
            return fault("has no host");
        }
        None if host.is_empty() && authority.is_empty() => Host::Exactly(String::new()),
        None if is_host(host) => Host::Exactly(canonical(host)),
        None => return fault("has a host that is none"),
    };
    Ok(Listed::Named {
        scheme: scheme.to_owned(),
        host,
        port,
    })
}

/// An IPv6 address as browsers write it.
fn canonical(host: &str) -> String {
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address = literal.and_then(|literal| literal.parse::<Ipv6Addr>().ok());
    address.map_or_else(|| host.to_owned(), |address| format!("[{address}]"))
}
