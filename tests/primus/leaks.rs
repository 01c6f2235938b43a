use std::sync::Arc;

use stellar::primus::{Direction, End, Primus, Spark, Transform, Verdict};

use crate::support::engineio::{Opening, PRIMUS, Version};
use crate::support::{Client, eventually};
use crate::{World, connect};

/// Everything that an application may hang on a connection: values, and listeners that hold the connection.
fn burden(spark: &Spark, value: &Arc<()>) {
    spark.set(Arc::clone(value));
    // A circle: the connection holds the value, which holds the connection.
    spark.set((spark.clone(), Arc::clone(value)));
    let held = || (spark.clone(), Arc::clone(value));
    let (data, error, beat, end, on_in, on_out) = (held(), held(), held(), held(), held(), held());
    spark.on_data(move |_, _| drop(data.clone()));
    spark.on_error(move |_| drop(error.clone()));
    spark.on_heartbeat(move || drop(beat.clone()));
    spark.on_end(move |_| drop(end));
    for (direction, held) in [(Direction::Incoming, on_in), (Direction::Outgoing, on_out)] {
        let transform = Transform::new(move |_| {
            drop(held.clone());
            Ok(Verdict::Pass)
        });
        spark.transform(direction, transform);
    }
}

/// Connects, talks and leaves, in one of the ways that there are.
async fn come_and_go(world: &mut World, way: usize) {
    let address = world.address;
    match way % 8 {
        0 => drop(Client::open(address, "/primus").await.close().await),
        1 => Client::open(address, "/ws").await.drop_abruptly(),
        2 => {
            let mut session = Opening::new(address, Version::V4)
                .door(PRIMUS)
                .session()
                .await;
            session.send_text("4\"x\"").await;
            session.send_text("1").await;
        }
        3 => {
            let mut session = Opening::new(address, Version::V3)
                .door(PRIMUS)
                .session()
                .await;
            let socket = session.upgrade().await;
            socket.close().await;
        }
        4 => {
            let mut client = Client::open(address, "/primus").await;
            let spark = world.spark().await;
            spark.end_with(End::new().data("bye").reconnect());
            client.closed().await;
            return;
        }
        5 => {
            // Its data is never taken.
            let mut socket = connect(address, "/primus?burden=none").await;
            socket.send("\"x\"").await;
            socket.close().await;
        }
        6 => {
            // Its handler fails, after it has hung everything on the connection.
            let mut socket = connect(address, "/primus?fail").await;
            socket.try_send("\"x\"").await;
            socket.closed().await;
        }
        _ => {
            // What it sends cannot be read, and is too long in the end.
            let mut client = Client::open(address, "/primus").await;
            client.send_text("{").await;
            client.send_text(&"x".repeat(2000)).await;
            client.closed().await;
        }
    }
    drop(world.spark().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_kept_of_connections_that_have_come_and_gone() {
    const CONNECTIONS: usize = 200;
    let value = Arc::new(());
    let given = Arc::clone(&value);
    let builder = Primus::builder()
        .max_length(1000)
        .on_connection(move |spark: Spark| {
            let value = Arc::clone(&given);
            async move {
                // As long as it runs, data waits.
                tokio::task::yield_now().await;
                match spark.uri().query() {
                    Some("burden=none") => spark.set(value),
                    _ => burden(&spark, &value),
                }
                if spark.uri().query() == Some("fail") {
                    return Err("it does");
                }
                Ok(())
            }
        })
        .on_disconnection(|spark: Spark, _| async move {
            tokio::task::yield_now().await;
            assert!(spark.uri().query() != Some("fail"), "it does");
        });
    let mut world = World::start(builder).await;
    for number in 0..CONNECTIONS {
        come_and_go(&mut world, number).await;
    }
    eventually("the ends", || world.primus.connected() == 0).await;
    // This one, and that of the handler.
    eventually("what they held to go", || Arc::strong_count(&value) == 2).await;
    assert!(world.primus.sparks().is_empty());
}

#[tokio::test]
async fn broadcasts_and_streams_keep_nobody() {
    let value = Arc::new(());
    let mut world = World::start(Primus::builder()).await;
    for number in 0..20 {
        let (client, spark) = world.client().await;
        burden(&spark, &value);
        world.primus.write(number).unwrap();
        world.primus.write_to([spark.clone()], number).unwrap();
        let stream = spark.data();
        drop(spark);
        client.close().await;
        drop(stream);
    }
    eventually("what they held to go", || Arc::strong_count(&value) == 1).await;
}

/// Who has a connection from a stream may come too late.
#[tokio::test]
async fn what_is_hung_on_a_connection_that_is_over_is_not_kept() {
    let value = Arc::new(());
    let mut world = World::start(Primus::builder()).await;
    let (client, spark) = world.client().await;
    client.close().await;
    eventually("the end", || world.primus.connected() == 0).await;
    let held = || (spark.clone(), Arc::clone(&value));
    let (data, error, beat, end) = (held(), held(), held(), held());
    spark.on_data(move |_, _| drop(data.clone()));
    spark.on_error(move |_| drop(error.clone()));
    spark.on_heartbeat(move || drop(beat.clone()));
    spark.on_end(move |_| drop(end));
    for direction in [Direction::Incoming, Direction::Outgoing] {
        let held = held();
        let transform = Transform::new(move |_| {
            drop(held.clone());
            Ok(Verdict::Pass)
        });
        spark.transform(direction, transform);
    }
    assert_eq!(Arc::strong_count(&value), 1);
}
