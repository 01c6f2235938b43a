//! Texts for mistakes in a configuration: the key, the expected value with its unit and bounds, and the value that is
//! there.

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::{Config, ConfigError};

/// The bounds of a number, by its key.
#[derive(Debug)]
struct Bounds {
    key: &'static str,
    /// What 0 stands for beside what is between the bounds.
    zero: Option<&'static str>,
    from: u64,
    to: u64,
}

const fn bounds(key: &'static str, from: u64, to: u64) -> Bounds {
    Bounds {
        key,
        zero: None,
        from,
        to,
    }
}

/// With 0 nobody could be served.
const fn not_zero(key: &'static str) -> Bounds {
    bounds(key, 1, u64::MAX)
}

/// An hour, in milliseconds.
const HOUR: u64 = 3_600_000;

const BOUNDS: &[Bounds] = &[
    not_zero("limits.max_message_bytes"),
    not_zero("limits.max_outbox_bytes"),
    not_zero("limits.lag_bytes"),
    not_zero("limits.max_fragments"),
    not_zero("limits.write_timeout_ms"),
    not_zero("limits.receive_timeout_ms"),
    not_zero("limits.receive_stall_ms"),
    Bounds {
        zero: Some("a quarter of memory"),
        ..bounds("limits.memory_budget_bytes", 1024 * 1024, u64::MAX)
    },
    not_zero("limits.header_timeout_ms"),
    not_zero("limits.admit_timeout_ms"),
    not_zero("limits.max_web_actions"),
    not_zero("limits.max_rooms_per_connection"),
    not_zero("limits.max_values"),
    bounds("limits.max_depth", 1, 127),
    not_zero("limits.max_view"),
    not_zero("general.simultaneous_actions"),
    Bounds {
        zero: Some("off"),
        ..bounds("limits.ping_interval_ms", 20, HOUR)
    },
    bounds("ws.read_buffer_bytes", 64, 1024 * 1024),
    bounds("polling.ping_interval_ms", 20, HOUR),
    bounds("polling.ping_timeout_ms", 20, HOUR),
    not_zero("polling.upgrade_timeout_ms"),
    not_zero("polling.max_packets"),
    not_zero("polling.max_sessions"),
    not_zero("polling.max_sessions_per_address"),
    bounds("polling.max_payload_bytes", 1024, u64::MAX),
    bounds("socketio.ping_interval_ms", 20, HOUR),
    bounds("socketio.ping_timeout_ms", 20, HOUR),
    not_zero("socketio.upgrade_timeout_ms"),
    not_zero("socketio.max_packets"),
    not_zero("socketio.max_sessions"),
    not_zero("socketio.max_sessions_per_address"),
    bounds("socketio.max_payload_bytes", 1024, u64::MAX),
    not_zero("socketio.connect_timeout_ms"),
];

impl Bounds {
    fn holds(&self, value: u64) -> bool {
        (self.from..=self.to).contains(&value) || self.zero.is_some() && value == 0
    }

    fn in_words(&self) -> String {
        let off = self.zero.map(|zero| format!("0 ({zero}) or "));
        let off = off.unwrap_or_default();
        match self.to {
            u64::MAX => format!("{off}{} or more", self.from),
            to => format!("{off}{} to {to}", self.from),
        }
    }
}

/// Checks the numbers of a configuration.
///
/// # Errors
///
/// For the first that is out of its bounds.
pub(super) fn check_bounds(config: &Config) -> Result<(), ConfigError> {
    let values = values(config);
    for bounds in BOUNDS {
        let mut segments = bounds.key.split('.');
        let value = segments.try_fold(&values, |values, segment| values.get(segment));
        let value = value.and_then(serde_json::Value::as_u64);
        if let Some(value) = value.filter(|value| !bounds.holds(*value)) {
            let (key, expected) = (bounds.key, expected(bounds.key, "u64"));
            return Err(ConfigError::Value(format!(
                "{key}: expected {expected}, but found {value}"
            )));
        }
    }
    Ok(())
}

/// The values by section and name, without the paths of files: these need not be texts.
fn values(config: &Config) -> serde_json::Value {
    let mut config = config.clone();
    config.public = None;
    config.tls = Default::default();
    config.socketio.client_dir = None;
    serde_json::to_value(config).expect("nothing is left that JSON has no place for")
}

/// One line about a text that is no configuration.
pub(super) fn describe(text: &str, error: &Error) -> String {
    let at = error.span().map(|span| span.start);
    let line = at.map_or(1, |at| text[..at].matches('\n').count() + 1);
    let message = error.message().replace('\n', " ");
    let found = at.and_then(|at| {
        let document = DeTable::parse(text).ok()?;
        value_at(document.get_ref(), at, "")
    });
    let Some((key, found)) = found else {
        return format!("line {line}: {message}");
    };
    let wrong = ["invalid type: ", "invalid value: "];
    if !wrong.iter().any(|kind| message.starts_with(kind)) {
        return format!("line {line}: {key}: {message}");
    }
    let wanted = message.rsplit_once(", expected ").map_or("", |(_, it)| it);
    let expected = expected(&key, wanted);
    format!("line {line}: {key}: expected {expected}, but found {found}")
}

/// The key of the innermost value that begins at this byte, or whose name does, and what it is.
fn value_at(table: &DeTable<'_>, at: usize, prefix: &str) -> Option<(String, String)> {
    table.iter().find_map(|(name, value)| {
        let key = match prefix {
            "" => name.get_ref().to_string(),
            prefix => format!("{prefix}.{}", name.get_ref()),
        };
        if name.span().start == at {
            return Some((key, in_words(value.get_ref())));
        }
        in_value(value, at, key)
    })
}

fn in_value(value: &Spanned<DeValue<'_>>, at: usize, key: String) -> Option<(String, String)> {
    let inner = match value.get_ref() {
        // Its own span may be that of its headline only.
        DeValue::Table(table) => value_at(table, at, &key),
        DeValue::Array(list) => list
            .iter()
            .find_map(|value| in_value(value, at, key.clone())),
        _ => None,
    };
    inner.or_else(|| (value.span().start == at).then(|| (key, in_words(value.get_ref()))))
}

fn in_words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{}\"", shortened(text)),
        DeValue::Integer(number) => format!("the number {}", shortened(number.as_str())),
        DeValue::Float(number) => format!("the number {}", shortened(number.as_str())),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date or time".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a section".into(),
    }
}

/// A text as it may be shown: in one line, and not all of it if it is long.
pub(super) fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    shown = shown.replace(char::is_control, " ");
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// What the value of a key is to be. `wanted` is its type as the program calls it.
fn expected(key: &str, wanted: &str) -> String {
    let largest = match wanted {
        "u8" => Some(u64::from(u8::MAX)),
        "u16" => Some(u64::from(u16::MAX)),
        "u32" => Some(u64::from(u32::MAX)),
        "u64" | "usize" => Some(u64::MAX),
        _ => None,
    };
    if let Some(largest) = largest {
        let unit = [
            ("_ms", " of milliseconds"),
            ("_bytes", " of bytes"),
            ("_seconds", " of seconds"),
        ];
        let unit = unit.iter().find(|(end, _)| key.ends_with(end));
        let unit = unit.map_or("", |(_, unit)| unit);
        let own = BOUNDS.iter().find(|bounds| bounds.key == key);
        let bounds = own.map_or_else(
            || bounds("", 0, largest).in_words(),
            |bounds| bounds.in_words(),
        );
        return format!("a whole number{unit}, {bounds}");
    }
    match wanted {
        "f64" | "floating point" => "a number, 0 (off) or more".into(),
        "a boolean" => "true or false".into(),
        "a string" | "path string" => "a text in quotes".into(),
        "a sequence" => "a list in brackets".into(),
        "a map" => "a section".into(),
        text if text.starts_with("struct ") => "a section".into(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let error = Config::parse(text, "x.toml").and_then(|config| config.check_values());
        let text = error.unwrap_err().to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    }

    #[test]
    fn errors_name_the_key_and_what_was_expected() {
        for (text, says) in [
            (
                "[limits]\nping_interval_ms = \"often\"\n",
                "x.toml: line 2: limits.ping_interval_ms: expected a whole number of milliseconds, 0 (off) or 20 to \
                 3600000, but found the text \"often\"",
            ),
            (
                "[limits]\nmax_body_bytes = -1\n",
                "x.toml: line 2: limits.max_body_bytes: expected a whole number of bytes, 0 or more, but found the number \
                 -1",
            ),
            (
                "[polling]\n\nmax_sessions = 1.5\n",
                "x.toml: line 3: polling.max_sessions: expected a whole number, 1 or more, but found the number 1.5",
            ),
            (
                "[web]\npadding = 300\n",
                "x.toml: line 2: web.padding: expected a whole number, 0 to 255, but found the number 300",
            ),
            (
                "web.enable_etag = 1\n",
                "x.toml: line 1: web.enable_etag: expected true or false, but found the number 1",
            ),
            (
                "transport = \"ws\"\n",
                "x.toml: line 1: transport: expected a list in brackets, but found the text \"ws\"",
            ),
            (
                "[general]\nstarting_rooms = [\"a\", 7]\n",
                "x.toml: line 2: general.starting_rooms: expected a text in quotes, but found the number 7",
            ),
            (
                "[general]\nserver_name = true\n",
                "x.toml: line 2: general.server_name: expected a text in quotes, but found true",
            ),
            (
                "limits = 7\n",
                "x.toml: line 1: limits: expected a section, but found the number 7",
            ),
            (
                "public = [\"x\"]\n",
                "x.toml: line 1: public: expected a text in quotes, but found a list",
            ),
            (
                "listen = true\n",
                "x.toml: line 1: listen: expected an address and port, but found true",
            ),
            (
                "[limits]\nping_interval_ms = 7\n",
                "limits.ping_interval_ms: expected a whole number of milliseconds, 0 (off) or 20 to 3600000, but found 7",
            ),
            (
                "[socketio]\nmax_payload_bytes = 1000\n",
                "socketio.max_payload_bytes: expected a whole number of bytes, 1024 or more, but found 1000",
            ),
        ] {
            assert_eq!(wrong(text), says);
        }
    }

    #[test]
    fn what_is_wrong_for_other_reasons_has_its_key_too() {
        for (text, parts) in [
            ("listen = \"nonsense\"\n", ["line 1: listen: ", "no port"]),
            (
                "[access]\ntrusted_proxies = [\"10.0.0.0/8\", \"x\"]\n",
                [
                    "line 2: access.trusted_proxies: expected an address or a network",
                    "found `x`",
                ],
            ),
            (
                "[genral]\nserver_name = \"x\"\n",
                ["line 1: genral: ", "unknown field `genral`"],
            ),
            (
                "[[web.routes]]\nmethod = \"fetch\"\npath = \"/x\"\naction = \"status\"\n",
                ["line 2: web.routes.method: ", "unknown method `fetch`"],
            ),
        ] {
            let text = wrong(text);
            for part in parts {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }

    /// Every key that has bounds is one, so that none is left behind when a key is renamed.
    #[test]
    fn bounds_are_those_of_numbers_that_there_are() {
        let values = values(&Config::default());
        for bounds in BOUNDS {
            let mut segments = bounds.key.split('.');
            let value = segments.try_fold(&values, |values, segment| values.get(segment));
            let value = value.and_then(serde_json::Value::as_u64).expect(bounds.key);
            assert!(bounds.holds(value), "{}", bounds.key);
        }
    }
}
