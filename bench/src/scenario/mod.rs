//! What is measured. One file per scenario; each opens its connections, drives
//! them, and answers with figures. `cases` lists what is compared with what.

mod audience;
mod case;
mod cases;
mod churn;
mod connect;
mod echo;
mod fanout;
mod idle;
mod mixed;
mod opening;
mod paced;
mod storm;

use anyhow::{Context, Result};

pub(crate) use self::case::{Aim, Case, Group, Rival};
use self::echo::Echo;
use self::fanout::FanOut;
use self::paced::Paced;
use crate::args::Effort;
use crate::client::Transport;
use crate::ledger::Faults;
use crate::load;
use crate::report::Figure;
use crate::server::{Garbage, Kind, Launcher, Server};

/// One side of a comparison: a load on a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    transport: Transport,
    threads: usize,
    load: Load,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Echo(Echo),
    FanOut(FanOut),
    Paced(Paced),
    /// WebSocket members among others.
    Mixed {
        members: usize,
        others: usize,
    },
    Idle {
        connections: usize,
    },
    Connect {
        connections: usize,
    },
    Churn {
        cycles: usize,
    },
    Storm {
        connections: usize,
    },
}

/// The outcome of one run.
#[derive(Debug)]
pub(crate) struct Measured {
    /// In the order of `Run::figures`.
    pub(crate) values: Vec<f64>,
    pub(crate) faults: Faults,
}

impl Run {
    pub(crate) fn figures(self) -> &'static [Figure] {
        match self.load {
            Load::Echo(_) | Load::FanOut(_) | Load::Paced(_) => load::FIGURES,
            Load::Mixed { .. } => mixed::FIGURES,
            Load::Idle { .. } => idle::figures(self.transport),
            Load::Connect { .. } => connect::FIGURES,
            Load::Churn { .. } => churn::FIGURES,
            Load::Storm { .. } => storm::FIGURES,
        }
    }

    /// The most sockets that are open at a time.
    pub(crate) fn sockets(self) -> usize {
        let connections = match self.load {
            Load::Echo(Echo { connections, .. })
            | Load::Idle { connections }
            | Load::Connect { connections } => connections,
            Load::FanOut(FanOut { members, .. }) => members,
            // At most one more for each that polls.
            Load::Paced(Paced {
                members, others, ..
            })
            | Load::Mixed { members, others } => members + 2 * others,
            Load::Churn { .. } => opening::AT_ONCE,
            Load::Storm { connections } => connections + storm::ESTABLISHED as usize,
        };
        match self.transport {
            Transport::Ws | Transport::Socketio => connections,
            Transport::Polling => 2 * connections,
        }
    }

    fn garbage(self) -> Garbage {
        match self.load {
            Load::Idle { .. } => Garbage::Collected,
            _ => Garbage::Natural,
        }
    }

    /// Which doors the server has.
    fn transports(self) -> &'static [Transport] {
        match (self.load, self.transport) {
            (Load::Mixed { .. }, _) => &[Transport::Ws, Transport::Polling, Transport::Socketio],
            (_, Transport::Ws) => &[Transport::Ws],
            (_, Transport::Polling) => &[Transport::Polling],
            (_, Transport::Socketio) => &[Transport::Socketio],
        }
    }

    pub(crate) async fn measure(self, launcher: &Launcher, effort: Effort) -> Result<Measured> {
        let Load::Mixed { members, others } = self.load else {
            return self.measure_load(self.load, launcher, effort).await;
        };
        // On a server of its own each: of clients that poll and are gone, one
        // knows only after a while.
        let paced = |members| {
            Load::Paced(Paced {
                members,
                others,
                per_second: mixed::PER_SECOND,
            })
        };
        let few = self.measure_load(paced(1), launcher, effort).await?;
        let all = self.measure_load(paced(members), launcher, effort).await?;
        Ok(mixed::part_of_members(&few, &all, members, others))
    }

    /// Every load has a fresh server: none inherits another's heap.
    async fn measure_load(
        self,
        load: Load,
        launcher: &Launcher,
        effort: Effort,
    ) -> Result<Measured> {
        let server = launcher
            .start(self.kind, self.transports(), self.garbage(), self.threads)
            .await
            .with_context(|| format!("starting {}", self.kind.name()))?;
        match self.drive(load, &server, effort).await {
            Ok(measured) => {
                server.stop().await?;
                Ok(measured)
            }
            Err(error) => Err(server.explain(error).await),
        }
    }

    async fn drive(self, load: Load, server: &Server, effort: Effort) -> Result<Measured> {
        let (door, pid) = (server.door(self.transport)?, server.pid);
        match load {
            Load::Echo(load) => echo::run(door, pid, effort, load).await,
            Load::FanOut(load) => fanout::run(door, pid, effort, load).await,
            Load::Paced(load) => paced::run(server, effort, load).await,
            Load::Mixed { .. } => unreachable!("it is measured as two loads that are paced"),
            Load::Idle { connections } => idle::run(door, pid, effort, connections).await,
            Load::Connect { connections } => connect::run(door, pid, effort, connections).await,
            Load::Churn { cycles } => churn::run(door, pid, effort, cycles).await,
            Load::Storm { connections } => storm::run(door, pid, effort, connections).await,
        }
    }
}
