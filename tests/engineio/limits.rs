//! Sessions, packets and bytes over the limits.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::closing::rest_of;
use crate::support::engineio::{Line, Opening, Packet, Reply, Request, Session, Version, exchange};
use crate::support::{Binary, Client, within};
use crate::{QUICK, SESSIONS, SLACK, closed_for, metric, metric_becomes};

fn refused(reason: &str) -> String {
    format!("stellar_handshakes_refused_total{{reason=\"{reason}\"}}")
}

/// An opening as a proxy on this machine would pass it on for a client.
fn from(server: &Binary, client: &str) -> Opening {
    Opening::new(server.address, Version::V4).header("X-Forwarded-For", client)
}

fn assert_is(reply: &Reply, status: u16, text: &str) {
    assert_eq!((reply.status, reply.text()), (status, text));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}

const TOO_MANY: &str = "{\"code\":4,\"message\":\"too many sessions\"}";
const TOO_MANY_OF_ONE: &str = "{\"code\":4,\"message\":\"too many sessions from this address\"}";

#[tokio::test]
async fn sessions_over_the_limit_are_503_and_places_come_back() {
    let server = Binary::configured("[polling]\nmax_sessions = 3\n");
    let mut sessions = Vec::new();
    for number in 0..3 {
        let opening = from(&server, &format!("192.0.2.{number}"));
        sessions.push(opening.session().await);
    }
    for version in Version::BOTH {
        let opening = Opening::new(server.address, version);
        assert_is(&opening.reply().await, 503, TOO_MANY);
    }
    assert_eq!(metric(&server, &refused("max_sessions")).await, 2);
    assert_eq!(metric(&server, SESSIONS).await, 3);
    // Those that are there have their places.
    for session in &mut sessions {
        session.details().await;
    }
    // Other transports have theirs.
    server.plain().await.details().await;

    sessions.pop().unwrap().post("1").await;
    metric_becomes(&server, SESSIONS, 2).await;
    let mut session = Session::greeted(server.address, Version::V4).await;
    assert_eq!(
        Opening::new(server.address, Version::V4)
            .reply()
            .await
            .status,
        503
    );
    // A place comes back from a socket as well.
    session.upgrade().await.close().await;
    metric_becomes(&server, SESSIONS, 2).await;
    Session::greeted(server.address, Version::V4)
        .await
        .details()
        .await;
}

#[tokio::test]
async fn sessions_of_one_address_over_its_limit_are_429() {
    let server = Binary::configured("[polling]\nmax_sessions_per_address = 2\n");
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(from(&server, "192.0.2.1").session().await);
    }
    assert_is(
        &from(&server, "192.0.2.1").reply().await,
        429,
        TOO_MANY_OF_ONE,
    );
    assert_eq!(
        metric(&server, &refused("max_sessions_per_address")).await,
        1
    );
    // Others are not affected.
    from(&server, "192.0.2.2").session().await.details().await;
    Session::greeted(server.address, Version::V4)
        .await
        .details()
        .await;
    for session in &mut sessions {
        session.details().await;
    }
    sessions.pop().unwrap().post("1").await;
    within("the place", async {
        while from(&server, "192.0.2.1").reply().await.status != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_is(
        &from(&server, "192.0.2.1").reply().await,
        429,
        TOO_MANY_OF_ONE,
    );
}

#[tokio::test]
async fn addresses_of_one_64_are_one() {
    let server = Binary::configured("[polling]\nmax_sessions_per_address = 2\n");
    let _sessions = [
        from(&server, "2001:db8:1:2::1").session().await,
        from(&server, "2001:db8:1:2:ffff:ffff:ffff:ffff")
            .session()
            .await,
    ];
    let third = from(&server, "2001:db8:1:2:1234::5678").reply().await;
    assert_is(&third, 429, TOO_MANY_OF_ONE);
    from(&server, "2001:db8:1:3::1")
        .session()
        .await
        .details()
        .await;
}

#[tokio::test]
async fn abandoned_sessions_give_their_places_back() {
    let config = format!("{QUICK}max_sessions_per_address = 5\n");
    let server = Binary::configured(&config);
    for round in 0..3 {
        let mut sids = Vec::new();
        for _ in 0..5 {
            sids.push(
                Session::open(server.address, Version::BOTH[round % 2])
                    .await
                    .abandon(),
            );
        }
        assert_eq!(
            Opening::new(server.address, Version::V4)
                .reply()
                .await
                .status,
            429
        );
        metric_becomes(&server, SESSIONS, 0).await;
    }
    let reaped = metric(&server, &closed_for("heartbeat_missed")).await;
    assert_eq!(reaped, 15);
}

#[tokio::test]
async fn packets_over_the_limit_close_the_session() {
    const MAX: usize = 10;
    let server = Binary::configured(&format!("[polling]\nmax_packets = {MAX}\n"));
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        let packets = |count| vec![Packet::message(json!({"event": "detailsView"})); count];
        session.send(&packets(MAX)).await;
        for number in 1..=MAX {
            assert_eq!(session.next_json().await["messageCount"], number);
        }
        let reply = session.post_reply(version.payload(&packets(MAX + 1))).await;
        assert_eq!(reply.fault(), (400, 3), "{version:?}");
        session.assert_unknown().await;
    }
    assert_eq!(metric(&server, &closed_for("too_many_packets")).await, 2);
}

const SMALL: &str = "[polling]\nmax_payload_bytes = 1024\n";

#[tokio::test]
async fn a_length_over_the_cap_is_refused_before_the_body_is_sent() {
    let server = Binary::configured(SMALL);
    let mut session = Session::greeted(server.address, Version::V4).await;
    for length in ["1025", "1000000000", "18446744073709551614"] {
        let mut line = Line::connect(server.address).await;
        line.write(format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n",
            session.target("polling")
        ))
        .await;
        // Nothing of the body has been sent.
        let status = line.reply().await.status;
        // The last of them is no length that can be.
        let is_absurd = length.len() > 10 && (400..500).contains(&status);
        assert!(status == 413 || is_absurd, "{length}: {status}");
    }
    session.details().await;
}

#[tokio::test]
async fn bytes_are_counted_as_they_come() {
    let server = Binary::configured(SMALL);
    let mut session = Session::greeted(server.address, Version::V4).await;
    let mut line = Line::connect(server.address).await;
    line.write(format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        session.target("polling")
    ))
    .await;
    // Eight chunks are the cap; the ninth is over it, and the end is never sent.
    let chunk = format!("80\r\n{}\r\n", "4".repeat(128));
    for _ in 0..8 {
        line.write(&chunk).await;
    }
    tokio::time::sleep(crate::MOMENT).await;
    assert!(line.is_quiet(), "so far it is within the cap");
    line.write(&chunk).await;
    assert_eq!(line.reply().await.status, 413);
    session.details().await;
}

#[tokio::test]
async fn a_length_that_is_too_short_ends_the_body_there() {
    let server = Binary::configured(SMALL);
    let mut session = Session::greeted(server.address, Version::V4).await;
    let packet = "4{\"event\":\"detailsView\"}";
    let mut line = Line::connect(server.address).await;
    line.write(format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{packet}{}",
        session.target("polling"),
        packet.len(),
        "4".repeat(100_000),
    ))
    .await;
    assert_eq!(line.reply().await.text(), "ok");
    // What follows is no request.
    if let Some(reply) = line.reply_or_cut().await {
        assert!((400..500).contains(&reply.status), "{}", reply.status);
    }
    session.count(1);
    assert_eq!(session.next_json().await["messageCount"], 1);
    session.details().await;
}

#[tokio::test]
async fn a_post_has_to_come_within_its_deadline() {
    let server = Binary::configured("[limits]\nbody_timeout_ms = 400\nreceive_timeout_ms = 400\n");
    for coding in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut session = Session::greeted(server.address, Version::V4).await;
        let mut line = Line::connect(server.address).await;
        let began = Instant::now();
        line.write(format!(
            "POST {} HTTP/1.1\r\nHost: x\r\n{coding}\r\n\r\n",
            session.target("polling")
        ))
        .await;
        if let Some(reply) = line.reply_or_cut().await {
            assert!([400, 408].contains(&reply.status), "{}", reply.status);
        }
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(400), "{waited:?}");
        assert!(waited < SLACK, "{waited:?}");
        // Either the session ended with it, or the place of a POST is free again.
        let reply = session.post_reply("4{\"event\":\"detailsView\"}").await;
        assert!(
            reply.status == 200 || reply.fault() == (400, 1),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_client_that_does_not_fetch_what_waits_is_cut() {
    let server = Binary::configured("[limits]\nmax_outbox_bytes = 65536\n");
    for version in Version::BOTH {
        let mut slow = Session::greeted(server.address, version).await;
        slow.join("defaultRoom").await;
        let mut speaker: Client = server.plain().await;
        speaker.join("defaultRoom").await;
        let text = "x".repeat(8 * 1024);
        let mut said = 0;
        while metric(&server, SESSIONS).await == 1 {
            assert!(said < 100, "{said} messages did not fill it");
            speaker.say("defaultRoom", &*text).await;
            assert_eq!(speaker.hears().await["message"], text);
            said += 1;
        }
        assert!(said > 5, "{said}");
        // It learns that it is over, before or after some of what waited.
        let rest = rest_of(&mut slow).await;
        assert_eq!(*rest.last().unwrap(), "1");
        assert!(rest.len() < said, "{}", rest.len());
        speaker.say("defaultRoom", "on").await;
        assert_eq!(speaker.hears().await["message"], "on");
        speaker.close().await;
    }
    assert_eq!(metric(&server, &closed_for("slow_consumer")).await, 2);
}

#[tokio::test]
async fn a_message_over_the_limit_of_all_transports_closes_the_session() {
    let server = Binary::configured("[limits]\nmax_message_bytes = 1000\n");
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        let bare = json!({"event": "detailsView", "padding": ""}).to_string();
        let message = |length: usize| {
            let padding = "x".repeat(length - bare.len());
            Packet::message(json!({"event": "detailsView", "padding": padding}))
        };
        // It is the message that counts, not the payload.
        session.send(&[message(1000), message(1000)]).await;
        for number in 1..=2 {
            assert_eq!(session.next_json().await["messageCount"], number);
        }
        let reply = session.post_reply(version.payload(&[message(1001)])).await;
        assert!([200, 400, 413].contains(&reply.status), "{}", reply.status);
        rest_of(&mut session).await;
    }
    assert_eq!(metric(&server, &closed_for("message_too_big")).await, 2);
}

#[tokio::test]
async fn what_clients_have_no_code_for_has_none() {
    let server = Binary::configured("[polling]\nmax_payload_bytes = 1024\n");
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        let reply = session.post_reply(vec![b'4'; 2000]).await;
        assert_is(&reply, 413, "{\"message\":\"Payload too large\"}");
    }
}

#[tokio::test]
async fn a_thousand_parameters_are_read_and_no_more() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let many = "a=1&".repeat(900);
        let opening = Opening::new(server.address, version).query(&many);
        let mut session = opening.session().await;
        session.expect_welcome().await;
        session.details().await;
        let number = version.number();
        for (before, status) in [(997, 200), (998, 400)] {
            let query = "a=1&".repeat(before);
            let target = format!("/engine.io/?EIO={number}&{query}x=1&transport=polling");
            let reply = exchange(server.address, &Request::get(&target)).await;
            assert_eq!(reply.status, status, "{before}");
        }
    }
}
