//! Upgrades that come to nothing: the socket is gone, the session polls on (docs/protocol/engineio.md#upgrade).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::raw::{self, BINARY, Raw, TEXT};
use crate::support::Binary;
use crate::support::engineio::{Session, Socket, Version};
use crate::{MOMENT, SESSIONS, SLACK, metric, metric_becomes};

const UPGRADE_TIMEOUT: Duration = Duration::from_millis(1500);
const DEADLINE: &str = "[polling]\nupgrade_timeout_ms = 1500\n";
const FAILED: &str = "stellar_upgrades_total{result=\"failed\"}";

/// A session that polls as if nothing had happened, and can be upgraded still. `failures` have been counted by now.
async fn polls_on(server: &Binary, mut session: Session, failures: u64) {
    metric_becomes(server, FAILED, failures).await;
    assert_eq!(metric(server, SESSIONS).await, 1);
    session.details().await;
    // A GET is held again, and not released every 100 ms.
    session.start_poll().await;
    tokio::time::sleep(2 * MOMENT).await;
    assert!(session.is_held());
    session.send_json(&[json!({"event": "detailsView"})]).await;
    let reply = session.polled().await;
    assert!(
        reply.text().contains("\"messageCount\":2"),
        "{}",
        reply.text()
    );

    let mut socket = session.upgrade().await;
    let answer = socket.request(json!({"event": "detailsView"}), 3).await;
    assert_eq!(answer["status"], "OK");
    socket.close().await;
    metric_becomes(server, SESSIONS, 0).await;
}

#[tokio::test]
async fn a_socket_that_closes_before_its_probe() {
    let server = Binary::demo();
    for (failures, orderly) in [(1, true), (2, false)] {
        let session = Session::greeted(server.address, Version::V4).await;
        let socket = session.socket().await;
        if orderly {
            socket.close().await;
        } else {
            drop(socket);
        }
        polls_on(&server, session, failures).await;
    }
}

#[tokio::test]
async fn a_socket_that_closes_after_its_probe() {
    let server = Binary::demo();
    for (failures, orderly) in [(1, true), (2, false)] {
        let session = Session::greeted(server.address, Version::V4).await;
        let mut socket = session.socket().await;
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        if orderly {
            socket.close().await;
        } else {
            drop(socket);
        }
        polls_on(&server, session, failures).await;
    }
}

#[tokio::test]
async fn a_get_that_is_held_while_the_socket_goes_stays_or_is_released() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.start_poll().await;
    let mut socket = session.socket().await;
    socket.send("2probe").await;
    assert_eq!(socket.packet().await, "3probe");
    drop(socket);
    metric_becomes(&server, FAILED, 1).await;
    session.send_json(&[json!({"event": "detailsView"})]).await;
    // By a noop, if the socket was there for long enough, or by the message.
    let mut reply = session.polled().await;
    if session.packets(&reply) == ["6"] {
        reply = session.poll_reply().await;
    }
    assert!(
        reply.text().contains("\"messageCount\":1"),
        "{}",
        reply.text()
    );
    session.details().await;
}

#[tokio::test]
async fn what_is_no_probe_ends_the_socket_alone() {
    let server = Binary::demo();
    let mut failures = 0;
    for version in Version::BOTH {
        for text in [
            "2", "2prob", "2probe ", "3probe", "4hello", "6", "probe", "0{}", "", "1",
        ] {
            let session = Session::greeted(server.address, version).await;
            let mut socket = session.socket().await;
            socket.send(text).await;
            socket.closed().await;
            failures += 1;
            polls_on(&server, session, failures).await;
        }
    }
}

#[tokio::test]
async fn bytes_instead_of_a_probe_end_the_socket_alone() {
    let server = Binary::demo();
    for (number, (first, payload)) in [
        (BINARY, &b"2probe"[..]),
        (BINARY, b"\x04"),
        (TEXT, b"\xff\xfe"),
        // A reserved opcode.
        (0x83, b"2probe"),
    ]
    .into_iter()
    .enumerate()
    {
        let session = Session::greeted(server.address, Version::V4).await;
        let mut socket = Raw::upgraded(server.address, &session.target("websocket")).await;
        socket.send(first, payload).await;
        socket.rest().await;
        polls_on(&server, session, number as u64 + 1).await;
    }
}

#[tokio::test]
async fn anything_but_a_switch_after_the_probe_ends_the_socket_alone() {
    let server = Binary::demo();
    for (number, text) in ["4hello", "4{\"event\":\"quit\"}", "9", "", "1"]
        .into_iter()
        .enumerate()
    {
        let session = Session::greeted(server.address, Version::V4).await;
        let mut socket = session.socket().await;
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        socket.send(text).await;
        socket.closed().await;
        polls_on(&server, session, number as u64 + 1).await;
    }
}

/// Waits for the end of a socket that does not finish its upgrade, begun at `since`.
async fn is_cut_on_the_deadline(mut socket: Socket, since: Instant) {
    socket.closed().await;
    let waited = since.elapsed();
    assert!(waited >= UPGRADE_TIMEOUT, "{waited:?}");
    assert!(waited < UPGRADE_TIMEOUT + SLACK, "{waited:?}");
}

#[tokio::test]
async fn a_probe_that_never_comes_is_waited_for_until_the_deadline() {
    let server = Binary::configured(DEADLINE);
    let session = Session::greeted(server.address, Version::V4).await;
    let since = Instant::now();
    let socket = session.socket().await;
    is_cut_on_the_deadline(socket, since).await;
    polls_on(&server, session, 1).await;
}

#[tokio::test]
async fn a_switch_that_never_comes_is_waited_for_until_the_deadline() {
    let server = Binary::configured(DEADLINE);
    let session = Session::greeted(server.address, Version::V4).await;
    let since = Instant::now();
    let mut socket = session.socket().await;
    socket.send("2probe").await;
    assert_eq!(socket.packet().await, "3probe");
    is_cut_on_the_deadline(socket, since).await;
    polls_on(&server, session, 1).await;
}

#[tokio::test]
async fn pings_of_websocket_do_not_put_off_the_deadline() {
    let server = Binary::configured(DEADLINE);
    let session = Session::greeted(server.address, Version::V4).await;
    let since = Instant::now();
    let mut socket = Raw::upgraded(server.address, &session.target("websocket")).await;
    socket.send(TEXT, "2probe").await;
    assert_eq!(socket.frame().await.unwrap().payload, b"3probe");
    let ping = raw::frame(raw::PING, "x");
    while socket.try_write(&ping).await.is_ok() {
        assert!(since.elapsed() < UPGRADE_TIMEOUT + SLACK, "still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    polls_on(&server, session, 1).await;
}

#[tokio::test]
async fn the_deadline_does_not_run_on_after_the_switch() {
    let server = Binary::configured(DEADLINE);
    let mut session = Session::greeted(server.address, Version::V4).await;
    let mut socket = session.upgrade().await;
    tokio::time::sleep(2 * UPGRADE_TIMEOUT).await;
    socket.request(json!({"event": "detailsView"}), 1).await;
    assert_eq!(metric(&server, FAILED).await, 0);
}

#[tokio::test]
async fn one_session_outlives_many_failures() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    for number in 1..=30 {
        let mut socket = session.socket().await;
        if number % 3 > 0 {
            socket.send("2probe").await;
            assert_eq!(socket.packet().await, "3probe");
        }
        drop(socket);
        metric_becomes(&server, FAILED, number).await;
        session.details().await;
    }
    let mut socket = session.upgrade().await;
    socket.request(json!({"event": "detailsView"}), 31).await;
}

#[tokio::test]
async fn a_session_that_closes_takes_its_half_upgrade_with_it() {
    let server = Binary::demo();
    for probes in [false, true] {
        let mut session = Session::greeted(server.address, Version::V4).await;
        let mut socket = session.socket().await;
        if probes {
            socket.send("2probe").await;
            assert_eq!(socket.packet().await, "3probe");
        }
        session.post("1").await;
        socket.closed().await;
        session.assert_unknown().await;
        metric_becomes(&server, SESSIONS, 0).await;
    }
}

#[tokio::test]
async fn messages_that_come_meanwhile_are_not_lost_with_the_socket() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let mut ann = Session::greeted(server.address, Version::V4).await;
    ann.join("defaultRoom").await;
    for round in 0..10 {
        let mut socket = ann.socket().await;
        bob.say("defaultRoom", format!("{round} before the probe"))
            .await;
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        bob.say("defaultRoom", format!("{round} after the probe"))
            .await;
        drop(socket);
        bob.say("defaultRoom", format!("{round} after the end"))
            .await;
        for expected in ["before the probe", "after the probe", "after the end"] {
            let said = ann.hears().await;
            assert_eq!(said["message"], format!("{round} {expected}"));
        }
        // The place is free for the next.
        metric_becomes(&server, FAILED, round + 1).await;
    }
}
