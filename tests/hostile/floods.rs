//! Peers that never stop: cut, shed, and forgotten once they are gone.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Arena;
use crate::raw::{self, PING, Raw, TEXT};
use crate::support::binary::stellar;
use crate::support::{Binary, Client, PATIENCE, within};

/// Growth of resident memory that says nothing, in kB.
const NOISE: u64 = 8 * 1024;

/// A small outbox, so that a peer that takes nothing soon is over it.
const SMALL_OUTBOX: &str = "[limits]\nmax_outbox_bytes = 65536\nclose_timeout_ms = 500\n";

const SLOW_CONSUMER: &str = "stellar_connections_closed_total{reason=\"slow_consumer\"}";

/// More than a peer's system, ours and the outbox take together, in answers.
const ENOUGH: usize = 2_000_000;

/// Has a peer that reads nothing cause answers until it is cut as a slow consumer, and goes on until it is gone.
async fn is_cut_without_reading(arena: &mut Arena, door: &str, frame: &[u8]) {
    let before = arena.memory();
    let mut attacker = Raw::with_small_window(arena.address())
        .await
        .upgrade(door)
        .await;
    let thousand = frame.repeat(1000);
    let mut sent = 0_usize;
    let mut peak = before;
    let mut cut = None;
    while attacker.try_write(&thousand).await.is_ok() {
        sent += 1000;
        if sent.is_multiple_of(20_000) {
            arena.serves().await;
            peak = peak.max(arena.memory());
            if cut.is_none() && arena.metric(SLOW_CONSUMER).await == 1 {
                cut = Some(Instant::now());
            }
        }
        match cut {
            // The socket goes away with the close deadline, though there always is something more to read.
            Some(cut) => assert!(
                cut.elapsed() < PATIENCE,
                "cut, but still there after {sent} frames"
            ),
            None => assert!(sent < ENOUGH, "not cut after {sent} frames"),
        }
    }
    arena.counts(SLOW_CONSUMER).await;
    arena.serves().await;
    let grown = peak.max(arena.memory()).saturating_sub(before);
    assert!(grown < NOISE, "{grown} kB after {sent} frames");
}

#[tokio::test]
async fn a_ping_flood_that_is_not_read_is_cut() {
    let mut arena = Arena::configured(SMALL_OUTBOX).await;
    is_cut_without_reading(&mut arena, "/primus", &raw::frame(PING, [7; 125])).await;
    arena.survives().await;
}

#[tokio::test]
async fn a_ping_flood_at_the_plain_door_is_cut() {
    let mut arena = Arena::configured(SMALL_OUTBOX).await;
    is_cut_without_reading(&mut arena, "/ws", &raw::frame(PING, [7; 125])).await;
    arena.survives().await;
}

#[tokio::test]
async fn an_id_flood_that_is_not_read_is_cut() {
    let mut arena = Arena::configured(SMALL_OUTBOX).await;
    is_cut_without_reading(&mut arena, "/primus", &raw::frame(TEXT, "\"primus::id::\"")).await;
    arena.survives().await;
}

#[tokio::test]
async fn a_primus_ping_flood_that_is_not_read_is_cut() {
    let mut arena = Arena::configured(SMALL_OUTBOX).await;
    let ping = format!("\"primus::ping::{}\"", "9".repeat(100));
    is_cut_without_reading(&mut arena, "/primus", &raw::frame(TEXT, ping)).await;
    arena.survives().await;
}

#[tokio::test]
async fn a_flood_of_requests_that_are_not_read_is_cut() {
    let mut arena = Arena::configured(SMALL_OUTBOX).await;
    let request = raw::frame(TEXT, "{\"event\":\"detailsView\"}");
    is_cut_without_reading(&mut arena, "/ws", &request).await;
    arena.survives().await;
}

#[tokio::test]
async fn a_flood_after_the_close_ends_on_its_deadline() {
    // One thread for all: while it drains one socket, the others fill up again, so that there always is something
    // to read.
    let mut command = stellar();
    command.env("TOKIO_WORKER_THREADS", "1");
    let mut arena = Arena::around(Binary::spawn(command, &["--demo"], SMALL_OUTBOX)).await;
    for door in crate::DOORS {
        let mut attackers = Vec::new();
        for _ in 0..8 {
            let mut attacker = Raw::upgraded(arena.address(), door).await;
            // A frame without a mask is the end of it.
            attacker.write(b"\x81\x02{}").await;
            assert_eq!(attacker.close_code().await, 1002);
            attackers.push(Arc::new(attacker.into_blocking()));
        }
        let flood = |socket: &Arc<TcpStream>| {
            let socket = Arc::clone(socket);
            std::thread::spawn(move || {
                let junk = raw::frame(PING, [7; 125]).repeat(10_000);
                while (&*socket).write_all(&junk).is_ok() {}
            })
        };
        let writers: Vec<_> = attackers.iter().map(flood).collect();
        let began = Instant::now();
        while !writers.iter().all(JoinHandle::is_finished) {
            if began.elapsed() > PATIENCE {
                // So that the writers end with the test.
                for attacker in &attackers {
                    let _closed = attacker.shutdown(Shutdown::Both);
                }
                panic!("they are still there");
            }
            arena.serves().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_flood_of_pongs_costs_nothing() {
    let mut arena = Arena::demo().await;
    let before = arena.memory();
    let mut attacker = Raw::upgraded(arena.address(), "/primus").await;
    assert!(attacker.packet().await["welcome"].is_string());
    let thousand = [
        raw::frame(raw::PONG, [7; 125]),
        raw::frame(TEXT, "\"primus::pong::1\""),
    ]
    .concat()
    .repeat(500);
    for _ in 0..100 {
        attacker.write(&thousand).await;
    }
    arena.serves().await;
    attacker.send(TEXT, "{\"event\":\"detailsView\"}").await;
    assert_eq!(attacker.packet().await["messageCount"], 1);
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < NOISE, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn joining_and_leaving_without_end_costs_nothing() {
    let mut arena = Arena::demo().await;
    let before = arena.memory();
    let mut client = arena.server.plain().await;
    for _ in 0..20 {
        let packets = (0..500).flat_map(|_| {
            ["roomAdd", "roomLeave"]
                .map(|event| serde_json::json!({"event": event, "room": "defaultRoom"}))
        });
        let last = client.send_all(packets).await;
        assert_eq!(client.answer(last).await["status"], "OK");
        client.so_far().await;
        arena.serves().await;
    }
    // Rooms that do not exist are not made by asking for them.
    for batch in 0..20 {
        let packets = (0..500).map(
            |it| serde_json::json!({"event": "roomAdd", "room": format!("room {batch} {it}")}),
        );
        let last = client.send_all(packets).await;
        assert_eq!(client.answer(last).await["error"]["code"], "019");
        client.so_far().await;
    }
    assert_eq!(client.details().await["rooms"], serde_json::json!([]));
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < NOISE, "{grown} kB");
    arena.survives().await;
}

async fn open(arena: &Arena, count: usize) -> Vec<Raw> {
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(Raw::connect(arena.address()).await);
    }
    open
}

/// How many of the connections have a place: they are served in it, and keep it. The others are closed at once.
async fn count_places(connections: &mut [Raw]) -> usize {
    let mut places = 0;
    for connection in connections {
        let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        // Whoever has no place may be gone already.
        let _sent = connection.try_write(request).await;
        places += usize::from(connection.gets_something().await);
    }
    places
}

/// Tries until a newcomer is served.
async fn newcomers_are_served_again(arena: &Arena) {
    within("a place", async {
        loop {
            let mut newcomer = Raw::connect(arena.address()).await;
            let sent = newcomer
                .try_write("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .await;
            if sent.is_ok() && newcomer.rest().await.starts_with(b"HTTP/1.1 200") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn connections_over_the_limit_are_shed_and_places_come_back() {
    let mut arena = Arena::configured("[access]\nmax_connections = 16\n").await;
    for round in 1..=3_u64 {
        // The bystander has one of the places; some of the others may not be free again since the last round.
        let mut attackers = open(&arena, 64).await;
        let places = count_places(&mut attackers).await;
        assert!(places <= 15, "{places}");
        assert!(round > 1 || places == 15, "{places}");
        arena.serves().await;
        drop(attackers);
        newcomers_are_served_again(&arena).await;
        let refused = "stellar_handshakes_refused_total{reason=\"max_connections\"}";
        assert!(arena.metric(refused).await >= 49 * round);
    }
    arena.survives().await;
}

#[tokio::test]
async fn realtime_connections_keep_their_places() {
    let mut arena = Arena::configured("[access]\nmax_connections = 16\n").await;
    let mut clients = Vec::new();
    for _ in 0..15 {
        clients.push(arena.server.plain().await);
    }
    for _ in 0..20 {
        assert!(
            Raw::connect(arena.address())
                .await
                .is_closed_silently()
                .await
        );
    }
    for client in &mut clients {
        assert!(client.details().await.is_object());
    }
    arena.serves().await;
    // Each that leaves makes room for one.
    clients.pop().unwrap().close().await;
    newcomers_are_served_again(&arena).await;
    clients.into_iter().for_each(Client::drop_abruptly);
    newcomers_are_served_again(&arena).await;
    arena.survives().await;
}

/// The program with a limit of 256 open files.
fn with_few_files(config: &str) -> Binary {
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "ulimit -n 256 && exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_stellar"),
    ]);
    Binary::spawn(shell, &["--demo"], config)
}

#[tokio::test]
async fn a_low_file_limit_is_a_limit_of_connections() {
    let server = with_few_files("");
    assert!(
        server
            .announcement
            .iter()
            .any(|line| line.contains("file limit 256")),
        "{:?}",
        server.announcement
    );
    let mut arena = Arena::around(server).await;
    for _ in 0..3 {
        let mut attackers = open(&arena, 400).await;
        // It sheds before the files are used up, and keeps some of them for itself.
        let places = count_places(&mut attackers).await;
        assert!(places < 256 - 32, "{places}");
        arena.serves().await;
        drop(attackers);
        newcomers_are_served_again(&arena).await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn running_out_of_files_is_survived() {
    // A limit of connections that the limit of files does not allow.
    let mut arena = Arena::around(with_few_files("[access]\nmax_connections = 100000\n")).await;
    for _ in 0..3 {
        // More than there are files; the system keeps the rest until the server can take them.
        let attackers = open(&arena, 320).await;
        let files = || {
            std::fs::read_dir(format!("/proc/{}/fd", arena.server.pid()))
                .unwrap()
                .count()
        };
        crate::support::eventually("all files in use", || files() >= 256).await;
        for _ in 0..20 {
            arena.serves().await;
        }
        drop(attackers);
        newcomers_are_served_again(&arena).await;
    }
    arena.survives().await;
}
