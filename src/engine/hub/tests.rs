use std::sync::Arc;

use stellar_transports::Context;
use stellar_transports::memory::{Memory, MemoryPeer, Received};

use super::*;
use crate::engine::{Engine, Handler, Incoming, Sender, Stamp};

#[derive(Debug)]
struct Silent;

impl Handler for Silent {
    fn received(&self, _spark: &Spark, _message: Incoming<'_>) {}
}

struct Fixture {
    hub: Arc<Hub>,
    context: Arc<Context>,
}

impl Fixture {
    fn new() -> Self {
        let hub = Arc::new(Hub::new(MAX_ROOMS, Arc::new(Placed)));
        let engine = Engine::with_hub(Arc::clone(&hub), Arc::new(Silent));
        Self {
            hub,
            context: engine.start(),
        }
    }

    async fn connect(&self) -> (MemoryPeer, Spark) {
        let peer = Memory
            .connect(&self.context, "/".parse().unwrap())
            .await
            .unwrap();
        let spark = self.hub.spark(peer.id()).unwrap();
        (peer, spark)
    }
}

/// Writes what is said with its place.
#[derive(Debug)]
struct Placed;

impl Voice for Placed {
    fn message(&self, publication: &Publication, stamp: Stamp<'_>) -> Message {
        match publication.body.starts_with('"') {
            true => Message::text(publication.body.clone()),
            false => Message::text(format!("[{},{:?}]", stamp.seq, stamp.prev)),
        }
    }
}

fn in_room(room: &str, body: &str) -> Publication {
    Publication {
        room: room.to_owned(),
        body: body.to_owned(),
        from: Sender::Server,
        sent_at: 1,
    }
}

fn something() -> Publication {
    in_room("room", "1")
}

#[tokio::test]
async fn members_receive_in_order_and_others_do_not() {
    let fixture = Fixture::new();
    let (mut a, spark_a) = fixture.connect().await;
    let (mut b, spark_b) = fixture.connect().await;
    fixture.hub.create("room");
    fixture.hub.create("other");
    fixture.hub.join(&spark_a, "room").unwrap();
    fixture.hub.join(&spark_b, "other").unwrap();
    for _ in 0..3 {
        fixture.hub.publish(&something()).unwrap();
    }
    fixture.hub.publish(&in_room("other", "\"o\"")).unwrap();
    for expected in ["[1,None]", "[2,None]", "[3,None]"] {
        assert_eq!(a.receive().await, Received::Text(expected.into()));
    }
    assert_eq!(b.receive().await, Received::Text("\"o\"".into()));
}

#[tokio::test]
async fn joins_and_leaves_fail_in_the_documented_order() {
    let fixture = Fixture::new();
    let (_peer, spark) = fixture.connect().await;
    assert_eq!(fixture.hub.join(&spark, "room"), Err(RoomError::Missing));
    assert_eq!(fixture.hub.leave(&spark, "room"), Err(RoomError::NotIn));
    assert!(fixture.hub.create("room"));
    assert!(!fixture.hub.create("room"));
    fixture.hub.join(&spark, "room").unwrap();
    assert_eq!(fixture.hub.join(&spark, "room"), Err(RoomError::AlreadyIn));
    assert_eq!(fixture.hub.members_count("room"), Some(1));
    fixture.hub.leave(&spark, "room").unwrap();
    assert_eq!(fixture.hub.members_count("room"), Some(0));
    assert!(fixture.hub.exists("room"), "an empty room stays");
}

#[tokio::test]
async fn leaving_keeps_the_positions_of_the_others_right() {
    let fixture = Fixture::new();
    fixture.hub.create("room");
    let mut members = Vec::new();
    for _ in 0..5 {
        let (peer, spark) = fixture.connect().await;
        fixture.hub.join(&spark, "room").unwrap();
        members.push((peer, spark));
    }
    for index in [0, 3, 1] {
        let (peer, spark) = members.remove(index.min(members.len() - 1));
        fixture.hub.leave(&spark, "room").unwrap();
        drop(peer);
        let mut expected: Vec<_> = members.iter().map(|(_, spark)| spark.id()).collect();
        let found = fixture.hub.members("room").unwrap();
        let mut found: Vec<_> = found.iter().map(|member| member.spark.id()).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_closed_connection_is_nowhere_and_joins_nothing() {
    let fixture = Fixture::new();
    fixture.hub.create("room");
    let (peer, spark) = fixture.connect().await;
    fixture.hub.join(&spark, "room").unwrap();
    drop(peer);
    let gone = async {
        while !fixture.hub.is_empty() || fixture.hub.members_count("room") != Some(0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone)
        .await
        .expect("the connection leaves everything");
    assert_eq!(fixture.hub.join(&spark, "room"), Err(RoomError::Closed));
}

#[tokio::test]
async fn a_connection_is_in_so_many_rooms_and_no_more() {
    let hub = Arc::new(Hub::new(2, Arc::new(Placed)));
    let context = Engine::with_hub(Arc::clone(&hub), Arc::new(Silent)).start();
    let fixture = Fixture { hub, context };
    let (_peer, spark) = fixture.connect().await;
    for room in ["a", "b", "c"] {
        fixture.hub.create(room);
    }
    fixture.hub.join(&spark, "a").unwrap();
    fixture.hub.join(&spark, "b").unwrap();
    assert_eq!(fixture.hub.join(&spark, "c"), Err(RoomError::TooMany));
    assert_eq!(fixture.hub.join(&spark, "a"), Err(RoomError::AlreadyIn));
    assert_eq!(fixture.hub.join(&spark, "d"), Err(RoomError::Missing));
    fixture.hub.leave(&spark, "a").unwrap();
    fixture.hub.join(&spark, "c").unwrap();
    assert_eq!(fixture.hub.members_count("c"), Some(1));
}

#[tokio::test]
async fn a_connection_that_ends_in_many_rooms_lets_others_have_their_turn() {
    const ROOMS: usize = 1000;
    let fixture = Fixture::new();
    let (peer, spark) = fixture.connect().await;
    for room in 0..ROOMS {
        let room = room.to_string();
        fixture.hub.create(&room);
        fixture.hub.join(&spark, &room).unwrap();
    }
    let members = || -> usize {
        let rooms = fixture.hub.rooms();
        let counts = rooms
            .iter()
            .filter_map(|room| fixture.hub.members_count(room));
        counts.sum()
    };
    drop(peer);
    let mut left = vec![members()];
    let gone = async {
        while left.last() != Some(&0) {
            tokio::task::yield_now().await;
            left.push(members());
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone)
        .await
        .expect("the connection leaves everything");
    // One thread runs this test and the server: between two looks each task has had one turn.
    let turns = left.windows(2).map(|two| two[0] - two[1]);
    let most = turns.max().unwrap();
    assert!(most < ROOMS / 2, "{most} rooms were left in one turn");
}

#[tokio::test]
async fn rooms_give_back_the_memory_of_their_fullest_hour() {
    let fixture = Fixture::new();
    fixture.hub.create("room");
    let mut members = Vec::new();
    for _ in 0..500 {
        let (peer, spark) = fixture.connect().await;
        fixture.hub.join(&spark, "room").unwrap();
        members.push((peer, spark));
    }
    let capacity = || fixture.hub.find("room").unwrap().capacity();
    let fullest = capacity();
    assert!(fullest >= 500);
    // Whoever comes and goes does not make it grow and shrink.
    for _ in 0..10 {
        for (_, spark) in &members[300..] {
            fixture.hub.leave(spark, "room").unwrap();
        }
        assert!(capacity() > fullest / 2);
        for (_, spark) in &members[300..] {
            fixture.hub.join(spark, "room").unwrap();
        }
    }
    for (_, spark) in &members[20..] {
        fixture.hub.leave(spark, "room").unwrap();
    }
    assert!(capacity() < 200, "{} for 20", capacity());
    for (_, spark) in &members[..20] {
        fixture.hub.leave(spark, "room").unwrap();
    }
    assert!(capacity() <= 32, "{} for none", capacity());
}

#[tokio::test]
async fn destroying_a_room_empties_it() {
    let fixture = Fixture::new();
    fixture.hub.create("room");
    let (_peer, spark) = fixture.connect().await;
    fixture.hub.join(&spark, "room").unwrap();
    assert_eq!(fixture.hub.destroy("room").unwrap().len(), 1);
    assert!(spark.rooms().is_empty());
    assert!(fixture.hub.destroy("room").is_none());
    assert!(fixture.hub.publish(&something()).is_err());
}

#[tokio::test]
async fn a_room_message_is_encoded_once_however_many_members() {
    let fixture = Fixture::new();
    fixture.hub.create("room");
    let mut peers = Vec::new();
    for _ in 0..10 {
        let (peer, spark) = fixture.connect().await;
        fixture.hub.join(&spark, "room").unwrap();
        peers.push(peer);
    }
    let before = fixture.context.metrics.encoded.get();
    fixture.hub.publish(&something()).unwrap();
    assert_eq!(fixture.context.metrics.encoded.get() - before, 1);
    assert_eq!(fixture.context.metrics.sent.get(), 10);
}

#[tokio::test]
async fn a_text_that_clients_would_obey_is_not_sent() {
    let fixture = Fixture::new();
    let (mut peer, spark) = fixture.connect().await;
    let reserved = Message::text("\"primus::server::close\"");
    assert_eq!(
        spark.send(&reserved),
        Err(crate::engine::WriteError::Reserved)
    );
    spark.send(&Message::text("\"primus\"")).unwrap();
    fixture.hub.create("room");
    fixture.hub.join(&spark, "room").unwrap();
    assert_eq!(
        fixture
            .hub
            .publish(&in_room("room", "\"primus::server::close\"")),
        Err(RoomError::Reserved)
    );
    fixture.hub.publish(&something()).unwrap();
    assert_eq!(peer.receive().await, Received::Text("\"primus\"".into()));
    let first = "[1,None]";
    assert_eq!(
        peer.receive().await,
        Received::Text(first.into()),
        "what was not sent has no number"
    );
    assert!(fixture.hub.broadcast(&reserved).is_err());
}

#[tokio::test]
async fn whoever_missed_something_is_told_by_the_next_stamp() {
    let fixture = Fixture::new();
    let (mut a, spark_a) = fixture.connect().await;
    let (mut b, spark_b) = fixture.connect().await;
    fixture.hub.create("room");
    fixture.hub.join(&spark_a, "room").unwrap();
    fixture.hub.join(&spark_b, "room").unwrap();
    let only = |id: Option<ConnectionId>| {
        let share = |spark: &Spark| match Some(spark.id()) == id {
            true => Share::Whole,
            false => Share::Nothing,
        };
        fixture.hub.publish_each(&something(), share).unwrap();
    };
    only(None);
    fixture.hub.publish(&something()).unwrap();
    only(Some(spark_a.id()));
    only(None);
    only(Some(spark_a.id()));
    fixture.hub.publish(&something()).unwrap();
    fixture.hub.publish(&something()).unwrap();
    for expected in ["[1,None]", "[2,None]", "[3,None]", "[4,None]", "[5,None]"] {
        assert_eq!(a.receive().await, Received::Text(expected.into()));
    }
    for expected in ["[1,None]", "[4,Some(1)]", "[5,None]"] {
        assert_eq!(b.receive().await, Received::Text(expected.into()));
    }
}
