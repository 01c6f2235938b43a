//! What the kernel says of a process: CPU time and memory.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Linux shows CPU times to programs in hundredths of a second, whatever
/// frequency the kernel itself runs at.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a server and of this process at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuSample {
    at: Instant,
    server: Duration,
    generator: Duration,
}

/// What was spent between two samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuSpent {
    pub(crate) wall: Duration,
    pub(crate) server: Duration,
    pub(crate) generator: Duration,
}

impl CpuSample {
    pub(crate) fn take(server: u32) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server: cpu_time(&server.to_string())?,
            generator: cpu_time("self")?,
        })
    }

    pub(crate) fn since(self, earlier: Self) -> CpuSpent {
        CpuSpent {
            wall: self.at - earlier.at,
            server: self.server.saturating_sub(earlier.server),
            generator: self.generator.saturating_sub(earlier.generator),
        }
    }
}

/// User and system time of all threads of a process, ended ones included.
fn cpu_time(pid: &str) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("{path} (Linux only)"))?;
    ticks_of(&stat)
        .map(|ticks| TICK * ticks)
        .with_context(|| format!("{path} has an unknown form"))
}

/// Fields 14 and 15; the name in field 2 may hold spaces and parentheses.
fn ticks_of(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Heap and stacks: pages that no file backs. Unlike the other two this
    /// does not move when another process maps the same program.
    pub(crate) anonymous: u64,
    /// All pages, those that are shared with other processes in part.
    pub(crate) proportional: u64,
    pub(crate) resident: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let rollup = fs::read_to_string(&path).with_context(|| format!("{path} (Linux only)"))?;
        let bytes = |label: &str| {
            rollup
                .lines()
                .find_map(|line| line.strip_prefix(label))
                .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
                .map(|kib| kib * 1024)
                .with_context(|| format!("{path} without {label}"))
        };
        Ok(Self {
            anonymous: bytes("Anonymous:")?,
            proportional: bytes("Pss:")?,
            resident: bytes("Rss:")?,
        })
    }
}

/// Fails if this process may not open `count` connections.
pub(crate) fn check_open_files(count: usize) -> Result<()> {
    /// The runtime, the server's pipes, the report.
    const SPARE: usize = 64;

    let limits = fs::read_to_string("/proc/self/limits").context("/proc/self/limits")?;
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next());
    let Some(Ok(soft)) = soft.map(str::parse::<usize>) else {
        return Ok(()); // "unlimited"
    };
    ensure!(
        soft >= count + SPARE,
        "{count} connections need `ulimit -n {}` or more, it is {soft}",
        count + SPARE
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ticks_are_found_behind_an_odd_name() {
        let stat = "42 (no de) x) S 1 42 42 0 -1 4194304 9 0 0 0 120 30 0 0 20 0 11 0 5 6 7";
        assert_eq!(ticks_of(stat), Some(150));
    }
}
