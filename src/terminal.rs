//! Messages for the operator on the terminal: the log, the announcement, the reason of an exit. For people, or each
//! line as one JSON object.

use std::io::{IsTerminal, Write};

use serde_json::{Map, Value, json};
use stellar::LogWriter;
use time::format_description::well_known::Rfc3339;

use crate::cli::LogFormat;

/// The format that the arguments ask for, also if something else is wrong with them.
pub(crate) fn format_asked_for() -> LogFormat {
    const FLAG: &str = "--log-format";
    let arguments: Vec<_> = std::env::args_os().collect();
    let arguments: Vec<_> = arguments.iter().map(|it| it.to_string_lossy()).collect();
    let is_json = arguments
        .windows(2)
        .any(|it| it[0] == FLAG && it[1] == "json")
        || arguments
            .iter()
            .any(|it| it.strip_prefix(FLAG) == Some("=json"));
    if is_json {
        LogFormat::Json
    } else {
        LogFormat::Text
    }
}

/// Starts the log, on standard error. Nothing is said there of a line that could not be written.
///
/// # Errors
///
/// When the filter is none.
pub(crate) fn start_log(filter: &str, format: LogFormat) -> Result<LogWriter, String> {
    if let Some(word) = filter.split(',').find(|part| is_no_level(part.trim())) {
        return Err(format!(
            "--log {filter}: `{word}` is no level: write error, warn, info, debug or trace, or a part of the program with \
             its level, such as stellar_transports=debug"
        ));
    }
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| format!("--log {filter}: {error}; try info or debug"))?;
    let lost = LogWriter::default();
    let writer = lost.clone();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(move || writer.clone());
    match format {
        LogFormat::Text if std::io::stderr().is_terminal() => log.init(),
        // Colours are for terminals.
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => {
            log.json().init();
            std::panic::set_hook(Box::new(|panic| {
                fail(&panic.to_string().replace('\n', ": "), LogFormat::Json);
            }));
        }
    }
    Ok(lost)
}

/// Whether a part of a filter is a single word that is no level. The filter takes it for a part of the program, which is
/// then missing from the log.
fn is_no_level(part: &str) -> bool {
    let is_word = !part.is_empty() && !part.contains(['=', '[', ':']);
    is_word
        && part
            .parse::<tracing_subscriber::filter::LevelFilter>()
            .is_err()
}

/// Says why the program ends, or what has gone wrong in it.
pub(crate) fn fail(text: &str, format: LogFormat) {
    let line = match format {
        LogFormat::Text => format!("stellar: {text}\n"),
        LogFormat::Json => json_line("ERROR", text, Map::new()),
    };
    // Where nobody listens there is nobody to tell.
    let _unread = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Says on standard output what is open: some lines for people, or facts.
pub(crate) fn announce(
    lines: &[String],
    facts: Map<String, Value>,
    format: LogFormat,
    log: &LogWriter,
) {
    // One write, so that whoever waits for the page's address finds the rest as well.
    let text = match format {
        LogFormat::Text => lines.join("\n") + "\n",
        LogFormat::Json => json_line("INFO", "serving", facts),
    };
    let mut out = std::io::stdout().lock();
    // Nobody has to read this: a closed standard output is no reason not to serve.
    log.note(&out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// A line like those of the log.
fn json_line(level: &str, message: &str, mut fields: Map<String, Value>) -> String {
    fields.insert("message".into(), message.into());
    let now = time::OffsetDateTime::now_utc().format(&Rfc3339);
    let line = json!({
        "timestamp": now.unwrap_or_default(),
        "level": level,
        "fields": fields,
        "target": "stellar",
    });
    format!("{line}\n")
}
