//! Opening many connections at once.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::client::packet::Request;
use crate::client::{Connection, Door, packet};

/// Handshakes under way at a time: below every listen backlog.
pub(super) const AT_ONCE: usize = 64;

/// Connections from one source address: far below the ports that it has.
const PER_SOURCE: usize = 4_000;

/// Opens `count` connections; each has had its welcome and the answer to the
/// request `first`, which leaves its `messageCount` at 1.
pub(crate) async fn open_all(door: Door, count: usize, first: Request) -> Result<Vec<Connection>> {
    let mut opened = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for index in 0..count {
        if opening.len() == AT_ONCE
            && let Some(connection) = opening.join_next().await
        {
            opened.push(connection??);
        }
        opening.spawn_local(async move {
            open(door, index, first)
                .await
                .with_context(|| format!("connection {} of {count}", index + 1))
        });
    }
    while let Some(connection) = opening.join_next().await {
        opened.push(connection??);
    }
    Ok(opened)
}

/// Opens one connection, the `index`-th of its scenario.
pub(super) async fn open(door: Door, index: usize, first: Request) -> Result<Connection> {
    let host = u8::try_from(1 + index / PER_SOURCE).context("too many connections")?;
    let mut connection = Connection::open(door, Ipv4Addr::new(127, 0, 0, host)).await?;
    let answer = connection.exchange(first).await?;
    packet::check_first_answer(first, &answer)?;
    connection.rest().await?;
    Ok(connection)
}
