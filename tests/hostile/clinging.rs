//! Peers that do not let go: the server has done its part of an end, over TCP or TLS, and they do nothing of theirs.

use crate::raw::{self, Raw, TEXT};
use crate::support::{eventually, within};
use crate::{Arena, DOORS};

/// Ends are short, and nothing else ends anybody.
const SHORT_ENDS: &str = "[general]\nshutdown_timeout_ms = 200\n[limits]\nclose_timeout_ms = 300\nheader_timeout_ms = 3600000\nbody_timeout_ms = 3600000\nreceive_timeout_ms = 3600000\nreceive_stall_ms = 3600000\nwrite_timeout_ms = 3600000\nmax_outbox_bytes = 67108864\nping_interval_ms = 0\n[polling]\nping_interval_ms = 3600000\nupgrade_timeout_ms = 300\nclose_grace_ms = 300\n";

/// A member whose system takes only a few kB, which has stopped reading.
async fn deaf_member(arena: &Arena, door: &str) -> Raw {
    let mut deaf = arena.raw_with_small_window().await.upgrade(door).await;
    let join = "{\"event\":\"roomAdd\",\"room\":\"defaultRoom\"}";
    deaf.send(TEXT, join).await;
    while deaf.packet().await["status"] != "OK" {}
    deaf
}

/// Says more than systems and TLS keep for those who do not read.
async fn say_much(arena: &Arena) {
    let mut speaker = arena.client().await;
    speaker.join("defaultRoom").await;
    let text = "x".repeat(500_000);
    for _ in 0..16 {
        speaker.say("defaultRoom", &*text).await;
        speaker.hears().await;
    }
}

/// What a session that polls is opened with, and its target.
async fn open_session(peer: &mut Raw) -> String {
    let open = "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n";
    peer.write(open).await;
    let answer = peer.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    let (_, sid) = answer.body.split_once("\"sid\":\"").unwrap();
    let (sid, _) = sid.split_once('"').unwrap();
    format!("/engine.io/?EIO=4&sid={sid}&transport=")
}

#[tokio::test]
async fn a_socket_that_takes_neither_the_close_nor_what_is_before_it_is_let_go() {
    for arena in Arena::both(SHORT_ENDS).await {
        for door in DOORS {
            let mut deaf = deaf_member(&arena, door).await;
            say_much(&arena).await;
            let address = deaf.address();
            assert!(arena.holds(address));
            deaf.send(TEXT, "{\"event\":\"quit\"}").await;
            // Neither our close frame nor TLS's good-bye finds its way out.
            eventually("the end", || !arena.holds(address)).await;
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn a_websocket_that_does_not_end_its_side_is_let_go() {
    for arena in Arena::both(SHORT_ENDS).await {
        for door in DOORS {
            let mut quiet = arena.raw().await.upgrade(door).await;
            quiet.send(TEXT, "{\"event\":\"quit\"}").await;
            quiet.close_code().await;
            let address = quiet.address();
            eventually("the end", || !arena.holds(address)).await;
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn an_upgrade_that_stops_half_way_is_given_up_and_the_session_polls_on() {
    for arena in Arena::both(SHORT_ENDS).await {
        for said in [None, Some("2probe")] {
            let mut polls = arena.raw().await;
            let target = open_session(&mut polls).await;
            let socket = arena.raw().await;
            let mut socket = socket.upgrade(&format!("{target}websocket")).await;
            if let Some(said) = said {
                socket.send(TEXT, said).await;
                assert_eq!(socket.frame().await.unwrap().payload, b"3probe");
            }
            let address = socket.address();
            eventually("the end of the socket", || !arena.holds(address)).await;
            let poll = format!("GET {target}polling HTTP/1.1\r\nHost: x\r\n\r\n");
            polls.write(poll).await;
            let answer = polls.answer().await;
            assert_eq!(answer.status, 200, "{said:?}: {}", answer.body);
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn an_answer_to_a_poll_that_nobody_reads_is_cut() {
    let config = "[limits]\nwrite_timeout_ms = 500\nmax_outbox_bytes = 67108864\n[polling]\nmax_payload_bytes = 33554432\n";
    for arena in Arena::both(config).await {
        let mut posts = arena.raw().await;
        let target = open_session(&mut posts).await;
        let join = "4{\"event\":\"roomAdd\",\"room\":\"defaultRoom\"}";
        let length = join.len();
        posts
            .write(format!(
                "POST {target}polling HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{join}"
            ))
            .await;
        assert_eq!(posts.answer().await.body, "ok");
        say_much(&arena).await;
        let mut polls = arena.raw_with_small_window().await;
        let poll = format!("GET {target}polling HTTP/1.1\r\nHost: x\r\n\r\n");
        polls.write(poll).await;
        let address = polls.address();
        eventually("the end of what is not read", || !arena.holds(address)).await;
        arena.survives().await;
    }
}

#[tokio::test]
async fn a_stop_waits_for_none_of_them() {
    for arena in Arena::both(SHORT_ENDS).await {
        let mut peers = vec![deaf_member(&arena, "/ws").await, arena.raw().await];
        say_much(&arena).await;
        for half in [
            "GET / HT".to_owned(),
            "POST /api/status HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{".to_owned(),
            raw::handshake("/ws", "").trim_end().to_owned(),
            // Served, and idle since.
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        ] {
            let mut peer = arena.raw().await;
            peer.write(half).await;
            peers.push(peer);
        }
        // Sockets that say nothing more, in the middle of a message or between two.
        for frame in [&b""[..], &raw::header(TEXT, 70_000)[..5]] {
            let mut peer = arena.raw().await.upgrade("/primus").await;
            peer.packet().await;
            peer.write(frame).await;
            peers.push(peer);
        }
        // A poll that is held, and an upgrade that stops half way.
        let mut polls = arena.raw().await;
        let target = open_session(&mut polls).await;
        let greeting = format!("GET {target}polling HTTP/1.1\r\nHost: x\r\n\r\n");
        polls.write(&greeting).await;
        assert_eq!(polls.answer().await.status, 200);
        polls.write(&greeting).await;
        let socket = arena.raw().await;
        let socket = socket.upgrade(&format!("{target}websocket")).await;
        // Without a word, also of TLS's.
        let silent = Raw::connect(arena.address()).await;
        arena.server.terminate();
        let finished = within("the end of the server", arena.server.finished()).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        drop((peers, polls, socket, silent));
    }
}
