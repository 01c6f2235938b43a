//! Runs fuzz targets on any toolchain: mutates seeds, without looking at what is covered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use clap::Parser;
use stellar_fuzz::{Corpus, Mutator, Target, folder, targets};

/// Nothing that these targets do takes a hundredth of it.
const HANG: Duration = Duration::from_secs(30);

/// Calls every decoder with bytes that are almost right.
#[derive(Parser)]
struct Args {
    /// Targets. All, if none is named.
    targets: Vec<String>,
    /// How long, all targets together.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The same seed makes the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let is_wanted =
        |name: &str| args.targets.is_empty() || args.targets.iter().any(|it| it == name);
    let chosen: Vec<_> = targets().filter(|(name, _)| is_wanted(name)).collect();
    if chosen.len() < args.targets.len().max(1) {
        let names: Vec<_> = targets().map(|(name, _)| name).collect();
        let text = format!("no such target; there are {}", names.join(", "));
        return Err(io::Error::other(text));
    }
    let time = Duration::from_secs(args.seconds) / u32::try_from(chosen.len()).unwrap_or(1);
    let mut code = ExitCode::SUCCESS;
    for (name, target) in chosen {
        match fuzz(name, target, args.seed, time)? {
            Ok(runs) => println(&format!("{name}: {runs} runs")),
            Err(bytes) => {
                code = ExitCode::FAILURE;
                println(&format!("{name}: FAILED, see {}", keep(name, &bytes)?));
            }
        }
    }
    Ok(code)
}

/// How many runs there were, or the bytes that broke the last one.
fn fuzz(name: &str, target: Target, seed: u64, time: Duration) -> io::Result<Result<u64, Vec<u8>>> {
    let corpus = Corpus::read(name)?;
    let mut mutator = Mutator::new(&corpus, seed);
    let runs = Arc::new(AtomicU64::new(0));
    let watch = watch(name, &runs);
    let begun = Instant::now();
    let mut broken = None;
    while begun.elapsed() < time && broken.is_none() {
        // Many at once: the clock costs more than some targets.
        for _ in 0..64 {
            let bytes = mutator.mutated();
            if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
                broken = Some(bytes);
                break;
            }
            runs.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = runs.load(Ordering::Relaxed);
    drop(runs);
    watch.thread().unpark();
    Ok(match broken {
        Some(bytes) => Err(bytes),
        None => Ok(count),
    })
}

/// Ends the process when a target does not return.
fn watch(name: &str, runs: &Arc<AtomicU64>) -> thread::JoinHandle<()> {
    let runs = Arc::downgrade(runs);
    let name = name.to_owned();
    thread::spawn(move || {
        let mut seen = None;
        while let Some(runs) = runs.upgrade().map(|runs| runs.load(Ordering::Relaxed)) {
            if seen == Some(runs) {
                println(&format!("{name}: HANGS in run {runs}"));
                std::process::exit(1);
            }
            seen = Some(runs);
            thread::park_timeout(HANG);
        }
    })
}

/// Writes what broke a target where the next run, and a debugger, find it.
fn keep(name: &str, bytes: &[u8]) -> io::Result<String> {
    let artifacts = folder("artifacts").join(name);
    std::fs::create_dir_all(&artifacts)?;
    let file = artifacts.join(format!("{}-bytes-{:08x}", bytes.len(), fastrand::u32(..)));
    std::fs::write(&file, bytes)?;
    Ok(file.display().to_string())
}

/// The findings are what this program prints.
#[allow(clippy::print_stdout)]
fn println(text: &str) {
    println!("{text}");
}
