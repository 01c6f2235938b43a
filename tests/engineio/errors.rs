//! Errors (docs/protocol/engineio.md#errors): codes, statuses and texts, and which of them comes first.

use crate::support::Binary;
use crate::support::engineio::{
    ENGINE, Line, Opening, PRIMUS, Reply, Request, Session, Version, exchange, socket::handshake,
};
use crate::{SESSIONS, metric};

const UNKNOWN_TRANSPORT: (u16, &str) = (400, "{\"code\":0,\"message\":\"Transport unknown\"}");
const UNKNOWN_SID: (u16, &str) = (400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
const BAD_METHOD: (u16, &str) = (400, "{\"code\":2,\"message\":\"Bad handshake method\"}");
const BAD_REQUEST: (u16, &str) = (400, "{\"code\":3,\"message\":\"Bad request\"}");
const BAD_VERSION: (u16, &str) = (
    400,
    "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
);

/// A sid that has the right form and was never given out.
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAA";

async fn ask(server: &Binary, method: &str, query: &str) -> Reply {
    let request = Request::new(method, &format!("{ENGINE}?{query}"));
    let request = if method == "POST" {
        request.body("4{}")
    } else {
        request
    };
    exchange(server.address, &request).await
}

fn assert_is(reply: &Reply, expected: (u16, &str), what: &str) {
    assert_eq!((reply.status, reply.text()), expected, "{what}");
    assert_eq!(
        reply.header("content-type"),
        Some("application/json"),
        "{what}"
    );
}

#[tokio::test]
async fn a_transport_that_is_unknown_is_code_0() {
    let server = Binary::demo();
    for query in [
        "EIO=4",
        "EIO=4&transport",
        "EIO=4&transport=",
        "EIO=4&transport=carrier-pigeon",
        "EIO=4&transport=webtransport",
        "EIO=4&transport=Polling",
        "EIO=4&transport=polling%00",
        "EIO=4&transport[]=polling",
        "EIO=4&transport=constructor",
        "EIO=4&transport=__proto__",
        "transport=flashsocket&EIO=3",
        "",
    ] {
        for method in ["GET", "POST"] {
            let reply = ask(&server, method, query).await;
            assert_is(&reply, UNKNOWN_TRANSPORT, query);
        }
    }
}

#[tokio::test]
async fn a_sid_that_is_unknown_is_code_1() {
    let server = Binary::demo();
    for sid in [
        NOBODY,
        "x",
        "%00",
        "../../etc",
        "toString",
        "__proto__",
        "null",
        &"A".repeat(4000),
    ] {
        for method in ["GET", "POST"] {
            let reply = ask(
                &server,
                method,
                &format!("EIO=4&transport=polling&sid={sid}"),
            )
            .await;
            assert_is(&reply, UNKNOWN_SID, sid);
        }
    }
}

#[tokio::test]
async fn opening_by_anything_but_get_is_code_2() {
    let server = Binary::demo();
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        let reply = ask(&server, method, "EIO=4&transport=polling").await;
        assert_is(&reply, BAD_METHOD, method);
    }
    let reply = ask(&server, "HEAD", "EIO=4&transport=polling").await;
    assert_eq!((reply.status, reply.text()), (400, ""));
    assert_eq!(metric(&server, SESSIONS).await, 0);
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_code_5() {
    let server = Binary::demo();
    for version in [
        "0",
        "1",
        "5",
        "10",
        "04",
        "03",
        "4.0",
        "3.0",
        "+4",
        "-4",
        "four",
        "4%20",
        "%203",
        "4,4",
        "null",
        "undefined",
    ] {
        let query = format!("EIO={version}&transport=polling");
        assert_is(&ask(&server, "GET", &query).await, BAD_VERSION, version);
    }
    assert_eq!(metric(&server, SESSIONS).await, 0);
}

#[tokio::test]
async fn a_key_that_comes_twice_is_invalid() {
    let server = Binary::demo();
    let session = Session::greeted(server.address, Version::V4).await;
    let sid = session.sid.clone();
    for (query, expected) in [
        (
            "EIO=4&transport=polling&transport=polling".to_owned(),
            UNKNOWN_TRANSPORT,
        ),
        (
            "EIO=4&transport=polling&transport=websocket".to_owned(),
            UNKNOWN_TRANSPORT,
        ),
        ("EIO=4&EIO=4&transport=polling".to_owned(), BAD_VERSION),
        ("EIO=4&EIO=3&transport=polling".to_owned(), BAD_VERSION),
        (
            format!("EIO=4&transport=polling&sid={sid}&sid={sid}"),
            UNKNOWN_SID,
        ),
        (
            format!("EIO=4&transport=polling&sid={sid}&sid=x"),
            UNKNOWN_SID,
        ),
        (
            format!("EIO=4&transport=polling&sid={NOBODY}&sid={sid}"),
            UNKNOWN_SID,
        ),
    ] {
        assert_is(&ask(&server, "GET", &query).await, expected, &query);
    }
    // Which harmed nobody.
    let mut session = session;
    session.details().await;
}

#[tokio::test]
async fn another_method_with_a_sid_is_code_2_and_harms_nobody() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let target = session.target("polling");
    for method in ["PUT", "DELETE", "PATCH", "BREW"] {
        let reply = exchange(server.address, &Request::new(method, &target)).await;
        assert_is(&reply, BAD_METHOD, method);
    }
    let reply = exchange(server.address, &Request::new("HEAD", &target)).await;
    assert_eq!((reply.status, reply.text()), (400, ""));
    session.details().await;
}

#[tokio::test]
async fn another_transport_without_an_upgrade_is_code_3_and_harms_nobody() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    for method in ["GET", "POST"] {
        let request = Request::new(method, &session.target("websocket"));
        let reply = exchange(server.address, &request).await;
        assert_is(&reply, BAD_REQUEST, method);
    }
    session.details().await;
    // Nor can a session be opened like this.
    let reply = ask(&server, "GET", "EIO=4&transport=websocket").await;
    assert_is(&reply, BAD_REQUEST, "no upgrade");
}

#[tokio::test]
async fn a_websocket_that_cannot_be_opened_is_code_2_or_5_before_its_handshake_is_looked_at() {
    let server = Binary::demo();
    for (method, query, expected) in [
        ("POST", "EIO=4&transport=websocket", BAD_METHOD),
        ("PUT", "EIO=3&transport=websocket", BAD_METHOD),
        ("POST", "EIO=5&transport=websocket", BAD_METHOD),
        ("GET", "EIO=5&transport=websocket", BAD_VERSION),
        ("GET", "transport=websocket", BAD_REQUEST),
        ("GET", "EIO=3&transport=websocket", BAD_REQUEST),
    ] {
        let reply = ask(&server, method, query).await;
        assert_is(&reply, expected, &format!("{method} {query}"));
    }
    assert_eq!(metric(&server, SESSIONS).await, 0);
}

#[tokio::test]
async fn the_transport_comes_first_then_the_sid_then_the_method_then_the_version() {
    let server = Binary::demo();
    let session = Session::greeted(server.address, Version::V4).await;
    let sid = &session.sid;
    for (method, query, expected) in [
        (
            "PUT",
            format!("EIO=9&transport=x&sid={NOBODY}"),
            UNKNOWN_TRANSPORT,
        ),
        ("PUT", "EIO=9&transport=x".to_owned(), UNKNOWN_TRANSPORT),
        (
            "PUT",
            format!("EIO=9&transport=polling&sid={NOBODY}"),
            UNKNOWN_SID,
        ),
        (
            "GET",
            format!("EIO=9&transport=websocket&sid={NOBODY}"),
            UNKNOWN_SID,
        ),
        ("PUT", "EIO=9&transport=polling".to_owned(), BAD_METHOD),
        ("GET", "EIO=9&transport=polling".to_owned(), BAD_VERSION),
        (
            "GET",
            format!("EIO=4&transport=websocket&sid={sid}"),
            BAD_REQUEST,
        ),
    ] {
        let reply = ask(&server, method, &query).await;
        assert_is(&reply, expected, &format!("{method} {query}"));
    }
}

#[tokio::test]
async fn a_foreign_page_comes_after_the_transport_and_before_all_else() {
    let server = Binary::demo();
    let session = Session::greeted(server.address, Version::V4).await;
    let sid = &session.sid;
    for (query, expected) in [
        ("EIO=4&transport=x".to_owned(), (400, 0)),
        ("EIO=9&transport=polling".to_owned(), (403, 4)),
        (format!("EIO=4&transport=polling&sid={NOBODY}"), (403, 4)),
        (format!("EIO=4&transport=polling&sid={sid}"), (403, 4)),
    ] {
        let request = Request::get(&format!("{ENGINE}?{query}"));
        let request = request.header("Origin", "https://elsewhere.test");
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.fault(), expected, "{query}");
    }
}

#[tokio::test]
async fn options_comes_before_everything() {
    let server = Binary::demo();
    for query in [
        "EIO=4&transport=polling".to_owned(),
        format!("EIO=4&transport=polling&sid={NOBODY}"),
        "EIO=9&transport=x".to_owned(),
    ] {
        let reply = ask(&server, "OPTIONS", &query).await;
        assert_eq!((reply.status, reply.text()), (204, ""), "{query}");
    }
}

#[tokio::test]
async fn both_doors_speak_alike() {
    let server = Binary::demo();
    for (query, code) in [
        ("EIO=4&transport=x", 0),
        ("EIO=4&transport=polling&sid=x", 1),
        ("EIO=5&transport=polling", 5),
    ] {
        let request = Request::get(&format!("{PRIMUS}?{query}"));
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.fault(), (400, code), "{query}");
    }
}

/// Refuses a handshake: text in a `400` of its own kind, and the end of the connection.
async fn assert_refused(
    refused: Result<crate::support::engineio::Socket, (Reply, Line)>,
    text: &str,
) {
    let (reply, mut line) = refused.expect_err("a refusal");
    assert_eq!((reply.status, reply.text()), (400, text));
    assert_eq!(reply.header("content-type"), Some("text/html"), "{text}");
    assert!(line.is_cut().await, "{text}");
}

#[tokio::test]
async fn handshakes_are_refused_in_words() {
    use crate::support::engineio::Socket;
    let server = Binary::demo();
    for (query, text) in [
        ("EIO=4&transport=x".to_owned(), "Transport unknown"),
        (
            format!("EIO=4&transport=websocket&sid={NOBODY}"),
            "Session ID unknown",
        ),
        (
            "EIO=5&transport=websocket".to_owned(),
            "Unsupported protocol version",
        ),
    ] {
        let target = format!("{ENGINE}?{query}");
        assert_refused(Socket::connect(server.address, &target, &[]).await, text).await;
    }
    assert_eq!(metric(&server, SESSIONS).await, 0);
}

#[tokio::test]
async fn a_handshake_that_is_none_opens_nothing_and_harms_nobody() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let opening = Opening::new(server.address, Version::V4).target("websocket");
    for target in [opening, session.target("websocket")] {
        let good = String::from_utf8(handshake(&target).bytes()).unwrap();
        for (from, to) in [
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
            ("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: short"),
            ("Sec-WebSocket-Key: ", "X-Nothing: "),
            ("Connection: Upgrade", "Connection: keep-alive"),
            ("Upgrade: websocket", "Upgrade: h2c"),
            ("GET ", "POST "),
        ] {
            assert!(good.contains(from));
            let mut line = Line::connect(server.address).await;
            line.write(good.replace(from, to)).await;
            let status = line.reply().await.status;
            assert!((400..500).contains(&status), "{to}: {status}");
        }
    }
    session.details().await;
    let mut socket = session.upgrade().await;
    assert_eq!(metric(&server, SESSIONS).await, 1);
    socket.send("4{\"event\":\"detailsView\"}").await;
    assert_eq!(socket.next_json().await["messageCount"], 2);
}
