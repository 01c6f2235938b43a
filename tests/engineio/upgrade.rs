//! From polling to a WebSocket (docs/protocol/engineio.md#upgrade).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::raw::{self, Raw, TEXT};
use crate::support::engineio::{Opening, PRIMUS, Packet, Session, Socket, Version};
use crate::support::{Binary, within};
use crate::{MOMENT, SESSIONS, closed_for, echo, metric, metric_becomes};

const DETAILS: &str = "4{\"event\":\"detailsView\"}";

/// A socket that has probed.
async fn probed(session: &Session) -> Socket {
    let mut socket = session.socket().await;
    socket.send("2probe").await;
    assert_eq!(socket.packet().await, "3probe");
    socket
}

#[tokio::test]
async fn the_five_steps() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        session.start_poll().await;
        let mut socket = session.socket().await;
        // No open packet: the answer to the probe is the first thing on it.
        socket.send("2probe").await;
        assert_eq!(socket.packet().await, "3probe");
        let released = session.polled().await;
        assert_eq!(session.packets(&released), ["6"]);
        socket.send("5").await;
        let answer = socket.request(json!({"event": "detailsView"}), 1).await;
        assert_eq!(answer["status"], "OK");
    }
    assert_eq!(
        metric(&server, "stellar_upgrades_total{result=\"upgraded\"}").await,
        2
    );
}

#[tokio::test]
async fn gets_behave_as_usual_until_the_probe() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.start_poll().await;
    let _socket = session.socket().await;
    // Held for longer than it would be after a probe.
    tokio::time::sleep(2 * MOMENT).await;
    assert!(session.is_held());
    session.post(DETAILS).await;
    let reply = session.polled().await;
    assert!(
        reply.text().contains("\"messageCount\":1"),
        "{}",
        reply.text()
    );
    session.start_poll().await;
    tokio::time::sleep(2 * MOMENT).await;
    assert!(session.is_held());
}

#[tokio::test]
async fn a_get_is_released_within_100_ms_from_the_probe_on() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let _socket = probed(&session).await;
    let mut soonest = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        assert_eq!(session.poll().await, ["6"]);
        soonest = soonest.min(began.elapsed());
    }
    assert!(soonest < Duration::from_millis(200), "{soonest:?}");
}

#[tokio::test]
async fn waiting_for_the_switch_is_no_busy_loop() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let _socket = probed(&session).await;
    let began = Instant::now();
    let mut answers = 0;
    while began.elapsed() < Duration::from_secs(2) {
        assert_eq!(session.poll().await, ["6"]);
        answers += 1;
    }
    // One each 100 ms, and a few for what a timer may be early by.
    assert!((5..=25).contains(&answers), "{answers} answers in 2 s");
}

#[tokio::test]
async fn until_the_switch_messages_come_by_polling_and_at_once() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let mut socket = probed(&session).await;
    for number in 1..=5 {
        session.post(DETAILS).await;
        let packets = session.poll().await;
        let answer: Value = serde_json::from_str(packets[0].as_message().unwrap()).unwrap();
        assert_eq!(
            (packets.len(), &answer["messageCount"]),
            (1, &json!(number))
        );
    }
    socket.send("5").await;
    // Nothing of that comes twice.
    socket.send(DETAILS).await;
    assert_eq!(socket.next_json().await["messageCount"], 6);
}

#[tokio::test]
async fn what_waits_at_the_switch_goes_to_the_socket_first() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let mut socket = probed(&session).await;
    for _ in 0..10 {
        session.post(DETAILS).await;
    }
    socket.send("5").await;
    socket.send(DETAILS).await;
    for number in 1..=11 {
        assert_eq!(socket.next_json().await["messageCount"], number);
    }
}

#[tokio::test]
async fn the_connection_stays_the_same() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.join("defaultRoom").await;
    let before = session.details().await;
    let mut socket = session.upgrade().await;
    // No second greeting, the same id and rooms, and numbers that go on.
    let answer = socket.request(json!({"event": "detailsView"}), 3).await;
    assert_eq!(answer["data"], before);
    bob.say("defaultRoom", "hello").await;
    assert_eq!(socket.next_json().await["message"], "hello");
    assert_eq!(metric(&server, SESSIONS).await, 1);
}

#[tokio::test]
async fn after_the_switch_polling_is_over_and_the_session_is_not() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        let mut socket = session.upgrade().await;
        // A round trip: the switch is behind it.
        socket.request(json!({"event": "detailsView"}), 1).await;
        assert_eq!(session.fault().await, (400, 3));
        let payload = version.payload(&[Packet::Text(DETAILS.to_owned())]);
        assert_eq!(session.post_reply(payload).await.fault(), (400, 3));
        let answer = socket.request(json!({"event": "detailsView"}), 2).await;
        assert_eq!(answer["status"], "OK");
    }
}

#[tokio::test]
async fn a_second_socket_after_the_switch_is_closed_and_the_session_lives() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        let mut socket = session.upgrade().await;
        socket.request(json!({"event": "detailsView"}), 1).await;
        for text in ["2probe", "5", "4{\"event\":\"quit\"}", "1"] {
            let mut second = session.socket().await;
            second.try_send(text).await;
            assert_eq!(second.next().await, None, "{text}");
            // Closed as Node closes it: without a code.
            assert_eq!(second.closed().await, 1005);
        }
        socket.request(json!({"event": "detailsView"}), 2).await;
    }
}

#[tokio::test]
async fn a_second_socket_meanwhile_is_closed_and_the_first_goes_on() {
    let server = Binary::demo();
    for probes in [false, true] {
        let mut session = Session::greeted(server.address, Version::V4).await;
        let mut socket = session.socket().await;
        if probes {
            socket.send("2probe").await;
            assert_eq!(socket.packet().await, "3probe");
        }
        let mut second = session.socket().await;
        second.try_send("5").await;
        assert_eq!(second.next().await, None);
        assert_eq!(second.closed().await, 1005);
        if !probes {
            socket.send("2probe").await;
            assert_eq!(socket.packet().await, "3probe");
        }
        session.details().await;
        socket.send("5").await;
        socket.request(json!({"event": "detailsView"}), 2).await;
    }
}

/// One that takes no notice of the close is not waited for.
#[tokio::test]
async fn a_second_socket_that_stays_is_let_go() {
    let server = Binary::configured("[limits]\nclose_timeout_ms = 100\n");
    let mut session = Session::greeted(server.address, Version::V4).await;
    let mut socket = session.upgrade().await;
    socket.request(json!({"event": "detailsView"}), 1).await;
    let mut second = Raw::upgraded(server.address, &session.target("websocket")).await;
    assert_eq!(second.frame().await.unwrap().first, raw::CLOSE);
    assert!(second.is_closed_silently().await);
    socket.request(json!({"event": "detailsView"}), 2).await;
}

#[tokio::test]
async fn a_socket_that_does_not_wait_for_the_answer_to_its_probe() {
    let server = Binary::demo();
    for is_held in [false, true] {
        let mut session = Session::greeted(server.address, Version::V4).await;
        if is_held {
            session.start_poll().await;
            tokio::time::sleep(MOMENT).await;
        }
        let target = session.target("websocket");
        let mut socket = Raw::upgraded(server.address, &target).await;
        // One segment: probe, switch, and what comes after it.
        let frames = ["2probe", "5", DETAILS, DETAILS, DETAILS];
        let segment: Vec<u8> = frames.iter().flat_map(|it| raw::frame(TEXT, it)).collect();
        socket.write(segment).await;
        let first = socket.frame().await.unwrap();
        assert_eq!(first.payload, b"3probe");
        for number in 1..=3 {
            let frame = socket.frame().await.unwrap();
            let answer: Value = serde_json::from_slice(&frame.payload[1..]).unwrap();
            assert_eq!(answer["messageCount"], number);
        }
        if is_held {
            let reply = session.polled().await;
            assert_eq!(session.packets(&reply), ["6"]);
        }
        assert_eq!(session.fault().await, (400, 3));
    }
}

#[tokio::test]
async fn messages_in_both_directions_after_the_switch() {
    let address = echo("").await;
    let mut session = Session::open(address, Version::V4).await;
    let mut socket = session.upgrade().await;
    for number in 0..1000 {
        socket.send(&format!("4{number}")).await;
    }
    for number in 0..1000 {
        assert_eq!(socket.packet().await, Packet::message(number));
    }
    socket.send_binary(&[0, 1, 2, 255]).await;
    assert_eq!(socket.packet().await, Packet::Binary(vec![0, 1, 2, 255]));
    socket.send("4€ 😀").await;
    assert_eq!(socket.packet().await, "4€ 😀");
}

#[tokio::test]
async fn a_post_during_the_upgrade_comes_before_what_follows_on_the_socket() {
    let address = echo("").await;
    let mut session = Session::open(address, Version::V4).await;
    let mut socket = probed(&session).await;
    for number in 0..100 {
        session.send(&[Packet::message(number)]).await;
    }
    socket.send("5").await;
    for number in 100..200 {
        socket.send(&format!("4{number}")).await;
    }
    for number in 0..200 {
        assert_eq!(socket.packet().await, Packet::message(number));
    }
}

#[tokio::test]
async fn the_end_of_the_socket_is_the_end_of_the_session() {
    let server = Binary::demo();
    for orderly in [true, false] {
        let mut session = Session::greeted(server.address, Version::V4).await;
        let mut socket = session.upgrade().await;
        socket.request(json!({"event": "detailsView"}), 1).await;
        if orderly {
            socket.close().await;
        } else {
            drop(socket);
        }
        metric_becomes(&server, SESSIONS, 0).await;
        session.assert_unknown().await;
    }
    assert_eq!(metric(&server, &closed_for("peer_closed")).await, 1);
    assert_eq!(metric(&server, &closed_for("peer_gone")).await, 1);
}

#[tokio::test]
async fn a_session_of_primus_is_upgraded_alike() {
    let server = Binary::demo();
    let opening = Opening::new(server.address, Version::V4).door(PRIMUS);
    let mut session = opening.session().await;
    session.expect_welcome().await;
    let mut socket = session.upgrade().await;
    socket.send("4\"primus::id::\"").await;
    let answer = socket.packet().await;
    let id = answer.as_message().unwrap().to_owned();
    assert!(id.starts_with("\"primus::id::"), "{id}");
    let answer = socket.request(json!({"event": "detailsView"}), 1).await;
    let expected = format!("\"primus::id::{}\"", answer["data"]["id"].as_str().unwrap());
    assert_eq!(id, expected);
}

#[tokio::test]
async fn many_sessions_are_upgraded_at_once() {
    let server = Binary::demo();
    let address = server.address;
    let tasks = (0..50).map(|number| {
        tokio::spawn(async move {
            let mut session = Session::greeted(address, Version::BOTH[number % 2]).await;
            let mut socket = session.upgrade().await;
            socket.request(json!({"event": "detailsView"}), 1).await;
            socket
        })
    });
    let all = within("all of them", futures_util::future::join_all(tasks)).await;
    assert_eq!(metric(&server, SESSIONS).await, 50);
    for socket in all {
        socket.unwrap().close().await;
    }
    metric_becomes(&server, SESSIONS, 0).await;
}
