use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use stellar::primus::plugins::multiplex::{Channel, ChannelSpark, MAX_CHANNELS};
use stellar::primus::plugins::{CallError, Emit, Multiplex, emit};
use stellar::primus::{Primus, WriteError};

use crate::support::{eventually, within};
use crate::{World, value};

/// A server with a channel `news` that echoes.
async fn start() -> (World, Multiplex, Channel) {
    let multiplex = Multiplex::new();
    let news = multiplex.channel("news");
    news.on_connection(|spark| {
        spark.on_data(|spark, data| {
            spark.write(data).unwrap();
        });
    });
    let builder = Primus::builder()
        .plugin(Emit::new())
        .plugin(multiplex.clone());
    (World::start(builder).await, multiplex, news)
}

/// Keeps who comes and goes.
fn story(channel: &Channel) -> Arc<Mutex<Vec<String>>> {
    let story = Arc::new(Mutex::new(Vec::new()));
    let (comes, goes) = (Arc::clone(&story), Arc::clone(&story));
    channel.on_connection(move |spark: &ChannelSpark| {
        comes.lock().push(format!("+{}", spark.id()));
        let (ends, id) = (Arc::clone(&comes), spark.id().to_owned());
        spark.on_end(move || ends.lock().push(format!("end {id}")));
    });
    channel.on_disconnection(move |spark| goes.lock().push(format!("-{}", spark.id())));
    story
}

#[tokio::test]
async fn a_channel_carries_data_both_ways() {
    let (mut world, _, news) = start().await;
    let (mut ann, _) = world.client().await;
    ann.says(r#"[1,"id","news"]"#).await;
    for data in ["\"x\"", "0", "false", "null", "\"\"", "{\"a\":[1]}"] {
        let packet = format!(r#"[0,"id","news",{data}]"#);
        ann.says(&packet).await;
        ann.hears(&packet).await;
    }
    ann.says(r#"[0,"id","news"]"#).await;
    ann.hears(r#"[0,"id","news",null]"#).await;
    news.write("to all");
    ann.hears(r#"[0,"id","news","to all"]"#).await;
}

#[tokio::test]
async fn a_client_may_be_in_a_channel_twice_and_others_under_the_same_id() {
    let (mut world, _, news) = start().await;
    let (mut ann, _) = world.client().await;
    let (mut bob, b) = world.client().await;
    for id in ["1", "2", "1"] {
        ann.says(&format!(r#"[1,"{id}","news"]"#)).await;
    }
    ann.hears_nothing().await;
    bob.says(r#"[1,"1","news"]"#).await;
    bob.hears_nothing().await;
    assert_eq!(news.connected(), 3);
    // What is another's cannot be reached by its id.
    bob.says(r#"[0,"2","news","as ann"]"#).await;
    bob.says(r#"[2,"2","news"]"#).await;
    bob.hears_nothing().await;
    ann.says(r#"[0,"2","news","as herself"]"#).await;
    ann.hears(r#"[0,"2","news","as herself"]"#).await;
    let of_bob: Vec<_> = news
        .sparks()
        .into_iter()
        .filter(|spark| *spark.spark() == b)
        .collect();
    of_bob[0].write("bob's").unwrap();
    bob.hears(r#"[0,"1","news","bob's"]"#).await;
    ann.hears_nothing().await;
}

#[tokio::test]
async fn either_side_ends_a_channel() {
    let (mut world, _, news) = start().await;
    let story = story(&news);
    let (mut ann, _) = world.client().await;
    ann.says(r#"[1,"a","news"]"#).await;
    ann.says(r#"[1,"b","news"]"#).await;
    ann.says(r#"[2,"a","news"]"#).await;
    ann.says(r#"[0,"a","news","late"]"#).await;
    ann.hears_nothing().await;
    assert_eq!(*story.lock(), ["+a", "+b", "-a", "end a"]);
    let left = news.sparks().remove(0);
    assert_eq!(
        (left.id(), left.channel().name(), left.is_open()),
        ("b", "news", true)
    );
    left.end();
    left.end();
    ann.hears(r#"[2,"b","news"]"#).await;
    ann.hears_nothing().await;
    assert_eq!(story.lock()[4..], ["-b", "end b"]);
    assert_eq!(left.write("late"), Err(WriteError::Closed));
    assert_eq!((left.is_open(), news.connected()), (false, 0));
    let heard = Arc::clone(&story);
    left.on_end(move || heard.lock().push("at once".into()));
    assert_eq!(story.lock()[6..], ["at once"]);
}

#[tokio::test]
async fn the_end_of_a_connection_is_that_of_its_channels() {
    let (mut world, _, news) = start().await;
    let story = story(&news);
    let (mut ann, _) = world.client().await;
    let (mut bob, _) = world.client().await;
    ann.says(r#"[1,"a","news"]"#).await;
    ann.hears_nothing().await;
    bob.says(r#"[1,"b","news"]"#).await;
    bob.hears_nothing().await;
    ann.leaves().await;
    eventually("ann to leave", || story.lock().len() == 4).await;
    assert_eq!(*story.lock(), ["+a", "+b", "-a", "end a"]);
    news.write("still there");
    bob.hears(r#"[0,"b","news","still there"]"#).await;
}

#[tokio::test]
async fn a_channel_that_is_not_there_ends_at_once() {
    let (mut world, multiplex, news) = start().await;
    let (mut ann, _) = world.client().await;
    for name in ["nothing", "__proto__", ""] {
        ann.says(&format!(r#"[1,"id","{name}"]"#)).await;
        ann.hears(&format!(r#"[2,"id","{name}"]"#)).await;
    }
    ann.says(r#"[1,"id","news"]"#).await;
    ann.hears_nothing().await;
    news.destroy();
    ann.hears(r#"[2,"id","news"]"#).await;
    ann.says(r#"[1,"again","news"]"#).await;
    ann.hears(r#"[2,"again","news"]"#).await;
    let renewed = multiplex.channel("news");
    ann.says(r#"[1,"again","news"]"#).await;
    ann.hears_nothing().await;
    assert_eq!((news.connected(), renewed.connected()), (0, 1));
    assert_eq!(multiplex.channel("news").connected(), 1, "the same one");
}

#[tokio::test]
async fn what_a_client_can_ask_for_has_limits() {
    let (mut world, _, news) = start().await;
    let (mut ann, _) = world.client().await;
    let long = "x".repeat(65);
    ann.says(&format!(r#"[1,"{long}","news"]"#)).await;
    ann.hears(&format!(r#"[2,"{long}","news"]"#)).await;
    for id in 0..MAX_CHANNELS {
        ann.says(&format!(r#"[1,"{id}","news"]"#)).await;
    }
    ann.says(r#"[1,"more","news"]"#).await;
    ann.hears(r#"[2,"more","news"]"#).await;
    assert_eq!(news.connected(), MAX_CHANNELS);
    ann.says(r#"[2,"0","news"]"#).await;
    ann.says(r#"[1,"more","news"]"#).await;
    ann.hears_nothing().await;
    assert_eq!(news.connected(), MAX_CHANNELS);
}

#[tokio::test]
async fn other_arrays_are_data() {
    let (mut world, ..) = start().await;
    let (mut ann, _) = world.client().await;
    for other in [
        "null",
        "[]",
        r#"[0,"id"]"#,
        r#"[0,"id","nothing",1]"#,
        r#"[2,"id","nothing"]"#,
        r#"[3,"id","news"]"#,
        r#"[0,"id","news",1,2]"#,
        r#"[0,1,"news"]"#,
        r#"[0,"id",1]"#,
        r#"["0","id","news"]"#,
        r#"[1,"id","news",1,2]"#,
    ] {
        ann.is_data(other).await;
    }
}

#[tokio::test]
async fn channels_have_events_of_their_own() {
    let (mut world, _, news) = start().await;
    let (mut ann, spark) = world.client().await;
    emit::on(&spark, "who", |_, ack| ack.send(("connection",)).unwrap());
    news.on_connection(|spark| {
        emit::on(spark, "who", |_, ack| ack.send(("channel",)).unwrap());
        spark.on_data(|spark, data| {
            spark.write(data).unwrap();
        });
    });
    ann.says(r#"[1,"id","news"]"#).await;
    ann.says(r#"[0,"id","news",{"type":0,"data":["who"],"id":1}]"#)
        .await;
    ann.hears(r#"[0,"id","news",{"id":1,"type":1,"data":["channel"]}]"#)
        .await;
    ann.says(r#"{"type":0,"data":["who"],"id":1}"#).await;
    ann.hears(r#"{"id":1,"type":1,"data":["connection"]}"#)
        .await;
    ann.says(r#"[0,"id","news",{"plain":1}]"#).await;
    ann.hears(r#"[0,"id","news",{"plain":1}]"#).await;

    let member = news.sparks().remove(0);
    let (answer, ()) = tokio::join!(
        within("the answer", emit::call(&member, "age?", ())),
        async {
            ann.hears(r#"[0,"id","news",{"type":0,"data":["age?"],"id":1}]"#)
                .await;
            ann.says(r#"{"id":1,"type":1,"data":["not here"]}"#).await;
            ann.says(r#"[0,"id","news",{"id":1,"type":1,"data":[7]}]"#)
                .await;
        }
    );
    assert_eq!(answer, Ok(value(json!([7]))));
    let (answer, ()) = tokio::join!(
        within("the failure", emit::call(&member, "unheard", ())),
        async {
            ann.hears(r#"[0,"id","news",{"type":0,"data":["unheard"],"id":2}]"#)
                .await;
            ann.says(r#"[2,"id","news"]"#).await;
        }
    );
    assert_eq!(answer, Err(CallError::Ended));
}
