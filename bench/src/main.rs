//! Compares a Stellar server with npm `ws`, `primus`, `engine.io` and `socket.io`,
//! and with `socketioxide`, in one run.
//!
//! Each server is a process of its own that speaks the same Stellar packets;
//! this process is the load. `README.md` explains the figures.

#![allow(clippy::print_stdout, reason = "the report goes to stdout")]

mod args;
mod client;
mod in_flight;
mod ledger;
mod load;
mod machine;
mod measure;
mod peer;
mod report;
mod scenario;
mod server;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::task::LocalSet;

use crate::args::{Args, Command, Effort};
use crate::report::Table;
use crate::scenario::{Case, Measured};
use crate::server::{Kind, Launcher};

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.command {
        None => run(args),
        Some(Command::Peer) => peer::run().map(|()| ExitCode::SUCCESS),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stellar-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<ExitCode> {
    // One thread: the other cores belong to the server, and tasks share their
    // counters without locks.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, measure_all(args))
}

async fn measure_all(args: Args) -> Result<ExitCode> {
    let effort = args.effort();
    let rounds = args.rounds();
    let mut kinds = args.kinds();
    let mut tables: Vec<Table> = args
        .scenarios()
        .into_iter()
        .flat_map(|scenario| Case::all(scenario, effort))
        .map(|case| Table::new(case, &kinds))
        .filter(|table| table.kinds().next().is_some())
        .collect();
    ensure!(
        !tables.is_empty(),
        "none of these servers takes part in one of these scenarios"
    );
    kinds.retain(|kind| tables.iter().any(|table| table.kinds().any(|k| k == *kind)));
    let most = tables.iter().map(|table| table.case.sockets()).max();
    measure::check_open_files(most.unwrap_or_default())?;
    let launcher = Launcher::prepare(args.server, &kinds).await?;
    let mut origin = machine::describe(&launcher, &kinds).await;
    origin.push(format!("command: {}", command_line()));

    for round in 1..=rounds {
        for table in &mut tables {
            let kinds: Vec<Kind> = table.kinds().collect();
            for kind in kinds {
                eprint!(
                    "round {round}/{rounds}: {}, {}: ",
                    table.case.title(),
                    kind.name()
                );
                let outcome = measure_one(&launcher, kind, table.case, effort).await;
                let outcome = outcome.map_err(|error| format!("{error:#}"));
                match &outcome {
                    Ok(measured) => eprintln!(
                        "{:.2} {}",
                        measured.values[0],
                        table.case.figures()[0].label
                    ),
                    Err(reason) => eprintln!("failed: {reason}"),
                }
                table.enter(kind, outcome);
            }
        }
    }

    let text = report::markdown(&tables, rounds, &origin);
    print!("{text}");
    if let Some(path) = args.out {
        std::fs::write(&path, &text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(if report::failures(&tables).is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Every measurement has a fresh server: none inherits another's heap.
async fn measure_one(
    launcher: &Launcher,
    kind: Kind,
    case: Case,
    effort: Effort,
) -> Result<Measured> {
    let server = launcher.start(kind, case.transport, case.garbage()).await?;
    match case.run(&server, effort).await {
        Ok(measured) => {
            server.stop().await?;
            Ok(measured)
        }
        Err(error) => Err(server.explain(error).await),
    }
}

fn command_line() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ["stellar-bench"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}
