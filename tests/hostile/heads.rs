//! Request lines and headers: too many, too long, and junk.

use crate::Arena;
use crate::raw::Raw;

/// Every kind of route that the server has.
const ROUTES: [&str; 14] = [
    "/",
    "/index.html",
    "/nothing-here",
    "/public/simple.html",
    "/api",
    "/api/status",
    "/stellar-client",
    "/stellar-client.js",
    "/healthz",
    "/readyz",
    "/metrics",
    "/primus",
    "/primus/spec",
    "/ws",
];

async fn status_of(arena: &Arena, request: impl AsRef<[u8]>) -> u16 {
    let mut attacker = Raw::connect(arena.address()).await;
    // It may be refused before all of it is read.
    let _sent = attacker.try_write(request).await;
    attacker.head().await.status
}

#[tokio::test]
async fn ten_thousand_headers_are_refused() {
    let mut arena = Arena::demo().await;
    let before = arena.memory();
    for route in ROUTES {
        for header in [
            "A: b\r\n",
            "X-Forwarded-For: 1.2.3.4\r\n",
            "Cookie: a=b\r\n",
            "Sec-WebSocket-Key: x\r\n",
        ] {
            let request = format!(
                "GET {route} HTTP/1.1\r\nHost: x\r\n{}\r\n",
                header.repeat(10_000)
            );
            assert_eq!(status_of(&arena, request).await, 431, "{route} {header}");
        }
        arena.serves().await;
    }
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn a_megabyte_of_header_is_refused() {
    let mut arena = Arena::demo().await;
    let before = arena.memory();
    let long = "x".repeat(1024 * 1024);
    for route in ROUTES {
        for request in [
            format!("GET {route} HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"),
            format!("GET {route} HTTP/1.1\r\nHost: {long}\r\n\r\n"),
            format!("GET {route} HTTP/1.1\r\nHost: x\r\n{long}: x\r\n\r\n"),
            // Without an end, too: nothing but header comes.
            format!("GET {route} HTTP/1.1\r\nHost: x\r\nX-Long: {long}"),
        ] {
            assert_eq!(status_of(&arena, request).await, 431, "{route}");
        }
    }
    let request = format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n");
    let status = status_of(&arena, request).await;
    assert!([414, 431].contains(&status), "{status}");
    arena.serves().await;
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn ten_thousand_query_pairs_are_too_many_for_an_action() {
    let arena = Arena::demo().await;
    for pair in ["a&", "a=&", "=&"] {
        let query = pair.repeat(10_000);
        let request = format!("GET /api/status?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
        let status = status_of(&arena, request).await;
        assert!([413, 414, 431].contains(&status), "{pair}: {status}");
    }
    let form = "a=1&".repeat(10_000);
    let request = format!(
        "POST /api/status HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    assert_eq!(status_of(&arena, request).await, 413);
    arena.survives().await;
}

#[tokio::test]
async fn a_thousand_query_pairs_and_no_more() {
    let arena = Arena::demo().await;
    for (count, expected) in [(1000, 200), (1001, 413)] {
        let query = vec!["a=1"; count].join("&");
        let request = format!("GET /api/status?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(status_of(&arena, request).await, expected, "{count}");
    }
    arena.survives().await;
}

#[tokio::test]
async fn repeated_and_odd_parameters_break_no_route() {
    let mut arena = Arena::demo().await;
    let queries = [
        "sid=a&sid=b",
        "sessionID=a&sessionID=b",
        "sessionID=%00%0d%0aSet-Cookie:%20x=y",
        "transport=ws&transport=ws",
        "transport[]=ws",
        "transport[toString]=x",
        "transport=__proto__",
        "EIO",
        "EIO=",
        "EIO=4&EIO=3",
        "EIO=%00",
        "action=status&action=randomNumber",
        "action[]=status",
        "apiVersion=&action=status",
        "callback=&callback=",
        "__proto__=1&constructor=2",
        "&&&",
        "===",
        "?",
        "a=b?c=d",
        "a;b=c",
        "=",
    ];
    for route in ROUTES {
        for query in queries {
            let request = format!("GET {route}?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
            let status = status_of(&arena, request).await;
            assert!((200..500).contains(&status), "{route}?{query}: {status}");
        }
    }
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn percent_junk_breaks_no_route() {
    let mut arena = Arena::demo().await;
    let junk = [
        "%",
        "%%",
        "%0",
        "%zz",
        "%00",
        "%ff",
        "%c0%ae",
        "%e2%82",
        "%ed%a0%80",
        "%25%32%65",
        "%u0041",
        "%2",
        "%+1",
        "%-1",
    ];
    for route in ROUTES {
        for junk in junk {
            for target in [
                format!("{route}{junk}"),
                format!("{route}/{junk}"),
                format!("{route}?{junk}=1"),
                format!("{route}?a={junk}"),
            ] {
                let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
                let status = status_of(&arena, request).await;
                assert!((200..500).contains(&status), "{target}: {status}");
            }
        }
    }
    arena.serves().await;
    // For an action it is a mistake of the caller's, not a param.
    let request = "GET /api/status?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(status_of(&arena, request).await, 400);
    arena.survives().await;
}

#[tokio::test]
async fn request_lines_that_are_none_are_refused() {
    let mut arena = Arena::demo().await;
    for request in [
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost x\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nA\0: x\r\n\r\n",
        "GET / HTTP/1.1\r\nA : x\r\n\r\n",
        "GET / HTTP/1.1\r\nA: x\r\n b\r\n\r\n",
        "G\u{e9}T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut attacker = Raw::connect(arena.address()).await;
        attacker.write(request).await;
        let answer = String::from_utf8_lossy(&attacker.rest().await).into_owned();
        // An answer, or nothing at all: but the connection is over, and it was no success.
        let is_refusal = answer.is_empty()
            || answer.starts_with("HTTP/1.1 4")
            || answer.starts_with("HTTP/1.1 505");
        assert!(is_refusal, "{request:?}: {answer}");
    }
    arena.serves().await;
    for target in [
        "*",
        "http://other.example/api/status",
        "//api//status",
        "/./api/../api/status",
        "other.example:80",
    ] {
        for method in ["GET", "OPTIONS", "CONNECT", "TRACE", "BREW"] {
            let request =
                format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let mut attacker = Raw::connect(arena.address()).await;
            attacker.write(&request).await;
            let answer = String::from_utf8_lossy(&attacker.rest().await).into_owned();
            assert!(!answer.starts_with("HTTP/1.1 5"), "{request:?}: {answer}");
            assert!(!answer.starts_with("HTTP/1.1 101"), "{request:?}: {answer}");
        }
    }
    arena.survives().await;
}
