use serde_json::json;
use stellar::primus::{
    Builder, Direction, Packet, Primus, SparkError, Transform, Value, Verdict, WriteError, Written,
};
use stellar::transports::Payload;

use crate::{Log, World};

const BOTH: [Direction; 2] = [Direction::Incoming, Direction::Outgoing];

/// Puts a name behind the data, at once.
fn stamp(name: &'static str) -> Transform {
    Transform::new(move |packet| {
        packet.data = json!([packet.data.to_json(), name]).into();
        Ok(Verdict::Pass)
    })
}

/// The same, later.
fn slow_stamp(name: &'static str) -> Transform {
    Transform::waiting(move |mut packet| async move {
        tokio::task::yield_now().await;
        packet.data = json!([packet.data.to_json(), name]).into();
        Ok(Some(packet))
    })
}

/// Fails at once on what is the text `now`.
fn fail_now() -> Transform {
    Transform::new(|packet| match packet.data.as_str() {
        Some("now") => Err("no".into()),
        _ => Ok(Verdict::Pass),
    })
}

/// Echoes what comes, as it came out of the transforms.
fn echo() -> Builder {
    Primus::builder().on_data(|spark, packet| {
        // A transform may not like it.
        let _failed = spark.write(packet.data);
    })
}

#[tokio::test]
async fn those_of_the_server_come_first_each_in_its_order() {
    let mut builder = echo();
    for direction in BOTH {
        builder = builder
            .transform(direction, stamp("server 1"))
            .transform(direction, slow_stamp("server 2"))
            .transform(direction, stamp("server 3"));
    }
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    spark.transform(Direction::Outgoing, slow_stamp("own 1"));
    spark.transform(Direction::Outgoing, stamp("own 2"));
    client.send(json!("x")).await;
    let incoming = json!([[["x", "server 1"], "server 2"], "server 3"]);
    let outgoing = json!([[[incoming, "server 1"], "server 2"], "server 3"]);
    let expected = json!([[outgoing, "own 1"], "own 2"]);
    assert_eq!(client.next_packet().await, expected);
}

#[tokio::test]
async fn those_of_a_connection_are_for_nobody_else() {
    let mut world = World::start(echo()).await;
    let (mut ann, spark) = world.client().await;
    let (mut bob, _) = world.client().await;
    spark.transform(Direction::Incoming, stamp("in"));
    spark.transform(Direction::Outgoing, slow_stamp("out"));
    ann.send(json!("x")).await;
    assert_eq!(ann.next_packet().await, json!([["x", "in"], "out"]));
    bob.send(json!("x")).await;
    assert_eq!(bob.next_packet().await, json!("x"));
}

#[tokio::test]
async fn they_know_whose_message_it_is_and_how_it_came() {
    let seen = Log::new();
    let mut builder = echo();
    for direction in BOTH {
        let log = seen.clone();
        builder = builder.transform(
            direction,
            Transform::new(move |packet: &mut Packet| {
                let id = packet.spark().map(|spark| spark.id().into_owned());
                let is_incoming = direction == Direction::Incoming;
                log.push((is_incoming, id, packet.raw.clone()));
                Ok(Verdict::Pass)
            }),
        );
    }
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    client.send_text(" {\"a\" : 1}").await;
    assert_eq!(client.next_packet().await, json!({"a": 1}));
    let id = Some(spark.id().into_owned());
    let raw = Payload::Text(" {\"a\" : 1}".into());
    assert_eq!(
        seen.all(),
        [(true, id.clone(), Some(raw)), (false, id, None)]
    );
}

#[tokio::test]
async fn control_strings_pass_them_by() {
    let seen = Log::new();
    let log = seen.clone();
    let all = Transform::new(move |packet| {
        log.push(packet.data.to_json());
        Ok(Verdict::Pass)
    });
    let builder = echo()
        .transform(Direction::Incoming, all.clone())
        .transform(Direction::Outgoing, all);
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    client.send_text("\"primus::id::\"").await;
    let answer = client.wait_control("primus::id::").await;
    assert_eq!(answer, format!("primus::id::{}", spark.id()));
    spark.end();
    client.wait_control("primus::server::close").await;
    assert_eq!(seen.all(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn they_may_drop_a_message() {
    let drop_now = Transform::new(|packet| match packet.data.as_str() {
        Some("drop") => Ok(Verdict::Drop),
        _ => Ok(Verdict::Pass),
    });
    let drop_later = Transform::waiting(|packet: Packet| async move {
        let is_unwanted = packet.data.as_str() == Some("drop later");
        Ok((!is_unwanted).then_some(packet))
    });
    for direction in BOTH {
        let builder = echo()
            .transform(direction, drop_now.clone())
            .transform(direction, drop_later.clone());
        let mut world = World::start(builder).await;
        let (mut client, spark) = world.client().await;
        if direction == Direction::Outgoing {
            assert_eq!(spark.write("drop"), Ok(Written::Dropped));
            assert_eq!(spark.write("drop later"), Ok(Written::Transforming));
        }
        client
            .send_all([json!("drop"), json!("drop later"), json!("stay")])
            .await;
        assert_eq!(client.next_packet().await, "stay");
    }
}

#[tokio::test]
async fn errors_reach_the_connections_listener_before_the_servers() {
    let (general, own) = (Log::new(), Log::new());
    let log = general.clone();
    let fail_later = Transform::waiting(|packet: Packet| async move {
        match packet.data.as_str() {
            Some("later") => Err("not any more".into()),
            _ => Ok(Some(packet)),
        }
    });
    let builder = echo()
        .transform(Direction::Incoming, fail_now())
        .transform(Direction::Incoming, fail_later)
        .on_error(move |spark, error| log.push(format!("{}: {error}", spark.id())));
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    let packets = || [json!("now"), json!("later"), json!("fine")];
    client.send_all(packets()).await;
    assert_eq!(client.next_packet().await, "fine");
    let texts = [
        "a transform of Incoming messages failed: no",
        "a transform of Incoming messages failed: not any more",
    ];
    let expected = texts.map(|text| format!("{}: {text}", spark.id()));
    assert_eq!(general.all(), expected);
    let log = own.clone();
    spark.on_error(move |error| {
        assert!(matches!(
            error,
            SparkError::Transform(Direction::Incoming, _)
        ));
        log.push(error.to_string());
    });
    client.send_all(packets()).await;
    assert_eq!(client.next_packet().await, "fine");
    assert_eq!(
        (general.all().len(), own.all()),
        (2, texts.map(str::to_owned).to_vec())
    );
}

#[tokio::test]
async fn who_writes_hears_of_an_error_if_it_comes_at_once() {
    let errors = Log::new();
    let log = errors.clone();
    let later = Transform::waiting(|mut packet: Packet| async move {
        match packet.data.as_str() {
            Some("later") => return Err("not any more".into()),
            Some("reserved") => packet.data = "primus::x".into(),
            _ => {}
        }
        Ok(Some(packet))
    });
    let builder = Primus::builder().on_error(move |_, error| log.push(error.to_string()));
    let mut world = World::start(builder).await;
    let (mut client, spark) = world.client().await;
    spark.transform(Direction::Outgoing, fail_now());
    assert_eq!(spark.write("now"), Err(WriteError::Transform("no".into())));
    spark.transform(Direction::Outgoing, later);
    for text in ["later", "reserved", "fine"] {
        assert_eq!(spark.write(text), Ok(Written::Transforming));
    }
    assert_eq!(client.next_packet().await, "fine");
    assert_eq!(
        errors.all(),
        [
            "a transform of Outgoing messages failed: not any more",
            "a message that waited for its transforms was not sent: strings that begin with \
             \"primus::\" belong to the protocol",
        ]
    );
}

/// Panics at what is the text `boom`, at once and later.
fn bombs() -> [Transform; 2] {
    let look = |data: &Value| assert!(data.as_str() != Some("boom"), "as it was told to");
    let now = Transform::new(move |packet| {
        look(&packet.data);
        Ok(Verdict::Pass)
    });
    let later = Transform::waiting(move |packet: Packet| async move {
        look(&packet.data);
        Ok(Some(packet))
    });
    [now, later]
}

#[tokio::test]
async fn one_that_panics_on_the_way_in_fails_and_nothing_else() {
    for transform in bombs() {
        let errors = Log::new();
        let log = errors.clone();
        let builder = echo()
            .transform(Direction::Incoming, transform)
            .on_error(move |_, error| log.push(error.to_string()));
        let mut world = World::start(builder).await;
        let (mut ann, _) = world.client().await;
        let (mut bob, _) = world.client().await;
        ann.send_all([json!("boom"), json!("after")]).await;
        bob.send(json!("elsewhere")).await;
        assert_eq!(ann.next_packet().await, "after");
        assert_eq!(bob.next_packet().await, "elsewhere");
        assert_eq!(
            errors.all(),
            ["a transform of Incoming messages failed: it panicked"]
        );
    }
}

#[tokio::test]
async fn one_that_panics_on_the_way_out_fails_and_nothing_else() {
    for transform in bombs() {
        let builder = Primus::builder().transform(Direction::Outgoing, transform.clone());
        let mut world = World::start(builder).await;
        let (mut ann, spark) = world.client().await;
        let (mut bob, other) = world.client().await;
        // It depends on the transform whether the writer hears of it.
        let _failed = (spark.write("boom"), world.primus.write("boom"));
        spark.write("after").unwrap();
        other.write("elsewhere").unwrap();
        assert_eq!(ann.next_packet().await, "after");
        assert_eq!(bob.next_packet().await, "elsewhere");
        world.primus.write("all").unwrap();
        assert_eq!(ann.next_packet().await, "all");
        assert_eq!(bob.next_packet().await, "all");
    }
}

#[tokio::test]
async fn one_that_writes_does_not_wait_for_itself() {
    let mut world = World::start(echo()).await;
    let (mut client, spark) = world.client().await;
    let answer = Transform::new(|packet| {
        if packet.data.as_str() == Some("x") {
            packet.spark().unwrap().write("y")?;
        }
        Ok(Verdict::Pass)
    });
    spark.transform(Direction::Outgoing, answer);
    client.send(json!("x")).await;
    assert_eq!(client.next_packet().await, "x");
    assert_eq!(client.next_packet().await, "y");
}
