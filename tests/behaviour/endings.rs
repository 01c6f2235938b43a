//! What a connection or room that ends in the middle of something leaves behind.

use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use stellar::app::{Action, App, ChatMiddleware, Verdict};
use stellar::config::Config;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::support::server::{config, start};
use crate::support::{Event, eventually, within};

#[tokio::test]
async fn a_join_that_is_under_way_when_the_client_goes_leaves_no_ghost() {
    let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (at_the_door, closed) = (Arc::clone(&entered), Arc::clone(&gate));
    let slow = ChatMiddleware::new("slow").on_join(move |_, _| {
        let gate = Arc::clone(&closed);
        at_the_door.add_permits(1);
        async move {
            gate.acquire().await.unwrap().forget();
            Verdict::Keep
        }
    });
    let server = start(App::builder().chat_middleware(slow), Config::default()).await;
    let mut ann = server.primus().await;
    ann.send(json!({"event": "roomAdd", "room": "defaultRoom"}))
        .await;
    entered.acquire().await.unwrap().forget();
    ann.drop_abruptly();
    let app = &server.app;
    eventually("an empty table", || app.connections().is_empty()).await;
    gate.add_permits(1);
    // Whoever joins through the same door later proves that the first one is through.
    let mut bob = server.primus().await;
    gate.add_permits(1);
    bob.join("defaultRoom").await;
    app.idle().await;
    let id = bob.id().await;
    let status = app.chat().status("defaultRoom").unwrap();
    assert_eq!(status.members.into_keys().collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn an_action_whose_caller_has_gone_keeps_no_params() {
    let (entered, left) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (began, ended) = (Arc::clone(&entered), Arc::clone(&left));
    let slow = Action::new("slow", move |context, _: IgnoredAny| {
        let (began, ended) = (Arc::clone(&began), Arc::clone(&ended));
        async move {
            assert_eq!(context.params()["ballast"], "x");
            began.add_permits(1);
            while !context.params().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            ended.add_permits(1);
            Ok(())
        }
    });
    let options = config(|config| config.general.action_timeout_ms = 600_000);
    let server = start(App::builder().action(slow), options).await;
    let mut ann = server.primus().await;
    let params = json!({"action": "slow", "ballast": "x"});
    ann.send(json!({"event": "action", "params": params})).await;
    within("the call", entered.acquire())
        .await
        .unwrap()
        .forget();
    ann.drop_abruptly();
    within("the end", left.acquire()).await.unwrap().forget();

    let mut web = TcpStream::connect(server.address).await.unwrap();
    let call = b"GET /api/slow?ballast=x HTTP/1.1\r\nHost: x\r\n\r\n";
    web.write_all(call).await.unwrap();
    within("the call", entered.acquire())
        .await
        .unwrap()
        .forget();
    drop(web);
    within("the end", left.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn an_action_outlives_its_client_without_harm() {
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let slow = Action::new("slow", move |_, _: Value| {
        let gate = Arc::clone(&closed);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(json!({"to": "nobody"}))
        }
    });
    let server = start(App::builder().action(slow), Config::default()).await;
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    ann.send(json!({"event": "action", "params": {"action": "slow"}}))
        .await;
    let details = ann.details().await;
    let connection = server.app.connection(details["id"].as_str().unwrap());
    let connection = connection.unwrap();
    assert_eq!(connection.pending_actions(), 1);
    ann.drop_abruptly();
    let app = &server.app;
    eventually("one connection", || app.connections().len() == 1).await;
    assert!(connection.is_destroyed());
    gate.add_permits(1);
    eventually("the end of the action", || {
        connection.pending_actions() == 0
    })
    .await;
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn quitting_waits_for_its_turn() {
    let slow = ChatMiddleware::new("slow").on_join(|_, _| async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        Verdict::Keep
    });
    let server = start(App::builder().chat_middleware(slow), Config::default()).await;
    let mut ann = server.primus().await;
    ann.send_all([
        json!({"event": "roomAdd", "room": "defaultRoom"}),
        json!({"event": "quit"}),
        json!({"event": "detailsView"}),
    ])
    .await;
    assert_eq!(ann.next_packet().await["data"], true);
    assert!(matches!(ann.next().await, Event::Closed(_)));
}

#[tokio::test]
async fn a_room_is_destroyed_whatever_its_members_hooks_say() {
    let hooks = ChatMiddleware::new("clingy").on_leave(|connection, _| async move {
        if connection.fingerprint() == Some("panics") {
            panic!("the application's own bug");
        }
        Verdict::refuse("never")
    });
    let server = start(App::builder().chat_middleware(hooks), Config::default()).await;
    let mut ann = server.primus().await;
    let path = "/ws?sessionID=panics";
    let mut bob = crate::support::Client::greeted(server.address, path).await;
    for member in [&mut ann, &mut bob] {
        member.join("defaultRoom").await;
    }
    let chat = server.app.chat();
    assert_eq!(chat.destroy("defaultRoom").await, Ok(()));
    for member in [&mut ann, &mut bob] {
        assert_eq!(member.hears().await["message"]["event"], "destroy");
        assert_eq!(member.details().await["rooms"], json!([]));
    }
}

#[tokio::test]
async fn what_waits_for_a_client_that_is_gone_is_not_done() {
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let slow = ChatMiddleware::new("slow").on_say_receive(move |_, _| {
        let gate = Arc::clone(&closed);
        async move {
            gate.acquire().await.unwrap().forget();
            Verdict::Keep
        }
    });
    let server = start(App::builder().chat_middleware(slow), Config::default()).await;
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    ann.join("defaultRoom").await;
    bob.join("defaultRoom").await;
    let says = (1..=3).map(|n| json!({"event": "say", "room": "defaultRoom", "message": n}));
    ann.send_all(says).await;
    let app = &server.app;
    let hub = &server.hub;
    let is_all_there = |connection: &stellar::app::Connection| connection.message_count() == 4;
    eventually("the packets", || app.connections().iter().any(is_all_there)).await;
    ann.drop_abruptly();
    eventually("one member", || hub.members_count("defaultRoom") == Some(1)).await;
    gate.add_permits(3);
    app.idle().await;
    // The one that was under way may be heard; those behind it are not.
    gate.add_permits(1);
    assert_eq!(bob.say("defaultRoom", "end").await["status"], "OK");
    let end = bob.wait_push(|packet| packet["message"] == "end").await;
    assert!(end["seq"].as_u64().unwrap() <= 2, "{end}");
}
