use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use stellar::primus::plugins::{CallError, Emit, emit};
use stellar::primus::{Primus, Value, WriteError};

use crate::support::within;
use crate::{Peer, World, value};

async fn start() -> World {
    World::start(Primus::builder().plugin(Emit::new())).await
}

/// A client whose connection has a handler for `sum`.
async fn summing(world: &mut World) -> Peer {
    let (client, spark) = world.client().await;
    emit::on(&spark, "sum", |args, ack| {
        let sum: i64 = args
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_i64)
            .sum();
        ack.send(("sum", sum)).unwrap();
    });
    client
}

#[tokio::test]
async fn an_event_is_acknowledged() {
    let mut world = start().await;
    let mut ann = summing(&mut world).await;
    ann.says(r#"{"type":0,"data":["sum",1,2],"id":1}"#).await;
    ann.hears(r#"{"id":1,"type":1,"data":["sum",3]}"#).await;
    ann.says(r#"{"type":0,"data":["sum"],"id":2.5}"#).await;
    ann.hears(r#"{"id":2.5,"type":1,"data":["sum",0]}"#).await;
}

#[tokio::test]
async fn half_a_character_in_an_event_is_acknowledged_too() {
    let mut world = start().await;
    let (mut ann, spark) = world.client().await;
    emit::on(&spark, "nice \u{FFFD}", |args, ack| {
        ack.send((args[0].clone(),)).unwrap();
    });
    ann.says(r#"{"type":0,"data":["nice \ud83d","\udfff"],"id":1}"#)
        .await;
    ann.hears("{\"id\":1,\"type\":1,\"data\":[\"\u{FFFD}\"]}")
        .await;
}

#[tokio::test]
async fn an_event_that_wants_no_answer_gets_none() {
    let mut world = start().await;
    let (mut ann, spark) = world.client().await;
    let (heard, mut hears) = tokio::sync::mpsc::channel(9);
    emit::on(&spark, "hi", move |args, ack| {
        heard.try_send((args, ack.is_wanted())).unwrap();
        ack.send(("answer",)).unwrap();
    });
    ann.says(r#"{"type":0,"data":["hi",{"a":null}]}"#).await;
    ann.says(r#"{"type":0,"data":["hi"],"id":0}"#).await;
    ann.says(r#"{"emit":["hi",1]}"#).await;
    ann.hears_nothing().await;
    for args in [json!([{ "a": null }]), json!([]), json!([1])] {
        assert_eq!(hears.recv().await.unwrap(), (value(args), false));
    }
}

#[tokio::test]
async fn events_are_written_as_npms_plugins_write_them() {
    let mut world = start().await;
    let (mut ann, spark) = world.client().await;
    emit::send(&spark, "hello", ("you", 2, json!({ "a": [] }))).unwrap();
    ann.hears(r#"{"type":0,"data":["hello","you",2,{"a":[]}]}"#)
        .await;
    emit::send(&spark, "bare", ()).unwrap();
    ann.hears(r#"{"type":0,"data":["bare"]}"#).await;
    spark.write(emit::plain_event("plain", [1, 2])).unwrap();
    ann.hears(r#"{"emit":["plain",1,2]}"#).await;
    let (mut bob, _) = world.client().await;
    world
        .primus
        .write(emit::event("all", vec![Value::Null]))
        .unwrap();
    for client in [&mut ann, &mut bob] {
        client.hears(r#"{"type":0,"data":["all",null]}"#).await;
    }
}

#[tokio::test]
async fn a_call_waits_for_its_own_answer() {
    let mut world = start().await;
    let (mut ann, spark) = world.client().await;
    let first = emit::call(&spark, "age?", ("ann",));
    let second = emit::call(&spark, "age?", ("bob",));
    let client = async {
        ann.hears(r#"{"type":0,"data":["age?","ann"],"id":1}"#)
            .await;
        ann.hears(r#"{"type":0,"data":["age?","bob"],"id":2}"#)
            .await;
        for answer in [
            r#"{"id":99,"type":1,"data":["nobody's"]}"#,
            r#"{"id":-1,"type":1,"data":["nobody's"]}"#,
            r#"{"id":2,"type":1,"data":[8]}"#,
            r#"{"id":1,"type":1,"data":[7,"years"]}"#,
            r#"{"id":1,"type":1,"data":["late"]}"#,
        ] {
            ann.says(answer).await;
        }
        ann.hears_nothing().await;
    };
    let (first, second, ()) =
        within("the answers", async { tokio::join!(first, second, client) }).await;
    assert_eq!(first, Ok(value(json!([7, "years"]))));
    assert_eq!(second, Ok(value(json!([8]))));
}

#[tokio::test]
async fn a_call_fails_when_the_connection_ends() {
    let mut world = start().await;
    let (ann, spark) = world.client().await;
    let call = emit::call(&spark, "unheard", ());
    let (answer, ()) = tokio::join!(within("the failure", call), async {
        tokio::task::yield_now().await;
        ann.leaves().await;
    });
    assert_eq!(answer, Err(CallError::Ended));
    let late = emit::call(&spark, "late", ());
    assert_eq!(
        late.now_or_never(),
        Some(Err(CallError::Write(WriteError::Closed)))
    );
}

#[tokio::test]
async fn a_call_that_was_given_up_can_be_answered_all_the_same() {
    let mut world = start().await;
    let (mut ann, spark) = world.client().await;
    let call = emit::call(&spark, "slow", ());
    assert!(tokio::time::timeout(Duration::ZERO, call).await.is_err());
    ann.hears(r#"{"type":0,"data":["slow"],"id":1}"#).await;
    ann.says(r#"{"id":1,"type":1,"data":[]}"#).await;
    ann.hears_nothing().await;
}

#[tokio::test]
async fn what_only_resembles_an_event_is_data() {
    let mut world = start().await;
    let mut ann = summing(&mut world).await;
    for look_alike in [
        "null",
        "0",
        "\"text\"",
        "[]",
        "{}",
        r#"[0,"a","b"]"#,
        r#"{"emit":"sum"}"#,
        r#"{"emit":[]}"#,
        r#"{"emit":[1]}"#,
        r#"{"type":0,"data":"sum"}"#,
        r#"{"type":0,"data":[]}"#,
        r#"{"type":0,"data":[1]}"#,
        r#"{"type":0,"data":["sum"],"id":"1"}"#,
        r#"{"type":0,"data":["sum"],"id":null}"#,
        r#"{"type":0,"data":["sum"],"more":1}"#,
        r#"{"type":1,"data":[]}"#,
        r#"{"type":2,"data":["sum"]}"#,
        r#"{"type":"0","data":["sum"]}"#,
        r#"{"data":["sum"]}"#,
    ] {
        ann.is_data(look_alike).await;
    }
}

#[tokio::test]
async fn an_event_that_nobody_handles_is_no_data() {
    let mut world = start().await;
    let mut ann = summing(&mut world).await;
    ann.says(r#"{"type":0,"data":["unknown"],"id":1}"#).await;
    ann.says(r#"{"emit":["unknown"]}"#).await;
    ann.hears_nothing().await;
}

#[tokio::test]
async fn a_connections_own_handler_comes_before_that_of_all() {
    let emit = Emit::new().on("who", |_, ack| {
        let id = ack.spark().id().into_owned();
        ack.send(("all", id)).unwrap();
    });
    let mut world = World::start(Primus::builder().plugin(emit)).await;
    let (mut ann, spark) = world.client().await;
    let common = format!(r#"{{"id":1,"type":1,"data":["all","{}"]}}"#, spark.id());
    let question = r#"{"type":0,"data":["who"],"id":1}"#;
    ann.says(question).await;
    ann.hears(&common).await;
    emit::on(&spark, "who", |_, ack| ack.send(("own",)).unwrap());
    ann.says(question).await;
    ann.hears(r#"{"id":1,"type":1,"data":["own"]}"#).await;
    emit::off(&spark, "who");
    ann.says(question).await;
    ann.hears(&common).await;
}
