//! How connections end, from either side (docs/protocol/socketio.md#closing).

use serde_json::{Value, json};
use stellar::app::App;
use stellar::config::Config;
use stellar::engine::CloseReason;

use crate::raw::{Raw, TEXT, frame};
use crate::support::engineio::{Packet, Version};
use crate::support::server::start;
use crate::support::socketio::{Carrier, Kind, Peer, into_text, opening, text};
use crate::support::{Binary, Client, within};
use crate::{CONNECTED, MOMENT, closed_for, metric, metric_becomes};

fn say(message: &str) -> Packet {
    text(format!(
        "42[\"say\",{{\"room\":\"defaultRoom\",\"message\":\"{message}\"}}]"
    ))
}

async fn with_listener() -> (Binary, Client) {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    (server, bob)
}

async fn member(server: &Binary, kind: Kind) -> Peer {
    let mut peer = Peer::connected(server.address, kind).await;
    peer.join("defaultRoom").await;
    peer
}

#[tokio::test]
async fn a_client_leaves_and_its_session_ends_with_it() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        // Its own word needs no answer.
        assert_eq!(ann.rest_after("41").await, [""; 0], "{kind:?}");
        metric_becomes(&server, CONNECTED, 0).await;
    }
    assert_eq!(metric(&server, &closed_for("peer_closed")).await, 6);
}

#[tokio::test]
async fn a_held_get_ends_when_its_client_leaves() {
    let server = Binary::demo();
    for kind in [Kind::PLAIN[0], Kind::PLAIN[2]] {
        let mut ann = Peer::connected(server.address, kind).await;
        let session = ann.session();
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        session.send_text("41").await;
        let reply = session.polled().await;
        let packets = session.packets(&reply);
        assert!(packets == ["6"] || packets == ["1"], "{packets:?}");
        session.assert_unknown().await;
    }
}

/// Waits until nobody else is in the room.
async fn is_alone(bob: &mut Client) {
    within("the room to be left", async {
        let view = json!({"event": "roomView", "room": "defaultRoom"});
        while bob.request(view.clone()).await["data"]["membersCount"] != 1 {}
    })
    .await;
}

#[tokio::test]
async fn what_stands_before_the_end_in_the_same_write_is_delivered() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        for ending in [&["41"][..], &["1"], &["41", "1"], &["41/,"]] {
            let mut ann = member(&server, kind).await;
            let mut packets: Vec<_> = (0..20).map(|n| say(&n.to_string())).collect();
            packets.extend(ending.iter().map(|packet| text(*packet)));
            ann.try_send_all(&packets).await;
            for n in 0..20 {
                let heard = bob.hears().await;
                assert_eq!(heard["message"], n.to_string(), "{ending:?} {kind:?}");
            }
            // It is no longer counted a moment before it leaves its room.
            metric_becomes(&server, CONNECTED, 0).await;
            is_alone(&mut bob).await;
        }
    }
}

#[tokio::test]
async fn what_was_written_before_the_socket_broke_off_is_delivered() {
    let (server, mut bob) = with_listener().await;
    for version in Version::BOTH {
        for ending in ["", "41", "1"] {
            let target = opening(server.address, version).target("websocket");
            let mut socket = Raw::upgraded(server.address, &target).await;
            if version == Version::V4 {
                socket.send(TEXT, "40").await;
            }
            while !socket.frame().await.unwrap().payload.starts_with(b"42[") {}
            let join = "420[\"roomAdd\",{\"room\":\"defaultRoom\"}]";
            socket.send(TEXT, join).await;
            while !socket.frame().await.unwrap().payload.starts_with(b"430[") {}
            let mut bytes = Vec::new();
            for n in 0..20 {
                bytes.extend(frame(TEXT, into_text(say(&n.to_string()))));
            }
            if !ending.is_empty() {
                bytes.extend(frame(TEXT, ending));
            }
            socket.write(bytes).await;
            socket.end().await;
            for n in 0..20 {
                let heard = bob.hears().await;
                assert_eq!(heard["message"], n.to_string(), "{ending:?} {version:?}");
            }
            metric_becomes(&server, CONNECTED, 0).await;
        }
    }
}

#[tokio::test]
async fn what_stands_behind_the_end_is_not_delivered() {
    let (server, mut bob) = with_listener().await;
    for kind in Kind::ALL {
        for ending in ["41", "1"] {
            let mut ann = member(&server, kind).await;
            let packets = [text(ending), say("too late"), text("40"), say("too late")];
            ann.try_send_all(&packets).await;
            ann.rest().await;
            metric_becomes(&server, CONNECTED, 0).await;
        }
    }
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_client_that_quits_is_told_not_to_come_back() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let packets = [text("420[\"detailsView\"]"), text("42[\"quit\"]")];
        ann.try_send_all(&packets).await;
        assert_eq!(ann.answer(0).await["messageCount"], 1);
        assert_eq!(ann.rest().await, ["41"], "{kind:?}");
    }
    assert_eq!(metric(&server, &closed_for("ended")).await, 6);
}

#[tokio::test]
async fn by_polling_the_end_is_two_packets() {
    let server = Binary::demo();
    for kind in [Kind::PLAIN[0], Kind::PLAIN[2]] {
        let mut ann = Peer::connected(server.address, kind).await;
        let session = ann.session();
        session.start_poll().await;
        tokio::time::sleep(MOMENT).await;
        session.send_text("42[\"quit\"]").await;
        let reply = session.polled().await;
        let mut rest = session.packets(&reply);
        // The close may come with the same answer or with the next.
        rest.extend(rest_of(session).await);
        assert_eq!(rest, ["41", "1"]);
    }
}

/// Polls until the server knows the session no more.
async fn rest_of(session: &mut crate::support::engineio::Session) -> Vec<Packet> {
    let mut all = Vec::new();
    loop {
        let reply = session.poll_reply().await;
        if reply.status != 200 {
            assert_eq!(reply.fault(), (400, 1));
            return all;
        }
        all.extend(session.packets(&reply));
    }
}

#[tokio::test]
async fn on_a_socket_a_close_frame_follows() {
    let server = Binary::demo();
    for kind in [Kind::PLAIN[1], Kind::PLAIN[3], Kind::ALL[2], Kind::ALL[5]] {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send("42[\"quit\"]").await;
        assert_eq!(ann.rest().await, ["41"]);
        assert_ne!(ann.socket().closed().await, 1006, "{kind:?}");
    }
}

#[tokio::test]
async fn the_application_ends_for_good_or_asks_to_come_back() {
    let server = start(App::builder(), Config::default()).await;
    for kind in Kind::ALL {
        for (reason, told) in [
            (CloseReason::Ended, &["41"][..]),
            (CloseReason::Reconnect, &[]),
            (CloseReason::GoingAway, &[]),
        ] {
            let mut ann = Peer::connected(server.address, kind).await;
            let id = ann.details().await["id"].as_str().unwrap().to_owned();
            let connection = server.app.connection(&id).unwrap();
            assert!(connection.send_message(json!({"n": 1})));
            connection.spark().unwrap().end(reason.clone());
            // What was sent before it comes first.
            let sent = "42[\"api\",{\"n\":1,\"context\":\"api\"}]";
            assert_eq!(ann.next().await, sent, "{kind:?} {reason:?}");
            assert_eq!(ann.rest().await, *told, "{kind:?} {reason:?}");
        }
        let mut ann = Peer::connected(server.address, kind).await;
        let id = ann.details().await["id"].as_str().unwrap().to_owned();
        server.app.connection(&id).unwrap().destroy();
        assert_eq!(ann.rest().await, ["41"], "{kind:?}");
    }
}

#[tokio::test]
async fn clients_that_break_off_leave_their_rooms() {
    let (server, mut bob) = with_listener().await;
    let sockets = Kind::ALL
        .into_iter()
        .filter(|kind| kind.carrier != Carrier::Polling);
    for kind in sockets {
        let ann = member(&server, kind).await;
        drop(ann);
        metric_becomes(&server, CONNECTED, 0).await;
        is_alone(&mut bob).await;
    }
    assert_eq!(metric(&server, &closed_for("peer_gone")).await, 4);
}

/// A drain may last as long as it takes.
const LONG_DRAIN: &str = "[general]\nshutdown_timeout_ms = 600000\n";

/// How long an action runs, in ms: longer than a client on a busy machine takes to look at it.
const SLEEP: u64 = 4000;

/// Opens clients of every kind, of which each has an action running.
async fn busy_clients(server: &Binary) -> Vec<Peer> {
    let mut clients = Vec::new();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let params = json!({"action": "sleep", "sleepDuration": SLEEP});
        ann.send(format!("427[\"action\",{}]", json!({ "params": params })))
            .await;
        assert_eq!(ann.details().await["pendingActions"], 1);
        clients.push(ann);
    }
    clients
}

#[tokio::test]
async fn a_server_that_stops_answers_first_and_asks_to_come_back() {
    let server = Binary::configured(LONG_DRAIN);
    let clients = busy_clients(&server).await;
    let ends = clients.into_iter().map(|mut ann| async move {
        assert_eq!(ann.answer(7).await["sleepDuration"], SLEEP);
        assert_eq!(ann.rest_of_the_server().await, [""; 0]);
    });
    server.terminate();
    futures_util::future::join_all(ends).await;
    let finished = server.finished().await;
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
}

#[tokio::test]
async fn a_server_that_stops_for_good_says_so() {
    let config = format!("{LONG_DRAIN}destroy_clients_on_shutdown = true\n");
    let server = Binary::configured(&config);
    let clients = busy_clients(&server).await;
    let ends = clients.into_iter().map(|mut ann| async move {
        assert_eq!(ann.answer(7).await["sleepDuration"], SLEEP);
        assert_eq!(ann.rest_of_the_server().await, ["41"]);
    });
    server.terminate();
    futures_util::future::join_all(ends).await;
    let finished = server.finished().await;
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
}

#[tokio::test]
async fn clients_that_are_not_connected_do_not_hold_up_the_end() {
    // All that the end may wait for takes longer than the test.
    let server = Binary::configured(
        "[general]\nshutdown_timeout_ms = 600000\n[socketio]\nconnect_timeout_ms = 600000\nclose_grace_ms = 600000\n",
    );
    let mut clients = Vec::new();
    for kind in Kind::CONNECTING {
        clients.push(Peer::open(server.address, kind).await);
    }
    server.terminate();
    let finished = server.finished().await;
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
}
