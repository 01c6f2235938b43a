//! The cases. Each one is a statement of `stellar_transports::Transport`'s contract.

use std::time::Duration;

use stellar::engine::{CloseReason, Engine, Limits, Message, Publication, Sender};

use crate::recorder::{Recorder, Told};
use crate::{Client, Got, Plug};

async fn start<P: Plug>() -> (P, Recorder) {
    start_with::<P>(Limits::default()).await
}

async fn start_with<P: Plug>(limits: Limits) -> (P, Recorder) {
    let recorder = Recorder::default();
    let engine = Engine::new(recorder.clone()).limits(limits);
    (P::start(engine).await, recorder)
}

fn closes(told: &[Told]) -> usize {
    told.iter()
        .filter(|told| matches!(told, Told::Closed(_)))
        .count()
}

/// Texts are JSON strings, which every dialect can carry.
fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

pub(crate) async fn opens_with_its_handshake<P: Plug>() {
    let (plug, recorder) = start::<P>().await;
    let mut client = plug.connect("who=me").await.unwrap();
    client.send_text("\"first\"").await;
    let told = recorder.until(|told| told.len() >= 2).await;
    match &told[0] {
        Told::Opened { transport, query } => {
            assert_eq!(transport, P::TRANSPORT);
            assert!(query.contains("who=me"), "{query}");
        }
        other => panic!("the first event is the opening, not {other:?}"),
    }
    assert_eq!(told[1], Told::Text("\"first\"".into()));
}

pub(crate) async fn refuses_before_opening<P: Plug>() {
    let (plug, recorder) = start::<P>().await;
    assert_eq!(plug.connect("refuse=1").await.err(), Some(401));
    let _admitted = plug.connect("").await.unwrap();
    recorder.opened(1).await;
    assert_eq!(recorder.told().len(), 1, "a refused peer raises no event");
}

pub(crate) async fn carries_messages_both_ways_in_order<P: Plug>() {
    const COUNT: usize = 2000;
    let (plug, recorder) = start::<P>().await;
    let mut client = plug.connect("").await.unwrap();
    for batch in 0..COUNT / 100 {
        for number in batch * 100..(batch + 1) * 100 {
            client.send_text(&json(&format!("echo {number}"))).await;
        }
        for number in batch * 100..(batch + 1) * 100 {
            assert_eq!(client.receive().await, Got::Text(json(&number.to_string())));
        }
    }
    let received: Vec<_> = recorder.told().into_iter().skip(1).collect();
    let expected = (0..COUNT).map(|number| Told::Text(json(&format!("echo {number}"))));
    assert_eq!(received, expected.collect::<Vec<_>>());
}

pub(crate) async fn carries_unicode_binary_and_large_messages<P: Plug>() {
    let (plug, _recorder) = start::<P>().await;
    let mut client = plug.connect("").await.unwrap();
    for text in ["äöü €", "日本語", "👩‍👩‍👧", "\u{0}\u{1f}", "a\"b\\c"] {
        client.send_text(&json(&format!("echo {text}"))).await;
        assert_eq!(client.receive().await, Got::Text(json(text)));
    }
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    client.send_binary(&bytes).await;
    assert_eq!(client.receive().await, Got::Binary(bytes));
    let large = "x".repeat(1_000_000);
    client.send_text(&json(&format!("echo {large}"))).await;
    assert_eq!(client.receive().await, Got::Text(json(&large)));
}

pub(crate) async fn reports_a_close_by_the_peer_once<P: Plug>() {
    let (plug, recorder) = start::<P>().await;
    let client = plug.connect("").await.unwrap();
    recorder.opened(1).await;
    client.close().await;
    assert!(matches!(
        recorder.closed().await,
        CloseReason::PeerClosed(_)
    ));
    // A second peer's whole life later there is still one close of the first.
    let second = plug.connect("").await.unwrap();
    recorder.opened(2).await;
    second.close().await;
    let told = recorder.until(|told| closes(told) >= 2).await;
    assert_eq!(closes(&told), 2);
}

pub(crate) async fn reports_a_broken_connection_once<P: Plug>() {
    let (plug, recorder) = start::<P>().await;
    let client = plug.connect("").await.unwrap();
    recorder.opened(1).await;
    drop(client);
    match recorder.closed().await {
        CloseReason::PeerGone => {}
        CloseReason::HeartbeatMissed if P::MAY_GO_UNSEEN => {}
        other => panic!("closed for {other:?}"),
    }
    assert_eq!(closes(&recorder.told()), 1);
}

pub(crate) async fn ends_when_the_server_says_so<P: Plug>() {
    for reason in [
        CloseReason::Ended,
        CloseReason::GoingAway,
        CloseReason::Reconnect,
    ] {
        let (plug, recorder) = start::<P>().await;
        let mut client = plug.connect("").await.unwrap();
        let spark = recorder.opened(1).await.remove(0);
        spark.end(reason.clone());
        spark.end(CloseReason::Internal);
        assert_eq!(client.receive().await, Got::Closed);
        assert_eq!(recorder.closed().await, reason, "the first reason stands");
    }
}

pub(crate) async fn delivers_what_was_sent_before_the_end<P: Plug>() {
    let (plug, recorder) = start::<P>().await;
    let mut client = plug.connect("").await.unwrap();
    let spark = recorder.opened(1).await.remove(0);
    for number in 0..100 {
        spark.send(&Message::text(number.to_string())).unwrap();
    }
    spark.end(CloseReason::Reconnect);
    for number in 0..100 {
        assert_eq!(client.receive().await, Got::Text(number.to_string()));
    }
    assert_eq!(client.receive().await, Got::Closed);
}

pub(crate) async fn takes_nothing_after_the_end<P: Plug>() {
    let (plug, recorder) = start::<P>().await;
    let mut client = plug.connect("").await.unwrap();
    let spark = recorder.opened(1).await.remove(0);
    spark.end(CloseReason::Ended);
    assert!(spark.send(&Message::text("\"late\"")).is_err());
    client.send_text("\"late\"").await;
    assert_eq!(client.receive().await, Got::Closed);
    recorder.closed().await;
    let told = recorder.told();
    assert!(!told.contains(&Told::Text("\"late\"".into())), "{told:?}");
}

pub(crate) async fn leaves_data_where_it_is_while_paused<P: Plug>() {
    let (plug, recorder) = start::<P>().await;
    let mut client = plug.connect("").await.unwrap();
    let spark = recorder.opened(1).await.remove(0);
    spark.pause();
    let mut other = plug.connect("").await.unwrap();
    let send = async {
        for number in 0..10 {
            client.send_text(&json(&format!("echo {number}"))).await;
        }
        client
    };
    let watch = async {
        // Messages to the paused peer still go out; its own stay unread.
        spark.send(&Message::text("\"marker\"")).unwrap();
        for _ in 0..20 {
            other.send_text("\"echo beat\"").await;
            assert_eq!(other.receive().await, Got::Text("\"beat\"".into()));
        }
        let told = recorder.told();
        assert!(
            !told.contains(&Told::Text("\"echo 0\"".into())),
            "nothing is read while paused"
        );
        spark.resume();
    };
    let (mut client, ()) = tokio::join!(send, watch);
    assert_eq!(client.receive().await, Got::Text("\"marker\"".into()));
    for number in 0..10 {
        assert_eq!(client.receive().await, Got::Text(json(&number.to_string())));
    }
}

pub(crate) async fn cuts_a_consumer_that_does_not_keep_up<P: Plug>() {
    let limits = Limits {
        max_outbox: 256 * 1024,
        close_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let (plug, recorder) = start_with::<P>(limits).await;
    let _slow = plug.connect("").await.unwrap();
    let spark = recorder.opened(1).await.remove(0);
    let mut healthy = plug.connect("").await.unwrap();
    recorder.opened(2).await;
    // More than any socket buffer and the outbox together.
    let message = Message::text(json(&"x".repeat(64 * 1024)));
    let mut sent = 0;
    while spark.send(&message).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "the outbox is bounded");
        healthy.send_text("\"echo ping\"").await;
        assert_eq!(healthy.receive().await, Got::Text("\"ping\"".into()));
    }
    assert!(sent >= 3, "what fits into the outbox is taken");
    assert_eq!(recorder.closed().await, CloseReason::SlowConsumer);
    healthy.send_text("\"echo after\"").await;
    assert_eq!(healthy.receive().await, Got::Text("\"after\"".into()));
}

pub(crate) async fn closes_on_a_message_over_the_limit<P: Plug>() {
    if P::HAS_NO_SIZE_LIMIT {
        return;
    }
    let limits = Limits {
        max_message: 1000,
        ..Limits::default()
    };
    let (plug, recorder) = start_with::<P>(limits).await;
    let mut client = plug.connect("").await.unwrap();
    // Where a message has a name, that counts too.
    let fits = "x".repeat(970);
    client
        .send_text(&json(&format!("echo {}", &fits[5..])))
        .await;
    assert_eq!(client.receive().await, Got::Text(json(&fits[5..])));
    client.send_text(&json(&"x".repeat(1000))).await;
    assert_eq!(client.receive().await, Got::Closed);
    assert_eq!(recorder.closed().await, CloseReason::MessageTooBig);
}

pub(crate) async fn keeps_an_idle_peer_alive<P: Plug>() {
    let interval = Duration::from_millis(1500);
    let limits = Limits {
        ping_interval: Some(interval),
        ..Limits::default()
    };
    let (plug, recorder) = start_with::<P>(limits).await;
    let mut client = plug.connect("").await.unwrap();
    recorder.opened(1).await;
    // The client's library answers pings while it waits for a message that does not come.
    let idle = tokio::time::timeout(interval * 3, client.receive()).await;
    assert!(idle.is_err(), "nothing but pings: {idle:?}");
    client.send_text("\"echo here\"").await;
    assert_eq!(client.receive().await, Got::Text("\"here\"".into()));
}

pub(crate) async fn encodes_a_broadcast_once<P: Plug>() {
    let recorder = Recorder::default();
    let engine = Engine::new(recorder.clone());
    let hub = std::sync::Arc::clone(engine.hub());
    let plug = P::start(engine).await;
    hub.create("room");
    let mut clients = Vec::new();
    for count in 1..=5 {
        clients.push(plug.connect("").await.unwrap());
        for spark in recorder.opened(count).await {
            let _already_in = hub.join(&spark, "room");
        }
    }
    for number in 0..20 {
        hub.publish(&Publication {
            room: "room".to_owned(),
            body: format!("[{number}]"),
            from: Sender::Server,
            sent_at: 1,
        })
        .unwrap();
    }
    for client in &mut clients {
        for number in 0..20 {
            assert_eq!(client.receive().await, Got::Text(format!("[{number}]")));
        }
    }
}
