use futures_util::FutureExt;
use serde_json::json;
use stellar::primus::plugins::{CallError, Responder, responder};
use stellar::primus::{Primus, WriteError};

use crate::support::within;
use crate::{World, value};

async fn start() -> World {
    let responder = Responder::new().on_request(|request| {
        let data = request.data.clone();
        request.respond(data).unwrap();
    });
    World::start(Primus::builder().plugin(responder)).await
}

#[tokio::test]
async fn a_request_is_answered_under_its_id() {
    let mut world = start().await;
    let (mut ann, _) = world.client().await;
    for (id, data) in [
        ("\"a-1\"", "{\"q\":[1,null]}"),
        ("7", "0"),
        ("true", "false"),
        ("{\"any\":1}", "\"\""),
    ] {
        ann.says(&format!(
            r#"{{"plugin":"primus-responder","requestId":{id},"data":{data}}}"#
        ))
        .await;
        ann.hears(&format!(
            r#"{{"plugin":"primus-responder","responseId":{id},"data":{data}}}"#
        ))
        .await;
    }
    ann.says(r#"{"plugin":"primus-responder","requestId":"absent"}"#)
        .await;
    ann.hears(r#"{"plugin":"primus-responder","responseId":"absent","data":null}"#)
        .await;
}

#[tokio::test]
async fn half_a_character_is_answered_too() {
    let mut world = start().await;
    let (mut ann, _) = world.client().await;
    ann.says(r#"{"plugin":"primus-responder","requestId":"1\ud83d","data":"\udfff","\ud800":0}"#)
        .await;
    ann.hears(
        "{\"plugin\":\"primus-responder\",\"responseId\":\"1\u{FFFD}\",\"data\":\"\u{FFFD}\"}",
    )
    .await;
}

#[tokio::test]
async fn an_envelope_is_no_data_even_if_it_is_empty() {
    let mut world = start().await;
    let (mut ann, _) = world.client().await;
    for rest in [
        "",
        r#","requestId":0"#,
        r#","requestId":"""#,
        r#","requestId":null"#,
        r#","requestId":false"#,
        r#","responseId":"1","data":1"#,
        r#","responseId":"unknown""#,
        r#","responseId":1"#,
    ] {
        ann.says(&format!(r#"{{"plugin":"primus-responder"{rest}}}"#))
            .await;
    }
    ann.hears_nothing().await;
    for other in [
        "null",
        "[]",
        "{}",
        r#"{"plugin":"other","requestId":"1"}"#,
        r#"{"requestId":"1"}"#,
    ] {
        ann.is_data(other).await;
    }
}

#[tokio::test]
async fn the_server_asks_and_waits() {
    let mut world = start().await;
    let (mut ann, spark) = world.client().await;
    let first = responder::write_and_wait(&spark, "how?");
    let second = responder::write_and_wait(&spark, json!({ "q": 1 }));
    let client = async {
        ann.hears(r#"{"plugin":"primus-responder","requestId":"1","data":"how?"}"#)
            .await;
        ann.hears(r#"{"plugin":"primus-responder","requestId":"2","data":{"q":1}}"#)
            .await;
        ann.says(r#"{"plugin":"primus-responder","responseId":"2","data":[2]}"#)
            .await;
        ann.says(r#"{"plugin":"primus-responder","responseId":"1"}"#)
            .await;
        ann.says(r#"{"plugin":"primus-responder","responseId":"1","data":"late"}"#)
            .await;
        ann.hears_nothing().await;
    };
    let (first, second, ()) =
        within("the answers", async { tokio::join!(first, second, client) }).await;
    assert_eq!(first, Ok(value(json!(null))));
    assert_eq!(second, Ok(value(json!([2]))));
}

#[tokio::test]
async fn a_call_fails_when_the_connection_ends() {
    let mut world = start().await;
    let (ann, spark) = world.client().await;
    let call = responder::write_and_wait(&spark, "unheard");
    let (answer, ()) = tokio::join!(within("the failure", call), async {
        tokio::task::yield_now().await;
        ann.leaves().await;
    });
    assert_eq!(answer, Err(CallError::Ended));
    let late = responder::write_and_wait(&spark, "late");
    assert_eq!(
        late.now_or_never(),
        Some(Err(CallError::Write(WriteError::Closed)))
    );
}

#[tokio::test]
async fn a_connections_own_handler_takes_the_place_of_that_of_all() {
    let mut world = start().await;
    let (mut ann, spark) = world.client().await;
    responder::on_request(&spark, |request| {
        let id = request.spark().id().into_owned();
        // Requests may be answered later, and in another order.
        tokio::spawn(async move { request.respond(id) });
    });
    ann.says(r#"{"plugin":"primus-responder","requestId":"x","data":1}"#)
        .await;
    ann.hears(&format!(
        r#"{{"plugin":"primus-responder","responseId":"x","data":"{}"}}"#,
        spark.id()
    ))
    .await;
}

#[tokio::test]
async fn without_a_handler_a_request_is_dropped() {
    let mut world = World::start(Primus::builder().plugin(Responder::new())).await;
    let (mut ann, _) = world.client().await;
    ann.says(r#"{"plugin":"primus-responder","requestId":"x","data":1}"#)
        .await;
    ann.hears_nothing().await;
}
