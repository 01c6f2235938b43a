use std::borrow::Cow;
use std::time::Duration;

use serde_json::json;
use stellar::primus::parser::{Json, Parser};
use stellar::primus::{Direction, Packet, ParserError, Primus, SparkError, Transform, Value};
use stellar::transports::{IncomingPayload, Payload};

use crate::support::engineio::{Packet as Frame, Socket};
use crate::{Log, World, connect, web};

/// JSON that is read from its end.
#[derive(Clone, Copy, Debug)]
struct Backwards;

impl Parser for Backwards {
    fn encode(&self, value: &Value) -> Result<Payload, ParserError> {
        if *value == Value::Null {
            return Err(ParserError::new("nothing is nothing"));
        }
        match Json.encode(value)? {
            Payload::Text(text) => Ok(Payload::Text(backwards(&text).into())),
            Payload::Binary(_) => Err(ParserError::new("no bytes")),
        }
    }

    fn decode(&self, message: IncomingPayload<'_>) -> Result<Value, ParserError> {
        match message {
            IncomingPayload::Text(text) => Json.decode(IncomingPayload::Text(&backwards(text))),
            IncomingPayload::Binary(_) => Err(ParserError::new("no bytes")),
        }
    }

    fn client(&self) -> Option<Cow<'static, str>> {
        Some("{ name: 'backwards', encoder: function () {}, decoder: function () {} }".into())
    }
}

fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

#[tokio::test]
async fn everything_goes_through_it_control_strings_too() {
    let interval = Some(Duration::from_secs(1));
    let builder = Primus::builder()
        .parser(Backwards)
        .ping_interval(interval)
        .on_data(|spark, packet| {
            spark.write(packet.data).unwrap();
        });
    let mut world = World::start(builder).await;
    let (mut socket, spark) = world.socket().await;
    let heard = Log::new();
    let beat = heard.clone();
    spark.on_heartbeat(move || beat.push(()));
    // It lives for several intervals, so its pongs are understood.
    for _ in 0..4 {
        let ping = next(&mut socket).await;
        let number = ping.strip_prefix("\"primus::ping::").unwrap();
        say(&mut socket, &format!("\"primus::pong::{number}")).await;
    }
    heard.reaches(4).await;
    say(&mut socket, "\"primus::id::\"").await;
    let id = format!("\"primus::id::{}\"", spark.id());
    assert_eq!(next_but_ping(&mut socket).await, id);
    say(&mut socket, "{\"a\":[1,\"é\"]}").await;
    assert_eq!(next_but_ping(&mut socket).await, "{\"a\":[1,\"é\"]}");
    spark.end();
    let close = "\"primus::server::close\"";
    assert_eq!(next_but_ping(&mut socket).await, close);
    assert_eq!(socket.closed().await, 1005);
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(&backwards(text)).await;
}

async fn next(socket: &mut Socket) -> String {
    backwards(&socket.packet().await.text_form("binary "))
}

async fn next_but_ping(socket: &mut Socket) -> String {
    loop {
        let text = next(socket).await;
        if !text.starts_with("\"primus::ping::") {
            return text;
        }
    }
}

#[tokio::test]
async fn both_ends_know_its_name() {
    let world = World::start(Primus::builder().parser(Backwards)).await;
    let spec = web::get(world.address, "/primus/spec").await.json();
    assert_eq!(spec["parser"], "custom");
    let library = world.primus.library().unwrap();
    assert!(library.contains(&*Backwards.client().unwrap()));
}

#[tokio::test]
async fn it_works_over_polling_and_for_messages_to_all() {
    let log = Log::new();
    let seen = log.clone();
    let builder = Primus::builder()
        .parser(Backwards)
        .ping_interval(None)
        .on_data(move |_, packet| seen.push(packet.data.to_json()));
    let mut world = World::start(builder).await;
    let (mut session, _) = world.polling().await;
    let (mut socket, _) = world.socket().await;
    session.send_text("4]2,1[").await;
    log.becomes([json!([1, 2])]).await;
    world.primus.write(json!({"b": 1})).unwrap();
    assert_eq!(session.next().await, "4}1:\"b\"{");
    assert_eq!(socket.packet().await, "}1:\"b\"{");
    assert_eq!(
        world.primus.write(Value::Null).unwrap_err().to_string(),
        "failed to encode outgoing data: nothing is nothing"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_the_connection_lives() {
    let (log, errors) = (Log::new(), Log::new());
    let (seen, told) = (log.clone(), errors.clone());
    let unseen = Transform::new(|packet: &mut Packet| {
        assert!(packet.raw.is_some());
        Ok(stellar::primus::Verdict::Pass)
    });
    let builder = Primus::builder()
        .transform(Direction::Incoming, unseen)
        .on_data(move |_, packet| seen.push(packet.data.to_json()))
        .on_error(move |spark, error| {
            assert!(matches!(error, SparkError::Parser(_)), "{error}");
            told.push((spark.id().into_owned(), error.to_string()));
        });
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    for text in ["{", "", "nonsense", "[1] 2", "\"primus::id::"] {
        client.send_text(text).await;
    }
    client.send_text("[1]").await;
    log.becomes([json!([1])]).await;
    let errors = errors.all();
    assert_eq!(errors.len(), 5, "{errors:?}");
    for (id, error) in errors {
        assert_eq!(id, spark.id());
        assert!(
            error.starts_with("failed to decode incoming data: "),
            "{error}"
        );
    }
    assert!(spark.is_open());
}

#[tokio::test]
async fn values_of_other_parsers_go_and_come() {
    use stellar::primus::parser::{BinaryPack, Ejson, MsgPack, Raw};
    async fn echoed(builder: stellar::primus::Builder, frame: Frame) {
        let builder = builder.ping_interval(None).on_data(|spark, packet| {
            spark.write(packet.data).unwrap();
        });
        let world = World::start(builder).await;
        let mut socket = connect(world.address, "/primus").await;
        match &frame {
            Frame::Text(text) => socket.send(text).await,
            Frame::Binary(bytes) => socket.send_binary(bytes).await,
        }
        assert_eq!(socket.packet().await, frame);
    }
    let bytes = |bytes: &[u8]| Frame::Binary(bytes.to_vec());
    echoed(
        Primus::builder().parser(MsgPack),
        bytes(&[0x92, 1, 0xA1, b'x']),
    )
    .await;
    echoed(
        Primus::builder().parser(BinaryPack),
        bytes(&[0x92, 1, 0xB1, b'x']),
    )
    .await;
    let date = "{\"$date\":1234567890123}".to_owned();
    echoed(Primus::builder().parser(Ejson), Frame::Text(date)).await;
    echoed(Primus::builder().parser(Raw), bytes(&[0, 255])).await;
    echoed(
        Primus::builder().parser(Raw),
        Frame::Text("as it is".to_owned()),
    )
    .await;
}

#[tokio::test]
async fn half_a_character_is_data_and_what_is_too_deep_is_an_error() {
    let (log, errors) = (Log::new(), Log::new());
    let (seen, told) = (log.clone(), errors.clone());
    let builder = Primus::builder()
        .on_data(move |_, packet| seen.push(packet.data.to_json()))
        .on_error(move |_, error| told.push(error.to_string().contains("recursion limit")));
    let mut world = World::start(builder).await;
    let (mut client, _) = world.client().await;
    let deep = "[".repeat(200) + &"]".repeat(200);
    for text in [
        "\"nice \\ud83d\"",
        &deep,
        "{\"\\udfff\":[\"\\ud83d\\ud83d\\ude00\"]}",
    ] {
        client.send_text(text).await;
    }
    let half = json!({"\u{FFFD}": ["\u{FFFD}\u{1F600}"]});
    log.becomes([json!("nice \u{FFFD}"), half]).await;
    errors.becomes([true]).await;
}
