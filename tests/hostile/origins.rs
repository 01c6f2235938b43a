//! Pages of other sites: refused before a connection exists, at each door.

use crate::raw::{self, Raw};
use crate::support::{Binary, Client, Refused};
use crate::{Arena, DOORS};

async fn connect(arena: &Arena, door: &str, origin: &str) -> Result<Client, Refused> {
    Client::connect(arena.address(), door, &[("Origin", origin)]).await
}

async fn is_refused(arena: &Arena, door: &str, origin: &str) {
    let Err(refused) = connect(arena, door, origin).await else {
        panic!("{origin} may connect at {door}");
    };
    assert_eq!(refused.status, 403, "{origin} at {door}");
    assert!(refused.body.contains("origin"), "{}", refused.body);
    // Nothing lets the page read the answer either.
    assert_eq!(refused.header("access-control-allow-origin"), None);
    assert_eq!(refused.header("access-control-allow-credentials"), None);
    assert_eq!(refused.header("set-cookie"), None);
}

async fn is_let_in(arena: &Arena, door: &str, origin: &str) {
    match connect(arena, door, origin).await {
        Ok(mut client) => client.expect_welcome().await,
        Err(refused) => panic!("{origin} at {door}: {refused:?}"),
    }
}

#[tokio::test]
async fn foreign_origins_are_refused() {
    let mut arena = Arena::demo().await;
    let own = arena.address();
    let port = own.port();
    for door in DOORS {
        for origin in [
            "https://evil.test".to_owned(),
            "null".to_owned(),
            "file://".to_owned(),
            "chrome-extension://abcdef".to_owned(),
            format!("http://{own}.evil.test"),
            format!("http://evil.test/{own}"),
            format!("http://evil.test#{own}"),
            format!("http://evil.test@{own}"),
            format!("http://{own}@evil.test"),
            format!("http://{own}:80"),
            format!("http://127.0.0.1:{}", port ^ 1),
            "http://127.0.0.1".to_owned(),
            format!("http://localhost:{port}"),
            format!("http://[::1]:{port}"),
            format!("javascript://{own}"),
            format!("//{own}"),
            format!("ws://{own}.evil.test"),
            format!("ws://evil.test/{own}"),
            format!("http://{own}@evil.test/"),
            "evil.test".to_owned(),
            "x".repeat(1000),
        ] {
            is_refused(&arena, door, &origin).await;
        }
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn the_own_origin_and_no_origin_pass() {
    let arena = Arena::demo().await;
    let own = arena.address();
    for door in DOORS {
        is_let_in(&arena, door, &format!("http://{own}")).await;
        // A proxy may end TLS in front of the server, so the scheme says nothing.
        is_let_in(&arena, door, &format!("https://{own}")).await;
        is_let_in(&arena, door, &format!("HTTP://{own}")).await;
        // No browser sends these; libraries for programs do.
        for origin in [
            format!("ws://{own}"),
            format!("http://{own}/"),
            own.to_string(),
            "*".to_owned(),
        ] {
            is_let_in(&arena, door, &origin).await;
        }
        // Every other client of these tests sends none.
        Client::greeted(own, door).await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn an_empty_origin_is_not_an_absent_one() {
    let arena = Arena::demo().await;
    for door in DOORS {
        is_refused(&arena, door, "").await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn two_origins_are_refused() {
    let arena = Arena::demo().await;
    let own = format!("http://{}", arena.address());
    for door in DOORS {
        for second in [&*own, "https://evil.test"] {
            let headers = [("Origin", &*own), ("Origin", second)];
            let refused = Client::connect(arena.address(), door, &headers)
                .await
                .map(drop);
            assert_eq!(refused.unwrap_err().status, 403);
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn the_list_of_origins_is_exact() {
    let config =
        "[access]\norigins = [\"https://app.example.com\", \"http://dev.example.com:3000\"]\n";
    let mut arena = Arena::configured(config).await;
    for door in DOORS {
        for origin in [
            "https://app.example.com",
            "HTTPS://APP.EXAMPLE.COM",
            "http://dev.example.com:3000",
        ] {
            is_let_in(&arena, door, origin).await;
        }
        for origin in [
            "http://app.example.com",
            "https://app.example.com.evil.test",
            "https://evil-app.example.com",
            "https://evil.app.example.com",
            "https://example.com",
            "https://app.example.com:8443",
            "https://app.example.com@evil.test",
            "https://evil.test@app.example.com",
            "https://app.example.com/evil",
            "https://appxexample.com",
            "https://app.example.com\u{a0}",
            "https://app.example.com, https://evil.test",
            "https://app.example.com https://evil.test",
            "http://dev.example.com",
            "http://dev.example.com:30000",
            "null",
        ] {
            is_refused(&arena, door, origin).await;
        }
        // The list adds to the server's own origin.
        is_let_in(&arena, door, &format!("http://{}", arena.address())).await;
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn null_and_everybody_can_be_let_in_on_purpose() {
    let arena = Arena::configured("[access]\norigins = [\"null\"]\n").await;
    is_let_in(&arena, "/primus", "null").await;
    is_refused(&arena, "/primus", "https://evil.test").await;
    arena.survives().await;

    let arena = Arena::configured("[access]\norigins = [\"*\"]\n").await;
    for door in DOORS {
        is_let_in(&arena, door, "https://anything.test").await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_refused_page_gets_no_byte_of_the_socket() {
    let arena = Arena::demo().await;
    for door in DOORS {
        let mut attacker = Raw::connect(arena.address()).await;
        let frame = raw::frame(raw::TEXT, "{\"event\":\"detailsView\"}");
        let request = raw::handshake(door, "Origin: https://evil.test\r\n").into_bytes();
        attacker.write([request, frame].concat()).await;
        assert_eq!(attacker.answer().await.status, 403);
        // What came behind is no frame to anybody: at most it is a broken request.
        let rest = attacker.rest().await;
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"),
            "{rest:?}"
        );
    }
    arena.survives().await;
}

#[tokio::test]
async fn lists_take_what_pages_have_and_leave_hosts_and_ports_open() {
    let config = "[access]\norigins = [\"file://\", \"content://\", \"https://a.test:443\", \"https://*.b.test\", \
                  \"http://localhost:*\"]\n";
    let arena = Arena::configured(config).await;
    for door in DOORS {
        for origin in [
            "file://",
            "content://",
            "https://a.test",
            "https://x.b.test",
            "https://x.y.b.test",
            "http://localhost:5173",
            "http://localhost",
        ] {
            is_let_in(&arena, door, origin).await;
        }
        for origin in [
            "file:",
            "null",
            "http://a.test",
            "https://b.test",
            "https://evilb.test",
            "https://x.b.test.evil.test",
            "https://x.b.test:8443",
            "https://localhost:5173",
            "http://localhost:5173.evil.test",
        ] {
            is_refused(&arena, door, origin).await;
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn the_host_that_a_trusted_proxy_names_is_the_servers_own() {
    let forwarded = [
        ("X-Forwarded-Host", "public.test"),
        ("X-Forwarded-Host", "public.test, inner.test"),
        ("Forwarded", "for=192.0.2.1;host=public.test;proto=https"),
        (
            "Forwarded",
            "for=192.0.2.1;Host=\"public.test\", for=192.0.2.2;host=inner.test",
        ),
    ];
    let believing = Arena::demo().await;
    let doubting = Arena::configured("[access]\ntrusted_proxies = [\"192.0.2.0/24\"]\n").await;
    for door in DOORS {
        for named in forwarded {
            let connect = async |arena: &Arena, origin| {
                let headers = [("Origin", origin), named];
                let client = Client::connect(arena.address(), door, &headers).await;
                client.map(drop).map_err(|refused| refused.status)
            };
            let own = "https://public.test";
            assert_eq!(
                connect(&believing, own).await,
                Ok(()),
                "{named:?} at {door}"
            );
            assert_eq!(
                connect(&doubting, own).await,
                Err(403),
                "{named:?} at {door}"
            );
            for origin in [
                "https://evil.test",
                "https://public.test.evil.test",
                "https://public.test:8443",
            ] {
                assert_eq!(
                    connect(&believing, origin).await,
                    Err(403),
                    "{named:?} at {door}"
                );
            }
        }
    }
    believing.survives().await;
    doubting.survives().await;
}

#[tokio::test]
async fn the_port_that_a_trusted_proxy_names_is_the_servers_own() {
    let believing = Arena::demo().await;
    let doubting = Arena::configured("[access]\ntrusted_proxies = [\"192.0.2.0/24\"]\n").await;
    let connect = async |arena: &Arena, origin: &str, host: &[(&str, &str)]| {
        let port = [("Origin", origin), ("X-Forwarded-Port", "8443")];
        let headers = [&port[..], host].concat();
        let client = Client::connect(arena.address(), "/ws", &headers).await;
        client.map(drop).map_err(|refused| refused.status)
    };
    let named = [("X-Forwarded-Host", "public.test")];
    let own = format!("https://{}:8443", believing.address().ip());
    for (origin, host, expected) in [
        ("https://public.test:8443", &named[..], Ok(())),
        ("https://public.test", &named, Ok(())),
        ("https://public.test:8444", &named, Err(403)),
        ("https://public.test:8443", &[], Err(403)),
    ] {
        let connected = connect(&believing, origin, host).await;
        assert_eq!(connected, expected, "{origin} {host:?}");
        assert_eq!(connect(&doubting, origin, host).await, Err(403), "{origin}");
    }
    // The test's own `Host` has a port, so there is nothing to add.
    assert_eq!(connect(&believing, &own, &[]).await, Err(403));
    believing.survives().await;
    doubting.survives().await;
}

#[tokio::test]
async fn the_log_names_each_refused_origin_once_and_nothing_to_copy_that_is_none() {
    let server = Binary::demo();
    for _ in 0..3 {
        for origin in [
            "https://evil.test",
            "https://other.test",
            "$(reboot)",
            "x\" --origin *",
            "null",
        ] {
            for door in DOORS {
                let refused = Client::connect(server.address, door, &[("Origin", origin)]).await;
                assert_eq!(refused.map(drop).unwrap_err().status, 403, "{origin}");
            }
        }
    }
    let long = format!("https://{}.test", "x".repeat(5000));
    let refused = Client::connect(server.address, "/ws", &[("Origin", &long)]).await;
    assert_eq!(refused.map(drop).unwrap_err().status, 403);
    server.terminate();
    let said = server.finished().await;
    let log = said.stdout + &said.stderr;
    for line in [
        "refused a page of origin \"https://evil.test\"; to let it in: --origin https://evil.test",
        "refused a page of origin \"https://other.test\"; to let it in: --origin https://other.test",
        "refused a page of origin \"null\"",
        "refused a client that gives \"$(reboot)\" for its origin",
        "refused a client that gives \"x\\\" --origin *\" for its origin",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line} in {log}");
    }
    assert!(!log.contains(&"x".repeat(201)), "{log}");
}

#[tokio::test]
async fn what_can_be_no_origin_is_an_error_at_start() {
    for (origin, expected) in [
        ("example.com", "has no scheme: write https://example.com"),
        ("https://example.com/path", "has a path"),
        ("https://me@example.com", "has a user name"),
        ("https://a.test,https://b.test", "is a list"),
        ("https://b\u{fc}cher.example", "is not in ASCII"),
        ("wss://example.com", "write https://example.com"),
        ("https://a.*.example", "has a `*`"),
    ] {
        let arguments = [
            "serve",
            "--demo",
            "--listen",
            "127.0.0.1:0",
            "--origin",
            origin,
        ];
        let said = crate::support::binary::run(&arguments).await;
        assert_eq!(said.code, Some(2), "{origin}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{origin}: {}", said.stderr);
        assert_eq!(said.stderr.trim_end().lines().count(), 1, "{}", said.stderr);
    }
}
