//! The command line.

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::peer::Peer;
use crate::server::Kind;

/// Compares a Stellar server with others, in pairs of adjacent runs on this
/// machine.
#[derive(Debug, Parser)]
#[command(
    name = "stellar-bench",
    version,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Pairs of each comparison; their medians are reported [default: 7, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,

    /// Short windows, fewer connections, one round: shows that it works, not how fast it is
    #[arg(long)]
    quick: bool,

    /// Only these scenarios [default: all but idle50k]
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Scenario>,

    /// Compare with these servers only; `stellar` stands for ours under other conditions
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Kind::ALL)]
    pub(crate) against: Vec<Kind>,

    /// Worker threads of our server and of the peers in Rust [default: one per core but the generator's]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// The release build of the server
    #[arg(long, value_name = "PATH", default_value = "target/release/stellar")]
    pub(crate) server: PathBuf,

    /// Writes the report to this file, and its plots to a folder beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Command {
    /// Serves a peer that is written in Rust, which the benchmark starts by itself
    Peer {
        peer: Peer,
        /// Worker threads
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// `detailsView`, 1 and 16 in flight
    Echo,
    /// An action, 1 and 16 in flight
    Action,
    /// `say` to 100, 1,000 and 5,000, of 1 KiB, and one at a time
    Fanout,
    /// 20 `say` a second to 1,000
    Paced,
    /// Memory of quiet connections
    Idle,
    /// Connect and join
    Connect,
    /// Connect, join, close
    Churn,
    /// Clients come all at once while others ask
    Storm,
    /// Two server threads against one
    Threads,
    /// WebSocket members among others
    Mixed,
    PollEcho,
    PollAction,
    PollFanout,
    PollIdle,
    SioEcho,
    SioFanout,
    SioIdle,
    /// Memory of 50,000 quiet connections
    Idle50k,
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
    /// Connections that connect and join.
    pub(crate) connects: usize,
    /// Connections that come at once.
    pub(crate) storm: usize,
    /// Cycles of churn.
    pub(crate) cycles: usize,
    /// Cycles after which memory is compared.
    pub(crate) many_cycles: usize,
    /// Quiet time before memory is read: collectors and allocators come to rest.
    pub(crate) settle: Duration,
    /// Worker threads of our server and of the peers in Rust.
    pub(crate) threads: usize,
}

impl Args {
    /// The scenarios that are asked for, each once.
    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        let all = Scenario::value_variants().iter().copied();
        all.filter(|scenario| match self.only[..] {
            [] => *scenario != Scenario::Idle50k,
            _ => self.only.contains(scenario),
        })
        .collect()
    }

    pub(crate) fn rounds(&self) -> u16 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 7 })
    }

    pub(crate) fn effort(&self) -> Effort {
        // The generator has one thread, and those that it has to share a core with are measured with its noise.
        let others =
            || available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
        let threads = self.threads.map_or_else(others, usize::from);
        if self.quick {
            Effort {
                warm_up: Duration::from_millis(500),
                window: Duration::from_secs(1),
                idle_connections: 1_000,
                idle_sessions: 500,
                connects: 1_000,
                storm: 2_000,
                cycles: 1_000,
                many_cycles: 5_000,
                settle: Duration::from_secs(1),
                threads,
            }
        } else {
            Effort {
                warm_up: Duration::from_secs(1),
                window: Duration::from_secs(2),
                idle_connections: 10_000,
                idle_sessions: 4_000,
                connects: 8_000,
                storm: 10_000,
                cycles: 8_000,
                many_cycles: 50_000,
                settle: Duration::from_secs(2),
                threads,
            }
        }
    }
}
