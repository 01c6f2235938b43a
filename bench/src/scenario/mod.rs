//! What is measured. One file per scenario; each opens its connections,
//! drives them, and answers with figures.

mod echo;
mod fanout;
mod idle;
mod opening;

use anyhow::Result;

use crate::args::{Effort, Scenario};
use crate::client::Transport;
use crate::ledger::Faults;
use crate::load;
use crate::report::Figure;
use crate::server::{Garbage, Server};

/// One scenario with its parameters: a table of the report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) transport: Transport,
    load: Load,
}

#[derive(Debug, Clone, Copy)]
enum Load {
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
        let echo = |depth| Load::Echo {
            connections: 100,
            depth,
        };
        let fan_out = |(members, outstanding)| Load::FanOut {
            members,
            outstanding,
        };
        let idle = |connections| Load::Idle { connections };
        let transport = match scenario {
            Scenario::Echo | Scenario::Fanout | Scenario::Idle => Transport::Ws,
            Scenario::PollEcho | Scenario::PollFanout | Scenario::PollIdle => Transport::Polling,
            Scenario::SioEcho | Scenario::SioFanout | Scenario::SioIdle => Transport::Socketio,
        };
        let loads = match scenario {
            Scenario::Echo | Scenario::PollEcho | Scenario::SioEcho => [1, 16].map(echo).to_vec(),
            Scenario::Fanout | Scenario::SioFanout => {
                let sizes = [(100, 1), (100, 8), (1_000, 1), (1_000, 8)];
                sizes.map(fan_out).to_vec()
            }
            Scenario::PollFanout => [(200, 1), (200, 8)].map(fan_out).to_vec(),
            Scenario::Idle | Scenario::SioIdle => vec![idle(effort.idle_connections)],
            Scenario::PollIdle => vec![idle(effort.idle_sessions)],
        };
        loads
            .into_iter()
            .map(|load| Self { transport, load })
            .collect()
    }

    pub(crate) fn title(self) -> String {
        let load = match self.load {
            Load::Echo { connections, depth } => {
                format!("echo, {connections} connections, {depth} in flight each")
            }
            Load::FanOut {
                members,
                outstanding,
            } => format!("fan-out to {members}, 64 B, {outstanding} outstanding"),
            Load::Idle { connections } => format!("{connections} idle connections in a room"),
        };
        match self.transport {
            Transport::Ws => load,
            Transport::Polling => format!("polling: {load}"),
            Transport::Socketio => format!("socket.io: {load}"),
        }
    }

    /// The first is the headline.
    pub(crate) fn figures(self) -> &'static [Figure] {
        match self.load {
            Load::Echo { .. } | Load::FanOut { .. } => load::FIGURES,
            Load::Idle { .. } => idle::FIGURES,
        }
    }

    /// The most sockets that are open at a time.
    pub(crate) fn sockets(self) -> usize {
        let connections = match self.load {
            Load::Echo { connections, .. } | Load::Idle { connections } => connections,
            Load::FanOut { members, .. } => members,
        };
        match self.transport {
            Transport::Ws | Transport::Socketio => connections,
            Transport::Polling => 2 * connections,
        }
    }

    pub(crate) fn garbage(self) -> Garbage {
        match self.load {
            Load::Echo { .. } | Load::FanOut { .. } => Garbage::Natural,
            Load::Idle { .. } => Garbage::Collected,
        }
    }

    pub(crate) async fn run(self, server: &Server, effort: Effort) -> Result<Measured> {
        match self.load {
            Load::Echo { connections, depth } => {
                echo::run(server, effort, connections, depth).await
            }
            Load::FanOut {
                members,
                outstanding,
            } => fanout::run(server, effort, members, outstanding).await,
            Load::Idle { connections } => idle::run(server, effort, connections).await,
        }
    }
}
