//! The generated client: a pure function from settings to script, and the finished scripts of a server.
//!
//! The script itself is written and built in `client-js/`; here its settings are filled in. Nothing else is
//! templated, so what is tested there is what is served here.

mod response;

use std::fmt::Write as _;
use std::io::Write as _;

use bytes::Bytes;
use serde::Serialize;
use sha1::{Digest, Sha1};
use stellar_transports::Place;

use crate::config::Config;

/// A script as it was built.
#[derive(Debug)]
struct Variant {
    /// Its names of the transports that it can use, the preferred one first.
    transports: &'static [&'static str],
    /// Where it connects to.
    place: Place,
    readable: &'static str,
    minified: &'static str,
}

const VARIANTS: &[Variant] = &[
    Variant {
        transports: &["ws"],
        place: Place::Primus,
        readable: include_str!("../client-js/dist/ws.js"),
        minified: include_str!("../client-js/dist/ws.min.js"),
    },
    Variant {
        transports: &["polling"],
        place: Place::Primus,
        readable: include_str!("../client-js/dist/polling.js"),
        minified: include_str!("../client-js/dist/polling.min.js"),
    },
    Variant {
        transports: &["ws", "polling"],
        place: Place::Primus,
        readable: include_str!("../client-js/dist/ws-polling.js"),
        minified: include_str!("../client-js/dist/ws-polling.min.js"),
    },
    Variant {
        // WebSocket and long polling are one door of one transport here, open or closed together.
        transports: &["socketio", "socketio-polling"],
        place: Place::SocketIo,
        readable: include_str!("../client-js/dist/socketio.js"),
        minified: include_str!("../client-js/dist/socketio.min.js"),
    },
];

/// The variant for the listed transports, and the names that it is to try in this order. The first of the list
/// decides; what its script cannot speak as well is left out.
fn choose(listed: &[String]) -> Option<(&'static Variant, Vec<&str>)> {
    let names: Vec<&str> = match listed.first()?.as_str() {
        "socketio" => vec!["socketio", "socketio-polling"],
        _ => listed
            .iter()
            .map(|name| &**name)
            .filter(|name| *name != "socketio")
            .collect(),
    };
    let variant = VARIANTS.iter().find(|variant| {
        variant.transports.len() == names.len()
            && names.iter().all(|name| variant.transports.contains(name))
    })?;
    Some((variant, names))
}

const SCRIPT: &str = include_str!("../client-js/wrap/script.js");
const MODULE: &str = include_str!("../client-js/wrap/module.js");

/// How a script is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Readable, for a script tag, CommonJS or AMD.
    Readable,
    /// The same, minified.
    Minified,
    /// Minified, as an ES module.
    Module,
}

/// What the script is told, as one JSON object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings<'a> {
    url: Option<&'a str>,
    api_path: String,
    path: &'a str,
    default_room: &'a str,
    simultaneous_actions: u32,
    transports: &'a [&'a str],
    ping_timeout: u64,
    cookie_key: &'a str,
}

/// Writes the client for these transports. `None` if there is no script for them.
pub fn generate(
    config: &Config,
    transports: &[String],
    global: &str,
    format: Format,
) -> Option<String> {
    let (variant, names) = choose(transports)?;
    let interval = config.limits.ping_interval_ms;
    let settings = Settings {
        url: config.client.url.as_deref(),
        api_path: format!("/{}", config.web.url_path_for_actions),
        path: config.doors.of(variant.place),
        default_room: &config.client.default_room,
        simultaneous_actions: config.general.simultaneous_actions,
        transports: &names,
        // As Primus does: half an interval of grace. Without pings it is 0: there is nothing to wait for.
        ping_timeout: interval + interval / 2,
        cookie_key: &config.web.cookie_key,
    };
    let settings = script_safe(&crate::json::to_string(&settings));
    let global = script_safe(&crate::json::to_string(&global));
    let (client, wrapper) = match format {
        Format::Readable => (variant.readable, SCRIPT),
        Format::Minified => (variant.minified, SCRIPT),
        Format::Module => (variant.minified, MODULE),
    };
    let client = client.replacen("\"%SETTINGS%\"", &settings, 1);
    // Wrapper first: what is filled in last is not searched for tokens again.
    let wrapper = wrapper.replacen("\"%GLOBAL%\"", &global, 1);
    let (before, after) = wrapper.split_once("\"%CLIENT%\"")?;
    let licence = licence("Stellar client");
    let client = client.trim().trim_end_matches(';');
    Some([&*licence, before, client, after].concat())
}

/// The first line of every script: what it is, of which version, and under which licence.
pub(crate) fn licence(name: &str) -> String {
    format!("/*! {name} {} | MIT */\n", env!("CARGO_PKG_VERSION"))
}

/// Escapes what could end a script element or a line inside of JSON strings.
pub(crate) fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A script, ready to be served.
#[derive(Clone, Debug)]
pub struct Script {
    /// The text.
    pub raw: Bytes,
    /// The same, compressed.
    pub gzip: Bytes,
    /// A strong tag for each of the two.
    pub etags: [String; 2],
}

impl Script {
    pub(crate) fn new(text: String) -> Self {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        // Writing to memory does not fail; were it to, the script is served uncompressed.
        let gzip = match encoder
            .write_all(text.as_bytes())
            .and_then(|()| encoder.finish())
        {
            Ok(gzip) => Bytes::from(gzip),
            Err(_) => Bytes::new(),
        };
        let hash = Sha1::digest(text.as_bytes());
        let hash = hash.iter().take(10).fold(String::new(), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        });
        Self {
            raw: text.into(),
            gzip,
            etags: [format!("\"{hash}\""), format!("\"{hash}-gzip\"")],
        }
    }
}

/// The scripts that a server serves, built once at start-up.
#[derive(Debug)]
pub struct Scripts {
    path: String,
    /// Below this path segment the scripts are found as well, as if they were public files.
    files: String,
    /// By the value of `?transport=`, its own list first.
    by_transport: Vec<(String, [Script; 3])>,
}

impl Scripts {
    /// No scripts at all.
    pub(crate) const fn none() -> Self {
        Self {
            path: String::new(),
            files: String::new(),
            by_transport: Vec::new(),
        }
    }

    /// Builds the scripts for a configuration: one for its list of transports, one for each of them alone.
    pub fn new(config: &Config) -> Self {
        let mut by_transport = Vec::new();
        let alone = config.transport.iter().map(std::slice::from_ref);
        for transports in std::iter::once(&config.transport[..]).chain(alone) {
            let name = transports.join(",");
            if by_transport.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let global = &config.client.global;
            let build = |format| generate(config, transports, global, format).map(Script::new);
            if let (Some(readable), Some(minified), Some(module)) = (
                build(Format::Readable),
                build(Format::Minified),
                build(Format::Module),
            ) {
                by_transport.push((name, [readable, minified, module]));
            }
        }
        Self {
            path: config.client.name.clone(),
            files: format!("{}/", config.web.url_path_for_files),
            by_transport,
        }
    }

    /// The script for a URL path, if it is one of a script's, and the `transport` of its query.
    pub(crate) fn find(
        &self,
        path: &str,
        transport: Option<&str>,
    ) -> Option<Result<&Script, Vec<&str>>> {
        if self.path.is_empty() {
            return None;
        }
        let path = path.strip_prefix('/')?;
        let path = path.strip_prefix(&self.files).unwrap_or(path);
        let format = match path.strip_prefix(&self.path)? {
            "" | ".min.js" => 1,
            ".js" => 0,
            ".mjs" => 2,
            _ => return None,
        };
        let found = match transport {
            None => self.by_transport.first(),
            Some(wanted) => self.by_transport.iter().find(|(name, _)| name == wanted),
        };
        let names = || self.by_transport.iter().map(|(name, _)| &**name).collect();
        Some(found.map(|(_, scripts)| &scripts[format]).ok_or_else(names))
    }

    /// The size of the script that pages load, compressed and not, in bytes.
    pub fn size(&self) -> Option<(usize, usize)> {
        let (_, scripts) = self.by_transport.first()?;
        Some((scripts[1].gzip.len(), scripts[1].raw.len()))
    }

    /// The URL path that pages load.
    pub fn path(&self) -> &str {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(config: &Config, global: &str, format: Format) -> String {
        generate(config, &["ws".to_owned()], global, format).unwrap()
    }

    #[test]
    fn settings_and_global_are_filled_in() {
        let mut config = Config::default();
        config.client.default_room = "lobby".into();
        for format in [Format::Readable, Format::Minified, Format::Module] {
            let script = script(&config, "StellarClient", format);
            assert!(script.contains("\"defaultRoom\":\"lobby\""));
            assert!(!script.contains("%SETTINGS%") && !script.contains("%CLIENT%"));
        }
        assert!(script(&config, "Mine", Format::Minified).contains("[\"Mine\"]"));
    }

    #[test]
    fn nothing_that_is_filled_in_can_end_the_script() {
        let mut config = Config::default();
        let hostile = "\"</script><script>alert(1)//\u{2028}'\\\"%CLIENT%\"%GLOBAL%";
        config.client.default_room = hostile.into();
        config.client.url = Some(hostile.into());
        config.web.cookie_key = hostile.into();
        let script = script(&config, hostile, Format::Readable);
        assert!(!script.contains("</script"));
        assert!(!script.contains('\u{2028}'));
        let (_, settings) = script.split_once("\"url\":").unwrap();
        let url: String = serde_json::Deserializer::from_str(settings)
            .into_iter()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(url, hostile);
    }

    fn listing(transports: &[&str]) -> Config {
        Config {
            transport: transports.iter().map(|&name| name.to_owned()).collect(),
            ..Config::default()
        }
    }

    #[test]
    fn scripts_are_found_by_path_and_transport() {
        let scripts = Scripts::new(&listing(&["ws", "polling"]));
        for path in [
            "/stellar-client",
            "/stellar-client.js",
            "/stellar-client.min.js",
            "/stellar-client.mjs",
            "/public/stellar-client.js",
        ] {
            assert!(matches!(scripts.find(path, None), Some(Ok(_))), "{path}");
        }
        for transport in ["ws", "polling", "ws,polling"] {
            assert!(
                matches!(
                    scripts.find("/stellar-client", Some(transport)),
                    Some(Ok(_))
                ),
                "{transport}"
            );
        }
        assert!(
            matches!(scripts.find("/stellar-client", Some("pigeon")), Some(Err(names)) if names == ["ws,polling", "ws", "polling"])
        );
        assert!(scripts.find("/stellar-clientx", None).is_none());
        assert!(scripts.find("/stellar-client/", None).is_none());
    }

    #[test]
    fn a_script_tries_what_it_can_speak_of_the_list_in_its_order() {
        for (listed, names) in [
            ("ws", "ws"),
            ("ws,socketio", "ws"),
            ("polling", "polling"),
            ("polling,socketio", "polling"),
            ("ws,polling", "ws,polling"),
            ("polling,ws", "polling,ws"),
            ("ws,polling,socketio", "ws,polling"),
            ("ws,socketio,polling", "ws,polling"),
            ("polling,ws,socketio", "polling,ws"),
            ("polling,socketio,ws", "polling,ws"),
            ("socketio", "socketio,socketio-polling"),
            ("socketio,ws", "socketio,socketio-polling"),
            ("socketio,polling", "socketio,socketio-polling"),
            ("socketio,ws,polling", "socketio,socketio-polling"),
            ("socketio,polling,ws", "socketio,socketio-polling"),
        ] {
            let config = listing(&listed.split(',').collect::<Vec<_>>());
            let rides = names.starts_with("socketio");
            let names: Vec<_> = names.split(',').collect();
            let order = format!("\"transports\":{}", crate::json::to_string(&names));
            for format in [Format::Readable, Format::Minified, Format::Module] {
                let script = generate(&config, &config.transport, "StellarClient", format).unwrap();
                for (part, is_in) in [
                    (&*order, true),
                    ("typeof WebSocket", rides || names.contains(&"ws")),
                    ("transport=polling", rides || names.contains(&"polling")),
                    ("2[\"message\",", rides),
                    ("\"path\":\"/socket.io\"", rides),
                    ("\"path\":\"/primus\"", !rides),
                ] {
                    assert_eq!(script.contains(part), is_in, "{part} for {listed}");
                }
            }
        }
    }

    #[test]
    fn there_is_no_script_for_nothing_and_for_what_is_unknown() {
        for listed in [&[][..], &["pigeon"], &["ws", "pigeon"]] {
            let config = listing(listed);
            assert!(generate(&config, &config.transport, "Mine", Format::Readable).is_none());
        }
    }

    #[test]
    fn the_script_that_pages_load_is_small() {
        for (listed, limit) in [
            (&["ws"][..], 6200),
            (&["polling"][..], 6200),
            (&["ws", "polling"][..], 7200),
            (&["socketio"][..], 7200),
        ] {
            let (gzip, _) = Scripts::new(&listing(listed)).size().unwrap();
            assert!(gzip <= limit, "{listed:?}: {gzip} bytes");
        }
    }
}
