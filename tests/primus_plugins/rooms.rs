use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use stellar::primus::plugins::Rooms;
use stellar::primus::{Primus, Spark, Value};

use crate::support::eventually;
use crate::{Peer, World};

/// A server, its rooms, and three clients.
async fn start(rooms: &Rooms) -> (World, [(Peer, Spark); 3]) {
    let mut world = World::start(Primus::builder().plugin(rooms.clone())).await;
    let clients = [
        world.client().await,
        world.client().await,
        world.client().await,
    ];
    (world, clients)
}

#[tokio::test]
async fn members_hear_what_is_written_to_their_rooms_once() {
    let rooms = Rooms::new();
    let (_world, [(mut ann, a), (mut bob, b), (mut cleo, _)]) = start(&rooms).await;
    assert!(rooms.join(&a, "news") && rooms.join(&a, "sport") && rooms.join(&b, "sport"));
    assert!(!rooms.join(&a, "news"), "she is there already");
    rooms.room("news").write(json!({ "hi": 1 })).unwrap();
    rooms
        .room("news")
        .room("sport")
        .room("empty")
        .write("both")
        .unwrap();
    rooms.room("sport").except(&a).write("not ann").unwrap();
    rooms.any().write("any").unwrap();
    rooms.room("sport").send("goal", (1, 0)).unwrap();
    for text in [
        r#"{"hi":1}"#,
        r#""both""#,
        r#""any""#,
        r#"{"type":0,"data":["goal",1,0]}"#,
    ] {
        ann.hears(text).await;
    }
    for text in [
        r#""both""#,
        r#""not ann""#,
        r#""any""#,
        r#"{"type":0,"data":["goal",1,0]}"#,
    ] {
        bob.hears(text).await;
    }
    for client in [&mut ann, &mut bob, &mut cleo] {
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn rooms_tell_who_is_where() {
    let rooms = Rooms::new();
    let (_world, [(_ann, a), (_bob, b), _]) = start(&rooms).await;
    for (spark, room) in [(&a, "y"), (&a, "x"), (&b, "x")] {
        rooms.join(spark, room);
    }
    assert_eq!(rooms.rooms(&a), ["x", "y"]);
    assert_eq!(rooms.clients("y"), std::slice::from_ref(&a));
    assert_eq!(rooms.clients("x").len(), 2);
    assert!(rooms.leave(&a, "y") && !rooms.leave(&a, "y") && !rooms.leave(&b, "y"));
    assert!(rooms.is_empty("y") && !rooms.is_empty("x"));
    assert_eq!(rooms.all(), ["x"]);
    rooms.empty("x");
    assert!(rooms.all().is_empty() && rooms.rooms(&a).is_empty() && rooms.clients("x").is_empty());
    rooms.join(&a, "1");
    rooms.join(&a, "2");
    assert_eq!(rooms.leave_all(&a), ["1", "2"]);
    assert!(rooms.leave_all(&a).is_empty());
}

#[tokio::test]
async fn a_star_stands_for_all_rooms_that_fit() {
    let rooms = Rooms::new();
    let (_world, [(mut ann, a), (mut bob, b), _]) = start(&rooms).await;
    rooms.join(&a, "user:*");
    rooms.join(&a, "*");
    rooms.join(&b, "user:1");
    rooms.room("user:1").write(1).unwrap();
    rooms.room("user:1:mail").write(2).unwrap();
    rooms.room("user:*").write(3).unwrap();
    rooms.leave(&a, "*");
    rooms.room("group:1").write(4).unwrap();
    for text in ["1", "2", "3"] {
        ann.hears(text).await;
    }
    bob.hears("1").await;
    assert_eq!(rooms.clients("user:1"), [b]);
    rooms.leave(&a, "user:*");
    assert_eq!(format!("{rooms:?}"), "Rooms { rooms: 1, patterns: 0, .. }");
    ann.hears_nothing().await;
    bob.hears_nothing().await;
}

#[tokio::test]
async fn a_star_can_be_a_character_like_any_other() {
    let rooms = Rooms::without_patterns();
    let (_world, [(mut ann, a), ..]) = start(&rooms).await;
    rooms.join(&a, "*");
    rooms.room("x").write("not this").unwrap();
    rooms.room("*").write("this").unwrap();
    ann.hears("\"this\"").await;
}

#[tokio::test]
async fn each_may_get_a_message_of_its_own() {
    let rooms = Rooms::new();
    let (_world, [(mut ann, a), (mut bob, b), _]) = start(&rooms).await;
    rooms.join(&a, "x");
    rooms.join(&b, "x");
    let to_ann = |spark: &Spark| (*spark == a).then(|| Value::from("for ann"));
    rooms.room("x").write_each(to_ann).unwrap();
    ann.hears("\"for ann\"").await;
    bob.hears_nothing().await;
}

#[tokio::test]
async fn who_ends_leaves_its_rooms() {
    let rooms = Rooms::new();
    let story = Arc::new(Mutex::new(Vec::new()));
    rooms.on_join({
        let story = Arc::clone(&story);
        move |spark, room| story.lock().push(format!("+{room} {}", spark.id()))
    });
    rooms.on_leave({
        let story = Arc::clone(&story);
        move |spark, room| story.lock().push(format!("-{room} {}", spark.id()))
    });
    let (_world, [(ann, a), (mut bob, b), _]) = start(&rooms).await;
    rooms.join(&a, "x");
    rooms.join(&a, "x");
    rooms.join(&a, "y");
    rooms.join(&b, "x");
    ann.leaves().await;
    eventually("ann to leave", || story.lock().len() == 5).await;
    let (a_id, b_id) = (a.id(), b.id());
    assert_eq!(
        *story.lock(),
        [
            format!("+x {a_id}"),
            format!("+y {a_id}"),
            format!("+x {b_id}"),
            format!("-x {a_id}"),
            format!("-y {a_id}"),
        ]
    );
    assert!(!rooms.join(&a, "late"), "it is over");
    assert_eq!(
        (rooms.clients("x"), rooms.all()),
        (vec![b], vec!["x".to_owned()])
    );
    rooms.room("x").write("still there").unwrap();
    bob.hears("\"still there\"").await;
}
