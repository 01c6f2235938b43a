//! Actions that a page of another site calls: never in its visitor's name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use stellar::app::{Action, App};

use crate::support::server::{self, Running, config};
use crate::web::{self, Reply, request};

const OWN: &str = "http://shop.test";
const LISTED: &str = "https://friend.test";
const EVIL: &str = "https://evil.test";

/// A shop whose action `pay` counts how often it was called.
struct Shop {
    server: Running,
    paid: Arc<AtomicU64>,
}

impl Shop {
    async fn new(origins: &[&str]) -> Self {
        let paid = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&paid);
        let pay = Action::new("pay", move |_context, _: Value| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Ok(json!({ "secret": "of the visitor" })) }
        });
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        let config = config(|config| {
            config.access.origins = origins;
            config.web.jsonp = true;
        });
        let server = server::start(App::builder().action(pay), config).await;
        Self { server, paid }
    }

    /// Calls `pay` as a browser does that was told to by a page.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let begun = request(method, path).header("host", "shop.test");
        let asked = headers
            .iter()
            .fold(begun, |asked, (name, value)| asked.header(*name, *value));
        web::send(self.server.address, asked, "").await
    }

    /// Whether it runs with these headers.
    async fn runs(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let before = self.paid.load(Ordering::Relaxed);
        let reply = self.ask(method, path, headers).await;
        let has_run = self.paid.load(Ordering::Relaxed) > before;
        let expected = if has_run { 200 } else { 403 };
        assert_eq!(reply.status, expected, "{headers:?}: {}", reply.text());
        assert_eq!(reply.text().contains("secret"), has_run);
        if !has_run {
            let error = reply.json()["error"].as_str().unwrap().to_owned();
            assert!(error.contains("`origins`"), "{error}");
        }
        has_run
    }
}

/// What browsers carry for whoever asks.
const CREDENTIALS: [(&str, &str); 2] =
    [("cookie", "session=4711"), ("authorization", "Basic eDp5")];

/// What they say of the page, and whether it is the shop's own or a listed one.
const PAGES: &[(&[(&str, &str)], bool)] = &[
    (&[("origin", OWN)], true),
    (&[("origin", "https://shop.test")], true),
    (&[("origin", LISTED)], true),
    (&[("sec-fetch-site", "same-origin")], true),
    (&[("sec-fetch-site", "none")], true),
    (&[("referer", "http://shop.test/cart")], true),
    (
        &[
            ("sec-fetch-site", "cross-site"),
            ("referer", "https://friend.test/"),
        ],
        true,
    ),
    // A form, or fetch with credentials.
    (&[("origin", EVIL)], false),
    (&[("origin", "null")], false),
    (&[("origin", "https://shop.test.evil.test")], false),
    (&[("origin", EVIL), ("sec-fetch-site", "cross-site")], false),
    // An image, a script, a link.
    (&[("sec-fetch-site", "cross-site")], false),
    (&[("sec-fetch-site", "same-site")], false),
    (&[("referer", "https://evil.test/shop.test")], false),
    (
        &[
            ("sec-fetch-site", "cross-site"),
            ("referer", "https://evil.test/"),
        ],
        false,
    ),
    // A program, which has no visitor.
    (&[], true),
];

#[tokio::test]
async fn a_page_of_another_site_does_nothing_in_its_visitors_name() {
    let shop = Shop::new(&[LISTED]).await;
    for (page, is_known) in PAGES {
        for carried in CREDENTIALS {
            let all = [page, &[carried][..]].concat();
            for (method, path) in [
                ("GET", "/api/pay"),
                ("POST", "/api/pay"),
                ("POST", "/api?action=pay"),
                ("GET", "/api/pay?callback=steal"),
            ] {
                // A script that is refused is no script.
                if path.ends_with("steal") && *is_known {
                    continue;
                }
                let runs = shop.runs(method, path, &all).await;
                assert_eq!(runs, *is_known, "{method} {path} {all:?}");
            }
        }
        // Without them it is nobody in particular who asks.
        assert!(shop.runs("GET", "/api/pay", page).await, "{page:?}");
    }
    let refused = "stellar_handshakes_refused_total{reason=\"origin\"}";
    let metrics = web::get(shop.server.address, "/metrics").await;
    assert!(metrics.text().contains(refused));
}

#[tokio::test]
async fn a_list_that_is_open_to_all_is_not_open_to_their_visitors_cookies() {
    let shop = Shop::new(&["*", LISTED]).await;
    for (page, is_known) in PAGES {
        for carried in CREDENTIALS {
            let all = [page, &[carried][..]].concat();
            assert_eq!(shop.runs("POST", "/api/pay", &all).await, *is_known);
        }
        assert!(shop.runs("POST", "/api/pay", page).await, "{page:?}");
    }
}

/// What a browser is told of who may read the answer.
fn readers(reply: &Reply) -> (&str, &str) {
    (
        reply.header("access-control-allow-origin"),
        reply.header("access-control-allow-credentials"),
    )
}

#[tokio::test]
async fn answers_are_for_the_pages_that_may_connect() {
    let shop = Shop::new(&[LISTED]).await;
    let open = Shop::new(&["*"]).await;
    for (method, path) in [
        ("GET", "/api/pay"),
        ("GET", "/api/nope"),
        ("OPTIONS", "/api/pay"),
        ("OPTIONS", "/api"),
    ] {
        for (origin, of_shop, of_open) in [
            (None, ("", ""), ("", "")),
            (Some(EVIL), ("", ""), ("*", "")),
            (Some("null"), ("", ""), ("*", "")),
            (Some(LISTED), (LISTED, "true"), ("*", "")),
            (Some(OWN), (OWN, "true"), ("*", "")),
        ] {
            let headers = origin.map(|origin| ("origin", origin));
            for (server, expected) in [(&shop, of_shop), (&open, of_open)] {
                let reply = server.ask(method, path, headers.as_slice()).await;
                assert_eq!(readers(&reply), expected, "{method} {path} {origin:?}");
                assert_eq!(reply.header("vary"), "Origin");
            }
        }
    }
    // A listed page may ask with headers of its own, and no other may.
    for (origin, allowed) in [
        (LISTED, "authorization, content-type"),
        (EVIL, "Content-Type"),
    ] {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization, content-type",
            ),
        ];
        let reply = shop.ask("OPTIONS", "/api/pay", &asked).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("access-control-allow-headers"), allowed);
    }
}
