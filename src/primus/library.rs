//! The client library: a pure function from a server's options to a script, and the finished scripts of a server.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use stellar_transports::{Body, body, primus};

use super::server::Shared;
use crate::client_script::{Format, Script, script_safe};
use crate::config::Config;

const SCRIPT: &str = include_str!("../../client-js/wrap/primus.js");
const MODULE: &str = include_str!("../../client-js/wrap/primus-module.js");

/// A script as it was built, by the transports that it speaks.
const VARIANTS: [(&[&str], &str, &str); 3] = [
    (
        &["ws"],
        include_str!("../../client-js/dist/primus-ws.js"),
        include_str!("../../client-js/dist/primus-ws.min.js"),
    ),
    (
        &["polling"],
        include_str!("../../client-js/dist/primus-polling.js"),
        include_str!("../../client-js/dist/primus-polling.min.js"),
    ),
    (
        &["ws", "polling"],
        include_str!("../../client-js/dist/primus-ws-polling.js"),
        include_str!("../../client-js/dist/primus-ws-polling.min.js"),
    ),
];

/// How a script is written, by the name of its file.
pub(super) fn format_of(name: &str) -> Format {
    if name.ends_with(".mjs") {
        Format::Module
    } else if name.ends_with(".min.js") {
        Format::Minified
    } else {
        Format::Readable
    }
}

/// What a script is made from.
#[derive(Clone, Copy, Debug)]
struct Options<'a> {
    pathname: &'a str,
    global: &'a str,
    url: Option<&'a str>,
    ping_interval: Option<Duration>,
    has_authorization: bool,
    transports: &'a [String],
    parser: &'a str,
    plugins: &'a str,
}

/// What a script is told, as one JSON object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings<'a> {
    pathname: &'a str,
    version: &'a str,
    ping_timeout: serde_json::Value,
    authorization: bool,
    url: Option<&'a str>,
    transports: &'a [&'a str],
}

/// The library of a server; `None` if it has no transport that a library could speak.
pub(super) fn generate(shared: &Shared, format: Format) -> Option<String> {
    with_transports(shared, &shared.transports, format)
}

fn with_transports(shared: &Shared, transports: &[String], format: Format) -> Option<String> {
    let parser = shared.parser.client().unwrap_or_else(|| "null".into());
    let options = Options {
        pathname: &shared.pathname,
        global: &shared.global,
        url: shared.client_url.as_deref(),
        ping_interval: shared.limits.ping_interval,
        has_authorization: shared.authorize.is_some(),
        transports,
        parser: &parser,
        plugins: &plugins(shared),
    };
    write(options, format)
}

/// Primus's client library for the server of an app, under this name. `None` if the app's transports are none that it could
/// speak: these are `ws` and `polling`.
pub fn app_library(config: &Config, global: &str, format: Format) -> Option<String> {
    for_app(config, &config.transport, global, format)
}

fn for_app(config: &Config, transports: &[String], global: &str, format: Format) -> Option<String> {
    let interval = config.limits.ping_interval_ms;
    let options = Options {
        pathname: &config.doors.primus,
        global,
        url: config.client.url.as_deref(),
        ping_interval: (interval > 0).then(|| Duration::from_millis(interval)),
        has_authorization: false,
        transports,
        parser: "null",
        plugins: "[]",
    };
    write(options, format)
}

/// Whether a library can speak a transport.
fn is_spoken(name: &str) -> bool {
    matches!(name, "ws" | "polling")
}

/// Writes a library. It tries the transports that it can speak, in their order. `None` if there are none.
fn write(options: Options<'_>, format: Format) -> Option<String> {
    let known = options.transports.iter().map(|name| &**name);
    let names: Vec<&str> = known.filter(|name| is_spoken(name)).collect();
    let fits = |transports: &[&str]| {
        transports.len() == names.len() && names.iter().all(|name| transports.contains(name))
    };
    let (_, readable, minified) = VARIANTS.iter().find(|(transports, ..)| fits(transports))?;
    let interval = options.ping_interval.map(|interval| interval.as_millis());
    let settings = Settings {
        pathname: options.pathname,
        version: primus::VERSION,
        // As Primus does: half an interval of grace (docs/protocol/primus.md#heartbeat).
        ping_timeout: match interval.and_then(|interval| u64::try_from(interval).ok()) {
            Some(interval) => (interval + interval.div_ceil(2)).into(),
            None => false.into(),
        },
        authorization: options.has_authorization,
        url: options.url,
        transports: &names,
    };
    let settings = script_safe(&crate::json::to_string(&settings));
    let global = script_safe(&crate::json::to_string(&options.global));
    let (client, wrapper) = match format {
        Format::Readable => (readable, SCRIPT),
        Format::Minified => (minified, SCRIPT),
        Format::Module => (minified, MODULE),
    };
    let client = fill(
        client.trim().trim_end_matches(';'),
        &[
            ("\"%SETTINGS%\"", &settings),
            ("\"%PARSER%\"", options.parser),
            ("\"%PLUGINS%\"", options.plugins),
        ],
    );
    let licence = crate::client_script::licence("Stellar client for Primus");
    let texts = [("\"%GLOBAL%\"", &*global), ("\"%CLIENT%\"", &client)];
    Some(licence + &fill(wrapper, &texts))
}

/// Puts texts in place of tokens, each of which is there once. What is put in is not searched.
fn fill(template: &str, texts: &[(&str, &str)]) -> String {
    let mut places: Vec<_> = texts
        .iter()
        .filter_map(|(token, text)| Some((template.find(token)?, token.len(), *text)))
        .collect();
    places.sort_unstable_by_key(|(at, ..)| *at);
    let mut filled = String::with_capacity(template.len() + 1024);
    let mut end = 0;
    for (at, len, text) in places {
        filled.push_str(&template[end..at]);
        filled.push_str(text);
        end = at + len;
    }
    filled.push_str(&template[end..]);
    filled
}

/// The client parts of the plugins, as a list in JavaScript.
fn plugins(shared: &Shared) -> String {
    let mut list = String::from("[");
    for plugin in &*shared.plugins {
        let Some(part) = plugin.client() else {
            continue;
        };
        let name = script_safe(&crate::json::to_string(&plugin.name()));
        let _infallible = write!(
            list,
            "(function (part) {{ part.name = {name}; return part; }})({}\n),",
            part.0.trim().trim_end_matches(';')
        );
    }
    if list.ends_with(',') {
        list.pop();
    }
    list.push(']');
    list
}

/// The scripts that a server serves, made when the first is asked for.
#[derive(Debug)]
pub(crate) struct Libraries {
    /// By the value of `?transport=`, the server's own list first.
    by_transport: Vec<(String, [Script; 3])>,
}

impl Libraries {
    pub(super) fn new(shared: &Shared) -> Self {
        Self::build(&shared.transports, |transports, format| {
            with_transports(shared, transports, format)
        })
    }

    /// The libraries of an app's server.
    pub(crate) fn for_app(config: &Config) -> Self {
        Self::build(&config.transport, |transports, format| {
            for_app(config, transports, "Primus", format)
        })
    }

    fn build(listed: &[String], write: impl Fn(&[String], Format) -> Option<String>) -> Self {
        let mut by_transport: Vec<(String, _)> = Vec::new();
        let spoken = listed.iter();
        let alone = spoken
            .filter(|name| is_spoken(name))
            .map(std::slice::from_ref);
        for transports in std::iter::once(listed).chain(alone) {
            let name = transports.join(",");
            if by_transport.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let formats = [Format::Readable, Format::Minified, Format::Module];
            let scripts = formats.map(|format| write(transports, format).map(Script::new));
            if let [Some(readable), Some(minified), Some(module)] = scripts {
                by_transport.push((name, [readable, minified, module]));
            }
        }
        Self { by_transport }
    }

    /// The answer to a request for a path behind the pathname, if it is one of a script's.
    pub(crate) fn answer(
        &self,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Option<Response<Body>> {
        let format = match path {
            "/primus.js" => 0,
            "/primus.min.js" => 1,
            "/primus.mjs" => 2,
            _ => return None,
        };
        let query = query.unwrap_or_default();
        let wanted = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "transport")
            .map(|(_, value)| value);
        let found = match wanted {
            None => self.by_transport.first(),
            Some(wanted) => self.by_transport.iter().find(|(name, _)| *name == wanted),
        };
        Some(match found {
            Some((_, scripts)) => scripts[format].response(headers),
            None if self.by_transport.is_empty() => body::text(
                StatusCode::NOT_FOUND,
                "no transport of this server is one that Primus's clients speak\n",
            ),
            None => {
                let names: Vec<_> = self.by_transport.iter().map(|(name, _)| &**name).collect();
                body::text(
                    StatusCode::NOT_FOUND,
                    format!(
                        "there is no client library for this transport; choose {}\n",
                        names.join(" or ")
                    ),
                )
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_not_searched_for_tokens() {
        let filled = fill(
            "a \"%A%\" b \"%B%\" c",
            &[("\"%B%\"", "$& \"%A%\""), ("\"%A%\"", "\"%B%\" $1")],
        );
        assert_eq!(filled, "a \"%B%\" $1 b $& \"%A%\" c");
    }
}
