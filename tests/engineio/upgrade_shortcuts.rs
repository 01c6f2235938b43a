//! Upgrades by clients that do not probe, or have something behind their `5`: ElephantIO, BestHTTP, libraries for
//! Arduino (docs/protocol/engineio.md#upgrade).

use serde_json::{Value, json};

use crate::raw::{self, Raw, TEXT};
use crate::support::Binary;
use crate::support::engineio::{
    ENGINE, Opening, PRIMUS, Packet, Request, Session, Version, exchange,
};
use crate::support::socketio::{DOOR, WELCOME, opening};
use crate::{SESSIONS, echo, metric, metric_becomes};

const DETAILS: &str = "4{\"event\":\"detailsView\"}";
const UPGRADED: &str = "stellar_upgrades_total{result=\"upgraded\"}";

/// Every text that says that the socket takes over.
const SWITCHES: [&str; 8] = ["5", "52", "5probe", "5 ", "5{}", "55", "5€", "5\u{0}"];

/// What may come before it.
const BEFORE: [&[&str]; 3] = [&[], &["2probe"], &["2probe", "2probe"]];

#[tokio::test]
async fn any_text_that_begins_with_5_is_the_switch() {
    let server = Binary::demo();
    let mut count = 0;
    for door in [ENGINE, PRIMUS] {
        for version in Version::BOTH {
            for before in BEFORE {
                for switch in SWITCHES {
                    let opening = Opening::new(server.address, version).door(door);
                    let mut session = opening.session().await;
                    session.expect_welcome().await;
                    let mut socket = session.socket().await;
                    for probe in before {
                        socket.send(probe).await;
                        assert_eq!(socket.packet().await, "3probe");
                    }
                    socket.send(switch).await;
                    let answer = socket.request(json!({"event": "detailsView"}), 1).await;
                    assert_eq!(answer["status"], "OK", "{door} {before:?} {switch:?}");
                    count += 1;
                }
            }
        }
    }
    assert_eq!(metric(&server, UPGRADED).await, count);
}

#[tokio::test]
async fn a_get_that_is_held_is_let_go() {
    let server = Binary::demo();
    for version in Version::BOTH {
        for switch in ["5", "52"] {
            let mut session = Session::greeted(server.address, version).await;
            session.start_poll().await;
            let mut socket = session.socket().await;
            socket.send(switch).await;
            // A round trip on the socket: the switch is behind it, whenever the GET came.
            socket.request(json!({"event": "detailsView"}), 1).await;
            let reply = session.polled().await;
            let is_noop = reply.status == 200 && session.packets(&reply) == ["6"];
            // It may have come after the switch, too.
            assert!(is_noop || reply.fault() == (400, 3), "{reply:?}");
            assert_eq!(session.fault().await, (400, 3));
        }
    }
}

#[tokio::test]
async fn what_comes_in_the_same_segment_is_read() {
    let server = Binary::demo();
    for version in Version::BOTH {
        for frames in [
            &["5", DETAILS, DETAILS, DETAILS][..],
            &["52", DETAILS, DETAILS, DETAILS],
            &["2probe", "52", DETAILS, DETAILS, DETAILS],
        ] {
            let session = Session::greeted(server.address, version).await;
            let target = session.target("websocket");
            let mut socket = Raw::upgraded(server.address, &target).await;
            let segment: Vec<u8> = frames.iter().flat_map(|it| raw::frame(TEXT, it)).collect();
            socket.write(segment).await;
            if frames[0] == "2probe" {
                assert_eq!(socket.frame().await.unwrap().payload, b"3probe");
            }
            for number in 1..=3 {
                let frame = socket.frame().await.unwrap();
                let answer: Value = serde_json::from_slice(&frame.payload[1..]).unwrap();
                assert_eq!(answer["messageCount"], number, "{frames:?}");
            }
        }
    }
}

/// Even the handshake may be in it.
#[tokio::test]
async fn what_comes_with_the_handshake_is_read() {
    let server = Binary::demo();
    let session = Session::greeted(server.address, Version::V4).await;
    let mut segment = raw::handshake(&session.target("websocket"), "").into_bytes();
    for text in ["5", DETAILS] {
        segment.extend(raw::frame(TEXT, text));
    }
    let mut socket = Raw::connect(server.address).await;
    socket.write(segment).await;
    assert_eq!(socket.head().await.status, 101);
    let frame = socket.frame().await.unwrap();
    assert!(frame.payload.starts_with(b"4{"));
}

#[tokio::test]
async fn what_waits_comes_first_and_once() {
    let address = echo("").await;
    for version in Version::BOTH {
        let mut session = Session::open(address, version).await;
        for number in 0..50 {
            session.send(&[Packet::message(number)]).await;
        }
        let mut socket = session.socket().await;
        socket.send("52").await;
        for number in 50..100 {
            socket.send(&format!("4{number}")).await;
        }
        for number in 0..100 {
            assert_eq!(socket.packet().await, Packet::message(number));
        }
    }
}

#[tokio::test]
async fn what_is_said_before_the_switch_ends_the_socket_alone() {
    let server = Binary::demo();
    for (number, text) in ["2", "3probe", "4hello", "45", " 5", "b5", "05", "1", ""]
        .into_iter()
        .enumerate()
    {
        let mut session = Session::greeted(server.address, Version::V4).await;
        let mut socket = session.socket().await;
        socket.try_send(text).await;
        socket.try_send("5").await;
        assert_eq!(socket.next().await, None, "{text:?}");
        let failed = "stellar_upgrades_total{result=\"failed\"}";
        metric_becomes(&server, failed, number as u64 + 1).await;
        session.details().await;
    }
    assert_eq!(metric(&server, UPGRADED).await, 0);
}

/// To the request, what ElephantIO does: it opens by polling, takes the answer, and never probes.
#[tokio::test]
async fn elephantio_comes_in() {
    let server = Binary::demo();
    for version in Version::BOTH {
        for switch in ["5", "52"] {
            let opening = opening(server.address, version);
            let reply = opening.reply().await;
            let packets = version.packets(reply.text());
            let Packet::Text(open) = &packets[0] else {
                panic!("an open packet is text");
            };
            let offer: Value = serde_json::from_str(&open[1..]).unwrap();
            let sid = offer["sid"].as_str().unwrap();
            let polling = format!("{}&sid={sid}", opening.target("polling"));
            let connected = match version {
                Version::V4 => {
                    let post = Request::post(&polling, "40");
                    assert_eq!(exchange(server.address, &post).await.text(), "ok");
                    "40{\"sid\":"
                }
                Version::V3 => "40",
            };
            let reply = exchange(server.address, &Request::get(&polling)).await;
            let mut packets = version.packets(reply.text());
            if packets.len() == 1 {
                let reply = exchange(server.address, &Request::get(&polling)).await;
                packets.extend(version.packets(reply.text()));
            }
            assert!(
                matches!(&packets[0], Packet::Text(text) if text.starts_with(connected)),
                "{packets:?}"
            );
            assert_eq!(packets[1], WELCOME);
            let target = format!(
                "{DOOR}?sid={sid}&EIO={}&transport=websocket&use_b64=0",
                version.number()
            );
            let mut socket = Raw::upgraded(server.address, &target).await;
            socket.send(TEXT, switch).await;
            socket
                .send(TEXT, "420[\"roomAdd\",{\"room\":\"defaultRoom\"}]")
                .await;
            let answer = socket.frame().await.unwrap();
            assert_eq!(
                String::from_utf8(answer.payload).unwrap(),
                "430[{\"status\":\"OK\",\"context\":\"response\",\"data\":true,\"messageCount\":1}]"
            );
        }
    }
    let socketio = SESSIONS.replace("polling", "socketio");
    metric_becomes(&server, &socketio, 0).await;
}
