//! What one connection says reaches everybody in order, exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use stellar::app::{App, AppBuilder, ChatMiddleware, Verdict};
use stellar::config::Config;

use crate::support::server::{Running, start};

/// Says `count` messages in one burst while five others listen, and checks what everybody got.
async fn everybody_hears_all(builder: AppBuilder, count: u64, padding: usize) -> Running {
    let server = start(builder, Config::default()).await;
    let mut speaker = server.primus().await;
    speaker.join("defaultRoom").await;
    let mut listeners = Vec::new();
    for n in 0..5 {
        let mut listener = if n % 2 == 0 {
            server.primus().await
        } else {
            server.plain().await
        };
        listener.join("defaultRoom").await;
        listeners.push(tokio::spawn(async move {
            let mut heard = Vec::new();
            while heard.len() < usize::try_from(count).unwrap() {
                heard.push(listener.hears().await);
            }
            // Exactly once: nothing follows.
            assert_eq!(listener.so_far().await, Vec::<Value>::new());
            heard
        }));
    }
    let padding = "x".repeat(padding);
    let says = (1..=count).map(
        |n| json!({"event": "say", "room": "defaultRoom", "message": {"n": n, "padding": padding}}),
    );
    let last = speaker.send_all(says).await;
    for number in (last + 1 - count)..=last {
        assert_eq!(speaker.answer(number).await["status"], "OK");
    }
    let mut own = Vec::new();
    for _ in 0..count {
        own.push(speaker.hears().await);
    }
    let numbers = |heard: &[Value]| -> Vec<(u64, u64)> {
        let number = |packet: &Value| {
            let n = packet["message"]["n"].as_u64().unwrap();
            (n, packet["seq"].as_u64().unwrap())
        };
        heard.iter().map(number).collect()
    };
    let expected: Vec<_> = (1..=count).map(|n| (n, n)).collect();
    assert_eq!(numbers(&own), expected);
    for listener in listeners {
        let heard = listener.await.unwrap();
        assert_eq!(numbers(&heard), expected);
        assert_eq!(heard, own, "the same packets for all");
    }
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_messages_reach_five_members_in_order() {
    everybody_hears_all(App::builder(), 2000, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_order_survives_hooks_that_wait() {
    // Every seventh message waits, the others do not: without a lane they would overtake it.
    let moody = ChatMiddleware::new("moody").on_say_receive(|_, said| async move {
        let n = said.message["n"].as_u64().unwrap();
        if n % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        } else if n % 3 == 0 {
            tokio::task::yield_now().await;
        }
        Verdict::Keep
    });
    everybody_hears_all(App::builder().chat_middleware(moody), 2000, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_order_survives_hooks_that_wait_for_some_receivers() {
    let count = AtomicU64::new(0);
    let moody = ChatMiddleware::new("moody").on_say(move |_, _| {
        let turn = count.fetch_add(1, Ordering::Relaxed);
        async move {
            if turn.is_multiple_of(50) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Verdict::Keep
        }
    });
    everybody_hears_all(App::builder().chat_middleware(moody), 500, 0).await;
}

/// A lane that is slower than its client makes the client wait, within bounds, and loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_lane_holds_up_its_own_client_and_loses_nothing() {
    const COUNT: u64 = 800;
    const PADDING: usize = 2000;
    let done = AtomicU64::new(0);
    let most_waiting = Arc::new(Mutex::new(0));
    let most = Arc::clone(&most_waiting);
    let slow = ChatMiddleware::new("slow").on_say_receive(move |speaker, _| {
        // One packet before these was the join.
        let waiting = speaker.message_count() - 1 - done.fetch_add(1, Ordering::Relaxed);
        let mut most = most.lock();
        *most = waiting.max(*most);
        async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Verdict::Keep
        }
    });
    everybody_hears_all(App::builder().chat_middleware(slow), COUNT, PADDING).await;
    let most = *most_waiting.lock();
    // 256 KiB may wait; without a bound nearly all of them would.
    assert!(most * 2000 < 400 * 1024, "{most} messages were waiting");
    assert!(most > 1, "there was something to wait for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_speakers_are_heard_in_one_order_by_all() {
    const EACH: u64 = 300;
    let server = start(App::builder(), Config::default()).await;
    let mut members = Vec::new();
    for n in 0..4 {
        let mut member = if n % 2 == 0 {
            server.primus().await
        } else {
            server.plain().await
        };
        member.join("defaultRoom").await;
        members.push(member);
    }
    let tasks = members.into_iter().map(|mut member| {
        tokio::spawn(async move {
            let id = member.id().await;
            let says =
                (1..=EACH).map(|n| json!({"event": "say", "room": "defaultRoom", "message": n}));
            member.send_all(says).await;
            let mut heard = Vec::new();
            for _ in 0..4 * EACH {
                heard.push(member.hears().await);
            }
            (id, heard)
        })
    });
    let all = futures_util::future::join_all(tasks).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    let first = &all[0].1;
    for (index, packet) in first.iter().enumerate() {
        assert_eq!(packet["seq"], index + 1, "no gap");
    }
    for (id, heard) in &all {
        assert_eq!(heard, first, "one order for all");
        let own = first.iter().filter(|packet| packet["from"] == *id);
        let own: Vec<_> = own
            .map(|packet| packet["message"].as_u64().unwrap())
            .collect();
        assert_eq!(
            own,
            (1..=EACH).collect::<Vec<_>>(),
            "each speaker's own order"
        );
    }
}
