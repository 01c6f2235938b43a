//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A realtime server that every kind of web client can join.
#[derive(Debug, Parser)]
#[command(name = "stellar", version = env!("STELLAR_VERSION"), about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server
    Serve(Serve),
    /// Write the client script
    Client(Client),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address and port, such as 127.0.0.1:8080, localhost:8080, 8080 (this machine only) or :8080 (every IPv4 address)
    /// [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = stellar::config::parse_listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// Transports to open, in order; the generated client uses the first
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = trimmed)]
    pub(crate) transport: Option<Vec<String>>,
    /// Folder whose files are served
    #[arg(long, value_name = "DIR")]
    pub(crate) public: Option<PathBuf>,
    /// Configuration file (see stellar.toml in the repository)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Add demo actions, rooms and a page to try them on
    #[arg(long)]
    pub(crate) demo: bool,
    /// PEM file with the certificate chain, for HTTPS
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the private key, for HTTPS
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Web origin that may connect besides the server's own; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// What to log: error, warn, info, debug or a filter such as stellar_transports=debug
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    pub(crate) log: String,
    /// How to log
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// Transports that the client should be able to use, in order
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = trimmed)]
    pub(crate) transport: Option<Vec<String>>,
    /// Write it without spaces and comments
    #[arg(long)]
    pub(crate) minify: bool,
    /// Name of the global that it defines [default: StellarClient]
    #[arg(long, value_name = "NAME")]
    pub(crate) global: Option<String>,
    /// Where to write it; a name that ends in .mjs makes it an ES module [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Configuration file to take the client's settings from
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address of the server, for pages that it does not deliver itself
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// A name of a list, which people also write with blanks.
fn trimmed(name: &str) -> Result<String, std::convert::Infallible> {
    Ok(name.trim().to_owned())
}
