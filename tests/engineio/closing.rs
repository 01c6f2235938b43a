//! How sessions end, from either side (docs/protocol/engineio.md#closing).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::engineio::{Opening, PRIMUS, Packet, Session, Version};
use crate::support::{Binary, within};
use crate::{MOMENT, SESSIONS, closed_for, metric, metric_becomes};

fn quit() -> Value {
    json!({"event": "quit"})
}

/// Polls until the server knows the session no more; returns what came until then, noops left out.
pub(crate) async fn rest_of(session: &mut Session) -> Vec<Packet> {
    let mut all = Vec::new();
    loop {
        let reply = session.poll_reply().await;
        if reply.status != 200 {
            assert_eq!(reply.fault(), (400, 1));
            return all;
        }
        let packets = session.packets(&reply);
        all.extend(packets.into_iter().filter(|packet| *packet != "6"));
    }
}

#[tokio::test]
async fn a_client_closes_by_post() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        session.send_text("1").await;
        let reply = session.polled().await;
        assert_eq!(session.packets(&reply), ["6"]);
        session.assert_unknown().await;
    }
    metric_becomes(&server, SESSIONS, 0).await;
    assert_eq!(metric(&server, &closed_for("peer_closed")).await, 2);
}

#[tokio::test]
async fn a_client_closes_while_no_get_is_held() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::open(server.address, version).await;
        session.send_text("1").await;
        session.assert_unknown().await;
        metric_becomes(&server, SESSIONS, 0).await;
    }
}

#[tokio::test]
async fn what_stands_before_the_close_is_delivered() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut bob = server.plain().await;
        bob.join("defaultRoom").await;
        let mut ann = Session::greeted(server.address, version).await;
        ann.join("defaultRoom").await;
        let say = json!({"event": "say", "room": "defaultRoom", "message": "good bye"});
        ann.send(&[Packet::message(say), Packet::Text("1".to_owned())])
            .await;
        assert_eq!(bob.hears().await["message"], "good bye");
        ann.assert_unknown().await;
        // It has left the room by then.
        let view = bob.request(json!({"event": "roomView", "room": "defaultRoom"}));
        assert_eq!(view.await["data"]["membersCount"], 1);
        bob.close().await;
    }
}

#[tokio::test]
async fn a_held_get_learns_that_the_server_closes() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        session.send_json(&[quit()]).await;
        let reply = session.polled().await;
        assert_eq!(session.packets(&reply), ["1"]);
        session.assert_unknown().await;
    }
    metric_becomes(&server, SESSIONS, 0).await;
    assert_eq!(metric(&server, &closed_for("ended")).await, 2);
}

#[tokio::test]
async fn what_waits_when_the_server_closes_comes_first() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let mut session = Session::greeted(server.address, version).await;
        let details = json!({"event": "detailsView"});
        session.send_json(&[details.clone(), details, quit()]).await;
        let rest = rest_of(&mut session).await;
        assert_eq!(rest.len(), 3, "{rest:?}");
        for (number, packet) in [1, 2].into_iter().zip(&rest) {
            let answer: Value = serde_json::from_str(packet.as_message().unwrap()).unwrap();
            assert_eq!(answer["messageCount"], number);
        }
        assert_eq!(rest[2], "1");
    }
}

#[tokio::test]
async fn nothing_is_taken_from_a_session_that_the_server_has_closed() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let mut ann = Session::greeted(server.address, Version::V4).await;
    ann.join("defaultRoom").await;
    let say = json!({"event": "say", "room": "defaultRoom", "message": "too late"});
    ann.post(Version::V4.payload(&[Packet::message(quit()), Packet::message(&say)]))
        .await;
    // Whether this is refused or ignored is not the point.
    let _reply = ann.post_reply(format!("4{say}")).await;
    bob.say("defaultRoom", "last").await;
    assert_eq!(bob.hears().await["message"], "last");
}

#[tokio::test]
async fn last_packets_wait_for_their_grace_and_no_longer() {
    let server = Binary::configured("[polling]\nclose_grace_ms = 3000\n");
    // Within the grace.
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.send_json(&[quit()]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rest_of(&mut session).await, ["1"]);
    // Behind it.
    let mut session = Session::greeted(server.address, Version::V4).await;
    session.send_json(&[quit()]).await;
    tokio::time::sleep(Duration::from_millis(3000)).await;
    within("the end of the grace", async {
        while session.post_reply("3").await.status == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    session.assert_unknown().await;
}

#[tokio::test]
async fn a_primus_client_is_told_not_to_come_back() {
    let server = Binary::demo();
    for version in Version::BOTH {
        let opening = Opening::new(server.address, version).door(PRIMUS);
        let mut session = opening.session().await;
        session.expect_welcome().await;
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        session.send_json(&[quit()]).await;
        let reply = session.polled().await;
        let mut rest = session.packets(&reply);
        // The close may come with the same answer or with the next.
        rest.extend(rest_of(&mut session).await);
        assert_eq!(rest, ["4\"primus::server::close\"", "1"]);
    }
}

#[tokio::test]
async fn the_server_closes_a_session_that_has_been_upgraded() {
    let server = Binary::demo();
    for door in [crate::support::engineio::ENGINE, PRIMUS] {
        let opening = Opening::new(server.address, Version::V4).door(door);
        let mut session = opening.session().await;
        session.expect_welcome().await;
        let mut socket = session.upgrade().await;
        socket.send("4{\"event\":\"quit\"}").await;
        let mut rest = Vec::new();
        while let Some(packet) = socket.next().await {
            rest.push(packet);
        }
        // A close packet before the close frame is as good as none.
        rest.retain(|packet| *packet != "1");
        if door == PRIMUS {
            assert_eq!(rest, ["4\"primus::server::close\""]);
        } else {
            assert_eq!(rest, [""; 0]);
        }
        assert_ne!(socket.closed().await, 1006, "there was a close frame");
        session.assert_unknown().await;
    }
    metric_becomes(&server, SESSIONS, 0).await;
}

#[tokio::test]
async fn a_server_that_stops_tells_who_polls() {
    let server = Binary::demo();
    let mut sessions = Vec::new();
    for version in Version::BOTH {
        for door in [crate::support::engineio::ENGINE, PRIMUS] {
            let opening = Opening::new(server.address, version).door(door);
            let mut session = opening.session().await;
            session.expect_welcome().await;
            session.start_poll().await;
            sessions.push(session);
        }
    }
    let mut socket = Opening::new(server.address, Version::V4).socket().await;
    let _open = socket.packet().await;
    tokio::time::sleep(MOMENT).await;
    server.terminate();
    for session in &mut sessions {
        // They are to come back, so Primus clients are not told the contrary.
        let reply = session.polled().await;
        assert_eq!(session.packets(&reply), ["1"]);
    }
    socket.closed().await;
    let finished = server.finished().await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[tokio::test]
async fn a_session_that_nobody_polls_does_not_hold_up_the_end() {
    let server = Binary::demo();
    let _sessions = [
        Session::open(server.address, Version::V4).await,
        Session::greeted(server.address, Version::V3).await,
    ];
    let began = Instant::now();
    server.terminate();
    let finished = server.finished().await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    // Well below the grace of 30 s.
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}
