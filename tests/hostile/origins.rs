//! Pages of other sites: refused before a connection exists, at each door.

use crate::raw::{self, Raw};
use crate::support::{Client, Refused};
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
            format!("http://{own}/"),
            format!("http://127.0.0.1:{}", port ^ 1),
            "http://127.0.0.1".to_owned(),
            format!("http://localhost:{port}"),
            format!("http://[::1]:{port}"),
            format!("ws://{own}"),
            format!("javascript://{own}"),
            own.to_string(),
            format!("//{own}"),
            "*".to_owned(),
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
