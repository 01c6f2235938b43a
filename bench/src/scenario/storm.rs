//! A storm: many clients come at once, as after a cut, while a few that are
//! there ask at a pace. What is measured is how long those wait.
//!
//! They live on a thread of their own, so that a generator that is busy with
//! the storm does not look like a slow server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, sleep_until};

use super::Measured;
use super::opening::{open, open_all};
use crate::args::Effort;
use crate::client::packet::{Packet, Request};
use crate::client::{Connection, Door};
use crate::ledger::Faults;
use crate::measure::CpuSample;
use crate::report::{Better, Figure};

/// Clients that were there before.
pub(super) const ESTABLISHED: u32 = 8;
/// How often each of them asks, whatever became of its last request.
const PERIOD: Duration = Duration::from_millis(8);
/// Connections before any is counted.
const WARM_UP: usize = 500;
/// Most that wait to be let in: below the backlog of a system that was not told otherwise, and what is beyond would
/// come a second later.
const AT_ONCE: usize = 4_000;
/// They come from addresses of their own.
const FIRST_INDEX: usize = 40_000;

/// Of the values.
pub(super) const P50: usize = 0;

pub(super) const FIGURES: &[Figure] = &[
    Figure {
        label: "others' latency p50, ms",
        better: Better::Less,
    },
    Figure {
        label: "others' latency p99, ms",
        better: Better::Less,
    },
    Figure {
        label: "others' latency, longest, ms",
        better: Better::Less,
    },
    Figure {
        label: "until all are back, s",
        better: Better::Less,
    },
    Figure {
        label: "server CPU, ms per connection",
        better: Better::Less,
    },
    Figure {
        label: "others' latency before, p99, ms",
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

pub(super) async fn run(
    door: Door,
    pid: u32,
    effort: Effort,
    connections: usize,
) -> Result<Measured> {
    drop(open_all(door, WARM_UP.min(connections), Request::RoomAdd).await?);
    sleep(effort.settle).await;
    let calm = Established::settle(door).await?;
    sleep(effort.settle).await;
    let calm = calm.latency().await?;

    let others = Established::settle(door).await?;
    let before = CpuSample::take(pid)?;
    let mut coming = JoinSet::new();
    let mut here = Vec::with_capacity(connections);
    for index in 0..connections {
        if coming.len() == AT_ONCE
            && let Some(connection) = coming.join_next().await
        {
            here.push(connection??);
        }
        coming.spawn_local(open(door, index, Request::RoomAdd));
    }
    while let Some(connection) = coming.join_next().await {
        here.push(connection??);
    }
    let spent = CpuSample::take(pid)?.since(before);
    let latency = others.latency().await?;
    drop(here);

    let millis = |nanos: u64| nanos as f64 / 1e6;
    let wall = spent.wall.as_secs_f64();
    Ok(Measured {
        values: vec![
            millis(latency.value_at_quantile(0.5)),
            millis(latency.value_at_quantile(0.99)),
            millis(latency.max()),
            wall,
            spent.server.as_secs_f64() * 1e3 / connections as f64,
            millis(calm.value_at_quantile(0.99)),
            spent.server.as_secs_f64() / wall,
            spent.generator.as_secs_f64() / wall,
        ],
        faults: Faults::default(),
    })
}

/// Clients that ask on another thread until they are told to stop.
struct Established {
    is_over: Arc<AtomicBool>,
    latency: oneshot::Receiver<Result<Histogram<u64>>>,
}

impl Established {
    /// They have asked for a while when this returns.
    async fn settle(door: Door) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = oneshot::channel();
        let (report, latency) = oneshot::channel();
        let flag = Arc::clone(&is_over);
        std::thread::spawn(move || {
            // Whoever has gone away has failed elsewhere.
            let _nobody = report.send(ask(door, &flag, ready));
        });
        if is_ready.await.is_err() {
            // It says why.
            latency
                .await
                .context("the established clients panicked")??;
            bail!("the established clients stopped");
        }
        Ok(Self { is_over, latency })
    }

    /// How long their answers took.
    async fn latency(self) -> Result<Histogram<u64>> {
        self.is_over.store(true, Ordering::Relaxed);
        let latency = self.latency.await;
        latency.context("the established clients panicked")?
    }
}

fn ask(door: Door, is_over: &AtomicBool, ready: oneshot::Sender<()>) -> Result<Histogram<u64>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let mut connections = Vec::new();
        for index in 0..ESTABLISHED as usize {
            connections.push(open(door, FIRST_INDEX + index, Request::DetailsView).await?);
        }
        // Nobody waits for one who failed.
        let _nobody = ready.send(());
        let mut latency = Histogram::new(3)?;
        let start = Instant::now();
        let asking = connections.into_iter().zip(0..).map(|(connection, turn)| {
            let first = start + PERIOD * turn / ESTABLISHED;
            ask_at_a_pace(connection, first, is_over)
        });
        for times in futures_util::future::try_join_all(asking).await? {
            for nanos in times {
                latency.record(nanos)?;
            }
        }
        Ok(latency)
    })
}

/// Returns how long each answer took, in ns.
async fn ask_at_a_pace(
    mut connection: Connection,
    mut due: Instant,
    is_over: &AtomicBool,
) -> Result<Vec<u64>> {
    let mut sent = VecDeque::<Instant>::new();
    let mut times = Vec::new();
    loop {
        let is_over = is_over.load(Ordering::Relaxed);
        if is_over && sent.is_empty() {
            return Ok(times);
        }
        let mut on_packet = |packet, at: Instant| match packet {
            Packet::Response(_) => {
                let sent = sent.pop_front().context("an answer too many")?;
                times.push(u64::try_from((at - sent).as_nanos())?);
                Ok(())
            }
            other @ Packet::Push(_) => bail!("{other:?} came to a connection that only asks"),
        };
        let is_due = tokio::select! {
            () = sleep_until(due.into()), if !is_over => true,
            received = connection.receive(&mut on_packet) => {
                received?;
                false
            }
        };
        if is_due {
            sent.push_back(Instant::now());
            connection.queue(Request::DetailsView);
            due += PERIOD;
        }
        connection.flush().await?;
    }
}
