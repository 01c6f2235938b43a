//! What is Primus's at its door: `primus::` strings in message packets, and its own heartbeat on top.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Binary;
use crate::support::engineio::{ENGINE, Opening, PRIMUS, Packet, Session, Version};
use crate::{SESSIONS, SLACK, closed_for, metric, metric_becomes};

/// Primus's heartbeat is quick, that of engine.io is not.
const QUICK: &str = "[limits]\nping_interval_ms = 1500\n";
const INTERVAL: Duration = Duration::from_millis(1500);

async fn greeted(server: &Binary, version: Version) -> Session {
    let opening = Opening::new(server.address, version).door(PRIMUS);
    let mut session = opening.session().await;
    session.expect_welcome().await;
    session
}

/// The text of a string in a message packet.
fn string(packet: &Packet) -> String {
    let text = packet.as_message().unwrap();
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn clients_learn_their_id() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = greeted(&server, version).await;
        session.send_text("4\"primus::id::\"").await;
        let answer = string(&session.next().await);
        // Strings of control are no packets: this is the first that counts.
        let id = session.details().await["id"].clone();
        assert_eq!(answer, format!("primus::id::{}", id.as_str().unwrap()));
        assert!(!answer.contains(&session.sid));
    }
}

#[tokio::test]
async fn the_other_door_knows_no_strings_of_primus() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        for (number, text) in ["primus::id::", "primus::pong::1", "primus::ping::1"]
            .into_iter()
            .enumerate()
        {
            session.send(&[Packet::message(json!(text))]).await;
            session.count(1);
            // A string like any other: counted, and no verb.
            let answer = session.next_json().await;
            assert_eq!(answer["messageCount"], number + 1);
            assert_eq!(answer["error"]["code"], "014");
        }
    }
}

#[tokio::test]
async fn unknown_strings_of_primus_are_ignored_and_not_counted() {
    let server = Binary::demo();
    let mut session = greeted(&server, Version::V4).await;
    for text in [
        "primus::",
        "primus::bogus::1",
        "primus::server::close",
        "primus::pong::1",
    ] {
        session.send(&[Packet::message(json!(text))]).await;
    }
    let answer = session.request(json!({"event": "detailsView"})).await;
    assert_eq!(answer["messageCount"], 1);
    assert_eq!(session.take_seen(), [""; 0]);
}

#[tokio::test]
async fn primus_pings_come_on_top() {
    let server = Binary::configured(QUICK);
    for version in Version::BOTH {
        let mut session = greeted(&server, version).await;
        let mut last = 0;
        // Each of them but the last would have been the end without an answer.
        for _ in 0..5 {
            let ping = string(&session.next().await);
            let number = ping.strip_prefix("primus::ping::").unwrap();
            let sent_at: u64 = number.parse().unwrap();
            assert!(sent_at > last, "{sent_at}");
            last = sent_at;
            let pong = json!(format!("primus::pong::{number}"));
            session.send(&[Packet::message(pong)]).await;
        }
        let answer = session.request(json!({"event": "detailsView"})).await;
        assert_eq!(answer["messageCount"], 1);
    }
}

#[tokio::test]
async fn both_heartbeats_run_at_once() {
    let server = Binary::configured(
        "[limits]\nping_interval_ms = 1500\n[polling]\nping_interval_ms = 1000\nping_timeout_ms = 5000\n",
    );
    let mut session = greeted(&server, Version::V4).await;
    let (mut engine, mut primus) = (0, 0);
    while engine < 6 || primus < 4 {
        for packet in session.poll().await {
            if packet == "2" {
                engine += 1;
                session.post("3").await;
            } else {
                let ping = string(&packet);
                let number = ping.strip_prefix("primus::ping::").unwrap();
                primus += 1;
                session
                    .send(&[Packet::message(json!(format!("primus::pong::{number}")))])
                    .await;
            }
        }
    }
    session.details().await;
}

#[tokio::test]
async fn a_primus_client_that_falls_silent_is_dropped_by_primus_heartbeat() {
    let server = Binary::configured(QUICK);
    let mut session = greeted(&server, Version::V4).await;
    let since = Instant::now();
    let ping = string(&session.next().await);
    assert!(ping.starts_with("primus::ping::"));
    metric_becomes(&server, SESSIONS, 0).await;
    // Long before engine.io's own would have noticed.
    assert!(
        since.elapsed() < 2 * INTERVAL + SLACK,
        "{:?}",
        since.elapsed()
    );
    assert_eq!(metric(&server, &closed_for("heartbeat_missed")).await, 1);
}

#[tokio::test]
async fn the_other_door_has_one_heartbeat_only() {
    let server = Binary::configured(QUICK);
    let mut sessions = Vec::new();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        session.start_poll().await;
        sessions.push(session);
    }
    tokio::time::sleep(2 * INTERVAL).await;
    for session in &mut sessions {
        assert!(session.is_held());
    }
    assert_eq!(metric(&server, SESSIONS).await, 2);
}

#[tokio::test]
async fn the_heartbeat_goes_on_after_the_upgrade() {
    // An upgrade may take a good part of an interval.
    let server = Binary::configured(QUICK);
    let mut session = greeted(&server, Version::V4).await;
    let mut socket = session.upgrade().await;
    // One may have come with the last GET.
    let mut pings: VecDeque<_> = session.take_seen().into();
    for _ in 0..3 {
        let ping = match pings.pop_front() {
            Some(ping) => string(&ping),
            None => string(&socket.packet().await),
        };
        let number = ping.strip_prefix("primus::ping::").unwrap();
        socket.send(&format!("4\"primus::pong::{number}\"")).await;
    }
    let answer = socket.request(json!({"event": "detailsView"}), 1).await;
    assert_eq!(answer["status"], "OK");
    // And ends who does not answer.
    socket.closed().await;
    metric_becomes(&server, SESSIONS, 0).await;
}

#[tokio::test]
async fn text_that_looks_like_control_stays_what_it_is() {
    let server = Binary::demo();
    let mut members = Vec::new();
    for version in Version::BOTH {
        for door in [ENGINE, PRIMUS] {
            let opening = Opening::new(server.address, version).door(door);
            let mut member = opening.session().await;
            member.expect_welcome().await;
            member.join("defaultRoom").await;
            members.push(member);
        }
    }
    for text in [
        "primus::server::close",
        "1",
        "6",
        "2probe",
        "\u{1e}1",
        "1:1",
        "4\u{1e}1",
    ] {
        let say = json!({"event": "say", "room": "defaultRoom", "message": text});
        members[0].send_json(&[say]).await;
        for member in &mut members {
            assert_eq!(member.hears().await["message"], text);
        }
    }
    for member in &mut members {
        assert!(member.details().await["id"].is_string());
    }
}
