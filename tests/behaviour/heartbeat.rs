//! Liveness in both directions (docs/protocol/websocket.md#liveness).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::support::{Binary, Client, Close, within};

const INTERVAL: Duration = Duration::from_millis(1500);
const CONFIG: &str = "[limits]\nping_interval_ms = 1500\n";

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// The number of a ping.
fn sent_at(control: &str) -> u64 {
    let number = control.strip_prefix("primus::ping::").unwrap();
    number.parse().unwrap()
}

#[tokio::test]
async fn primus_clients_get_pings_of_primus_only() {
    let before = now();
    let server = Binary::configured(CONFIG);
    let mut ann = server.primus().await;
    let first = sent_at(&ann.wait_control("primus::ping::").await);
    let second = sent_at(&ann.wait_control("primus::ping::").await);
    assert!((before..=now()).contains(&first), "{first} is a time in ms");
    assert!(second > first);
    // Pings and pongs are no packets.
    let answer = ann.request(json!({"event": "detailsView"})).await;
    assert_eq!(answer["messageCount"], 1);
    assert_eq!(ann.pings, 0);
}

#[tokio::test]
async fn plain_clients_get_pings_of_websocket_only() {
    let server = Binary::configured(CONFIG);
    let mut bob = server.plain().await;
    within("two pings", async {
        while bob.pings < 2 {
            bob.read_for(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(bob.controls, Vec::<String>::new());
    let answer = bob.request(json!({"event": "detailsView"})).await;
    assert_eq!(answer["messageCount"], 1);
}

#[tokio::test]
async fn a_silent_peer_is_dropped_after_a_missed_interval() {
    let server = Binary::configured(CONFIG);
    for path in ["/primus", "/ws"] {
        let mut ann = Client::greeted(server.address, path).await;
        let last_word = Instant::now();
        ann.details().await;
        let asked_before = ann.pings + ann.controls.len();
        ann.go_silent();
        let close = ann.closed().await;
        let waited = last_word.elapsed();
        let asked = ann.pings + ann.controls.len();
        assert!(asked > asked_before, "{path}: it was asked first");
        // A tick's worth less than the interval, because it may end between two ticks.
        assert!(
            waited >= INTERVAL - Duration::from_millis(40),
            "{path}: {waited:?}"
        );
        if path == "/primus" {
            // As Primus does it: without a code, and without forbidding to come back.
            assert_eq!(close.code, 1005);
            assert!(!ann.controls.contains(&"primus::server::close".to_owned()));
        } else {
            let reason = "no sign of life".to_owned();
            assert_eq!(close, Close { code: 4003, reason });
        }
    }
}

/// A browser answers WebSocket's pings for a page that it keeps to go back to: only the page answers Primus's.
#[tokio::test]
async fn a_page_that_sleeps_is_ended_although_its_browser_is_awake() {
    let server = Binary::configured(CONFIG);
    let mut asleep = server.primus().await;
    asleep.details().await;
    asleep.ignore_primus_pings();
    let close = asleep.closed().await;
    assert_eq!(close.code, 1005);
}

#[tokio::test]
async fn a_client_that_answers_only_pings_of_primus_is_kept() {
    let server = Binary::configured(CONFIG);
    let mut ann = server.primus().await;
    ann.go_silent();
    for _ in 0..4 {
        let ping = ann.wait_control("primus::ping::").await;
        let number = sent_at(&ping);
        ann.send_past_silence(&format!("\"primus::pong::{number}\""))
            .await;
    }
    ann.send_past_silence("\"primus::id::\"").await;
    ann.wait_control("primus::id::").await;
}

#[tokio::test]
async fn any_data_is_a_sign_of_life() {
    let server = Binary::configured(CONFIG);
    for path in ["/primus", "/ws"] {
        let mut ann = Client::greeted(server.address, path).await;
        ann.go_silent();
        let mut packets = 0;
        // Each ping but the last would have been its end.
        while ann.pings + ann.controls.len() < 4 {
            ann.send_past_silence("{\"event\":\"detailsView\"}").await;
            ann.count(1);
            packets += 1;
            ann.answer(packets).await;
            ann.read_for(INTERVAL / 6).await;
        }
        // Without data it ends as for everybody.
        ann.closed().await;
    }
}

#[tokio::test]
async fn an_interval_of_zero_turns_pings_off() {
    let server = Binary::configured("[limits]\nping_interval_ms = 0\n");
    let mut ann = server.primus().await;
    ann.read_for(Duration::from_secs(1)).await;
    ann.details().await;
    assert_eq!(ann.pings, 0);
    assert_eq!(ann.controls, Vec::<String>::new());
}

/// A server full of clients that came all at once (as after a restart) must not ping them all at once for ever.
#[tokio::test]
async fn clients_that_come_at_once_are_not_pinged_at_once() {
    const CLIENTS: usize = 50;
    const INTERVAL_MS: u64 = 5000;
    let server = Binary::configured(&format!("[limits]\nping_interval_ms = {INTERVAL_MS}\n"));
    let opening = (0..CLIENTS).map(|_| async {
        let mut client = server.primus().await;
        let details = client.details().await;
        let opened = details["connectedAt"].as_u64().unwrap();
        (
            opened,
            sent_at(&client.wait_control("primus::ping::").await),
        )
    });
    let times = futures_util::future::join_all(opening).await;

    let most_in_an_eighth = |phases: Vec<u64>| {
        let mut eighths = [0; 8];
        for phase in phases {
            eighths[usize::try_from(phase % INTERVAL_MS * 8 / INTERVAL_MS).unwrap()] += 1;
        }
        eighths.into_iter().max().unwrap()
    };
    // Neither on one common beat, nor each at a fixed time after it came.
    let beats = times.iter().map(|(_, pinged)| *pinged).collect();
    let delays = times
        .iter()
        .map(|(opened, pinged)| pinged - opened)
        .collect();
    for (what, phases) in [("beats", beats), ("delays", delays)] {
        let most = most_in_an_eighth(phases);
        assert!(
            most <= CLIENTS / 2,
            "{what}: {most} of {CLIENTS} in one eighth"
        );
    }
}
