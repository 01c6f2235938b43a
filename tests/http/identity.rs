//! Who asks: fingerprints by cookie, shared with WebSocket, and addresses by proxy.

use serde_json::Value;

use crate::support::{Binary, Client, server};
use crate::web::{self, Reply, request};

async fn get(server: &Binary, headers: &[(&str, &str)]) -> Reply {
    let request = headers
        .iter()
        .fold(request("GET", "/api/status"), |request, (name, value)| {
            request.header(*name, *value)
        });
    web::send(server.address, request, "").await
}

/// What the server knows of the requester.
async fn requester(server: &Binary, headers: &[(&str, &str)]) -> Value {
    get(server, headers).await.json()["requesterInformation"].take()
}

/// What a connection with these knows of itself.
async fn details(server: &Binary, path: &str, headers: &[(&str, &str)]) -> Value {
    let mut client = Client::connect(server.address, path, headers)
        .await
        .map_err(|refused| refused.status)
        .unwrap();
    client.details().await
}

/// The value of the cookie that a first request is given.
fn given(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie");
    let (pair, _) = cookie.split_once(';').unwrap();
    pair.strip_prefix("sessionID=").unwrap().to_owned()
}

#[tokio::test]
async fn check_095_the_first_request_is_given_a_fingerprint() {
    let server = Binary::demo();
    let first = get(&server, &[]).await;
    let cookie = first.header("set-cookie").to_owned();
    let fingerprint = given(&first);
    assert_eq!(fingerprint.len(), 40);
    assert!(fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()));
    for part in ["; Path=/", "; Max-Age=3600", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(
        first.json()["requesterInformation"]["fingerprint"],
        *fingerprint
    );

    let header = format!("a=b; sessionID={fingerprint}; c=d");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let later = get(&server, &[("cookie", &header)]).await;
        assert_eq!(later.header("set-cookie"), "");
        let requester = &later.json()["requesterInformation"];
        assert_eq!(requester["fingerprint"], *fingerprint);
        ids.push(requester["id"].as_str().unwrap().to_owned());
    }
    assert!(
        ids.iter()
            .all(|id| id.starts_with(&format!("{fingerprint}-")))
    );
    assert_ne!(ids[0], ids[1]);
    // Whoever comes without it is somebody else.
    assert_ne!(given(&get(&server, &[]).await), fingerprint);
}

#[tokio::test]
async fn http_and_websocket_share_the_fingerprint() {
    let server = Binary::demo();
    let fingerprint = given(&get(&server, &[]).await);
    let cookie = format!("sessionID={fingerprint}");
    for door in ["/primus", "/ws"] {
        // By the query parameter, which wins, or by the cookie that a browser sends along.
        let by_query = details(&server, &format!("{door}?sessionID={fingerprint}"), &[]).await;
        assert_eq!(by_query["fingerprint"], *fingerprint);
        let by_cookie = details(&server, door, &[("Cookie", &cookie)]).await;
        assert_eq!(by_cookie["fingerprint"], *fingerprint);
        let by_both = details(
            &server,
            &format!("{door}?sessionID=other"),
            &[("Cookie", &cookie)],
        )
        .await;
        assert_eq!(by_both["fingerprint"], "other");
        let by_none = details(&server, door, &[]).await;
        assert_eq!(by_none["fingerprint"], Value::Null);
        // Two connections of one browser are two connections.
        assert_ne!(by_query["id"], by_cookie["id"]);
    }
    let over_http = requester(&server, &[("cookie", &cookie)]).await;
    assert_eq!(over_http["fingerprint"], *fingerprint);
}

#[tokio::test]
async fn what_could_do_harm_is_no_fingerprint() {
    let server = Binary::demo();
    let long = "x".repeat(200);
    for value in ["", "a b", "a\"b\"c", "a,b", &*long] {
        let reply = get(&server, &[("cookie", &format!("sessionID={value}"))]).await;
        assert_eq!(given(&reply).len(), 40, "{value}");
    }
    for query in [
        "sessionID=",
        "sessionID=a%0d%0ab",
        "sessionID=%00",
        "sessionID=a%20b",
        "sessionID=%e2%82%ac",
    ] {
        let details = details(&server, &format!("/primus?{query}"), &[]).await;
        assert_eq!(details["fingerprint"], Value::Null, "{query}");
    }
}

#[tokio::test]
async fn the_cookie_is_as_configured() {
    let server = Binary::configured("[web]\ncookie_key = \"who\"\ncookie_expires_ms = 60000\n");
    let cookie = get(&server, &[]).await.header("set-cookie").to_owned();
    assert!(
        cookie.starts_with("who=") && cookie.contains("; Max-Age=60"),
        "{cookie}"
    );
    // One that was not set here may be a secret: it stands for somebody, and is not shown.
    let found = requester(&server, &[("cookie", "sessionID=x; who=s3cret")]).await;
    let fingerprint = found["fingerprint"].as_str().unwrap().to_owned();
    assert!(
        fingerprint.len() == 40 && !found.to_string().contains("s3cret"),
        "{found}"
    );
    for door in ["/primus", "/ws"] {
        let details = details(&server, door, &[("Cookie", "who=s3cret")]).await;
        assert_eq!(details["fingerprint"], *fingerprint);
        assert!(!details.to_string().contains("s3cret"), "{details}");
    }
    assert_eq!(
        details(&server, "/primus?who=z&sessionID=x", &[]).await["fingerprint"],
        "z"
    );

    let server = Binary::configured("[web]\nset_cookie = false\n");
    let reply = get(&server, &[]).await;
    assert_eq!(reply.header("set-cookie"), "");
    assert_eq!(
        reply.json()["requesterInformation"]["fingerprint"]
            .as_str()
            .unwrap()
            .len(),
        40
    );
}

#[tokio::test]
async fn files_and_scripts_set_no_cookie() {
    let server = Binary::demo();
    for path in [
        "/",
        "/simple.html",
        "/stellar-client",
        "/healthz",
        "/nothing-here",
    ] {
        assert_eq!(
            web::get(server.address, path).await.header("set-cookie"),
            "",
            "{path}"
        );
    }
}

#[tokio::test]
async fn check_098_a_trusted_proxy_tells_the_address() {
    let server = Binary::demo();
    for (forwarded, ip) in [
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4:5678", "1.2.3.4"),
        ("[2001:db8::1]:5678", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        // Only the last entry is the proxy's own; what stands before it the client may have written.
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("1.2.3.4, 127.0.0.1", "1.2.3.4"),
        ("junk", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("unknown, <script>", "127.0.0.1"),
    ] {
        let found = requester(&server, &[("x-forwarded-for", forwarded)]).await;
        assert_eq!(found["remoteIP"], ip, "{forwarded}");
        for door in ["/primus", "/ws"] {
            let found = details(&server, door, &[("X-Forwarded-For", forwarded)]).await;
            assert_eq!(found["remoteIP"], ip, "{forwarded} at {door}");
        }
    }
    let headers = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Port", "4321")];
    let found = details(&server, "/primus", &headers).await;
    assert_eq!(
        (&found["remoteIP"], &found["remotePort"]),
        (&"1.2.3.4".into(), &4321.into())
    );
}

#[tokio::test]
async fn nobody_else_is_believed() {
    for trusted in ["[]", "[\"10.0.0.0/8\", \"::1/128\"]"] {
        let server = Binary::configured(&format!("[access]\ntrusted_proxies = {trusted}\n"));
        for header in [
            "x-forwarded-for",
            "x-real-ip",
            "forwarded",
            "true-client-ip",
        ] {
            let found = requester(&server, &[(header, "1.2.3.4")]).await;
            assert_eq!(found["remoteIP"], "127.0.0.1", "{header}");
        }
        let headers = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Port", "4321")];
        let found = details(&server, "/primus", &headers).await;
        assert_eq!(found["remoteIP"], "127.0.0.1");
        assert_ne!(found["remotePort"], 4321);
    }
}

#[tokio::test]
async fn an_ipv4_client_of_an_ipv6_socket_has_its_ipv4_address() {
    let app = stellar::demo::actions(stellar::app::App::builder());
    let config = server::config(|config| {
        config.polling.max_sessions_per_address = 1;
        config.access.trusted_proxies = vec!["::ffff:127.0.0.1/128".parse().unwrap()];
    });
    let app = app.config(config).build().unwrap();
    let server = stellar::Server::new(app.clone());
    let Some(server) = server::start_dual(app, server).await else {
        return;
    };
    let shown = async |headers: &[(&str, &str)]| {
        let client = Client::connect(server.address, "/ws", headers).await;
        let details = client
            .map_err(|refused| refused.status)
            .unwrap()
            .details()
            .await;
        let request = headers
            .iter()
            .fold(request("GET", "/api/status"), |request, (name, value)| {
                request.header(*name, *value)
            });
        let reply = web::send(server.address, request, "").await.json();
        let requester = reply["requesterInformation"]["remoteIP"].clone();
        (details["remoteIP"].clone(), requester)
    };
    for (forwarded, expected) in [
        (None, "127.0.0.1"),
        (Some("198.51.100.7"), "198.51.100.7"),
        (Some("::ffff:198.51.100.7"), "198.51.100.7"),
        (Some("fe80::1%eth2"), "fe80::1"),
        (Some("[fe80::1%eth2]:80"), "fe80::1"),
    ] {
        let headers = forwarded.map(|address| ("x-forwarded-for", address));
        let (details, requester) = shown(headers.as_slice()).await;
        assert_eq!(
            (&details, &requester),
            (&expected.into(), &expected.into()),
            "{forwarded:?}"
        );
    }
    // Also where addresses are counted: both are one.
    let open = async |forwarded: &str| {
        let opening = request("GET", "/engine.io/?EIO=4&transport=polling");
        let opening = opening.header("x-forwarded-for", forwarded);
        web::send(server.address, opening, "").await.status
    };
    assert_eq!(open("198.51.100.8").await, 200);
    assert_eq!(open("::ffff:198.51.100.8").await, 429);
    assert_eq!(open("fe80::2%eth1").await, 200);
    assert_eq!(open("fe80::2%eth2").await, 429);
}
