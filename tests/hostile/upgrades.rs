//! Handshakes that are none, or come at the wrong place.

use crate::raw::{self, KEY, Raw, TEXT};
use crate::{Arena, DOORS};

/// Where a WebSocket may begin, in every dialect.
const SOCKETS: [&str; 6] = [
    "/primus",
    "/ws",
    "/primus/?EIO=4&transport=websocket",
    "/engine.io/?EIO=3&transport=websocket",
    "/engine.io/?EIO=4&transport=websocket",
    "/socket.io/?EIO=4&transport=websocket",
];

/// Routes where nobody may switch protocols.
const CLOSED: [&str; 21] = [
    "/",
    "/index.html",
    "/nothing-here",
    "/public/simple.html",
    "/api",
    "/api/status",
    "/api/sleep?sleepDuration=0",
    "/stellar-client",
    "/stellar-client.js",
    "/stellar-client.min.js",
    "/stellar-client.mjs",
    "/healthz",
    "/readyz",
    "/metrics",
    "/primus/spec",
    "/primus/primus.js",
    "/primusfoo",
    "/wsx",
    "/primus/?EIO=4",
    "/engine.io/?EIO=4",
    "/socket.io/?EIO=4",
];

async fn answer(arena: &Arena, request: impl AsRef<[u8]>) -> raw::Answer {
    let mut client = Raw::connect(arena.address()).await;
    client.write(request).await;
    client.head().await
}

#[tokio::test]
async fn only_the_doors_switch_protocols() {
    let mut arena = Arena::demo().await;
    for route in CLOSED {
        let found = answer(&arena, raw::handshake(route, "")).await;
        assert_ne!(found.status, 101, "{route}");
        assert!(
            (200..500).contains(&found.status),
            "{route}: {}",
            found.head
        );
    }
    for route in [
        "/primus",
        "/primus/",
        "/primus?_primuscb=1",
        "/ws",
        "/ws/",
        "/ws?x=y",
    ] {
        let found = answer(&arena, raw::handshake(route, "")).await;
        assert_eq!(found.status, 101, "{route}");
        assert_eq!(
            found.header("sec-websocket-accept"),
            Some("s3pplmbitxaq9kygzzhzrbk+xoo=")
        );
        assert_eq!(found.header("sec-websocket-protocol"), None);
        assert_eq!(found.header("sec-websocket-extensions"), None);
    }
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn other_protocols_are_not_switched_to() {
    let mut arena = Arena::demo().await;
    for route in CLOSED.iter().chain(&DOORS) {
        for upgrade in [
            "h2c",
            "TLS/1.0",
            "websocketx",
            "web socket",
            "",
            ",",
            "IRC/6.9, RTA/x11",
            "\"websocket\"",
        ] {
            let request = raw::handshake(route, "")
                .replace("Upgrade: websocket", &format!("Upgrade: {upgrade}"));
            let found = answer(&arena, request).await;
            assert_ne!(found.status, 101, "{route} {upgrade}");
            if DOORS.contains(route) {
                assert_eq!(found.status, 426, "{route} {upgrade}");
            }
        }
    }
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn each_fault_of_a_handshake_has_its_answer() {
    let mut arena = Arena::demo().await;
    let key = format!("Sec-WebSocket-Key: {KEY}");
    let version = "Sec-WebSocket-Version: 13";
    for door in DOORS {
        let good = raw::handshake(door, "");
        let changed = |from: &str, to: &str| {
            assert!(good.contains(from));
            good.replace(from, to)
        };
        for (name, request, status) in [
            ("no version", changed(version, "X: y"), 400),
            (
                "an old version",
                changed(version, "Sec-WebSocket-Version: 8"),
                400,
            ),
            (
                "a version to come",
                changed(version, "Sec-WebSocket-Version: 14"),
                400,
            ),
            (
                "two versions",
                changed(version, &format!("{version}\r\n{version}")),
                400,
            ),
            (
                "a list of versions",
                changed(version, "Sec-WebSocket-Version: 13, 8"),
                400,
            ),
            ("no key", changed(&key, "X: y"), 400),
            ("an empty key", changed(KEY, ""), 400),
            ("a short key", changed(KEY, "c2hvcnQ="), 400),
            (
                "a long key",
                changed(KEY, "dGhlIHNhbXBsZSBub25jZSBpcyBsb25n"),
                400,
            ),
            (
                "a key that is no base64",
                changed(KEY, "!!!!!!!!!!!!!!!!!!!!!!=="),
                400,
            ),
            ("two keys", changed(&key, &format!("{key}\r\n{key}")), 400),
            (
                "a body",
                changed(
                    "Upgrade: websocket",
                    "Upgrade: websocket\r\nContent-Length: 5",
                ),
                400,
            ),
            (
                "chunks",
                changed(
                    "Upgrade: websocket",
                    "Upgrade: websocket\r\nTransfer-Encoding: chunked",
                ),
                400,
            ),
            ("POST", changed("GET ", "POST "), 400),
            ("HEAD", changed("GET ", "HEAD "), 400),
            ("OPTIONS", changed("GET ", "OPTIONS "), 400),
            ("HTTP/1.0", changed("HTTP/1.1", "HTTP/1.0"), 400),
            ("no Connection", changed("Connection: Upgrade", "X: y"), 426),
            (
                "another Connection",
                changed("Connection: Upgrade", "Connection: keep-alive"),
                426,
            ),
            ("no Upgrade", changed("Upgrade: websocket\r\n", ""), 426),
        ] {
            let found = answer(&arena, &request).await;
            assert_eq!(found.status, status, "{name} at {door}: {}", found.head);
            if name.contains("version") {
                assert_eq!(
                    found.header("sec-websocket-version"),
                    Some("13"),
                    "{name} at {door}"
                );
            }
            assert_eq!(found.header("sec-websocket-accept"), None);
        }
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn headers_are_read_whatever_their_case_and_place_in_lists() {
    let arena = Arena::demo().await;
    for door in DOORS {
        let request = raw::handshake(door, "")
            .replace("Upgrade: websocket", "uPGRADE: h2c, WebSocket")
            .replace("Connection: Upgrade", "connection: keep-alive, upgrade");
        assert_eq!(answer(&arena, request).await.status, 101);
        // Extensions are not taken up.
        let offers = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99, x-unknown; a=\"b\"\r\n";
        let found = answer(&arena, raw::handshake(door, offers)).await;
        assert_eq!(found.status, 101);
        assert_eq!(found.header("sec-websocket-extensions"), None);
    }
    arena.survives().await;
}

#[tokio::test]
async fn bytes_behind_the_handshake_are_frames() {
    let arena = Arena::demo().await;
    let request = raw::frame(TEXT, "{\"event\":\"detailsView\"}");
    for door in DOORS {
        // Whole frames, and the beginning of one that is finished later.
        let (early, late) = request.split_at(9);
        let mut client = Raw::connect(arena.address()).await;
        let handshake = raw::handshake(door, "").into_bytes();
        client
            .write([&handshake, &request[..], &request[..], early].concat())
            .await;
        assert_eq!(client.head().await.status, 101);
        assert!(client.packet().await["welcome"].is_string());
        assert_eq!(client.packet().await["messageCount"], 1);
        assert_eq!(client.packet().await["messageCount"], 2);
        client.write(late).await;
        assert_eq!(client.packet().await["messageCount"], 3);
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_request_behind_the_handshake_is_no_request() {
    let arena = Arena::demo().await;
    for door in DOORS {
        let mut attacker = Raw::connect(arena.address()).await;
        let hidden = "GET /api/status HTTP/1.1\r\nHost: x\r\n\r\n";
        attacker.write(raw::handshake(door, "") + hidden).await;
        assert_eq!(attacker.head().await.status, 101);
        // The letter G has a reserved bit set.
        assert_eq!(attacker.close_code().await, 1002);
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_refused_handshake_leaves_no_connection() {
    let mut arena = Arena::demo().await;
    for _ in 0..50 {
        let request = raw::handshake("/primus", "Origin: https://evil.test\r\n");
        assert_eq!(answer(&arena, request).await.status, 403);
    }
    arena.serves().await;
    assert_eq!(
        arena.metric("stellar_connections{transport=\"ws\"}").await,
        1
    );
    assert_eq!(
        arena
            .metric("stellar_handshakes_refused_total{reason=\"origin\"}")
            .await,
        50
    );
    arena.survives().await;
}

#[tokio::test]
async fn offered_subprotocols_are_answered_with_the_first() {
    let arena = Arena::demo().await;
    for door in SOCKETS {
        for (offers, expected) in [
            ("", None),
            ("Sec-WebSocket-Protocol: json\r\n", Some("json")),
            ("Sec-WebSocket-Protocol: b, a\r\n", Some("b")),
            (
                "sec-websocket-protocol: b ,\ta\r\nSec-WebSocket-Protocol: c\r\n",
                Some("b"),
            ),
            (
                "Sec-WebSocket-Protocol: stellar.bearer.hush, stellar\r\n",
                Some("stellar"),
            ),
            ("Sec-WebSocket-Protocol: stellar.bearer.hush\r\n", None),
        ] {
            let found = answer(&arena, raw::handshake(door, offers)).await;
            assert_eq!(found.status, 101, "{offers:?} at {door}");
            assert_eq!(
                found.header("sec-websocket-protocol"),
                expected,
                "{offers:?} at {door}"
            );
            assert!(!found.head.contains("hush"), "{}", found.head);
        }
        for offers in [
            "",
            ",",
            "a,",
            "a,,b",
            "a, a",
            "a b",
            "a/b",
            "\"a\"",
            "\u{e9}",
            "a\r\nSec-WebSocket-Protocol: a",
        ] {
            let header = format!("Sec-WebSocket-Protocol: {offers}\r\n");
            let found = answer(&arena, raw::handshake(door, &header)).await;
            assert_eq!(found.status, 400, "{offers:?} at {door}");
            assert_eq!(
                found.header("connection"),
                Some("close"),
                "{offers:?} at {door}"
            );
        }
        let many: Vec<_> = (0..3000).map(|number| format!("n{number}")).collect();
        let header = format!("Sec-WebSocket-Protocol: {}\r\n", many.join(","));
        let found = answer(&arena, raw::handshake(door, &header)).await;
        assert_eq!(found.header("sec-websocket-protocol"), Some("n0"), "{door}");
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_listed_subprotocol_is_answered_and_no_other() {
    let arena = Arena::configured("[access]\nsubprotocols = [\"chat.v2\", \"chat.v1\"]\n").await;
    for door in SOCKETS {
        for (offers, expected) in [
            ("json, chat.v1, chat.v2", Some("chat.v1")),
            ("chat.v2", Some("chat.v2")),
            ("json", None),
            ("CHAT.V2", None),
        ] {
            let header = format!("Sec-WebSocket-Protocol: {offers}\r\n");
            let found = answer(&arena, raw::handshake(door, &header)).await;
            assert_eq!(found.status, 101, "{offers} at {door}");
            assert_eq!(
                found.header("sec-websocket-protocol"),
                expected,
                "{offers} at {door}"
            );
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_handshake_with_a_body_is_refused_with_all_that_is_behind_it() {
    let arena = Arena::demo().await;
    let hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for door in SOCKETS {
        for (length, body) in [
            (
                format!("Content-Length: {}\r\n", hidden.len()),
                hidden.to_owned(),
            ),
            ("Content-Length: 5\r\n".to_owned(), format!("hello{hidden}")),
            (
                "Transfer-Encoding: chunked\r\n".to_owned(),
                format!("0\r\n\r\n{hidden}"),
            ),
        ] {
            let mut attacker = Raw::connect(arena.address()).await;
            attacker.write(raw::handshake(door, &length) + &body).await;
            let answer = String::from_utf8_lossy(&attacker.rest().await).into_owned();
            assert!(
                answer.starts_with("HTTP/1.1 400 "),
                "{length} at {door}: {answer}"
            );
            assert_eq!(
                answer.matches("HTTP/1.1 ").count(),
                1,
                "{length} at {door}: {answer}"
            );
        }
        // None is as good as no word about one.
        let found = answer(&arena, raw::handshake(door, "Content-Length: 0\r\n")).await;
        assert_eq!(found.status, 101, "{door}");
    }
    arena.survives().await;
}
