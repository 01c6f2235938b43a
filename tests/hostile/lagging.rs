//! Members that read nothing for a while: who speaks in their room waits for them, within limits, and nobody else does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Arena;
use crate::raw::{Raw, TEXT};
use crate::support::engineio::{Packet, Request, Session, Version};
use crate::support::{Client, within};

const LAGGING: &str = "stellar_connections_lagging";
const HELD_BACK: &str = "stellar_requests_held_back_total";
const CLOSED: &str = "stellar_connections_closed_total{reason=\"peer_gone\"}";
const SLOW: &str = "stellar_connections_closed_total{reason=\"slow_consumer\"}";

/// Nothing but what a test says of a lag ends a connection or a wait.
const PATIENT: &str = "[general]\nstarting_rooms = [\"defaultRoom\", \"elsewhere\"]\nshutdown_timeout_ms = 600000\n\
    [limits]\nmax_outbox_bytes = 67108864\nlag_bytes = 262144\nwrite_timeout_ms = 600000\nclose_timeout_ms = 1000\n\
    ping_interval_ms = 0\nlag_timeout_ms = LAG\n\
    [polling]\nping_interval_ms = 3600000\n[socketio]\nping_interval_ms = 3600000\n";

/// An hour.
const FOR_EVER: u64 = 3_600_000;

/// What one message says.
const SIZE: usize = 64 * 1024;

/// More messages than the systems of both ends and an outbox take.
const ENOUGH: u64 = 2000;

/// Waits for those that lag are to end after so many ms.
async fn arena(lag_timeout: u64) -> Arena {
    Arena::configured(&PATIENT.replace("LAG", &lag_timeout.to_string())).await
}

/// A member that reads nothing from now on, and whose system takes only a few kB.
async fn stalled(arena: &Arena) -> Raw {
    let mut member = Raw::with_small_window(arena.address())
        .await
        .upgrade("/ws")
        .await;
    let join = "{\"event\":\"roomAdd\",\"room\":\"defaultRoom\"}";
    member.send(TEXT, join).await;
    while member.packet().await["context"] != "response" {}
    member
}

fn say(message: &str) -> Value {
    json!({"event": "say", "room": "defaultRoom", "message": message})
}

/// Speaks until a member lags: what is said next waits.
async fn make_lag(arena: &Arena, speaker: &mut Client) {
    let message = "x".repeat(SIZE);
    for _ in 0..ENOUGH {
        assert_eq!(speaker.request(say(&message)).await["status"], "OK");
        speaker.hears().await;
        if arena.metric(LAGGING).await == 1 {
            return;
        }
    }
    panic!("nobody lags after {ENOUGH} messages");
}

/// Reads all that comes, until the end.
fn catch_up(mut member: Raw) {
    tokio::spawn(async move {
        while member.gets_something().await {
            while member.frame().await.is_some() {}
        }
    });
}

/// A speaker on `/ws` that is a member of both rooms.
async fn speaker(arena: &Arena) -> Client {
    let mut speaker = arena.server.plain().await;
    speaker.join("defaultRoom").await;
    speaker.join("elsewhere").await;
    speaker
}

#[tokio::test]
async fn a_post_waits_for_a_member_that_lags_and_goes_on_when_it_has_caught_up() {
    for version in Version::BOTH {
        let arena = arena(FOR_EVER).await;
        let slow = stalled(&arena).await;
        let mut first = speaker(&arena).await;
        make_lag(&arena, &mut first).await;

        let mut pollers = Vec::new();
        for _ in 0..3 {
            let mut poller = Session::greeted(arena.address(), version).await;
            poller.join("defaultRoom").await;
            pollers.push(poller);
        }
        // The first waits for the member, the others behind it; of the rest, only a little is taken.
        let message = Packet::message(say(&"x".repeat(SIZE)));
        let payload = version.payload(&vec![message; 12]);
        let mut posts = Vec::new();
        for poller in pollers {
            let (mut polls, mut post) = poller.split();
            // It hears what it says.
            let polling = tokio::spawn(async move {
                let request = Request::get(&polls.target);
                while polls.line.exchange(&request).await.status == 200 {}
            });
            let request = Request::post(&post.target, payload.clone());
            post.line.send(&request).await;
            posts.push((polling, post));
        }
        arena.reaches(HELD_BACK, 3).await;
        for (_, post) in &mut posts {
            assert!(post.line.is_quiet(), "it is answered when all is taken");
        }
        catch_up(slow);
        for (_, post) in &mut posts {
            assert_eq!(post.line.reply().await.status, 200);
        }
        for _ in 0..3 * 12 {
            first.hears().await;
        }
        arena.reaches_none(LAGGING).await;
        assert_eq!(arena.metric(SLOW).await, 0);
        posts.iter().for_each(|(polling, _)| polling.abort());
        arena.survives().await;
    }
}

#[tokio::test]
async fn a_speaker_that_waits_is_served_in_all_else() {
    let mut arena = arena(FOR_EVER).await;
    let slow = stalled(&arena).await;
    let mut waiting = speaker(&arena).await;
    let mut other = speaker(&arena).await;
    make_lag(&arena, &mut waiting).await;
    let number = waiting.send(say("waits")).await;
    let event = json!({"event": "event", "params": {"room": "defaultRoom", "event": "rung"}});
    waiting.send(event).await;
    let behind = waiting.send(json!({"event": "detailsView"})).await;
    arena.reaches(HELD_BACK, 1).await;

    // Who speaks where nobody lags does not wait, and is heard by who does.
    for message in 0..100 {
        let answer = other.say("elsewhere", message).await;
        assert_eq!(answer["status"], "OK");
        while waiting.hears().await["message"] != message {}
    }
    waiting.send_ping().await;
    waiting.read_for(Duration::from_millis(1)).await;
    crate::support::within("a pong", async {
        while waiting.pongs == 0 {
            waiting.read_for(Duration::from_millis(5)).await;
        }
    })
    .await;
    arena.serves().await;
    assert_eq!(arena.metric(HELD_BACK).await, 1);
    assert_eq!(arena.metric(LAGGING).await, 1);

    // The order of answers is that of requests, and all is said once.
    catch_up(slow);
    assert_eq!(waiting.answer(number).await["status"], "OK");
    assert_eq!(waiting.answer(number + 1).await["status"], "OK");
    assert_eq!(waiting.answer(behind).await["status"], "OK");
    while other.hears().await["message"] != "waits" {}
    assert_eq!(other.hears().await["message"]["event"], "rung");
    arena.reaches_none(LAGGING).await;
    assert_eq!(arena.metric(SLOW).await, 0);
    arena.survives().await;
}

#[tokio::test]
async fn a_speaker_that_goes_while_it_waits_is_forgotten() {
    let arena = arena(FOR_EVER).await;
    let slow = stalled(&arena).await;
    let mut lasting = speaker(&arena).await;
    make_lag(&arena, &mut lasting).await;
    let mut leaving = Vec::new();
    for _ in 0..3 {
        leaving.push(speaker(&arena).await);
    }
    for (held, speaker) in (1..).zip(&mut leaving) {
        speaker.send(say("never said")).await;
        arena.reaches(HELD_BACK, held).await;
    }
    let number = lasting.send(say("said")).await;
    arena.reaches(HELD_BACK, 4).await;
    // One whose turn has come, and those behind it.
    leaving.into_iter().for_each(Client::drop_abruptly);
    arena.reaches(CLOSED, 3).await;

    catch_up(slow);
    assert_eq!(lasting.answer(number).await["status"], "OK");
    assert_eq!(lasting.hears().await["message"], "said");
    arena.survives().await;
}

#[tokio::test]
async fn who_goes_is_not_waited_for() {
    let arena = arena(FOR_EVER).await;
    let slow = stalled(&arena).await;
    let mut speaker = speaker(&arena).await;
    make_lag(&arena, &mut speaker).await;
    let number = speaker.send(say("said")).await;
    arena.reaches(HELD_BACK, 1).await;
    drop(slow);
    assert_eq!(speaker.answer(number).await["status"], "OK");
    arena.reaches_none(LAGGING).await;
    arena.survives().await;
}

#[tokio::test]
async fn a_member_that_reads_nothing_is_waited_for_once_and_cut() {
    let config = PATIENT.replace("max_outbox_bytes = 67108864", "max_outbox_bytes = 4194304");
    let arena = Arena::configured(&config.replace("LAG", "200")).await;
    let _slow = stalled(&arena).await;
    let mut speaker = speaker(&arena).await;
    let message = "x".repeat(SIZE);
    let mut said = 0;
    while arena.metric(SLOW).await == 0 {
        assert!(said < ENOUGH, "not cut after {said}");
        assert_eq!(speaker.request(say(&message)).await["status"], "OK");
        speaker.hears().await;
        said += 1;
    }
    // Those after the first did not wait again.
    assert_eq!(arena.metric(HELD_BACK).await, 1);
    arena.reaches_none(LAGGING).await;
    arena.survives().await;
}

#[tokio::test]
async fn a_speaker_that_does_not_read_waits_for_itself_no_longer_than_for_others() {
    let arena = arena(200).await;
    let mut listener = speaker(&arena).await;
    let mut stubborn = stalled(&arena).await;
    let text = say(&"x".repeat(SIZE)).to_string();
    let speaking = tokio::spawn(async move {
        for _ in 0..200 {
            stubborn.send(TEXT, &text).await;
        }
        stubborn
    });
    for seq in 1..=200 {
        assert_eq!(listener.hears().await["seq"], seq);
    }
    let _stubborn = within("the last word", speaking).await.unwrap();
    assert_eq!(arena.metric(SLOW).await, 0);
    arena.survives().await;
}

#[tokio::test]
async fn nobody_waits_in_a_server_that_stops() {
    let arena = arena(FOR_EVER).await;
    let _slow = stalled(&arena).await;
    let mut speaker = speaker(&arena).await;
    make_lag(&arena, &mut speaker).await;
    let number = speaker.send(say("last words")).await;
    arena.reaches(HELD_BACK, 1).await;
    arena.server.terminate();
    assert_eq!(speaker.answer(number).await["status"], "OK");
    assert_eq!(speaker.hears().await["message"], "last words");
    assert_eq!(speaker.closed().await.code, 1001);
    assert_eq!(arena.server.finished().await.code, Some(0));
}
