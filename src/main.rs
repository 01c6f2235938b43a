//! The `stellar` program: reads the command line, builds, runs, exits.
//!
//! Exit codes: 0 after a clean drain, 1 for a failure at run time and a drain that was cut short, 2 for wrong arguments
//! or configuration.
mod cli;
mod landing;
mod terminal;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use stellar::app::App;
use stellar::client_script::{self, Format};
use stellar::config::{Config, ConfigError};
use stellar::transports::Place;
use stellar::{Bound, Drain, LogWriter, ServeError, Server, Signals};

/// Connections are many small pieces that come and go on several threads.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Fewer files than this are soon used up by a realtime server.
const FEW_FILES: u64 = 4096;

const MIB: usize = 1024 * 1024;
/// How long tasks that are broken off may take to let go of what they have.
const LAST_GRACE: Duration = Duration::from_millis(500);

/// Why the program ends early.
enum Failure {
    /// Wrong arguments or configuration.
    Usage(String),
    /// Something failed at run time.
    Runtime(String),
}

fn main() -> ExitCode {
    let result = match cli::Cli::try_parse() {
        Ok(cli) => match cli.command {
            cli::Command::Serve(arguments) => serve(arguments),
            cli::Command::Client(arguments) => client(arguments),
        },
        Err(error) if !error.use_stderr() => {
            // Help and version are what was asked for.
            let _unread = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(Failure::Usage(one_line(&error))),
    };
    let (text, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => (text, 2),
        Err(Failure::Runtime(text)) => (text, 1),
    };
    terminal::fail(&text, terminal::format_asked_for());
    ExitCode::from(code)
}

/// What is wrong with the arguments, in one line.
fn one_line(error: &clap::Error) -> String {
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing: `stellar serve` runs a server, `stellar help` lists what there is".into();
    }
    let text = error.to_string();
    let (text, _) = text.split_once("Usage:").unwrap_or((&text, ""));
    let mut line = text
        .lines()
        .map(|line| {
            line.trim()
                .trim_start_matches("error: ")
                .trim_start_matches("tip: ")
        })
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .collect::<Vec<_>>()
        .join("; ");
    line.push_str("; `stellar help` lists what there is");
    line
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Listen { .. } => Self::Runtime(error.to_string()),
            other => Self::Usage(other.to_string()),
        }
    }
}

fn serve(arguments: cli::Serve) -> Result<(), Failure> {
    let cli::Serve {
        listen,
        transport,
        public,
        config,
        demo,
        tls_cert,
        tls_key,
        origins,
        log,
        log_format,
    } = arguments;
    let mut settings = load(config.as_deref())?;
    settings.listen = listen.unwrap_or(settings.listen);
    settings.transport = transport.unwrap_or(settings.transport);
    settings.public = public.or(settings.public);
    settings.tls.cert = tls_cert.or(settings.tls.cert);
    settings.tls.key = tls_key.or(settings.tls.key);
    settings.access.origins.extend(origins);
    if demo {
        let rooms = stellar::demo::ROOMS.map(str::to_owned);
        settings.general.starting_rooms.extend(rooms);
    }
    settings.check()?;
    let log = terminal::start_log(&log, log_format).map_err(Failure::Usage)?;

    // Before anything takes its share of it.
    let file_limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0);
    let app = build_app(&settings, demo)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Sockets are asked what they have after so many turns of tasks. A connection's turn may take a fifth of a
        // millisecond: with the default, 61, floods on all threads would have others wait for ten.
        .event_interval(16)
        .build()
        .map_err(|error| Failure::Runtime(format!("cannot start the runtime: {error}")))?;
    let served = runtime.block_on(async {
        // First of all: a signal that comes while the server starts is not lost.
        let signals = Signals::listen();
        let mut server = Server::new(app).log(&log);
        if settings.public.is_none() && !demo {
            server = server.start_page(landing::page(&settings));
        }
        let bound = server.bind().await?;
        announce(&bound, &settings, demo, file_limit, log_format, &log)?;
        match bound.run(signals).await {
            Drain::Whole => Ok(()),
            Drain::CutShort { signal } => Err(Failure::Runtime(format!(
                "asked again to stop, by {signal}: ended before the drain was over"
            ))),
        }
    });
    // What is still at work then was given its time. It lets go of what it has, such as uploaded files; a slow disk is not
    // waited for.
    runtime.shutdown_timeout(LAST_GRACE);
    served
}

fn load(path: Option<&std::path::Path>) -> Result<Config, Failure> {
    Ok(path.map(Config::load).transpose()?.unwrap_or_default())
}

fn build_app(settings: &Config, demo: bool) -> Result<App, Failure> {
    let mut builder = App::builder();
    if demo {
        builder = stellar::demo::actions(builder);
        if settings.public.is_none() {
            builder = builder.files(stellar::demo::files());
        }
    }
    builder = builder.config(settings.clone());
    builder
        .build()
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// Says what is open.
fn announce(
    bound: &Bound,
    settings: &Config,
    demo: bool,
    file_limit: u64,
    format: cli::LogFormat,
    log: &LogWriter,
) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::Runtime(format!("cannot tell the address: {error}"));
    let address = bound.local_addr().map_err(failed)?;
    let scheme = if settings.tls.cert.is_some() {
        "https"
    } else {
        "http"
    };
    let host = match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        std::net::IpAddr::V4(ip) => ip.to_string(),
    };
    let base = format!("{scheme}://{host}:{}", address.port());
    let mut lines = vec![format!(
        "Stellar {} on {address}",
        env!("CARGO_PKG_VERSION")
    )];
    let page = match (&settings.public, demo) {
        (Some(public), _) if !public.join("index.html").is_file() => "files",
        (Some(_), _) => "page",
        (None, true) => "demo page",
        (None, false) => "start page",
    };
    lines.push(format!("  {page:<10} {base}/"));
    if let (Some((gzip, raw)), false) = (bound.scripts().size(), bound.scripts().path().is_empty())
    {
        let path = bound.scripts().path();
        lines.push(format!(
            "  client     {base}/{path} ({gzip} bytes gzip, {raw} plain)"
        ));
    }
    for name in &settings.transport {
        let Some(entry) = stellar::transports::entry(name) else {
            continue;
        };
        for door in entry.doors {
            let base = if door.place == Place::Ws {
                base.replacen("http", "ws", 1)
            } else {
                base.clone()
            };
            lines.push(format!(
                "  {name:<10} {base}{} ({})",
                door.path(&settings.doors),
                door.clients
            ));
        }
    }
    lines.push(format!(
        "  actions    {base}/{}",
        settings.web.url_path_for_actions
    ));
    let budget = bound.memory_budget();
    lines.push(format!(
        "  memory     up to {} MiB held for clients, {} MiB for one address",
        budget.limit() / MIB,
        budget.share() / MIB
    ));
    let sockets = stellar::max_connections(settings.access.max_connections);
    lines.push(format!(
        "  file limit {file_limit} (up to {sockets} connections)"
    ));
    if file_limit < FEW_FILES {
        lines.push(format!(
            "  warning: a file limit of {file_limit} is low for a realtime server: raise it with `ulimit -n 65536`"
        ));
    }
    let facts = [
        ("version", env!("STELLAR_VERSION").into()),
        ("address", address.to_string().into()),
        ("url", format!("{base}/").into()),
        ("transports", settings.transport.clone().into()),
        ("file_limit", file_limit.into()),
        ("max_connections", sockets.into()),
        ("memory_budget_bytes", budget.limit().into()),
        ("memory_per_address_bytes", budget.share().into()),
    ];
    let facts = facts.map(|(name, value)| (name.to_owned(), value));
    terminal::announce(&lines, facts.into_iter().collect(), format, log);
    Ok(())
}

fn client(arguments: cli::Client) -> Result<(), Failure> {
    let cli::Client {
        transport,
        minify,
        global,
        output,
        config,
        url,
    } = arguments;
    let mut settings = load(config.as_deref())?;
    settings.transport = transport.unwrap_or(settings.transport);
    settings.client.url = url.or(settings.client.url);
    settings.client.global = global.unwrap_or(settings.client.global);
    settings.check()?;
    let is_module = output
        .as_ref()
        .is_some_and(|path| path.extension().is_some_and(|end| end == "mjs"));
    let format = match (is_module, minify) {
        (true, _) => Format::Module,
        (false, true) => Format::Minified,
        (false, false) => Format::Readable,
    };
    let global = &*settings.client.global;
    let script = match global {
        // Primus's `save()`: what is to be called so is to be one.
        "Primus" => stellar::primus::app_library(&settings, global, format),
        _ => client_script::generate(&settings, &settings.transport, global, format),
    };
    let Some(script) = script else {
        return Err(Failure::Usage(format!(
            "there is no client for the transports {}: choose others",
            settings.transport.join(",")
        )));
    };
    match output {
        Some(path) => std::fs::write(&path, script)
            .map_err(|error| Failure::Runtime(format!("cannot write {}: {error}", path.display()))),
        // To its end: what is kept back for the rest of a line would be lost without a word.
        None => std::io::stdout()
            .write_all(script.as_bytes())
            .and_then(|()| std::io::stdout().flush())
            .map_err(|error| Failure::Runtime(format!("cannot write the script: {error}"))),
    }
}
