//! The rooms as the server program uses them (checks 64–69).

use serde_json::{Value, json};
use stellar::app::Error;

use crate::support::server;

#[tokio::test]
async fn check_064_whether_a_room_exists() {
    let server = server::demo().await;
    assert!(server.app.chat().exists("defaultRoom"));
    assert!(!server.app.chat().exists("missingRoom"));
}

#[tokio::test]
async fn check_065_a_room_is_created_once() {
    let server = server::demo().await;
    let chat = server.app.chat();
    assert_eq!(chat.create("newRoom"), Ok(()));
    assert!(chat.exists("newRoom"));
    let again = chat.create("defaultRoom").unwrap_err();
    assert_eq!(again.code(), Some("020"));
    assert_eq!(again.to_string(), "Room (defaultRoom) already exists");
    assert_eq!(chat.create("").unwrap_err().code(), Some("021"));

    let mut ann = server.primus().await;
    ann.join("newRoom").await;
}

#[tokio::test]
async fn check_066_all_rooms_are_listed() {
    let server = server::demo().await;
    let chat = server.app.chat();
    for room in ["b", "a", "c"] {
        chat.create(room).unwrap();
    }
    let names = chat.list();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    assert_eq!(names, ["a", "b", "c", "defaultRoom"]);
}

#[tokio::test]
async fn check_067_a_destroyed_room_is_empty_and_its_members_know() {
    let server = server::demo().await;
    let chat = server.app.chat();
    chat.create("doomed").unwrap();
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    for member in [&mut ann, &mut bob] {
        member.join("defaultRoom").await;
        member.join("doomed").await;
    }
    ann.say("doomed", "before").await;
    let before = ann.hears().await;
    bob.hears().await;
    assert_eq!(chat.destroy("doomed").await, Ok(()));
    assert!(!chat.exists("doomed"));
    for member in [&mut ann, &mut bob] {
        let notice = member.hears().await;
        let text = "Room (doomed) has been deleted";
        let data = json!({"code": "018", "message": text});
        assert_eq!(notice["message"], json!({"event": "destroy", "data": data}));
        assert_eq!(notice["room"], "doomed");
        assert_eq!(notice["from"], 0);
        assert_eq!(member.details().await["rooms"], json!(["defaultRoom"]));
    }
    let missing = chat.destroy("doomed").await.unwrap_err();
    assert_eq!(missing, Error::RoomMissing("doomed".into()));
    assert_eq!(missing.code(), Some("019"));

    // A room that is created anew is another room: its numbers start again under another epoch.
    chat.create("doomed").unwrap();
    ann.join("doomed").await;
    ann.say("doomed", "after").await;
    let after = ann.hears().await;
    assert_eq!(after["seq"], 1);
    assert_ne!(after["epoch"], before["epoch"]);
}

#[tokio::test]
async fn check_068_connections_are_made_to_join_and_leave() {
    let server = server::demo().await;
    let chat = server.app.chat();
    let mut ann = server.primus().await;
    let id = ann.id().await;
    assert_eq!(chat.join(&id, "defaultRoom").await, Ok(()));
    assert_eq!(ann.details().await["rooms"], json!(["defaultRoom"]));
    let twice = chat.join(&id, "defaultRoom").await.unwrap_err();
    assert_eq!(twice.code(), Some("017"));
    let text = format!("Connection ({id}) already in room (defaultRoom)");
    assert_eq!(twice.to_string(), text);
    let missing = chat.join(&id, "missingRoom").await.unwrap_err();
    assert_eq!(missing.code(), Some("019"));
    assert_eq!(chat.leave(&id, "defaultRoom").await, Ok(()));
    let twice = chat.leave(&id, "defaultRoom").await.unwrap_err();
    assert_eq!(twice.code(), Some("016"));
    let text = format!("Connection ({id}) not in room (defaultRoom)");
    assert_eq!(twice.to_string(), text);
    assert!(chat.join("nobody", "defaultRoom").await.is_err());
    assert_eq!(ann.details().await["rooms"], json!([]));
}

#[tokio::test]
async fn check_069_the_status_of_a_room() {
    let server = server::demo().await;
    let chat = server.app.chat();
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    for member in [&mut ann, &mut bob] {
        member.join("defaultRoom").await;
    }
    let status = chat.status("defaultRoom").unwrap();
    assert_eq!(status.room, "defaultRoom");
    assert_eq!(status.members_count, 2);
    assert!(status.members.contains_key(&ann.id().await));
    assert_eq!(chat.status("").unwrap_err().code(), Some("021"));
    assert_eq!(chat.status("missing").unwrap_err().code(), Some("019"));
}

#[tokio::test]
async fn the_server_speaks_in_rooms_and_to_single_connections() {
    let server = server::demo().await;
    let chat = server.app.chat();
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    ann.join("defaultRoom").await;
    chat.broadcast(None, "defaultRoom", "attention")
        .await
        .unwrap();
    let said = ann.hears().await;
    assert_eq!(
        (&said["message"], &said["from"]),
        (&json!("attention"), &json!(0))
    );
    chat.emit("defaultRoom", "tick", 7, None).await.unwrap();
    assert_eq!(
        ann.hears().await["message"],
        json!({"event": "tick", "data": 7})
    );
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
    let error = chat.broadcast(None, "defaultRoom", "").await.unwrap_err();
    assert_eq!(error.code(), Some("015"));
    let error = chat.broadcast(None, "missing", "x").await.unwrap_err();
    assert_eq!(error.code(), Some("019"));

    let connection = server.app.connection(&bob.id().await).unwrap();
    assert!(connection.send_message(json!({"n": 1})));
    assert!(connection.send_with_context("careful", "alert"));
    assert!(connection.send_with_context(json!({"x": 1}), "mine"));
    assert_eq!(bob.next_packet().await, json!({"n": 1, "context": "api"}));
    let alert = json!({"message": "careful", "context": "alert"});
    assert_eq!(bob.next_packet().await, alert);
    assert_eq!(bob.next_packet().await, json!({"x": 1, "context": "mine"}));
    assert_eq!(ann.so_far().await, Vec::<Value>::new());
}
