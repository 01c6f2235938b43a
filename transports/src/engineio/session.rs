//! The state of one session: which requests it takes, what its packets mean, how it moves to WebSocket.

use super::heartbeat::Heartbeat;
use super::{Beat, Fault, Kind, Protocol, Timing};

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// GET and POST requests.
    Polling,
    /// One WebSocket, from the start or after the upgrade.
    Socket,
}

/// How far the move to WebSocket is (docs/protocol/engineio.md#upgrade).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// None is tried.
    None,
    /// A WebSocket is open, and has not proved anything yet.
    Connected,
    /// It has carried a probe both ways; the client stops polling now.
    Probed,
}

/// One session, without its sockets.
///
/// ```text
///            begin_upgrade          probe               finish_upgrade
///   Polling ───────────────► + WS ───────────► + WS, probed ──────────► Socket
///      ▲                       │ └──── finish_upgrade ──│───────────────►
///      └──── abandon_upgrade ──┴────────────────────────┘        close, from anywhere ──► over
/// ```
///
/// Some clients do without the probe.
#[derive(Debug)]
pub(crate) struct Session {
    protocol: Protocol,
    carrier: Carrier,
    upgrade: Upgrade,
    heartbeat: Heartbeat,
    /// A GET is held.
    is_polled: bool,
    /// A POST is being received.
    is_posted: bool,
    /// The held GET is to be answered, even if only with a noop.
    is_released: bool,
    phase: Phase,
}

/// How far a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// The server has closed it; the client may still fetch what was left (docs/protocol/engineio.md#closing).
    Lingering,
    Over,
}

/// Why a request does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The session is over.
    Over,
    /// It does not travel by polling any more.
    Elsewhere,
    /// The one before it is not done. This ends the session.
    Overlap,
}

impl Misfit {
    /// What the request is answered with.
    pub(crate) const fn fault(self) -> Fault {
        match self {
            Self::Over => Fault::SESSION,
            Self::Elsewhere | Self::Overlap => Fault::REQUEST,
        }
    }
}

/// What a packet of the protocol calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction<'a> {
    /// Nothing.
    None,
    /// A pong with this data.
    Pong(&'a str),
    /// The client closes.
    Close,
    /// The client breaks the rules.
    Error(&'static str),
}

impl Session {
    /// A session that has just been opened.
    pub(crate) const fn new(
        protocol: Protocol,
        carrier: Carrier,
        timing: Timing,
        now: u64,
    ) -> Self {
        Self {
            protocol,
            carrier,
            upgrade: Upgrade::None,
            heartbeat: Heartbeat::new(protocol, timing, now),
            is_polled: false,
            is_posted: false,
            is_released: false,
            phase: Phase::Open,
        }
    }

    pub(crate) const fn carrier(&self) -> Carrier {
        self.carrier
    }

    pub(crate) const fn upgrade(&self) -> Upgrade {
        self.upgrade
    }

    /// A GET comes in, to be held until there is something to tell.
    pub(crate) const fn begin_poll(&mut self) -> Result<(), Misfit> {
        match self.carrier {
            _ if matches!(self.phase, Phase::Over) => Err(Misfit::Over),
            Carrier::Socket => Err(Misfit::Elsewhere),
            Carrier::Polling if self.is_polled => Err(Misfit::Overlap),
            Carrier::Polling => {
                self.is_polled = true;
                self.is_released = false;
                Ok(())
            }
        }
    }

    /// Whether the held GET is to be answered although there is nothing to tell.
    pub(crate) const fn is_released(&self) -> bool {
        self.is_released
    }

    /// The held GET is answered, or gone.
    pub(crate) const fn end_poll(&mut self) {
        self.is_polled = false;
    }

    /// A POST comes in.
    pub(crate) const fn begin_post(&mut self) -> Result<(), Misfit> {
        match self.carrier {
            _ if matches!(self.phase, Phase::Over) => Err(Misfit::Over),
            Carrier::Socket => Err(Misfit::Elsewhere),
            Carrier::Polling if self.is_posted => Err(Misfit::Overlap),
            Carrier::Polling => {
                self.is_posted = true;
                Ok(())
            }
        }
    }

    /// Whether a POST is being received.
    pub(crate) const fn is_posted(&self) -> bool {
        self.is_posted
    }

    /// The POST is answered, or gone.
    pub(crate) const fn end_post(&mut self) {
        self.is_posted = false;
    }

    /// Takes a packet that is no message.
    pub(crate) const fn receive<'a>(
        &mut self,
        kind: Kind,
        data: &'a str,
        now: u64,
    ) -> Reaction<'a> {
        match (kind, self.protocol) {
            (Kind::Ping, Protocol::V3) => {
                self.heartbeat.heard(now);
                Reaction::Pong(data)
            }
            (Kind::Pong, Protocol::V4) => {
                self.heartbeat.heard(now);
                Reaction::None
            }
            (Kind::Ping, Protocol::V4) | (Kind::Pong, Protocol::V3) => {
                Reaction::Error("heartbeat in the wrong direction")
            }
            (Kind::Close, _) => Reaction::Close,
            (Kind::Open | Kind::Upgrade | Kind::Noop, _) => Reaction::None,
        }
    }

    /// A WebSocket for this session is there.
    pub(crate) const fn begin_upgrade(&mut self) -> Result<(), Misfit> {
        match (self.carrier, self.upgrade) {
            _ if !matches!(self.phase, Phase::Open) => Err(Misfit::Over),
            (Carrier::Polling, Upgrade::None) => {
                self.upgrade = Upgrade::Connected;
                Ok(())
            }
            _ => Err(Misfit::Elsewhere),
        }
    }

    /// The WebSocket has brought its probe. Answer it only if this succeeds: an answered client stops polling, and
    /// would never fetch the last packets of a session that is over.
    pub(crate) const fn probe(&mut self) -> Result<(), Misfit> {
        if !matches!(self.phase, Phase::Open) {
            return Err(Misfit::Over);
        }
        self.upgrade = Upgrade::Probed;
        self.is_released = self.is_polled;
        Ok(())
    }

    /// The WebSocket takes over. From now on it alone carries packets.
    pub(crate) const fn finish_upgrade(&mut self) -> Result<(), Misfit> {
        if !matches!(self.phase, Phase::Open) {
            return Err(Misfit::Over);
        }
        self.carrier = Carrier::Socket;
        self.upgrade = Upgrade::None;
        self.is_released = self.is_polled;
        Ok(())
    }

    /// The WebSocket came to nothing; polling goes on as if it had never been.
    pub(crate) const fn abandon_upgrade(&mut self) {
        self.upgrade = Upgrade::None;
    }

    /// What the time calls for.
    pub(crate) fn beat(&mut self, now: u64) -> Beat {
        self.heartbeat.beat(now)
    }

    /// Counts as a sign of life, because the server itself kept the client's signs from being read.
    pub(crate) const fn excuse(&mut self, now: u64) {
        self.heartbeat.heard(now);
    }

    /// Whether the client was silent for too long, although nobody may have acted on it yet.
    pub(crate) const fn is_dead(&self, now: u64) -> bool {
        self.heartbeat.is_dead(now)
    }

    /// No message is taken or given any more. With `lingers`, what was given before may still be fetched.
    /// Returns false if this was said before.
    pub(crate) const fn end(&mut self, lingers: bool) -> bool {
        let was_open = matches!(self.phase, Phase::Open);
        if was_open {
            self.phase = if lingers {
                Phase::Lingering
            } else {
                Phase::Over
            };
        }
        was_open
    }

    /// Nothing is left to fetch.
    pub(crate) const fn forget(&mut self) {
        self.phase = Phase::Over;
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        interval: 300,
        timeout: 200,
    };

    fn polling(protocol: Protocol) -> Session {
        Session::new(protocol, Carrier::Polling, TIMING, 0)
    }

    #[test]
    fn one_poll_and_one_post_at_a_time() {
        let mut session = polling(Protocol::V4);
        assert_eq!(session.begin_poll(), Ok(()));
        assert_eq!(session.begin_post(), Ok(()));
        assert_eq!(session.begin_poll(), Err(Misfit::Overlap));
        assert_eq!(session.begin_post(), Err(Misfit::Overlap));
        session.end_poll();
        session.end_post();
        assert_eq!(session.begin_poll(), Ok(()));
        assert_eq!(session.begin_post(), Ok(()));
        assert!(session.end(true));
        assert!(!session.end(false));
        session.end_poll();
        assert_eq!(session.begin_poll(), Ok(()), "what was left can be fetched");
        session.forget();
        session.end_poll();
        assert_eq!(session.begin_poll(), Err(Misfit::Over));
        assert_eq!(session.begin_upgrade(), Err(Misfit::Over));
        assert_eq!(session.finish_upgrade(), Err(Misfit::Over));
    }

    #[test]
    fn an_upgrade_releases_the_held_poll_and_ends_polling() {
        let mut session = polling(Protocol::V4);
        session.begin_poll().unwrap();
        session.begin_upgrade().unwrap();
        assert_eq!(session.begin_upgrade(), Err(Misfit::Elsewhere));
        assert!(!session.is_released(), "before the probe all is as usual");
        session.probe().unwrap();
        assert!(session.is_released());
        session.end_poll();
        session.begin_poll().unwrap();
        assert!(!session.is_released(), "the next one is held for a while");
        session.finish_upgrade().unwrap();
        assert!(session.is_released());
        session.end_poll();
        assert_eq!(session.begin_poll(), Err(Misfit::Elsewhere));
        assert_eq!(session.begin_post(), Err(Misfit::Elsewhere));
        assert_eq!(session.begin_upgrade(), Err(Misfit::Elsewhere));
    }

    #[test]
    fn an_upgrade_can_do_without_a_probe() {
        let mut session = polling(Protocol::V4);
        session.begin_poll().unwrap();
        session.begin_upgrade().unwrap();
        session.finish_upgrade().unwrap();
        assert!(session.is_released());
        assert_eq!(session.carrier(), Carrier::Socket);
    }

    #[test]
    fn a_probe_of_a_session_that_has_ended_is_not_answered() {
        for lingers in [true, false] {
            for is_probed in [true, false] {
                let mut session = polling(Protocol::V4);
                session.begin_upgrade().unwrap();
                if is_probed {
                    session.probe().unwrap();
                }
                assert!(session.end(lingers));
                assert_eq!(session.probe(), Err(Misfit::Over));
                assert_eq!(session.finish_upgrade(), Err(Misfit::Over));
                // Its client goes on polling, and gets what is left.
                assert_eq!(session.begin_poll().is_ok(), lingers);
            }
        }
    }

    #[test]
    fn an_abandoned_upgrade_leaves_no_trace() {
        let mut session = polling(Protocol::V3);
        session.begin_upgrade().unwrap();
        session.probe().unwrap();
        session.abandon_upgrade();
        assert_eq!(session.begin_poll(), Ok(()));
        assert!(!session.is_released());
        assert_eq!(session.begin_upgrade(), Ok(()));
    }

    #[test]
    fn heartbeats_have_a_direction() {
        let mut v4 = polling(Protocol::V4);
        let mut v3 = polling(Protocol::V3);
        assert!(matches!(v4.receive(Kind::Ping, "", 0), Reaction::Error(_)));
        assert!(matches!(v3.receive(Kind::Pong, "", 0), Reaction::Error(_)));
        assert_eq!(v3.receive(Kind::Ping, "x", 0), Reaction::Pong("x"));
        assert_eq!(v4.receive(Kind::Pong, "", 0), Reaction::None);
        assert_eq!(v4.receive(Kind::Close, "", 0), Reaction::Close);
        for kind in [Kind::Open, Kind::Upgrade, Kind::Noop] {
            assert_eq!(v4.receive(kind, "", 0), Reaction::None);
        }
    }
}
