//! Text that is no request: every row of docs/protocol/packets.md#malformed-requests, and a corpus of odd JSON.

use serde_json::{Value, json};

use crate::support::Client;
use crate::{Arena, DOORS};

/// The error code of the one packet that answers `text`, and whether it was an answer or an alert.
async fn reply(client: &mut Client, text: &str) -> Value {
    client.send_text(text).await;
    client.next_packet().await
}

/// Sends what counts as a packet, and expects an answer with its number and this error.
async fn fails(client: &mut Client, text: &str, code: &str) -> Value {
    client.count(1);
    let reply = reply(client, text).await;
    assert_eq!(reply["context"], "response", "{text}: {reply}");
    assert_eq!(reply["error"]["code"], code, "{text}: {reply}");
    reply
}

#[tokio::test]
async fn what_is_not_json_is_answered_by_an_alert_and_not_counted() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        for text in [
            "",
            " ",
            "hello",
            "{",
            "{]",
            "{\"event\"}",
            "{}{}",
            "{'a':1}",
            "\"open",
            "\u{FEFF}{}",
            "nul",
            "\0",
            "[1,]",
        ] {
            let reply = reply(&mut client, text).await;
            assert_eq!(reply["context"], "alert", "{text:?}: {reply}");
            assert!(reply["error"].is_object(), "{text:?}: {reply}");
            assert!(reply.get("messageCount").is_none());
        }
        arena.serves().await;
        // The numbers of both sides still agree: this waits for the answer number 1.
        assert!(client.details().await.is_object());
    }
    arena.survives().await;
}

#[tokio::test]
async fn json_that_is_no_object_counts_and_is_answered_014() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        for text in [
            "[]",
            "5",
            "null",
            "\"x\"",
            "true",
            "-1.5e3",
            "[{\"event\":\"detailsView\"}]",
            "\"\"",
        ] {
            let reply = fails(&mut client, text, "014").await;
            assert!(
                reply["status"].as_str().unwrap().ends_with("(undefined)"),
                "{reply}"
            );
            assert_eq!(reply["data"], Value::Null);
        }
        arena.serves().await;
        assert!(client.details().await.is_object());
    }
    arena.survives().await;
}

#[tokio::test]
async fn an_object_without_event_is_answered_014_undefined() {
    let arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        for text in [
            "{}",
            "{\"room\":\"defaultRoom\"}",
            "{\"Event\":\"detailsView\"}",
            "{\"\":\"detailsView\"}",
        ] {
            let reply = fails(&mut client, text, "014").await;
            assert!(
                reply["status"].as_str().unwrap().ends_with("(undefined)"),
                "{reply}"
            );
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn an_event_that_is_no_verb_is_answered_014() {
    let arena = Arena::demo().await;
    let events = [
        json!("bogus"),
        json!("paramAdd"),
        json!("paramsView"),
        json!("documentation"),
        json!("DetailsView"),
        json!(""),
        json!("__proto__"),
        json!("constructor"),
        json!("toString"),
        json!(" say"),
        json!("say\0"),
        json!(null),
        json!(5),
        json!(true),
        json!(["say"]),
        json!({"a": 1}),
        json!("x".repeat(100_000)),
    ];
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        for event in &events {
            fails(&mut client, &json!({ "event": event }).to_string(), "014").await;
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn an_action_without_a_name_is_answered_004() {
    let arena = Arena::demo().await;
    let params = [
        json!(null),
        json!({}),
        json!([]),
        json!("status"),
        json!(7),
        json!({"action": null}),
        json!({"action": ""}),
        json!({"action": {}}),
        json!({"action": ["status"]}),
        json!({"action": "status", "apiVersion": {}}),
        json!({"action": "__proto__"}),
        json!({"action": "nope"}),
    ];
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        fails(&mut client, "{\"event\":\"action\"}", "004").await;
        for params in &params {
            let packet = json!({"event": "action", "params": params});
            fails(&mut client, &packet.to_string(), "004").await;
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn an_event_verb_without_params_room_or_name_is_answered_015() {
    let arena = Arena::demo().await;
    let params = [
        json!(null),
        json!({}),
        json!([]),
        json!("x"),
        json!({"room": "defaultRoom"}),
        json!({"event": "x"}),
        json!({"room": "", "event": "x"}),
        json!({"room": "defaultRoom", "event": ""}),
        json!({"room": {}, "event": "x"}),
        json!({"room": "defaultRoom", "event": null}),
    ];
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        client.join("defaultRoom").await;
        fails(&mut client, "{\"event\":\"event\"}", "015").await;
        for params in &params {
            let packet = json!({"event": "event", "params": params});
            fails(&mut client, &packet.to_string(), "015").await;
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_packet_over_the_limit_closes_with_1009() {
    let mut arena = Arena::configured("[limits]\nmax_message_bytes = 1000\n").await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        let packet = |length: usize| {
            let empty = "{\"event\":\"detailsView\",\"x\":\"\"}".len();
            format!(
                "{{\"event\":\"detailsView\",\"x\":\"{}\"}}",
                "x".repeat(length - empty)
            )
        };
        client.send_text(&packet(1000)).await;
        client.count(1);
        assert_eq!(client.answer(1).await["status"], "OK");
        client.send_text(&packet(1001)).await;
        assert_eq!(client.closed().await.code, 1009);
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_binary_frame_is_read_as_text_or_closes_with_1003() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        client.send_binary(*b"{\"event\":\"detailsView\"}").await;
        client.count(1);
        assert_eq!(client.answer(1).await["status"], "OK");
        client.send_binary(*b"not json").await;
        assert_eq!(client.next_packet().await["context"], "alert");
        client.send_binary(*b"{\"event\":\"\xFF\"}").await;
        assert_eq!(client.closed().await.code, 1003);
        arena.serves().await;
    }
    arena.survives().await;
}

/// Texts that are each answered by exactly one packet.
fn corpus() -> Vec<String> {
    let mut corpus: Vec<String> = [
        // Numbers that no machine type holds.
        r#"{"event":"detailsView","x":1e999999999}"#,
        r#"{"event":"detailsView","x":-1e-999999999}"#,
        r#"{"event":"roomView","room":1e400}"#,
        r#"{"event":"action","params":{"action":"status","x":1e400}}"#,
        r#"{"event":"action","params":{"action":"status","apiVersion":1e308}}"#,
        r#"{"event":"action","params":{"action":"sleep","sleepDuration":-1}}"#,
        r#"{"event":"action","params":{"action":"formattedSum","a":9223372036854775807,"b":1}}"#,
        r#"{"event":"action","params":{"action":"formattedSum","a":"9999999999999999999999999","b":"1"}}"#,
        r#"{"event":"say","room":"defaultRoom","message":-0}"#,
        // Keys that come twice.
        r#"{"event":"bogus","event":"detailsView"}"#,
        r#"{"event":"roomView","room":"a","room":"b"}"#,
        r#"{"event":"action","params":{"action":"a","action":"status"}}"#,
        r#"{"event":"action","params":{"action":"nope"},"params":{"action":"status"}}"#,
        // Half of a pair.
        r#"{"event":"\ud800"}"#,
        r#"{"event":"roomView","room":"\udfff"}"#,
        r#"{"event":"file","file":"\ud83d"}"#,
        r#"{"event":"detailsView","messageId2":"\ud800"}"#,
        r#"{"event":"action","params":{"action":"\udc00\ud800"}}"#,
        r#"{"\ud800":1,"event":"detailsView"}"#,
        // Names that JavaScript treats in its own way.
        r#"{"__proto__":{"event":"detailsView"}}"#,
        r#"{"event":"action","params":{"__proto__":{"action":"status"}}}"#,
        r#"{"event":"action","params":{"action":"cacheTest","key":"__proto__","value":"constructor"}}"#,
        r#"{"event":"roomAdd","room":"__proto__"}"#,
        r#"{"constructor":{"prototype":{}},"event":"detailsView"}"#,
        // Characters that end texts elsewhere.
        "{\"event\":\"detailsView\\u0000\"}",
        "{\"event\":\"roomAdd\",\"room\":\"defaultRoom\\u0000\"}",
        "{\"event\":\"file\",\"file\":\"simple.html\\u0000.png\"}",
        "{\"event\":\"say\",\"room\":\"defaultRoom\",\"message\":\"\\u2028\\u2029\\u0000\\u001b[2J\"}",
        "{\"event\":\"detailsView\",\"x\":\"\0\"}",
        "\u{FEFF}{\"event\":\"detailsView\"}",
        "{\"event\":\"roomView\",\"room\":\"\u{202E}\u{FEFF}\u{1F600}\"}",
        // Values of the wrong type.
        r#"{"event":"roomAdd","room":["defaultRoom"]}"#,
        r#"{"event":"roomLeave","room":{"toString":"defaultRoom"}}"#,
        r#"{"event":"file","file":{"path":"/etc/passwd"}}"#,
        r#"{"event":"file","file":["simple.html"]}"#,
        r#"{"event":"say","room":true,"message":"x"}"#,
        r#"{"event":"say","room":"defaultRoom","message":{"toJSON":1}}"#,
        r#"{"event":"detailsView","messageId":{"a":[1]}}"#,
        r#"{"event":"detailsView","messageCount":99,"context":"user","status":"x"}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    for levels in [129, 100_000] {
        corpus.push("[".repeat(levels));
        corpus.push(format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        corpus.push("{\"a\":".repeat(levels));
        for key in ["params", "message", "room", "event", "file", "x"] {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            corpus.push(format!("{{\"event\":\"say\",\"{key}\":{open}{close}}}"));
        }
        let (open, close) = ("{\"a\":".repeat(levels), "}".repeat(levels));
        corpus.push(format!(
            "{{\"event\":\"action\",\"params\":{open}1{close}}}"
        ));
    }
    corpus.push(format!(
        "{{\"event\":\"detailsView\",\"x\":{}}}",
        "9".repeat(100_000)
    ));
    corpus.push(format!(
        "{{\"event\":\"detailsView\",\"x\":0.{}}}",
        "1".repeat(100_000)
    ));
    corpus.push(format!(
        "{{{}\"event\":\"detailsView\"}}",
        "\"k\":1,".repeat(100_000)
    ));
    corpus.push(format!(
        "{{\"event\":\"roomAdd\",\"room\":\"{}\"}}",
        "r".repeat(1_000_000)
    ));
    corpus.push(format!(
        "{{\"event\":\"say\",\"message\":\"{}\"}}",
        "\\\\".repeat(500_000)
    ));
    corpus
}

#[tokio::test]
async fn odd_json_is_answered_once_and_harms_nobody() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        for text in corpus() {
            client.send_text(&text).await;
            let marker = json!({"event": "detailsView", "messageId": "marker"});
            client.send_text(&marker.to_string()).await;
            let mut replies = Vec::new();
            loop {
                let packet = client.next_packet().await;
                if packet["messageId"] == "marker" {
                    assert_eq!(packet["data"]["rooms"], json!([]));
                    break;
                }
                replies.push(packet);
            }
            // An action may be answered after the marker; it is the next one's, then.
            let shown: String = text.chars().take(80).collect();
            if replies.is_empty() {
                replies.push(client.next_packet().await);
            }
            assert_eq!(replies.len(), 1, "{shown}: {replies:?}");
            let context = &replies[0]["context"];
            assert!(
                context == "response" || context == "alert",
                "{shown}: {replies:?}"
            );
        }
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_proto_key_is_passed_on_as_the_data_it_is() {
    let arena = Arena::demo().await;
    let mut speaker = arena.server.primus().await;
    let mut member = arena.server.plain().await;
    speaker.join("defaultRoom").await;
    member.join("defaultRoom").await;
    let message = json!({"__proto__": {"polluted": true}, "constructor": {"prototype": 1}});
    assert_eq!(
        speaker.say("defaultRoom", message.clone()).await["status"],
        "OK"
    );
    assert_eq!(member.hears().await["message"], message);
    arena.survives().await;
}
