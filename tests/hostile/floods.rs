//! Peers that never stop: cut, shed, and forgotten once they are gone.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::raw::{self, PING, Raw, TEXT};
use crate::support::binary::stellar;
use crate::support::{Binary, Client, PATIENCE, within};
use crate::{Arena, DOORS};

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
    // As fast as it goes: how often it may be done is another matter.
    let mut arena = Arena::configured("[rates]\ncosts_per_second = 0\n").await;
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

/// Opens so many WebSockets one after the other. Those that find a place keep it.
async fn crowd(arena: &Arena, count: usize) -> Vec<Raw> {
    let mut placed = Vec::new();
    for _ in 0..count {
        let mut newcomer = Raw::connect(arena.address()).await;
        // Whoever has no place may be gone already.
        let _sent = newcomer.try_write(raw::handshake("/ws", "")).await;
        if newcomer.gets_something().await && newcomer.head().await.status == 101 {
            placed.push(newcomer);
        }
    }
    placed
}

/// Tries until a newcomer is served.
async fn newcomers_are_served_again(arena: &Arena) {
    within("a place", async {
        loop {
            let mut newcomer = Raw::connect(arena.address()).await;
            let sent = newcomer
                .try_write("GET /api/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
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
        let attackers = crowd(&arena, 64).await;
        let places = attackers.len();
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
        // A few more are let in, to ask how the server is.
        let full = crate::web::get(arena.address(), "/api/status").await;
        assert_eq!((full.status, full.header("retry-after")), (503, "1"));
        for question in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(
                crate::web::get(arena.address(), question).await.status,
                200,
                "{question}"
            );
        }
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
        let attackers = crowd(&arena, 400).await;
        // It sheds before the files are used up, and keeps some of them for itself.
        let places = attackers.len();
        assert!((100..256 - 32).contains(&places), "{places}");
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
        let mut attackers = Vec::new();
        for _ in 0..320 {
            // Whoever is idle would have to go.
            let mut attacker = Raw::connect(arena.address()).await;
            let half = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
            let _gone = attacker.try_write(half).await;
            attackers.push(attacker);
        }
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

#[tokio::test]
async fn who_is_idle_makes_room() {
    for binary in [
        Binary::configured(
            "[access]\nmax_connections = 16\n[limits]\nheader_timeout_ms = 600000\n",
        ),
        with_few_files(
            "[access]\nmax_connections = 100000\n[limits]\nheader_timeout_ms = 600000\n",
        ),
    ] {
        let arena = Arena::around(binary).await;
        let mut idle = Vec::new();
        for count in 0..300 {
            // Some say nothing at all, and some have been served and are kept.
            let mut client = Raw::connect(arena.address()).await;
            if count % 2 == 0 {
                let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
                let _gone = client.try_write(request).await;
            }
            idle.push(client);
        }
        for _ in 0..20 {
            newcomers_are_served_again(&arena).await;
        }
        arena.survives().await;
    }
}

/// A socket of this machine's other addresses, which are no proxies.
async fn connect_from(source: [u8; 4], arena: &Arena) -> Raw {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let stream = within("a connection", socket.connect(arena.address())).await;
    Raw::over(stream.unwrap())
}

#[tokio::test]
async fn one_address_has_its_share_of_places() {
    let mut arena = Arena::configured("[access]\nmax_connections_per_address = 5\n").await;
    let mut attackers = Vec::new();
    for _ in 0..5 {
        let attacker = connect_from([127, 0, 0, 2], &arena).await;
        attackers.push(attacker.upgrade("/ws").await);
    }
    for _ in 0..10 {
        let mut one_more = connect_from([127, 0, 0, 2], &arena).await;
        assert!(one_more.is_closed_silently().await);
    }
    let refused = "stellar_handshakes_refused_total{reason=\"max_connections_per_address\"}";
    assert_eq!(arena.metric(refused).await, 10);
    let said = || arena.server.log().contains("found no place");
    crate::support::eventually("a line in the log", said).await;
    let log = arena.server.log();
    let lines = log.lines().filter(|line| line.contains("found no place"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("127.0.0.2"), "{log}");
    // Others are served, and so is the first when it has made room.
    connect_from([127, 0, 0, 3], &arena)
        .await
        .upgrade("/ws")
        .await;
    attackers.pop();
    within("a place", async {
        loop {
            let mut again = connect_from([127, 0, 0, 2], &arena).await;
            let _sent = again.try_write(raw::handshake("/ws", "")).await;
            if again.gets_something().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn clients_behind_a_proxy_have_their_shares() {
    let arena = Arena::configured("[access]\nmax_connections_per_address = 5\n").await;
    let forwarded = |client: &str| raw::handshake("/ws", &format!("X-Forwarded-For: {client}\r\n"));
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = Raw::connect(arena.address()).await;
        client.write(forwarded("192.0.2.1")).await;
        assert_eq!(client.head().await.status, 101);
        clients.push(client);
    }
    // The proxy's connection is as good as before.
    let mut proxy = Raw::connect(arena.address()).await;
    proxy.write(forwarded("192.0.2.1")).await;
    let answer = proxy.answer().await;
    assert_eq!(answer.status, 429, "{}", answer.head);
    let request = "GET /api/status HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ";
    for (client, status) in [
        ("192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("192.0.2.1", 429),
        ("6.6.6.6, 192.0.2.1", 429),
        ("2001:db8::1", 200),
    ] {
        proxy.write(format!("{request}{client}\r\n\r\n")).await;
        assert_eq!(proxy.answer().await.status, status, "{client}");
    }
    proxy.write(forwarded("192.0.2.2")).await;
    assert_eq!(proxy.head().await.status, 101);
    clients.pop();
    within("a place", async {
        loop {
            let mut again = Raw::connect(arena.address()).await;
            again.write(forwarded("192.0.2.1")).await;
            if again.head().await.status == 101 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let refused = "stellar_handshakes_refused_total{reason=\"max_connections_per_address\"}";
    assert!(arena.metric(refused).await >= 4);
    arena.survives().await;
}

#[tokio::test]
async fn an_address_that_comes_too_often_is_turned_away() {
    // A token comes in a quarter of an hour: no clock matters.
    let config = "[rates]\nconnects_per_second = 0.001\nconnects_burst = 3\n";
    let arena = Arena::configured(config).await;
    for _ in 0..3 {
        let attacker = connect_from([127, 0, 0, 2], &arena).await;
        drop(attacker.upgrade("/ws").await);
    }
    for _ in 0..10 {
        let mut one_more = connect_from([127, 0, 0, 2], &arena).await;
        assert!(one_more.is_closed_silently().await);
    }
    let refused = "stellar_handshakes_refused_total{reason=\"rates.connects\"}";
    assert_eq!(arena.metric(refused).await, 10);
    let other = connect_from([127, 0, 0, 3], &arena).await;
    other.upgrade("/ws").await;
    arena.survives().await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_answered_429() {
    let config = "[rates]\nrequests_per_second = 0.001\nrequests_burst = 3\n";
    let mut arena = Arena::configured(config).await;
    let ask = "GET /api/status HTTP/1.1\r\nHost: x\r\n";
    let mut attacker = connect_from([127, 0, 0, 2], &arena).await;
    for status in [200, 200, 200, 429, 429] {
        attacker.write(format!("{ask}\r\n")).await;
        let answer = attacker.answer().await;
        assert_eq!(answer.status, status, "{}", answer.head);
        let says_when = answer.head.to_ascii_lowercase().contains("retry-after: ");
        assert_eq!(says_when, status == 429, "{}", answer.head);
    }
    // Neither another socket nor another door is a way around, and how the server is may be asked all the same.
    for door in DOORS {
        let mut again = connect_from([127, 0, 0, 2], &arena).await;
        again.write(raw::handshake(door, "")).await;
        assert_eq!(again.answer().await.status, 429, "{door}");
    }
    let mut again = connect_from([127, 0, 0, 2], &arena).await;
    again
        .write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert_eq!(again.answer().await.status, 200);
    // A proxy's clients have theirs, each its own.
    let mut proxy = Raw::connect(arena.address()).await;
    for (client, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 200),
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("6.6.6.6, 192.0.2.1", 429),
    ] {
        let request = format!("{ask}X-Forwarded-For: {client}\r\n\r\n");
        proxy.write(request).await;
        assert_eq!(proxy.answer().await.status, status, "{client}");
    }
    let refused = "stellar_requests_limited_total{limit=\"rates.requests\"}";
    assert_eq!(arena.metric(refused).await, 6);
    arena.serves().await;
    arena.survives().await;
}
