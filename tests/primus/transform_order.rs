use std::time::Duration;

use serde_json::json;
use stellar::primus::{Direction, Packet, Primus, Transform, WriteError, Written};

use crate::World;

const WRITERS: usize = 4;
const EACH: usize = 250;

/// Takes no time, a turn of the scheduler, or a millisecond, as chance will have it.
fn moody() -> Transform {
    Transform::waiting(|packet: Packet| async move {
        match uuid::Uuid::new_v4().as_bytes()[0] % 4 {
            0 => tokio::time::sleep(Duration::from_millis(1)).await,
            1 => tokio::task::yield_now().await,
            _ => {}
        }
        Ok(Some(packet))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_several_writers_each_keep_their_order() {
    let builder = Primus::builder()
        .transform(Direction::Outgoing, moody())
        .transform(Direction::Outgoing, moody());
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    spark.transform(Direction::Outgoing, moody());
    for writer in 0..WRITERS {
        let spark = spark.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                spark.write(json!([writer, number])).unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    let mut next = [0; WRITERS];
    for _ in 0..WRITERS * EACH {
        let packet = client.next_packet().await;
        let writer = usize::try_from(packet[0].as_u64().unwrap()).unwrap();
        assert_eq!(packet[1], next[writer], "of writer {writer}");
        next[writer] += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_client_keep_their_order() {
    let builder = Primus::builder()
        .transform(Direction::Incoming, moody())
        .on_data(|spark, packet| {
            spark.write(packet.data).unwrap();
        });
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    spark.transform(Direction::Incoming, moody());
    client.send_all((0..1000).map(|number| json!(number))).await;
    for number in 0..1000 {
        assert_eq!(client.next_packet().await, number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_to_all_keep_their_order() {
    let builder = Primus::builder().transform(Direction::Outgoing, moody());
    let mut world = World::start(builder).await;
    let (mut ann, spark) = world.client().await;
    let (mut bob, _) = world.client().await;
    // One of them has a way of its own.
    spark.transform(Direction::Outgoing, moody());
    for number in 0..300 {
        world.primus.write(number).unwrap();
    }
    for client in [&mut ann, &mut bob] {
        for number in 0..300 {
            assert_eq!(client.next_packet().await, number);
        }
    }
}

/// A transform that never ends must not have the memory run full.
#[tokio::test]
async fn what_waits_for_a_transform_is_bounded() {
    let stuck = Transform::waiting(|_| std::future::pending());
    let mut world = World::start(Primus::builder()).await;
    let (_client, spark) = world.client().await;
    let (mut other, free) = world.client().await;
    spark.transform(Direction::Outgoing, stuck);
    let text = "x".repeat(10_000);
    let mut taken = 0;
    let refused = loop {
        match spark.write(text.as_str()) {
            Ok(written) => assert_eq!(written, Written::Transforming),
            Err(error) => break error,
        }
        taken += 1;
        assert!(taken < 1000, "it takes all");
    };
    assert_eq!(refused, WriteError::Busy);
    free.write("others are free").unwrap();
    assert_eq!(other.next_packet().await, "others are free");
}
