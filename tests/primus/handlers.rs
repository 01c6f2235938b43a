use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use stellar::primus::{
    Builder, Direction, Primus, ReadyState, Spark, SparkError, Transform, WriteError,
};
use tokio::sync::Semaphore;

use crate::support::{Client, eventually, within};
use crate::{Log, World, rest};

/// A builder whose connection handler waits for `gate`, then has data logged.
fn gated(gate: &Arc<Semaphore>, log: &Log<i64>) -> Builder {
    let (gate, log) = (Arc::clone(gate), log.clone());
    Primus::builder().on_connection(move |spark: Spark| {
        let (gate, log) = (Arc::clone(&gate), log.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            spark.on_data(move |_, packet| log.push(packet.data.as_i64().unwrap()));
        }
    })
}

#[tokio::test]
async fn a_handler_that_takes_its_time_holds_data_back_and_loses_none() {
    let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
    let mut world = World::start(gated(&gate, &log)).await;
    let (mut client, _spark) = world.client().await;
    client.send_all((0..50).map(|number| json!(number))).await;
    world.received(50).await;
    assert_eq!(log.all(), Vec::<i64>::new());
    gate.add_permits(1);
    client.send_all((50..100).map(|number| json!(number))).await;
    log.becomes(0..100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_finds_itself_connected_misses_no_message_to_all() {
    let world = World::start(Primus::builder()).await;
    for number in 1..=300 {
        // It has read the 101, and nothing else.
        let mut client = Client::open(world.address, "/primus").await;
        world.primus.write(number).unwrap();
        assert_eq!(client.next_packet().await, json!(number));
    }
}

#[tokio::test]
async fn what_came_before_the_end_is_there_after_a_slow_handler() {
    let gate = Arc::new(Semaphore::new(0));
    let waited_for = Arc::clone(&gate);
    let builder = Primus::builder().on_connection(move |_: Spark| {
        let gate = Arc::clone(&waited_for);
        async move { gate.acquire().await.unwrap().forget() }
    });
    let mut world = World::start(builder).await;
    let mut ended = world.primus.disconnections();
    let (mut client, spark) = world.client().await;
    let mut data = spark.data();
    client.send_all((0..5).map(|number| json!(number))).await;
    client.close().await;
    within("the end", ended.next()).await.unwrap();
    gate.add_permits(1);
    for expected in 0..5 {
        let packet = within("data", data.next()).await;
        assert_eq!(packet.unwrap().data.as_i64(), Some(expected));
    }
    assert!(within("the end of data", data.next()).await.is_none());
}

#[tokio::test]
async fn a_handler_that_fails_ends_the_connection_for_good() {
    let (errors, data) = (Log::new(), Log::new());
    let (told, given) = (errors.clone(), data.clone());
    let gate = Arc::new(Semaphore::new(0));
    let waited_for = Arc::clone(&gate);
    let builder = Primus::builder()
        .ping_interval(None)
        .on_connection(move |spark: Spark| {
            let gate = Arc::clone(&waited_for);
            async move {
                gate.acquire().await.unwrap().forget();
                match spark.query("how").as_deref() {
                    Some("panic") => panic!("it was told to"),
                    _ => Err("no such user"),
                }
            }
        })
        .on_data(move |_, packet| given.push(packet.data.to_json()))
        .on_error(move |spark, error| {
            assert!(matches!(error, SparkError::Handler(_)));
            told.push((spark.id().into_owned(), error.to_string()));
        });
    let mut world = World::start(builder).await;
    for (number, (path, text)) in [
        ("/primus", "the connection handler failed: no such user"),
        (
            "/primus?how=panic",
            "the connection handler failed: it panicked",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut socket = crate::connect(world.address, path).await;
        let spark = world.spark().await;
        socket.send("\"let me in\"").await;
        world.received(number as u64 + 1).await;
        gate.add_permits(1);
        let close = vec!["\"primus::server::close\"".to_owned()];
        assert_eq!(rest(&mut socket).await, (close, 1005));
        let error = (spark.id().into_owned(), text.to_owned());
        assert_eq!(errors.reaches(number + 1).await[number], error);
        eventually("the end", || world.primus.connected() == 0).await;
    }
    // Nobody answers for what they said.
    assert_eq!(data.all(), [] as [serde_json::Value; 0]);
}

#[tokio::test]
async fn streams_tell_of_connections_that_come_and_go() {
    let mut world = World::start(Primus::builder()).await;
    let (mut second, mut ended) = (world.primus.connections(), world.primus.disconnections());
    let (ann, spark) = world.client().await;
    let same = within("a connection", second.next()).await.unwrap();
    assert_eq!(same, spark);
    assert_eq!((same.transport(), same.is_open()), ("ws", true));
    ann.close().await;
    let (gone, reason) = within("an end", ended.next()).await.unwrap();
    assert_eq!((gone, reason.label()), (spark, "peer_closed"));
    // One that nobody reads any more is in nobody's way.
    drop(second);
    let (_bob, _) = world.polling().await;
}

#[tokio::test]
async fn the_data_of_a_connection_is_a_stream() {
    let mut world = World::start(Primus::builder()).await;
    let (mut client, spark) = world.client().await;
    let mut data = spark.data();
    client.send_all([json!("a"), json!({"b": [null]})]).await;
    let packet = within("data", data.next()).await.unwrap();
    assert_eq!(packet.data.to_json(), json!("a"));
    assert!(packet.raw.is_some());
    client.close().await;
    eventually("the end", || !spark.is_open()).await;
    let packet = within("data", data.next()).await.unwrap();
    assert_eq!(packet.data.to_json(), json!({"b": [null]}));
    assert!(within("the end of data", data.next()).await.is_none());
}

#[tokio::test]
async fn a_listener_takes_over_from_the_servers() {
    let (general, own) = (Log::new(), Log::new());
    let log = general.clone();
    let builder = Primus::builder().on_data(move |_, packet| log.push(packet.data.to_json()));
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    client.send(json!(1)).await;
    general.becomes([json!(1)]).await;
    let log = own.clone();
    spark.on_data(move |spark, packet| {
        log.push(packet.data.to_json());
        spark.write("taken").unwrap();
    });
    client.send(json!(2)).await;
    assert_eq!(client.next_packet().await, "taken");
    assert_eq!((general.all(), own.all()), (vec![json!(1)], vec![json!(2)]));
}

#[tokio::test]
async fn a_connection_is_open_until_it_is_not() {
    let mut world = World::start(Primus::builder()).await;
    let (client, spark) = world.client().await;
    assert_eq!(spark.ready_state(), ReadyState::Open);
    client.close().await;
    eventually("the end", || spark.ready_state() == ReadyState::Closed).await;
    assert_eq!(spark.write("late"), Err(WriteError::Closed));
    assert!(!spark.is_open());
    within("a client that is gone", spark.ready()).await;
    // What was known of it still is.
    assert_eq!(spark.uri(), "/primus");
}

/// Waits for the interval of pings, a second here.
#[tokio::test]
async fn heartbeats_are_events() {
    let interval = Duration::from_secs(1);
    let mut world = World::start(Primus::builder().ping_interval(Some(interval))).await;
    let (mut client, spark) = world.client().await;
    let beats = Log::new();
    let log = beats.clone();
    spark.on_heartbeat(move || log.push(()));
    assert_eq!(spark.last_heartbeat(), None);
    // The client answers while it reads.
    tokio::select! {
        () = client.read_for(Duration::MAX) => {}
        _ = beats.reaches(3) => {}
    }
    assert!(spark.last_heartbeat().is_some());
    assert!(spark.is_open());
}

#[tokio::test]
async fn a_listener_that_panics_costs_its_connection_and_no_other() {
    let yielding = Transform::waiting(|packet| async move {
        tokio::task::yield_now().await;
        Ok(Some(packet))
    });
    for is_slow in [false, true] {
        let mut builder = Primus::builder().on_data(|spark, packet| {
            assert!(packet.data.as_str() != Some("boom"), "as it was told to");
            spark.write(packet.data).unwrap();
        });
        if is_slow {
            builder = builder.transform(Direction::Incoming, yielding.clone());
        }
        let mut world = World::start(builder).await;
        let mut ended = world.primus.disconnections();
        let (mut ann, spark) = world.client().await;
        let (mut bob, _) = world.client().await;
        ann.send(json!("boom")).await;
        ann.closed().await;
        let (gone, reason) = within("the end", ended.next()).await.unwrap();
        assert_eq!((gone, reason.label()), (spark, "internal"));
        bob.send(json!("elsewhere")).await;
        assert_eq!(bob.next_packet().await, "elsewhere");
    }
}

#[tokio::test]
async fn what_was_set_is_there_until_the_last_handler_is_done() {
    let log = Log::new();
    let seen = log.clone();
    let builder = Primus::builder()
        .on_connection(|spark: Spark| async move { spark.set("a value") })
        .on_disconnection(move |spark: Spark, _| {
            let log = seen.clone();
            async move {
                tokio::task::yield_now().await;
                log.push(spark.get::<&str>());
            }
        });
    let mut world = World::start(builder).await;
    let (client, spark) = world.client().await;
    eventually("the value", || spark.get::<&str>().is_some()).await;
    assert_eq!(spark.get_or_set(|| "another"), "a value");
    assert_eq!(spark.get_or_set(|| 7), 7);
    client.close().await;
    log.becomes([Some("a value")]).await;
    eventually("nothing", || spark.get::<&str>().is_none()).await;
}

/// A handler that stays with its connection for as long as that lives.
#[tokio::test]
async fn a_handler_that_reads_is_given_what_there_is_to_read() {
    let builder = Primus::builder().on_connection(|spark: Spark| async move {
        let mut data = spark.data();
        while let Some(packet) = data.next().await {
            spark.write(packet.data)?;
        }
        Ok::<_, WriteError>(())
    });
    let mut world = World::start(builder).await;
    let mut ended = world.primus.disconnections();
    let (mut client, _) = world.client().await;
    for number in 0..100 {
        client.send(json!({ "number": number })).await;
        assert_eq!(client.next_packet().await["number"], number);
    }
    client.close().await;
    within("the end", ended.next()).await.unwrap();
}

#[tokio::test]
async fn who_is_not_wanted_is_gone_whatever_the_listener_for_errors_does() {
    let log = Log::new();
    let heard = log.clone();
    let builder = Primus::builder()
        .on_connection(|_: Spark| async { Err::<(), _>("not you") })
        .on_error(|_, _| panic!("on purpose"))
        .on_data(move |_, packet| heard.push(packet.data.to_json()));
    let mut world = World::start(builder).await;
    let (mut socket, _spark) = world.socket().await;
    let (frames, code) = rest(&mut socket).await;
    assert_eq!(
        (frames, code),
        (vec!["\"primus::server::close\"".to_owned()], 1005)
    );
    assert_eq!(log.all(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn the_end_is_told_behind_the_beginning_and_what_came_in_between() {
    let (gate, log) = (Arc::new(Semaphore::new(0)), Log::new());
    let (handling, said, left) = (log.clone(), log.clone(), log.clone());
    let waited_for = Arc::clone(&gate);
    let builder = Primus::builder()
        .on_connection(move |_: Spark| {
            let (gate, log) = (Arc::clone(&waited_for), handling.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                log.push("connection".to_owned());
            }
        })
        .on_data(move |_, packet| said.push(packet.data.to_json().to_string()))
        .on_disconnection(move |spark, _| {
            let (log, kept) = (left.clone(), spark.get::<u32>());
            async move { log.push(format!("disconnection {kept:?}")) }
        });
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    spark.set(7_u32);
    client.send_all([json!(1), json!(2)]).await;
    world.received(2).await;
    client.close().await;
    eventually("the end", || !spark.is_open()).await;
    gate.add_permits(1);
    log.becomes(["connection", "1", "2", "disconnection Some(7)"].map(str::to_owned))
        .await;
    eventually("forgetting", || spark.get::<u32>().is_none()).await;
}

#[tokio::test]
async fn what_is_kept_is_there_for_whoever_takes_the_end_from_a_stream() {
    let mut world = World::start(Primus::builder()).await;
    let mut ended = world.primus.disconnections();
    for number in 0..3_u32 {
        let (client, spark) = world.client().await;
        spark.set(number);
        drop((client, spark));
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (spark, _) = within("an end", ended.next()).await.unwrap();
        seen.push(spark.get::<u32>().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
}
