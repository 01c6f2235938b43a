//! Namespaces that a program opens besides `/`, with the library's own handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use stellar::Server;
use stellar::app::App;
use stellar::transports::Peer as Address;
use stellar::transports::socketio::Namespaces;
use stellar::transports::socketio::socketioxide::extract::{AckSender, Data, SocketRef};
use stellar::transports::socketio::socketioxide::handler::ConnectHandler;

use crate::support::engineio::Packet;
use crate::support::server::{Running, config, start_server};
use crate::support::socketio::{Kind, Peer, opening};
use crate::support::{eventually, within};

/// A server with the namespace `/news`, and how many have left that.
async fn start(connect_timeout_ms: u64) -> (Running, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&left);
    let connected = move |socket: SocketRef| {
        let counted = Arc::clone(&counted);
        async move {
            socket.join("readers");
            socket.on_disconnect(async move || {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            socket.on("publish", publish);
            socket.on("who", who);
            socket.on("caf\u{e9}/\u{1F600}", async |ack: AckSender| {
                ack.send("open").unwrap()
            });
            socket.on("picture", async |socket: SocketRef| {
                for _ in 0..PICTURES {
                    let parts = [bytes::Bytes::from_static(b"\x01\x02"), "xyz".into()];
                    socket.emit("picture", &parts).unwrap();
                }
            });
        }
    };
    let namespaces = Namespaces::new(move |io| {
        io.ns("/news", connected.clone().with(authorize));
    });
    let config = config(|config| config.socketio.connect_timeout_ms = connect_timeout_ms);
    let app = App::builder().config(config).build().unwrap();
    let server = Server::new(app.clone()).namespaces(namespaces);
    (start_server(app, server).await, left)
}

const PICTURES: usize = 200;

async fn authorize(Data(auth): Data<Value>) -> Result<(), &'static str> {
    match auth["token"] == "wrong" {
        true => Err("wrong token"),
        false => Ok(()),
    }
}

async fn publish(socket: SocketRef, Data(news): Data<String>, ack: AckSender) {
    socket
        .within("readers")
        .emit("headline", &news)
        .await
        .unwrap();
    ack.send("published").unwrap();
}

/// What the namespace knows of the request.
async fn who(socket: SocketRef, ack: AckSender) {
    let parts = socket.req_parts();
    let address = parts.extensions.get::<Address>().unwrap();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let answer = json!({
        "query": parts.uri.query(),
        "token": header("x-token"),
        "ip": address.ip.to_string(),
    });
    ack.send(&answer).unwrap();
}

async fn reader(server: &Running, kind: Kind) -> Peer {
    let mut peer = Peer::connected(server.address, kind).await;
    peer.send("40/news,").await;
    peer.wait_for("40/news,").await;
    peer
}

#[tokio::test]
async fn they_have_events_rooms_and_acknowledgements() {
    let (server, _) = start(45_000).await;
    let mut ann = reader(&server, Kind::ALL[0]).await;
    let mut ben = reader(&server, Kind::ALL[1]).await;
    ann.send("42/news,5[\"publish\",\"rain\"]").await;
    assert_eq!(ann.wait_for("43/news,").await, "43/news,5[\"published\"]");
    for peer in [&mut ann, &mut ben] {
        let headline = peer.wait_for("42/news,").await;
        assert_eq!(headline, "42/news,[\"headline\",\"rain\"]");
    }
}

#[tokio::test]
async fn half_a_character_reaches_them_as_a_replacement() {
    let (server, _) = start(45_000).await;
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send("40/news,{\"token\":\"\\ud83d\"}").await;
        ann.wait_for("40/news,").await;
        ann.send("42/news,5[\"publish\",\"rain \\ud83d\"]").await;
        let headline = ann.wait_for("42/news,").await;
        assert_eq!(headline, "42/news,[\"headline\",\"rain \u{FFFD}\"]");
        assert_eq!(ann.wait_for("43/news,").await, "43/news,5[\"published\"]");
    }
}

/// Encoders like PHP's and Python's escape more than they have to.
#[tokio::test]
async fn names_of_events_are_what_they_say() {
    let (server, _) = start(45_000).await;
    for kind in Kind::ALL {
        let mut ann = reader(&server, kind).await;
        for name in [
            "caf\u{e9}/\u{1F600}",
            "caf\\u00e9\\/\\ud83d\\ude00",
            "\\u0063af\u{e9}\\/\u{1F600}",
        ] {
            ann.send(format!("42/news,5[\"{name}\"]")).await;
            assert_eq!(ann.wait_for("43/news,").await, "43/news,5[\"open\"]");
        }
        ann.send("42/news,6[\"p\\u0075blish\",\"a\\u0062c\"]").await;
        let headline = ann.wait_for("42/news,").await;
        assert_eq!(headline, "42/news,[\"headline\",\"abc\"]");
    }
}

/// As in Node, where a packet for a namespace that its sender is not in closes.
#[tokio::test]
async fn who_is_not_in_one_or_is_in_it_already_is_closed() {
    let (server, left) = start(45_000).await;
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        for packet in ["42/news,1[\"who\"]", "43/news,0[]", "41/news,"] {
            let mut ann = Peer::connected(server.address, kind).await;
            assert_eq!(ann.rest_after(packet).await, [""; 0], "{packet} {kind:?}");
        }
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send("40/nowhere,").await;
        let refusal = ann.wait_for("44/nowhere,").await;
        assert_eq!(refusal, "44/nowhere,{\"message\":\"Invalid namespace\"}");
        ann.send("40/news,").await;
        ann.wait_for("40/news,").await;
        assert_eq!(ann.rest_after("40/news,").await, [""; 0], "{kind:?}");
        eventually("it has left", || left.load(Ordering::Relaxed) == number + 1).await;
    }
}

#[tokio::test]
async fn they_may_be_left_and_entered_again() {
    let (server, left) = start(45_000).await;
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        let mut ann = reader(&server, kind).await;
        ann.send("41/news,").await;
        let gone = 2 * number + 1;
        eventually("it has left", || left.load(Ordering::Relaxed) == gone).await;
        // Acknowledgements without an id are read over, as those of `/` are.
        ann.send("40/news,").await;
        ann.wait_for("40/news,").await;
        ann.send("43/news,[]").await;
        ann.send("42/news,5[\"publish\",\"rain\"]").await;
        ann.wait_for("43/news,5[").await;
        ann.rest_after("41").await;
        eventually("it has left", || left.load(Ordering::Relaxed) == gone + 1).await;
    }
}

/// What the library cannot read ends the session, `/` included.
#[tokio::test]
async fn a_packet_that_makes_no_sense_there_closes() {
    let (server, left) = start(45_000).await;
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        let mut ann = reader(&server, kind).await;
        assert_eq!(ann.rest_after("42/news,{}").await, [""; 0], "{kind:?}");
        eventually("it has left", || left.load(Ordering::Relaxed) == number + 1).await;
    }
}

#[tokio::test]
async fn they_refuse_by_themselves() {
    let (server, _) = start(45_000).await;
    let mut ann = Peer::connected(server.address, Kind::ALL[1]).await;
    ann.send("40/news,{\"token\":\"wrong\"}").await;
    assert_eq!(
        ann.wait_for("44/news,").await,
        "44/news,{\"message\":\"wrong token\"}"
    );
    assert_eq!(ann.call("detailsView", json!({})).await["status"], "OK");
    ann.send("40/news,{\"token\":\"right\"}").await;
    ann.wait_for("40/news,{").await;
}

#[tokio::test]
async fn they_see_the_request_and_nothing_that_is_not_the_clients() {
    let (server, _) = start(45_000).await;
    let kind = Kind::ALL[1];
    let opening = opening(server.address, kind.version)
        .query("room=7")
        .header("X-Token", "header");
    let mut ann = Peer::with(opening, kind).await;
    ann.send("40/news,").await;
    ann.wait_for("40/news,{").await;
    ann.send("42/news,1[\"who\"]").await;
    assert_eq!(
        ann.wait_for("43/news,").await,
        "43/news,1[{\"query\":\"EIO=4&transport=websocket&room=7\",\"token\":\"header\",\"ip\":\"127.0.0.1\"}]"
    );
}

#[tokio::test]
async fn who_is_in_one_is_in_time_but_not_known_to_the_app() {
    let (server, left) = start(1500).await;
    let mut ann = Peer::open(server.address, Kind::ALL[1]).await;
    ann.send("40/news,").await;
    ann.wait_for("40/news,{").await;
    // Longer than the time to connect.
    tokio::time::sleep(std::time::Duration::from_millis(2000)).await;
    ann.send("42/news,1[\"publish\",\"rain\"]").await;
    ann.wait_for("43/news,1[").await;
    assert_eq!(server.hub.len(), 0);
    ann.send("41/news,").await;
    eventually("it has left", || left.load(Ordering::Relaxed) == 1).await;
}

#[tokio::test]
async fn leaving_one_is_not_leaving_the_other() {
    let (server, left) = start(45_000).await;
    let mut ann = reader(&server, Kind::ALL[1]).await;
    ann.send("41/news,").await;
    eventually("it has left", || left.load(Ordering::Relaxed) == 1).await;
    assert_eq!(ann.call("detailsView", json!({})).await["status"], "OK");
    // The end of `/` is the end of all.
    let mut ben = reader(&server, Kind::ALL[1]).await;
    ben.send("41").await;
    ben.rest().await;
    eventually("both have left", || left.load(Ordering::Relaxed) == 2).await;
}

#[tokio::test]
async fn what_belongs_together_stays_together_among_the_messages_of_rooms() {
    let (server, _) = start(45_000).await;
    for kind in [Kind::ALL[0], Kind::ALL[1], Kind::ALL[3], Kind::ALL[4]] {
        let mut ann = reader(&server, kind).await;
        ann.join("defaultRoom").await;
        let chat = server.app.chat().clone();
        let flood = tokio::spawn(async move {
            for number in 0..PICTURES {
                chat.broadcast(None, "defaultRoom", number).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        ann.send("42/news,[\"picture\"]").await;
        let (mut pictures, mut said) = (0, 0);
        within("all of it", async {
            while pictures < PICTURES || said < PICTURES {
                match ann.next().await {
                    Packet::Text(head) if head.starts_with("452-/news,") => {
                        for expected in [&b"\x01\x02"[..], b"xyz"] {
                            match ann.next().await {
                                Packet::Binary(bytes) => assert_eq!(bytes, expected),
                                other @ Packet::Text(_) => panic!("{other:?} in the middle"),
                            }
                        }
                        pictures += 1;
                    }
                    Packet::Text(say) if say.starts_with("42[\"say\"") => said += 1,
                    other => panic!("{other:?}"),
                }
            }
        })
        .await;
        flood.await.unwrap();
    }
}

#[tokio::test]
async fn they_do_not_hold_up_a_stop() {
    let (mut server, left) = start(45_000).await;
    let mut ann = Peer::open(server.address, Kind::ALL[1]).await;
    ann.send("40/news,").await;
    ann.wait_for("40/news,{").await;
    server.begin_stop();
    within("the end", ann.rest()).await;
    within("the drain", server.stop()).await;
    assert_eq!(left.load(Ordering::Relaxed), 1);
}
