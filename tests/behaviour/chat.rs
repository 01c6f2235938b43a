//! Saying things in rooms, and room events, as clients do them (checks 46–51, 63).

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use stellar::app::App;

use crate::support::{Binary, Client, server};

const TWO_ROOMS: &str = "[general]\nstarting_rooms = [\"defaultRoom\", \"otherRoom\"]\n";

async fn three(server: &Binary) -> [Client; 3] {
    [
        server.primus().await,
        server.plain().await,
        server.primus().await,
    ]
}

#[tokio::test]
async fn check_046_only_members_may_speak() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let early = ann.say("defaultRoom", "too early").await;
    assert_eq!(early["error"]["code"], "016");
    ann.join("defaultRoom").await;
    assert_eq!(
        ann.say("defaultRoom", "now").await,
        json!({"status": "OK", "context": "response", "messageCount": 3})
    );
}

#[tokio::test]
async fn check_047_every_member_gets_exactly_one_packet() {
    let server = Binary::demo();
    let mut members = three(&server).await;
    for member in &mut members {
        member.join("defaultRoom").await;
    }
    let id = members[1].id().await;
    members[1].say("defaultRoom", "hello").await;
    for member in &mut members {
        let packet = member.hears().await;
        assert_eq!(packet["message"], "hello");
        assert_eq!(packet["room"], "defaultRoom");
        assert_eq!(packet["from"], id);
        assert!(packet["sentAt"].is_u64());
        assert_eq!(packet.get("messageCount"), None);
        assert_eq!(member.so_far().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn check_048_keys_may_come_in_any_order() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    for text in [
        r#"{"message":"hi","room":"defaultRoom","event":"say"}"#,
        r#"{"room":"defaultRoom","event":"say","message":"hi"}"#,
        r#"{"room":"defaultRoom","event":"say","said":"hi"}"#,
    ] {
        ann.send_text(text).await;
        ann.count(1);
        let packet = ann.hears().await;
        assert_eq!(
            (&packet["message"], &packet["room"]),
            (&json!("hi"), &json!("defaultRoom"))
        );
    }
}

#[tokio::test]
async fn check_049_a_room_and_a_message_are_required() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    for packet in [
        json!({"event": "say", "room": "defaultRoom"}),
        json!({"event": "say", "room": "defaultRoom", "message": ""}),
        json!({"event": "say", "room": "defaultRoom", "message": null}),
        json!({"event": "say", "room": "defaultRoom", "message": []}),
        json!({"event": "say", "message": "x"}),
        json!({"event": "say", "room": "", "message": "x"}),
        json!({"event": "say"}),
        json!({"event": "event"}),
        json!({"event": "event", "params": {"room": "defaultRoom"}}),
        json!({"event": "event", "params": {"event": "x"}}),
    ] {
        let answer = ann.request(packet.clone()).await;
        assert_eq!(answer["error"]["code"], "015", "{packet}");
        assert_eq!(answer["status"], "Both room and message are required");
        assert_eq!(answer.get("data"), None, "{packet}");
    }
    assert_eq!(ann.so_far().await, Vec::<Value>::new(), "nothing was said");
}

#[tokio::test]
async fn check_050_any_json_is_said_unchanged() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    ann.join("defaultRoom").await;
    bob.join("defaultRoom").await;
    for message in [
        json!({"a": [1, {"b": null}], "ü": "\u{1f600} \u{2028}\u{2029} \"\\"}),
        json!([1, "2", 3.5]),
        json!(0),
        json!(false),
        json!(" "),
        json!("primus::server::close"),
    ] {
        ann.say("defaultRoom", message.clone()).await;
        assert_eq!(bob.hears().await["message"], message);
        assert_eq!(ann.hears().await["message"], message);
    }
    assert_eq!(bob.controls, Vec::<String>::new());
}

#[tokio::test]
async fn check_051_who_is_elsewhere_hears_nothing() {
    let server = Binary::configured(TWO_ROOMS);
    let mut bob = server.primus().await;
    let mut cid = server.primus().await;
    bob.join("otherRoom").await;
    bob.join("defaultRoom").await;
    cid.join("defaultRoom").await;
    bob.say("otherRoom", "secret").await;
    bob.say("defaultRoom", "public").await;
    // Said later, heard first: the other one was not sent to this member at all.
    assert_eq!(cid.hears().await["message"], "public");
    cid.read_for(Duration::from_secs(1)).await;
    assert_eq!(cid.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn check_063_a_room_event_reaches_members_and_the_server_program() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listen = |tag: &'static str| {
        let heard = Arc::clone(&heard);
        move |event: &stellar::app::RoomEvent| {
            let speaker = event.connection.as_ref().map(|c| c.id().to_owned());
            let heard_now = (tag, event.room.clone(), event.data.clone(), speaker);
            heard.lock().push(heard_now);
        }
    };
    let builder = App::builder()
        .on_room_event("someEvent", listen("everywhere"))
        .on_room_event_in("defaultRoom", "someEvent", listen("here"))
        .on_room_event_in("otherRoom", "someEvent", listen("elsewhere"));
    let config = server::config(|config| {
        config.general.starting_rooms.push("otherRoom".into());
    });
    let server = server::start(builder, config).await;
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    let id = ann.id().await;
    let event = |room: &str, data: Value| json!({"event": "event", "params": {"room": room, "event": "someEvent", "data": data}});
    let refused = ann.request(event("defaultRoom", json!("x"))).await;
    assert_eq!(refused["error"]["code"], "016", "members only");
    assert!(
        heard.lock().is_empty(),
        "listeners hear what members may say"
    );

    ann.join("defaultRoom").await;
    bob.join("defaultRoom").await;
    let number = ann.send(event("defaultRoom", json!("x"))).await;
    assert_eq!(
        ann.answer(number).await,
        json!({"status": "OK", "context": "response", "messageCount": number})
    );
    for member in [&mut ann, &mut bob] {
        let packet = member.hears().await;
        assert_eq!(
            packet["message"],
            json!({"event": "someEvent", "data": "x"})
        );
        assert_eq!(packet["room"], "defaultRoom");
        assert_eq!(packet["from"], id);
    }
    let of = |tag| (tag, "defaultRoom".to_owned(), json!("x"), Some(id.clone()));
    assert_eq!(*heard.lock(), [of("everywhere"), of("here")]);

    let without_data = json!({"event": "event", "params": {"room": "defaultRoom", "event": "e"}});
    ann.request(without_data).await;
    assert_eq!(
        bob.hears().await["message"],
        json!({"event": "e", "data": null})
    );
}

#[tokio::test]
async fn pushes_are_numbered_without_gaps_and_alike_for_all_members() {
    let server = Binary::configured(TWO_ROOMS);
    let mut members = three(&server).await;
    for member in &mut members {
        member.join("defaultRoom").await;
    }
    for n in 0..30_usize {
        let speaker = &mut members[n % 3];
        speaker.say("defaultRoom", n).await;
    }
    let mut histories = Vec::new();
    for member in &mut members {
        let mut history = Vec::new();
        for _ in 0..30 {
            let packet = member.hears().await;
            history.push((
                packet["seq"].clone(),
                packet["epoch"].clone(),
                packet["message"].clone(),
            ));
        }
        histories.push(history);
    }
    let epoch = histories[0][0].1.clone();
    assert!(epoch.is_string());
    let expected: Vec<_> = (0..30)
        .map(|n| (json!(n + 1), epoch.clone(), json!(n)))
        .collect();
    for history in &histories {
        assert_eq!(*history, expected);
    }

    // Another room counts for itself.
    let ann = &mut members[0];
    ann.join("otherRoom").await;
    ann.say("otherRoom", "first").await;
    let packet = ann.hears().await;
    assert_eq!(packet["seq"], 1);
    assert_ne!(packet["epoch"], epoch);
}
