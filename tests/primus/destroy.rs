use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use stellar::primus::{Builder, Destroy, Direction, Primus, Spark, Transform};
use tokio::sync::Semaphore;

use crate::support::engineio::Socket;
use crate::support::{Client, within};
use crate::{Log, World, rest};

const CLOSE: &str = "\"primus::server::close\"";

/// A server that sends no pings.
fn quiet() -> Builder {
    Primus::builder().ping_interval(None)
}

async fn sockets(world: &mut World, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(world.socket().await.0);
    }
    sockets
}

/// The frames that a client on a WebSocket reads last.
async fn last_frames(mut socket: Socket) -> Vec<String> {
    rest(&mut socket).await.0
}

#[tokio::test]
async fn for_good_at_once() {
    let mut world = World::start(quiet()).await;
    let sockets = sockets(&mut world, 3).await;
    let (mut session, _) = world.polling().await;
    let mut ended = world.primus.disconnections();
    let primus = world.primus.clone();
    let destroying = tokio::spawn(async move { primus.destroy(Destroy::new()).await });
    let last = within(
        "the clients",
        join_all(sockets.into_iter().map(last_frames)),
    )
    .await;
    assert_eq!(last, [[CLOSE]; 3]);
    assert_eq!(session.next().await, format!("4{CLOSE}").as_str());
    assert_eq!(session.next().await, "1");
    within("the end", destroying).await.unwrap();
    assert_eq!(world.primus.connected(), 0);
    // Nobody serves any more, and the streams are over.
    within("the end of listening", &mut world.serving)
        .await
        .unwrap();
    assert!(tokio::net::TcpStream::connect(world.address).await.is_err());
    assert!(world.connections.next().await.is_none());
    let reasons: Vec<_> = ended
        .by_ref()
        .map(|(_, reason)| reason.label())
        .collect()
        .await;
    assert_eq!(reasons, ["ended"; 4]);
    // Again, with nothing left to do.
    let again = world
        .primus
        .destroy(Destroy::new().timeout(Duration::from_secs(60)));
    within("the second time", again).await;
}

#[tokio::test]
async fn clients_may_be_asked_to_come_back() {
    let mut world = World::start(quiet()).await;
    let (mut socket, _) = world.socket().await;
    let destroying = world.primus.destroy(Destroy::new().reconnect());
    let ((), last) = tokio::join!(destroying, rest(&mut socket));
    assert_eq!(last, (vec![], 1005));
}

#[tokio::test]
async fn each_is_told_a_time_of_its_own_to_come_back() {
    let mut world = World::start(quiet()).await;
    let sockets = sockets(&mut world, 20).await;
    let how = Destroy::new().retry_within(Duration::from_secs(1000));
    let reading = join_all(sockets.into_iter().map(last_frames));
    let ((), last) = tokio::join!(world.primus.destroy(how), reading);
    let mut hints: Vec<u64> = Vec::new();
    for frames in last {
        let [frame] = &frames[..] else {
            panic!("{frames:?}");
        };
        let hint = frame.strip_prefix("\"primus::server::retry::").unwrap();
        hints.push(hint.strip_suffix('"').unwrap().parse().unwrap());
    }
    assert!(hints.iter().all(|&hint| hint <= 1_000_000), "{hints:?}");
    // Twenty of a million: all alike, or all in one half, would be no chance.
    hints.sort_unstable();
    hints.dedup();
    assert!(hints.len() > 15 && hints[0] < 500_000, "{hints:?}");
    assert!(*hints.last().unwrap() > 500_000, "{hints:?}");
}

/// Takes the second over which the server was told to end its connections.
#[tokio::test]
async fn a_timeout_spreads_the_ends_and_lets_nobody_in_meanwhile() {
    let mut world = World::start(quiet()).await;
    let sockets = sockets(&mut world, 10).await;
    let start = Instant::now();
    let primus = world.primus.clone();
    let how = Destroy::new().reconnect().timeout(Duration::from_secs(1));
    let destroying = tokio::spawn(async move { primus.destroy(how).await });
    let mut ends = Vec::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        ends.push(tokio::spawn(async move {
            last_frames(socket).await;
            start.elapsed()
        }));
        if number == 0 {
            crate::support::eventually("the first end", || world.primus.connected() < 10).await;
            let refused = Client::connect(world.address, "/primus", &[])
                .await
                .unwrap_err();
            assert_eq!(refused.status, 503);
            assert!(!destroying.is_finished());
        }
    }
    let mut ends: Vec<Duration> = join_all(ends)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    ends.sort();
    within("the end", destroying).await.unwrap();
    // Ten ends, one at each tick of 50 ms.
    assert!(ends[9] >= Duration::from_millis(400), "{ends:?}");
    within("the end of listening", world.serving).await.unwrap();
}

#[tokio::test]
async fn handlers_are_waited_for() {
    let (gate, done) = (Arc::new(Semaphore::new(0)), Log::new());
    let (opening, closing) = (Arc::clone(&gate), Arc::clone(&gate));
    let (opened, closed) = (done.clone(), done.clone());
    let builder = quiet()
        .on_connection(move |_: Spark| {
            let (gate, done) = (Arc::clone(&opening), opened.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                done.push("connection");
            }
        })
        .on_disconnection(move |_, _| {
            let (gate, done) = (Arc::clone(&closing), closed.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                done.push("disconnection");
            }
        });
    let mut world = World::start(builder).await;
    let (mut socket, _) = world.socket().await;
    let primus = world.primus.clone();
    let destroying = tokio::spawn(async move { primus.destroy(Destroy::new()).await });
    rest(&mut socket).await;
    assert!(!destroying.is_finished() && !world.serving.is_finished());
    gate.add_permits(2);
    within("the end", destroying).await.unwrap();
    let mut done = done.all();
    done.sort_unstable();
    assert_eq!(done, ["connection", "disconnection"]);
    within("the end of listening", world.serving).await.unwrap();
}

/// Takes the half second of grace.
#[tokio::test]
async fn a_client_or_handler_that_never_comes_to_an_end_is_not_waited_for() {
    let builder = quiet().on_connection(|_: Spark| std::future::pending::<()>());
    let mut world = World::start(builder).await;
    // One that neither reads nor writes.
    let (_silent, _) = world.client().await;
    let start = Instant::now();
    let how = Destroy::new().grace(Duration::from_millis(500));
    within("the end", world.primus.destroy(how)).await;
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(500), "{took:?}");
    within("the end of listening", world.serving).await.unwrap();
}

#[tokio::test]
async fn who_asks_a_second_time_waits_with_the_first() {
    let mut world = World::start(quiet()).await;
    let sockets = sockets(&mut world, 6).await;
    let reading = join_all(sockets.into_iter().map(last_frames));
    let how = Destroy::new()
        .reconnect()
        .timeout(Duration::from_millis(300));
    let first = async {
        world.primus.destroy(how).await;
        Instant::now()
    };
    let second = async {
        // For good, and at once: too late for that.
        world.primus.destroy(Destroy::new()).await;
        assert_eq!(world.primus.connected(), 0);
        Instant::now()
    };
    let start = Instant::now();
    let (first, second, last) = within("all", async { tokio::join!(first, second, reading) }).await;
    assert_eq!(last, [const { Vec::<String>::new() }; 6]);
    for end in [first, second] {
        assert!(end - start >= Duration::from_millis(250));
    }
}

#[tokio::test]
async fn a_server_that_never_listened_can_be_destroyed() {
    let primus = quiet().build().unwrap();
    within("the end", primus.destroy(Destroy::new())).await;
    // It does not begin to listen afterwards.
    within("no listening", primus.listen(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
}

/// Everything at once: clients that come, talk and leave, messages to all, and in the middle of it the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_in_the_middle_of_a_crowd_is_an_end() {
    let builder = quiet().on_data(|spark, packet| {
        let _over = spark.write(packet.data);
    });
    let world = World::start(builder).await;
    let address = world.address;
    let crowd: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                // Until nobody is let in any more.
                let mut visits = 0;
                while let Ok(mut socket) = Socket::connect(address, "/primus", &[]).await {
                    for _ in 0..5 {
                        socket.try_send("\"x\"").await;
                        socket.next().await;
                    }
                    visits += 1;
                    if visits % 2 == 0 {
                        socket.close().await;
                    }
                }
                visits
            })
        })
        .collect();
    world.received(200).await;
    for number in 0..100 {
        world.primus.write(number).unwrap();
        tokio::task::yield_now().await;
    }
    // While there is a pace to keep, the port is open, and its answer is no.
    let how = Destroy::new().timeout(Duration::from_millis(300));
    within("the end", world.primus.destroy(how)).await;
    assert_eq!(world.primus.connected(), 0);
    within("the end of listening", world.serving).await.unwrap();
    for visitor in crowd {
        visitor.abort();
    }
    assert!(world.primus.sparks().is_empty());
}

#[tokio::test]
async fn what_transforms_still_work_on_is_said_before_the_end() {
    let slow = Transform::waiting(|packet| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(Some(packet))
    });
    let mut world = World::start(quiet().transform(Direction::Outgoing, slow)).await;
    let (mut socket, spark) = world.socket().await;
    spark.write("mine").unwrap();
    world.primus.write("to all").unwrap();
    let how = Destroy::new().retry_within(Duration::from_millis(300));
    world.primus.destroy(how).await;
    let (frames, code) = rest(&mut socket).await;
    assert_eq!(frames.len(), 3, "{frames:?}");
    assert!(frames[..2].contains(&"\"mine\"".to_owned()), "{frames:?}");
    assert!(frames[..2].contains(&"\"to all\"".to_owned()), "{frames:?}");
    assert!(
        frames[2].starts_with("\"primus::server::retry::"),
        "{frames:?}"
    );
    assert_eq!(code, 1005);
}
