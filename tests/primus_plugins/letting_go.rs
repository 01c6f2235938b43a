use std::sync::Arc;

use stellar::primus::Primus;
use stellar::primus::plugins::{Emit, Multiplex, Responder, Rooms, emit, responder};

use crate::World;
use crate::support::eventually;

/// Handlers that hold their own connection make a circle, which has to be broken.
#[tokio::test]
async fn handlers_may_hold_their_own_connection() {
    let (multiplex, rooms) = (Multiplex::new(), Rooms::new());
    let held = Arc::new(());
    let channel = multiplex.channel("x");
    channel.on_connection({
        let held = Arc::clone(&held);
        move |spark| {
            let (circle, held) = (spark.clone(), Arc::clone(&held));
            spark.on_data(move |_, _| drop((circle.clone(), Arc::clone(&held))));
        }
    });
    let builder = Primus::builder()
        .plugin(Emit::new())
        .plugin(multiplex)
        .plugin(Responder::new())
        .plugin(rooms.clone());
    let mut world = World::start(builder).await;
    let (mut ann, spark) = world.client().await;
    let circle = || (spark.clone(), Arc::clone(&held));
    let (on_event, on_request) = (circle(), circle());
    emit::on(&spark, "x", move |_, _| drop(on_event.clone()));
    responder::on_request(&spark, move |_| drop(on_request.clone()));
    rooms.join(&spark, "x");
    ann.says(r#"[1,"id","x"]"#).await;
    ann.hears_nothing().await;
    // Its own, that of the channel's listener, and one in each of the three handlers.
    assert_eq!(Arc::strong_count(&held), 5);
    drop(spark);
    ann.leaves().await;
    eventually("the handlers to go", || Arc::strong_count(&held) == 2).await;
    assert_eq!((channel.connected(), rooms.all()), (0, vec![]));
}
