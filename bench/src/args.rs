//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::server::Kind;

/// Compares a Stellar server with npm `ws`, `primus`, `engine.io` and `socket.io`,
/// and with `socketioxide`, on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "stellar-bench",
    version,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// How often everything is measured; the medians are reported [default: 3, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,

    /// Short windows, fewer idle connections, one round: shows that it works, not how fast it is
    #[arg(long)]
    pub(crate) quick: bool,

    /// Only these scenarios
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Scenario::ALL)]
    only: Vec<Scenario>,

    /// Only these servers
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Kind::ALL)]
    servers: Vec<Kind>,

    /// The release build of the server
    #[arg(long, value_name = "PATH", default_value = "target/release/stellar")]
    pub(crate) server: PathBuf,

    /// Writes the report to this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Command {
    /// Serves the peer on `socketioxide`, which the benchmark starts by itself
    Peer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    Echo,
    Fanout,
    Idle,
    PollEcho,
    PollFanout,
    PollIdle,
    SioEcho,
    SioFanout,
    SioIdle,
}

impl Scenario {
    const ALL: [Self; 9] = [
        Self::Echo,
        Self::Fanout,
        Self::Idle,
        Self::PollEcho,
        Self::PollFanout,
        Self::PollIdle,
        Self::SioEcho,
        Self::SioFanout,
        Self::SioIdle,
    ];
}

/// How long and how large the measurements are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Load before anything is counted: Node compiles its hot functions in it.
    pub(crate) warm_up: Duration,
    /// What is counted.
    pub(crate) window: Duration,
    /// Connections of the idle scenario.
    pub(crate) idle_connections: usize,
    /// Sessions of the idle scenario that polls.
    pub(crate) idle_sessions: usize,
    /// Quiet time before memory is read: collectors and allocators come to rest.
    pub(crate) settle: Duration,
}

impl Args {
    /// The scenarios that are asked for, each once.
    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        let mut all = Scenario::ALL.to_vec();
        all.retain(|scenario| self.only.contains(scenario));
        all
    }

    /// The servers that are asked for, each once.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let mut all = Kind::ALL.to_vec();
        all.retain(|kind| self.servers.contains(kind));
        all
    }

    pub(crate) fn rounds(&self) -> u16 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    pub(crate) fn effort(&self) -> Effort {
        if self.quick {
            Effort {
                warm_up: Duration::from_millis(500),
                window: Duration::from_secs(1),
                idle_connections: 1_000,
                idle_sessions: 500,
                settle: Duration::from_secs(1),
            }
        } else {
            Effort {
                warm_up: Duration::from_millis(1_500),
                window: Duration::from_secs(4),
                idle_connections: 10_000,
                idle_sessions: 4_000,
                settle: Duration::from_secs(3),
            }
        }
    }
}
