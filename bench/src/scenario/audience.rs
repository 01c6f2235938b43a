//! A room whose members must get every message exactly once and in order, the
//! speaker too. What is said when is up to the scenario.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::client::packet::{Packet, Request};
use crate::in_flight::InFlight;
use crate::ledger::{Faults, Ledger, Seen};
use crate::load::Progress;

/// The `messageCount` of message number 0: joining took the first.
const FIRST_COUNT: u64 = 2;

/// What all members know together.
#[derive(Debug)]
pub(super) struct Audience {
    state: RefCell<State>,
    /// Wakes the speaker when a message is complete.
    pub(super) complete: Notify,
    pub(super) progress: Progress,
    /// Bytes of a message.
    size: usize,
}

#[derive(Debug)]
struct State {
    in_flight: InFlight,
    heard: Vec<Ledger>,
    /// The speaker's answers.
    answers: Ledger,
}

impl Audience {
    /// Of so many members, with at most `depth` messages under way.
    pub(super) fn new(members: usize, depth: usize, size: usize) -> Result<Rc<Self>> {
        Ok(Rc::new(Self {
            state: RefCell::new(State {
                in_flight: InFlight::new(depth, members),
                heard: (0..members).map(|_| Ledger::default()).collect(),
                answers: Ledger::default(),
            }),
            complete: Notify::new(),
            progress: Progress::new()?,
            size,
        }))
    }

    /// Lets all but the first, who speaks, listen. Returns the speaker.
    pub(super) fn seat(
        self: &Rc<Self>,
        connections: Vec<Connection>,
        tasks: &mut JoinSet<Result<()>>,
    ) -> Result<Connection> {
        let mut connections = connections.into_iter().enumerate();
        let Some((_, speaker)) = connections.next() else {
            bail!("a room without members");
        };
        for (member, connection) in connections {
            tasks.spawn_local(listen(connection, member, Rc::clone(self)));
        }
        Ok(speaker)
    }

    /// Queues one message, unless as many as allowed are under way. Its latency
    /// counts from `since`.
    pub(super) fn queue(&self, speaker: &mut Connection, since: Instant) -> bool {
        let mut state = self.state.borrow_mut();
        let pushes_and_answer = state.heard.len() as u64 + 1;
        let Some(number) = state.in_flight.send(since) else {
            return false;
        };
        self.progress.expect(pushes_and_answer);
        let size = self.size;
        speaker.queue(Request::Say { number, size });
        true
    }

    /// What comes to the speaker, who is member 0.
    pub(super) fn heard_by_speaker(&self, packet: Packet, at: Instant) -> Result<()> {
        match packet {
            Packet::Push(number) => self.heard(0, number, at),
            Packet::Response(count) => self.answered(count),
        }
    }

    fn heard(&self, member: usize, number: u64, at: Instant) -> Result<()> {
        let State {
            in_flight, heard, ..
        } = &mut *self.state.borrow_mut();
        ensure!(number < in_flight.sent(), "message {number} was never said");
        if heard[member].enter(number) == Seen::First {
            let (sent_at, is_complete) = in_flight.receive(number)?;
            self.progress.arrive(at - sent_at);
            if is_complete {
                self.complete.notify_one();
            }
        }
        Ok(())
    }

    fn answered(&self, count: u64) -> Result<()> {
        let State {
            in_flight, answers, ..
        } = &mut *self.state.borrow_mut();
        match count.checked_sub(FIRST_COUNT) {
            Some(number) if number < in_flight.sent() => {
                if answers.enter(number) == Seen::First {
                    self.progress.arrive_uncounted();
                }
                Ok(())
            }
            _ => bail!("an answer to packet {count}, which was never sent"),
        }
    }

    pub(super) fn faults(&self) -> Faults {
        let state = self.state.borrow();
        let sent = state.in_flight.sent();
        let mut faults = Faults::default();
        for ledger in state.heard.iter().chain([&state.answers]) {
            faults += ledger.faults(sent);
        }
        faults
    }
}

async fn listen(mut connection: Connection, member: usize, audience: Rc<Audience>) -> Result<()> {
    loop {
        connection
            .receive(&mut |packet, at| match packet {
                Packet::Push(number) => audience.heard(member, number, at),
                Packet::Response(count) => bail!("answer {count} came to a silent member"),
            })
            .await?;
        connection.flush().await?;
    }
}
