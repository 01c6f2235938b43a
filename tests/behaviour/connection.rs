//! Opening, numbering, malformed packets and closing (checks 1–18).

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stellar::app::{App, ChatMiddleware, Verdict};
use stellar::config::Config;

use crate::support::{Binary, Client, Event, eventually, server};

#[tokio::test]
async fn check_001_the_first_packet_is_the_greeting() {
    let server = Binary::demo();
    for path in ["/primus", "/primus/", "/primus?_primuscb=x", "/ws", "/ws/"] {
        let mut ann = Client::open(server.address, path).await;
        let welcome = json!({"welcome": "Hello human! Welcome to Stellar", "context": "api"});
        assert_eq!(ann.next().await, Event::Packet(welcome), "{path}");
    }
}

#[tokio::test]
async fn check_002_the_first_details_are_number_one() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let answer = ann.request(json!({"event": "detailsView"})).await;
    assert_eq!(answer["context"], "response");
    assert_eq!(answer["status"], "OK");
    assert_eq!(answer["messageCount"], 1);
    assert_eq!(answer["data"]["totalActions"], 0);
    assert_eq!(answer.get("error"), None);
}

#[tokio::test]
async fn check_003_details_are_nine_keys_about_this_connection() {
    let server = Binary::demo();
    let before = now();
    let mut ann = server.primus().await;
    let details = ann.details().await;
    let keys: BTreeSet<_> = details.as_object().unwrap().keys().cloned().collect();
    let expected = [
        "connectedAt",
        "fingerprint",
        "id",
        "params",
        "pendingActions",
        "remoteIP",
        "remotePort",
        "rooms",
        "totalActions",
    ];
    assert_eq!(keys, expected.map(str::to_owned).into());
    let connected_at = details["connectedAt"].as_u64().unwrap();
    assert!((before..=now()).contains(&connected_at), "{connected_at}");
    assert_eq!(details["remoteIP"], "127.0.0.1");
    assert!(details["remotePort"].as_u64().unwrap() > 0);
    assert_eq!(details["fingerprint"], Value::Null);
    assert_eq!(details["params"], json!({}));
    assert_eq!(details["rooms"], json!([]));
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

#[tokio::test]
async fn check_004_three_clients_have_three_ids() {
    let server = Binary::demo();
    let mut ids = BTreeSet::new();
    for path in ["/primus", "/ws", "/primus"] {
        ids.insert(Client::greeted(server.address, path).await.id().await);
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn check_005_mixed_verbs_are_answered_each_once_with_numbers_from_one() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let one_round = [
        json!({"event": "detailsView"}),
        json!({"event": "roomAdd", "room": "defaultRoom"}),
        json!({"event": "say", "room": "nowhere", "message": "x"}),
        json!({"event": "action", "params": {"action": "randomNumber"}}),
        json!({"event": "action", "params": {"action": "sleep", "sleepDuration": 20}}),
        json!({"event": "bogus"}),
        json!({"event": "roomView", "room": "defaultRoom"}),
        json!({"event": "file", "file": "simple.html"}),
        json!({"event": "event", "params": {}}),
        json!({"event": "roomLeave", "room": "defaultRoom"}),
        json!([]),
    ];
    let last = ann.send_all([one_round.clone(), one_round].concat()).await;
    let mut numbers = Vec::new();
    while numbers.len() < usize::try_from(last).unwrap() {
        let answer = ann.next_packet().await;
        assert_eq!(answer["context"], "response", "{answer}");
        numbers.push(answer["messageCount"].as_u64().unwrap());
    }
    assert_eq!(ann.so_far().await, Vec::<Value>::new(), "each once");
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn check_006_a_slow_action_keeps_its_number_and_holds_up_nobody() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let sleep = json!({"event": "action", "params": {"action": "sleep", "sleepDuration": 500}});
    ann.send_all([sleep, json!({"event": "detailsView"})]).await;
    let first = ann.next_packet().await;
    assert_eq!(first["messageCount"], 2);
    assert_eq!(first["data"]["pendingActions"], 1);
    let second = ann.next_packet().await;
    assert_eq!(second["messageCount"], 1);
    assert_eq!(second["sleepDuration"], 500);
}

#[tokio::test]
async fn check_007_a_slow_join_keeps_its_number() {
    let slow = ChatMiddleware::new("slow").on_join(|_, _| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Verdict::Keep
    });
    let builder = stellar::demo::actions(App::builder()).chat_middleware(slow);
    let server = server::start(builder, Config::default()).await;
    let mut ann = server.primus().await;
    ann.send_all([
        json!({"event": "roomAdd", "room": "defaultRoom"}),
        json!({"event": "action", "params": {"action": "randomNumber"}}),
    ])
    .await;
    assert_eq!(ann.answer(1).await["data"], true);
    assert!(ann.answer(2).await["number"].is_number());
}

#[tokio::test]
async fn check_008_a_message_id_is_echoed() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    for packet in [
        json!({"event": "detailsView", "messageId": "aaa"}),
        json!({"event": "action", "params": {"action": "randomNumber"}, "messageId": "aaa"}),
        json!({"event": "file", "file": "simple.html", "messageId": "aaa"}),
        json!({"event": "bogus", "messageId": "aaa"}),
    ] {
        let answer = ann.request(packet.clone()).await;
        assert_eq!(answer["messageId"], "aaa", "{packet}");
    }
    let answer = ann.request(json!({"event": "detailsView", "messageId": 7}));
    assert_eq!(answer.await["messageId"], 7);
    let answer = ann.request(json!({"event": "detailsView"})).await;
    assert_eq!(answer.get("messageId"), None, "it is not remembered");
}

#[tokio::test]
async fn check_009_a_ping_of_an_old_client_is_answered_and_not_counted() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    ann.send_text("\"primus::ping::123\"").await;
    assert_eq!(ann.wait_control("primus::pong").await, "primus::pong::123");
    let answer = ann.request(json!({"event": "detailsView"})).await;
    assert_eq!(answer["messageCount"], 1);
}

#[tokio::test]
async fn check_010_the_id_is_told_and_not_counted() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    ann.send_text("\"primus::id::\"").await;
    let id = ann.wait_control("primus::id::").await;
    assert_eq!(id, format!("primus::id::{}", ann.id().await));
}

#[tokio::test]
async fn check_011_an_unknown_verb_is_014() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let text = "Verb not found or not allowed (bogus)";
    assert_eq!(
        ann.request(json!({"event": "bogus"})).await,
        json!({
            "status": text,
            "error": {"code": "014", "message": text},
            "context": "response",
            "data": null,
            "messageCount": 1,
        })
    );
    assert_eq!(ann.action("status", json!({})).await["messageCount"], 2);
}

#[tokio::test]
async fn check_012_the_verbs_of_tcp_are_014() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    for verb in [
        "paramAdd",
        "paramDelete",
        "paramView",
        "paramsView",
        "paramsDelete",
        "documentation",
    ] {
        let answer = ann.request(json!({"event": verb, "key": "x"})).await;
        assert_eq!(answer["error"]["code"], "014", "{verb}");
    }
}

#[tokio::test]
async fn check_013_what_is_no_packet_counts_and_is_014_of_undefined() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    for text in ["{}", "[]", "5", "null", "\"x\"", "true", "{\"event\":null}"] {
        ann.send_text(text).await;
        ann.count(1);
    }
    for number in 1..=7 {
        let answer = ann.answer(number).await;
        assert_eq!(answer["error"]["code"], "014", "{answer}");
    }
    ann.send_text("{\"room\":\"x\"}").await;
    ann.count(1);
    let status = ann.answer(8).await["status"].to_string();
    assert!(status.ends_with("(undefined)\""), "{status}");
    assert_eq!(ann.action("status", json!({})).await["messageCount"], 9);
}

#[tokio::test]
async fn check_014_what_is_not_json_is_an_alert_and_not_counted() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    for text in ["", "hello", "{", "{\"event\":", "{} {}", "\u{feff}{}"] {
        ann.send_text(text).await;
        let alert = ann.next_packet().await;
        assert_eq!(alert["context"], "alert", "{text}");
        assert_eq!(alert["error"]["code"], "023", "{text}");
        assert_eq!(alert.get("messageCount"), None);
    }
    assert_eq!(ann.action("status", json!({})).await["messageCount"], 1);
}

#[tokio::test]
async fn binary_data_is_read_as_text_or_refused_with_1003() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    ann.send_binary(*br#"{"event":"detailsView"}"#).await;
    ann.count(1);
    assert_eq!(ann.answer(1).await["status"], "OK");
    ann.send_binary([0xff, 0xfe]).await;
    assert_eq!(ann.closed().await.code, 1003);
}

#[tokio::test]
async fn check_015_quit_is_a_deliberate_close_without_an_answer() {
    let server = Binary::demo();
    for verb in ["quit", "exit"] {
        let mut ann = server.primus().await;
        ann.send(json!({"event": verb})).await;
        assert!(matches!(ann.next().await, Event::Closed(_)), "{verb}");
        assert_eq!(ann.controls, ["primus::server::close"], "{verb}");

        let mut bob = server.plain().await;
        bob.send(json!({"event": verb})).await;
        let Event::Closed(close) = bob.next().await else {
            panic!("{verb} was answered");
        };
        assert_eq!(close.code, 1000);
        assert_eq!(bob.controls, Vec::<String>::new(), "plain has no such text");
    }
}

#[tokio::test]
async fn check_016_a_client_that_closes_leaves_the_table() {
    let server = server::demo().await;
    let ann = server.primus().await;
    let bob = server.plain().await;
    let cid = server.primus().await;
    assert_eq!(server.app.connections().len(), 3);
    ann.close().await;
    let app = &server.app;
    eventually("two connections", || app.connections().len() == 2).await;
    bob.drop_abruptly();
    cid.close().await;
    eventually("no connection", || app.connections().is_empty()).await;
}

#[tokio::test]
async fn check_017_who_was_destroyed_gets_no_answer_any_more() {
    let server = server::demo().await;
    let mut clients = [
        server.primus().await,
        server.plain().await,
        server.primus().await,
    ];
    for connection in server.app.connections() {
        connection.destroy();
    }
    for client in &mut clients {
        // It may be told before it asks or after; either way there is no answer.
        client.try_send_text("{\"event\":\"detailsView\"}").await;
        assert!(matches!(client.next().await, Event::Closed(_)));
        assert!(!client.try_send_text("{\"event\":\"detailsView\"}").await);
    }
    let app = &server.app;
    eventually("an empty table", || app.connections().is_empty()).await;
}

#[tokio::test]
async fn check_018_a_new_connection_has_a_new_id_and_starts_at_one() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let id = ann.id().await;
    ann.details().await;
    ann.close().await;
    let mut ann = server.primus().await;
    let answer = ann.request(json!({"event": "detailsView"})).await;
    assert_eq!(answer["messageCount"], 1);
    assert_ne!(answer["data"]["id"], id);
}
