//! Room fan-out: one member speaks, every member, the speaker too, must get
//! every message exactly once and in order. The speaker has a bounded number
//! of messages outstanding; one is outstanding until all members have it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Measured;
use super::opening::open_all;
use crate::args::Effort;
use crate::client::Connection;
use crate::client::packet::{Packet, Request};
use crate::in_flight::InFlight;
use crate::ledger::{Faults, Ledger, Seen};
use crate::load::{self, Progress};
use crate::server::Server;

/// The `messageCount` of message number 0: joining took the first.
const FIRST_COUNT: u64 = 2;

/// What all members know together.
#[derive(Debug)]
struct Audience {
    state: RefCell<State>,
    /// Wakes the speaker when a message is complete.
    complete: Notify,
    progress: Progress,
}

#[derive(Debug)]
struct State {
    in_flight: InFlight,
    heard: Vec<Ledger>,
    /// The speaker's answers.
    answers: Ledger,
}

pub(super) async fn run(
    server: &Server,
    effort: Effort,
    members: usize,
    outstanding: usize,
) -> Result<Measured> {
    let connections = open_all(server.door, members, Request::RoomAdd).await?;
    let audience = Rc::new(Audience {
        state: RefCell::new(State {
            in_flight: InFlight::new(outstanding, members),
            heard: (0..members).map(|_| Ledger::default()).collect(),
            answers: Ledger::default(),
        }),
        complete: Notify::new(),
        progress: Progress::new()?,
    });

    let mut tasks = JoinSet::new();
    let mut connections = connections.into_iter().enumerate();
    let (speaker, connection) = connections.next().context("a room without members")?;
    tasks.spawn_local(speak(connection, speaker, Rc::clone(&audience)));
    for (member, connection) in connections {
        tasks.spawn_local(listen(connection, member, Rc::clone(&audience)));
    }
    let progress = &audience.progress;
    let faults = || audience.state.borrow().faults();
    load::run(progress, &mut tasks, server.pid, effort, faults).await
}

async fn speak(mut connection: Connection, member: usize, audience: Rc<Audience>) -> Result<()> {
    loop {
        audience.queue_messages(&mut connection);
        connection.flush().await?;

        let mut on_packet = |packet, at| match packet {
            Packet::Push(number) => audience.heard(member, number, at),
            Packet::Response(count) => audience.answered(count),
        };
        tokio::select! {
            received = connection.receive(&mut on_packet) => received?,
            () = audience.complete.notified() => {}
        }
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

impl State {
    fn faults(&self) -> Faults {
        let sent = self.in_flight.sent();
        let mut faults = Faults::default();
        for ledger in self.heard.iter().chain([&self.answers]) {
            faults += ledger.faults(sent);
        }
        faults
    }
}

impl Audience {
    fn queue_messages(&self, connection: &mut Connection) {
        if !self.progress.is_sending() {
            return;
        }
        let mut state = self.state.borrow_mut();
        let pushes_and_answer = state.heard.len() as u64 + 1;
        let now = Instant::now();
        while let Some(number) = state.in_flight.send(now) {
            self.progress.expect(pushes_and_answer);
            connection.queue(Request::Say(number));
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
}
