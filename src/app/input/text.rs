//! Recognising and reading the texts that rules and formats are about.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::sync::LazyLock;

use regex::Regex;
use serde::de::IgnoredAny;
use serde_json::Value;
use time::format_description::well_known::{Iso8601, Rfc2822};
use time::{Date, OffsetDateTime, PrimitiveDateTime};

/// Letters of any script, with the marks that combine with them: accents may come decomposed.
pub(super) static ALPHA: LazyLock<Regex> = LazyLock::new(|| constant(r"^[\p{L}\p{M}]+$"));
/// [`ALPHA`] and digits.
pub(super) static ALPHA_NUM: LazyLock<Regex> = LazyLock::new(|| constant(r"^[\p{L}\p{M}\p{N}]+$"));
/// [`ALPHA_NUM`], hyphens and underscores.
pub(super) static ALPHA_DASH: LazyLock<Regex> =
    LazyLock::new(|| constant(r"^[\p{L}\p{M}\p{N}_-]+$"));

/// No date is longer; anything that is would only keep the parsers busy.
const MAX_DATE_LENGTH: usize = 64;
/// Limits of SMTP and DNS, in bytes.
const MAX_LOCAL_PART: usize = 64;
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

/// Schemes that lead to a host. `javascript:` and `data:` are URLs too, but none to accept from a peer.
const SCHEMES: [&str; 6] = ["http", "https", "ws", "wss", "ftp", "ftps"];

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant of this file")
}

/// A scalar as text, a whole number without a fraction; `None` for what has no such text.
pub(super) fn of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => Some(float.to_string().into()),
            _ => Some(number.to_string().into()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The decimal number that a text begins with, blanks skipped.
pub(super) fn leading_number(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let sign = |at: usize| usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));

    let mut end = sign(0);
    let mut count = digits(end);
    end += count;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        end += 1 + fraction;
        count += fraction;
    }
    if count == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let from = end + 1 + sign(end + 1);
        let exponent = digits(from);
        if exponent > 0 {
            end = from + exponent;
        }
    }
    Some(&text[..end])
}

/// The number that a text is, all of it.
pub(super) fn number(text: &str) -> Option<f64> {
    (leading_number(text)? == text)
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number: &f64| number.is_finite())
}

/// The instant that a date means, in nanoseconds since 1970. A date without a time is its midnight,
/// a time without an offset is in UTC.
pub(super) fn instant(text: &str) -> Option<i128> {
    if text.len() > MAX_DATE_LENGTH {
        return None;
    }
    // RFC 3339 allows the blank that people and databases write in place of the T.
    let iso = if text.as_bytes().get(10) == Some(&b' ') {
        text.replacen(' ', "T", 1)
    } else {
        text.to_owned()
    };
    OffsetDateTime::parse(&iso, &Iso8601::PARSING)
        .or_else(|_| {
            PrimitiveDateTime::parse(&iso, &Iso8601::PARSING).map(PrimitiveDateTime::assume_utc)
        })
        .or_else(|_| Date::parse(&iso, &Iso8601::PARSING).map(|date| date.midnight().assume_utc()))
        .or_else(|_| OffsetDateTime::parse(text, &Rfc2822))
        .ok()
        .map(OffsetDateTime::unix_timestamp_nanos)
}

pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The addresses people have: a dotted name, an `@` and a domain with a dot, of any script. Quoted
/// names and address literals are legal too, but as input they are far more often a mistake.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .chars()
                .all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
    };
    local.len() <= MAX_LOCAL_PART
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && is_domain(domain)
}

pub(super) fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    SCHEMES.iter().any(|s| scheme.eq_ignore_ascii_case(s))
        && !text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "<>\"\\^`{|}".contains(c))
        && is_authority(authority)
}

fn is_authority(authority: &str) -> bool {
    let address = authority
        .rsplit_once('@')
        .map_or(authority, |(_, address)| address);
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if let Some(literal) = address.strip_prefix('[') {
        return literal.split_once(']').is_some_and(|(host, port)| {
            host.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    match address.split_once(':') {
        Some((host, port)) => is_domain(host) && is_port(port),
        None => is_domain(address),
    }
}

/// Labels of letters, digits and inner hyphens, between dots. IPv4 addresses have that form as well.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    domain.len() <= MAX_DOMAIN && domain.split('.').all(is_label)
}
