//! Counts the instructions that a server takes for one action, one delivery or
//! one connection, and compares them with the ceilings in `ceilings.toml`.
//!
//! No clock is involved: valgrind executes the server, and the same work takes
//! the same instructions on a busy machine. `README.md` says what is counted.

#![allow(clippy::print_stdout, reason = "the table goes to stdout")]

mod ceilings;
mod client;
mod path;
mod polling;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::ceilings::{Ceilings, TOLERANCE_PERCENT, Verdict};
use crate::path::{PATHS, Path};
use crate::server::Server;

const USAGE: &str = "usage: stellar-count SERVER [--write | PATH…]
  SERVER   the program to count, of the profile `count`
  --write  make what is counted the new ceilings
  PATH     count these only";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("stellar-count: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything is below its ceiling.
fn run() -> Result<bool> {
    let mut arguments = std::env::args().skip(1);
    let program = PathBuf::from(arguments.next().context(USAGE)?);
    let rest: Vec<String> = arguments.collect();
    let is_writing = rest == ["--write"];
    let names: Vec<&str> = PATHS.iter().map(|path| path.name).collect();
    let mut ceilings = if is_writing {
        Ceilings::default()
    } else {
        ensure!(
            rest.iter().all(|name| names.contains(&name.as_str())),
            "{USAGE}"
        );
        Ceilings::read()?
    };
    let (mut counted_paths, mut above) = (0, 0);
    println!("{:24} {:>12} {:>12}", "path", "instructions", "ceiling");
    for path in PATHS {
        if !is_writing && !rest.is_empty() && !rest.iter().any(|name| name == path.name) {
            continue;
        }
        let counted = count(path, &program).with_context(|| path.name.to_owned())?;
        if is_writing {
            ceilings.set(path.name, counted);
        }
        let (ceiling, verdict) = ceilings.judge(path.name, counted);
        println!("{:24} {counted:>12} {ceiling:>12}{verdict}", path.name);
        counted_paths += 1;
        above += usize::from(verdict == Verdict::Above);
    }
    if is_writing {
        ceilings.write()?;
    }
    ceilings.must_name(&names)?;
    println!(
        "{}: {above} of {counted_paths} more than {TOLERANCE_PERCENT} % above the ceiling",
        if above == 0 { "passed" } else { "FAILED" }
    );
    Ok(above == 0)
}

/// Instructions per operation: the difference between a long and a short run,
/// in which the start, the end and the setting up are the same.
fn count(path: &Path, program: &std::path::Path) -> Result<u64> {
    let run = |operations: u64| -> Result<u64> {
        let server = Server::start(program, path.transport)?;
        let outcome = (path.run)(server.address(), operations);
        // The count comes with the server's own end, which closes what is still open.
        let counted = server.stop();
        outcome?;
        counted
    };
    let (short, long) = (path.operations, path.operations * 3);
    let difference = run(long)?.saturating_sub(run(short)?);
    Ok(difference / ((long - short) * path.per_operation))
}
