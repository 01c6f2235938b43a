//! Who may connect: authorization before the upgrade, connection hooks after it.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use stellar::app::{App, ConnectionMiddleware, Verdict};
use stellar::config::Config;
use stellar::engine::Refusal;

use crate::support::server::{self, start};
use crate::support::{Client, Event, eventually};

#[tokio::test]
async fn a_refused_handshake_is_answered_over_http() {
    let builder = App::builder().authorize(|handshake| {
        Box::pin(async move {
            match handshake.header("x-token") {
                Some("secret") => Ok(()),
                Some("known") => Err(Refusal::new(json!({"banned": true}))
                    .with_status(StatusCode::FORBIDDEN)
                    .with_authenticate("only with 401")),
                Some(_) => Err(Refusal::new("wrong token").with_authenticate("Token realm=\"x\"")),
                None => Err(Refusal::new("sign in first")),
            }
        })
    });
    let server = start(builder, Config::default()).await;
    for path in ["/primus", "/ws"] {
        let with = async |token: &str| {
            let headers = [("x-token", token)];
            let headers = if token.is_empty() {
                &headers[..0]
            } else {
                &headers
            };
            Client::connect(server.address, path, headers).await
        };
        let refused = with("").await.unwrap_err();
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("content-type"), Some("application/json"));
        assert_eq!(refused.header("www-authenticate"), None);
        let body: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(body, json!({"error": "sign in first"}));

        let refused = with("bad").await.unwrap_err();
        assert_eq!(refused.status, 401);
        assert_eq!(
            refused.header("www-authenticate"),
            Some("Token realm=\"x\"")
        );

        let refused = with("known").await.unwrap_err();
        assert_eq!(refused.status, 403);
        assert_eq!(refused.header("www-authenticate"), None, "401 only");
        let body: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(body, json!({"error": {"banned": true}}));

        assert!(server.app.connections().is_empty());
        let mut admitted = with("secret").await.unwrap();
        admitted.expect_welcome().await;
        admitted.close().await;
        let app = &server.app;
        eventually("an empty table", || app.connections().is_empty()).await;
    }
}

/// Decides by the fingerprint that the client brings.
fn doorman() -> ConnectionMiddleware {
    ConnectionMiddleware::new("doorman").on_create(|connection| async move {
        match connection.fingerprint() {
            Some("refuse") => Verdict::refuse("we are full"),
            Some("drop") => Verdict::Drop,
            _ => Verdict::Keep,
        }
    })
}

#[tokio::test]
async fn a_connection_hook_keeps_refuses_or_drops() {
    let builder = App::builder().connection_middleware(doorman());
    let server = start(builder, Config::default()).await;
    server.primus().await;
    for path in ["/primus", "/ws"] {
        let open = async |what: &str| {
            Client::open(server.address, &format!("{path}?sessionID={what}")).await
        };
        let mut refused = open("refuse").await;
        let alert = json!({"error": "we are full", "context": "alert"});
        assert_eq!(refused.next_packet().await, alert);
        let Event::Closed(close) = refused.next().await else {
            panic!("it goes on");
        };
        let mut dropped = open("drop").await;
        assert_eq!(dropped.next().await, Event::Closed(close.clone()));
        if path == "/primus" {
            // Neither comes back by itself.
            assert_eq!(refused.controls, ["primus::server::close"]);
            assert_eq!(dropped.controls, ["primus::server::close"]);
        } else {
            assert_eq!(close.code, 1000);
        }
    }
}

#[tokio::test]
async fn connection_hooks_run_by_priority_around_the_whole_life() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let hooks = |name: &'static str, priority| {
        let (create, destroy) = (Arc::clone(&steps), Arc::clone(&steps));
        ConnectionMiddleware::new(name)
            .priority(priority)
            .on_create(move |_| {
                create.lock().push(format!("create {name}"));
                async { Verdict::Keep }
            })
            .on_destroy(move |connection| {
                let rooms = connection.rooms().len();
                assert!(connection.is_destroyed());
                destroy
                    .lock()
                    .push(format!("destroy {name} in {rooms} room"));
                async {}
            })
    };
    let builder = App::builder()
        .connection_middleware(hooks("second", 2))
        .connection_middleware(hooks("first", 1));
    let server = start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    assert_eq!(*steps.lock(), ["create first", "create second"]);
    ann.join("defaultRoom").await;
    ann.close().await;
    let expected = [
        "create first",
        "create second",
        "destroy first in 1 room",
        "destroy second in 1 room",
    ];
    eventually("the last hook", || *steps.lock() == expected).await;
    let hub = &server.hub;
    eventually("an empty room", || {
        hub.members_count("defaultRoom") == Some(0)
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_before_the_hooks_have_decided_waits_for_the_greeting() {
    let slow = ConnectionMiddleware::new("slow").on_create(|connection| async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if connection.fingerprint() == Some("refuse") {
            return Verdict::refuse("no");
        }
        Verdict::Keep
    });
    let builder = stellar::demo::actions(App::builder()).connection_middleware(slow);
    let server = start(builder, server::config(|_| {})).await;
    let mut ann = Client::open(server.address, "/primus").await;
    ann.send_all([
        json!({"event": "action", "params": {"action": "randomNumber"}}),
        json!({"event": "detailsView"}),
    ])
    .await;
    ann.expect_welcome().await;
    assert_eq!(ann.next_packet().await["messageCount"], 1);
    assert_eq!(ann.next_packet().await["messageCount"], 2);

    let mut bob = Client::open(server.address, "/primus?sessionID=refuse").await;
    bob.send(json!({"event": "action", "params": {"action": "randomNumber"}}))
        .await;
    assert_eq!(bob.next_packet().await["context"], "alert");
    assert!(matches!(bob.next().await, Event::Closed(_)), "no answer");
}
