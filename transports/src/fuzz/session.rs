//! One engine.io session under any sequence of requests, packets and hours.

use super::Choices;
use crate::engineio::{Beat, Carrier, Kind, Phase, Protocol, Reaction, Session, Timing, Upgrade};

const TIMING: Timing = Timing {
    interval: 300,
    timeout: 200,
};

const KINDS: [Kind; 6] = [
    Kind::Open,
    Kind::Close,
    Kind::Ping,
    Kind::Pong,
    Kind::Upgrade,
    Kind::Noop,
];

/// What is known of the session from outside.
#[derive(Default)]
struct Known {
    is_polled: bool,
    is_posted: bool,
    is_over: bool,
}

pub(super) fn sequence(data: &[u8]) {
    let mut choices = Choices(data);
    let first = choices.byte();
    let protocol = if first & 1 == 0 {
        Protocol::V4
    } else {
        Protocol::V3
    };
    let carrier = if first & 2 == 0 {
        Carrier::Polling
    } else {
        Carrier::Socket
    };
    let mut now = 0;
    let mut session = Session::new(protocol, carrier, TIMING, now);
    let mut known = Known::default();
    while !choices.0.is_empty() {
        let before = session.carrier();
        step(&mut session, &mut known, choices.byte(), &mut now);
        if before == Carrier::Socket {
            assert_eq!(session.carrier(), Carrier::Socket, "there is no way back");
        }
        if session.carrier() == Carrier::Socket && carrier == Carrier::Polling {
            assert_eq!(session.upgrade(), Upgrade::None, "it is done");
        }
        assert_eq!(session.is_posted(), known.is_posted);
        assert!(
            !known.is_over || session.phase() == Phase::Over,
            "over is for ever"
        );
        known.is_over = session.phase() == Phase::Over;
    }
}

fn step(session: &mut Session, known: &mut Known, choice: u8, now: &mut u64) {
    let is_polling = session.carrier() == Carrier::Polling;
    let is_open = session.phase() == Phase::Open;
    match choice % 16 {
        0 => {
            let fits = session.begin_poll().is_ok();
            assert_eq!(fits, is_polling && !known.is_over && !known.is_polled);
            if fits {
                known.is_polled = true;
                assert!(!session.is_released(), "a new one is held");
            }
        }
        1 => {
            session.end_poll();
            known.is_polled = false;
        }
        2 => {
            let fits = session.begin_post().is_ok();
            assert_eq!(fits, is_polling && !known.is_over && !known.is_posted);
            known.is_posted |= fits;
        }
        3 => {
            session.end_post();
            known.is_posted = false;
        }
        4 => {
            let can = is_open && is_polling && session.upgrade() == Upgrade::None;
            assert_eq!(session.begin_upgrade().is_ok(), can);
        }
        // A probe and the end of an upgrade come only over the WebSocket of one that was begun.
        5 if session.upgrade() != Upgrade::None => {
            assert_eq!(session.probe().is_ok(), is_open);
            assert!(!is_open || session.is_released() == known.is_polled);
        }
        6 if session.upgrade() != Upgrade::None => {
            assert_eq!(session.finish_upgrade().is_ok(), is_open);
            assert!(!is_open || session.carrier() == Carrier::Socket);
        }
        7 => session.abandon_upgrade(),
        8 => {
            let lingers = choice & 0x10 != 0;
            assert_eq!(session.end(lingers), is_open, "an end is told once");
        }
        9 => session.forget(),
        10 => session.excuse(*now),
        11 | 12 => {
            *now += u64::from(choice >> 4) * 50;
            let was_dead = session.is_dead(*now);
            let beat = session.beat(*now);
            assert_eq!(matches!(beat, Beat::Dead), was_dead, "both tell the same");
        }
        _ => {
            let kind = KINDS[usize::from(choice >> 4) % KINDS.len()];
            let reaction = session.receive(kind, "data", *now);
            if let Reaction::Pong(data) = reaction {
                assert_eq!(data, "data");
            }
            assert_eq!(reaction == Reaction::Close, kind == Kind::Close);
        }
    }
}
