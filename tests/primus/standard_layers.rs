use std::time::Duration;

use http::{HeaderName, Method};
use stellar::primus::layer::{Cors, Forwarding};
use stellar::primus::{Builder, Primus};

use crate::support::Client;
use crate::web::{self, Reply, request};
use crate::{World, connect};

const POLLING: &str = "/primus/?EIO=4&transport=polling";

/// What a server takes for the address of a client that sends these headers.
async fn address(builder: Builder, headers: &[(&str, &str)]) -> (String, u16, bool) {
    let mut world = World::start(builder).await;
    let _client = Client::connect(world.address, "/primus", headers)
        .await
        .unwrap();
    let peer = world.spark().await.address();
    let port = if peer.ip.is_loopback() { 0 } else { peer.port };
    (peer.ip.to_string(), port, peer.secure)
}

fn forwarding(forwarding: Forwarding) -> Builder {
    Primus::builder().forwarding(forwarding)
}

#[tokio::test]
async fn a_trusted_proxy_tells_the_address() {
    let for_header = ("X-Forwarded-For", "6.6.6.6, 192.0.2.7");
    let port = ("X-Forwarded-Port", "4711");
    let proto = ("X-Forwarded-Proto", "https");
    let rfc = (
        "Forwarded",
        "for=6.6.6.6, for=\"[2001:db8::1]:4712\";proto=https",
    );
    let real = ("X-Real-IP", "192.0.2.9");
    let all = [for_header, port, proto, rfc, real];
    let found = address(Primus::builder(), &all).await;
    assert_eq!(found, ("192.0.2.7".to_owned(), 4711, true));
    let found = address(forwarding(Forwarding::Forwarded), &all).await;
    assert_eq!(found, ("2001:db8::1".to_owned(), 4712, true));
    let name = HeaderName::from_static("x-real-ip");
    let found = address(forwarding(Forwarding::Header(name)), &all).await;
    assert_eq!(found, ("192.0.2.9".to_owned(), 0, true));
}

#[tokio::test]
async fn only_the_chosen_header_is_believed() {
    let itself = ("127.0.0.1".to_owned(), 0, false);
    let name = HeaderName::from_static("x-real-ip");
    for (builder, header) in [
        (Primus::builder(), ("Forwarded", "for=6.6.6.6")),
        (Primus::builder(), ("X-Real-IP", "6.6.6.6")),
        (
            forwarding(Forwarding::Forwarded),
            ("X-Forwarded-For", "6.6.6.6"),
        ),
        (
            forwarding(Forwarding::Header(name)),
            ("X-Forwarded-For", "6.6.6.6"),
        ),
        (Primus::builder(), ("X-Forwarded-For", "nonsense")),
    ] {
        assert_eq!(address(builder, &[header]).await, itself, "{header:?}");
    }
}

#[tokio::test]
async fn who_is_not_trusted_is_not_believed() {
    let header = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
    ];
    let elsewhere = Primus::builder().trusted_proxies(["10.0.0.0/8".parse().unwrap()]);
    let itself = ("127.0.0.1".to_owned(), 0, false);
    assert_eq!(address(elsewhere, &header).await, itself);
    let nobody = Primus::builder().trusted_proxies([]);
    assert_eq!(address(nobody, &header).await, itself);
    // As a layer, it can be switched off.
    let mut world = World::start(Primus::builder()).await;
    assert!(world.primus.layers().disable("forwarded"));
    let client = Client::connect(world.address, "/primus", &header).await;
    assert!(world.spark().await.address().ip.is_loopback());
    client.unwrap().close().await;
}

async fn from_origin(world: &World, method: &str, path: &str, origin: &str) -> Reply {
    let request = request(method, path).header("Origin", origin);
    web::send(world.address, request, "").await
}

fn example() -> Builder {
    Primus::builder().origins(["https://example.com"])
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_read_answers() {
    let world = World::start(example()).await;
    for path in [POLLING, "/primus/primus.js", "/primus/spec"] {
        let reply = from_origin(&world, "GET", path, "https://example.com").await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(
            reply.all("access-control-allow-origin"),
            ["https://example.com"]
        );
        assert_eq!(reply.all("access-control-allow-credentials"), ["true"]);
        assert!(reply.all("vary").join(",").contains("Origin"), "{path}");
    }
    // Without an origin it is nobody's page.
    let reply = web::get(world.address, "/primus/spec").await;
    assert_eq!(reply.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn pages_of_others_are_refused_in_primus_words() {
    let world = World::start(example()).await;
    for (method, origin) in [("GET", "https://evil.com"), ("OPTIONS", "https://evil.com")] {
        let reply = from_origin(&world, method, POLLING, origin).await;
        assert_eq!(reply.status, 403);
        assert!(reply.header("content-type").starts_with("text/plain"));
        assert_eq!(
            reply.text(),
            format!(
                "Invalid HTTP Access Control (CORS) request:\n  Origin: {origin}\n  Method: {method}"
            )
        );
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
    // A method that pages may not use.
    let reply = from_origin(&world, "PATCH", POLLING, "https://example.com").await;
    assert_eq!(reply.status, 403);
    // Nor what is no origin, whoever may connect.
    for origins in ["*", "https://example.com"] {
        let anyone = World::start(Primus::builder().origins([origins])).await;
        for origin in ["nonsense", "good.example", "://", "", "https://a%20b", "%"] {
            let reply = from_origin(&anyone, "GET", POLLING, origin).await;
            assert_eq!(reply.status, 403, "{origin}");
        }
    }
    // The origin of a WebSocket is looked at even where nobody asks for the headers.
    assert!(world.primus.layers().disable("cors"));
    let header = [("Origin", "https://evil.com")];
    let refused = Client::connect(world.address, "/primus", &header).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("connection"), Some("close"));
    let header = [("Origin", "https://example.com")];
    assert!(
        Client::connect(world.address, "/primus", &header)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn browsers_that_ask_first_are_told_what_they_may() {
    let ask = |path| {
        request("OPTIONS", path)
            .header("Origin", "https://example.com")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "x-one, x-two")
    };
    let world = World::start(example()).await;
    let reply = web::send(world.address, ask(POLLING), "").await;
    assert_eq!((reply.status, reply.text()), (200, ""));
    for (name, value) in [
        ("access-control-allow-origin", "https://example.com"),
        ("access-control-allow-credentials", "true"),
        (
            "access-control-allow-methods",
            "GET, HEAD, PUT, POST, DELETE, OPTIONS",
        ),
        ("access-control-allow-headers", "x-one, x-two"),
        ("access-control-max-age", "2592000"),
    ] {
        assert_eq!(reply.all(name), [value], "{name}");
    }
    let cors = Cors::default()
        .methods([Method::GET, Method::POST, Method::OPTIONS])
        .credentials(false)
        .max_age(Duration::from_secs(60))
        .headers([HeaderName::from_static("x-mine")])
        .exposed([HeaderName::from_static("x-theirs")]);
    let world = World::start(example().cors(cors)).await;
    let reply = web::send(world.address, ask(POLLING), "").await;
    for (name, value) in [
        ("access-control-allow-credentials", ""),
        ("access-control-allow-methods", "GET, POST, OPTIONS"),
        ("access-control-allow-headers", "x-mine"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    let reply = from_origin(&world, "GET", POLLING, "https://example.com").await;
    assert_eq!(reply.header("access-control-expose-headers"), "x-theirs");
}

#[tokio::test]
async fn a_server_for_all_pages_takes_nobodys_cookies() {
    let world = World::start(Primus::builder().origins(["*"])).await;
    let reply = from_origin(&world, "GET", POLLING, "https://anybody.com").await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, "*")
    );
    assert_eq!(reply.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn old_browsers_are_told_to_switch_their_filter_off() {
    let world = World::start(Primus::builder()).await;
    let asked = async |agent: &str| {
        let request = request("GET", POLLING).header("User-Agent", agent);
        let reply = web::send(world.address, request, "").await;
        reply.header("x-xss-protection").to_owned()
    };
    assert_eq!(
        asked("Mozilla/4.0 (compatible;MSIE 8.0; Windows NT 6.0)").await,
        "0"
    );
    assert_eq!(
        asked("Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0)").await,
        "0"
    );
    assert_eq!(
        asked("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0").await,
        ""
    );
    assert!(world.primus.layers().disable("x-xss"));
    assert_eq!(
        asked("Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0)").await,
        ""
    );
}

#[tokio::test]
async fn nothing_that_is_said_is_cached() {
    let world = World::start(Primus::builder()).await;
    let reply = web::get(world.address, POLLING).await;
    let never = "no-store, no-cache, must-revalidate, max-age=0";
    assert_eq!(reply.all("cache-control"), [never]);
    assert_eq!(reply.all("pragma"), ["no-cache"]);
    assert!(world.primus.layers().disable("no-cache"));
    let reply = web::get(world.address, POLLING).await;
    assert_eq!(reply.header("pragma"), "");
    connect(world.address, "/primus").await;
}

/// What some clients of HTTP/1.1 offer with every request is no handshake.
#[tokio::test]
async fn an_offer_of_another_protocol_is_an_ordinary_request() {
    let world = World::start(Primus::builder()).await;
    for path in ["/primus/spec", "/primus/primus.js", POLLING] {
        let offer = request("GET", path)
            .header("Connection", "Upgrade, HTTP2-Settings")
            .header("Upgrade", "h2c")
            .header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA");
        let reply = web::send(world.address, offer, "").await;
        assert_eq!(reply.status, 200, "{path}");
        let offer = web::get(world.address, path).await;
        assert_eq!(reply.header("pragma"), offer.header("pragma"));
    }
}
