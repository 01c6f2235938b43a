//! socket.io: sids that are guessed, shown, or used where their session is over (C2).

use crate::Arena;
use crate::socketio::{neighbours, nobody_minds};
use crate::support::engineio::{ENGINE, PRIMUS, Reply, Request, Socket, exchange};
use crate::support::socketio::{DOOR, Kind, Peer, text};

fn target(door: &str, transport: &str, sid: &str) -> String {
    format!("{door}?EIO=4&transport={transport}&sid={sid}")
}

/// Tries everything that can be done with a sid.
async fn replies(arena: &Arena, sid: &str) -> Vec<Reply> {
    let mut replies = Vec::new();
    for door in [DOOR, ENGINE, PRIMUS] {
        let polling = target(door, "polling", sid);
        for request in [
            Request::get(&polling),
            Request::post(&polling, "42[\"quit\"]"),
            Request::post(&polling, "41"),
            Request::get(&target(door, "websocket", sid)),
        ] {
            replies.push(exchange(arena.address(), &request).await);
        }
    }
    replies
}

async fn is_of_no_use(arena: &Arena, sid: &str) {
    for reply in replies(arena, sid).await {
        assert_eq!(reply.fault(), (400, 1), "{sid}");
    }
    let target = target(DOOR, "websocket", sid);
    let refused = Socket::connect(arena.address(), &target, &[]).await;
    let (reply, _) = refused.expect_err("a refusal");
    assert_eq!(reply.status, 400, "{sid}");
}

#[tokio::test]
async fn a_sid_that_is_nearly_right_is_wrong() {
    let mut arena = Arena::demo().await;
    let mut victim = Peer::connected(arena.address(), Kind::PLAIN[0]).await;
    let sid = victim.secret.clone();
    let mut guesses = vec![
        sid.to_ascii_lowercase(),
        sid.to_ascii_uppercase(),
        sid.chars().rev().collect(),
        format!("{sid}A"),
        format!("{sid}%00"),
        format!("%20{sid}"),
        format!("{DOOR}#{sid}"),
        sid[..23].to_owned(),
        sid.repeat(2),
    ];
    for at in 0..sid.len() {
        let other = if sid.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut guess = sid.clone();
        guess.replace_range(at..=at, other);
        guesses.push(guess);
    }
    for guess in guesses {
        assert_ne!(guess, sid);
        is_of_no_use(&arena, &guess).await;
    }
    victim.details().await;
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn a_public_id_is_no_sid() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    for neighbour in &mut neighbours {
        let id = neighbour.details().await["id"].clone();
        let id = id.as_str().unwrap();
        is_of_no_use(&arena, id).await;
        is_of_no_use(&arena, &id.replace('-', "")[..24]).await;
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    arena.survives().await;
}

#[tokio::test]
async fn a_sid_is_of_no_use_when_its_session_is_over() {
    let arena = Arena::demo().await;
    let mut ended = Vec::new();
    for kind in Kind::ALL {
        for last in ["41", "1", "42[\"quit\"]", "47", "42[\"disconnect\"]"] {
            let mut ann = Peer::connected(arena.address(), kind).await;
            ann.rest_after(last).await;
            ended.push(ann.secret);
        }
    }
    for sid in ended {
        is_of_no_use(&arena, &sid).await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_sid_is_of_no_use_beside_the_socket_of_its_session() {
    let arena = Arena::demo().await;
    for kind in [Kind::ALL[1], Kind::ALL[2]] {
        let mut ann = Peer::connected(arena.address(), kind).await;
        for _ in 0..3 {
            // An answer over the socket says that the server has read the end of the upgrade, which
            // it is sent over another connection than what follows.
            ann.details().await;
            for door in [DOOR, ENGINE, PRIMUS] {
                let polling = target(door, "polling", &ann.secret);
                for request in [Request::get(&polling), Request::post(&polling, "41")] {
                    let reply = exchange(arena.address(), &request).await;
                    let expected = if door == DOOR { 3 } else { 1 };
                    assert_eq!(reply.fault(), (400, expected), "{door} {kind:?}");
                }
                let target = target(door, "websocket", &ann.secret);
                // At its own door it is opened and closed at once, as Node does.
                if let Ok(mut socket) = Socket::connect(arena.address(), &target, &[]).await {
                    assert_eq!(door, DOOR);
                    assert_eq!(socket.closed().await, 1005);
                }
            }
        }
        ann.details().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn another_transport_s_sid_is_of_no_use_here() {
    let mut arena = Arena::demo().await;
    let mut victim = crate::polling::neighbour(&arena).await;
    for request in [
        Request::get(&target(DOOR, "polling", &victim.sid)),
        Request::post(&target(DOOR, "polling", &victim.sid), "1"),
    ] {
        let reply = exchange(arena.address(), &request).await;
        assert_eq!(reply.fault(), (400, 1));
    }
    victim.details().await;
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn a_sid_chosen_by_the_client_is_not_taken() {
    let arena = Arena::demo().await;
    let chosen = "AAAAAAAAAAAAAAAAAAAAAAAA";
    for packet in [
        format!("40{{\"sid\":\"{chosen}\"}}"),
        format!("40{{\"pid\":\"{chosen}\",\"offset\":\"x\"}}"),
    ] {
        for kind in Kind::CONNECTING {
            let mut ann = Peer::open(arena.address(), kind).await;
            ann.send_all(&[text(&*packet)]).await;
            ann.expect_connected().await;
            assert_ne!(ann.id, chosen);
            let details = ann.details().await;
            assert_eq!(details["id"], *ann.id);
        }
    }
    is_of_no_use(&arena, chosen).await;
    arena.survives().await;
}
