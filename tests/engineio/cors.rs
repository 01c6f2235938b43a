//! Pages of other origins (docs/protocol/engineio.md#cors).

use crate::support::Binary;
use crate::support::engineio::{
    ENGINE, Opening, PRIMUS, Packet, Reply, Request, Session, Socket, Version, exchange,
};
use crate::{SESSIONS, metric};

const LISTED: &str = "https://app.example.com";
const FOREIGN: &str = "https://elsewhere.test";

fn listing() -> Binary {
    Binary::serve(&["--demo", "--origin", LISTED], "")
}

/// Whether a page of this origin may read the answer, with its cookies.
fn assert_readable(reply: &Reply, what: &str) {
    let allowed = reply.header("access-control-allow-origin");
    assert_eq!(allowed, Some(LISTED), "{what}");
    let credentials = reply.header("access-control-allow-credentials");
    assert_eq!(credentials, Some("true"), "{what}");
    assert_varies(reply, what);
}

fn assert_varies(reply: &Reply, what: &str) {
    let mut vary = reply.headers.iter().filter(|(name, _)| name == "vary");
    let names = vary.any(|(_, value)| {
        let mut names = value.split(',');
        names.any(|name| name.trim().eq_ignore_ascii_case("origin"))
    });
    assert!(names, "{what}: {:?}", reply.headers);
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
    for door in [ENGINE, PRIMUS] {
        for version in Version::BOTH {
            let opening = Opening::new(server.address, version).door(door);
            let opening = opening.header("Origin", LISTED);
            assert_readable(&opening.reply().await, "the opening");
            let mut session = opening.session().await;
            assert_readable(&session.poll_reply().await, "a GET");
            let payload = version.payload(&[Packet::message("{}")]);
            assert_readable(&session.post_reply(payload).await, "a POST");
        }
    }
}

#[tokio::test]
async fn errors_can_be_read_by_a_listed_origin_too() {
    let server = Binary::serve(
        &["--demo", "--origin", LISTED],
        "[polling]\nmax_payload_bytes = 1024\nmax_sessions = 1\n",
    );
    let opening = Opening::new(server.address, Version::V4).header("Origin", LISTED);
    let mut session = opening.clone().session().await;
    session.expect_welcome().await;
    assert_eq!(opening.reply().await.status, 503);
    assert_readable(&opening.reply().await, "too many");
    let large = session.post_reply("4".repeat(1025)).await;
    assert_eq!(large.status, 413);
    assert_readable(&large, "too large");
    for (method, query, code) in [
        ("GET", "EIO=4&transport=x", 0),
        ("GET", "EIO=4&transport=polling&sid=x", 1),
        ("POST", "EIO=4&transport=polling", 2),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", "EIO=5&transport=polling", 5),
    ] {
        let request = Request::new(method, &format!("{ENGINE}?{query}"));
        let reply = exchange(server.address, &request.header("Origin", LISTED)).await;
        assert_eq!(reply.fault(), (400, code));
        assert_readable(&reply, query);
    }
    let bad = session.post_reply("9").await;
    assert_eq!(bad.fault(), (400, 3));
    assert_readable(&bad, "a bad packet");
}

#[tokio::test]
async fn preflights_say_what_is_allowed() {
    let server = listing();
    for query in [
        "EIO=4&transport=polling",
        "EIO=4&transport=polling&sid=x",
        "",
    ] {
        let request = Request::new("OPTIONS", &format!("{ENGINE}?{query}"))
            .header("Origin", LISTED)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type");
        let reply = exchange(server.address, &request).await;
        assert_eq!((reply.status, reply.text()), (204, ""), "{query}");
        assert_readable(&reply, query);
        let methods = reply.header("access-control-allow-methods").unwrap();
        let methods: Vec<_> = methods.split(',').map(str::trim).collect();
        assert!(
            methods.contains(&"GET") && methods.contains(&"POST"),
            "{methods:?}"
        );
        let headers = reply.header("access-control-allow-headers").unwrap();
        assert!(
            headers.to_ascii_lowercase().contains("content-type"),
            "{headers}"
        );
    }
}

#[tokio::test]
async fn a_preflight_of_a_foreign_page_allows_nothing() {
    let server = listing();
    let request = Request::new("OPTIONS", &format!("{ENGINE}?EIO=4&transport=polling"))
        .header("Origin", FOREIGN)
        .header("Access-Control-Request-Method", "POST");
    let reply = exchange(server.address, &request).await;
    assert_eq!((reply.status, reply.text()), (204, ""));
    assert_unreadable(&reply, "a preflight");
}

#[tokio::test]
async fn a_foreign_page_opens_nothing() {
    for server in [Binary::demo(), listing()] {
        for origin in [
            FOREIGN,
            "null",
            "https://app.example.com.evil.test",
            "https://evil-app.example.com",
            "http://app.example.com",
            "https://app.example.com:8443",
            "app.example.com",
            "",
            "wss://elsewhere.test",
        ] {
            let opening = Opening::new(server.address, Version::V4).header("Origin", origin);
            let reply = opening.reply().await;
            assert_eq!(reply.fault(), (403, 4), "{origin}");
            assert!(reply.json()["message"].as_str().unwrap().len() > 3);
            assert_unreadable(&reply, origin);
        }
        assert_eq!(metric(&server, SESSIONS).await, 0);
        let refused = "stellar_handshakes_refused_total{reason=\"origin\"}";
        assert_eq!(metric(&server, refused).await, 9);
    }
}

#[tokio::test]
async fn two_origins_are_none() {
    let server = listing();
    let opening = Opening::new(server.address, Version::V4).header("Origin", LISTED);
    let reply = opening.header("Origin", LISTED).reply().await;
    assert_eq!(reply.fault(), (403, 4));
}

#[tokio::test]
async fn a_foreign_page_can_do_nothing_with_a_sid() {
    let server = listing();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let get = session.get_request().header("Origin", FOREIGN);
    let post = session.post_request("4{\"event\":\"quit\"}");
    for request in [get, post.header("Origin", FOREIGN)] {
        let reply = exchange(server.address, &request).await;
        assert_eq!(reply.fault(), (403, 4));
        assert_unreadable(&reply, "with a sid");
    }
    session.details().await;
}

#[tokio::test]
async fn a_foreign_page_opens_no_socket_either() {
    let server = listing();
    let mut session = Session::greeted(server.address, Version::V4).await;
    let foreign = [("Origin".to_owned(), FOREIGN.to_owned())];
    let opening = Opening::new(server.address, Version::V4).target("websocket");
    for target in [opening.clone(), session.target("websocket")] {
        let refused = Socket::connect(server.address, &target, &foreign).await;
        let (reply, _) = refused.expect_err("a refusal");
        assert!([400, 403].contains(&reply.status), "{}", reply.status);
    }
    session.details().await;

    // A listed one does, and one that names none.
    let listed = [("Origin".to_owned(), LISTED.to_owned())];
    for headers in [&listed[..], &[]] {
        for target in [opening.clone(), session.target("websocket")] {
            assert!(
                Socket::connect(server.address, &target, headers)
                    .await
                    .is_ok()
            );
            let mut session = Session::open(server.address, Version::V4).await;
            session.details().await;
        }
        session = Session::greeted(server.address, Version::V4).await;
    }
}

#[tokio::test]
async fn all_origins_may_read_without_cookies_if_all_are_allowed() {
    let server = Binary::serve(&["--demo", "--origin", "*"], "");
    let opening = Opening::new(server.address, Version::V4).header("Origin", FOREIGN);
    let mut session = opening.clone().session().await;
    let bad = Request::get(&format!("{ENGINE}?EIO=4&transport=x")).header("Origin", FOREIGN);
    let preflight = Request::new("OPTIONS", ENGINE).header("Origin", FOREIGN);
    let preflight = preflight.header("Access-Control-Request-Method", "POST");
    for reply in [
        opening.reply().await,
        session.poll_reply().await,
        session.post_reply("4{}").await,
        exchange(server.address, &bad).await,
    ] {
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    let target = session.target("polling");
    let preflight_with_sid = Request::new("OPTIONS", &target).header("Origin", FOREIGN);
    for preflight in [preflight, preflight_with_sid] {
        let reply = exchange(server.address, &preflight).await;
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
}

#[tokio::test]
async fn the_page_s_own_origin_and_none_pass() {
    let server = Binary::demo();
    let own = Opening::new(server.address, Version::V4).header("Origin", "http://localhost");
    own.session().await.expect_welcome().await;
    let none = Opening::new(server.address, Version::V4);
    let mut session = none.session().await;
    let reply = session.poll_reply().await;
    assert_eq!(reply.header("access-control-allow-credentials"), None);
}
