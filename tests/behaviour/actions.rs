//! Actions: answers, errors, limits, versions, inputs (checks 19–37).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stellar::app::{Action, ActionError, App, ConnectionType, Context, Input};
use stellar::config::Config;

use crate::support::{Binary, Client, server};

fn asked(name: &str, params: Value) -> Value {
    let mut params = params;
    params["action"] = name.into();
    json!({"event": "action", "params": params})
}

/// A client of an app with these actions.
async fn client_of(actions: impl IntoIterator<Item = Action>) -> (server::Running, Client) {
    let builder = actions
        .into_iter()
        .fold(App::builder(), |builder, action| builder.action(action));
    let server = server::start(builder, Config::default()).await;
    let client = server.primus().await;
    (server, client)
}

#[tokio::test]
async fn check_019_missing_inputs_are_named() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let answer = ann.action("cacheTest", json!({})).await;
    assert_eq!(
        answer,
        json!({
            "error": {"key": "The key field is required.", "value": "The value field is required."},
            "context": "response",
            "messageCount": 1,
        })
    );
}

#[tokio::test]
async fn check_020_a_random_number() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let answer = ann.action("randomNumber", json!({})).await;
    assert_eq!(answer.get("error"), None);
    assert_eq!(answer.get("status"), None);
    assert_eq!(answer["context"], "response");
    let number = answer["number"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&number), "{number}");
}

#[tokio::test]
async fn check_021_params_do_not_stick() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let answer = ann.action("cacheTest", json!({"key": "k", "value": "v"}));
    let load = &answer.await["cacheTestResults"]["loadResp"];
    assert_eq!(load["key"], "cache_test_k");
    assert_eq!(load["value"], "v");
    let answer = ann.action("cacheTest", json!({})).await;
    assert_eq!(answer["error"]["key"], "The key field is required.");
}

#[tokio::test]
async fn check_022_a_private_action_is_002() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let answer = ann.action("sumANumber", json!({"a": 1, "b": 2})).await;
    assert_eq!(
        answer["error"],
        json!({"code": "002", "message": "The action 'sumANumber' is private"})
    );
}

#[tokio::test]
async fn check_023_an_action_with_a_dot_in_its_name() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let answer = ann.action("isolated.action", json!({})).await;
    assert_eq!(answer["success"], "ok");
}

#[tokio::test]
async fn check_024_the_sixth_action_at_once_is_007_and_answered_first() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let sleeps = (1..=6).map(|n| asked("sleep", json!({"sleepDuration": n * 100})));
    ann.send_all(sleeps).await;
    let first = ann.next_packet().await;
    assert_eq!(first["messageCount"], 6);
    assert_eq!(
        first["error"],
        json!({"code": "007", "message": "You have too many pending requests"})
    );
    for n in 1..=5 {
        let answer = ann.next_packet().await;
        assert_eq!(answer["messageCount"], n, "shorter sleeps end earlier");
        assert_eq!(answer["sleepDuration"], n * 100);
    }
    let details = ann.details().await;
    assert_eq!(details["totalActions"], 6, "the refused one counts too");
    assert_eq!(details["pendingActions"], 0);
}

/// What the generated client's queue rests on: a place is free once the answer is there. The queue itself is tested
/// with the client.
#[tokio::test]
async fn check_025_whoever_keeps_to_five_at_once_never_meets_007() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let sleep = |n: u64| asked("sleep", json!({"sleepDuration": n % 4}));
    ann.send_all((1..=5).map(sleep)).await;
    for n in 6..=105 {
        let answer = ann.next_packet().await;
        assert_eq!(answer.get("error"), None, "{answer}");
        ann.send(sleep(n)).await;
    }
    for _ in 0..5 {
        assert_eq!(ann.next_packet().await.get("error"), None);
    }
}

#[tokio::test]
async fn check_026_eleven_actions_at_once_do_not_see_each_others_params() {
    let server = Binary::configured("[general]\nsimultaneous_actions = 20\n");
    let mut ann = server.primus().await;
    let sleeps = (100..=110).map(|ms| asked("sleep", json!({"sleepDuration": ms})));
    ann.send_all(sleeps).await;
    for number in 1..=11 {
        let answer = ann.answer(number).await;
        assert_eq!(answer["sleepDuration"], 99 + number);
    }
}

#[tokio::test]
async fn check_027_an_unknown_action_is_004() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let unknown = |name: &str| {
        let message = format!("Unknown action ({name}) or invalid apiVersion");
        json!({"code": "004", "message": message})
    };
    let answer = ann.action("nope", json!({})).await;
    assert_eq!(answer["error"], unknown("nope"));
    for packet in [
        json!({"event": "action"}),
        json!({"event": "action", "params": {}}),
        json!({"event": "action", "params": []}),
        json!({"event": "action", "params": {"action": 7}}),
    ] {
        let answer = ann.request(packet.clone()).await;
        assert_eq!(answer["error"]["code"], "004", "{packet}");
    }
}

#[tokio::test]
async fn check_028_the_highest_version_unless_one_is_asked_for() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let mut version = async |params: Value| {
        let answer = ann.action("versionedAction", params).await;
        answer
            .get("version")
            .unwrap_or_else(|| &answer["error"]["code"])
            .clone()
    };
    assert_eq!(version(json!({})).await, 2);
    assert_eq!(version(json!({"apiVersion": 1})).await, 1);
    assert_eq!(version(json!({"apiVersion": 2})).await, 2);
    assert_eq!(version(json!({"apiVersion": 99})).await, "004");
}

#[tokio::test]
async fn check_029_a_param_of_the_wrong_type_is_003() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let answer = ann.action("formattedSum", json!({"a": 3, "b": "thisIsInvalid"}));
    let message = "Param 'b' has an invalid type, expected integer";
    assert_eq!(
        answer.await["error"],
        json!({"b": {"code": "003", "message": message}})
    );
}

#[tokio::test]
async fn check_030_a_formatted_sum() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    for params in [json!({"a": 3, "b": 4}), json!({"a": "3", "b": "4"})] {
        let answer = ann.action("formattedSum", params).await;
        assert_eq!(answer["formatted"], "3 + 4 = 7");
    }
}

#[tokio::test]
async fn check_031_an_action_that_takes_too_long_is_022_once() {
    let server = Binary::configured("[general]\naction_timeout_ms = 100\n");
    let mut ann = server.primus().await;
    let answer = ann.action("sleep", json!({"sleepDuration": 3000})).await;
    let message = "Response timeout for action 'sleep'";
    assert_eq!(answer["error"], json!({"code": "022", "message": message}));
    // Longer than the sleep would have taken: a late answer would be here by then.
    ann.read_for(Duration::from_millis(3_300)).await;
    assert_eq!(ann.so_far().await, Vec::<Value>::new());
    assert_eq!(ann.details().await["pendingActions"], 0);
}

#[tokio::test]
async fn check_032_an_error_goes_out_as_the_action_gave_it() {
    let (_server, mut ann) = client_of([
        Action::new("text", |_, _: Value| async {
            Err::<(), _>(ActionError::from("broken"))
        }),
        Action::new("object", |_, _: Value| async {
            Err::<(), _>(ActionError::from(std::io::Error::other("broken")))
        }),
        Action::new("json", |_, _: Value| async {
            let value = json!({"error": "broken", "reason": "stuff"});
            Err::<(), _>(ActionError::from(value))
        }),
        Action::new("partial", |context: Context, _: Value| async move {
            context.respond("done", 1);
            Err::<(), _>(ActionError::from("broken"))
        }),
    ])
    .await;
    assert_eq!(ann.action("text", json!({})).await["error"], "broken");
    assert_eq!(ann.action("object", json!({})).await["error"], "broken");
    assert_eq!(
        ann.action("json", json!({})).await["error"],
        json!({"error": "broken", "reason": "stuff"})
    );
    let answer = ann.action("partial", json!({})).await;
    assert_eq!(
        (&answer["done"], &answer["error"]),
        (&json!(1), &json!("broken"))
    );
}

#[tokio::test]
async fn an_action_that_panics_is_001_and_the_next_one_works() {
    let (_server, mut ann) = client_of([
        Action::new(
            "early",
            |_, _: Value| -> std::future::Ready<Result<(), ActionError>> {
                panic!("before the first await")
            },
        ),
        Action::new("late", |_, _: Value| async {
            tokio::task::yield_now().await;
            if true {
                panic!("after an await");
            }
            Ok(())
        }),
    ])
    .await;
    for name in ["early", "late"] {
        let answer = ann.action(name, json!({})).await;
        let message = "The server experienced an internal error";
        assert_eq!(
            answer["error"],
            json!({"code": "001", "message": message}),
            "{name}"
        );
    }
    let details = ann.details().await;
    assert_eq!(details["pendingActions"], 0);
    assert_eq!(ann.action("status", json!({})).await["status"], "OK");
}

#[tokio::test]
async fn check_033_an_action_that_waits_answers_when_it_is_done() {
    let (_server, mut ann) = client_of([
        Action::new("resolves", |_, _: Value| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(json!({"later": true}))
        }),
        Action::new("rejects", |_, _: Value| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err::<(), _>(ActionError::from("too late"))
        }),
        Action::new("list", |_, _: Value| async { Ok([1, 2]) }),
        Action::new("overwrites", |_, _: Value| async {
            Ok(json!({"context": "mine", "messageCount": "many"}))
        }),
    ])
    .await;
    assert_eq!(ann.action("resolves", json!({})).await["later"], true);
    assert_eq!(ann.action("rejects", json!({})).await["error"], "too late");
    // What is no object is wrapped, and what belongs to the protocol stays its own.
    assert_eq!(ann.action("list", json!({})).await["data"], json!([1, 2]));
    let answer = ann.action("overwrites", json!({})).await;
    assert_eq!(answer, json!({"context": "response", "messageCount": 4}));
}

#[tokio::test]
async fn check_034_defaults_are_filled_in() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let echo = Action::new("echo", |_, params: Value| async move { Ok(params) })
        .input(Input::new("constant").default_value("c"))
        .input(
            Input::new("computed")
                .default_with(|| (CALLS.fetch_add(1, Ordering::Relaxed) + 1).into()),
        );
    let (_server, mut ann) = client_of([echo]).await;
    for call in 1..=2 {
        let answer = ann.action("echo", json!({})).await;
        assert_eq!(answer["constant"], "c");
        assert_eq!(answer["computed"], call);
        assert_eq!(
            answer["apiVersion"], 1,
            "the chosen version is written back"
        );
    }
    let answer = ann.action("echo", json!({"constant": "mine", "computed": 0}));
    let answer = answer.await;
    assert_eq!(
        (&answer["constant"], &answer["computed"]),
        (&json!("mine"), &json!(0))
    );
}

#[tokio::test]
async fn check_035_a_blocked_type_is_005_and_a_shutdown_006() {
    let blocked =
        Action::new("blocked", |_, _: Value| async { Ok(()) }).block(ConnectionType::Websocket);
    let (server, mut ann) = client_of([blocked]).await;
    let message = "This action does not support the websocket connection type";
    assert_eq!(
        ann.action("blocked", json!({})).await["error"],
        json!({"code": "005", "message": message})
    );
    server.app.stop();
    assert_eq!(
        ann.action("status", json!({})).await["error"],
        json!({"code": "006", "message": "The server is shutting down"})
    );
    assert_eq!(ann.details().await["totalActions"], 2, "verbs still work");
}

#[tokio::test]
async fn check_036_a_silent_action_sends_nothing() {
    let (_server, mut ann) = client_of([Action::new(
        "silent",
        |context: Context, _: Value| async move {
            context.silence();
            Ok(json!({"never": "seen"}))
        },
    )])
    .await;
    ann.send(asked("silent", json!({}))).await;
    assert_eq!(ann.so_far().await, Vec::<Value>::new());
    assert_eq!(ann.details().await["pendingActions"], 0);
}

#[tokio::test]
async fn check_037_details_count_actions() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    ann.action("randomNumber", json!({})).await;
    let details = ann.details().await;
    assert_eq!(details["totalActions"], 1);
    assert_eq!(details["pendingActions"], 0);
    assert_eq!(details["params"], json!({}));
}
