//! Where a report comes from: versions, commit, machine.

use std::fs;
use std::thread::available_parallelism;

use tokio::process::Command;

use crate::server::{Kind, Launcher, first_line};

/// Lines of "name: value".
pub(crate) async fn describe(launcher: &Launcher, kinds: &[Kind]) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in kinds {
        lines.push(format!(
            "{}: {}",
            kind.name(),
            launcher.version(*kind).await
        ));
    }
    if let Some(node) = first_line(Command::new("node").arg("--version")).await {
        lines.push(format!("node: {node}"));
    }
    let describe = ["describe", "--always", "--dirty"];
    if let Some(commit) = first_line(Command::new("git").args(describe)).await {
        lines.push(format!("commit: {commit}"));
    }
    lines.push(format!("machine: {}", shape()));
    if let Ok(load) = fs::read_to_string("/proc/loadavg") {
        let of_last_minute = load.split_whitespace().next().unwrap_or_default();
        lines.push(format!("load before the run: {of_last_minute}"));
    }
    lines
}

fn shape() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let cpu = value_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = value_of("/proc/meminfo", "MemTotal")
        .and_then(|total| total.strip_suffix(" kB")?.parse::<u64>().ok())
        .map_or_else(String::new, |kib| format!(", {} GiB", kib / 1024 / 1024));
    format!("{cores} cores, {cpu}{memory}, Linux {}", kernel.trim())
}

/// The value of the first line "label : value" in a file.
fn value_of(path: &str, label: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(label))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
