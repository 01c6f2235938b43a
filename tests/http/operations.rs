//! What operators ask: is it up, is it ready, and what does it count.

use std::time::Duration;

use serde_json::json;

use crate::support::{Binary, within};
use crate::web::{self, Kept, request};

#[tokio::test]
async fn a_server_is_healthy_and_ready() {
    let server = Binary::demo();
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let reply = web::get(server.address, path).await;
        assert_eq!((reply.status, reply.text()), (200, text));
        assert_eq!(reply.header("content-type"), "text/plain");
        assert_eq!(reply.header("set-cookie"), "");
        assert_eq!(
            web::get(server.address, &format!("{path}?x=y"))
                .await
                .status,
            200
        );
        assert_eq!(
            web::get(server.address, &format!("{path}/more"))
                .await
                .status,
            404
        );
        assert_eq!(
            web::send(server.address, request("POST", path), "")
                .await
                .status,
            404
        );
    }
}

#[tokio::test]
async fn a_draining_server_is_healthy_but_not_ready() {
    let server = Binary::demo();
    let mut kept = Kept::connect(server.address).await;
    assert_eq!(kept.get("/readyz").await.status, 200);
    // Connections that are open already are served until the drain is over: one for each question.
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut other = Kept::connect(server.address).await;
        assert_eq!(other.get("/healthz").await.status, 200);
        others.push(other);
    }
    // What keeps the drain going.
    let mut client = server.primus().await;
    let sleep = client
        .send(json!({"event": "action", "params": {"action": "sleep", "sleepDuration": 2000}}))
        .await;
    client.details().await;
    server.terminate();
    // The first sign of the drain is that the port is closed.
    within("the port to close", async {
        while tokio::net::TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let reply = kept.get("/readyz").await;
    assert_eq!((reply.status, reply.text()), (503, "draining\n"));
    // Whoever keeps a connection is told to let go of it.
    assert_eq!(reply.header("connection"), "close");
    let [health, action, door] = &mut others[..] else {
        unreachable!()
    };
    assert_eq!(health.get("/healthz").await.status, 200);
    let refused = action.get("/api/randomNumber").await.json();
    assert_eq!(refused["error"]["code"], "006");
    let closed = door.get("/engine.io/?EIO=4&transport=polling").await;
    assert_eq!((closed.status, closed.header("retry-after")), (503, "1"));
    // What was running is answered, and then the process ends well.
    assert_eq!(client.answer(sleep).await["sleepDuration"], 2000);
    assert_eq!(client.closed().await.code, 1001);
    assert_eq!(server.finished().await.code, Some(0));
}

/// A load balancer is told before anybody is refused.
#[tokio::test]
async fn a_server_may_say_that_it_is_not_ready_before_it_drains() {
    let server = Binary::configured("[general]\nshutdown_delay_ms = 3600000\n");
    let mut old = server.primus().await;
    server.terminate();
    within("the server not to be ready", async {
        while web::get(server.address, "/readyz").await.status == 200 {}
    })
    .await;
    let reply = web::get(server.address, "/readyz").await;
    assert_eq!((reply.status, reply.text()), (503, "draining\n"));
    // Everything else goes on, for whoever is there and whoever comes.
    assert_eq!(web::get(server.address, "/healthz").await.status, 200);
    let sum = web::get(server.address, "/api/formattedSum?a=3&b=4").await;
    assert_eq!(sum.json()["formatted"], "3 + 4 = 7");
    let mut new = server.primus().await;
    for client in [&mut old, &mut new] {
        let answer = client.action("formattedSum", json!({"a": 1, "b": 1})).await;
        assert_eq!(answer["formatted"], "1 + 1 = 2");
    }
    let poll = web::get(server.address, "/engine.io/?EIO=4&transport=polling").await;
    assert_eq!(poll.status, 200);
    // The hour is not waited for by whoever asks again.
    server.terminate();
    assert_eq!(server.finished().await.code, Some(1));
}

/// The lines of the metrics that are no comment.
async fn metrics(server: &Binary) -> Vec<(String, f64)> {
    let reply = web::get(server.address, "/metrics").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(reply.text().ends_with("# EOF\n"));
    let lines = reply.text().lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    parsed.collect()
}

async fn metric(server: &Binary, name: &str) -> f64 {
    let metrics = metrics(server).await;
    metrics
        .into_iter()
        .find(|(found, _)| found == name)
        .map_or(0.0, |(_, value)| value)
}

#[tokio::test]
async fn metrics_count_connections_messages_and_refusals() {
    const OPEN: &str = "stellar_connections{transport=\"ws\"}";
    let server = Binary::serve(&["--demo", "--transport", "ws"], "");
    assert_eq!(metric(&server, OPEN).await, 0.0);
    let mut one = server.primus().await;
    let mut two = server.plain().await;
    assert_eq!(metric(&server, OPEN).await, 2.0);
    for client in [&mut one, &mut two] {
        client.join("defaultRoom").await;
    }
    let received = metric(&server, "stellar_messages_received_total").await;
    let sent = metric(&server, "stellar_messages_sent_total").await;
    let encoded = metric(&server, "stellar_messages_encoded_total").await;
    one.say("defaultRoom", "hello").await;
    one.hears().await;
    two.hears().await;
    assert_eq!(
        metric(&server, "stellar_messages_received_total").await,
        received + 1.0
    );
    // The answer and two copies; but the room's message was encoded once.
    assert_eq!(
        metric(&server, "stellar_messages_sent_total").await,
        sent + 3.0
    );
    assert_eq!(
        metric(&server, "stellar_messages_encoded_total").await,
        encoded + 2.0
    );

    one.close().await;
    within("the end", async {
        while metric(&server, OPEN).await != 1.0 {}
    })
    .await;
    let closed = "stellar_connections_closed_total{reason=\"peer_closed\"}";
    assert_eq!(metric(&server, closed).await, 1.0);
    two.drop_abruptly();
    within("the end", async {
        while metric(&server, OPEN).await != 0.0 {}
    })
    .await;
    let gone = "stellar_connections_closed_total{reason=\"peer_gone\"}";
    assert_eq!(metric(&server, gone).await, 1.0);

    assert_eq!(web::get(server.address, "/primus").await.status, 426);
    assert_eq!(
        web::get(server.address, "/socket.io/?EIO=4").await.status,
        400
    );
    assert_eq!(
        metric(
            &server,
            "stellar_handshakes_refused_total{reason=\"handshake\"}"
        )
        .await,
        1.0
    );
    assert_eq!(
        metric(
            &server,
            "stellar_handshakes_refused_total{reason=\"closed_door\"}"
        )
        .await,
        1.0
    );
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_the_networks_that_are_listed() {
    async fn statuses(config: &str) -> Vec<u16> {
        let server = Binary::configured(config);
        let mut found = Vec::new();
        for (name, value) in [
            ("x-nothing", "x"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-for", "2001:db8::1"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-real-ip", "198.51.100.7"),
            ("forwarded", "for=198.51.100.7"),
            ("via", "1.1 proxy"),
        ] {
            let ask = request("GET", "/metrics").header(name, value);
            let reply = web::send(server.address, ask, "").await;
            let is_shown = reply.text().contains("stellar_");
            assert_eq!(is_shown, reply.status == 200, "{}", reply.text());
            assert!(is_shown || reply.text().contains("access.metrics_networks"));
            found.push(reply.status);
        }
        // Whoever asks for the rest is not asked.
        for path in ["/healthz", "/readyz"] {
            let ask = request("GET", path).header("x-forwarded-for", "198.51.100.7");
            assert_eq!(web::send(server.address, ask, "").await.status, 200);
        }
        found
    }
    assert_eq!(statuses("").await, [200, 403, 403, 403, 403, 403, 403]);
    let listed = "[access]\nmetrics_networks = [\"198.51.100.0/24\", \"2001:db8::/32\"]\n";
    assert_eq!(statuses(listed).await, [200, 200, 200, 403, 403, 403, 403]);
    let everybody = "[access]\nmetrics_networks = [\"0.0.0.0/0\", \"::/0\"]\n";
    assert_eq!(statuses(everybody).await, [200; 7]);
    // Who is not trusted is asked about what it says itself.
    let doubting = "[access]\ntrusted_proxies = []\n";
    assert_eq!(
        statuses(doubting).await,
        [200, 403, 403, 403, 403, 403, 403]
    );
}

#[tokio::test]
async fn labels_are_the_servers_own_words() {
    let server = Binary::demo();
    let mut client = server.primus().await;
    for name in ["room\n# EOF", "a\"} 1\nfake 2", "defaultRoom"] {
        client
            .request(json!({"event": "roomAdd", "room": name}))
            .await;
        client
            .request(json!({"event": "bogus\nfake 3", "room": name}))
            .await;
        client.action(name, json!({})).await;
    }
    let before = metrics(&server).await;
    assert!(
        before.iter().all(|(name, _)| name.starts_with("stellar_")),
        "{before:?}"
    );
    for number in 0..200 {
        client
            .request(json!({"event": "roomAdd", "room": format!("room{number}")}))
            .await;
    }
    assert_eq!(
        metrics(&server).await.len(),
        before.len(),
        "a series per room"
    );
}
