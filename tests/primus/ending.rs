use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use stellar::engine::Limits;
use stellar::primus::{Builder, CloseReason, End, Primus, Spark};

use crate::support::engineio::{Opening, PRIMUS, Version};
use crate::support::within;
use crate::{Log, World, rest};

/// A close frame without one, as Primus sends it: its clients look at the frames in front.
const NO_CODE: u16 = 1005;
const CLOSE: &str = "\"primus::server::close\"";

/// A server that sends no pings.
fn quiet() -> Builder {
    Primus::builder().ping_interval(None)
}

/// What a client on a WebSocket reads when its connection is ended like this.
async fn last_words(end: End) -> (Vec<String>, u16) {
    let mut world = World::start(quiet()).await;
    let (mut socket, spark) = world.socket().await;
    spark.end_with(end);
    // What comes after the end is not said any more.
    spark.end();
    assert!(spark.write("late").is_err());
    rest(&mut socket).await
}

fn frames(frames: &[&str]) -> Vec<String> {
    frames.iter().map(|&frame| frame.to_owned()).collect()
}

#[tokio::test]
async fn an_end_for_good_says_so() {
    assert_eq!(last_words(End::new()).await, (frames(&[CLOSE]), NO_CODE));
    let with_data = End::new().data(json!({"bye": 1}));
    let expected = frames(&["{\"bye\":1}", CLOSE]);
    assert_eq!(last_words(with_data).await, (expected, NO_CODE));
}

#[tokio::test]
async fn an_end_to_come_back_from_is_silent() {
    assert_eq!(last_words(End::new().reconnect()).await, (vec![], NO_CODE));
    let with_data = End::new().data("back soon").reconnect();
    let expected = frames(&["\"back soon\""]);
    assert_eq!(last_words(with_data).await, (expected, NO_CODE));
}

#[tokio::test]
async fn a_hint_says_when_to_come_back() {
    let hint = "\"primus::server::retry::1500\"";
    let end = End::new().retry_after(Duration::from_millis(1500));
    assert_eq!(last_words(end.clone()).await, (frames(&[hint]), NO_CODE));
    let expected = frames(&["\"wait\"", hint]);
    assert_eq!(last_words(end.data("wait")).await, (expected, NO_CODE));
}

#[tokio::test]
async fn engine_io_on_a_websocket_reads_the_same_and_no_code_either() {
    let mut world = World::start(quiet()).await;
    let goodbye = "4\"primus::server::close\"";
    for (end, expected) in [
        (End::new().data(1), vec!["41", goodbye]),
        (End::new().reconnect(), vec![]),
    ] {
        for is_upgraded in [false, true] {
            let opening = Opening::new(world.address, Version::V4).door(PRIMUS);
            let mut socket = match is_upgraded {
                true => opening.session().await.upgrade().await,
                false => opening.socket().await,
            };
            let spark = world.spark().await;
            if !is_upgraded {
                assert!(socket.packet().await.text_form("").starts_with('0'));
            }
            spark.end_with(end.clone());
            for &packet in &expected {
                assert_eq!(socket.packet().await, packet);
            }
            assert_eq!(socket.closed().await, NO_CODE);
        }
    }
}

#[tokio::test]
async fn clients_that_poll_read_the_same() {
    let after = Duration::from_millis(20);
    for (end, expected) in [
        (
            End::new().data(1),
            vec!["41", "4\"primus::server::close\"", "1"],
        ),
        (End::new().reconnect().data(1), vec!["41", "1"]),
        (
            End::new().retry_after(after),
            vec!["4\"primus::server::retry::20\"", "1"],
        ),
    ] {
        let mut world = World::start(quiet()).await;
        let (mut session, spark) = world.polling().await;
        spark.end_with(end);
        let mut packets = Vec::new();
        while packets.last().is_none_or(|last| last != "1") {
            packets.push(session.next().await.text_form("binary "));
        }
        assert_eq!(packets, expected);
    }
}

#[tokio::test]
async fn what_was_written_before_the_end_still_leaves() {
    let mut world = World::start(quiet()).await;
    let (mut socket, spark) = world.socket().await;
    for number in 0..200 {
        spark.write(number).unwrap();
    }
    spark.end();
    let (read, code) = rest(&mut socket).await;
    let expected: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!((&read[..200], code), (&expected[..], NO_CODE));
}

/// A server that notes every end in a log.
async fn told(interval: Option<Duration>) -> (World, Log<String>) {
    let log = Log::new();
    let told = log.clone();
    let limits = Limits {
        close_timeout: Duration::from_secs(600),
        ..Limits::default()
    };
    let builder = Primus::builder()
        .limits(limits)
        .ping_interval(interval)
        .max_length(1000)
        .on_disconnection(move |spark: Spark, reason: CloseReason| {
            assert!(!spark.is_open());
            told.push(format!("server {}", reason.label()));
            async {}
        });
    (World::start(builder).await, log)
}

/// Waits for all who are told of the end of the only connection, and for their reason.
async fn ends_as(world: &World, spark: &Spark, log: &Log<String>, label: &str) {
    let expected = [format!("spark {label}"), format!("server {label}")];
    log.becomes(expected.clone()).await;
    // Who asks later is told at once.
    let late = log.clone();
    spark.on_end(move |reason| late.push(format!("late {}", reason.label())));
    let [first, second] = expected;
    assert_eq!(log.all(), [first, second, format!("late {label}")]);
    assert_eq!(world.primus.connected(), 0);
}

fn listen(spark: &Spark, log: &Log<String>) {
    let told = log.clone();
    spark.on_end(move |reason| told.push(format!("spark {}", reason.label())));
}

#[tokio::test]
async fn everybody_is_told_the_reason() {
    for label in [
        "peer_closed",
        "peer_gone",
        "ended",
        "reconnect",
        "message_too_big",
    ] {
        let (mut world, log) = told(None).await;
        let mut ended = world.primus.disconnections();
        let (mut client, spark) = world.client().await;
        listen(&spark, &log);
        match label {
            "peer_closed" => drop(client.close().await),
            "peer_gone" => client.drop_abruptly(),
            "ended" => {
                spark.end();
                client.closed().await;
            }
            "reconnect" => {
                spark.end_with(End::new().reconnect());
                client.closed().await;
            }
            _ => {
                client.send(json!("x".repeat(2000))).await;
                assert_eq!(client.closed().await.code, 1009);
            }
        }
        ends_as(&world, &spark, &log, label).await;
        let (gone, reason) = within("the end", ended.next()).await.unwrap();
        assert_eq!((gone, reason.label()), (spark, label));
    }
}

/// Waits for two intervals of pings, a second each.
#[tokio::test]
async fn silence_is_a_reason() {
    let (mut world, log) = told(Some(Duration::from_secs(1))).await;
    let (mut client, spark) = world.client().await;
    listen(&spark, &log);
    client.ignore_primus_pings();
    client.go_silent();
    client.closed().await;
    ends_as(&world, &spark, &log, "heartbeat_missed").await;
}

#[tokio::test]
async fn polling_clients_end_for_reasons_too() {
    let (mut world, log) = told(None).await;
    let (mut session, spark) = world.polling().await;
    listen(&spark, &log);
    session.send_text("1").await;
    ends_as(&world, &spark, &log, "peer_closed").await;
}

#[tokio::test]
async fn a_connection_that_is_not_read_from_ends_like_others() {
    let (mut world, log) = told(None).await;
    let (mut socket, spark) = world.socket().await;
    listen(&spark, &log);
    spark.pause();
    spark.end();
    assert_eq!(rest(&mut socket).await, (frames(&[CLOSE]), NO_CODE));
    // Not only once the server's patience with the client's part of it is over.
    ends_as(&world, &spark, &log, "ended").await;
}
