//! Pages of other origins: what the library does not know at all (docs/protocol/engineio.md#cors).

use crate::support::Binary;
use crate::support::engineio::{Reply, Request, Session, Socket, Version, exchange};
use crate::support::socketio::{DOOR, Kind, Peer, opening};
use crate::{CONNECTED, metric};

const LISTED: &str = "https://app.example.com";
const FOREIGN: &str = "https://elsewhere.test";

fn listing() -> Binary {
    Binary::serve(&["--demo", "--origin", LISTED], "")
}

/// Whether a page of the listed origin may read the answer, with its cookies.
fn assert_readable(reply: &Reply, what: &str) {
    let allowed = reply.header("access-control-allow-origin");
    assert_eq!(allowed, Some(LISTED), "{what}");
    let credentials = reply.header("access-control-allow-credentials");
    assert_eq!(credentials, Some("true"), "{what}");
    let mut vary = reply.headers.iter().filter(|(name, _)| name == "vary");
    let varies = vary.any(|(_, value)| value.to_ascii_lowercase().contains("origin"));
    assert!(varies, "{what}: {:?}", reply.headers);
}

fn assert_unreadable(reply: &Reply, what: &str) {
    for header in [
        "access-control-allow-origin",
        "access-control-allow-credentials",
    ] {
        assert_eq!(reply.header(header), None, "{what}");
    }
}

#[tokio::test]
async fn every_answer_can_be_read_by_a_listed_origin() {
    let server = listing();
    for version in Version::BOTH {
        let opening = opening(server.address, version).header("Origin", LISTED);
        assert_readable(&opening.reply().await, "the opening");
        let mut session: Session = opening.session().await;
        let connect = version.payload(&[crate::support::socketio::text("40")]);
        assert_readable(&session.post_reply(connect).await, "a POST");
        assert_readable(&session.poll_reply().await, "a GET");
        let bad = session.post_reply("9").await;
        assert_eq!(bad.fault(), (400, 3));
        assert_readable(&bad, "a bad packet");
    }
    for (method, query, code) in [
        ("GET", "EIO=4&transport=x", 0),
        ("GET", "EIO=4&transport=polling&sid=x", 1),
        ("POST", "EIO=4&transport=polling", 2),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", "EIO=5&transport=polling", 5),
    ] {
        let request = Request::new(method, &format!("{DOOR}?{query}"));
        let reply = exchange(server.address, &request.header("Origin", LISTED)).await;
        assert_eq!(reply.fault(), (400, code));
        assert_readable(&reply, query);
    }
}

#[tokio::test]
async fn preflights_say_what_is_allowed() {
    let server = listing();
    for query in [
        "EIO=4&transport=polling",
        "EIO=4&transport=polling&sid=x",
        "",
    ] {
        let preflight = |origin: &str| {
            Request::new("OPTIONS", &format!("{DOOR}?{query}"))
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "content-type")
        };
        let reply = exchange(server.address, &preflight(LISTED)).await;
        assert_eq!((reply.status, reply.text()), (204, ""), "{query}");
        assert_readable(&reply, query);
        let methods = reply.header("access-control-allow-methods").unwrap();
        assert!(methods.contains("GET") && methods.contains("POST"));
        let headers = reply.header("access-control-allow-headers").unwrap();
        assert!(headers.to_ascii_lowercase().contains("content-type"));

        let reply = exchange(server.address, &preflight(FOREIGN)).await;
        assert_eq!((reply.status, reply.text()), (204, ""), "{query}");
        assert_unreadable(&reply, query);
    }
}

#[tokio::test]
async fn a_foreign_page_opens_nothing() {
    for server in [Binary::demo(), listing()] {
        for origin in [
            FOREIGN,
            "null",
            "https://app.example.com.evil.test",
            "http://app.example.com",
            "",
        ] {
            for version in Version::BOTH {
                let opening = opening(server.address, version).header("Origin", origin);
                let reply = opening.reply().await;
                assert_eq!(reply.fault(), (403, 4), "{origin}");
                assert_unreadable(&reply, origin);
                let headers = [("Origin".to_owned(), origin.to_owned())];
                let target = opening.target("websocket");
                let refused = Socket::connect(server.address, &target, &headers).await;
                let (reply, _) = refused.expect_err("a refusal");
                assert!([400, 403].contains(&reply.status), "{}", reply.status);
            }
        }
        assert_eq!(metric(&server, CONNECTED).await, 0);
        let refused = "stellar_handshakes_refused_total{reason=\"origin\"}";
        assert_eq!(metric(&server, refused).await, 20);
    }
}

#[tokio::test]
async fn a_foreign_page_can_do_nothing_with_a_sid() {
    let server = listing();
    let mut ann = Peer::connected(server.address, Kind::PLAIN[0]).await;
    let session = ann.session();
    let get = session.get_request().header("Origin", FOREIGN);
    let post = session.post_request("41").header("Origin", FOREIGN);
    for request in [get, post] {
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.fault(), (403, 4));
        assert_unreadable(&reply, "with a sid");
    }
    let foreign = [("Origin".to_owned(), FOREIGN.to_owned())];
    let target = session.target("websocket");
    assert!(
        Socket::connect(server.address, &target, &foreign)
            .await
            .is_err()
    );
    ann.details().await;
}

#[tokio::test]
async fn the_page_s_own_origin_passes() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let opening = opening(server.address, kind.version).header("Origin", "http://localhost");
        let mut ann = Peer::with(opening, kind).await;
        ann.connect().await;
        ann.details().await;
    }
}
