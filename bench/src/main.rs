//! Compares a Stellar server with npm `ws`, `primus`, `engine.io` and `socket.io`,
//! with `tokio-tungstenite`, `fastwebsockets` and `socketioxide`, and with the
//! least that a server can cost, in one run.
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

use anyhow::{Result, ensure};
use clap::Parser;
use tokio::task::LocalSet;

use crate::args::{Args, Command, Effort};
use crate::report::Table;
use crate::scenario::{Case, Run};
use crate::server::{Kind, Launcher};

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.command {
        None => run(args),
        Some(Command::Peer { peer, threads }) => {
            peer::run(peer, threads).map(|()| ExitCode::SUCCESS)
        }
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
    let (effort, rounds) = (args.effort(), args.rounds());
    let mut tables: Vec<Table> = args
        .scenarios()
        .into_iter()
        .flat_map(|scenario| Case::all(scenario, effort))
        .filter_map(|case| case.only_against(&args.against))
        .map(Table::new)
        .collect();
    ensure!(
        !tables.is_empty(),
        "none of these servers is compared in one of these scenarios"
    );
    let cases = || tables.iter().map(|table| &table.case);
    let is_needed = |kind: &Kind| cases().any(|case| case.runs().any(|run| run.kind == *kind));
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(is_needed).collect();
    let sockets = cases().flat_map(Case::runs).map(Run::sockets).max();
    measure::check_open_files(sockets.unwrap_or_default())?;
    let launcher = Launcher::prepare(args.server, &kinds).await?;
    let mut origin = machine::describe(&launcher, &kinds).await;
    origin.push(format!("threads: {} of our server and of peers in Rust, one of the generator; those on Node have one", effort.threads));
    origin.push(format!("command: `{}`", command_line()));

    for index in 0..tables.len() {
        measure_case(&mut tables[index], &launcher, effort, rounds).await;
        // After each case, so that a run that is broken off leaves what it found.
        if let Some(path) = &args.out {
            report::write(path, &tables, rounds, &origin)?;
        }
    }
    print!("{}", report::text(&tables, rounds, &origin, None));
    Ok(if report::failures(&tables).is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Ours, a rival, ours, the next rival, and so on, in every round.
async fn measure_case(table: &mut Table, launcher: &Launcher, effort: Effort, rounds: u16) {
    let rivals: Vec<(&'static str, Run)> = table
        .case
        .rivals
        .iter()
        .map(|rival| (rival.name, rival.run))
        .collect();
    let ours = table.case.ours;
    let (title, headline) = (table.case.title.clone(), table.case.headline);
    for round in 1..=rounds {
        let measure = async |name: &str, run: Run| {
            let outcome = run.measure(launcher, effort).await;
            let outcome = outcome.map_err(|error| format!("{error:#}"));
            let shown = match &outcome {
                Ok(measured) => {
                    let value = report::number(measured.values[headline]);
                    let label = run.figures()[headline].label;
                    format!("{value} {label}, faults {}", measured.faults)
                }
                Err(reason) => format!("failed: {reason}"),
            };
            eprintln!("round {round}/{rounds}: {title}: {name}: {shown}");
            outcome
        };
        if rivals.is_empty() {
            let ours = measure("ours", ours).await;
            table.enter_single(ours);
        }
        for (index, (name, rival)) in rivals.iter().enumerate() {
            let ours = measure("ours", ours).await;
            let theirs = measure(name, *rival).await;
            table.enter_pair(index, ours, theirs);
        }
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
