//! What is measured. One file per scenario; each opens its connections,
//! drives them, and answers with figures.

mod echo;
mod fanout;
mod idle;
mod opening;

use anyhow::Result;

use crate::args::{Effort, Scenario};
use crate::ledger::Faults;
use crate::load;
use crate::report::Figure;
use crate::server::{Garbage, Server};

/// One scenario with its parameters: a table of the report.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Case {
    Echo { connections: usize, depth: usize },
    FanOut { members: usize, outstanding: usize },
    Idle { connections: usize },
}

/// The outcome of one case on one server.
#[derive(Debug)]
pub(crate) struct Measured {
    /// In the order of `Case::figures`.
    pub(crate) values: Vec<f64>,
    pub(crate) faults: Faults,
}

impl Case {
    pub(crate) fn all(scenario: Scenario, effort: Effort) -> Vec<Self> {
        match scenario {
            Scenario::Echo => [1, 16]
                .map(|depth| Self::Echo {
                    connections: 100,
                    depth,
                })
                .to_vec(),
            Scenario::Fanout => [(100, 1), (100, 8), (1_000, 1), (1_000, 8)]
                .map(|(members, outstanding)| Self::FanOut {
                    members,
                    outstanding,
                })
                .to_vec(),
            Scenario::Idle => vec![Self::Idle {
                connections: effort.idle_connections,
            }],
        }
    }

    pub(crate) fn title(self) -> String {
        match self {
            Self::Echo { connections, depth } => {
                format!("echo, {connections} connections, {depth} in flight each")
            }
            Self::FanOut {
                members,
                outstanding,
            } => format!("fan-out to {members}, 64 B, {outstanding} outstanding"),
            Self::Idle { connections } => format!("{connections} idle connections in a room"),
        }
    }

    /// The first is the headline.
    pub(crate) fn figures(self) -> &'static [Figure] {
        match self {
            Self::Echo { .. } | Self::FanOut { .. } => load::FIGURES,
            Self::Idle { .. } => idle::FIGURES,
        }
    }

    pub(crate) fn connections(self) -> usize {
        match self {
            Self::Echo { connections, .. } | Self::Idle { connections } => connections,
            Self::FanOut { members, .. } => members,
        }
    }

    pub(crate) fn garbage(self) -> Garbage {
        match self {
            Self::Echo { .. } | Self::FanOut { .. } => Garbage::Natural,
            Self::Idle { .. } => Garbage::Collected,
        }
    }

    pub(crate) async fn run(self, server: &Server, effort: Effort) -> Result<Measured> {
        match self {
            Self::Echo { connections, depth } => {
                echo::run(server, effort, connections, depth).await
            }
            Self::FanOut {
                members,
                outstanding,
            } => fanout::run(server, effort, members, outstanding).await,
            Self::Idle { connections } => idle::run(server, effort, connections).await,
        }
    }
}
