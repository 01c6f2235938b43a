use serde_json::json;
use stellar::primus::layer::{Exchange, Next};
use stellar::primus::{
    Builder, ClientPart, CloseReason, Direction, Packet, Plugin, Primus, PrimusError, Spark,
    Transform, Verdict,
};

use crate::support::eventually;
use crate::{Log, World, web};

/// Notes what it is told, and keeps messages that name it.
#[derive(Debug)]
struct Witness {
    name: &'static str,
    log: Log<String>,
}

impl std::fmt::Debug for Log<String> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.all())
    }
}

impl Witness {
    fn note(&self, what: &str) {
        self.log.push(format!("{} {what}", self.name));
    }
}

impl Plugin for Witness {
    fn name(&self) -> &str {
        self.name
    }

    fn install(&self, builder: Builder) -> Builder {
        self.note("install");
        builder
    }

    fn built(&self, primus: &Primus) {
        self.note(&format!("built {}", primus.pathname()));
    }

    fn connected(&self, spark: &Spark) {
        assert!(spark.is_open());
        self.note("connected");
    }

    fn received(&self, _: &Spark, packet: Packet) -> Option<Packet> {
        self.note(&format!("received {}", packet.data.to_json()));
        (packet.data.as_str() != Some(self.name)).then_some(packet)
    }

    fn disconnected(&self, spark: &Spark, reason: &CloseReason) {
        assert!(!spark.is_open());
        self.note(&format!("disconnected {}", reason.label()));
    }

    fn client(&self) -> Option<ClientPart> {
        let name = self.name;
        Some(ClientPart::new(format!(
            "function (primus) {{ primus.{name} = 'here'; }}"
        )))
    }
}

fn witnesses(log: &Log<String>) -> Builder {
    let [a, b] = ["a", "b"].map(|name| Witness {
        name,
        log: log.clone(),
    });
    Primus::builder().plugin(a).plugin(b)
}

fn texts<const N: usize>(texts: [&str; N]) -> [String; N] {
    texts.map(str::to_owned)
}

#[tokio::test]
async fn they_are_told_everything_in_their_order_before_the_application() {
    let log = Log::new();
    let [opened, data, closed] = [(); 3].map(|()| log.clone());
    let builder = witnesses(&log)
        .on_connection(move |_: Spark| {
            opened.push("app connected".to_owned());
            async {}
        })
        .on_data(move |_, packet| data.push(format!("app received {}", packet.data.to_json())))
        .on_disconnection(move |_, reason| {
            closed.push(format!("app disconnected {}", reason.label()));
            async {}
        });
    let mut world = World::start(builder).await;
    let before = texts([
        "a install",
        "b install",
        "a built /primus",
        "b built /primus",
    ]);
    assert_eq!(log.all(), before);
    let (mut client, _) = world.client().await;
    client.send_all([json!("x"), json!("a"), json!("b")]).await;
    log.reaches(4 + 3 + 6).await;
    client.close().await;
    eventually("the end", || log.all().len() == 16).await;
    assert_eq!(
        log.all()[4..],
        texts([
            "a connected",
            "b connected",
            "app connected",
            "a received \"x\"",
            "b received \"x\"",
            "app received \"x\"",
            // Who keeps a message is the last to see it.
            "a received \"a\"",
            "a received \"b\"",
            "b received \"b\"",
            "a disconnected peer_closed",
            "b disconnected peer_closed",
            "app disconnected peer_closed",
        ])
    );
}

#[tokio::test]
async fn their_clients_parts_are_in_the_library() {
    let log = Log::new();
    let world = World::start(witnesses(&log)).await;
    let library = world.primus.library().unwrap();
    for name in ["a", "b"] {
        assert!(
            library.contains(&format!("primus.{name} = 'here';")),
            "{name}"
        );
    }
    assert_eq!(
        web::get(world.address, "/primus/primus.js").await.text(),
        library
    );
    let without = Primus::builder().build().unwrap().library().unwrap();
    assert!(!without.contains("'here'"));
}

#[test]
fn names_are_there_once() {
    let log = Log::new();
    for name in ["a", "b", ""] {
        let again = Witness {
            name,
            log: log.clone(),
        };
        let error = witnesses(&log).plugin(again).build().unwrap_err();
        assert!(
            matches!(&error, PrimusError::Plugin(taken) if taken == name),
            "{error}"
        );
    }
}

/// Adds what a builder can be given.
#[derive(Debug)]
struct Stamp;

impl Plugin for Stamp {
    fn name(&self) -> &str {
        "stamp"
    }

    fn install(&self, builder: Builder) -> Builder {
        let stamp = Transform::new(|packet| {
            packet.data = json!({"stamped": packet.data.to_json()}).into();
            Ok(Verdict::Pass)
        });
        let answer = |exchange: &mut Exchange| {
            let name = http::HeaderName::from_static("x-stamp");
            exchange.headers.insert(name, "yes".parse().unwrap());
            Ok(Next::Continue)
        };
        builder
            .transform(Direction::Outgoing, stamp)
            .layer("stamp", answer)
    }
}

#[tokio::test]
async fn they_bring_transforms_and_layers() {
    let mut world = World::start(Primus::builder().plugin(Stamp)).await;
    let (mut client, spark) = world.client().await;
    spark.write(1).unwrap();
    assert_eq!(client.next_packet().await, json!({"stamped": 1}));
    assert!(world.primus.layers().position("stamp").is_some());
    let reply = web::get(world.address, "/primus").await;
    assert_eq!(reply.header("x-stamp"), "yes");
}

/// Answers by itself, and panics at what it is told to.
#[derive(Debug)]
struct Rude;

impl Plugin for Rude {
    fn name(&self) -> &str {
        "rude"
    }

    fn received(&self, spark: &Spark, packet: Packet) -> Option<Packet> {
        assert!(packet.data.as_str() != Some("boom"), "as it was told to");
        spark.write(packet.data).unwrap();
        None
    }
}

#[tokio::test]
async fn one_that_panics_costs_its_connection_and_no_other() {
    let mut world = World::start(Primus::builder().plugin(Rude)).await;
    let (mut ann, spark) = world.client().await;
    let (mut bob, _) = world.client().await;
    let reasons = Log::new();
    let log = reasons.clone();
    spark.on_end(move |reason| log.push(reason.label().to_owned()));
    ann.send_text("\"boom\"").await;
    ann.closed().await;
    reasons.becomes(texts(["internal"])).await;
    bob.send(json!("elsewhere")).await;
    assert_eq!(bob.next_packet().await, "elsewhere");
    assert_eq!(world.primus.connected(), 1);
}
