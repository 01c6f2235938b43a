//! JSON that goes no further is counted like any other: an answer that lacks its number is taken for that of the next
//! request, and so is every answer after it.

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::engineio::{ENGINE, Opening, PRIMUS, Packet, Version};
use crate::support::socketio::{Kind, Peer};
use crate::{Arena, DOORS};

/// JSON that no verb gets to see, what is wrong with it, and the id that it is answered with. The verb comes first.
fn refused() -> Vec<(String, &'static str, Value)> {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let objects = |levels: usize| "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
    let keys = |count: usize| "\"k\":1,".repeat(count);
    let levels = "it nests deeper than 128 levels";
    let many = "it has more than 64 keys";
    vec![
        (
            format!(
                "{{\"event\":\"say\",\"room\":\"defaultRoom\",\"message\":{}}}",
                deep(130)
            ),
            levels,
            Value::Null,
        ),
        (
            format!(
                "{{\"event\":\"say\",\"messageId\":\"a\",\"message\":{}}}",
                deep(100_000)
            ),
            levels,
            json!("a"),
        ),
        (
            format!(
                "{{\"event\":\"action\",\"params\":{},\"messageId\":-7}}",
                objects(200)
            ),
            levels,
            json!(-7),
        ),
        (
            format!(
                "{{\"event\":\"action\",\"params\":{},\"message\\u0049d\":\"\\u0062\"}}",
                objects(100_000)
            ),
            levels,
            json!("b"),
        ),
        (
            format!(
                "{{\"event\":\"roomAdd\",\"room\":{},\"messageId\":{{}}}}",
                deep(128)
            ),
            levels,
            Value::Null,
        ),
        (
            format!(
                "{{\"event\":\"say\",\"x\":{{\"messageId\":1,\"y\":{}}}}}",
                deep(128)
            ),
            levels,
            Value::Null,
        ),
        (format!("{{\"event\":{}}}", deep(129)), levels, Value::Null),
        (
            format!(
                "{{\"event\":\"detailsView\",{}\"messageId\":\"c\"}}",
                keys(65)
            ),
            many,
            json!("c"),
        ),
        (
            format!(
                "{{\"event\":\"detailsView\",\"messageId\":5,{}\"z\":{}}}",
                keys(100_000),
                deep(300)
            ),
            levels,
            json!(5),
        ),
        (
            format!("{{\"event\":\"quit\",{}\"\\ud83d\":\"\\udfff\"}}", keys(64)),
            many,
            Value::Null,
        ),
    ]
}

/// That `answer` is the one to packet `number`, and says what is wrong.
fn assert_refused(answer: &Value, number: u64, detail: &str, id: &Value, shown: &str) {
    let shown: String = shown.chars().take(100).collect();
    assert_eq!(answer["context"], "response", "{shown}: {answer}");
    assert_eq!(answer["error"]["code"], "023", "{shown}: {answer}");
    assert!(
        answer["status"].as_str().unwrap().contains(detail),
        "{shown}: {answer}"
    );
    assert_eq!(answer["messageCount"], number, "{shown}");
    assert_eq!(answer["messageId"], *id, "{shown}");
}

#[tokio::test]
async fn json_that_is_refused_early_is_answered_with_its_number_and_id() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        for (number, (text, detail, id)) in (1..).zip(refused()) {
            client.send_text(&text).await;
            client.count(1);
            assert_refused(&client.next_packet().await, number, detail, &id, &text);
        }
        // What is not JSON is no packet, however much it looks like one of these.
        for (text, ..) in refused() {
            client.send_text(&text[..text.len() - 1]).await;
            assert_eq!(client.next_packet().await["context"], "alert");
        }
        let sum = client.action("formattedSum", json!({"a": 1, "b": 1})).await;
        assert_eq!(sum["formatted"], "1 + 1 = 2");
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn engine_io_counts_it_too() {
    let arena = Arena::demo().await;
    for version in Version::BOTH {
        for door in [ENGINE, PRIMUS] {
            let opening = Opening::new(arena.address(), version).door(door);
            let mut session = opening.session().await;
            session.expect_welcome().await;
            for (number, (text, detail, id)) in (1..).zip(refused()) {
                session.send(&[Packet::message(&text)]).await;
                session.count(1);
                assert_refused(&session.next_json().await, number, detail, &id, &text);
            }
            let sum =
                json!({"event": "action", "params": {"action": "formattedSum", "a": 1, "b": 1}});
            assert_eq!(session.request(sum).await["formatted"], "1 + 1 = 2");
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn socket_io_counts_it_too() {
    let arena = Arena::demo().await;
    let deep = "[".repeat(130) + &"]".repeat(130);
    for kind in Kind::ALL {
        let mut ann = Peer::connected(arena.address(), kind).await;
        let mut number = 0;
        for (text, detail, id) in refused() {
            number += 1;
            ann.send(format!("42{number}[\"message\",{text}]")).await;
            assert_refused(&ann.answer(number).await, number, detail, &id, &text);
        }
        let events = [
            (
                format!("{{\"message\":{deep},\"messageId\":\"a\"}}"),
                "it nests deeper",
                json!("a"),
            ),
            ("5".into(), "an event has one argument", Value::Null),
            ("\"x\"".into(), "an event has one argument", Value::Null),
            (deep.clone(), "an event has one argument", Value::Null),
            ("{},{}".into(), "an event has one argument", Value::Null),
        ];
        for (argument, detail, id) in events {
            number += 1;
            ann.send(format!("42{number}[\"say\",{argument}]")).await;
            assert_refused(&ann.answer(number).await, number, detail, &id, &argument);
        }
        number += 1;
        ann.send(format!("42{number}[\"detailsView\"]")).await;
        assert_eq!(ann.answer(number).await["messageCount"], number);
    }
    arena.survives().await;
}

#[tokio::test]
async fn behind_a_request_that_waits_it_is_answered_in_its_turn() {
    let arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        // Files are read beside the connection's own task, so all that follows waits.
        let file = "{\"event\":\"file\",\"file\":\"simple.html\"}";
        client.send_text(file).await;
        for (text, ..) in refused() {
            client.send_text(&text).await;
        }
        client.send_text(file).await;
        client.count(2 + refused().len() as u64);
        assert_eq!(client.next_packet().await["messageCount"], 1);
        for (number, (text, detail, id)) in (2..).zip(refused()) {
            assert_refused(&client.next_packet().await, number, detail, &id, &text);
        }
        let last = client.next_packet().await;
        assert_eq!(last["messageCount"], 2 + refused().len());
        assert_eq!(last["error"], Value::Null);
    }
    arena.survives().await;
}
