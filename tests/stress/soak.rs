//! Clients that come, do something and go, over every door, for ever: nothing is left of them.

use std::time::Instant;

use crate::guest::{Guest, Heard, Request, WAYS};
use crate::support::{Binary, eventually};
use crate::{ROOMS, asked_for};

/// A session that is over leaves a few bytes in the clock until its next ping would have been due.
const CONFIG: &str = "[general]\nstarting_rooms = [\"a\", \"b\", \"c\"]\n\
    [polling]\nping_interval_ms = 5000\n[socketio]\nping_interval_ms = 5000\n";

/// Clients, one after the other at each of the doors.
const CYCLES: u64 = 4200;
/// What half of them may leave behind once the allocator has what it needs, in kB: a connection each would be more.
const SLOPE: u64 = 3 * 1024;

/// Comes, joins a room, says something there and hears it, and goes.
async fn cycle(server: &Binary, number: u64) {
    let way = WAYS[(number % WAYS.len() as u64) as usize];
    let turn = number / WAYS.len() as u64;
    let room = ROOMS[(turn % ROOMS.len() as u64) as usize];
    let mut guest = Guest::connect(server.address, way).await;
    guest.ask(&[Request::join(room)]).await;
    if guest.polls() && turn.is_multiple_of(2) {
        guest.upgrade().await;
    }
    let said = [Request::say(room, &number.into()), Request::details()];
    let first = guest.ask(&said).await;
    let mut hears_itself = false;
    loop {
        match guest.hear().await {
            Heard::Answer(answer, code) => {
                assert_eq!(code, None, "{answer} by {way:?}");
                if answer == first + 1 {
                    break;
                }
            }
            Heard::Said(push) => hears_itself |= push["message"] == number,
        }
    }
    assert!(hears_itself, "{number} by {way:?}");
    if turn.is_multiple_of(3) && !guest.polls() {
        guest.abort();
    } else {
        guest.close().await;
    }
}

/// Resident memory of the program, in kB.
fn memory(server: &Binary) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.unwrap().trim().trim_end_matches(" kB");
    resident.parse().unwrap()
}

/// Does them all, as many at a time as there are doors, and returns the memory after each tenth.
async fn soak(server: &Binary, cycles: u64) -> Vec<u64> {
    let server = std::sync::Arc::new(server);
    let at_once = WAYS.len() as u64;
    let mut levels = Vec::new();
    let started = Instant::now();
    for tenth in 0..10 {
        let (from, to) = (cycles * tenth / 10, cycles * (tenth + 1) / 10);
        let lanes = (0..at_once).map(|lane| {
            let server = &server;
            async move {
                let first = from + (lane + at_once - from % at_once) % at_once;
                for number in (first..to).step_by(WAYS.len()) {
                    cycle(server, number).await;
                }
            }
        });
        futures_util::future::join_all(lanes).await;
        let level = memory(&server);
        levels.push(level);
        eprintln!("{to} cycles after {:.0?}: {level} kB", started.elapsed());
    }
    levels
}

/// Files that the program has open.
fn files(server: &Binary) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid()));
    files.unwrap().count()
}

async fn leaves_nothing(server: Binary, cycles: u64, slope: u64) {
    // Every door has been used once.
    for number in 0..WAYS.len() as u64 {
        cycle(&server, number).await;
    }
    let before = files(&server);
    let levels = soak(&server, cycles).await;
    eventually("all sockets to be closed", || files(&server) <= before).await;
    let (half, end) = (levels[4], levels[9]);
    assert!(end <= half + slope, "{levels:?} kB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_clients_that_have_come_and_gone() {
    leaves_nothing(Binary::configured(CONFIG), CYCLES, SLOPE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half an hour: make soak"]
async fn for_as_many_cycles_as_are_asked_for() {
    let cycles = asked_for("STELLAR_SOAK_CYCLES").unwrap_or(1_000_000);
    // That of a release, if there is one.
    let program = std::env::var("STELLAR_BIN").map(std::process::Command::new);
    let program = program.unwrap_or_else(|_| crate::support::binary::stellar());
    let server = Binary::spawn(program, &["--demo"], CONFIG);
    leaves_nothing(server, cycles, 4 * SLOPE).await;
}
