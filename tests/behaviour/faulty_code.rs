//! Hooks, listeners and handlers that panic or never end: who suffers, and who does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stellar::app::{
    Action, ActionError, App, ChatMiddleware, ConnectionMiddleware, Input, Verdict,
};
use stellar::config::Config;
use stellar::engine::{CloseReason, Engine, Handler, Incoming, Message, Spark};

use crate::support::server::{config, start};
use crate::support::{Client, eventually, within};

/// Panics where a future is expected: before there is one.
fn no_future(what: &str) -> std::future::Ready<Verdict> {
    panic!("{what}, on purpose")
}

#[tokio::test]
async fn a_leave_hook_that_panics_keeps_nobody_in_the_room() {
    let hook = ChatMiddleware::new("bad").on_leave(|_, _| no_future("leave"));
    let farewell = ConnectionMiddleware::new("worse")
        .on_destroy(|_| -> std::future::Ready<()> { panic!("destroy, on purpose") });
    let builder = App::builder()
        .chat_middleware(hook)
        .connection_middleware(farewell);
    let server = start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    let refused = ann
        .request(json!({"event": "roomLeave", "room": "defaultRoom"}))
        .await;
    assert_eq!(refused["error"]["code"], "001");
    ann.drop_abruptly();
    eventually("the member is gone", || {
        server
            .app
            .chat()
            .status("defaultRoom")
            .unwrap()
            .members_count
            == 0
    })
    .await;
}

#[tokio::test]
async fn a_create_hook_that_panics_ends_the_connection_with_001() {
    let hook = ConnectionMiddleware::new("bad").on_create(|_| no_future("create"));
    let builder = App::builder().connection_middleware(hook);
    let server = start(builder, Config::default()).await;
    let mut ann = Client::open(server.address, "/ws").await;
    let alert = ann.next_packet().await;
    assert_eq!(alert["context"], "alert");
    assert_eq!(alert["error"]["code"], "001");
    assert_eq!(ann.closed().await.code, 1000);
}

#[tokio::test]
async fn nothing_is_done_for_a_connection_that_a_hook_refused() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ran);
    let hook = ConnectionMiddleware::new("door").on_create(|_| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Verdict::refuse("not you")
    });
    let builder = App::builder()
        .connection_middleware(hook)
        .action(Action::new("secret", move |_, _: Value| {
            counter.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, ActionError>(json!({})) }
        }));
    let server = start(builder, Config::default()).await;
    for _ in 0..10 {
        let mut ann = Client::open(server.address, "/ws").await;
        ann.send(json!({"event": "roomAdd", "room": "defaultRoom"}))
            .await;
        ann.send(json!({"event": "action", "params": {"action": "secret"}}))
            .await;
        assert_eq!(ann.next_packet().await["error"], "not you");
        ann.closed().await;
    }
    eventually("all are gone", || server.hub.is_empty()).await;
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn listeners_and_inputs_that_panic_cost_one_answer_at_the_most() {
    let action = Action::new("checked", |_, _: Value| async {
        Ok::<_, ActionError>(json!({}))
    });
    let input = Input::new("x").check(|_, _| panic!("check, on purpose"));
    let builder = App::builder()
        .action(action.input(input))
        .on_room_event("boom", |_| panic!("listener, on purpose"));
    let server = start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    assert_eq!(
        ann.action("checked", json!({"x": 1})).await["error"]["code"],
        "001"
    );
    ann.join("defaultRoom").await;
    let event = json!({"room": "defaultRoom", "event": "boom", "data": 1});
    let answer = ann
        .request(json!({"event": "event", "params": event}))
        .await;
    assert_eq!(answer["status"], "OK");
    assert_eq!(ann.hears().await["message"]["event"], "boom");
}

#[tokio::test]
async fn a_listener_of_one_room_is_not_reached_from_another() {
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    let builder = App::builder().on_room_event_in("staff", "alert", move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let options = config(|config| config.general.starting_rooms.push("staff".into()));
    let server = start(builder, options).await;
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    for name in ["staff.alert", "alert"] {
        let event = json!({"room": "defaultRoom", "event": name});
        ann.request(json!({"event": "event", "params": event}))
            .await;
    }
    assert_eq!(heard.load(Ordering::SeqCst), 0);
    ann.join("staff").await;
    let event = json!({"room": "staff", "event": "alert"});
    ann.request(json!({"event": "event", "params": event}))
        .await;
    assert_eq!(heard.load(Ordering::SeqCst), 1);
}

/// Panics on a message while it holds a lock that `closed` wants too.
#[derive(Debug, Default)]
struct Clumsy(std::sync::Mutex<()>);

impl Handler for Clumsy {
    fn received(&self, spark: &Spark, message: Incoming<'_>) {
        let _held = self.0.lock().unwrap();
        if let stellar::engine::IncomingPayload::Text("\"panic\"") = message.payload {
            panic!("received, on purpose");
        }
        let _closed = spark.send(&Message::text("\"fine\""));
    }

    fn closed(
        &self,
        _spark: &Spark,
        _reason: &CloseReason,
    ) -> Option<futures_util::future::BoxFuture<'static, ()>> {
        drop(self.0.lock().unwrap());
        None
    }
}

#[tokio::test]
async fn a_handler_that_panics_twice_does_not_end_the_process() {
    let engine = Engine::new(Clumsy::default());
    let hub = Arc::clone(engine.hub());
    let server = stellar::Server::for_engine(engine, Config::default()).listen(([127, 0, 0, 1], 0));
    let bound = server.bind().await.unwrap();
    let address = bound.local_addr().unwrap();
    tokio::spawn(bound.serve(std::future::pending()));
    let mut ann = Client::open(address, "/ws").await;
    ann.send_text("\"panic\"").await;
    within("the end", ann.closed()).await;
    eventually("it is forgotten", || hub.is_empty()).await;
}

#[tokio::test]
async fn an_authorization_that_never_ends_is_answered_503() {
    let builder = App::builder().authorize(|_| Box::pin(std::future::pending()));
    let options = config(|config| config.limits.admit_timeout_ms = 100);
    let server = start(builder, options).await;
    let refused = Client::connect(server.address, "/primus", &[])
        .await
        .unwrap_err();
    assert_eq!(refused.status, 503);
}
