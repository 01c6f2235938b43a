//! Who pings, when, and what silence leads to (docs/protocol/engineio.md#heartbeat).

use std::time::{Duration, Instant};

use crate::support::engineio::{Opening, PRIMUS, Packet, Session, Version};
use crate::support::{Binary, within};
use crate::{
    INTERVAL, PATIENT, PATIENT_TIMEOUT, QUICK, SESSIONS, SLACK, TIMEOUT, closed_for, metric,
    metric_becomes,
};

/// More than a tick of the server's clock, by which it may be early.
const TICK: Duration = Duration::from_millis(50);

/// Waits until the server knows the session no more, without making a request that counts as a sign of life, and
/// returns how long that took.
async fn reaped(server: &Binary, since: Instant) -> Duration {
    metric_becomes(server, SESSIONS, 0).await;
    since.elapsed()
}

#[tokio::test]
async fn the_first_ping_comes_one_interval_after_the_opening() {
    let server = Binary::configured(PATIENT);
    for _ in 0..5 {
        let before = Instant::now();
        let mut session = Session::greeted(server.address, Version::V4).await;
        assert_eq!(session.poll().await, ["2"]);
        let waited = before.elapsed();
        assert!(waited >= INTERVAL, "{waited:?}");
        assert!(waited < INTERVAL + SLACK, "{waited:?}");
    }
}

#[tokio::test]
async fn each_pong_is_followed_by_a_ping_one_interval_later() {
    let server = Binary::configured(PATIENT);
    let mut session = Session::greeted(server.address, Version::V4).await;
    assert_eq!(session.poll().await, ["2"]);
    for _ in 0..5 {
        let before = Instant::now();
        session.post("3").await;
        assert_eq!(session.poll().await, ["2"]);
        let waited = before.elapsed();
        assert!(waited >= INTERVAL - TICK, "{waited:?}");
        assert!(waited < INTERVAL + SLACK, "{waited:?}");
    }
    session.post("3").await;
    session.details().await;
}

#[tokio::test]
async fn a_ping_without_a_pong_closes_after_the_timeout() {
    let server = Binary::configured(QUICK);
    let before = Instant::now();
    let mut session = Session::greeted(server.address, Version::V4).await;
    assert_eq!(session.poll().await, ["2"]);
    let waited = reaped(&server, before).await;
    assert!(waited >= INTERVAL + TIMEOUT, "{waited:?}");
    assert!(waited < INTERVAL + TIMEOUT + SLACK, "{waited:?}");
    session.assert_unknown().await;
    assert_eq!(metric(&server, &closed_for("heartbeat_missed")).await, 1);
}

#[tokio::test]
async fn asking_for_more_is_no_pong() {
    let server = Binary::configured(QUICK);
    let before = Instant::now();
    let mut session = Session::greeted(server.address, Version::V4).await;
    assert_eq!(session.poll().await, ["2"]);
    session.start_poll().await;
    // The held GET ends with the session, and not with a second ping.
    let reply = session.polled().await;
    let waited = before.elapsed();
    assert!(waited >= INTERVAL + TIMEOUT, "{waited:?}");
    assert!(waited < INTERVAL + TIMEOUT + SLACK, "{waited:?}");
    if reply.status == 200 {
        assert_eq!(session.packets(&reply), ["1"]);
    }
    session.assert_unknown().await;
}

#[tokio::test]
async fn a_session_that_nobody_polls_is_closed() {
    let server = Binary::configured(QUICK);
    for version in Version::BOTH {
        let before = Instant::now();
        let session = Session::open(server.address, version).await;
        let waited = reaped(&server, before).await;
        assert!(waited >= INTERVAL + TIMEOUT, "{version:?} {waited:?}");
        session.assert_unknown().await;
    }
    assert_eq!(metric(&server, &closed_for("heartbeat_missed")).await, 2);
}

#[tokio::test]
async fn a_client_that_answers_is_kept() {
    let server = Binary::configured(PATIENT);
    let mut session = Session::greeted(server.address, Version::V4).await;
    let began = Instant::now();
    // Without an answer it would have ended in half of that time.
    while began.elapsed() < 2 * (INTERVAL + PATIENT_TIMEOUT) {
        assert_eq!(session.poll().await, ["2"]);
        session.post("3").await;
    }
    assert_eq!(session.details().await["totalActions"], 0);
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_is_ignored() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    for body in ["3", "3\u{1e}3\u{1e}3", "3probe", "3 and more"] {
        session.post(body).await;
    }
    session.details().await;

    // Nor does it stand for a later one.
    let server = Binary::configured(QUICK);
    let before = Instant::now();
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.post("3\u{1e}3\u{1e}3").await;
    assert_eq!(session.poll().await, ["2"]);
    let waited = reaped(&server, before).await;
    assert!(waited < INTERVAL + TIMEOUT + SLACK, "{waited:?}");
}

#[tokio::test]
async fn a_heartbeat_in_the_wrong_direction_closes() {
    let server = Binary::demo();
    for (version, text) in [
        (Version::V4, "2"),
        (Version::V4, "2probe"),
        (Version::V3, "3"),
        (Version::V3, "3probe"),
    ] {
        let mut session = Session::greeted(server.address, version).await;
        let payload = version.payload(&[Packet::Text(text.to_owned())]);
        // As a payload there is nothing wrong with it, so the POST itself may have been taken.
        let reply = session.post_reply(payload).await;
        assert!(
            reply.status == 200 || reply.fault() == (400, 3),
            "{version:?} {text}: {}",
            reply.status
        );
        let reply = session.poll_reply().await;
        if reply.status == 200 {
            assert_eq!(session.packets(&reply), ["1"], "{version:?} {text}");
        }
        session.assert_unknown().await;
    }
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 4);
}

#[tokio::test]
async fn a_heartbeat_in_the_wrong_direction_closes_a_socket_too() {
    let server = Binary::demo();
    for (version, text) in [(Version::V4, "2"), (Version::V3, "3")] {
        let mut socket = Opening::new(server.address, version).socket().await;
        socket.send(text).await;
        socket.closed().await;
        metric_becomes(&server, SESSIONS, 0).await;
    }
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 2);
}

#[tokio::test]
async fn clients_of_v3_ping_and_get_their_data_back() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V3).await;
    for (ping, pong) in [("2", "3"), ("2probe", "3probe"), ("2€ äö", "3€ äö")] {
        session.send_text(ping).await;
        assert_eq!(session.poll().await, [pong]);
    }
    session
        .send(&[Packet::Text("2a".to_owned()), Packet::Text("2b".to_owned())])
        .await;
    assert_eq!(session.poll().await, ["3a", "3b"]);
}

#[tokio::test]
async fn clients_of_v3_are_not_pinged() {
    let server = Binary::configured(PATIENT);
    let mut session = Session::greeted(server.address, Version::V3).await;
    session.start_poll().await;
    // Nothing for three intervals but the pongs that were asked for.
    for number in 0..6 {
        tokio::time::sleep(INTERVAL / 2).await;
        assert!(session.is_held());
        session.send_text(&format!("2{number}")).await;
        let reply = session.polled().await;
        assert_eq!(session.packets(&reply), [&*format!("3{number}")]);
        session.start_poll().await;
    }
}

#[tokio::test]
async fn a_client_of_v3_that_falls_silent_is_closed() {
    let server = Binary::configured(QUICK);
    let mut session = Session::greeted(server.address, Version::V3).await;
    session.send_text("2").await;
    assert_eq!(session.poll().await, ["3"]);
    tokio::time::sleep(INTERVAL).await;
    let since = Instant::now();
    session.send_text("2").await;
    assert_eq!(session.poll().await, ["3"]);
    let waited = reaped(&server, since).await;
    assert!(waited >= INTERVAL + TIMEOUT, "{waited:?}");
    assert!(waited < INTERVAL + TIMEOUT + SLACK, "{waited:?}");
    session.assert_unknown().await;
}

#[tokio::test]
async fn a_socket_is_pinged_too() {
    let server = Binary::configured(PATIENT);
    let before = Instant::now();
    let mut socket = Opening::new(server.address, Version::V4).socket().await;
    let _open = socket.packet().await;
    let _welcome = socket.packet().await;
    for round in 1..=5 {
        assert_eq!(socket.packet().await, "2");
        let waited = before.elapsed();
        assert!(waited >= INTERVAL * round - TICK, "{round}: {waited:?}");
        socket.send("3").await;
    }
    assert_eq!(socket.packet().await, "2");
    socket.closed().await;
    let waited = before.elapsed();
    assert!(
        waited >= 6 * INTERVAL + PATIENT_TIMEOUT - TICK,
        "{waited:?}"
    );
    metric_becomes(&server, SESSIONS, 0).await;
}

#[tokio::test]
async fn a_socket_of_v3_pings_and_is_answered() {
    let server = Binary::configured(QUICK);
    let mut socket = Opening::new(server.address, Version::V3).socket().await;
    let _open = socket.packet().await;
    let _welcome = socket.packet().await;
    let mut since = Instant::now();
    for number in 0..6 {
        tokio::time::sleep(INTERVAL / 2).await;
        since = Instant::now();
        socket.send(&format!("2{number}")).await;
        assert_eq!(socket.packet().await, &*format!("3{number}"));
    }
    socket.closed().await;
    let waited = since.elapsed();
    assert!(waited >= INTERVAL + TIMEOUT - TICK, "{waited:?}");
    assert!(waited < INTERVAL + TIMEOUT + SLACK, "{waited:?}");
}

#[tokio::test]
async fn pings_go_on_during_an_upgrade() {
    let server = Binary::configured(&format!("{PATIENT}upgrade_timeout_ms = 60000\n"));
    let mut session = Session::greeted(server.address, Version::V4).await;
    let mut socket = session.socket().await;
    socket.send("2probe").await;
    assert_eq!(socket.packet().await, "3probe");
    // By polling, because the switch has not happened; noops come in between.
    for _ in 0..4 {
        within("a ping", async { while session.poll().await != ["2"] {} }).await;
        session.post("3").await;
    }
    socket.send("5").await;
    for _ in 0..4 {
        assert_eq!(socket.packet().await, "2");
        socket.send("3").await;
    }
}

#[tokio::test]
async fn an_upgrade_does_not_keep_a_silent_client_alive() {
    let config = QUICK.replace("upgrade_timeout_ms = 1000", "upgrade_timeout_ms = 60000");
    let server = Binary::configured(&config);
    let before = Instant::now();
    let session = Session::greeted(server.address, Version::V4).await;
    let mut socket = session.socket().await;
    socket.send("2probe").await;
    assert_eq!(socket.packet().await, "3probe");
    let waited = reaped(&server, before).await;
    assert!(waited < INTERVAL + TIMEOUT + SLACK, "{waited:?}");
    // Its half of an upgrade goes with it.
    socket.closed().await;
}

#[tokio::test]
async fn pings_move_to_the_socket_with_the_upgrade() {
    let server = Binary::configured(PATIENT);
    let mut session = Opening::new(server.address, Version::V4).door(PRIMUS);
    session = session.query("x=1");
    let mut session = session.session().await;
    session.expect_welcome().await;
    let mut socket = session.upgrade().await;
    for _ in 0..4 {
        assert_eq!(socket.packet().await, "2");
        socket.send("3").await;
    }
    // And so does the end of those who do not answer.
    assert_eq!(socket.packet().await, "2");
    socket.closed().await;
    session.assert_unknown().await;
}
