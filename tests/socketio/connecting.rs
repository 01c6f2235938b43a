//! CONNECT and its answer, and the ids that come with it (docs/protocol/socketio.md#connecting).

use serde_json::json;
use uuid::Uuid;

use crate::support::Binary;
use crate::support::engineio::{Packet, Version};
use crate::support::socketio::{Carrier, Kind, Peer, WELCOME, opening, text};
use crate::{CONNECTED, closed_for, metric, metric_becomes};

/// The id in the answer to CONNECT, which must be these bytes and no others.
fn id_of(packet: &str) -> Uuid {
    let id = packet.strip_prefix("40{\"sid\":\"");
    let id = id.and_then(|rest| rest.strip_suffix("\"}"));
    let id = id.unwrap_or_else(|| panic!("{packet}"));
    let uuid = Uuid::parse_str(id).unwrap();
    assert_eq!(uuid.to_string(), id, "the usual form");
    uuid
}

#[tokio::test]
async fn by_polling() {
    let server = Binary::demo();
    let mut session = opening(server.address, Version::V4).session().await;
    assert_eq!(session.offer["upgrades"], json!(["websocket"]));
    assert_eq!(session.offer["pingInterval"], 25000);
    assert_eq!(session.offer["pingTimeout"], 20000);
    assert_eq!(session.offer["maxPayload"], 1_000_000);
    let reply = session.post_reply("40").await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    let mut body = String::new();
    while !body.contains("welcome") {
        let reply = session.poll_reply().await;
        assert_eq!(reply.status, 200);
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("text/plain; charset=UTF-8"));
        // The two may come with one answer, or with two.
        if !body.is_empty() {
            body.push('\u{1e}');
        }
        body.push_str(reply.text());
    }
    let (connected, welcome) = body.split_once('\u{1e}').unwrap();
    id_of(connected);
    assert_eq!(welcome, WELCOME);
}

#[tokio::test]
async fn on_a_socket() {
    let server = Binary::demo();
    let mut socket = opening(server.address, Version::V4).socket().await;
    let Packet::Text(open) = socket.packet().await else {
        panic!("an open packet is text");
    };
    let offer: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    assert_eq!(offer["upgrades"], json!([]));
    socket.send("40").await;
    let Packet::Text(connected) = socket.packet().await else {
        panic!("an answer to CONNECT is text");
    };
    id_of(&connected);
    assert_eq!(socket.packet().await, WELCOME);
}

#[tokio::test]
async fn after_an_upgrade_of_a_session_in_which_nothing_was_said() {
    let server = Binary::demo();
    let mut ann = Peer::open(server.address, Kind::CONNECTING[2]).await;
    assert_eq!(metric(&server, CONNECTED).await, 0);
    ann.connect().await;
    ann.details().await;
    assert_eq!(metric(&server, CONNECTED).await, 1);
}

#[tokio::test]
async fn an_upgrade_between_connect_and_its_answer_loses_nothing() {
    let server = Binary::demo();
    for _ in 0..20 {
        let mut ann = Peer::open(server.address, Kind::CONNECTING[0]).await;
        ann.send("40").await;
        ann.upgrade().await;
        id_of(&ann.next_text().await);
        assert_eq!(ann.next().await, WELCOME);
        assert_eq!(ann.so_far().await, [""; 0], "and nothing twice");
    }
}

#[tokio::test]
async fn what_follows_connect_in_the_same_post_is_answered_behind_the_greeting() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        ann.send("40").await;
        id_of(&ann.next_text().await);
        // Clients may talk from here on, whether they have seen the greeting or not.
        ann.send_all(&[text("420[\"detailsView\"]"), text("421[\"detailsView\"]")])
            .await;
        assert_eq!(ann.next().await, WELCOME);
        for number in 1..=2 {
            let answer = ann.answer(number - 1).await;
            assert_eq!(answer["messageCount"], number, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn clients_of_version_3_are_connected_unasked() {
    let server = Binary::demo();
    let mut session = opening(server.address, Version::V3).session().await;
    assert_eq!(session.next().await, "40");
    assert_eq!(session.next().await, WELCOME);
    let mut socket = opening(server.address, Version::V3).socket().await;
    let _open = socket.packet().await;
    assert_eq!(socket.packet().await, "40");
    assert_eq!(socket.packet().await, WELCOME);
    let mut ann = Peer::open(server.address, Kind::ALL[5]).await;
    assert_eq!(ann.next().await, "40");
    assert_eq!(ann.next().await, WELCOME);
    ann.details().await;
}

#[tokio::test]
async fn connect_may_name_the_root_and_bring_anything() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        for packet in [
            "40{}",
            "40/,",
            "40/,{}",
            "40/",
            "40{\"token\":\"x\"}",
            "40{\"a\":[1,{\"b\":null}],\"\u{20ac}\":\"\u{1f600}\"}",
            "40{\"pid\":\"x\",\"offset\":\"y\"}",
        ] {
            let mut ann = Peer::open(server.address, kind).await;
            ann.send(packet).await;
            id_of(&ann.next_text().await);
            assert_eq!(ann.next().await, WELCOME, "{packet}");
            ann.details().await;
        }
    }
}

#[tokio::test]
async fn the_id_is_the_one_that_others_see() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let id = ann.details().await["id"].as_str().unwrap().to_owned();
        if kind.version == Version::V4 {
            assert_eq!(ann.id, id);
        }
        Uuid::parse_str(&id).unwrap();
        ann.join("defaultRoom").await;
        let say = json!({"room": "defaultRoom", "message": "hi"});
        ann.call("say", say).await;
        assert_eq!(bob.hears().await["from"], *id);
        assert_eq!(ann.hears().await["from"], *id);
        let view = bob.request(json!({"event": "roomView", "room": "defaultRoom"}));
        assert_eq!(view.await["data"]["members"][&id]["id"], *id);
    }
}

#[tokio::test]
async fn the_sid_of_engine_io_is_told_to_nobody() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        assert_eq!(ann.secret.len(), 24);
        assert_ne!(ann.secret, ann.id);
        let details = ann.details().await.to_string();
        ann.join("defaultRoom").await;
        ann.call("say", json!({"room": "defaultRoom", "message": "hi"}))
            .await;
        let heard = bob.hears().await.to_string();
        let view = bob.request(json!({"event": "roomView", "room": "defaultRoom"}));
        let view = view.await.to_string();
        let metrics = crate::web::get(server.address, "/metrics").await;
        for told in [&*details, &*heard, &*view, metrics.text()] {
            assert!(!told.contains(&ann.secret), "{told}");
        }
    }
}

#[tokio::test]
async fn ids_are_never_the_same() {
    let server = Binary::demo();
    let mut seen = std::collections::HashSet::new();
    for number in 0..60 {
        let kind = Kind::CONNECTING[number % 3];
        let ann = Peer::connected(server.address, kind).await;
        assert!(seen.insert(ann.id.clone()));
        assert!(seen.insert(ann.secret.clone()));
    }
}

#[tokio::test]
async fn connecting_twice_closes() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        for length in [0, 10, 200_000] {
            let mut ann = Peer::connected(server.address, kind).await;
            ann.join("defaultRoom").await;
            let connect = format!("40{{\"token\":\"{}\"}}", "x".repeat(length));
            assert_eq!(ann.rest_after(&connect).await, [""; 0], "{kind:?}");
            metric_becomes(&server, CONNECTED, 0).await;
        }
    }
}

#[tokio::test]
async fn two_connects_at_once_are_one_too_many() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        ann.try_send_all(&[text("40"), text("40{}"), text("40")])
            .await;
        // The session may end before its first packets were fetched, as with any fault.
        ann.rest().await;
        metric_becomes(&server, CONNECTED, 0).await;
    }
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 3);
}

#[tokio::test]
async fn a_connect_that_version_3_does_not_need_changes_nothing() {
    let server = Binary::demo();
    // Large ones are held back until what came before them is through, as any request is.
    let large = format!("40{{\"token\":\"{}\"}}", "x".repeat(200_000));
    for kind in [Kind::PLAIN[2], Kind::PLAIN[3]] {
        for connect in ["40", "40{}", &large] {
            let mut ann = Peer::open(server.address, kind).await;
            ann.send_all(&[text(connect), text("420[\"detailsView\"]")])
                .await;
            assert_eq!(ann.next().await, "40", "{kind:?}");
            assert_eq!(ann.next().await, WELCOME);
            assert_eq!(ann.answer(0).await["messageCount"], 1);
            ann.send_all(&[text(connect)]).await;
            ann.details().await;
            assert_eq!(ann.so_far().await, [""; 0], "{kind:?}");
        }
    }
}

#[tokio::test]
async fn clients_count_from_connect_on() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::open(server.address, kind).await;
        if kind.version == Version::V4 {
            assert_eq!(metric(&server, CONNECTED).await, 0, "{kind:?}");
        }
        ann.connect().await;
        assert_eq!(metric(&server, CONNECTED).await, 1, "{kind:?}");
        ann.rest_after("1").await;
        metric_becomes(&server, CONNECTED, 0).await;
    }
    // They are nobody else's.
    for other in ["polling", "ws"] {
        let name = format!("stellar_connections{{transport=\"{other}\"}}");
        assert_eq!(metric(&server, &name).await, 0);
    }
}

#[tokio::test]
async fn details_are_those_of_any_connection() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let opening = opening(server.address, kind.version).query("sessionID=print");
        let first = match kind.carrier {
            Carrier::Upgraded => Kind {
                carrier: Carrier::Polling,
                ..kind
            },
            _ => kind,
        };
        let mut ann = Peer::with(opening, first).await;
        ann.connect().await;
        let details = ann.details().await;
        let keys: Vec<_> = details.as_object().unwrap().keys().collect();
        let expected = [
            "id",
            "fingerprint",
            "remoteIP",
            "remotePort",
            "params",
            "connectedAt",
            "rooms",
            "totalActions",
            "pendingActions",
        ];
        assert_eq!(keys, expected);
        assert_eq!(details["fingerprint"], "print");
        assert_eq!(details["remoteIP"], "127.0.0.1");
        assert!(details["remotePort"].as_u64().unwrap() > 0);
    }
}
