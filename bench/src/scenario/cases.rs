//! All comparisons.

use super::case::{Case, Group};
use super::{Echo, FanOut, Load, Paced, Run, churn, idle, storm};
use crate::args::{Effort, Scenario};
use crate::client::Transport;
use crate::client::packet::Request;
use crate::load::{CPU, P50, P99, THROUGHPUT};
use crate::report::number;
use crate::server::Kind;

/// Members that poll or speak socket.io, in a room with all dialects.
const OTHERS: usize = 100;
const MEMBERS_AMONG_OTHERS: usize = 900;

fn whole(count: usize) -> String {
    number(count as f64)
}

impl Case {
    /// All cases of a scenario.
    pub(crate) fn all(scenario: Scenario, effort: Effort) -> Vec<Self> {
        let table = Cases { effort };
        match scenario {
            Scenario::Echo => table.echo(),
            Scenario::Action => table.action(),
            Scenario::Fanout => table.fan_out(),
            Scenario::Paced => table.paced(),
            Scenario::Idle => table.idle(effort.idle_connections),
            Scenario::Idle50k => table.idle(50_000),
            Scenario::Connect => table.connect(),
            Scenario::Churn => table.churn(),
            Scenario::Storm => table.storm(),
            Scenario::Threads => table.threads(),
            Scenario::Mixed => table.mixed(),
            Scenario::PollEcho => table.poll_echo(),
            Scenario::PollAction => table.poll_action(),
            Scenario::PollFanout => table.poll_fan_out(),
            Scenario::PollIdle => table.poll_idle(),
            Scenario::SioEcho => table.socketio_echo(),
            Scenario::SioFanout => table.socketio_fan_out(),
            Scenario::SioIdle => table.socketio_idle(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Cases {
    effort: Effort,
}

impl Cases {
    fn ours(self, transport: Transport, load: Load) -> Run {
        Run {
            kind: Kind::Stellar,
            transport,
            threads: self.effort.threads,
            load,
        }
    }

    fn asking(self, transport: Transport, request: Request, depth: usize) -> Run {
        let load = Load::Echo(Echo {
            request,
            connections: 100,
            depth,
        });
        self.ours(transport, load)
    }

    fn saying(self, transport: Transport, members: usize, size: usize, outstanding: usize) -> Run {
        let load = Load::FanOut(FanOut {
            members,
            size,
            outstanding,
        });
        self.ours(transport, load)
    }

    fn echo(self) -> Vec<Case> {
        let case = |depth| {
            let ours = self.asking(Transport::Ws, Request::DetailsView, depth);
            let title = format!("`detailsView`, {depth} in flight");
            Case::new(Group::Requests, title, ours)
                .against(Kind::Floor, &[])
                .against(Kind::Primus, &[])
                .against(Kind::Ws, &[])
        };
        vec![
            case(1),
            case(16)
                .against(Kind::Tungstenite, &[])
                .against(Kind::Fastwebsockets, &[]),
        ]
    }

    fn action(self) -> Vec<Case> {
        let case = |(depth, floor, primus)| {
            let ours = self.asking(Transport::Ws, Request::Random, depth);
            let title = format!("action, {depth} in flight");
            Case::new(Group::Requests, title, ours)
                .against(Kind::Floor, &[(CPU, floor)])
                .against(Kind::Primus, &[(CPU, primus)])
        };
        let ours = self.asking(Transport::Ws, Request::Sum, 16);
        let title = "action that calls another, 16 in flight";
        let nested = Case::new(Group::Requests, title.to_owned(), ours)
            .against(Kind::Floor, &[])
            .against(Kind::Primus, &[]);
        let mut cases = Vec::from([(1, 1.25, 1.0 / 2.2), (16, 2.5, 1.0 / 11.0)].map(case));
        cases.push(nested);
        cases
    }

    fn fan_out(self) -> Vec<Case> {
        let case = |title: &str, members, size, outstanding| {
            let ours = self.saying(Transport::Ws, members, size, outstanding);
            Case::new(Group::Rooms, format!("`say` to {title}"), ours)
        };
        let wide = |title: &str, members, primus, socketioxide| {
            case(title, members, 64, 8)
                .against(Kind::Floor, &[(CPU, 1.25)])
                .against(Kind::Primus, &[(CPU, primus)])
                .against(Kind::Ws, &[(CPU, 1.0 / 5.0)])
                .against(Kind::Socketioxide, &[(CPU, socketioxide)])
        };
        vec![
            wide("100", 100, 1.0 / 6.5, 1.0),
            wide("1,000", 1_000, 1.0 / 8.5, 1.0 / 1.3)
                .against(Kind::Tungstenite, &[])
                .against(Kind::Fastwebsockets, &[]),
            case("5,000", 5_000, 64, 8)
                .against(Kind::Floor, &[(CPU, 1.3)])
                .against(Kind::Primus, &[(CPU, 1.0 / 8.0)]),
            case("1,000, 1 KiB", 1_000, 1_024, 8)
                .against(Kind::Floor, &[(CPU, 1.25)])
                .against(Kind::Primus, &[(CPU, 1.0 / 11.0)]),
            case("1,000, one at a time", 1_000, 64, 1)
                .against(Kind::Floor, &[(CPU, 1.15)])
                .against(Kind::Primus, &[(CPU, 1.0 / 1.7)]),
        ]
    }

    fn paced(self) -> Vec<Case> {
        let load = Load::Paced(Paced {
            members: 1_000,
            others: 0,
            per_second: 20,
        });
        let ours = self.ours(Transport::Ws, load);
        let case = Case::new(Group::Rooms, "20 `say` a second to 1,000", ours)
            .headed_by(P50)
            .against(Kind::Floor, &[(P50, 1.15), (P99, 1.25)])
            .against(Kind::Primus, &[(P50, 0.75), (P99, 1.0)]);
        vec![case]
    }

    fn idle(self, connections: usize) -> Vec<Case> {
        let ours = self.ours(Transport::Ws, Load::Idle { connections });
        let title = format!("{} idle connections in a room", whole(connections));
        let case = Case::new(Group::Connections, title, ours)
            .aiming(idle::HEAP, 2_048.0)
            .aiming(idle::HEAP_AFTERWARDS, 1.1)
            .against(Kind::Floor, &[])
            .against(Kind::Primus, &[(idle::HEAP, 1.0 / 5.5)])
            .against(Kind::Ws, &[])
            .against(Kind::Tungstenite, &[])
            .against(Kind::Fastwebsockets, &[]);
        vec![case]
    }

    fn connect(self) -> Vec<Case> {
        let connections = self.effort.connects;
        let ours = self.ours(Transport::Ws, Load::Connect { connections });
        let case = Case::new(Group::Connections, "connect and join", ours)
            .against(Kind::Floor, &[(0, 1.4)])
            .against(Kind::Primus, &[(0, 1.0 / 4.5)]);
        vec![case]
    }

    fn churn(self) -> Vec<Case> {
        let ours = |cycles| self.ours(Transport::Ws, Load::Churn { cycles });
        let Effort {
            cycles,
            many_cycles,
            ..
        } = self.effort;
        let title = format!("{} cycles of connect, join and close", whole(many_cycles));
        vec![
            Case::new(Group::Connections, "connect, join and close", ours(cycles))
                .against(Kind::Floor, &[(0, 1.3)])
                .against(Kind::Primus, &[(0, 1.0 / 4.4)]),
            Case::new(Group::Connections, title, ours(many_cycles))
                .headed_by(churn::GROWTH)
                .aiming(churn::GROWTH, 2.0),
        ]
    }

    fn storm(self) -> Vec<Case> {
        let case = |transport, connections| {
            let ours = self.ours(transport, Load::Storm { connections });
            let title = format!(
                "{} {} clients come at once",
                whole(connections),
                transport.name()
            );
            Case::new(Group::Connections, title, ours).aiming(storm::P50, 2.0)
        };
        let (ws, socketio) = (self.effort.storm, self.effort.storm * 3 / 10);
        vec![
            case(Transport::Ws, ws),
            case(Transport::Socketio, socketio),
            case(Transport::Polling, socketio),
        ]
    }

    fn threads(self) -> Vec<Case> {
        let case = |title: &str, request| {
            let one = Run {
                threads: 1,
                ..self.asking(Transport::Ws, request, 16)
            };
            let two = Run { threads: 2, ..one };
            let title = format!("two server threads, {title}, 16 in flight");
            Case::new(Group::Conditions, title, two).against_ours(
                "one thread",
                one,
                &[(CPU, 1.25), (THROUGHPUT, 1.6)],
            )
        };
        vec![
            case("`detailsView`", Request::DetailsView),
            case("action", Request::Random),
        ]
    }

    fn mixed(self) -> Vec<Case> {
        let members = MEMBERS_AMONG_OTHERS;
        let load = |others| self.ours(Transport::Ws, Load::Mixed { members, others });
        let title = format!("`say` to {members} among {OTHERS} that poll or speak socket.io");
        let case = Case::new(Group::Conditions, title, load(OTHERS)).against_ours(
            "WebSocket alone",
            load(0),
            &[(CPU, 1.15)],
        );
        vec![case]
    }

    fn poll_echo(self) -> Vec<Case> {
        let case = |depth| {
            let ours = self.asking(Transport::Polling, Request::DetailsView, depth);
            let title = format!("polling: `detailsView`, {depth} in flight");
            Case::new(Group::Polling, title, ours)
                .against(Kind::PrimusEngineio, &[])
                .against(Kind::Engineio, &[])
        };
        [1, 16].map(case).into()
    }

    fn poll_action(self) -> Vec<Case> {
        let ours = self.asking(Transport::Polling, Request::Random, 1);
        let case = Case::new(Group::Polling, "polling: action, 1 in flight", ours)
            .against(Kind::PrimusEngineio, &[(CPU, 1.0 / 8.0)])
            .against(Kind::Engineio, &[(CPU, 1.0 / 5.0)]);
        vec![case]
    }

    fn poll_fan_out(self) -> Vec<Case> {
        let ours = self.saying(Transport::Polling, 200, 64, 8);
        let case = Case::new(Group::Polling, "polling: `say` to 200", ours)
            .against(Kind::PrimusEngineio, &[(CPU, 1.0 / 7.5)])
            .against(Kind::Engineio, &[(CPU, 1.0 / 4.0)]);
        vec![case]
    }

    fn poll_idle(self) -> Vec<Case> {
        let connections = self.effort.idle_sessions;
        let ours = self.ours(Transport::Polling, Load::Idle { connections });
        let title = format!("polling: {} idle sessions in a room", whole(connections));
        let case = Case::new(Group::Polling, title, ours)
            .aiming(idle::HEAP, 8_192.0)
            .against(Kind::PrimusEngineio, &[(idle::HEAP, 1.0 / 3.5)])
            .against(Kind::Engineio, &[]);
        vec![case]
    }

    fn socketio_echo(self) -> Vec<Case> {
        let case = |depth| {
            let ours = self.asking(Transport::Socketio, Request::DetailsView, depth);
            let title = format!("socket.io: `detailsView`, {depth} in flight");
            Case::new(Group::Socketio, title, ours)
                .against(Kind::Socketio, &[])
                .against(Kind::Socketioxide, &[])
        };
        [1, 16].map(case).into()
    }

    fn socketio_fan_out(self) -> Vec<Case> {
        let ours = self.saying(Transport::Socketio, 1_000, 64, 8);
        let case = Case::new(Group::Socketio, "socket.io: `say` to 1,000", ours)
            .against(Kind::Socketio, &[(CPU, 1.0 / 4.0)])
            .against(Kind::Socketioxide, &[]);
        vec![case]
    }

    fn socketio_idle(self) -> Vec<Case> {
        let connections = self.effort.idle_connections;
        let ours = self.ours(Transport::Socketio, Load::Idle { connections });
        let title = format!(
            "socket.io: {} idle connections in a room",
            whole(connections)
        );
        let case = Case::new(Group::Socketio, title, ours)
            .against(Kind::Socketio, &[(idle::HEAP, 1.0)])
            .against(Kind::Socketioxide, &[]);
        vec![case]
    }
}
