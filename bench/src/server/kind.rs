//! Which servers there are, and what each has.

use clap::ValueEnum;

use crate::client::Transport;
use crate::peer::Peer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Stellar,
    Floor,
    Primus,
    Ws,
    Tungstenite,
    Fastwebsockets,
    Engineio,
    PrimusEngineio,
    Socketio,
    Socketioxide,
}

/// What runs a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// The binary that is compared.
    Ours,
    /// This program.
    Rust(Peer),
    /// A file in `peers/`, on these npm packages.
    Node(&'static [&'static str]),
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Stellar,
        Self::Floor,
        Self::Primus,
        Self::Ws,
        Self::Tungstenite,
        Self::Fastwebsockets,
        Self::Engineio,
        Self::PrimusEngineio,
        Self::Socketio,
        Self::Socketioxide,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stellar => "stellar",
            Self::Floor => "floor",
            Self::Primus => "primus",
            Self::Ws => "ws",
            Self::Tungstenite => "tungstenite",
            Self::Fastwebsockets => "fastwebsockets",
            Self::Engineio => "engineio",
            Self::PrimusEngineio => "primus-engineio",
            Self::Socketio => "socketio",
            Self::Socketioxide => "socketioxide",
        }
    }

    pub(super) fn program(self) -> Program {
        match self {
            Self::Stellar => Program::Ours,
            Self::Floor => Program::Rust(Peer::Floor),
            Self::Tungstenite => Program::Rust(Peer::Tungstenite),
            Self::Fastwebsockets => Program::Rust(Peer::Fastwebsockets),
            Self::Socketioxide => Program::Rust(Peer::Socketioxide),
            Self::Primus => Program::Node(&["primus"]),
            Self::Ws => Program::Node(&["ws"]),
            Self::Engineio => Program::Node(&["engine.io"]),
            Self::PrimusEngineio => Program::Node(&["primus", "engine.io"]),
            Self::Socketio => Program::Node(&["socket.io"]),
        }
    }

    /// The path on which it lets clients in, if it has the transport.
    pub(super) fn path(self, transport: Transport) -> Option<&'static str> {
        match (self, transport) {
            (
                Self::Stellar
                | Self::Floor
                | Self::Primus
                | Self::Ws
                | Self::Tungstenite
                | Self::Fastwebsockets,
                Transport::Ws,
            ) => Some("/primus"),
            (Self::Stellar | Self::Engineio, Transport::Polling) => Some("/engine.io/"),
            (Self::PrimusEngineio, Transport::Polling) => Some("/primus/"),
            (Self::Stellar | Self::Socketio | Self::Socketioxide, Transport::Socketio) => {
                Some("/socket.io/")
            }
            _ => None,
        }
    }
}
