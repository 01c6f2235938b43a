//! Which doors are open: those of this transport are polling, WebSocket and the way from one to the other.

use serde_json::Value;

use crate::support::Binary;
use crate::support::engineio::{Opening, Request, Version, exchange};
use crate::support::socketio::{Kind, Peer};
use crate::web;

/// Whether clients of every kind can connect.
async fn all_connect(server: &Binary) {
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.details().await;
    }
}

#[tokio::test]
async fn everything_is_open_unless_something_else_is_said() {
    let server = Binary::demo();
    all_connect(&server).await;
    server.primus().await.details().await;
    server.plain().await.details().await;
    let engine = Opening::new(server.address, Version::V4);
    engine.session().await.expect_welcome().await;
}

#[tokio::test]
async fn it_is_whole_whatever_else_is_open() {
    for transports in ["socketio", "socketio,ws", "polling,socketio"] {
        let server = Binary::serve(&["--demo", "--transport", transports], "");
        all_connect(&server).await;
    }
}

#[tokio::test]
async fn alone_it_opens_no_other_door() {
    let server = Binary::serve(&["--demo", "--transport", "socketio"], "");
    for (path, transport) in [
        ("/engine.io/?EIO=4&transport=polling", "polling"),
        ("/primus/?EIO=4&transport=polling", "polling"),
        ("/primus", "ws"),
        ("/ws", "ws"),
    ] {
        let reply = web::get(server.address, path).await;
        assert_eq!(reply.status, 400, "{path}");
        let expected = format!(
            "the transport `{transport}` is not open on this server; open: socketio (/socket.io)"
        );
        assert_eq!(reply.json()["error"], expected);
    }
}

#[tokio::test]
async fn closed_it_says_what_is_open() {
    let server = Binary::serve(&["--demo", "--transport", "ws"], "");
    for query in [
        "?EIO=4&transport=polling",
        "?EIO=3&transport=polling",
        "?EIO=4&transport=websocket",
        "",
    ] {
        let request = Request::get(&format!("/socket.io/{query}"));
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.fault(), (400, 0), "{query}");
        let expected =
            "the transport `socketio` is not open on this server; open: ws (/primus, /ws)";
        assert_eq!(reply.json()["error"], expected);
    }
}

#[tokio::test]
async fn sids_of_one_door_are_none_at_another() {
    let server = Binary::demo();
    let mut ann = Peer::connected(server.address, Kind::PLAIN[0]).await;
    let engine = Opening::new(server.address, Version::V4);
    let mut other = engine.clone().session().await;
    other.expect_welcome().await;
    let here = format!("{}&sid={}", engine.target("polling"), ann.secret);
    let there = ann.session().target("polling");
    let there = there.replace(&ann.secret, &other.sid);
    for target in [here, there] {
        for request in [Request::get(&target), Request::post(&target, "1")] {
            let reply = exchange(server.address, &request).await;
            assert_eq!(reply.fault(), (400, 1), "{target}");
        }
    }
    ann.details().await;
    other.details().await;
}

#[tokio::test]
async fn the_announcement_and_the_spec_name_it() {
    let server = Binary::demo();
    let told = server.announcement.join("\n");
    assert!(told.contains("/socket.io"), "{told}");
}

#[tokio::test]
async fn paths_below_the_door_are_the_door() {
    let server = Binary::demo();
    for path in ["/socket.io", "/socket.io/", "/socket.io/any/thing"] {
        let request = Request::get(&format!("{path}?EIO=4&transport=polling"));
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.text().starts_with("0{\"sid\":"), "{path}");
    }
    for path in ["/socket.iox/", "/socket.io.js", "/SOCKET.IO/"] {
        let request = Request::get(&format!("{path}?EIO=4&transport=polling"));
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.status, 404, "{path}");
    }
}

#[tokio::test]
async fn limits_of_this_transport_are_its_own() {
    let server = Binary::configured("[socketio]\nmax_sessions = 2\n[polling]\nmax_sessions = 1\n");
    let mut peers = Vec::new();
    for kind in [Kind::PLAIN[0], Kind::PLAIN[3]] {
        peers.push(Peer::connected(server.address, kind).await);
    }
    for version in Version::BOTH {
        let reply = crate::support::socketio::opening(server.address, version);
        let reply = reply.reply().await;
        let expected = "{\"code\":4,\"message\":\"too many sessions\"}";
        assert_eq!((reply.status, reply.text()), (503, expected));
    }
    let counted = "stellar_handshakes_refused_total{reason=\"max_sessions\"}";
    assert_eq!(crate::metric(&server, counted).await, 2);
    let engine = Opening::new(server.address, Version::V4);
    engine.session().await.expect_welcome().await;
    for peer in &mut peers {
        peer.details().await;
    }
    // Places come back.
    assert_eq!(peers[0].rest_after("41").await, [""; 0]);
    crate::metric_becomes(&server, crate::CONNECTED, 1).await;
    let mut ann = Peer::connected(server.address, Kind::PLAIN[1]).await;
    let answer = ann.call("detailsView", Value::Null).await;
    assert_eq!(answer["messageCount"], 1);
}

#[tokio::test]
async fn sessions_of_one_address_are_limited() {
    let server = Binary::configured("[socketio]\nmax_sessions_per_address = 2\n");
    let from = |address: &str| {
        let opening = crate::support::socketio::opening(server.address, Version::V4);
        opening.header("X-Forwarded-For", address)
    };
    let _sessions = [
        from("192.0.2.1").session().await,
        from("192.0.2.1").session().await,
    ];
    let reply = from("192.0.2.1").reply().await;
    let expected = "{\"code\":4,\"message\":\"too many sessions from this address\"}";
    assert_eq!((reply.status, reply.text()), (429, expected));
    assert_eq!(from("192.0.2.2").reply().await.status, 200);
}
