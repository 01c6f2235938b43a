//! Churn: clients come, join a room and go again, in many cycles.

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Measured;
use super::opening::{AT_ONCE, open};
use crate::args::Effort;
use crate::client::Door;
use crate::client::packet::Request;
use crate::ledger::Faults;
use crate::measure::{CpuSample, Memory};
use crate::report::{Better, Figure};

/// Cycles before anything is counted: compilers, caches and pools fill in them.
const WARM_UP: usize = 1_000;

/// Of the values.
pub(super) const GROWTH: usize = 2;

pub(super) const FIGURES: &[Figure] = &[
    Figure {
        label: "server CPU, ms per cycle",
        better: Better::Less,
    },
    Figure {
        label: "cycles per second",
        better: Better::More,
    },
    Figure {
        label: "heap afterwards, MiB more than before",
        better: Better::Neither,
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

pub(super) async fn run(door: Door, pid: u32, effort: Effort, cycles: usize) -> Result<Measured> {
    come_and_go(door, WARM_UP).await?;
    sleep(effort.settle).await;
    let memory_before = Memory::of(pid)?;

    let before = CpuSample::take(pid)?;
    come_and_go(door, cycles).await?;
    let spent = CpuSample::take(pid)?.since(before);
    sleep(effort.settle).await;
    let memory_after = Memory::of(pid)?;

    let wall = spent.wall.as_secs_f64();
    let count = cycles as f64;
    let growth = memory_after.anonymous as f64 - memory_before.anonymous as f64;
    Ok(Measured {
        values: vec![
            spent.server.as_secs_f64() * 1e3 / count,
            count / wall,
            growth / 1024.0 / 1024.0,
            spent.server.as_secs_f64() / wall,
            spent.generator.as_secs_f64() / wall,
        ],
        faults: Faults::default(),
    })
}

async fn come_and_go(door: Door, cycles: usize) -> Result<()> {
    let mut under_way = JoinSet::new();
    for index in 0..cycles {
        if under_way.len() == AT_ONCE
            && let Some(ended) = under_way.join_next().await
        {
            ended??;
        }
        under_way.spawn_local(async move {
            let cycle = async {
                let connection = open(door, index, Request::RoomAdd).await?;
                connection.close().await
            };
            cycle.await.with_context(|| format!("cycle {}", index + 1))
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    Ok(())
}
