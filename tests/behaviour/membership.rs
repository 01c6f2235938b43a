//! Being in rooms: joining, leaving, and looking at the members (checks 40–45, 52, 61–62).

use std::time::Duration;

use serde_json::json;

use crate::support::{Binary, Client, eventually, server};

const TWO_ROOMS: &str = "[general]\nstarting_rooms = [\"defaultRoom\", \"otherRoom\"]\n";

#[tokio::test]
async fn check_040_rooms_are_listed_in_the_order_of_joining() {
    let server = Binary::configured(TWO_ROOMS);
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    ann.join("otherRoom").await;
    let details = ann.details().await;
    assert_eq!(details["rooms"], json!(["defaultRoom", "otherRoom"]));
    let view = ann.request(json!({"event": "roomView", "room": "otherRoom"}));
    let view = view.await;
    assert_eq!(view["status"], "OK");
    assert_eq!(view["data"]["room"], "otherRoom");
    assert_eq!(view["data"]["membersCount"], 1);
}

#[tokio::test]
async fn check_041_a_room_that_was_left_is_gone_from_the_list() {
    let server = Binary::configured(TWO_ROOMS);
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    ann.join("otherRoom").await;
    let left = ann.request(json!({"event": "roomLeave", "room": "defaultRoom"}));
    assert_eq!(
        left.await,
        json!({"status": "OK", "context": "response", "data": true, "messageCount": 3})
    );
    assert_eq!(ann.details().await["rooms"], json!(["otherRoom"]));
}

#[tokio::test]
async fn check_042_joining_twice_in_one_burst_leaves_one_entry_and_017() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let id = ann.id().await;
    let join = json!({"event": "roomAdd", "room": "defaultRoom"});
    ann.send_all([join.clone(), join]).await;
    assert_eq!(ann.answer(2).await["data"], true);
    let text = format!("Connection ({id}) already in room (defaultRoom)");
    assert_eq!(
        ann.answer(3).await,
        json!({
            "status": text,
            "error": {"code": "017", "message": text},
            "context": "response",
            "data": false,
            "messageCount": 3,
        })
    );
    assert_eq!(ann.details().await["rooms"], json!(["defaultRoom"]));
}

#[tokio::test]
async fn check_043_joining_an_unknown_room_is_019() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    ann.join("defaultRoom").await;
    let answer = ann.request(json!({"event": "roomAdd", "room": "crazyRoom"}));
    let answer = answer.await;
    assert_eq!(answer["error"]["code"], "019");
    assert_eq!(answer["status"], "Room (crazyRoom) does not exist");
    assert_eq!(answer["data"], false);
    assert_eq!(ann.details().await["rooms"], json!(["defaultRoom"]));
}

#[tokio::test]
async fn a_room_more_than_a_connection_may_be_in_is_029() {
    let rooms = "[general]\nstarting_rooms = [\"a\", \"b\", \"c\"]\n";
    let server = Binary::configured(&format!("[limits]\nmax_rooms_per_connection = 2\n{rooms}"));
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    for client in [&mut ann, &mut bob] {
        client.join("a").await;
        client.join("b").await;
        let answer = client.request(json!({"event": "roomAdd", "room": "c"}));
        let answer = answer.await;
        let text = "Too many requests: limits.max_rooms_per_connection is reached";
        assert_eq!(answer["error"], json!({"code": "029", "message": text}));
        assert_eq!(answer["status"], text);
        assert_eq!(answer["data"], false);
        assert_eq!(client.details().await["rooms"], json!(["a", "b"]));
    }
    // What is left makes room.
    let left = ann.request(json!({"event": "roomLeave", "room": "a"}));
    assert_eq!(left.await["data"], true);
    ann.join("c").await;
    assert_eq!(ann.details().await["rooms"], json!(["b", "c"]));
}

#[tokio::test]
async fn check_044_leaving_a_room_that_was_not_joined_is_016() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let id = ann.id().await;
    for room in ["defaultRoom", "crazyRoom"] {
        let answer = ann.request(json!({"event": "roomLeave", "room": room}));
        let answer = answer.await;
        assert_eq!(answer["error"]["code"], "016");
        assert_eq!(
            answer["status"],
            format!("Connection ({id}) not in room ({room})")
        );
        assert_eq!(answer["data"], false);
    }
}

#[tokio::test]
async fn check_045_who_is_not_in_a_room_learns_nothing_about_it() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    for room in ["defaultRoom", "crazyRoom"] {
        let number = ann.send(json!({"event": "roomView", "room": room})).await;
        let text = format!("not member of room {room}");
        assert_eq!(
            ann.answer(number).await,
            json!({
                "status": text,
                "error": {"code": "016", "message": text},
                "context": "response",
                "messageCount": number,
            })
        );
    }
}

#[tokio::test]
async fn check_052_members_are_counted_also_after_an_abrupt_end() {
    let server = server::demo().await;
    let mut ann = server.primus().await;
    let mut bob = server.primus().await;
    let mut cid = server.plain().await;
    for member in [&mut ann, &mut bob, &mut cid] {
        member.join("defaultRoom").await;
    }
    assert_eq!(members_count(&mut ann).await, 3);
    bob.request(json!({"event": "roomLeave", "room": "defaultRoom"}))
        .await;
    assert_eq!(members_count(&mut ann).await, 2);
    cid.drop_abruptly();
    let hub = &server.hub;
    eventually("the member to be gone", || {
        hub.members_count("defaultRoom") == Some(1)
    })
    .await;
    assert_eq!(members_count(&mut ann).await, 1);
}

async fn members_count(client: &mut Client) -> u64 {
    let view = client.request(json!({"event": "roomView", "room": "defaultRoom"}));
    view.await["data"]["membersCount"].as_u64().unwrap()
}

#[tokio::test]
async fn check_061_members_are_a_map_of_ids_and_times() {
    let server = server::demo().await;
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    let (a, b) = (ann.id().await, bob.id().await);
    ann.join("defaultRoom").await;
    let ann_joined = std::time::SystemTime::now();
    eventually("the clock to go on", || {
        ann_joined.elapsed().unwrap() >= Duration::from_millis(2)
    })
    .await;
    bob.join("defaultRoom").await;
    let view = ann.request(json!({"event": "roomView", "room": "defaultRoom"}));
    let data = &view.await["data"];
    let members = data["members"].as_object().unwrap();
    assert_eq!(members.len(), 2);
    let joined = |id: &str| {
        let member = members[id].as_object().unwrap();
        assert_eq!(member.len(), 2, "id and joinedAt, no host: {member:?}");
        assert_eq!(member["id"], id);
        member["joinedAt"].as_u64().unwrap()
    };
    assert!(joined(&a) < joined(&b));
    assert!(joined(&a) > 1_600_000_000_000, "in ms");
}

#[tokio::test]
async fn check_062_both_verbs_for_joining_are_one() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let mut bob = server.primus().await;
    let (a, b) = (ann.id().await, bob.id().await);
    for room in ["defaultRoom", "defaultRoom", "crazyRoom", ""] {
        let added = ann.request(json!({"event": "roomAdd", "room": room})).await;
        let joined = bob
            .request(json!({"event": "roomJoin", "room": room}))
            .await;
        let joined = joined.to_string().replace(&b, &a);
        assert_eq!(joined, added.to_string(), "{room}");
    }
    assert_eq!(ann.details().await["rooms"], bob.details().await["rooms"]);
}
