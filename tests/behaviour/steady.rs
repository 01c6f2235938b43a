//! Steady traffic: nobody is cut off for being busy, and nothing is kept of it afterwards.

use std::time::{Duration, Instant};

use serde_json::json;
use stellar::app::App;

use crate::support::Binary;
use crate::support::server::{config, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_without_a_pause_is_not_late_with_any_message() {
    let limit = Duration::from_secs(2);
    let options = config(|config| {
        config.limits.receive_timeout_ms = limit.as_millis() as u64;
        config.limits.write_timeout_ms = 2 * limit.as_millis() as u64;
        config.rates.bytes_per_second = 0.0;
    });
    let server = start(App::builder(), options).await;
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    let packet = json!({"event": "say", "room": "defaultRoom", "message": "x".repeat(200_000)});
    let started = Instant::now();
    while started.elapsed() < limit * 2 {
        let number = ann.send_all((0..4).map(|_| packet.clone())).await;
        assert_eq!(ann.answer(number).await["status"], "OK");
        ann.so_far().await;
    }
    ann.details().await;
}

/// Anonymous memory of a process, in bytes.
fn heap(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup
        .lines()
        .find(|line| line.starts_with("Anonymous:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[tokio::test]
async fn a_large_message_leaves_no_memory_behind() {
    const CLIENTS: usize = 20;
    const SIZE: usize = 4_000_000;
    let server = Binary::demo();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(server.primus().await);
    }
    let before = heap(server.pid());
    for client in &mut clients {
        let answer = client
            .request(json!({"event": "nothing", "ballast": "x".repeat(SIZE)}))
            .await;
        assert_eq!(answer["error"]["code"], "014");
    }
    let kept = heap(server.pid()).saturating_sub(before);
    assert!(
        kept < (CLIENTS * SIZE / 4) as u64,
        "{CLIENTS} quiet connections keep {kept} bytes"
    );
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_and_the_connection_goes_on() {
    let options = config(|config| config.limits.max_payload_bytes = 1000);
    let server = start(App::builder(), options).await;
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    let large = "x".repeat(1000);
    for packet in [
        json!({"event": "action", "params": {"action": "status", "x": large}}),
        json!({"event": "say", "room": "defaultRoom", "message": large}),
        json!({"event": "event", "params": {"room": "defaultRoom", "event": "e", "data": large}}),
    ] {
        let answer = ann.request(packet).await;
        assert_eq!(answer["error"]["code"], "023", "{answer}");
    }
    let fits = "x".repeat(990);
    assert_eq!(ann.say("defaultRoom", &*fits).await["status"], "OK");
    assert_eq!(ann.hears().await["message"], fits);
}
