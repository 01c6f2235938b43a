//! Targets with bytes that no URL can have. Node's servers take some of them, and so does this one: in targets alone, wherever
//! the pieces end, and never in what only looks like one.

use crate::Arena;
use crate::raw::{self, Raw};

/// What Node's servers take, and `http::Uri` does not.
const TAKEN: &str = "\"<>`";

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[tokio::test]
async fn what_node_takes_is_taken() {
    let mut arena = Arena::demo().await;
    let mut kept = Raw::connect(arena.address()).await;
    for byte in TAKEN.chars() {
        for (target, status) in [
            (format!("/healthz?{byte}"), 200),
            (format!("/api/formattedSum?a=3&b=4&c={byte}d{byte}"), 200),
            (format!("/nothing{byte}here"), 404),
            (format!("/engine.io/?EIO=4&transport=polling&{byte}"), 200),
            (format!("/healthz/{byte}?{TAKEN}"), 404),
        ] {
            kept.write(get(&target)).await;
            let answer = kept.answer().await;
            assert_eq!(answer.status, status, "{target}: {}", answer.body);
        }
    }
    // It is the same as with escapes.
    kept.write(get("/api/cacheTest?key=<\"a`>&value=b")).await;
    let raw = kept.answer().await;
    kept.write(get("/api/cacheTest?key=%3C%22a%60%3E&value=b"))
        .await;
    let escaped = kept.answer().await;
    assert_eq!((raw.status, escaped.status), (200, 200));
    assert!(escaped.body.contains("<\\\"a`>"), "{}", escaped.body);
    assert!(raw.body.contains("<\\\"a`>"), "{}", raw.body);
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn what_node_refuses_is_refused() {
    let arena = Arena::demo().await;
    let bytes = (0..=b' ').chain([0x7F, 0x80, 0xC3, 0xFF]);
    for byte in bytes.filter(|byte| !b"\r\n".contains(byte)) {
        for place in ["/healthz", "/healthz?a"] {
            let mut client = Raw::connect(arena.address()).await;
            let mut request = format!("GET {place}<").into_bytes();
            request.push(byte);
            request.extend_from_slice(b"b HTTP/1.1\r\nHost: x\r\n\r\n");
            request.extend_from_slice(get("/readyz").as_bytes());
            client.write(request).await;
            assert_eq!(client.answer().await.status, 400, "{byte:#x} in {place}");
            assert!(client.is_closed_silently().await, "{byte:#x} in {place}");
        }
    }
    for target in ["http://x\"/", "http://x/?\"", "\"", "x<:80"] {
        let mut client = Raw::connect(arena.address()).await;
        client.write(get(target)).await;
        assert_eq!(client.answer().await.status, 400, "{target}");
    }
    arena.survives().await;
}

#[tokio::test]
async fn bodies_are_left_alone_and_requests_are_found_wherever_they_are_cut() {
    let mut arena = Arena::demo().await;
    let body = format!(
        "{{\"a\":3,\"b\":4,\"c\":[\n\n\n]}}\r\n\r\n{}",
        "\r\n".repeat(3)
    );
    let hidden = format!("x={}", get("/healthz?\"<>"));
    let post = |kind: &str, body: &str| {
        let length = body.len();
        format!(
            "POST /api/formattedSum?\"<> HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let requests = [
        get("/healthz?\"<>"),
        post("application/json", &body),
        get("/readyz?`"),
        post("text/plain", &hidden),
        get("/nothing<"),
    ];
    let all = requests.concat();
    for cut in 0..all.len() {
        let mut client = Raw::connect(arena.address()).await;
        let (first, second) = all.split_at(cut);
        client.write(first).await;
        tokio::task::yield_now().await;
        client.write(second).await;
        let mut answers = Vec::new();
        for _ in 0..requests.len() {
            answers.push(client.answer().await);
        }
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses[..3], [200, 200, 200], "at {cut}: {answers:?}");
        assert_eq!(statuses[4], 404, "at {cut}: {answers:?}");
        assert_eq!(answers[0].body, "ok\n");
        assert!(answers[1].body.contains("3 + 4 = 7"), "{answers:?}");
        assert_eq!(answers[2].body, "ready\n");
        client.end().await;
        assert!(client.is_closed_silently().await, "at {cut}");
    }
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn bodies_without_a_length_are_left_alone() {
    let arena = Arena::demo().await;
    let chunk = get("/healthz?\"<>");
    let mut client = Raw::connect(arena.address()).await;
    client
        .write(format!(
            "POST /api/formattedSum?a=3&b=4&\" HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n{}",
            chunk.len(),
            get("/readyz"),
        ))
        .await;
    assert_eq!(client.answer().await.status, 200);
    let ready = client.answer().await;
    assert_eq!((ready.status, &*ready.body), (200, "ready\n"));
    // Where this one begins only the decoder knows.
    client.write(get("/healthz?\"")).await;
    assert_eq!(client.answer().await.status, 400);
    arena.survives().await;
}

#[tokio::test]
async fn frames_behind_a_handshake_are_no_requests() {
    let arena = Arena::demo().await;
    let packet = b"{\"event\":\"detailsView\"}";
    // Its first bytes look like `xx /<`.
    let mask = *b"A /<";
    let mut frame = vec![raw::TEXT, 0x80 | packet.len() as u8];
    frame.extend(mask);
    let masked = packet.iter().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    let handshake = raw::handshake("/ws?\"<>", "");
    for cut in 0..frame.len() {
        let mut client = Raw::connect(arena.address()).await;
        let first = [handshake.as_bytes(), &frame[..cut]].concat();
        client.write(first).await;
        tokio::task::yield_now().await;
        client.write(&frame[cut..]).await;
        assert_eq!(client.head().await.status, 101);
        let welcome = client.packet().await;
        let details = client.packet().await;
        assert!(details["messageCount"].is_u64(), "{welcome} {details}");
    }
    // One that is not taken is a request like any other, and so are those behind it.
    let mut client = Raw::connect(arena.address()).await;
    let ask = "GET /healthz?< HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
    for request in [ask, &get("/healthz"), &get("/healthz?<")] {
        client.write(request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.body), (200, "ok\n"), "{request}");
    }
    arena.survives().await;
}
