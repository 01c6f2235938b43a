use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use parking_lot::Mutex;
use stellar::primus::{Builder, Primus};

use crate::World;
use crate::support::{Client, eventually, within};

#[tokio::test]
async fn each_is_found_by_its_id() {
    let mut world = World::start(Primus::builder()).await;
    let (mut ann, first) = world.client().await;
    let (_bob, second) = world.polling().await;
    assert_eq!(world.primus.connected(), 2);
    assert_ne!(first.id(), second.id());
    for spark in [&first, &second] {
        assert_eq!(world.primus.spark(&spark.id()).as_ref(), Some(spark));
    }
    for nobody in ["", "nobody", "primus::id::"] {
        assert_eq!(world.primus.spark(nobody), None);
    }
    ann.send_text("\"primus::id::\"").await;
    let answer = ann.wait_control("primus::id::").await;
    assert_eq!(answer, format!("primus::id::{}", first.id()));
    let id = first.id().into_owned();
    ann.close().await;
    eventually("the end", || world.primus.connected() == 1).await;
    assert_eq!(world.primus.spark(&id), None);
    assert_eq!(world.primus.sparks(), [second]);
}

#[tokio::test]
async fn all_have_their_turn_until_it_breaks() {
    let mut world = World::start(Primus::builder()).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(world.client().await);
    }
    let mut seen = Vec::new();
    world.primus.for_each(|spark| {
        seen.push(spark.id().into_owned());
        ControlFlow::Continue(())
    });
    seen.sort();
    let mut expected: Vec<_> = clients.iter().map(|(_, spark)| spark.id()).collect();
    expected.sort();
    assert_eq!(seen, expected);
    let mut turns = 0;
    world.primus.for_each(|_| {
        turns += 1;
        match turns {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!(turns, 3);
}

#[tokio::test]
async fn one_after_the_other_may_take_its_time() {
    let mut world = World::start(Primus::builder()).await;
    let (_ann, _) = world.client().await;
    let (bob, second) = world.client().await;
    let late = Arc::new(Mutex::new(None));
    let (address, primus) = (world.address, world.primus.clone());
    let mut seen = Vec::new();
    primus
        .for_each_async(|spark| {
            seen.push(spark);
            // At the first turn one more connects. It has a turn, too.
            let opens = seen.len() == 1;
            let (late, primus) = (Arc::clone(&late), primus.clone());
            async move {
                if opens {
                    let client = Client::open(address, "/primus").await;
                    *late.lock() = Some(client);
                    eventually("the third", || primus.connected() == 3).await;
                }
                ControlFlow::Continue(())
            }
        })
        .await;
    assert_eq!(seen.last(), Some(&world.spark().await));
    assert_eq!(seen.len(), 3);
    // It breaks early, and whoever has left meanwhile has no turn.
    let mut turns = 0;
    primus
        .for_each_async(|_| {
            turns += 1;
            async { ControlFlow::Break(()) }
        })
        .await;
    assert_eq!(turns, 1);
    bob.close().await;
    eventually("the end", || !second.is_open()).await;
    let mut left = Vec::new();
    primus
        .for_each_async(|spark| {
            left.push(spark);
            async { ControlFlow::Continue(()) }
        })
        .await;
    assert!(left.len() == 2 && !left.contains(&second));
}

/// Ids are what the query says.
fn chosen() -> Builder {
    Primus::builder().id_generator(|handshake| handshake.query().to_owned())
}

#[tokio::test]
async fn ids_may_be_of_ones_own() {
    let next = AtomicU64::new(1);
    let builder = Primus::builder().id_generator(move |handshake| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", handshake.transport)
    });
    let mut world = World::start(builder).await;
    let (mut ann, first) = world.client().await;
    let (_bob, second) = world.polling().await;
    assert_eq!((&*first.id(), &*second.id()), ("ws-1", "polling-2"));
    assert_eq!(world.primus.spark("polling-2"), Some(second));
    ann.send_text("\"primus::id::\"").await;
    assert_eq!(ann.wait_control("primus::id::").await, "primus::id::ws-1");
}

#[tokio::test]
async fn an_id_is_free_again_once_its_owner_has_gone() {
    let mut world = World::start(chosen()).await;
    let open = async |id: &str| Client::connect(world.address, &format!("/primus?{id}"), &[]).await;
    let first = open("ann").await.unwrap();
    let owner = within("a connection", world.connections.next())
        .await
        .unwrap();
    for taken in ["ann", ""] {
        let refused = open(taken).await.unwrap_err();
        assert_eq!(refused.status, 500);
        let body = "{\"error\":\"the connection has no id of its own\"}";
        assert_eq!(refused.body, body);
    }
    assert_eq!(world.primus.spark("ann"), Some(owner.clone()));
    let _other = open("bob").await.unwrap();
    assert!(owner.is_open());
    first.close().await;
    eventually("the end", || world.primus.spark("ann").is_none()).await;
    let _again = open("ann").await.unwrap();
    eventually("the same id", || world.primus.spark("ann").is_some()).await;
    assert_ne!(world.primus.spark("ann"), Some(owner));
}

/// Many ask for the same id at the same time: one of them has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_has_one_owner() {
    let mut world = World::start(chosen()).await;
    let address = world.address;
    let all: Vec<_> = (0..20)
        .map(|_| tokio::spawn(Client::connect(address, "/primus?same", &[])))
        .collect();
    let mut clients = Vec::new();
    for client in all {
        clients.extend(client.await.unwrap());
    }
    let owner = world.spark().await;
    eventually("one that is left", || world.primus.connected() == 1).await;
    assert_eq!(world.primus.spark("same"), Some(owner.clone()));
    assert!(owner.is_open() && !clients.is_empty());
}
