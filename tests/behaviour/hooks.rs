//! Hooks around chat and actions, in their order (checks 38–39, 53–60).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use stellar::app::{Action, ActionMiddleware, App, ChatMiddleware, Verdict};
use stellar::config::Config;

use crate::support::Client;
use crate::support::server::{Running, start, start_app};

/// A server with one chat middleware, and three clients.
async fn with_hooks(
    middleware: impl IntoIterator<Item = ChatMiddleware>,
) -> (Running, [Client; 3]) {
    let builder = middleware
        .into_iter()
        .fold(App::builder(), |builder, hooks| {
            builder.chat_middleware(hooks)
        });
    let server = start(builder, Config::default()).await;
    let clients = [
        server.primus().await,
        server.plain().await,
        server.primus().await,
    ];
    (server, clients)
}

async fn all_join(clients: &mut [Client]) {
    for client in clients {
        client.join("defaultRoom").await;
    }
}

/// Nothing is begun where it is read, and dropped because it waits after all.
#[tokio::test]
async fn whichever_hook_takes_its_time_each_request_is_answered() {
    async fn wait() {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
    let hooks = || ChatMiddleware::new("slow");
    for (name, hooks) in [
        (
            "on_join",
            hooks().on_join(async |_, _| {
                wait().await;
                Verdict::Keep
            }),
        ),
        (
            "on_leave",
            hooks().on_leave(async |_, _| {
                wait().await;
                Verdict::Keep
            }),
        ),
        (
            "on_say_receive",
            hooks().on_say_receive(async |_, _| {
                wait().await;
                Verdict::Keep
            }),
        ),
        (
            "on_say",
            hooks().on_say(async |_, _| {
                wait().await;
                Verdict::Keep
            }),
        ),
    ] {
        let (_server, [mut ann, mut ben, mut cat]) = with_hooks([hooks]).await;
        for client in [&mut ann, &mut ben] {
            for packet in [
                json!({"event": "roomAdd", "room": "defaultRoom"}),
                json!({"event": "roomView", "room": "defaultRoom"}),
                json!({"event": "say", "room": "defaultRoom", "message": 1}),
                json!({"event": "event", "params": {"room": "defaultRoom", "event": "x", "data": 1}}),
                json!({"event": "action", "params": {"action": "status"}}),
                json!({"event": "detailsView"}),
                json!({"event": "roomLeave", "room": "defaultRoom"}),
                json!({"event": "roomJoin", "room": "defaultRoom"}),
                json!({"event": "file", "file": "none"}),
                json!({"event": "none"}),
                json!([]),
            ] {
                let answer = client.request(packet.clone()).await;
                assert_eq!(answer["context"], "response", "{name}: {packet}");
            }
        }
        for (client, verb, code) in [(&mut ann, "quit", 1005), (&mut ben, "exit", 1000)] {
            client.send(json!({"event": verb})).await;
            assert_eq!(client.closed().await.code, code, "{name}: {verb}");
        }
        cat.details().await;
    }
}

#[tokio::test]
async fn check_038_action_hooks_run_in_order_of_priority() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let global = |name: &'static str, priority: Option<i32>| {
        let (before, after) = (Arc::clone(&order), Arc::clone(&order));
        let middleware = ActionMiddleware::new(name)
            .global()
            .before(move |context| {
                before.lock().push(format!("before {name}"));
                context.set_param(name, true);
                async { Verdict::Keep }
            })
            .after(move |context| {
                after.lock().push(format!("after {name}"));
                context.respond(name, "seen");
                async { Verdict::Keep }
            });
        match priority {
            Some(priority) => middleware.priority(priority),
            None => middleware,
        }
    };
    let echo = Action::new("echo", |_, params: Value| async move {
        Ok(json!({"params": params}))
    });
    let builder = App::builder()
        .action(echo)
        .action_middleware(global("late", Some(101)))
        .action_middleware(global("default", None))
        .action_middleware(global("twin", Some(100)))
        .action_middleware(global("early", Some(1)))
        .action_middleware(global("ninety-nine", Some(99)));
    let server = start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    let answer = ann.action("echo", json!({})).await;
    let names = ["early", "ninety-nine", "default", "twin", "late"];
    let run = |step: &str| names.map(|name| format!("{step} {name}"));
    assert_eq!(*order.lock(), [run("before"), run("after")].concat());
    for name in names {
        assert_eq!(answer["params"][name], true, "{name} changes the params");
        assert_eq!(answer[name], "seen", "{name} changes the response");
    }
}

#[tokio::test]
async fn check_039_a_hook_that_refuses_keeps_the_action_from_running() {
    let ran = Arc::new(AtomicBool::new(false));
    let guarded = |name: &str| {
        let ran = Arc::clone(&ran);
        Action::new(name, move |_, _: Value| {
            ran.store(true, Ordering::Relaxed);
            async { Ok(()) }
        })
    };
    let refuse = ActionMiddleware::new("refuse").before(|_| async { Verdict::refuse("not you") });
    let skip = ActionMiddleware::new("skip").before(|context| async move {
        context.respond("skipped", true);
        Verdict::Drop
    });
    let hush = ActionMiddleware::new("hush").after(|_| async { Verdict::Drop });
    let builder = App::builder()
        .action(guarded("refused").middleware("refuse"))
        .action(guarded("skipped").middleware("skip"))
        .action(Action::new("hushed", |_, _: Value| async { Ok(()) }).middleware("hush"))
        .action(guarded("free"))
        .action_middleware(refuse)
        .action_middleware(skip)
        .action_middleware(hush);
    let server = start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    assert_eq!(ann.action("refused", json!({})).await["error"], "not you");
    let skipped = ann.action("skipped", json!({})).await;
    assert_eq!(skipped["skipped"], true);
    assert_eq!(skipped.get("error"), None);
    assert!(!ran.load(Ordering::Relaxed));
    ann.send(json!({"event": "action", "params": {"action": "hushed"}}))
        .await;
    assert_eq!(ann.so_far().await, Vec::<Value>::new());
    assert_eq!(ann.action("free", json!({})).await.get("error"), None);
    assert!(ran.load(Ordering::Relaxed), "it names no middleware");
}

/// A server whose rooms announce who comes and goes.
async fn announcing() -> (Running, [Client; 3]) {
    let app: Arc<OnceLock<App>> = Arc::default();
    let announce = |what: &'static str| {
        let app = Arc::clone(&app);
        move |connection: stellar::app::Connection, room: String| {
            let chat = app.get().unwrap().chat().clone();
            async move {
                let text = format!("I have {what} the room: {}", connection.id());
                chat.broadcast(None, &room, text).await.unwrap();
                Verdict::Keep
            }
        }
    };
    let announcer = ChatMiddleware::new("announcer")
        .on_join(announce("entered"))
        .on_leave(announce("left"));
    let built = App::builder().chat_middleware(announcer).build().unwrap();
    app.get_or_init(|| built.clone());
    let server = start_app(built).await;
    let clients = [
        server.primus().await,
        server.plain().await,
        server.primus().await,
    ];
    (server, clients)
}

#[tokio::test]
async fn check_053_members_hear_who_comes_but_the_newcomer_does_not() {
    let (_server, [mut ann, mut bob, _]) = announcing().await;
    ann.join("defaultRoom").await;
    assert_eq!(ann.so_far().await, Vec::<Value>::new());
    bob.join("defaultRoom").await;
    let text = format!("I have entered the room: {}", bob.id().await);
    let packet = ann.hears().await;
    assert_eq!(packet["message"], text);
    assert_eq!(packet["from"], 0, "the server itself speaks");
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn check_054_members_hear_who_leaves_and_who_disconnects() {
    let (_server, [mut ann, mut bob, mut cid]) = announcing().await;
    for client in [&mut ann, &mut bob, &mut cid] {
        client.join("defaultRoom").await;
    }
    let left = |id: String| format!("I have left the room: {id}");
    let is_left = |packet: &Value| {
        let message = packet["message"].as_str();
        message.is_some_and(|text| text.starts_with("I have left"))
    };
    let leave = json!({"event": "roomLeave", "room": "defaultRoom"});
    assert_eq!(bob.request(leave).await["status"], "OK");
    let bobs = left(bob.id().await);
    assert_eq!(ann.wait_push(is_left).await["message"], bobs);
    assert_eq!(cid.wait_push(is_left).await["message"], bobs);
    let cids = left(cid.id().await);
    cid.drop_abruptly();
    assert_eq!(ann.wait_push(is_left).await["message"], cids);
}

#[tokio::test]
async fn check_055_say_hooks_run_per_receiver_and_say_receive_hooks_once() {
    let per_receiver = ChatMiddleware::new("receiver").on_say(|receiver, mut said| async move {
        let text = said.message.as_str().unwrap_or_default();
        said.message = format!("{text} to {}", receiver.id()).into();
        Verdict::Replace(said)
    });
    let once = ChatMiddleware::new("sender").on_say_receive(|speaker, mut said| async move {
        let text = said.message.as_str().unwrap_or_default();
        said.message = format!("{text} from {}", speaker.id()).into();
        Verdict::Replace(said)
    });
    let (_server, mut clients) = with_hooks([per_receiver, once]).await;
    all_join(&mut clients).await;
    let speaker = clients[1].id().await;
    clients[1].say("defaultRoom", "hi").await;
    for client in &mut clients {
        let id = client.id().await;
        let packet = client.hears().await;
        assert_eq!(packet["message"], format!("hi from {speaker} to {id}"));
        assert_eq!(packet["from"], speaker);
        assert_eq!(client.so_far().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn check_056_a_slow_say_hook_of_one_receiver_doubles_and_loses_nothing() {
    let is_first = Arc::new(AtomicBool::new(true));
    let slow = ChatMiddleware::new("slow").on_say(move |_, _| {
        let is_first = is_first.swap(false, Ordering::Relaxed);
        async move {
            if is_first {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Verdict::Keep
        }
    });
    let (_server, mut clients) = with_hooks([slow]).await;
    all_join(&mut clients).await;
    clients[0].say("defaultRoom", 1).await;
    clients[0].say("defaultRoom", 2).await;
    for client in &mut clients {
        assert_eq!(client.hears().await["message"], 1);
        assert_eq!(client.hears().await["message"], 2);
        assert_eq!(client.so_far().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn the_speakers_answer_does_not_wait_for_the_receivers_hooks() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let waiting = ChatMiddleware::new("waiting").on_say(move |_, _| {
        let gate = Arc::clone(&closed);
        async move {
            gate.acquire().await.unwrap().forget();
            Verdict::Keep
        }
    });
    let (_server, mut clients) = with_hooks([waiting]).await;
    all_join(&mut clients).await;
    assert_eq!(clients[0].say("defaultRoom", "hi").await["status"], "OK");
    assert_eq!(clients[1].so_far().await, Vec::<Value>::new());
    gate.add_permits(clients.len());
    for client in &mut clients {
        assert_eq!(client.hears().await["message"], "hi");
    }
}

#[tokio::test]
async fn check_057_a_later_hook_sees_what_an_earlier_one_made() {
    let second = ChatMiddleware::new("second")
        .priority(2000)
        .on_say(|_, mut said| async move {
            let text = said.message.as_str().unwrap_or_default();
            said.message = format!("{text} MIDDLEWARE 2").into();
            Verdict::Replace(said)
        });
    let first = ChatMiddleware::new("first")
        .priority(1000)
        .on_say(|_, mut said| async move {
            said.message = "MIDDLEWARE 1".into();
            Verdict::Replace(said)
        });
    let (_server, mut clients) = with_hooks([second, first]).await;
    all_join(&mut clients).await;
    clients[2].say("defaultRoom", "hi").await;
    for client in &mut clients {
        assert_eq!(client.hears().await["message"], "MIDDLEWARE 1 MIDDLEWARE 2");
    }
}

#[tokio::test]
async fn check_058_a_join_or_leave_hook_that_refuses() {
    let config = Config::default();
    let builder = App::builder().chat_middleware(
        ChatMiddleware::new("door")
            .on_join(|connection, _| async move {
                if connection.fingerprint() == Some("member") {
                    return Verdict::Keep;
                }
                Verdict::refuse("joining rejected")
            })
            .on_leave(|_, _| async { Verdict::refuse("leaving rejected") }),
    );
    let server = start(builder, config).await;
    let mut ann = server.primus().await;
    let join = json!({"event": "roomAdd", "room": "defaultRoom"});
    assert_eq!(
        ann.request(join).await,
        json!({
            "status": "joining rejected",
            "error": {"message": "joining rejected"},
            "context": "response",
            "data": false,
            "messageCount": 1,
        })
    );
    assert_eq!(ann.details().await["rooms"], json!([]));

    let mut bob = Client::greeted(server.address, "/primus?sessionID=member").await;
    bob.join("defaultRoom").await;
    let leave = json!({"event": "roomLeave", "room": "defaultRoom"});
    let refused = bob.request(leave).await;
    assert_eq!(refused["status"], "leaving rejected");
    assert_eq!(refused["data"], false);
    assert_eq!(bob.details().await["rooms"], json!(["defaultRoom"]));
    // Nobody who is gone can be kept.
    bob.close().await;
    let hub = &server.hub;
    crate::support::eventually("an empty room", || {
        hub.members_count("defaultRoom") == Some(0)
    })
    .await;
}

#[tokio::test]
async fn check_059_a_say_hook_that_refuses_spares_one_receiver() {
    let picky = ChatMiddleware::new("picky").on_say(|receiver, _| async move {
        if receiver.fingerprint() == Some("deaf") {
            return Verdict::refuse("not for you");
        }
        Verdict::Keep
    });
    let builder = App::builder().chat_middleware(picky);
    let server = start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    let mut deaf = Client::greeted(server.address, "/ws?sessionID=deaf").await;
    all_join(std::slice::from_mut(&mut ann)).await;
    all_join(std::slice::from_mut(&mut deaf)).await;
    assert_eq!(ann.say("defaultRoom", "hi").await["status"], "OK");
    assert_eq!(ann.hears().await["message"], "hi");
    assert_eq!(deaf.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn check_060_hooks_may_drop_a_message_for_one_or_for_all() {
    let dropper = ChatMiddleware::new("dropper")
        .on_say(|receiver, _| async move {
            if receiver.fingerprint() == Some("deaf") {
                return Verdict::Drop;
            }
            Verdict::Keep
        })
        .on_say_receive(|_, said| async move {
            if said.message == "nobody hears this" {
                return Verdict::Drop;
            }
            if said.message == "rude" {
                return Verdict::refuse("mind your words");
            }
            Verdict::Keep
        });
    let server = start(App::builder().chat_middleware(dropper), Config::default()).await;
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    let mut deaf = Client::greeted(server.address, "/primus?sessionID=deaf").await;
    for client in [&mut ann, &mut bob, &mut deaf] {
        client.join("defaultRoom").await;
    }
    let dropped = ann.say("defaultRoom", "nobody hears this").await;
    assert_eq!(dropped["status"], "OK");
    let refused = ann.say("defaultRoom", "rude").await;
    assert_eq!(refused["status"], "mind your words");
    assert_eq!(ann.say("defaultRoom", "hi").await["status"], "OK");
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.hears().await["message"], "hi");
        assert_eq!(client.so_far().await, Vec::<Value>::new());
    }
    assert_eq!(deaf.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_hook_that_panics_refuses_with_001() {
    let broken = ChatMiddleware::new("broken").on_say_receive(|_, _| async {
        if true {
            panic!("the application's own bug");
        }
        Verdict::Keep
    });
    let (_server, mut clients) = with_hooks([broken]).await;
    all_join(&mut clients).await;
    let answer = clients[0].say("defaultRoom", "hi").await;
    assert_eq!(answer["error"]["code"], "001");
    assert_eq!(clients[0].details().await["rooms"], json!(["defaultRoom"]));
}

#[tokio::test]
async fn a_number_that_a_hook_withheld_is_told_by_the_next_message() {
    // Each says which client hears it: 0, 1, 2.
    let for_some = ChatMiddleware::new("some").on_say(|receiver, said| async move {
        let names = said.message["for"].as_array().unwrap();
        match names.iter().any(|name| name == receiver.id()) {
            true => Verdict::Keep,
            false => Verdict::Drop,
        }
    });
    let (_server, mut clients) = with_hooks([for_some]).await;
    all_join(&mut clients).await;
    let mut ids = Vec::new();
    for client in &mut clients {
        ids.push(client.id().await);
    }
    for (text, receivers) in [
        ("one", &[0, 1, 2][..]),
        ("nobody", &[]),
        ("two", &[0, 1]),
        ("three", &[0]),
        ("nobody", &[]),
        ("four", &[0, 1, 2]),
        ("five", &[0, 1, 2]),
    ] {
        let receivers: Vec<_> = receivers.iter().map(|at| &ids[*at]).collect();
        let said = json!({"text": text, "for": receivers});
        assert_eq!(clients[0].say("defaultRoom", said).await["status"], "OK");
    }
    let none = Value::Null;
    for (client, heard) in clients.iter_mut().zip([
        vec![
            ("one", 1, none.clone()),
            ("two", 2, none.clone()),
            ("three", 3, none.clone()),
            ("four", 4, none.clone()),
            ("five", 5, none.clone()),
        ],
        vec![
            ("one", 1, none.clone()),
            ("two", 2, none.clone()),
            ("four", 4, json!(2)),
            ("five", 5, none.clone()),
        ],
        vec![
            ("one", 1, none.clone()),
            ("four", 4, json!(1)),
            ("five", 5, none.clone()),
        ],
    ]) {
        for (text, seq, prev) in heard {
            let packet = client.hears().await;
            assert_eq!(packet["message"]["text"], text);
            assert_eq!(
                (&packet["seq"], &packet["prev"]),
                (&json!(seq), &prev),
                "{packet}"
            );
        }
    }
}
