//! What `/primus` and `/ws` have in common, and what sets them apart.

use serde_json::{Value, json};

use crate::support::{Binary, Client, within};

#[tokio::test]
async fn both_dialects_speak_the_same_packets() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    let (a, b) = (ann.id().await, bob.id().await);
    for packet in [
        json!({"event": "roomAdd", "room": "defaultRoom"}),
        json!({"event": "say", "room": "nowhere", "message": "x"}),
        json!({"event": "action", "params": {"action": "formattedSum", "a": 3, "b": 4}}),
        json!({"event": "action", "params": {"action": "cacheTest"}}),
        json!({"event": "file", "file": "simple.html"}),
        json!({"event": "roomLeave", "room": "defaultRoom"}),
        json!({"event": "bogus"}),
    ] {
        let to_ann = ann.request(packet.clone()).await.to_string();
        let to_bob = bob.request(packet.clone()).await.to_string();
        assert_eq!(to_ann.replace(&a, &b), to_bob, "{packet}");
    }
}

#[tokio::test]
async fn a_room_holds_members_of_both_dialects() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    let mut bob = server.plain().await;
    ann.join("defaultRoom").await;
    bob.join("defaultRoom").await;
    ann.say("defaultRoom", "from ann").await;
    bob.say("defaultRoom", "from bob").await;
    for text in ["from ann", "from bob"] {
        let (to_ann, to_bob) = (ann.hears().await, bob.hears().await);
        assert_eq!(to_ann["message"], text);
        assert_eq!(to_ann, to_bob, "the very same packet");
    }
}

#[tokio::test]
async fn unknown_control_strings_are_ignored_and_not_counted() {
    let server = Binary::demo();
    let mut ann = server.primus().await;
    for text in [
        "\"primus::\"",
        "\"primus::bogus::1\"",
        "\"primus::server::close\"",
        "\"primus::pong::1\"",
        "\"primus::pong::\"",
        // The decision is made on the string that JSON spells, however it is spelled.
        "\"\\u0070rimus::bogus::1\"",
    ] {
        ann.send_text(text).await;
    }
    let answer = ann.request(json!({"event": "detailsView"})).await;
    assert_eq!(answer["messageCount"], 1);
    assert_eq!(ann.so_far().await, Vec::<Value>::new());
    assert_eq!(ann.controls, Vec::<String>::new());
}

#[tokio::test]
async fn control_strings_mean_nothing_on_the_plain_door() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    for text in ["\"primus::ping::123\"", "\"primus::id::\""] {
        bob.send_text(text).await;
        bob.count(1);
    }
    // They are strings like any other: counted, and no verb.
    for number in 1..=2 {
        assert_eq!(bob.answer(number).await["error"]["code"], "014");
    }
    assert_eq!(bob.controls, Vec::<String>::new());
}

#[tokio::test]
async fn pings_of_websocket_itself_are_answered_on_both_doors() {
    let server = Binary::demo();
    for path in ["/primus", "/ws"] {
        let mut ann = Client::greeted(server.address, path).await;
        ann.send_ping().await;
        within("a pong", async {
            while ann.pongs == 0 {
                ann.read_for(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        let answer = ann.request(json!({"event": "detailsView"})).await;
        assert_eq!(answer["messageCount"], 1, "{path}");
    }
}

#[tokio::test]
async fn the_fingerprint_comes_from_the_query_or_else_the_cookie() {
    let server = Binary::demo();
    // A cookie that the server did not set is somebody's secret, perhaps: what it stands for tells nothing of it.
    let of_cookie = json!("0fa35909a293f657b5953cbe6493f7d074c6566e");
    for (path, cookie, expected) in [
        ("/primus?sessionID=abc", None, json!("abc")),
        ("/ws?x=1&sessionID=abc", None, json!("abc")),
        ("/primus", Some("a=1; sessionID=def"), of_cookie.clone()),
        (
            "/primus",
            Some("sessionID=0fa35909a293f657b5953cbe6493f7d074c6566e"),
            of_cookie,
        ),
        ("/primus?sessionID=abc", Some("sessionID=def"), json!("abc")),
        ("/primus", Some("other=1"), Value::Null),
        ("/primus", None, Value::Null),
    ] {
        let headers: Vec<_> = cookie
            .map(|cookie| ("Cookie", cookie))
            .into_iter()
            .collect();
        let client = Client::connect(server.address, path, &headers).await;
        let mut client = client.unwrap();
        let details = client.details().await;
        assert_eq!(details["fingerprint"], expected, "{path} {cookie:?}");
    }
}
