//! Where one request ends and the next begins: nothing that a proxy could read differently is taken.

use crate::Arena;
use crate::raw::Raw;

/// What follows each request; it must never be answered.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends it and returns everything that comes back, to the end of the connection.
async fn exchange(arena: &Arena, request: &str) -> String {
    let mut attacker = Raw::connect(arena.address()).await;
    attacker.write(request).await;
    attacker.end().await;
    String::from_utf8_lossy(&attacker.rest().await).into_owned()
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[tokio::test]
async fn ambiguous_lengths_end_the_connection() {
    let mut arena = Arena::demo().await;
    let post = "POST /api/status HTTP/1.1\r\nHost: x\r\n";
    for (name, request) in [
        (
            "two lengths",
            format!("{post}Content-Length: 0\r\nContent-Length: 37\r\n\r\n{HIDDEN}"),
        ),
        (
            "a list of lengths",
            format!("{post}Content-Length: 0, 37\r\n\r\n{HIDDEN}"),
        ),
        (
            "a negative length",
            format!("{post}Content-Length: -1\r\n\r\n{HIDDEN}"),
        ),
        (
            "a signed length",
            format!("{post}Content-Length: +0\r\n\r\n{HIDDEN}"),
        ),
        (
            "a hexadecimal length",
            format!("{post}Content-Length: 0x0\r\n\r\n{HIDDEN}"),
        ),
        (
            "a length beyond all numbers",
            format!("{post}Content-Length: 18446744073709551616\r\n\r\n{HIDDEN}"),
        ),
        (
            "an unknown coding",
            format!("{post}Transfer-Encoding: gzip\r\n\r\n{HIDDEN}"),
        ),
        (
            "a coding after chunked",
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{HIDDEN}"),
        ),
        (
            "a coding that looks like chunked",
            format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
        ),
        (
            "a chunk size that is none",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n{HIDDEN}"),
        ),
        (
            "a negative chunk size",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{HIDDEN}"),
        ),
        (
            "a chunk size beyond all numbers",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n{HIDDEN}"),
        ),
        (
            "a chunk without its line end",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n1\r\nabcd\r\n0\r\n\r\n{HIDDEN}"),
        ),
    ] {
        let answer = exchange(&arena, &request).await;
        assert!(answers(&answer) <= 1, "{name}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 2"), "{name}: {answer}");
        assert!(!answer.contains("\r\n\r\nok"), "{name}: {answer}");
    }
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn what_is_coded_in_more_than_chunks_is_not_read() {
    let arena = Arena::demo().await;
    let codings = [
        "gzip, chunked",
        "identity, chunked",
        "chunked, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "gzip\r\nTransfer-Encoding: chunked",
        ", chunked",
    ];
    for coding in codings {
        for path in ["/api/status", "/engine.io/?EIO=4&transport=polling", "/ws"] {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n{HIDDEN}"
            );
            let answer = exchange(&arena, &request).await;
            assert_eq!(answers(&answer), 1, "{coding}: {answer}");
            assert!(answer.starts_with("HTTP/1.1 501 "), "{coding}: {answer}");
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_target_without_a_path_is_a_tunnels() {
    let arena = Arena::demo().await;
    let request = format!("GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n{HIDDEN}");
    let answer = exchange(&arena, &request).await;
    assert_eq!(answers(&answer), 1, "{answer}");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    arena.survives().await;
}

#[tokio::test]
async fn length_and_chunks_together_are_chunks_and_the_end_of_the_connection() {
    let arena = Arena::demo().await;
    // RFC 9112 §6.3: the chunks count, and whatever the answer, the connection is closed after it.
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 42\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    ] {
        let body = "9\r\n{\"key\":1}\r\n0\r\n\r\n";
        let request = format!(
            "POST /api/cacheTest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n{body}{HIDDEN}"
        );
        let answer = exchange(&arena, &request).await;
        assert_eq!(answers(&answer), 1, "{headers}: {answer}");
        assert!(answer.contains("\"key\": 1"), "{headers}: {answer}");
    }
    arena.survives().await;
}

#[tokio::test]
async fn an_unclear_host_ends_the_connection() {
    let mut arena = Arena::demo().await;
    for path in [
        "/",
        "/api/status",
        "/engine.io/?EIO=4&transport=polling",
        "/ws",
        "/metrics",
    ] {
        for (version, hosts) in [
            ("1.1", ""),
            ("1.1", "Host: x\r\nHost: x\r\n"),
            ("1.0", "Host: x\r\nHost: y\r\n"),
            ("1.1", "Host: a b\r\n"),
            ("1.1", "Host: a, b\r\n"),
            ("1.1", "Host: a,b\r\n"),
            ("1.1", "Host: x@evil.test\r\n"),
            ("1.1", "Host: x/y\r\n"),
            ("1.1", "Host: http://x\r\n"),
            ("1.1", "Host: x:port\r\n"),
            ("1.1", "Host: x:65536\r\n"),
            ("1.1", "Host: [::1\r\n"),
            ("1.1", "Host: ::1\r\n"),
            ("1.1", "Host: \u{e9}\r\n"),
            ("1.1", "Host: <x>\r\n"),
            ("1.0", "Host: x\"y\r\n"),
        ] {
            let request = format!("GET {path} HTTP/{version}\r\n{hosts}\r\n{HIDDEN}");
            let answer = exchange(&arena, &request).await;
            let status = format!("HTTP/{version} 400 ");
            assert!(answer.starts_with(&status), "{hosts:?} {path}: {answer}");
            let served = answer.matches("HTTP/1.").count();
            assert_eq!(served, 1, "{hosts:?} {path}: {answer}");
        }
        for head in [
            "HTTP/1.0\r\n",
            "HTTP/1.1\r\nHost:\r\n",
            "HTTP/1.1\r\nHost: [::1]:8080\r\n",
            "HTTP/1.1\r\nHost: a_b.example:\r\n",
        ] {
            let answer = exchange(&arena, &format!("GET {path} {head}\r\n")).await;
            assert!(!answer.contains(" 400 "), "{head:?} {path}: {answer}");
        }
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn nothing_is_echoed_by_trace() {
    let arena = Arena::demo().await;
    for path in [
        "/",
        "/api/status",
        "/engine.io/?EIO=4&transport=polling",
        "/ws",
        "/primus",
        "/metrics",
        "*",
    ] {
        let request = format!("TRACE {path} HTTP/1.1\r\nHost: x\r\nCookie: hush\r\n\r\n{HIDDEN}");
        let answer = exchange(&arena, &request).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{path}: {answer}");
        assert_eq!(answers(&answer), 1, "{path}: {answer}");
        assert!(!answer.contains("hush"), "{answer}");
        let allowed = answer.lines().find_map(|line| line.strip_prefix("allow: "));
        assert!(
            allowed.is_some_and(|allowed| !allowed.contains("TRACE")),
            "{answer}"
        );
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_body_longer_than_it_said_is_not_part_of_it() {
    let arena = Arena::demo().await;
    let request = "POST /api/cacheTest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n\
                   {}{\"key\":\"a\",\"value\":\"b\"}\r\n\r\n";
    let answer = exchange(&arena, request).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("The key field is required."), "{answer}");
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    arena.survives().await;
}

#[tokio::test]
async fn a_body_shorter_than_it_said_is_no_request() {
    let arena = Arena::configured("[limits]\nbody_timeout_ms = 300\n").await;
    let request = "POST /api/status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}";
    // The caller hangs up.
    let answer = exchange(&arena, request).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    // The caller waits.
    let mut attacker = Raw::connect(arena.address()).await;
    attacker.write(request).await;
    assert_eq!(attacker.answer().await.status, 408);
    // What comes then is not another request.
    let _sent = attacker.try_write(HIDDEN).await;
    let rest = String::from_utf8_lossy(&attacker.rest().await).into_owned();
    assert!(!rest.contains("200 OK"), "{rest}");
    arena.survives().await;
}

#[tokio::test]
async fn requests_behind_each_other_are_answered_in_order() {
    let arena = Arena::demo().await;
    let mut client = Raw::connect(arena.address()).await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let paths = [
        "/healthz",
        "/api/sleep?sleepDuration=100",
        "/nothing-here",
        "/readyz",
    ];
    client.write(paths.map(request).concat()).await;
    assert_eq!(client.answer().await.body, "ok\n");
    assert!(client.answer().await.body.contains("sleepDuration"));
    assert_eq!(client.answer().await.status, 404);
    assert_eq!(client.answer().await.body, "ready\n");
    arena.survives().await;
}
