//! Data that looks like control: it stays data, and never leaves its room.

use serde_json::{Value, json};

use crate::Arena;
use crate::support::Client;

/// Texts that mean something to one layer or another, here or in servers like this.
const PREFIXED: [&str; 14] = [
    "primus::server::close",
    "primus::ping::1",
    "primus::pong::1",
    "primus::id::",
    "primus::",
    "2probe",
    "3probe",
    "5",
    "0{\"sid\":\"x\"}",
    "42[\"say\"]",
    "\u{1e}",
    "stellar:chatRoom:members*",
    "a.*.>#+/b",
    "</script>",
];

/// One member per dialect, both in `room`.
async fn members(arena: &Arena, room: &str) -> [Client; 2] {
    let mut members = [arena.server.primus().await, arena.server.plain().await];
    for member in &mut members {
        member.join(room).await;
    }
    members
}

/// Whether everybody is still there and was told nothing by control strings.
async fn nobody_was_closed(members: [Client; 2]) {
    for mut member in members {
        assert!(member.details().await.is_object());
        assert_eq!(member.controls, Vec::<String>::new());
    }
}

#[tokio::test]
async fn messages_that_look_like_control_arrive_as_they_are() {
    let mut arena = Arena::demo().await;
    let mut members = members(&arena, "defaultRoom").await;
    for speaker in 0..2 {
        for text in PREFIXED {
            for message in [json!(text), json!([text]), json!({ text: text })] {
                let answer = members[speaker].say("defaultRoom", message.clone()).await;
                assert_eq!(answer["status"], "OK", "{message}");
                for member in &mut members {
                    let heard = member.hears().await;
                    assert_eq!(heard["message"], message);
                    assert_eq!(heard["context"], "user");
                }
            }
        }
    }
    arena.serves().await;
    nobody_was_closed(members).await;
    arena.survives().await;
}

#[tokio::test]
async fn a_message_that_is_the_text_of_a_frame_closes_nobody() {
    let arena = Arena::demo().await;
    let mut members = members(&arena, "defaultRoom").await;
    // Quotes included: what a frame that closes Primus clients holds, said as a message.
    for frame in [
        "\"primus::server::close\"",
        "\\\"primus::server::close\\\"",
        "\"}\n\"primus::server::close\"",
    ] {
        assert_eq!(members[0].say("defaultRoom", frame).await["status"], "OK");
        for member in &mut members {
            assert_eq!(member.hears().await["message"], frame);
        }
    }
    nobody_was_closed(members).await;
    arena.survives().await;
}

#[tokio::test]
async fn rooms_may_be_called_like_control() {
    let rooms = json!(PREFIXED.to_vec()).to_string();
    // TOML's basic strings have the escapes of JSON's.
    let arena = Arena::configured(&format!("[general]\nstarting_rooms = {rooms}\n")).await;
    let mut outsider = arena.server.primus().await;
    outsider.join("lobby").await;
    for room in PREFIXED {
        let mut members = members(&arena, room).await;
        assert_eq!(
            members[0].say(room, "hello").await["status"],
            "OK",
            "{room}"
        );
        for member in &mut members {
            let heard = member.hears().await;
            assert_eq!(
                (&heard["room"], &heard["message"]),
                (&json!(room), &json!("hello"))
            );
            let status = member
                .request(json!({"event": "roomView", "room": room}))
                .await;
            assert_eq!(status["data"]["membersCount"], 2);
            assert_eq!(member.details().await["rooms"], json!([room]));
        }
        nobody_was_closed(members).await;
    }
    assert_eq!(outsider.so_far().await, Vec::<Value>::new());
    arena.survives().await;
}

#[tokio::test]
async fn rooms_that_look_like_patterns_match_only_themselves() {
    let arena = Arena::demo().await;
    let mut client = arena.server.primus().await;
    for room in [
        "*",
        "default*",
        "defaultRoom.*",
        "DEFAULTROOM",
        "defaultRoom ",
        "defaultRoom\0",
        "../defaultRoom",
        "lobby,random",
    ] {
        let answer = client
            .request(json!({"event": "roomAdd", "room": room}))
            .await;
        assert_eq!(answer["error"]["code"], "019", "{room:?}");
    }
    assert_eq!(client.details().await["rooms"], json!([]));
    arena.survives().await;
}

#[tokio::test]
async fn events_and_their_data_may_look_like_control() {
    let arena = Arena::demo().await;
    let mut members = members(&arena, "defaultRoom").await;
    for text in PREFIXED {
        for speaker in 0..2 {
            let params = json!({"room": "defaultRoom", "event": text, "data": text});
            let answer = members[speaker]
                .request(json!({"event": "event", "params": params}))
                .await;
            assert_eq!(answer["status"], "OK", "{text}");
            for member in &mut members {
                assert_eq!(
                    member.hears().await["message"],
                    json!({"event": text, "data": text})
                );
            }
        }
    }
    nobody_was_closed(members).await;
    arena.survives().await;
}

#[tokio::test]
async fn params_and_ids_may_look_like_control() {
    let arena = Arena::demo().await;
    for mut client in [arena.server.primus().await, arena.server.plain().await] {
        for text in PREFIXED {
            let answer = client
                .action("cacheTest", json!({"key": text, "value": text}))
                .await;
            assert_eq!(answer["cacheTestResults"]["loadResp"]["value"], text);
            let answer = client
                .request(json!({"event": "detailsView", "messageId": text}))
                .await;
            assert_eq!(answer["messageId"], text);
            let answer = client.action(text, json!({})).await;
            assert_eq!(answer["error"]["code"], "004");
            let answer = client.request(json!({ "event": text })).await;
            assert_eq!(answer["error"]["code"], "014");
        }
        assert_eq!(client.controls, Vec::<String>::new());
    }
    arena.survives().await;
}

#[tokio::test]
async fn clients_cannot_close_others_or_themselves_by_control_strings() {
    let mut arena = Arena::demo().await;
    let mut primus = arena.server.primus().await;
    for name in [
        "server::close",
        "server::",
        "open",
        "",
        "::",
        "ping",
        "pong",
        "id",
        "x::y",
    ] {
        // Not counted, and not answered: the next answer is the number 1.
        primus
            .send_text(&json!(format!("primus::{name}")).to_string())
            .await;
    }
    assert!(primus.details().await.is_object());
    assert_eq!(primus.controls, Vec::<String>::new());

    // In the plain dialect nothing is control: it is JSON that is no object.
    let mut plain = arena.server.plain().await;
    for name in ["server::close", "ping::1", "id::"] {
        plain
            .send_text(&json!(format!("primus::{name}")).to_string())
            .await;
        plain.count(1);
        assert_eq!(plain.next_packet().await["error"]["code"], "014", "{name}");
    }
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn what_a_ping_carries_comes_back_inside_of_one_string() {
    let arena = Arena::demo().await;
    let mut client = arena.server.primus().await;
    for carried in [
        "1",
        "",
        "\"",
        "\\",
        "\u{2028}",
        "x\",\"primus::server::close\"",
        "::::",
        "\u{0}\n",
    ] {
        client
            .send_text(&json!(format!("primus::ping::{carried}")).to_string())
            .await;
        let pong = client.wait_control("primus::pong::").await;
        assert_eq!(pong, format!("primus::pong::{carried}"));
    }
    assert!(client.details().await.is_object());
    arena.survives().await;
}
