//! The application decides who may connect: what it is told, and what the client is told
//! (docs/protocol/socketio.md#refusals).

use std::sync::Arc;

use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use stellar::app::{App, AppBuilder, ConnectionMiddleware, Verdict};
use stellar::config::Config;
use stellar::engine::{Handshake, Refusal};
use tokio::sync::Semaphore;

use crate::support::engineio::Version;
use crate::support::server::{Running, config, start};
use crate::support::socketio::{Carrier, Kind, Peer, WELCOME, opening, text};
use crate::support::{eventually, within};

/// What the hook was told.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    auth: Option<Value>,
    token: Option<String>,
    query: String,
    transport: &'static str,
}

impl Told {
    fn by(handshake: &Handshake) -> Self {
        Self {
            auth: handshake.auth.clone(),
            token: handshake.header("x-token").map(str::to_owned),
            query: handshake.query().to_owned(),
            transport: handshake.transport,
        }
    }
}

/// An app that lets in who brings the right token in its auth, and keeps what it was told.
fn asking() -> (AppBuilder, Arc<Mutex<Vec<Told>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&told);
    let builder = App::builder().authorize(move |handshake| {
        asked.lock().push(Told::by(handshake));
        Box::pin(async move {
            let token = handshake.auth.as_ref().map(|auth| &auth["token"]);
            match token.and_then(Value::as_str) {
                Some("wrong") => Err(Refusal::new("wrong token")),
                Some(_) | None => Ok(()),
            }
        })
    });
    (builder, told)
}

#[tokio::test]
async fn the_hook_sees_auth_headers_and_query() {
    let (builder, told) = asking();
    let server = start(builder, Config::default()).await;
    for kind in Kind::ALL {
        let opening = opening(server.address, kind.version).query("room=7&token=query");
        let mut ann = Peer::with(opening.header("X-Token", "header"), kind).await;
        let auth = json!({"token": "right", "n": [1, {"a": null}], "\u{20ac}": "\u{1f600}"});
        let expected = if kind.version == Version::V4 {
            assert_eq!(*told.lock(), [], "the session opens unasked");
            ann.send(format!("40{auth}")).await;
            Some(auth)
        } else {
            None
        };
        ann.expect_connected().await;
        let told = std::mem::take(&mut *told.lock());
        assert_eq!(told.len(), 1, "{kind:?}");
        assert_eq!(told[0].auth, expected);
        assert_eq!(told[0].token.as_deref(), Some("header"));
        assert_eq!(told[0].transport, "socketio");
        // Those of the request that opened the session.
        let transport = match kind.carrier {
            Carrier::Socket => "websocket",
            Carrier::Polling | Carrier::Upgraded => "polling",
        };
        let version = kind.version.number();
        let query = format!("EIO={version}&transport={transport}&room=7&token=query");
        assert_eq!(told[0].query, query);
    }
}

#[tokio::test]
async fn connect_without_auth_brings_none() {
    let (builder, told) = asking();
    let server = start(builder, Config::default()).await;
    for packet in ["40", "40/,"] {
        let mut ann = Peer::open(server.address, Kind::CONNECTING[1]).await;
        ann.send(packet).await;
        ann.expect_connected().await;
        assert_eq!(told.lock().pop().unwrap().auth, None, "{packet}");
    }
}

/// A refusal, and the bytes that clients of the two revisions get for it.
fn refusals() -> Vec<(Refusal, &'static str, &'static str)> {
    let forbidden = |error: Value| Refusal::new(error).with_status(StatusCode::FORBIDDEN);
    vec![
        (
            Refusal::new("sign in first"),
            "44{\"message\":\"sign in first\",\"data\":{\"status\":401}}",
            "44\"sign in first\"",
        ),
        (
            forbidden(json!("say \"no\"\n\u{20ac}")),
            "44{\"message\":\"say \\\"no\\\"\\n\u{20ac}\",\"data\":{\"status\":403}}",
            "44\"say \\\"no\\\"\\n\u{20ac}\"",
        ),
        (
            forbidden(json!({"message": "banned", "data": {"until": 7}})),
            "44{\"message\":\"banned\",\"data\":{\"until\":7}}",
            "44{\"message\":\"banned\",\"data\":{\"until\":7}}",
        ),
        (
            forbidden(json!({"message": "banned", "code": 7})),
            "44{\"message\":\"banned\",\"data\":{\"message\":\"banned\",\"code\":7}}",
            "44{\"message\":\"banned\",\"code\":7}",
        ),
        (
            forbidden(json!({"banned": true})),
            "44{\"message\":\"Forbidden\",\"data\":{\"banned\":true}}",
            "44{\"banned\":true}",
        ),
        (
            Refusal::new(json!({"data": [1, 2]})),
            "44{\"message\":\"Unauthorized\",\"data\":[1,2]}",
            "44{\"data\":[1,2]}",
        ),
    ]
}

#[tokio::test]
async fn a_refusal_has_a_message_and_data() {
    for (refusal, v5, v4) in refusals() {
        let builder = App::builder().authorize(move |_| {
            let refusal = refusal.clone();
            Box::pin(async move { Err(refusal) })
        });
        let server = start(builder, Config::default()).await;
        for kind in Kind::ALL {
            let mut ann = Peer::open(server.address, kind).await;
            let expected = if kind.version == Version::V4 {
                ann.send("40{\"token\":\"x\"}").await;
                v5
            } else {
                v4
            };
            assert_eq!(ann.next().await, expected, "{kind:?}");
        }
        assert!(server.app.connections().is_empty());
    }
}

#[tokio::test]
async fn whoever_was_refused_may_try_again() {
    const WRONG: &str = "44{\"message\":\"wrong token\",\"data\":{\"status\":401}}";
    let (builder, told) = asking();
    let server = start(builder, Config::default()).await;
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        for _ in 0..3 {
            ann.send("40{\"token\":\"wrong\"}").await;
            assert_eq!(ann.next().await, WRONG);
        }
        ann.send("40{\"token\":\"right\"}").await;
        ann.expect_connected().await;
        assert_eq!(ann.next().await, WELCOME);
        let answer = ann.call("detailsView", Value::Null).await;
        assert_eq!(answer["messageCount"], 1, "{kind:?}");
        assert_eq!(answer["data"]["id"], *ann.id);
        assert_eq!(std::mem::take(&mut *told.lock()).len(), 4);
    }
}

#[tokio::test]
async fn whoever_was_refused_may_not_talk() {
    let (builder, _) = asking();
    let server = start(builder, Config::default()).await;
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        ann.send("40{\"token\":\"wrong\"}").await;
        ann.next().await;
        let rest = ann.rest_after("420[\"detailsView\"]").await;
        assert_eq!(rest, [""; 0], "{kind:?}");
    }
}

#[tokio::test]
async fn the_hook_is_asked_once_for_connects_that_come_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let asked = Arc::new(Mutex::new(0));
    let (closed, count) = (Arc::clone(&gate), Arc::clone(&asked));
    let builder = App::builder().authorize(move |_| {
        *count.lock() += 1;
        let gate = Arc::clone(&closed);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        })
    });
    let server = start(builder, Config::default()).await;
    for (number, kind) in Kind::CONNECTING.into_iter().enumerate() {
        let mut ann = Peer::open(server.address, kind).await;
        ann.send_all(&[text("40"), text("40{\"token\":\"another\"}")])
            .await;
        eventually("the question", || *asked.lock() > number).await;
        gate.add_permits(1);
        // The second waits, and then is one too many, as any that comes later. By polling the client is not told what
        // came before.
        ann.rest().await;
        assert_eq!(*asked.lock(), number + 1, "{kind:?}");
    }
}

/// An app that takes its time, and a way to know that it was asked and to have it decide.
async fn hesitant() -> (Running, Arc<Semaphore>, Arc<Semaphore>) {
    let (asked, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (asking, closed) = (Arc::clone(&asked), Arc::clone(&gate));
    let builder = App::builder().authorize(move |_| {
        asking.add_permits(1);
        let gate = Arc::clone(&closed);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        })
    });
    (start(builder, Config::default()).await, asked, gate)
}

#[tokio::test]
async fn whoever_leaves_before_the_decision_is_no_connection() {
    let (server, asked, gate) = hesitant().await;
    for kind in Kind::ALL {
        let mut ann = Peer::open(server.address, kind).await;
        if kind.version == Version::V4 {
            ann.send("40").await;
        }
        within("the question", asked.acquire())
            .await
            .unwrap()
            .forget();
        assert_eq!(ann.rest_after("1").await, [""; 0]);
        gate.add_permits(1);
        // Whoever comes later proves that the first is through.
        let mut bob = Peer::open(server.address, kind).await;
        gate.add_permits(1);
        bob.connect().await;
        within("the question", asked.acquire())
            .await
            .unwrap()
            .forget();
        assert_eq!(server.app.connection_count(), 1, "{kind:?}");
        bob.rest_after("1").await;
        let app = &server.app;
        eventually("an empty table", || app.connections().is_empty()).await;
    }
}

#[tokio::test]
async fn an_event_before_the_decision_waits_for_it() {
    let (server, asked, gate) = hesitant().await;
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        ann.send_all(&[text("40"), text("420[\"detailsView\"]")])
            .await;
        within("the question", asked.acquire())
            .await
            .unwrap()
            .forget();
        ann.send("421[\"detailsView\"]").await;
        gate.add_permits(1);
        ann.expect_connected().await;
        assert_eq!(ann.next().await, WELCOME);
        for id in 0..2 {
            assert_eq!(ann.answer(id).await["messageCount"], id + 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_hook_that_does_not_decide_refuses_with_503() {
    let builder = App::builder().authorize(|_| Box::pin(std::future::pending()));
    let config = config(|config| config.limits.admit_timeout_ms = 200);
    let server = start(builder, config).await;
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        ann.send("40").await;
        let refusal = ann.next_text().await;
        let refusal: Value = serde_json::from_str(refusal.strip_prefix("44").unwrap()).unwrap();
        assert_eq!(refusal["data"], json!({"status": 503}), "{kind:?}");
        assert!(refusal["message"].is_string());
    }
}

#[tokio::test]
async fn a_hook_that_panics_refuses_with_500() {
    let builder = App::builder().authorize(|_| Box::pin(async { panic!("in the hook") }));
    let server = start(builder, Config::default()).await;
    for kind in Kind::ALL {
        let mut ann = Peer::open(server.address, kind).await;
        let expected = if kind.version == Version::V4 {
            ann.send("40").await;
            "44{\"message\":\"internal error\",\"data\":{\"status\":500}}"
        } else {
            "44\"internal error\""
        };
        assert_eq!(ann.next().await, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn connection_hooks_keep_refuse_or_drop() {
    let doorman = ConnectionMiddleware::new("doorman").on_create(|connection| async move {
        match connection.fingerprint() {
            Some("refuse") => Verdict::refuse("we are full"),
            Some("drop") => Verdict::Drop,
            _ => Verdict::Keep,
        }
    });
    let builder = App::builder().connection_middleware(doorman);
    let server = start(builder, Config::default()).await;
    for kind in Kind::PLAIN {
        for (fingerprint, expected) in [
            (
                "refuse",
                &[
                    "42[\"alert\",{\"error\":\"we are full\",\"context\":\"alert\"}]",
                    "41",
                ][..],
            ),
            ("drop", &["41"]),
        ] {
            let query = format!("sessionID={fingerprint}");
            let opening = opening(server.address, kind.version).query(&query);
            let mut ann = Peer::with(opening, kind).await;
            if kind.version == Version::V4 {
                ann.send("40").await;
            }
            ann.expect_connected().await;
            assert_eq!(ann.rest().await, *expected, "{kind:?}");
        }
        let cookie = (
            "Cookie",
            "sessionID=2f6b7a3253e8f5824b165df772ab87cd7dae8ef0",
        );
        let opening = opening(server.address, kind.version).header(cookie.0, cookie.1);
        let mut ann = Peer::with(opening, kind).await;
        ann.connect().await;
        let fingerprint = &ann.details().await["fingerprint"];
        assert_eq!(*fingerprint, "2f6b7a3253e8f5824b165df772ab87cd7dae8ef0");
    }
}
