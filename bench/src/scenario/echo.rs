//! Request and response: every connection keeps a number of requests in flight,
//! of `detailsView` or calls of an action. Answers that one read brings are replaced by new
//! requests in one write.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use super::Measured;
use super::opening::open_all;
use crate::args::Effort;
use crate::client::packet::{Packet, Request};
use crate::client::{Connection, Door};
use crate::in_flight::InFlight;
use crate::ledger::{Faults, Ledger, Seen};
use crate::load::{self, Progress};

/// The `messageCount` of request number 0: opening took the first.
const FIRST_COUNT: u64 = 2;

#[derive(Debug)]
struct Conversation {
    in_flight: InFlight,
    answers: Ledger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Echo {
    pub(crate) request: Request,
    pub(crate) connections: usize,
    /// Requests in flight on each.
    pub(crate) depth: usize,
}

pub(super) async fn run(door: Door, pid: u32, effort: Effort, load: Echo) -> Result<Measured> {
    let Echo {
        request,
        connections,
        depth,
    } = load;
    let progress = Rc::new(Progress::new()?);
    let mut conversations = Vec::with_capacity(connections);
    let mut tasks = JoinSet::new();
    for connection in open_all(door, connections, Request::DetailsView).await? {
        let conversation = Rc::new(RefCell::new(Conversation {
            in_flight: InFlight::new(depth, 1),
            answers: Ledger::default(),
        }));
        conversations.push(Rc::clone(&conversation));
        tasks.spawn_local(converse(
            connection,
            request,
            conversation,
            Rc::clone(&progress),
        ));
    }
    let faults = || {
        let mut faults = Faults::default();
        for conversation in &conversations {
            let conversation = conversation.borrow();
            faults += conversation.answers.faults(conversation.in_flight.sent());
        }
        faults
    };
    load::run(&progress, &mut tasks, pid, effort, faults).await
}

async fn converse(
    mut connection: Connection,
    request: Request,
    conversation: Rc<RefCell<Conversation>>,
    progress: Rc<Progress>,
) -> Result<()> {
    loop {
        if progress.is_sending() {
            let in_flight = &mut conversation.borrow_mut().in_flight;
            let now = Instant::now();
            while in_flight.send(now).is_some() {
                progress.expect(1);
                connection.queue(request);
            }
        }
        connection.flush().await?;
        connection
            .receive(&mut |packet, at| match packet {
                Packet::Response(count) if count >= FIRST_COUNT => conversation
                    .borrow_mut()
                    .answered(count - FIRST_COUNT, at, &progress),
                other => bail!("{other:?} came to a connection that only asks"),
            })
            .await?;
    }
}

impl Conversation {
    fn answered(&mut self, number: u64, at: Instant, progress: &Progress) -> Result<()> {
        let Self { in_flight, answers } = self;
        if number >= in_flight.sent() {
            bail!("an answer to request {number}, of {}", in_flight.sent());
        }
        if answers.enter(number) == Seen::First {
            let (sent_at, _) = in_flight.receive(number)?;
            progress.arrive(at - sent_at);
        }
        Ok(())
    }
}
