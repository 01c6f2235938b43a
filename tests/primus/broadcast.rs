use std::sync::Arc;

use serde_json::json;
use stellar::primus::{Direction, Primus, Spark, Transform, Verdict};
use stellar::transports::Limits;
use tokio::sync::Semaphore;

use crate::support::Client;
use crate::support::engineio::Session;
use crate::{Log, World};

async fn clients(world: &mut World, count: usize) -> (Vec<Client>, Vec<Spark>) {
    let (mut clients, mut sparks) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (client, spark) = world.client().await;
        clients.push(client);
        sparks.push(spark);
    }
    (clients, sparks)
}

/// Marks what goes out to a connection.
fn mark(text: &'static str) -> Transform {
    Transform::new(move |packet| {
        packet.data = json!([packet.data.to_json(), text]).into();
        Ok(Verdict::Pass)
    })
}

#[tokio::test]
async fn a_message_to_all_is_encoded_once_for_all_of_a_kind() {
    let mut world = World::start(Primus::builder()).await;
    let (mut sockets, _) = clients(&mut world, 3).await;
    let mut polls: Vec<Session> = Vec::new();
    for _ in 0..2 {
        polls.push(world.polling().await.0);
    }
    let before = world.metrics.encoded.get();
    world.primus.write(json!({"to": "all"})).unwrap();
    assert_eq!(world.metrics.encoded.get() - before, 2);
    for client in &mut sockets {
        assert_eq!(client.next_packet().await, json!({"to": "all"}));
    }
    for session in &mut polls {
        assert_eq!(session.next_json().await, json!({"to": "all"}));
    }
}

#[tokio::test]
async fn transforms_of_a_connection_have_a_copy_of_their_own() {
    let mut world = World::start(Primus::builder()).await;
    let (mut clients, sparks) = clients(&mut world, 5).await;
    sparks[1].transform(Direction::Outgoing, mark("b"));
    sparks[3].transform(Direction::Outgoing, mark("d"));
    let before = world.metrics.encoded.get();
    world.primus.write("x").unwrap();
    // One for the three that share it, and one each.
    assert_eq!(world.metrics.encoded.get() - before, 3);
    for (number, expected) in [
        (0, json!("x")),
        (1, json!(["x", "b"])),
        (2, json!("x")),
        (3, json!(["x", "d"])),
        (4, json!("x")),
    ] {
        assert_eq!(clients[number].next_packet().await, expected);
    }
}

#[tokio::test]
async fn transforms_of_the_server_see_a_message_to_all_once() {
    let seen = Log::new();
    let log = seen.clone();
    let count = Transform::new(move |packet| {
        log.push((packet.data.to_json(), packet.spark().is_some()));
        packet.data = json!([packet.data.to_json(), "server"]).into();
        Ok(Verdict::Pass)
    });
    let builder = Primus::builder().transform(Direction::Outgoing, count);
    let mut world = World::start(builder).await;
    let (mut clients, sparks) = clients(&mut world, 3).await;
    sparks[2].transform(Direction::Outgoing, mark("own"));
    world.primus.write("all").unwrap();
    sparks[0].write("one").unwrap();
    assert_eq!(seen.all(), [(json!("all"), false), (json!("one"), true)]);
    for client in &mut clients[..2] {
        assert_eq!(client.next_packet().await, json!(["all", "server"]));
    }
    let twice = json!([["all", "server"], "own"]);
    assert_eq!(clients[2].next_packet().await, twice);
}

#[tokio::test]
async fn a_message_may_be_for_some() {
    let mut world = World::start(Primus::builder()).await;
    let (mut clients, sparks) = clients(&mut world, 4).await;
    let some = [sparks[0].clone(), sparks[2].clone()];
    let before = world.metrics.encoded.get();
    world.primus.write_to(some, "some").unwrap();
    assert_eq!(world.metrics.encoded.get() - before, 1);
    world.primus.write("all").unwrap();
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 2 == 0 {
            assert_eq!(client.next_packet().await, "some");
        }
        assert_eq!(client.next_packet().await, "all");
    }
    // One that has ended is passed over.
    clients.remove(0).close().await;
    world.primus.write_to(sparks, "rest").unwrap();
    for client in &mut clients {
        assert_eq!(client.next_packet().await, "rest");
    }
}

#[tokio::test]
async fn messages_to_all_keep_their_order_through_slow_transforms() {
    let gate = Arc::new(Semaphore::new(0));
    let waited_for = Arc::clone(&gate);
    let slow = Transform::waiting(move |packet| {
        let gate = Arc::clone(&waited_for);
        async move {
            // Every other one goes through at once.
            if packet.data.as_i64().is_some_and(|number| number % 2 == 0) {
                gate.acquire().await?.forget();
            }
            Ok(Some(packet))
        }
    });
    let builder = Primus::builder().transform(Direction::Outgoing, slow);
    let mut world = World::start(builder).await;
    let (mut clients, _) = clients(&mut world, 2).await;
    for number in 0..10 {
        world.primus.write(number).unwrap();
    }
    gate.add_permits(10);
    for client in &mut clients {
        for number in 0..10 {
            assert_eq!(client.next_packet().await, number);
        }
    }
}

#[tokio::test]
async fn nobody_is_sent_what_a_transform_drops_or_fails_on() {
    let choosy = Transform::new(|packet| match packet.data.as_str() {
        Some("drop") => Ok(Verdict::Drop),
        Some("fail") => Err("it does not like it".into()),
        _ => Ok(Verdict::Pass),
    });
    let builder = Primus::builder().transform(Direction::Outgoing, choosy);
    let mut world = World::start(builder).await;
    let (mut clients, _) = clients(&mut world, 2).await;
    assert_eq!(world.primus.write("drop"), Ok(()));
    let error = world.primus.write("fail").unwrap_err();
    assert_eq!(error.to_string(), "a transform failed: it does not like it");
    world.primus.write("fine").unwrap();
    for client in &mut clients {
        assert_eq!(client.next_packet().await, "fine");
    }
}

#[tokio::test]
async fn one_that_does_not_read_does_not_hold_up_the_others() {
    let limits = Limits {
        max_outbox: 1024 * 1024,
        ..Limits::default()
    };
    let mut world = World::start(Primus::builder().limits(limits)).await;
    let (mut reader, fast) = world.client().await;
    let (_silent, slow) = world.client().await;
    let text = "x".repeat(32 * 1024);
    let mut written = 0;
    while slow.is_open() {
        world.primus.write(text.as_str()).unwrap();
        written += 1;
        assert_eq!(reader.next_packet().await, *text);
    }
    assert!(fast.is_open() && written > 32, "{written}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_threads_may_write_large_messages_to_all_at_once() {
    const EACH: usize = 10;
    let mut world = World::start(Primus::builder()).await;
    let (mut clients, _) = clients(&mut world, 10).await;
    let writers = [0, 1, 2, 3].map(|writer| {
        let primus = world.primus.clone();
        tokio::task::spawn_blocking(move || {
            let filling = "x".repeat(100_000);
            for number in 0..EACH {
                primus.write(json!([writer, number, filling])).unwrap();
            }
        })
    });
    for client in &mut clients {
        let mut next = [0; 4];
        for _ in 0..4 * EACH {
            let packet = client.next_packet().await;
            let writer = usize::try_from(packet[0].as_u64().unwrap()).unwrap();
            assert_eq!(packet[1], next[writer]);
            next[writer] += 1;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
