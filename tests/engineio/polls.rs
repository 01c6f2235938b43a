//! GET with a sid: held until there is something, answered with all of it (docs/protocol/engineio.md#polling).

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::Binary;
use crate::support::engineio::{Line, Packet, Session, Version, exchange};
use crate::{MOMENT, SESSIONS, closed_for, metric, metric_becomes};

fn say(message: &str) -> Packet {
    Packet::message(json!({"event": "say", "room": "defaultRoom", "message": message}))
}

fn details() -> Value {
    json!({"event": "detailsView"})
}

#[tokio::test]
async fn a_get_is_answered_at_once_if_something_waits() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::open(server.address, version).await;
        session.start_poll().await;
        let reply = session.polled().await;
        assert_eq!(reply.status, 200);
        assert_eq!(session.packets(&reply).len(), 1, "the greeting");
    }
}

#[tokio::test]
async fn a_get_is_held_until_something_comes() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        assert!(session.is_held());
        session.send_json(&[details()]).await;
        let reply = session.polled().await;
        let packets = session.packets(&reply);
        assert_eq!(packets.len(), 1);
        assert!(
            packets[0]
                .as_message()
                .unwrap()
                .contains("\"messageCount\":1")
        );
    }
}

#[tokio::test]
async fn a_held_get_is_answered_as_soon_as_somebody_else_speaks() {
    let server = Binary::demo();
    let mut ann = Session::greeted(server.address, Version::V4).await;
    ann.join("defaultRoom").await;
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for text in ["one", "two", "three"] {
        ann.start_poll().await;
        bob.say("defaultRoom", text).await;
        let reply = ann.polled().await;
        let packets = ann.packets(&reply);
        let said: Value = serde_json::from_str(packets[0].as_message().unwrap()).unwrap();
        assert_eq!((packets.len(), &said["message"]), (1, &json!(text)));
    }
}

#[tokio::test]
async fn everything_that_waits_goes_in_one_answer_and_in_order() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        session.send_json(&vec![details(); 5]).await;
        for _ in 0..5 {
            session.send_json(&[details()]).await;
        }
        let packets = session.poll().await;
        assert_eq!(packets.len(), 10);
        for (index, packet) in packets.iter().enumerate() {
            let answer: Value = serde_json::from_str(packet.as_message().unwrap()).unwrap();
            assert_eq!(answer["messageCount"], index + 1);
        }
    }
}

#[tokio::test]
async fn the_head_of_an_answer() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::open(server.address, version).await;
        let reply = session.poll_reply().await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=UTF-8")
        );
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(
            reply.header("content-length"),
            Some(&*reply.body.len().to_string())
        );
    }
}

#[tokio::test]
async fn an_answer_holds_no_more_than_the_cap_and_the_rest_comes_with_the_next() {
    const CAP: usize = 2000;
    const COUNT: usize = 40;
    let server = Binary::configured(&format!("[polling]\nmax_payload_bytes = {CAP}\n"));
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        for _ in 0..COUNT {
            session.send_json(&[details()]).await;
        }
        let (mut heard, mut answers) = (0, 0);
        while heard < COUNT {
            let reply = session.poll_reply().await;
            let length = reply.body.len();
            assert!(length <= CAP, "{length}");
            for packet in session.packets(&reply) {
                heard += 1;
                let answer: Value = serde_json::from_str(packet.as_message().unwrap()).unwrap();
                assert_eq!(answer["messageCount"], heard, "in order, and once");
            }
            // As many as fit: all but the last are more than half full.
            assert!(heard == COUNT || length > CAP / 2, "{length}");
            answers += 1;
        }
        assert!(answers > 3, "{answers}");
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        assert!(session.is_held(), "there was nothing more");
    }
}

#[tokio::test]
async fn a_packet_that_is_larger_than_the_cap_goes_whole() {
    let server = Binary::configured("[polling]\nmax_payload_bytes = 1024\n");
    let mut ann = Session::greeted(server.address, Version::V4).await;
    ann.join("defaultRoom").await;
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let text = "x".repeat(5000);
    for message in ["small", &text, "small again"] {
        bob.say("defaultRoom", message).await;
    }
    // It does not share an answer, and it is not overtaken.
    let mut said = Vec::new();
    while said.len() < 3 {
        let packets = ann.poll().await;
        assert_eq!(packets.len(), 1, "{packets:?}");
        let packet: Value = serde_json::from_str(packets[0].as_message().unwrap()).unwrap();
        said.push(packet["message"].as_str().unwrap().to_owned());
    }
    assert_eq!(said, ["small", &text, "small again"]);
}

#[tokio::test]
async fn two_gets_at_once_close_the_session() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        assert!(session.is_held());
        // The second is refused, the first learns that the session is over, and later ones that there is none.
        assert_eq!(session.fault().await, (400, 3));
        let reply = session.polled().await;
        assert_eq!(session.packets(&reply), ["1"]);
        session.assert_unknown().await;
        let reply = session
            .post_reply(version.payload(&[Packet::message("x")]))
            .await;
        assert_eq!(reply.fault(), (400, 1));
    }
    metric_becomes(&server, SESSIONS, 0).await;
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, 2);
}

#[tokio::test]
async fn a_client_that_drops_its_held_get_is_gone_soon() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for version in Version::BOTH {
        let mut ann = Session::greeted(server.address, version).await;
        ann.join("defaultRoom").await;
        let request = ann.get_request();
        let mut line = Line::connect(server.address).await;
        line.send(&request).await;
        tokio::time::sleep(MOMENT).await;
        assert!(line.is_quiet());
        let began = Instant::now();
        drop(line);
        metric_becomes(&server, SESSIONS, 0).await;
        assert!(began.elapsed() < crate::SLACK);
        ann.assert_unknown().await;
        // It is in no room any more.
        let view = bob.request(json!({"event": "roomView", "room": "defaultRoom"}));
        assert_eq!(view.await["data"]["membersCount"], 1);
    }
    assert_eq!(metric(&server, &closed_for("peer_gone")).await, 2);
}

/// A browser that leaves a page drops its GET, and sends the page's beacon by another connection.
#[tokio::test]
async fn the_last_words_of_a_page_arrive_behind_the_end_of_its_held_get() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for version in Version::BOTH {
        let mut ann = Session::greeted(server.address, version).await;
        ann.join("defaultRoom").await;
        let request = ann.get_request();
        let mut line = Line::connect(server.address).await;
        line.send(&request).await;
        tokio::time::sleep(MOMENT).await;
        assert!(line.is_quiet());
        drop(line);
        tokio::time::sleep(MOMENT).await;
        let beacon = version.payload(&[say("last words"), Packet::Text("1".to_owned())]);
        assert_eq!(ann.post_reply(beacon).await.status, 200);
        assert_eq!(bob.hears().await["message"], "last words");
        metric_becomes(&server, SESSIONS, 0).await;
        ann.assert_unknown().await;
    }
    assert_eq!(metric(&server, &closed_for("peer_closed")).await, 2);
}

#[tokio::test]
async fn each_get_may_come_on_a_connection_of_its_own() {
    let server = Binary::demo();
    let mut session = Session::open(server.address, Version::V4).await;
    for number in 0..5 {
        let reply = exchange(server.address, &session.get_request()).await;
        let text = reply.text();
        if number == 0 {
            assert!(text.contains("welcome"), "{text}");
        } else {
            assert!(
                text.contains(&format!("\"messageCount\":{number}")),
                "{text}"
            );
        }
        session.send_json(&[details()]).await;
    }
}

#[tokio::test]
async fn a_connection_that_closes_between_two_gets_ends_nothing() {
    let server = Binary::demo();
    let mut session = Session::greeted(server.address, Version::V4).await;
    for _ in 0..3 {
        session.send_json(&[details()]).await;
        let request = session.get_request().header("Connection", "close");
        let mut line = Line::connect(server.address).await;
        assert_eq!(line.exchange(&request).await.status, 200);
        assert!(line.is_cut().await);
    }
    session.details().await;
}

#[tokio::test]
async fn sessions_do_not_see_each_other_s_packets() {
    let server = Binary::demo();
    let mut sessions = Vec::new();
    for number in 0..6 {
        let version = Version::BOTH[number % 2];
        sessions.push(Session::greeted(server.address, version).await);
    }
    let mut ids = std::collections::HashSet::new();
    for session in &mut sessions {
        ids.insert(session.details().await["id"].to_string());
    }
    assert_eq!(ids.len(), 6);
    for session in &mut sessions {
        session.start_poll().await;
    }
    tokio::time::sleep(MOMENT).await;
    sessions[0].send_json(&[details()]).await;
    let reply = sessions[0].polled().await;
    assert_eq!(reply.status, 200);
    for session in &mut sessions[1..] {
        assert!(session.is_held());
    }
}
