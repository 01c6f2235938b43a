//! Idle memory: what a connection costs that has joined a room and is quiet.

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Measured;
use super::opening::open_all;
use crate::args::Effort;
use crate::client::Connection;
use crate::client::packet::Request;
use crate::ledger::Faults;
use crate::load;
use crate::measure::Memory;
use crate::report::{Better, Figure};
use crate::server::Server;

pub(super) const FIGURES: &[Figure] = &[
    Figure {
        label: "heap per connection, KiB",
        better: Better::Less,
    },
    Figure {
        label: "PSS per connection, KiB",
        better: Better::Less,
    },
    Figure {
        label: "RSS per connection, KiB",
        better: Better::Less,
    },
    Figure {
        label: "PSS of the empty server, MiB",
        better: Better::Less,
    },
];

pub(super) async fn run(server: &Server, effort: Effort, connections: usize) -> Result<Measured> {
    // What a server loads with its first connection is not the price of each.
    drop(open_all(server.door, 1, Request::RoomAdd).await?);
    sleep(effort.settle).await;
    let empty = Memory::of(server.pid)?;

    let mut tasks = JoinSet::new();
    for connection in open_all(server.door, connections, Request::RoomAdd).await? {
        tasks.spawn_local(stay(connection));
    }
    load::pass(effort.settle, &mut tasks).await?;
    let full = Memory::of(server.pid)?;

    let per_connection =
        |before: u64, after: u64| (after as f64 - before as f64) / connections as f64 / 1024.0;
    Ok(Measured {
        values: vec![
            per_connection(empty.anonymous, full.anonymous),
            per_connection(empty.proportional, full.proportional),
            per_connection(empty.resident, full.resident),
            empty.proportional as f64 / 1024.0 / 1024.0,
        ],
        faults: Faults::default(),
    })
}

/// Answers heartbeats, for a server may send one while the others open.
async fn stay(mut connection: Connection) -> Result<()> {
    loop {
        connection.receive(&mut |_, _| Ok(())).await?;
        connection.flush().await?;
        // A heartbeat that was answered leaves a connection for POSTs behind.
        connection.rest().await?;
    }
}
