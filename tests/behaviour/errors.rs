//! How errors are put into words, as configured, and verbs that are switched off.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use stellar::app::{Action, ActionError, App, ConnectionType, Input};

use crate::support::server::{Running, config, start};
use crate::support::{Binary, Client};

#[tokio::test]
async fn errors_can_be_bare_text() {
    let server = Binary::configured("[errors]\nas_text = true\n");
    let mut ann = server.primus().await;
    let text = "Verb not found or not allowed (bogus)";
    assert_eq!(
        ann.request(json!({"event": "bogus"})).await,
        json!({"status": text, "error": text, "context": "response", "data": null, "messageCount": 1})
    );
    let answer = ann.action("nope", json!({})).await;
    assert_eq!(
        answer["error"],
        "Unknown action (nope) or invalid apiVersion"
    );
    let answer = ann.request(json!({"event": "file", "file": "nope"})).await;
    assert_eq!(answer["error"], "The requested file does not exist");
    let answer = ann.action("formattedSum", json!({"a": 1, "b": "x"})).await;
    let text = "Param 'b' has an invalid type, expected integer";
    assert_eq!(answer["error"], json!({"b": text}));
    ann.send_text("not JSON").await;
    let alert = ann.wait_push(|packet| packet["context"] == "alert").await;
    assert!(alert["error"].is_string(), "{alert}");
}

#[tokio::test]
async fn texts_are_english_and_those_of_the_original_a_choice() {
    for (config, file, room) in [
        (
            "",
            "The requested file does not exist",
            "Room (nope) does not exist",
        ),
        (
            "[errors]\noriginal_texts = true\n",
            "The requested file not exists",
            "Room (nope) does not exists",
        ),
    ] {
        let server = Binary::configured(config);
        let mut ann = server.primus().await;
        let answer = ann.request(json!({"event": "file", "file": "nope"})).await;
        assert_eq!(answer["error"]["message"], file);
        assert_eq!(answer["length"], file.len());
        let answer = ann
            .request(json!({"event": "roomAdd", "room": "nope"}))
            .await;
        assert_eq!(answer["error"]["message"], room);
    }
}

/// An app that can be brought to say each error of the table that reaches clients.
async fn clumsy(texts: BTreeMap<String, String>) -> (Running, Client) {
    let builder = App::builder()
        .action(Action::new("private", |_, _: Value| async { Ok(()) }).private())
        .action(
            Action::new("typed", |_, _: Value| async { Ok(()) }).input(Input::new("age").integer()),
        )
        .action(
            Action::new("blocked", |_, _: Value| async { Ok(()) }).block(ConnectionType::Websocket),
        )
        .action(Action::new("slow", |_, _: Value| async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        }))
        .action(Action::new("broken", |_, _: Value| async {
            if true {
                panic!("on purpose");
            }
            Ok::<(), ActionError>(())
        }));
    let config = config(|config| {
        config.general.action_timeout_ms = 2000;
        config.general.simultaneous_actions = 1;
        config.errors.texts = texts;
    });
    let server = start(builder, config).await;
    let client = server.primus().await;
    (server, client)
}

#[tokio::test]
async fn every_text_can_be_replaced_and_placeholders_are_filled_in() {
    let texts = [
        ("001", "eins"),
        ("002", "zwei {action}"),
        ("003", "drei {param} {type}"),
        ("004", "vier {action}"),
        ("005", "fünf {type}"),
        ("006", "sechs"),
        ("007", "sieben"),
        ("010", "zehn"),
        ("014", "vierzehn {verb}"),
        ("015", "fünfzehn"),
        ("016", "sechzehn {id} {room}"),
        ("017", "siebzehn {id} {room}"),
        ("018", "achtzehn {room}"),
        ("019", "neunzehn {room} { }"),
        ("021", "einundzwanzig"),
        ("022", "zweiundzwanzig {action}"),
    ];
    let texts = texts.map(|(code, text)| (code.to_owned(), text.to_owned()));
    let (server, mut ann) = clumsy(texts.into()).await;
    let id = ann.id().await;
    let action = |name: &str| json!({"event": "action", "params": {"action": name, "age": "x"}});
    let room = |verb: &str, room: &str| json!({"event": verb, "room": room});
    let mut wrong = Vec::new();
    for (packet, code, text) in [
        (action("broken"), "001", "eins".to_owned()),
        (action("private"), "002", "zwei private".into()),
        (action("nope"), "004", "vier nope".into()),
        (action("blocked"), "005", "fünf websocket".into()),
        (json!({"event": "file"}), "010", "zehn".into()),
        (
            json!({"event": "b{verb}"}),
            "014",
            "vierzehn b{verb}".into(),
        ),
        (json!({"event": "say"}), "015", "fünfzehn".into()),
        (room("roomLeave", "r"), "016", format!("sechzehn {id} r")),
        (room("roomView", "r"), "016", format!("sechzehn {id} r")),
        (room("roomAdd", "r"), "019", "neunzehn r { }".into()),
        (room("roomAdd", ""), "021", "einundzwanzig".into()),
        (action("slow"), "022", "zweiundzwanzig slow".into()),
    ] {
        let error = ann.request(packet.clone()).await["error"].take();
        if error != json!({"code": code, "message": text}) {
            wrong.push(format!("{packet}: {error}, expected {text}"));
        }
    }
    let error = ann.request(action("typed")).await["error"]["age"].take();
    if error != json!({"code": "003", "message": "drei age integer"}) {
        wrong.push(format!("003: {error}"));
    }
    ann.join("defaultRoom").await;
    let error = ann.request(room("roomAdd", "defaultRoom")).await["error"].take();
    if error["message"] != format!("siebzehn {id} defaultRoom") {
        wrong.push(format!("017: {error}"));
    }
    ann.send_all([action("slow"), action("slow")]).await;
    let error = ann.next_packet().await["error"].take();
    if error["message"] != "sieben" {
        wrong.push(format!("007: {error}"));
    }
    server.app.chat().destroy("defaultRoom").await.unwrap();
    let error = ann.hears().await["message"]["data"].take();
    if error["message"] != "achtzehn defaultRoom" {
        wrong.push(format!("018: {error}"));
    }
    server.app.stop();
    let error = ann.request(action("status")).await["error"].take();
    if error["message"] != "sechs" {
        wrong.push(format!("006: {error}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn verbs_that_are_switched_off_are_014() {
    let server =
        Binary::configured("[general]\nrefused_verbs = [\"file\", \"roomAdd\", \"exit\"]\n");
    let mut ann = server.primus().await;
    for (packet, verb) in [
        (json!({"event": "file", "file": "simple.html"}), "file"),
        (
            json!({"event": "roomAdd", "room": "defaultRoom"}),
            "roomAdd",
        ),
        (
            json!({"event": "roomJoin", "room": "defaultRoom"}),
            "roomJoin",
        ),
        (json!({"event": "exit"}), "exit"),
        (json!({"event": "quit"}), "quit"),
    ] {
        let answer = ann.request(packet).await;
        let text = format!("Verb not found or not allowed ({verb})");
        assert_eq!(answer["status"], text);
        assert_eq!(answer["error"]["code"], "014");
        assert_eq!(answer["data"], Value::Null);
    }
    let left = ann.request(json!({"event": "roomLeave", "room": "defaultRoom"}));
    assert_eq!(
        left.await["error"]["code"],
        "016",
        "only what is listed is refused"
    );
}
