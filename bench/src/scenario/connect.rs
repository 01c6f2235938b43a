//! Connect and join: what it costs until a client is in a room, and stays.

use anyhow::Result;
use tokio::time::sleep;

use super::Measured;
use super::opening::open_all;
use crate::args::Effort;
use crate::client::Door;
use crate::client::packet::Request;
use crate::ledger::Faults;
use crate::measure::CpuSample;
use crate::report::{Better, Figure};

/// Connections before any is counted: Node compiles its hot functions in them.
const WARM_UP: usize = 500;

pub(super) const FIGURES: &[Figure] = &[
    Figure {
        label: "server CPU, ms per connection",
        better: Better::Less,
    },
    Figure {
        label: "connections per second",
        better: Better::More,
    },
    Figure {
        label: "server CPU, cores",
        better: Better::Neither,
    },
    Figure {
        label: "generator CPU, cores",
        better: Better::Neither,
    },
];

pub(super) async fn run(
    door: Door,
    pid: u32,
    effort: Effort,
    connections: usize,
) -> Result<Measured> {
    drop(open_all(door, WARM_UP.min(connections), Request::RoomAdd).await?);
    sleep(effort.settle).await;

    let before = CpuSample::take(pid)?;
    let opened = open_all(door, connections, Request::RoomAdd).await?;
    let spent = CpuSample::take(pid)?.since(before);
    drop(opened);

    let wall = spent.wall.as_secs_f64();
    let count = connections as f64;
    Ok(Measured {
        values: vec![
            spent.server.as_secs_f64() * 1e3 / count,
            count / wall,
            spent.server.as_secs_f64() / wall,
            spent.generator.as_secs_f64() / wall,
        ],
        faults: Faults::default(),
    })
}
