//! Peers that never finish what they began: each half-open state has a deadline, and none holds up anybody else.

use std::time::{Duration, Instant};

use crate::raw::{self, Raw, TEXT, TEXT_BEGINS};
use crate::support::{eventually, within};
use crate::{Arena, DOORS};

/// Short deadlines. That of headers is one for good clients, too, which a busy machine may hold up.
const DEADLINES: &str = "[limits]\nheader_timeout_ms = 3000\nreceive_timeout_ms = 500\nbody_timeout_ms = 500\nclose_timeout_ms = 500\n";

/// The configured deadlines. What they begin with comes after what a test begins with, so that they are never over sooner.
const HEADERS: Duration = Duration::from_secs(3);
const BODY: Duration = Duration::from_millis(500);

/// The time between two bytes that dribble. All that there is to say takes many times the deadline.
const PAUSE: Duration = Duration::from_millis(20);

/// Many enough to be in the way, if they were: to wait for one after the other would take longer than any test does.
const ATTACKERS: usize = 100;

/// Writes one byte of `bytes` after the other until the server hangs up, which it does before the last, and not before the
/// deadline. `began` is before the connection was made. Returns what the server said.
async fn dribble(mut attacker: Raw, bytes: Vec<u8>, began: Instant, deadline: Duration) -> Vec<u8> {
    let mut is_cut = false;
    for byte in bytes {
        is_cut = attacker.try_write([byte]).await.is_err();
        if is_cut {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    assert!(is_cut, "all of it was taken");
    let took = began.elapsed();
    assert!(took >= deadline, "cut already after {took:?}");
    attacker.rest().await
}

/// A newcomer while the attack is on.
async fn a_client_connects(arena: &mut Arena) {
    let mut client = arena.client().await;
    assert!(client.details().await.is_object());
    arena.serves().await;
}

/// Lets many attackers dribble at once, and returns what each was told.
async fn attack(arena: &mut Arena, bytes: &[u8]) -> Vec<String> {
    let mut attackers = Vec::new();
    for _ in 0..ATTACKERS {
        let began = Instant::now();
        let attacker = arena.raw().await;
        let dribbling = dribble(attacker, bytes.to_vec(), began, HEADERS);
        attackers.push(tokio::spawn(dribbling));
    }
    a_client_connects(arena).await;
    let mut told = Vec::new();
    for attacker in attackers {
        told.push(String::from_utf8_lossy(&attacker.await.unwrap()).into_owned());
    }
    told
}

#[tokio::test]
async fn headers_that_dribble_are_cut() {
    for mut arena in Arena::both(DEADLINES).await {
        let endless = format!(
            "GET /api/status HTTP/1.1\r\nHost: x\r\nX-Endless: {}",
            "x".repeat(10_000)
        );
        for told in attack(&mut arena, endless.as_bytes()).await {
            assert!(!told.starts_with("HTTP/1.1 2"), "{told}");
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn half_handshakes_are_cut() {
    for mut arena in Arena::both(DEADLINES).await {
        for door in DOORS {
            let handshake = raw::handshake(door, "");
            let half = &handshake[..handshake.len() - 2];
            let endless = format!("{half}X-Endless: {}", "x".repeat(10_000));
            for told in attack(&mut arena, endless.as_bytes()).await {
                assert!(!told.starts_with("HTTP/1.1 101"), "{told}");
            }
            // One that has said everything but its end, and then nothing more.
            let mut attacker = arena.raw().await;
            attacker.write(half).await;
            assert!(!attacker.rest().await.starts_with(b"HTTP/1.1 101"));
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn sockets_that_say_nothing_are_cut() {
    for mut arena in Arena::both(DEADLINES).await {
        let mut silent = Vec::new();
        for _ in 0..ATTACKERS {
            silent.push(arena.raw().await);
        }
        // Also those that have been served once.
        let mut idle = arena.raw().await;
        idle.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(idle.answer().await.status, 200);
        silent.push(idle);
        a_client_connects(&mut arena).await;
        for mut attacker in silent {
            let rest = attacker.rest().await;
            assert!(!rest.starts_with(b"HTTP/1.1 2"), "{rest:?}");
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn bodies_that_dribble_are_answered_408() {
    for mut arena in Arena::both(DEADLINES).await {
        for coding in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
            let head = format!(
                "POST /api/status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{coding}\r\n\r\n"
            );
            let body = if coding.starts_with('C') {
                "[".repeat(1000)
            } else {
                "1\r\n[\r\n".repeat(200)
            };
            let mut attackers = Vec::new();
            for _ in 0..ATTACKERS {
                let began = Instant::now();
                let mut attacker = arena.raw().await;
                attacker.write(&head).await;
                let body = body.clone().into_bytes();
                attackers.push(tokio::spawn(dribble(attacker, body, began, BODY)));
            }
            a_client_connects(&mut arena).await;
            let mut answered = 0;
            for attacker in attackers {
                let told = String::from_utf8_lossy(&attacker.await.unwrap()).into_owned();
                assert!(
                    told.is_empty() || told.starts_with("HTTP/1.1 408"),
                    "{told}"
                );
                answered += usize::from(!told.is_empty());
            }
            // Whoever writes on after the end may lose the answer to a reset.
            println!("{answered} of {ATTACKERS} were answered");
        }
        let mut patient = arena.raw().await;
        patient
            .write("POST /api/status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{")
            .await;
        assert_eq!(patient.answer().await.status, 408);
        arena.survives().await;
    }
}

/// Connections that have begun a message and do not go on.
async fn half_frames(arena: &Arena, door: &str) -> Vec<(&'static str, Raw)> {
    let text = raw::frame(TEXT, "{\"event\":\"detailsView\"}");
    let mut half_open = Vec::new();
    for (name, bytes) in [
        ("one byte", text[..1].to_vec()),
        ("half a header", raw::header(TEXT, 70_000)[..5].to_vec()),
        ("a header", text[..6].to_vec()),
        ("half a payload", text[..15].to_vec()),
        ("half a message", raw::frame(TEXT_BEGINS, "{\"event\":")),
        ("an empty beginning", raw::frame(TEXT_BEGINS, "")),
    ] {
        let mut attacker = arena.raw().await.upgrade(door).await;
        assert!(attacker.packet().await["welcome"].is_string());
        attacker.write(bytes).await;
        half_open.push((name, attacker));
    }
    half_open
}

#[tokio::test]
async fn half_frames_are_closed_with_4004() {
    for mut arena in Arena::both(DEADLINES).await {
        for door in DOORS {
            let half_open = half_frames(&arena, door).await;
            a_client_connects(&mut arena).await;
            for (name, mut attacker) in half_open {
                assert_eq!(attacker.close_code().await, 4004, "{name} at {door}");
                // It never answers the close: the connection ends all the same.
                assert!(attacker.is_closed_silently().await, "{name} at {door}");
            }
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn half_frames_that_come_with_the_handshake_are_closed_with_4004() {
    for mut arena in Arena::both(DEADLINES).await {
        for door in DOORS {
            for length in [1, 6, 15] {
                let mut attacker = arena.raw().await;
                let text = raw::frame(TEXT, "{\"event\":\"detailsView\"}");
                let handshake = raw::handshake(door, "").into_bytes();
                attacker.write([&handshake, &text[..length]].concat()).await;
                assert_eq!(attacker.head().await.status, 101);
                assert_eq!(
                    attacker.close_code().await,
                    4004,
                    "{length} bytes at {door}"
                );
            }
            arena.serves().await;
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn messages_that_dribble_are_closed_with_4004() {
    for mut arena in Arena::both(DEADLINES).await {
        for door in DOORS {
            let mut dribbling = Vec::new();
            for _ in 0..20 {
                let mut attacker = arena.raw().await.upgrade(door).await;
                assert!(attacker.packet().await["welcome"].is_string());
                dribbling.push(tokio::spawn(async move {
                    let endless = raw::frame(TEXT, " ".repeat(10_000));
                    for byte in endless {
                        if attacker.try_write([byte]).await.is_err() {
                            break;
                        }
                        // Pings do not help: it is the message that has to end. They would be inside of its frame.
                        tokio::time::sleep(PAUSE).await;
                        if attacker.has_something_to_read() {
                            break;
                        }
                    }
                    attacker.close_code().await
                }));
            }
            a_client_connects(&mut arena).await;
            for attacker in dribbling {
                assert_eq!(attacker.await.unwrap(), 4004);
            }
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn a_close_that_is_never_answered_ends_on_its_deadline() {
    for mut arena in Arena::both(DEADLINES).await {
        for door in DOORS {
            let mut attacker = arena.raw().await.upgrade(door).await;
            attacker.send(TEXT, "{\"event\":\"quit\"}").await;
            attacker.close_code().await;
            // It goes on talking instead, so that the socket is never quiet.
            within("the end", async {
                while attacker.try_write(raw::frame(TEXT, "{}")).await.is_ok() {
                    tokio::time::sleep(PAUSE).await;
                }
            })
            .await;
            arena.serves().await;
        }
        arena.survives().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_never_read_does_not_hold_up_the_others() {
    for mut arena in Arena::both(DEADLINES).await {
        let mut idle = Vec::new();
        for _ in 0..20 {
            let mut attacker = arena.raw_with_small_window().await;
            // More answers than the system keeps for a peer that takes none.
            let request = "GET /stellar-client.js HTTP/1.1\r\nHost: x\r\n\r\n";
            attacker.write(request.repeat(20)).await;
            idle.push(attacker);
        }
        a_client_connects(&mut arena).await;
        drop(idle);
        arena.survives().await;
    }
}

/// A member of a room that reads nothing, however its bytes travel.
#[tokio::test]
async fn a_socket_that_takes_nothing_is_cut() {
    const CUT: &str = "stellar_connections_closed_total{reason=\"write_timeout\"}";
    let config = "[limits]\nwrite_timeout_ms = 300\nmax_outbox_bytes = 67108864\n";
    for arena in Arena::both(config).await {
        let mut deaf = arena.raw_with_small_window().await.upgrade("/ws").await;
        let join = "{\"event\":\"roomAdd\",\"room\":\"defaultRoom\"}";
        deaf.send(TEXT, join).await;
        while deaf.packet().await["status"] != "OK" {}
        let mut speaker = arena.client().await;
        speaker.join("defaultRoom").await;
        // More than the system and TLS keep for it.
        let text = "x".repeat(500_000);
        for _ in 0..16 {
            speaker.say("defaultRoom", &*text).await;
            speaker.hears().await;
        }
        arena.counts(CUT).await;
        arena.survives().await;
    }
}

/// A file is not sent for ever to somebody who does not take it, nor what TLS has of it.
#[tokio::test]
async fn a_download_that_is_not_read_is_given_up() {
    const SIZE: usize = 64 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("large.bin")).unwrap();
    file.set_len(SIZE as u64).unwrap();
    let config = format!(
        "public = {:?}\n[limits]\nwrite_timeout_ms = 300\n",
        folder.path().to_str().unwrap()
    );
    for arena in Arena::both(&config).await {
        let descriptors = format!("/proc/{}/fd", arena.server.pid());
        let has_file_open = || {
            std::fs::read_dir(&descriptors)
                .unwrap()
                .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
                .any(|path| path.ends_with("large.bin"))
        };
        // Also one that is asked for more meanwhile.
        for is_talkative in [false, true] {
            let mut reader = arena.raw_with_small_window().await;
            let request = "GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n";
            reader.write(request).await;
            eventually("the download has begun", has_file_open).await;
            within("the end of the download", async {
                while has_file_open() {
                    if is_talkative {
                        let _gone = reader.try_write(request).await;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            })
            .await;
            let received = reader.rest().await.len();
            assert!(received < SIZE, "all of it was sent");
        }
        arena.survives().await;
    }
}
