//! Opening many connections at once.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::client::{Connection, Door, packet};

/// Handshakes under way at a time: below every listen backlog.
const AT_ONCE: usize = 64;

/// Connections from one source address: far below the ports that it has.
const PER_SOURCE: usize = 4_000;

/// The first request of each connection, which leaves its `messageCount` at 1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum First {
    DetailsView,
    RoomAdd,
}

/// Opens `count` connections; each has had its welcome and a first answer.
pub(crate) async fn open_all(door: Door, count: usize, first: First) -> Result<Vec<Connection>> {
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

async fn open(door: Door, index: usize, first: First) -> Result<Connection> {
    let host = u8::try_from(1 + index / PER_SOURCE).context("too many connections")?;
    let mut connection = Connection::open(door, Ipv4Addr::new(127, 0, 0, host)).await?;
    packet::check_welcome(&connection.exchange(None).await?)?;
    match first {
        First::DetailsView => {
            let answer = connection.exchange(Some(packet::DETAILS_VIEW)).await?;
            packet::check_details(&answer)?;
        }
        First::RoomAdd => {
            let request = packet::room_add();
            let answer = connection.exchange(Some(request.as_bytes())).await?;
            packet::check_joined(&answer)?;
        }
    }
    connection.rest().await?;
    Ok(connection)
}
