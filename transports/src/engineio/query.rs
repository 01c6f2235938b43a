//! The parameters of a request (docs/protocol/engineio.md#requests).

use std::borrow::Cow;

use super::{Jsonp, Protocol};

/// The way that a request wants to travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransportName {
    Polling,
    Websocket,
}

/// Parameters of a query that are looked at. Node does not look further either.
const MAX_PARAMETERS: usize = 1000;

/// What the query of a request says. A parameter that occurs twice is as good as wrong: which one a proxy in front
/// of the server has looked at cannot be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// `None` for one that is not spoken here.
    pub(crate) protocol: Option<Protocol>,
    /// `None` for unknown ones.
    pub(crate) transport: Option<TransportName>,
    /// The session; `None` on the opening request, where it may also be there and empty. One that was given twice is
    /// empty, which no session is called.
    pub(crate) sid: Option<String>,
    /// Whether the client cannot take binary answers (version 3).
    pub(crate) base64: bool,
    /// Whether the client wants its answers as scripts.
    pub(crate) jsonp: Option<Jsonp>,
}

impl Query {
    /// Reads the text after `?`.
    pub(crate) fn parse(query: &str) -> Self {
        let mut found: [Option<Value<'_>>; 5] = Default::default();
        for (name, value) in query.split('&').take(MAX_PARAMETERS).filter_map(parameter) {
            let slot = match &*name {
                "EIO" => 0,
                "transport" => 1,
                "sid" => 2,
                "b64" => 3,
                "j" => 4,
                _ => continue,
            };
            found[slot] = Some(match found[slot] {
                None => Value::Once(value),
                Some(_) => Value::Twice,
            });
        }
        let [protocol, transport, sid, base64, jsonp] = found;
        let jsonp = jsonp.map(|value| Jsonp::parse(value.text()));
        Self {
            protocol: version(protocol.as_ref()),
            transport: match transport.as_ref().map(Value::text) {
                Some("polling") => Some(TransportName::Polling),
                Some("websocket") => Some(TransportName::Websocket),
                _ => None,
            },
            sid: match sid {
                None => None,
                Some(Value::Once(sid)) => (!sid.is_empty()).then(|| sid.into_owned()),
                Some(Value::Twice) => Some(String::new()),
            },
            base64: jsonp.is_some()
                || base64.is_some_and(|value| !matches!(value.text(), "" | "0")),
            jsonp,
        }
    }
}

/// What a parameter says.
enum Value<'a> {
    Once(Cow<'a, str>),
    Twice,
}

impl Value<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Once(text) => text,
            Self::Twice => "",
        }
    }
}

/// The version that a client means by `EIO`. Clients of version 3 often say nothing, and some say 2, which hardly
/// differs. Node takes all of them for version 3. It does so with any other text, too, but who names a version that
/// does not exist here is better told.
fn version(eio: Option<&Value<'_>>) -> Option<Protocol> {
    match eio {
        None => Some(Protocol::V3),
        Some(Value::Once(version)) => match &**version {
            "" | "2" | "3" => Some(Protocol::V3),
            "4" => Some(Protocol::V4),
            _ => None,
        },
        Some(Value::Twice) => None,
    }
}

/// Name and value of one parameter. Text without escapes is not copied. Clients of engine.io send nothing else.
fn parameter(text: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_some() {
        return form_urlencoded::parse(text.as_bytes()).next();
    }
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (!text.is_empty()).then_some((name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_once() {
        let query = Query::parse("EIO=4&transport=polling&sid=abc&t=x&b64=1");
        assert_eq!(query.protocol, Some(Protocol::V4));
        assert_eq!(query.transport, Some(TransportName::Polling));
        assert_eq!(query.sid.as_deref(), Some("abc"));
        assert!(query.base64);
        let escaped = Query::parse("&=&%45IO=%34&&transport=poll%69ng&s%69d=a+b%2Bc=&b64");
        assert_eq!(escaped.protocol, Some(Protocol::V4));
        assert_eq!(escaped.transport, Some(TransportName::Polling));
        assert_eq!(escaped.sid.as_deref(), Some("a b+c="));
        assert!(!escaped.base64);
        let twice = "EIO=4&EIO=3&transport=polling&transport=polling&sid=a&sid=b";
        let twice = Query::parse(twice);
        assert_eq!(twice.protocol, None);
        assert_eq!(twice.transport, None);
        assert_eq!(twice.sid.as_deref(), Some(""));
    }

    #[test]
    fn unknown_values_are_none() {
        for query in [
            "EIO=5&transport=webtransport",
            "EIO=x&transport=",
            "%00=%ff&EIO=%34%20",
        ] {
            let query = Query::parse(query);
            assert_eq!((query.protocol, query.transport), (None, None));
            assert!(!query.base64);
        }
        let many = "a=1&".repeat(MAX_PARAMETERS - 1);
        let query = Query::parse(&format!("{many}EIO=4&sid=x"));
        assert_eq!((query.protocol, query.sid), (Some(Protocol::V4), None));
    }

    #[test]
    fn a_version_that_is_not_named_is_the_third() {
        for (query, protocol) in [
            ("", Some(Protocol::V3)),
            ("EIO", Some(Protocol::V3)),
            ("EIO=", Some(Protocol::V3)),
            ("EIO=2", Some(Protocol::V3)),
            ("EIO=3", Some(Protocol::V3)),
            ("EIO=4", Some(Protocol::V4)),
            ("eio=4", Some(Protocol::V3)),
            ("EIO=1", None),
            ("EIO=5", None),
            ("EIO=03", None),
            ("EIO=4.0", None),
            ("EIO=+4", None),
            ("EIO=-4", None),
            ("EIO=34", None),
            ("EIO=four", None),
            ("EIO=4&EIO=4", None),
            ("EIO=&EIO=", None),
        ] {
            assert_eq!(Query::parse(query).protocol, protocol, "{query}");
        }
    }

    #[test]
    fn an_empty_session_is_none() {
        for (query, sid) in [
            ("", None),
            ("sid", None),
            ("sid=", None),
            ("sid=a", Some("a")),
            ("sid=&sid=", Some("")),
            ("sid=a&sid=", Some("")),
        ] {
            assert_eq!(Query::parse(query).sid.as_deref(), sid, "{query}");
        }
    }
}
