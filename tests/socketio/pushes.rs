//! What the server tells unasked: the name of the event says what it is
//! (docs/protocol/socketio.md#stellar-packets-as-events).

use serde_json::{Value, json};
use stellar::app::App;
use stellar::config::Config;

use crate::support::Binary;
use crate::support::engineio::Version;
use crate::support::eventually;
use crate::support::server::{config, start};
use crate::support::socketio::{Kind, Peer};

#[tokio::test]
async fn what_is_said_in_a_room_is_an_event_with_the_packet() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let id = bob.id().await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        bob.say("defaultRoom", "hi").await;
        let heard = bob.hears().await;
        let packet = ann.next_text().await;
        let expected = format!(
            "42[\"say\",{{\"message\":\"hi\",\"room\":\"defaultRoom\",\"from\":\"{id}\",\"context\":\"user\",\"sentAt\":{},\"seq\":{},\"epoch\":{}}}]",
            heard["sentAt"], heard["seq"], heard["epoch"]
        );
        assert_eq!(packet, expected, "{kind:?}");
        ann.rest_after("1").await;
    }
}

#[tokio::test]
async fn room_events_are_said() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let params = json!({"room": "defaultRoom", "event": "moved", "data": {"x": 1}});
        ann.call("event", json!({ "params": params })).await;
        let expected = json!({"event": "moved", "data": {"x": 1}});
        assert_eq!(ann.hears().await["message"], expected, "{kind:?}");
        assert_eq!(bob.hears().await["message"], expected);
        ann.rest_after("1").await;
    }
}

#[tokio::test]
async fn contexts_choose_the_name() {
    let server = start(App::builder(), Config::default()).await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let id = ann.details().await["id"].as_str().unwrap().to_owned();
        let connection = server.app.connection(&id).unwrap();
        for (context, name) in [
            ("alert", "alert"),
            ("api", "api"),
            ("user", "say"),
            ("weather", "api"),
        ] {
            assert!(connection.send_with_context(json!({"n": 1}), context));
            let expected = format!("42[\"{name}\",{{\"n\":1,\"context\":\"{context}\"}}]");
            assert_eq!(ann.next().await, &*expected, "{kind:?}");
        }
        assert!(connection.send_message(json!("bare")));
        let expected = "42[\"api\",{\"message\":\"bare\",\"context\":\"api\"}]";
        assert_eq!(ann.next().await, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn the_server_speaks_as_0() {
    let server = start(App::builder(), Config::default()).await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let chat = server.app.chat();
        chat.broadcast(None, "defaultRoom", "news").await.unwrap();
        let heard = ann.hears().await;
        assert_eq!(heard["from"], 0, "{kind:?}");
        assert_eq!(heard["message"], "news");
        ann.rest_after("1").await;
        let hub = &server.hub;
        eventually("an empty room", || {
            hub.members_count("defaultRoom") == Some(0)
        })
        .await;
    }
}

#[tokio::test]
async fn the_greeting_is_as_configured() {
    let text = "say \"h\u{e9}\u{1f600}\"\u{2028}";
    let server = start(
        App::builder(),
        config(|config| config.general.welcome_message = text.to_owned()),
    )
    .await;
    for kind in Kind::ALL {
        let mut ann = Peer::open(server.address, kind).await;
        if kind.version == Version::V4 {
            ann.send("40").await;
        }
        ann.expect_connected().await;
        assert_eq!(ann.event("welcome").await["welcome"], text, "{kind:?}");
    }
    let server = Binary::configured("[general]\nsend_welcome = false\n");
    for kind in Kind::ALL {
        let mut ann = Peer::open(server.address, kind).await;
        if kind.version == Version::V4 {
            ann.send("40").await;
        }
        ann.expect_connected().await;
        let answer = ann.call("detailsView", Value::Null).await;
        assert_eq!(answer["messageCount"], 1);
        assert_eq!(ann.so_far().await, [""; 0], "{kind:?}");
    }
}

#[tokio::test]
async fn members_of_every_dialect_hear_each_other() {
    let server = Binary::demo();
    let mut primus = server.primus().await;
    let mut plain = server.plain().await;
    primus.join("defaultRoom").await;
    plain.join("defaultRoom").await;
    let mut peers = Vec::new();
    for kind in Kind::ALL {
        let mut peer = Peer::connected(server.address, kind).await;
        peer.join("defaultRoom").await;
        peers.push(peer);
    }
    for speaker in 0..peers.len() {
        let say = json!({"room": "defaultRoom", "message": speaker});
        peers[speaker].call("say", say).await;
        for peer in &mut peers {
            assert_eq!(peer.hears().await["message"], speaker);
        }
        assert_eq!(primus.hears().await["message"], speaker);
        assert_eq!(plain.hears().await["message"], speaker);
    }
    for speaker in [&mut primus, &mut plain] {
        speaker.say("defaultRoom", "from a socket").await;
    }
    for _ in 0..2 {
        for peer in &mut peers {
            assert_eq!(peer.hears().await["message"], "from a socket");
        }
    }
    for peer in &mut peers {
        assert_eq!(peer.so_far().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_message_is_encoded_once_per_dialect() {
    const ENCODED: &str = "stellar_messages_encoded_total";
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let mut peers = Vec::new();
    for _ in 0..5 {
        for kind in Kind::ALL {
            let mut peer = Peer::connected(server.address, kind).await;
            peer.join("defaultRoom").await;
            peers.push(peer);
        }
    }
    let before = crate::metric(&server, ENCODED).await;
    const SAID: u64 = 10;
    for n in 0..SAID {
        bob.say("defaultRoom", n).await;
        bob.hears().await;
        for peer in &mut peers {
            assert_eq!(peer.hears().await["message"], n);
        }
    }
    // The answer to the speaker, its own copy, and one for each revision and carrier.
    let each = (crate::metric(&server, ENCODED).await - before) / SAID;
    assert!(each <= 2 + 4, "{each} for each message");
    assert!(each > 2, "{each} for each message");
}
