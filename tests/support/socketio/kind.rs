//! The kinds of clients.

use crate::support::engineio::Version;

/// What the packets travel on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Polling,
    Socket,
    /// Polling at first.
    Upgraded,
}

/// A kind of client. Version 4 of engine.io goes with version 5 of socket.io, version 3 with version 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) version: Version,
    pub(crate) carrier: Carrier,
}

impl Kind {
    pub(crate) const fn new(version: Version, carrier: Carrier) -> Self {
        Self { version, carrier }
    }

    pub(crate) const ALL: [Self; 6] = [
        Self::new(Version::V4, Carrier::Polling),
        Self::new(Version::V4, Carrier::Socket),
        Self::new(Version::V4, Carrier::Upgraded),
        Self::new(Version::V3, Carrier::Polling),
        Self::new(Version::V3, Carrier::Socket),
        Self::new(Version::V3, Carrier::Upgraded),
    ];

    /// The clients that say CONNECT themselves.
    pub(crate) const CONNECTING: [Self; 3] = [Self::ALL[0], Self::ALL[1], Self::ALL[2]];

    /// Each version on each carrier, without upgrades.
    pub(crate) const PLAIN: [Self; 4] = [Self::ALL[0], Self::ALL[1], Self::ALL[3], Self::ALL[4]];
}
