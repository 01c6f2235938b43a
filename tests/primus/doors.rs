use stellar::primus::{Primus, PrimusError};

use crate::support::Client;
use crate::support::engineio::{ENGINE, Opening, Version};
use crate::support::socketio::{Kind, Peer};
use crate::{Log, World, web};

const SPEC: &str = "{\"pingInterval\":30000,\"pathname\":\"/primus\",\"version\":\"8.0.9\",\
                    \"parser\":\"json\",\"transformer\":\"websockets\"}";

#[test]
fn a_pathname_is_segments() {
    for (given, pathname) in [
        ("/live", "/live"),
        ("live", "/live"),
        ("/live/", "/live"),
        ("/live/now", "/live/now"),
        ("live/now/", "/live/now"),
        ("/a-b_c.d~e", "/a-b_c.d~e"),
    ] {
        let primus = Primus::builder().pathname(given).build().unwrap();
        assert_eq!(primus.pathname(), pathname);
    }
    for given in [
        "",
        "/",
        "//",
        "/live?",
        "/live?now",
        "/live#now",
        "/li ve",
        "/li\nve",
    ] {
        let error = Primus::builder().pathname(given).build().unwrap_err();
        assert!(
            matches!(error, PrimusError::Pathname(text) if text == given),
            "{given}"
        );
    }
}

#[test]
fn other_options_that_cannot_work_are_errors() {
    let error = Primus::builder()
        .transports(["ws", "pigeon"])
        .build()
        .unwrap_err();
    assert!(matches!(error, PrimusError::Transport(name) if name == "pigeon"));
    for global in ["", "a<b", "a\"b", "a\\b", "a\nb"] {
        let error = Primus::builder().global(global).build().unwrap_err();
        assert!(matches!(error, PrimusError::Global(_)), "{global}");
    }
}

#[tokio::test]
async fn clients_come_in_at_the_pathname_and_nowhere_near_it() {
    let mut world = World::start(Primus::builder().pathname("/live/now")).await;
    for path in ["/live/now", "/live/now/", "/live/now?x=1", "/live/now/more"] {
        let client = Client::connect(world.address, path, &[]).await.unwrap();
        assert_eq!(world.spark().await.uri(), path);
        drop(client);
    }
    for path in [
        "/live/nowhere",
        "/live",
        "/primus",
        "/live/now%2F",
        "/LIVE/now",
    ] {
        let refused = Client::connect(world.address, path, &[]).await.unwrap_err();
        assert_eq!(refused.status, 404, "{path}");
        assert_eq!(web::get(world.address, path).await.status, 404, "{path}");
    }
    let opening = Opening::new(world.address, Version::V4).door("/live/now/");
    let _session = opening.session().await;
    assert_eq!(world.spark().await.transport(), "polling");
    let opening = Opening::new(world.address, Version::V4).door("/live/nowhere/");
    assert_eq!(opening.reply().await.status, 404);
}

#[tokio::test]
async fn a_name_that_begins_alike_is_another() {
    let world = World::start(Primus::builder()).await;
    for path in ["/primusfoo", "/primusfoo/primus.js", "/", "/favicon.ico"] {
        assert_eq!(web::get(world.address, path).await.status, 404, "{path}");
    }
    let reply = web::get(world.address, "/primus").await;
    assert_eq!((reply.status, reply.text()), (426, "Upgrade Required"));
}

#[tokio::test]
async fn every_door_leads_to_the_same_server() {
    let log = Log::new();
    let seen = log.clone();
    let builder = Primus::builder().on_data(move |spark, packet| {
        seen.push((spark.transport(), packet.data.to_json()));
    });
    let mut world = World::start(builder).await;
    let mut plain = Client::open(world.address, "/ws").await;
    plain.send_text("1").await;
    assert_eq!(log.reaches(1).await[0], ("ws", 1.into()));
    let mut bare = Opening::new(world.address, Version::V4)
        .door(ENGINE)
        .session()
        .await;
    bare.send_text("42").await;
    assert_eq!(log.reaches(2).await[1], ("polling", 2.into()));
    let mut old = Opening::new(world.address, Version::V3)
        .door(ENGINE)
        .session()
        .await;
    old.send_text("43").await;
    assert_eq!(log.reaches(3).await[2], ("polling", 3.into()));
    let sparks = [
        world.spark().await,
        world.spark().await,
        world.spark().await,
    ];
    assert_eq!(world.primus.connected(), 3);
    world.primus.write("to all").unwrap();
    assert_eq!(plain.next_packet().await, "to all");
    assert_eq!(bare.next_json().await, "to all");
    assert_eq!(old.next_json().await, "to all");
    for spark in &sparks {
        assert_eq!(world.primus.spark(&spark.id()).as_ref(), Some(spark));
    }
}

#[tokio::test]
async fn clients_of_socket_io_are_connections_like_others() {
    for kind in Kind::ALL {
        let mut world = World::start(Primus::builder()).await;
        let mut peer = Peer::open(world.address, kind).await;
        if kind.version == Version::V4 {
            peer.send("40").await;
        }
        let spark = world.spark().await;
        assert_eq!(spark.transport(), "socketio");
        spark.write("hello").unwrap();
        peer.wait_for("42[\"message\",\"hello\"]").await;
    }
}

#[tokio::test]
async fn a_door_that_is_closed_says_so() {
    let world = World::start(Primus::builder().transports(["ws"])).await;
    for path in [
        "/primus/?EIO=4&transport=polling",
        "/engine.io/?EIO=4&transport=polling",
        "/socket.io/?EIO=4&transport=polling",
    ] {
        let reply = web::get(world.address, path).await;
        assert_eq!(reply.status, 400, "{path}");
        assert_eq!(reply.json()["code"], 0);
        assert_eq!(reply.json()["message"], "Transport unknown");
    }
    assert!(Client::connect(world.address, "/primus", &[]).await.is_ok());
    let world = World::start(Primus::builder().transports(["polling"])).await;
    for path in ["/primus", "/ws"] {
        let refused = Client::connect(world.address, path, &[]).await.unwrap_err();
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
    }
    let opening = Opening::new(world.address, Version::V4).door("/primus/");
    opening.session().await;
}

#[tokio::test]
async fn the_description_has_five_keys_in_their_order() {
    let world = World::start(Primus::builder()).await;
    assert_eq!(world.primus.spec(), SPEC);
    for path in ["/primus/spec", "/primus/spec?x"] {
        let reply = web::get(world.address, path).await;
        assert_eq!((reply.status, reply.text()), (200, SPEC));
        assert_eq!(reply.header("content-type"), "application/json");
    }
    assert_ne!(web::get(world.address, "/primus/spec/").await.status, 200);
    let other = Primus::builder()
        .pathname("/live")
        .ping_interval(None)
        .parser(stellar::primus::parser::MsgPack)
        .transports(["polling", "ws"]);
    assert_eq!(
        other.build().unwrap().spec(),
        "{\"pingInterval\":false,\"pathname\":\"/live\",\"version\":\"8.0.9\",\
         \"parser\":\"msgpack\",\"transformer\":\"engine.io\"}"
    );
}

#[tokio::test]
async fn the_client_library_is_served_returned_and_saved() {
    let world = World::start(Primus::builder().pathname("/live").global("Live")).await;
    let library = world.primus.library().unwrap();
    let reply = web::get(world.address, "/live/primus.js?cached=no").await;
    assert_eq!((reply.status, reply.text()), (200, &*library));
    assert_eq!(
        reply.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert!(library.contains("/live") && library.contains("Live"));
    let folder = tempfile::tempdir().unwrap();
    let [readable, small] = ["primus.js", "primus.min.js"].map(|name| folder.path().join(name));
    world.primus.save(&readable).unwrap();
    world.primus.save(&small).unwrap();
    assert_eq!(std::fs::read_to_string(readable).unwrap(), library);
    let small = std::fs::read_to_string(small).unwrap();
    assert!(small.len() < library.len() / 2, "{}", small.len());
    assert_eq!(
        web::get(world.address, "/live/primus.min.js").await.text(),
        small
    );
    // There is none for transports that it could not speak.
    let primus = Primus::builder().transports(["socketio"]).build().unwrap();
    assert_eq!(primus.library(), None);
    assert!(primus.save(folder.path().join("none.js")).is_err());
}
