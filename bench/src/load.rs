//! The part that echo and fan-out share: warm up, measure a window, drain.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::args::Effort;
use crate::ledger::Faults;
use crate::measure::CpuSample;
use crate::report::{Better, Figure};
use crate::scenario::Measured;

/// What is under way after this is lost.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Time for a message that comes twice to come the second time.
const AFTERMATH: Duration = Duration::from_millis(50);

const LONGEST_NANOS: u64 = 60_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measure,
    Drain,
}

/// How far a load has come; shared by its tasks, which all run on one thread.
#[derive(Debug)]
pub(crate) struct Progress {
    phase: Cell<Phase>,
    /// Messages or deliveries that arrived, in all phases.
    arrived: Cell<u64>,
    outstanding: Cell<u64>,
    /// Nanoseconds, of what arrived within the window.
    latency: RefCell<Histogram<u64>>,
}

impl Progress {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            phase: Cell::new(Phase::WarmUp),
            arrived: Cell::new(0),
            outstanding: Cell::new(0),
            latency: RefCell::new(Histogram::new_with_max(LONGEST_NANOS, 3)?),
        })
    }

    /// Whether senders still send.
    pub(crate) fn is_sending(&self) -> bool {
        self.phase.get() != Phase::Drain
    }

    pub(crate) fn expect(&self, count: u64) {
        self.outstanding.set(self.outstanding.get() + count);
    }

    /// One expected message that counts has arrived.
    pub(crate) fn arrive(&self, latency: Duration) {
        self.arrived.set(self.arrived.get() + 1);
        self.arrive_uncounted();
        if self.phase.get() == Phase::Measure {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(LONGEST_NANOS);
            self.latency.borrow_mut().saturating_record(nanos);
        }
    }

    /// One expected message that is no part of the figures has arrived.
    pub(crate) fn arrive_uncounted(&self) {
        self.outstanding
            .set(self.outstanding.get().saturating_sub(1));
    }
}

/// Of the values.
pub(crate) const CPU: usize = 0;
pub(crate) const THROUGHPUT: usize = 1;
pub(crate) const P50: usize = 2;
pub(crate) const P99: usize = 3;
pub(crate) const SERVER_CORES: usize = 4;
pub(crate) const GENERATOR_CORES: usize = 5;

/// The figures of a load, in the order of `run`'s values.
pub(crate) const FIGURES: &[Figure] = &[
    Figure {
        label: "server CPU, s per million",
        better: Better::Less,
    },
    Figure {
        label: "throughput, per second",
        better: Better::More,
    },
    Figure {
        label: "latency p50, ms",
        better: Better::Less,
    },
    Figure {
        label: "latency p99, ms",
        better: Better::Less,
    },
    Figure {
        label: "server CPU, cores",
        better: Better::Neither,
    },
    Figure {
        label: "generator CPU, cores",
        better: Better::Neither,
    },
    Figure {
        label: "generator CPU, s per million",
        better: Better::Neither,
    },
];

/// Lets the tasks work, and measures them and the server `pid` for a while;
/// `faults` counts what went wrong, after the last message has had its time.
pub(crate) async fn run(
    progress: &Progress,
    tasks: &mut JoinSet<Result<()>>,
    pid: u32,
    effort: Effort,
    faults: impl FnOnce() -> Faults,
) -> Result<Measured> {
    pass(effort.warm_up, tasks).await?;

    let arrived_before = progress.arrived.get();
    let before = CpuSample::take(pid)?;
    progress.phase.set(Phase::Measure);
    pass(effort.window, tasks).await?;
    let spent = CpuSample::take(pid)?.since(before);
    let arrived = progress.arrived.get() - arrived_before;
    progress.phase.set(Phase::Drain);

    let deadline = Instant::now() + DRAIN_LIMIT;
    while progress.outstanding.get() > 0 && Instant::now() < deadline {
        pass(Duration::from_millis(5), tasks).await?;
    }
    pass(AFTERMATH, tasks).await?;

    let faults = faults();
    ensure!(
        arrived > 0,
        "nothing arrived within the window (lost/doubled/reordered {faults})"
    );
    let latency = progress.latency.borrow();
    let millis = |quantile| latency.value_at_quantile(quantile) as f64 / 1e6;
    let millions = arrived as f64 / 1e6;
    let wall = spent.wall.as_secs_f64();
    let values = vec![
        spent.server.as_secs_f64() / millions,
        arrived as f64 / wall,
        millis(0.5),
        millis(0.99),
        spent.server.as_secs_f64() / wall,
        spent.generator.as_secs_f64() / wall,
        spent.generator.as_secs_f64() / millions,
    ];
    Ok(Measured { values, faults })
}

/// Waits, unless one of the tasks, none of which ends by itself, fails.
pub(crate) async fn pass<T: 'static>(time: Duration, tasks: &mut JoinSet<Result<T>>) -> Result<()> {
    tokio::select! {
        () = sleep(time) => Ok(()),
        Some(ended) = tasks.join_next() => {
            ended.context("a task of the generator panicked")??;
            Err(anyhow!("a task of the generator ended"))
        }
    }
}
