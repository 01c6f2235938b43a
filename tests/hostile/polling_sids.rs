//! engine.io: sids that are guessed, changed, or used where their session is over.

use crate::Arena;
use crate::polling::neighbour;
use crate::support::engineio::{
    ENGINE, PRIMUS, Reply, Request, Session, Socket, Version, exchange,
};

fn target(door: &str, transport: &str, sid: &str) -> String {
    format!("{door}?EIO=4&transport={transport}&sid={sid}")
}

/// Tries everything that can be done with a sid.
async fn replies(arena: &Arena, sid: &str) -> Vec<Reply> {
    let mut replies = Vec::new();
    for door in [ENGINE, PRIMUS] {
        let polling = target(door, "polling", sid);
        for request in [
            Request::get(&polling),
            Request::post(&polling, "4{\"event\":\"quit\"}"),
            Request::post(&polling, "1"),
            Request::get(&target(door, "websocket", sid)),
        ] {
            replies.push(exchange(arena.address(), &request).await);
        }
    }
    replies
}

async fn is_refused_a_socket(arena: &Arena, sid: &str) {
    let target = target(ENGINE, "websocket", sid);
    let refused = Socket::connect(arena.address(), &target, &[]).await;
    let (reply, mut line) = refused.expect_err("a refusal");
    assert_eq!(reply.status, 400, "{sid}");
    assert!(line.is_cut().await);
}

#[tokio::test]
async fn a_sid_that_is_nearly_right_is_wrong() {
    let mut arena = Arena::demo().await;
    let mut victim = neighbour(&arena).await;
    let sid = victim.sid.clone();
    let swapped: String = sid
        .chars()
        .map(|it| {
            if it.is_ascii_lowercase() {
                it.to_ascii_uppercase()
            } else {
                it.to_ascii_lowercase()
            }
        })
        .collect();
    let mut guesses = vec![
        swapped,
        sid.chars().rev().collect(),
        format!("{sid}A"),
        format!("A{sid}"),
        format!("{sid}="),
        format!("{sid}%00"),
        format!("{sid}%0a"),
        format!("%20{sid}"),
        format!("{sid}/"),
        sid[..23].to_owned(),
        sid[1..].to_owned(),
        sid.repeat(2),
    ];
    // One character is another, at each place.
    for at in 0..sid.len() {
        let other = if sid.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut guess = sid.clone();
        guess.replace_range(at..=at, other);
        guesses.push(guess);
    }
    for guess in guesses {
        assert_ne!(guess, sid);
        for reply in replies(&arena, &guess).await {
            assert_eq!(reply.fault(), (400, 1), "{guess}");
        }
        is_refused_a_socket(&arena, &guess).await;
    }
    victim.details().await;
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn a_public_id_is_no_sid() {
    let arena = Arena::demo().await;
    let mut victim = neighbour(&arena).await;
    let id = victim.details().await["id"].clone();
    let id = id.as_str().unwrap();
    for reply in replies(&arena, id).await {
        assert_eq!(reply.fault(), (400, 1));
    }
    is_refused_a_socket(&arena, id).await;
    victim.details().await;
    arena.survives().await;
}

#[tokio::test]
async fn no_answer_shows_a_sid_to_anybody_else() {
    let arena = Arena::demo().await;
    let mut victim = neighbour(&arena).await;
    victim.join("defaultRoom").await;
    let mut other = neighbour(&arena).await;
    other.join("defaultRoom").await;
    let say = serde_json::json!({"event": "say", "room": "defaultRoom", "message": "hello"});
    victim.send_json(&[say]).await;
    let said = other.hears().await.to_string();
    let view = other
        .request(serde_json::json!({"event": "roomView", "room": "defaultRoom"}))
        .await
        .to_string();
    let metrics = crate::web::get(arena.address(), "/metrics").await;
    for text in [said, view, metrics.text().to_owned()] {
        assert!(!text.contains(&victim.sid), "{text}");
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_sid_is_of_no_use_when_its_session_is_over() {
    let arena = Arena::demo().await;
    let mut ended = Vec::new();
    for version in Version::BOTH {
        // Closed by its client.
        let mut session = Session::greeted(arena.address(), version).await;
        session.send_text("1").await;
        ended.push(session.sid);
        // Closed by the server, and fetched to the end.
        let mut session = Session::greeted(arena.address(), version).await;
        session
            .send_json(&[serde_json::json!({"event": "quit"})])
            .await;
        while session.poll_reply().await.status == 200 {}
        ended.push(session.sid);
        // Ended by a packet that is none.
        let mut session = Session::greeted(arena.address(), version).await;
        assert_eq!(session.post_reply("9").await.status, 400);
        ended.push(session.sid);
        // Upgraded, and then closed.
        let mut session = Session::greeted(arena.address(), version).await;
        session.upgrade().await.close().await;
        ended.push(session.sid);
    }
    let open = "stellar_connections{transport=\"polling\"}";
    crate::support::within("their end", async {
        while arena.metric(open).await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    for sid in ended {
        for reply in replies(&arena, &sid).await {
            assert_eq!(reply.fault(), (400, 1));
        }
        is_refused_a_socket(&arena, &sid).await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_sid_is_of_no_use_beside_the_socket_of_its_session() {
    let arena = Arena::demo().await;
    let mut session = neighbour(&arena).await;
    let mut socket = session.upgrade().await;
    let details = serde_json::json!({"event": "detailsView"});
    socket.request(details.clone(), 1).await;
    for round in 0..3 {
        for reply in replies(&arena, &session.sid).await {
            assert_eq!(reply.fault(), (400, 3));
        }
        // It is let in, and shown out at once.
        let mut second = session.socket().await;
        let _closed = second.try_send("4{\"event\":\"quit\"}").await;
        assert_eq!(second.next().await, None);
        socket.request(details.clone(), round + 2).await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn two_sockets_never_share_a_session() {
    let arena = Arena::demo().await;
    for _ in 0..50 {
        let session = neighbour(&arena).await;
        // Both at once: one of them wins, and the other is closed.
        let mut sockets = tokio::join!(session.socket(), session.socket());
        let _closed = sockets.0.try_send("2probe").await;
        let _closed = sockets.1.try_send("2probe").await;
        let answers = [sockets.0.next().await, sockets.1.next().await];
        let mut socket = match answers {
            [Some(answer), None] if answer == "3probe" => sockets.0,
            [None, Some(answer)] if answer == "3probe" => sockets.1,
            other => panic!("one of them: {other:?}"),
        };
        socket.send("5").await;
        socket
            .request(serde_json::json!({"event": "detailsView"}), 1)
            .await;
    }
    arena.survives().await;
}
