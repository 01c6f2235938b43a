//! Clients that say less than the protocol wants: no version, an old one, an empty sid
//! (docs/protocol/engineio.md#requests).

use serde_json::{Value, json};

use crate::support::Binary;
use crate::support::engineio::{
    ENGINE, PRIMUS, Packet, Request, Session, Socket, Version, exchange,
};
use crate::support::socketio::DOOR;
use crate::{SESSIONS, metric};

/// What stands for version 3 in the queries of its clients.
const THIRD: [&str; 6] = ["", "EIO=2&", "EIO=3&", "EIO=&", "EIO&", "eio=4&"];

/// The data of an open packet.
fn offer(packet: &Packet) -> Value {
    let Packet::Text(packet) = packet else {
        panic!("an open packet is text");
    };
    serde_json::from_str(packet.strip_prefix('0').expect("an open packet")).unwrap()
}

#[tokio::test]
async fn who_names_no_version_or_the_second_is_taken_for_the_third() {
    let server = Binary::demo();
    for door in [ENGINE, DOOR] {
        for version in THIRD {
            let target = format!("{door}?{version}transport=polling");
            let reply = exchange(server.address, &Request::get(&target)).await;
            assert_eq!(reply.status, 200, "{target}");
            // With the lengths of version 3.
            let packets = Version::V3.packets(reply.text());
            assert_eq!(offer(&packets[0])["upgrades"], json!(["websocket"]));

            let target = format!("{door}?{version}transport=websocket");
            let socket = Socket::connect(server.address, &target, &[]).await;
            let mut socket = socket.unwrap_or_else(|(reply, _)| panic!("{target}: {reply:?}"));
            assert_eq!(offer(&socket.packet().await)["upgrades"], json!([]));
            // In version 3 clients ping, and the server answers.
            socket.send("2").await;
            while socket.packet().await != "3" {}
        }
    }
}

#[tokio::test]
async fn at_the_door_of_primus_it_is_the_version_that_tells_engineio() {
    let server = Binary::demo();
    for version in ["EIO=2&", "EIO=3&", "EIO=&"] {
        let target = format!("{PRIMUS}?{version}transport=polling");
        let reply = exchange(server.address, &Request::get(&target)).await;
        assert_eq!(reply.status, 200, "{target}");
        offer(&Version::V3.packets(reply.text())[0]);
    }
    // Without one it is the door of `ws`, whatever else is said.
    let target = format!("{PRIMUS}?transport=websocket");
    let mut socket = Socket::connect(server.address, &target, &[]).await.unwrap();
    let greeting = socket.packet().await;
    assert!(
        matches!(&greeting, Packet::Text(text) if text.starts_with("{\"welcome\":")),
        "{greeting:?}"
    );
    let target = format!("{PRIMUS}?transport=polling");
    let reply = exchange(server.address, &Request::get(&target)).await;
    assert_eq!(reply.status, 426);
}

#[tokio::test]
async fn a_whole_session_without_a_version() {
    let server = Binary::demo();
    let target = format!("{ENGINE}?transport=polling");
    let reply = exchange(server.address, &Request::get(&target)).await;
    let offer = offer(&Version::V3.packets(reply.text())[0]);
    let sid = offer["sid"].as_str().unwrap();
    let target = format!("{target}&sid={sid}");
    let details = Packet::message(json!({"event": "detailsView"}));
    let post = Request::post(&target, Version::V3.payload(&[details]));
    assert_eq!(exchange(server.address, &post).await.text(), "ok");
    let mut packets = Vec::new();
    while packets.len() < 2 {
        let reply = exchange(server.address, &Request::get(&target)).await;
        packets.extend(Version::V3.packets(reply.text()));
    }
    assert!(
        packets[1]
            .as_message()
            .unwrap()
            .contains("\"messageCount\":1")
    );
    let target = format!("{ENGINE}?transport=websocket&sid={sid}");
    let mut socket = Socket::connect(server.address, &target, &[]).await.unwrap();
    socket.send("2probe").await;
    assert_eq!(socket.packet().await, "3probe");
    socket.send("5").await;
    socket.request(json!({"event": "detailsView"}), 2).await;
}

#[tokio::test]
async fn an_empty_sid_opens_a_session() {
    let server = Binary::demo();
    for door in [ENGINE, PRIMUS, DOOR] {
        for version in Version::BOTH {
            for sid in ["sid=", "sid"] {
                let query = format!("EIO={}&{sid}", version.number());
                let target = format!("{door}?{query}&transport=polling");
                let reply = exchange(server.address, &Request::get(&target)).await;
                assert_eq!(reply.status, 200, "{target}");
                offer(&version.packets(reply.text())[0]);
                // As without one, only by GET.
                let reply = exchange(server.address, &Request::post(&target, "4{}")).await;
                assert_eq!(reply.fault(), (400, 2), "{target}");

                let target = format!("{door}?{query}&transport=websocket");
                let socket = Socket::connect(server.address, &target, &[]).await;
                let mut socket = socket.unwrap_or_else(|(reply, _)| panic!("{target}: {reply:?}"));
                offer(&socket.packet().await);
            }
        }
    }
}

#[tokio::test]
async fn a_sid_that_is_empty_twice_is_invalid() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    for sid in [
        "sid=&sid=".to_owned(),
        format!("sid=&sid={}", session.sid),
        format!("sid={}&sid", session.sid),
    ] {
        let target = format!("{ENGINE}?EIO=4&transport=polling&{sid}");
        let reply = exchange(server.address, &Request::get(&target)).await;
        assert_eq!(reply.fault(), (400, 1), "{sid}");
    }
    session.details().await;
    assert_eq!(metric(&server, SESSIONS).await, 1);
}
