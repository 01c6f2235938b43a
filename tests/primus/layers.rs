use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;
use serde_json::json;
use stellar::primus::layer::{Exchange, Layer, Next, RequestKind};
use stellar::primus::{Primus, Refusal};
use stellar::transports::body;
use tokio::sync::Semaphore;

use crate::support::Client;
use crate::support::engineio::{Line, Opening, PRIMUS, Request, Version};
use crate::{Log, World, web};

/// A layer that notes that a request has come, and lets it go on.
fn noting(
    log: &Log<&'static str>,
    name: &'static str,
) -> impl Fn(&mut Exchange) -> Result<Next, Refusal> + use<> {
    let log = log.clone();
    move |_| {
        log.push(name);
        Ok(Next::Continue)
    }
}

#[tokio::test]
async fn they_come_in_their_order_and_are_switched_while_the_server_runs() {
    let log = Log::new();
    let builder = Primus::builder()
        .layer("second", noting(&log, "second"))
        .layer("third", noting(&log, "third"))
        .layer_at(0, "first", noting(&log, "first"));
    let world = World::start(builder).await;
    let layers = world.primus.layers();
    let asked = async |expected: &[&'static str]| {
        let before = log.all().len();
        assert_eq!(web::get(world.address, "/primus/spec").await.status, 200);
        assert_eq!(log.all()[before..], *expected);
    };
    // `spec` answers before those that were added behind it.
    asked(&["first"]).await;
    assert!(layers.remove("spec"));
    let before = log.all().len();
    assert_eq!(web::get(world.address, "/primus/spec").await.status, 426);
    assert_eq!(log.all()[before..], ["first", "second", "third"]);
    assert_eq!(layers.position("first"), Some(0));
    // One of the same name takes the place of the other.
    layers.add("first", noting(&log, "new first"));
    assert_eq!(layers.position("first"), Some(0));
    assert!(layers.disable("second"));
    layers.insert(1, "between", noting(&log, "between"));
    let before = log.all().len();
    web::get(world.address, "/primus").await;
    assert_eq!(log.all()[before..], ["new first", "between", "third"]);
    assert!(layers.enable("second") && layers.remove("third"));
    let before = log.all().len();
    web::get(world.address, "/primus").await;
    assert_eq!(log.all()[before..], ["new first", "between", "second"]);
    assert_eq!(layers.names().last().unwrap(), "authorization");
}

#[tokio::test]
async fn an_answer_is_the_last_word() {
    let teapot = |exchange: &mut Exchange| {
        let name = http::HeaderName::from_static("x-seen");
        exchange.headers.insert(name, "yes".parse().unwrap());
        if exchange.head.uri.path() != "/primus/tea" {
            return Ok(Next::Continue);
        }
        Ok(Next::answer(body::text(
            StatusCode::IM_A_TEAPOT,
            "no coffee",
        )))
    };
    let log = Log::new();
    let builder = Primus::builder()
        .layer("teapot", teapot)
        .layer("behind", noting(&log, "behind"));
    let world = World::start(builder).await;
    let reply = web::get(world.address, "/primus/tea").await;
    assert_eq!((reply.status, reply.text()), (418, "no coffee"));
    assert_eq!(reply.header("x-seen"), "yes");
    assert_eq!(log.all(), Vec::<&str>::new());
    // The same header is on whatever others answer.
    let reply = web::get(world.address, "/primus/other").await;
    assert_eq!((reply.status, reply.header("x-seen")), (426, "yes"));
    assert_eq!(log.all(), ["behind"]);
    // An upgrade can be answered, too.
    let refused = Client::connect(world.address, "/primus/tea", &[]).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.status, &*refused.body), (418, "no coffee"));
}

#[tokio::test]
async fn a_refusal_is_status_and_json() {
    let bouncer = |exchange: &mut Exchange| match exchange.head.uri.query() {
        Some(query) if query.contains("who") => {
            Err(Refusal::new("who are you?").with_authenticate("Bearer"))
        }
        Some(query) if query.contains("full") => {
            let refusal = Refusal::new(json!({"seats": 0}));
            Err(refusal.with_status(StatusCode::SERVICE_UNAVAILABLE))
        }
        _ => Ok(Next::Continue),
    };
    let world = World::start(Primus::builder().layer("bouncer", bouncer)).await;
    let who = "{\"error\":\"who are you?\"}";
    let full = "{\"error\":{\"seats\":0}}";
    for (query, status, body) in [("who", 401, who), ("full", 503, full)] {
        let path = format!("/primus/?EIO=4&transport=polling&{query}");
        let polled = web::get(world.address, &path).await;
        assert_eq!((polled.status, polled.text()), (status, body));
        assert_eq!(polled.header("content-type"), "application/json");
        let refused = Client::connect(world.address, &format!("/primus?{query}"), &[]).await;
        let refused = refused.unwrap_err();
        assert_eq!((refused.status, &*refused.body), (status, body));
        assert_eq!(refused.header("content-type"), Some("application/json"));
        let challenge = (status == 401).then_some("Bearer");
        assert_eq!(refused.header("www-authenticate"), challenge);
        assert_eq!(
            polled.header("www-authenticate"),
            challenge.unwrap_or_default()
        );
    }
    assert_eq!(world.primus.connected(), 0);
}

/// Who somebody is, as a layer has found out.
#[derive(Clone, Debug, PartialEq)]
struct User(String);

#[tokio::test]
async fn what_a_layer_finds_is_seen_by_authorization_and_stays_with_the_connection() {
    let identify = |exchange: &mut Exchange| {
        if let Some(name) = exchange.head.headers.get("x-user") {
            let user = User(name.to_str().unwrap().to_owned());
            exchange.head.extensions.insert(user);
        }
        Ok(Next::Continue)
    };
    let builder = Primus::builder()
        .layer("identify", identify)
        .authorize(|handshake| {
            Box::pin(async move {
                match handshake.extensions.get::<User>() {
                    Some(_) => Ok(()),
                    None => Err(Refusal::new("nobody")),
                }
            })
        });
    let mut world = World::start(builder).await;
    let refused = Client::connect(world.address, "/primus", &[])
        .await
        .unwrap_err();
    assert_eq!(
        (refused.status, &*refused.body),
        (401, "{\"error\":\"nobody\"}")
    );
    let ann = Client::connect(world.address, "/primus", &[("x-user", "ann")]).await;
    let spark = world.spark().await;
    assert!(ann.is_ok());
    let user = spark.request_extensions().get::<User>();
    assert_eq!(user, Some(&User("ann".into())));
    assert_eq!(spark.headers()["x-user"], "ann");
    let opening = Opening::new(world.address, Version::V4).door(PRIMUS);
    assert_eq!(opening.reply().await.status, 401);
    let bob = opening.header("x-user", "bob").session().await;
    let spark = world.spark().await;
    let user = spark.request_extensions().get::<User>();
    assert_eq!(user, Some(&User("bob".into())));
    drop(bob);
    // Without its layer nobody is asked.
    assert!(world.primus.layers().disable("authorization"));
    Client::open(world.address, "/primus").await;
}

/// A layer with a say about one kind of request only.
struct OnlyFor(RequestKind, Log<String>);

#[async_trait]
impl Layer for OnlyFor {
    fn is_for(&self, kind: RequestKind) -> bool {
        kind == self.0
    }

    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        let (method, kind) = (&exchange.head.method, exchange.kind);
        self.1.push(format!("{method} {kind:?}"));
        Ok(Next::Continue)
    }
}

#[tokio::test]
async fn they_see_every_request_of_their_kind() {
    let (plain, upgrades, all) = (Log::new(), Log::new(), Log::new());
    let builder = Primus::builder()
        .layer("plain", OnlyFor(RequestKind::Http, plain.clone()))
        .layer("upgrades", OnlyFor(RequestKind::Upgrade, upgrades.clone()))
        .layer("all", noting(&all, "seen"));
    let mut world = World::start(builder).await;
    let (_client, _) = world.client().await;
    let upgrade = "GET Upgrade".to_owned();
    upgrades.becomes([upgrade.clone()]).await;
    let (mut session, spark) = world.polling().await;
    session.send_text("4\"x\"").await;
    spark.write("y").unwrap();
    session.poll().await;
    let mut socket = session.upgrade().await;
    socket.send("4\"z\"").await;
    world.received(2).await;
    assert_eq!(upgrades.all(), [upgrade.clone(), upgrade]);
    // The opening, a POST, a GET with an answer, and one for the upgrade.
    let mut seen = plain.all();
    seen.sort();
    assert_eq!(seen, ["GET Http", "GET Http", "GET Http", "POST Http"]);
    assert_eq!(all.all().len(), 6);
}

/// A layer that waits until it may go on.
struct Slow(Arc<Semaphore>);

#[async_trait]
impl Layer for Slow {
    async fn call(&self, exchange: &mut Exchange) -> Result<Next, Refusal> {
        if exchange.head.uri.query() == Some("slow") {
            self.0.acquire().await.unwrap().forget();
        }
        Ok(Next::Continue)
    }
}

#[tokio::test]
async fn a_slow_one_holds_up_nobody_else() {
    let gate = Arc::new(Semaphore::new(0));
    let builder = Primus::builder().layer("slow", Slow(Arc::clone(&gate)));
    let mut world = World::start(builder).await;
    let address = world.address;
    let slow = tokio::spawn(async move { Client::open(address, "/primus?slow").await });
    let (_quick, _) = world.client().await;
    assert!(!slow.is_finished());
    assert_eq!(world.primus.connected(), 1);
    gate.add_permits(1);
    let mut client = slow.await.unwrap();
    let spark = world.spark().await;
    spark.write("welcome").unwrap();
    assert_eq!(client.next_packet().await, "welcome");
}

#[tokio::test]
async fn one_that_panics_costs_its_request_and_no_other() {
    let boom = |exchange: &mut Exchange| {
        assert!(
            exchange.head.uri.query() != Some("boom"),
            "as it was told to"
        );
        Ok(Next::Continue)
    };
    let mut world = World::start(Primus::builder().layer("boom", boom)).await;
    let (mut client, spark) = world.client().await;
    let mut line = Line::connect(world.address).await;
    line.send(&Request::get("/primus/?EIO=4&transport=polling"))
        .await;
    assert_eq!(line.reply().await.status, 200);
    let mut line = Line::connect(world.address).await;
    line.send(&Request::get("/primus?boom")).await;
    let reply = line.reply_or_cut().await;
    assert!(reply.is_none_or(|reply| reply.status == 500));
    spark.write("still here").unwrap();
    assert_eq!(client.next_packet().await, "still here");
    let (_other, _) = world.polling().await;
}
