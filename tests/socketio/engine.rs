//! The engine.io below: ours, where the library's own would do otherwise (docs/protocol/engineio.md).
//!
//! Its tests in full are those of the `polling` transport, whose code it is.

use std::time::{Duration, Instant};

use crate::support::Binary;
use crate::support::engineio::{Line, Packet, Request, Version, exchange, socket::handshake};
use crate::support::socketio::{DOOR, Kind, Peer, WELCOME, opening, text};
use crate::{CONNECTED, MOMENT, SLACK, closed_for, metric, metric_becomes};

const QUICK: &str = "[socketio]\nping_interval_ms = 500\nping_timeout_ms = 3000\n";
const INTERVAL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_millis(3000);

#[tokio::test]
async fn the_first_ping_comes_one_interval_after_the_opening() {
    let server = Binary::configured(QUICK);
    let since = Instant::now();
    let mut session = opening(server.address, Version::V4).session().await;
    assert_eq!(session.offer["pingInterval"], 500);
    assert_eq!(session.poll().await, ["2"]);
    let waited = since.elapsed();
    assert!(waited >= INTERVAL, "{waited:?}");
    assert!(waited < INTERVAL + SLACK, "{waited:?}");

    let since = Instant::now();
    let mut socket = opening(server.address, Version::V4).socket().await;
    let _open = socket.packet().await;
    assert_eq!(socket.packet().await, "2");
    let waited = since.elapsed();
    assert!(waited >= INTERVAL, "{waited:?}");
    assert!(waited < INTERVAL + SLACK, "{waited:?}");
}

#[tokio::test]
async fn who_answers_is_kept_and_who_does_not_is_not() {
    let server = Binary::configured(QUICK);
    for kind in Kind::CONNECTING {
        let mut ann = Peer::connected(server.address, kind).await;
        // Half of that without an answer would have been the end.
        let until = Instant::now() + 2 * (INTERVAL + TIMEOUT);
        while Instant::now() < until {
            ann.details().await;
        }
    }
    metric_becomes(&server, CONNECTED, 0).await;
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 0);

    let since = Instant::now();
    let mut socket = opening(server.address, Version::V4).socket().await;
    let _open = socket.packet().await;
    socket.send("40").await;
    socket.closed().await;
    let waited = since.elapsed();
    assert!(waited >= INTERVAL + TIMEOUT, "{waited:?}");
    assert!(waited < INTERVAL + TIMEOUT + SLACK, "{waited:?}");
    let missed = metric(&server, &closed_for("heartbeat_missed")).await;
    assert!(missed >= 1, "{missed}");
}

#[tokio::test]
async fn clients_of_version_3_ping_themselves() {
    let server = Binary::configured(QUICK);
    let mut socket = opening(server.address, Version::V3).socket().await;
    for expected in [None, Some("40"), Some(WELCOME)] {
        let packet = socket.packet().await;
        assert!(expected.is_none_or(|expected| packet == expected));
    }
    for _ in 0..5 {
        tokio::time::sleep(INTERVAL / 2).await;
        socket.send("2").await;
        assert_eq!(socket.packet().await, "3");
    }
    socket.closed().await;
    assert_eq!(metric(&server, &closed_for("heartbeat_missed")).await, 1);
}

#[tokio::test]
async fn errors_have_numbers() {
    let server = Binary::demo();
    for (method, query, code, message) in [
        ("GET", "EIO=4&transport=x", 0, "Transport unknown"),
        ("GET", "EIO=4", 0, "Transport unknown"),
        (
            "GET",
            "EIO=4&transport=webtransport",
            0,
            "Transport unknown",
        ),
        (
            "GET",
            "EIO=4&transport=polling&sid=x",
            1,
            "Session ID unknown",
        ),
        ("POST", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("PUT", "EIO=4&transport=polling", 2, "Bad handshake method"),
        ("GET", "EIO=4&transport=websocket", 3, "Bad request"),
        (
            "GET",
            "EIO=5&transport=polling",
            5,
            "Unsupported protocol version",
        ),
    ] {
        let request = Request::new(method, &format!("{DOOR}?{query}"));
        let reply = exchange(server.address, &request).await;
        let expected = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
        assert_eq!((reply.status, reply.text()), (400, &*expected), "{query}");
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("application/json"), "{query}");
    }
    let target = format!("{DOOR}?EIO=4&transport=websocket&sid=x");
    let reply = exchange(server.address, &handshake(&target)).await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn a_post_while_another_is_under_way_closes() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in [Kind::PLAIN[0], Kind::PLAIN[2]] {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let say = text("42[\"say\",{\"room\":\"defaultRoom\",\"message\":\"half\"}]");
        let version = ann.version;
        let session = ann.session();
        let bytes = session.post_request(version.payload(&[say])).bytes();
        let mut first = Line::connect(server.address).await;
        first.write(&bytes[..bytes.len() - 5]).await;
        tokio::time::sleep(MOMENT).await;
        let second = session.post_reply(version.payload(&[text("3")])).await;
        assert_eq!(second.fault(), (400, 3));
        session.assert_unknown().await;
        // It may be cut before it says more.
        let _cut = first.try_write(&bytes[bytes.len() - 5..]).await;
        metric_becomes(&server, CONNECTED, 0).await;
    }
    bob.say("defaultRoom", "last").await;
    assert_eq!(bob.hears().await["message"], "last");
}

#[tokio::test]
async fn a_get_while_another_is_held_closes() {
    let server = Binary::demo();
    for kind in [Kind::PLAIN[0], Kind::PLAIN[2]] {
        let mut ann = Peer::connected(server.address, kind).await;
        let session = ann.session();
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        assert_eq!(session.fault().await, (400, 3));
        let first = session.polled().await;
        assert_eq!(session.packets(&first), ["1"]);
        session.assert_unknown().await;
        metric_becomes(&server, CONNECTED, 0).await;
    }
}

#[tokio::test]
async fn bytes_as_a_body_close_in_version_4() {
    let server = Binary::demo();
    let mut ann = Peer::connected(server.address, Kind::PLAIN[0]).await;
    let target = ann.session().target("polling");
    let request = Request::post(&target, "420[\"detailsView\"]");
    let request = request.header("Content-Type", "application/octet-stream");
    let reply = exchange(server.address, &request).await;
    assert_eq!(reply.fault(), (400, 3));
    ann.session().assert_unknown().await;
}

#[tokio::test]
async fn a_body_over_the_cap_is_413_and_the_client_stays() {
    let server = Binary::demo();
    for kind in [Kind::PLAIN[0], Kind::PLAIN[2]] {
        let mut ann = Peer::connected(server.address, kind).await;
        let request = ann.session().post_request(vec![b'4'; 1_000_001]);
        let mut line = Line::connect(server.address).await;
        // The rest may not be read any more.
        let _cut = line.try_write(request.bytes()).await;
        assert_eq!(line.reply().await.status, 413);
        ann.details().await;
    }
}

#[tokio::test]
async fn answers_are_compressed_for_who_takes_it() {
    let server = Binary::demo();
    let opening = opening(server.address, Version::V4).header("Accept-Encoding", "gzip");
    let mut ann = Peer::with(opening, Kind::PLAIN[0]).await;
    ann.connect().await;
    ann.send("420[\"file\",{\"file\":\"demo.css\"}]").await;
    let reply = ann.session().poll_reply().await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*reply.body), &mut text)
        .unwrap();
    assert!(
        text.starts_with("430[{\"error\":null,\"content\":"),
        "{text}"
    );
}

#[tokio::test]
async fn jsonp_serves_the_oldest_clients() {
    let server = Binary::demo();
    let target = format!("{DOOR}?EIO=3&transport=polling&j=0");
    let reply = exchange(server.address, &Request::get(&target)).await;
    let body = reply.text().strip_prefix("___eio[0](");
    let body = body.and_then(|body| body.strip_suffix(");")).unwrap();
    let body: String = serde_json::from_str(body).unwrap();
    let packets = Version::V3.packets(&body);
    let Packet::Text(open) = &packets[0] else {
        panic!("{packets:?}");
    };
    let offer: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let target = format!("{target}&sid={}", offer["sid"].as_str().unwrap());
    let mut told = String::new();
    while !told.contains("welcome") {
        let reply = exchange(server.address, &Request::get(&target)).await;
        assert_eq!(reply.status, 200);
        told.push_str(reply.text());
    }
    assert!(told.starts_with("___eio[0](\"2:40"), "{told}");
    let form = "d=18%3A420%5B%22detailsView%22%5D";
    let post = Request::post(&target, form);
    let post = post.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(exchange(server.address, &post).await.text(), "ok");
    let reply = exchange(server.address, &Request::get(&target)).await;
    assert!(reply.text().contains("430[{"), "{}", reply.text());
}
