use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use stellar::engine::{Rate, Rates};
use stellar::primus::{Direction, Packet, Primus, Transform};

use crate::support::{eventually, within};
use crate::{Log, World};

const MESSAGES: u64 = 4000;
/// Each is some 4 KiB on the wire, and all are more than the buffers of any socket hold.
const FILLING: usize = 4 * 1024;
/// The server stops at 256 KiB of what it keeps; what it has kept by then fits in here, and not much more.
const MOST: u64 = 256 * 1024 / FILLING as u64 + 40;

/// Has a client send all messages from a task of its own, for as long as the server takes it.
fn pour(mut client: crate::support::Client) -> tokio::task::JoinHandle<crate::support::Client> {
    tokio::spawn(async move {
        let filling = "x".repeat(FILLING);
        client
            .send_all((0..MESSAGES).map(|number| json!([number, filling])))
            .await;
        client
    })
}

/// Waits until the server has stopped reading, and asserts that it did so in time.
async fn stopped(world: &World) {
    let received = &world.metrics.received;
    eventually("a full inbox", || received.get() >= 16).await;
    let mut before = 0;
    // Two looks with the same result, a quarter of a second apart, while the client has much more to send.
    within("a stop", async {
        while before != received.get() {
            before = received.get();
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    })
    .await;
    assert!(before <= MOST, "{before} messages are kept");
}

#[tokio::test]
async fn data_that_nobody_takes_stops_the_client_and_nothing_is_lost() {
    let mut world = World::start(Primus::builder()).await;
    let (client, spark) = world.client().await;
    let pouring = pour(client);
    stopped(&world).await;
    assert!(!pouring.is_finished());
    let mut data = spark.data();
    for expected in 0..MESSAGES {
        let packet = within("data", data.next()).await.unwrap();
        assert_eq!(packet.data[0].as_i64(), i64::try_from(expected).ok());
    }
    // The other direction was free all the time.
    let mut client = pouring.await.unwrap();
    spark.write("done").unwrap();
    assert_eq!(client.next_packet().await, "done");
}

#[tokio::test]
async fn a_listener_that_comes_late_gets_everything_in_order() {
    let mut world = World::start(Primus::builder()).await;
    let (client, spark) = world.client().await;
    let _pouring = pour(client);
    stopped(&world).await;
    let seen = Log::new();
    let log = seen.clone();
    spark.on_data(move |_, packet| log.push(packet.data[0].as_i64().unwrap()));
    let all = seen.reaches(usize::try_from(MESSAGES).unwrap()).await;
    assert!(all.is_sorted() && all.len() == 4000);
}

#[tokio::test]
async fn a_slow_transform_stops_the_client_too() {
    let (gate, seen) = (Log::new(), Log::new());
    let (opened, log) = (gate.clone(), seen.clone());
    let slow = Transform::waiting(move |packet: Packet| {
        let gate = opened.clone();
        async move {
            gate.reaches(1).await;
            Ok(Some(packet))
        }
    });
    let builder = Primus::builder()
        .transform(Direction::Incoming, slow)
        .on_data(move |_, packet| log.push(packet.data[0].as_i64().unwrap()));
    let mut world = World::start(builder).await;
    let (client, _spark) = world.client().await;
    let _pouring = pour(client);
    stopped(&world).await;
    assert_eq!(seen.all(), Vec::<i64>::new());
    gate.push(());
    let all = seen.reaches(usize::try_from(MESSAGES).unwrap()).await;
    assert!(all.is_sorted());
}

#[tokio::test]
async fn clients_that_poll_are_stopped_too() {
    let mut world = World::start(Primus::builder()).await;
    let (session, spark) = world.polling().await;
    let (_polls, mut posts) = session.split();
    let sending = tokio::spawn(async move {
        let filling = "x".repeat(FILLING);
        for number in 0..1000 {
            let body = format!("4[{number},\"{filling}\"]");
            let request = crate::support::engineio::Request::post(&posts.target, body);
            let reply = posts.line.exchange(&request).await;
            assert_eq!((reply.status, reply.text()), (200, "ok"));
        }
    });
    stopped(&world).await;
    assert!(!sending.is_finished());
    let mut data = spark.data();
    for expected in 0..1000 {
        let packet = within("data", data.next()).await.unwrap();
        assert_eq!(packet.data[0].as_i64(), Some(expected));
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn a_pause_lasts_until_it_is_resumed_whoever_else_holds_the_client_up() {
    let seen = Log::new();
    let log = seen.clone();
    let builder = Primus::builder().on_data(move |_, packet| log.push(packet.data.to_json()));
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    let (mut other, _) = world.client().await;
    // One that is not paused is not resumed in advance.
    spark.resume();
    spark.pause();
    spark.pause();
    client.send(json!(1)).await;
    other.send(json!("free")).await;
    seen.becomes([json!("free")]).await;
    // What is sent to the client goes on.
    spark.write("still here").unwrap();
    assert_eq!(client.next_packet().await, "still here");
    assert_eq!(seen.all().len(), 1);
    spark.resume();
    seen.becomes([json!("free"), json!(1)]).await;
    spark.resume();
    spark.pause();
    client.send(json!(2)).await;
    other.send(json!("free")).await;
    seen.becomes([json!("free"), json!(1), json!("free")]).await;
    spark.resume();
    assert_eq!(seen.reaches(4).await[3], json!(2));
}

/// Waits for five intervals of pings, a second each. A client that is not read from cannot answer.
#[tokio::test]
async fn one_that_is_not_read_from_does_not_miss_a_heartbeat() {
    let interval = Duration::from_secs(1);
    let mut world = World::start(Primus::builder().ping_interval(Some(interval))).await;
    let (mut client, spark) = world.client().await;
    spark.pause();
    client.read_for(interval * 3).await;
    assert!(spark.is_open());
    spark.resume();
    client.read_for(interval * 2).await;
    assert!(spark.is_open());
}

#[tokio::test]
async fn whoever_sends_more_than_the_rate_allows_is_ended_and_may_return() {
    let rates = Rates {
        messages: Rate::new(0.001, 3),
        ..Rates::default()
    };
    let mut world = World::start(Primus::builder().rates(rates)).await;
    for _ in 0..2 {
        let (mut client, spark) = world.client().await;
        let mut data = spark.data();
        client.send_all((0..4).map(|number| json!([number]))).await;
        for expected in 0..3 {
            let packet = within("data", data.next()).await.unwrap();
            assert_eq!(packet.data[0].as_i64(), Some(expected));
        }
        assert_eq!(client.closed().await.code, 4007);
        assert!(within("the end", data.next()).await.is_none());
    }
}
