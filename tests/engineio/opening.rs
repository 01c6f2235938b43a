//! The opening request and its answer (docs/protocol/engineio.md#opening).

use std::collections::HashSet;

use serde_json::json;

use crate::support::Binary;
use crate::support::engineio::{
    ENGINE, Opening, PRIMUS, Request, Session, Version, exchange, framed,
};
use crate::{SESSIONS, metric};

/// The open packet, to the byte.
fn open_packet(sid: &str, upgrades: &str, interval: u64, timeout: u64, payload: u64) -> String {
    format!(
        "0{{\"sid\":\"{sid}\",\"upgrades\":{upgrades},\"pingInterval\":{interval},\"pingTimeout\":{timeout},\"maxPayload\":{payload}}}"
    )
}

/// The sid in a text that holds an open packet.
fn sid_in(text: &str) -> &str {
    let (_, rest) = text.split_once("\"sid\":\"").unwrap();
    rest.split('"').next().unwrap()
}

#[tokio::test]
async fn the_open_packet_has_its_five_keys_in_order() {
    let server = Binary::demo();
    for door in [ENGINE, PRIMUS] {
        for version in Version::BOTH {
            let reply = Opening::new(server.address, version).door(door);
            let reply = reply.reply().await;
            let sid = sid_in(reply.text());
            let packet = open_packet(sid, "[\"websocket\"]", 25_000, 20_000, 1_000_000);
            let expected = match version {
                Version::V4 => packet,
                Version::V3 => framed(&packet),
            };
            assert_eq!((reply.status, reply.text()), (200, &*expected), "{door}");
        }
    }
}

#[tokio::test]
async fn the_open_packet_tells_what_is_configured() {
    let server = Binary::configured(
        "[polling]\nping_interval_ms = 1234\nping_timeout_ms = 567\nmax_payload_bytes = 89012\n",
    );
    let reply = Opening::new(server.address, Version::V4).reply().await;
    let sid = sid_in(reply.text());
    let expected = open_packet(sid, "[\"websocket\"]", 1234, 567, 89_012);
    assert_eq!(reply.text(), expected);
}

#[tokio::test]
async fn the_head_of_the_opening_answer() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let reply = Opening::new(server.address, version).reply().await;
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=UTF-8")
        );
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        // Which process holds a session is not told to anybody by a cookie.
        assert_eq!(reply.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn the_greeting_comes_with_the_first_get() {
    let server = Binary::demo();
    for version in Version::BOTH {
        // The opening itself is checked to hold one packet.
        let mut session = Session::open(server.address, version).await;
        let packets = session.poll().await;
        assert_eq!(
            packets,
            ["4{\"welcome\":\"Hello human! Welcome to Stellar\",\"context\":\"api\"}"]
        );
    }
}

#[tokio::test]
async fn sids_are_24_characters_and_all_different() {
    let server = Binary::demo();
    let mut sids = HashSet::new();
    // How often each character stands at each place: none of them may be the same in all.
    let mut places = vec![HashSet::new(); 24];
    for _ in 0..200 {
        let session = Session::open(server.address, Version::V4).await;
        let sid = session.sid;
        assert_eq!(sid.len(), 24, "{sid}");
        for (place, character) in places.iter_mut().zip(sid.chars()) {
            assert!(
                character.is_ascii_alphanumeric() || "-_".contains(character),
                "{sid}"
            );
            place.insert(character);
        }
        assert!(sids.insert(sid));
    }
    // 200 draws of 64 leave no place with only a handful.
    for place in places {
        assert!(place.len() > 32, "{place:?}");
    }
}

#[tokio::test]
async fn the_public_id_is_another_one() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let id = session.details().await["id"].clone();
    let id = id.as_str().unwrap();
    assert!(!id.is_empty());
    assert!(!id.contains(&session.sid) && !session.sid.contains(id));
}

#[tokio::test]
async fn what_the_query_holds_besides_is_ignored() {
    let server = Binary::demo();
    for pair in [
        "t=P4x_z9A",
        "t=1&t=2",
        "x=y&z",
        "b64=1",
        "sid2=x",
        "%20=%20",
        "&&",
    ] {
        let opening = Opening::new(server.address, Version::V4).query(pair);
        let mut session = opening.session().await;
        session.expect_welcome().await;
    }
}

#[tokio::test]
async fn the_keys_may_come_in_any_order_and_encoded() {
    let server = Binary::demo();
    for query in [
        "transport=polling&EIO=4",
        "t=x&EIO=4&a=b&transport=polling",
        "EIO=%34&transport=%70olling",
    ] {
        let request = Request::get(&format!("{ENGINE}?{query}"));
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.status, 200, "{query}");
        assert!(reply.text().starts_with("0{\"sid\":"), "{query}");
    }
}

#[tokio::test]
async fn one_session_is_one_connection() {
    let server = Binary::demo();
    assert_eq!(metric(&server, SESSIONS).await, 0);
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.details().await;
    let _other = Session::open(server.address, Version::V3).await;
    assert_eq!(metric(&server, SESSIONS).await, 2);
}

#[tokio::test]
async fn no_upgrade_is_offered_where_there_is_no_websocket() {
    let server = Binary::serve(&["--demo", "--transport", "polling"], "");
    for version in Version::BOTH {
        let opening = Opening::new(server.address, version);
        let reply = opening.reply().await;
        let sid = sid_in(reply.text());
        let packet = open_packet(sid, "[]", 25_000, 20_000, 1_000_000);
        assert!(reply.text().ends_with(&packet), "{}", reply.text());

        // It is not there for who asks for it all the same, first or later.
        let session = Session::open(server.address, version).await;
        for target in [opening.target("websocket"), session.target("websocket")] {
            let reply = exchange(server.address, &Request::get(&target)).await;
            assert_eq!(reply.fault(), (400, 0));
            let handshake = crate::support::engineio::socket::handshake(&target);
            let reply = exchange(server.address, &handshake).await;
            assert_eq!(reply.status, 400);
            assert!(String::from_utf8_lossy(&reply.body).contains("Transport unknown"));
        }
        let mut session = session;
        session.expect_welcome().await;
        session.details().await;
    }
}

#[tokio::test]
async fn polling_alone_says_so_at_the_doors_of_websocket() {
    let server = Binary::serve(&["--demo", "--transport", "polling"], "");
    for path in ["/primus", "/ws"] {
        let request = crate::support::engineio::socket::handshake(path);
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.status, 400, "{path}");
        let told = reply.json()["error"].clone();
        let told = told.as_str().unwrap();
        assert!(
            told.starts_with("the transport `ws` is not open on this server; open: polling ("),
            "{told}"
        );
    }
}

#[tokio::test]
async fn without_polling_the_doors_say_what_is_open() {
    let server = Binary::serve(&["--demo", "--transport", "ws"], "");
    for path in [
        "/engine.io/?EIO=4&transport=polling",
        "/engine.io/?EIO=3&transport=polling",
        "/primus/?EIO=4&transport=polling",
        "/primus/?EIO=4&transport=websocket",
    ] {
        for method in ["GET", "POST"] {
            let reply = exchange(server.address, &Request::new(method, path)).await;
            assert_eq!(reply.status, 400, "{method} {path}");
            assert_eq!(reply.header("content-type"), Some("application/json"));
            let answer = reply.json();
            assert_eq!(answer["code"], 0);
            assert_eq!(answer["message"], "Transport unknown");
            assert_eq!(
                answer["error"],
                json!(
                    "the transport `polling` is not open on this server; open: ws (/primus, /ws)"
                )
            );
        }
    }
}

#[tokio::test]
async fn both_transports_are_open_by_default() {
    let server = Binary::demo();
    server.primus().await.details().await;
    server.plain().await.details().await;
    for door in [ENGINE, PRIMUS] {
        let opening = Opening::new(server.address, Version::V4).door(door);
        let mut session = opening.session().await;
        session.details().await;
    }
}

#[tokio::test]
async fn the_order_of_transports_makes_no_difference_to_who_may_come_in() {
    for transports in ["ws,polling", "polling,ws"] {
        let server = Binary::serve(&["--demo", "--transport", transports], "");
        server.primus().await.details().await;
        let mut session = Session::greeted(server.address, Version::V4).await;
        assert_eq!(session.offer["upgrades"], json!(["websocket"]));
        let mut socket = session.upgrade().await;
        socket.request(json!({"event": "detailsView"}), 1).await;
    }
}
