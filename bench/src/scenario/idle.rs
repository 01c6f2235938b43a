//! Idle memory: what a connection costs that has joined a room and is quiet,
//! and what it costs after it has carried something.

use std::rc::Rc;

use anyhow::{Context, Result};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Measured;
use super::opening::{AT_ONCE, open_all};
use crate::args::Effort;
use crate::client::packet::{Packet, Request};
use crate::client::{Connection, Door, Transport};
use crate::ledger::Faults;
use crate::load;
use crate::measure::Memory;
use crate::report::{Better, Figure};

/// Of the values.
pub(super) const HEAP: usize = 0;
pub(super) const HEAP_AFTERWARDS: usize = 4;

pub(super) const FIGURES: &[Figure] = &[
    Figure {
        label: "heap per connection, bytes",
        better: Better::Less,
    },
    Figure {
        label: "PSS per connection, bytes",
        better: Better::Less,
    },
    Figure {
        label: "RSS per connection, bytes",
        better: Better::Less,
    },
    Figure {
        label: "PSS of the empty server, MiB",
        better: Better::Less,
    },
    Figure {
        label: "heap after 1 KiB each way, by that before",
        better: Better::Less,
    },
];

/// After an exchange over polling, a session has a connection less or more:
/// nothing that could be compared.
pub(super) fn figures(transport: Transport) -> &'static [Figure] {
    match transport {
        Transport::Ws => FIGURES,
        Transport::Polling | Transport::Socketio => &FIGURES[..HEAP_AFTERWARDS],
    }
}

pub(super) async fn run(
    door: Door,
    pid: u32,
    effort: Effort,
    connections: usize,
) -> Result<Measured> {
    // What a server loads with its first connection is not the price of each.
    drop(open_all(door, 1, Request::RoomAdd).await?);
    sleep(effort.settle).await;
    let empty = Memory::of(pid)?;

    let go = Rc::new(Semaphore::new(0));
    let mut tasks = JoinSet::new();
    for connection in open_all(door, connections, Request::RoomAdd).await? {
        tasks.spawn_local(stay(connection, Rc::clone(&go)));
    }
    load::pass(effort.settle, &mut tasks).await?;
    let full = Memory::of(pid)?;

    let per_connection =
        |before: u64, after: u64| (after as f64 - before as f64) / connections as f64;
    let mut values = vec![
        per_connection(empty.anonymous, full.anonymous),
        per_connection(empty.proportional, full.proportional),
        per_connection(empty.resident, full.resident),
        empty.proportional as f64 / 1024.0 / 1024.0,
    ];
    if door.transport == Transport::Ws {
        go.add_permits(AT_ONCE);
        let mut kept = Vec::with_capacity(connections);
        while let Some(connection) = tasks.join_next().await {
            kept.push(connection.context("a task of the generator panicked")??);
        }
        let mut tasks = JoinSet::new();
        let never = Rc::new(Semaphore::new(0));
        for connection in kept {
            tasks.spawn_local(stay(connection, Rc::clone(&never)));
        }
        load::pass(effort.settle, &mut tasks).await?;
        let used = Memory::of(pid)?;
        let afterwards = per_connection(empty.anonymous, used.anonymous);
        values.push(afterwards / values[HEAP]);
    }
    Ok(Measured {
        values,
        faults: Faults::default(),
    })
}

/// Answers heartbeats, for a server may send one while the others open, until
/// it is its turn to send and to be sent something.
async fn stay(mut connection: Connection, go: Rc<Semaphore>) -> Result<Connection> {
    let mut ignore = |_, _| Ok(());
    let _turn = loop {
        tokio::select! {
            received = connection.receive(&mut ignore) => received?,
            turn = go.acquire() => break turn?,
        }
        connection.flush().await?;
        // A heartbeat that was answered leaves a connection for POSTs behind.
        connection.rest().await?;
    };
    let answer = connection.exchange(Request::Carry).await?;
    Packet::read(&answer)?;
    Ok(connection)
}
