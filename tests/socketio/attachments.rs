//! Attachments that do not come as announced: the connection is closed, its bytes are let go, and nobody else notices.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Binary;
use crate::support::engineio::{Packet, Version};
use crate::support::socketio::{Kind, Peer, text};
use crate::{CONNECTED, SLACK, closed_for, metric, metric_becomes};

fn bytes() -> Packet {
    Packet::Binary(vec![1, 2, 3, 4])
}

/// An event with one attachment announced, whose message is this JSON.
fn say(message: &str) -> Packet {
    text(format!(
        "451-[\"say\",{{\"room\":\"defaultRoom\",\"message\":{message}}}]"
    ))
}

const FIRST: &str = "{\"_placeholder\":true,\"num\":0}";

/// Asserts that each of these closes its sender alone, and that nothing of it is delivered.
async fn close(attempts: &[Vec<Packet>]) {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for packets in attempts {
        for kind in Kind::ALL {
            let mut ann = Peer::connected(server.address, kind).await;
            ann.join("defaultRoom").await;
            ann.try_send_all(packets).await;
            assert_eq!(ann.rest().await, [""; 0], "{packets:?} {kind:?}");
            metric_becomes(&server, CONNECTED, 0).await;
        }
        assert_eq!(bob.so_far().await, Vec::<Value>::new(), "{packets:?}");
    }
    let closed = metric(&server, &closed_for("protocol_error")).await;
    assert_eq!(closed, 6 * attempts.len() as u64);
}

#[tokio::test]
async fn numbers_that_no_attachment_has() {
    let attempts = [
        "1",
        "2",
        "10",
        "-1",
        "-0.5",
        "0.5",
        "1e99",
        "99999999999999999999",
        "4294967296",
        "18446744073709551616",
    ];
    let attempts = attempts.map(|number| {
        let message = format!("{{\"_placeholder\":true,\"num\":{number}}}");
        vec![say(&message), bytes()]
    });
    close(&attempts).await;
}

#[tokio::test]
async fn numbers_that_are_none() {
    let attempts = [
        "\"0\"",
        "\"length\"",
        "\"__proto__\"",
        "null",
        "true",
        "[]",
        "[0]",
        "{}",
    ];
    let attempts = attempts.map(|number| {
        let message = format!("{{\"_placeholder\":true,\"num\":{number}}}");
        vec![say(&message), bytes()]
    });
    close(&attempts).await;
}

#[tokio::test]
async fn placeholders_without_a_number() {
    close(&[
        vec![say("{\"_placeholder\":true}"), bytes()],
        vec![say("[{\"_placeholder\":true,\"number\":0}]"), bytes()],
    ])
    .await;
}

#[tokio::test]
async fn text_instead_of_the_attachment() {
    close(&[
        vec![say(FIRST), text("42[\"detailsView\"]")],
        vec![say(FIRST), text("40")],
        vec![say(FIRST), text("4")],
        vec![say(FIRST), text("430[]")],
        vec![say(FIRST), say(FIRST), bytes(), bytes()],
        vec![say(FIRST), text("450-[\"detailsView\"]")],
    ])
    .await;
}

#[tokio::test]
async fn attachments_in_lines_of_base64() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let mark = match kind.version {
            Version::V4 => "b",
            Version::V3 => "b4",
        };
        // As the official client for Java writes them over polling, and others on a socket.
        for digits in ["AQIDBA==\n", "AQI\nDBA==\n", "AQIDBA", "A\r\nQIDBA=="] {
            ann.send_all(&[say(FIRST), text(format!("{mark}{digits}"))])
                .await;
            assert_eq!(bob.hears().await["message"], "AQIDBA==", "{kind:?}");
        }
    }
}

#[tokio::test]
async fn one_attachment_more_than_announced() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        ann.try_send_all(&[say(FIRST), bytes(), bytes()]).await;
        // What was complete is delivered, whether its sender still hears of it or not.
        assert_eq!(bob.hears().await["message"], "AQIDBA==", "{kind:?}");
        ann.rest().await;
        metric_becomes(&server, CONNECTED, 0).await;
    }
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 6);
}

#[tokio::test]
async fn one_attachment_less_and_then_something_else() {
    let header = "452-[\"say\",{\"room\":\"defaultRoom\",\"message\":[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]}]";
    close(&[
        vec![text(header), bytes(), text("42[\"detailsView\"]")],
        vec![text(header), bytes(), say(FIRST), bytes(), bytes()],
    ])
    .await;
}

#[tokio::test]
async fn more_announced_than_allowed() {
    close(&[
        vec![text("4511-[\"detailsView\"]")],
        vec![text("451000000000-[\"detailsView\"]")],
        vec![text("4518446744073709551615-[\"detailsView\"]")],
    ])
    .await;
}

#[tokio::test]
async fn attachments_that_never_come_are_waited_for_until_the_deadline() {
    const DEADLINE: Duration = Duration::from_millis(1500);
    let server = Binary::configured("[limits]\nreceive_timeout_ms = 1500\n");
    let mut closed = 0;
    for kind in Kind::ALL {
        for so_far in [0, 1] {
            let mut ann = Peer::connected(server.address, kind).await;
            let header = "452-[\"say\",{\"room\":\"defaultRoom\",\"message\":[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]}]";
            let since = Instant::now();
            ann.send(header).await;
            for _ in 0..so_far {
                ann.send_all(&[bytes()]).await;
            }
            assert_eq!(ann.rest().await, [""; 0], "{kind:?}");
            let waited = since.elapsed();
            assert!(waited >= DEADLINE, "{kind:?} {waited:?}");
            assert!(waited < DEADLINE + SLACK, "{kind:?} {waited:?}");
            closed += 1;
        }
    }
    let reason = closed_for("receive_timeout");
    assert_eq!(metric(&server, &reason).await, closed);
}

#[tokio::test]
async fn other_requests_and_signs_of_life_do_not_put_the_deadline_off() {
    let server =
        Binary::configured("[limits]\nreceive_timeout_ms = 1500\nclose_timeout_ms = 300\n");
    let since = Instant::now();
    let mut ann = Peer::connected(server.address, Kind::PLAIN[1]).await;
    ann.send_all(&[say(FIRST)]).await;
    while ann.socket().try_send("3").await {
        assert!(since.elapsed() < SLACK, "still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ann.rest().await, [""; 0]);
}

#[tokio::test]
async fn the_deadline_does_not_run_on_behind_the_last_attachment() {
    let server = Binary::configured("[limits]\nreceive_timeout_ms = 1500\n");
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        ann.send_all(&[say(FIRST), bytes()]).await;
        assert_eq!(ann.hears().await["message"], "AQIDBA==");
        tokio::time::sleep(Duration::from_millis(2000)).await;
        ann.details().await;
    }
}
