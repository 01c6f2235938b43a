use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use stellar::primus::parser::Raw;
use stellar::primus::{
    Builder, Direction, HIGH_WATER, Primus, Transform, Value, Verdict, WriteError, Written,
};
use stellar::transports::Limits;

use crate::support::{eventually, within};
use crate::{World, rest};

const KIB: usize = 1024;

/// A server that lets more wait than the buffers of any socket hold.
fn patient() -> Builder {
    Primus::builder().limits(Limits {
        max_outbox: 128 * KIB * KIB,
        ..Limits::default()
    })
}

#[tokio::test]
async fn few_messages_flow() {
    let mut world = World::start(Primus::builder()).await;
    let (mut client, spark) = world.client().await;
    assert_eq!(spark.write(json!({"a": 1})), Ok(Written::Flowing));
    assert_eq!(client.next_packet().await, json!({"a": 1}));
    within("a connection with room", spark.ready()).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_full_until_it_does() {
    const MESSAGES: usize = 500;
    let mut world = World::start(patient()).await;
    let (mut client, spark) = world.client().await;
    let text = "x".repeat(64 * KIB);
    let mut was_flowing = false;
    for _ in 0..MESSAGES {
        match spark.write(text.as_str()).unwrap() {
            Written::Flowing => was_flowing = true,
            Written::Full { waiting } => assert!(waiting > HIGH_WATER),
            other => panic!("{other:?}"),
        }
        // The server's task fills the socket.
        tokio::task::yield_now().await;
    }
    assert!(was_flowing);
    assert!(matches!(spark.write(0), Ok(Written::Full { .. })));
    assert!(spark.ready().now_or_never().is_none());
    let ready = spark.clone();
    let ready = tokio::spawn(async move {
        ready.ready().await;
        ready.engine().outbox_bytes()
    });
    for _ in 0..MESSAGES {
        assert_eq!(client.next_packet().await, *text);
    }
    assert_eq!(client.next_packet().await, 0);
    let waiting = within("room", ready).await.unwrap();
    assert!(waiting < HIGH_WATER / 2, "{waiting}");
    assert_eq!(spark.write(1), Ok(Written::Flowing));
}

#[tokio::test]
async fn who_waits_for_room_never_lets_much_wait() {
    const MESSAGES: usize = 2000;
    let mut world = World::start(patient()).await;
    let (mut client, spark) = world.client().await;
    let writing = tokio::spawn(async move {
        let filling = "x".repeat(8 * KIB);
        let mut most = 0;
        for number in 0..MESSAGES {
            let data = json!([number, filling]);
            spark.write_when_ready(data).await.unwrap();
            most = most.max(spark.engine().outbox_bytes());
        }
        most
    });
    for number in 0..MESSAGES {
        assert_eq!(client.next_packet().await[0], number);
    }
    let most = within("the writer", writing).await.unwrap();
    assert!(most < HIGH_WATER, "{most}");
}

#[tokio::test]
async fn who_waits_for_room_hears_of_the_end() {
    let mut world = World::start(patient()).await;
    let (client, spark) = world.client().await;
    spark.write("x".repeat(32 * KIB * KIB)).unwrap();
    assert!(spark.ready().now_or_never().is_none());
    let waiting = spark.clone();
    let waiting = tokio::spawn(async move { waiting.write_when_ready("more").await });
    client.drop_abruptly();
    let outcome = within("the end", waiting).await.unwrap();
    assert_eq!(outcome, Err(WriteError::Closed));
}

#[tokio::test]
async fn a_client_that_does_not_keep_up_is_disconnected() {
    let limits = Limits {
        max_outbox: 256 * KIB,
        ..Limits::default()
    };
    let mut world = World::start(Primus::builder().limits(limits)).await;
    let (_client, spark) = world.client().await;
    let reason = crate::Log::new();
    let log = reason.clone();
    spark.on_end(move |reason| log.push(reason.label()));
    let text = "x".repeat(100 * KIB);
    let failed = (0..1000).find_map(|_| spark.write(text.as_str()).err());
    assert_eq!(failed, Some(WriteError::SlowConsumer));
    assert_eq!(spark.write("more"), Err(WriteError::Closed));
    reason.becomes(["slow_consumer"]).await;
}

#[tokio::test]
async fn strings_of_the_protocol_are_not_for_applications() {
    let rewrite = Transform::new(|packet| {
        if packet.data == Value::from("trick") {
            packet.data = "primus::server::close".into();
        }
        Ok(Verdict::Pass)
    });
    let builder = Primus::builder().transform(Direction::Outgoing, rewrite);
    let mut world = World::start(builder).await;
    let (mut socket, spark) = world.socket().await;
    for text in ["primus::", "primus::server::close", "trick"] {
        assert_eq!(spark.write(text), Err(WriteError::Reserved));
        assert_eq!(world.primus.write(text), Err(WriteError::Reserved));
        let to_some = world.primus.write_to([spark.clone()], text);
        assert_eq!(to_some, Err(WriteError::Reserved));
    }
    // Inside of something else, or elsewhere in a text, they are nobody's.
    spark.write(json!(["primus::"])).unwrap();
    spark.write(" primus::").unwrap();
    spark.end();
    let expected = [
        "[\"primus::\"]",
        "\" primus::\"",
        "\"primus::server::close\"",
    ];
    assert_eq!(rest(&mut socket).await.0, expected);
}

#[tokio::test]
async fn what_the_parser_has_no_place_for_is_an_error() {
    let mut world = World::start(Primus::builder().parser(Raw)).await;
    let (mut socket, spark) = world.socket().await;
    for outcome in [
        spark.write(json!({})).map(|_| ()),
        world.primus.write(json!({})),
        world.primus.write_to([spark.clone()], json!({})),
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, WriteError::Parser(_)), "{error}");
        assert_eq!(
            error.to_string(),
            "failed to encode outgoing data: only bytes and text can be sent raw"
        );
    }
    spark.write("fine").unwrap();
    assert_eq!(socket.packet().await, "fine");
}

#[tokio::test]
async fn writes_from_many_tasks_all_arrive() {
    let mut world = World::start(Primus::builder()).await;
    let (mut client, spark) = world.client().await;
    for writer in 0..4 {
        let spark = spark.clone();
        tokio::spawn(async move {
            for number in 0..250 {
                spark.write(json!([writer, number])).unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    let mut next = [0; 4];
    for _ in 0..1000 {
        let packet = client.next_packet().await;
        let writer = usize::try_from(packet[0].as_u64().unwrap()).unwrap();
        assert_eq!(packet[1], next[writer]);
        next[writer] += 1;
    }
    assert_eq!(next, [250; 4]);
    eventually("an empty outbox", || spark.engine().outbox_bytes() == 0).await;
    let ready = tokio::time::timeout(Duration::ZERO, spark.ready());
    ready.await.unwrap();
}

/// Far more at once than may wait for transforms, of which there are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_several_threads_hear_what_became_of_their_own() {
    const EACH: u64 = 20_000;
    let mut world = World::start(patient()).await;
    let (mut client, spark) = world.client().await;
    let writing = [(); 2].map(|()| {
        let spark = spark.clone();
        tokio::task::spawn_blocking(move || {
            for number in 0..EACH {
                match spark.write(number) {
                    Ok(Written::Flowing | Written::Full { .. }) => {}
                    other => panic!("{number}: {other:?}"),
                }
            }
        })
    });
    let mut sum = 0;
    for _ in 0..2 * EACH {
        sum += client.next_packet().await.as_u64().unwrap();
    }
    assert_eq!(sum, EACH * (EACH - 1));
    for writer in writing {
        writer.await.unwrap();
    }
}
