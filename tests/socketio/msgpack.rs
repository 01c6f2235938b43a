//! Clients with the msgpack parser: every packet is one binary message (docs/protocol/socketio.md#msgpack).

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use stellar::app::App;
use stellar::config::Config;
use stellar::engine::Refusal;

use crate::support::engineio::{Packet, Version};
use crate::support::msgpack::{pack, unpack, with_bytes};
use crate::support::server::start;
use crate::support::socketio::{Carrier, Kind, Peer, opening};
use crate::support::{Binary, eventually};
use crate::{CONNECTED, closed_for, metric, metric_becomes};

/// `{type: 0, nsp: "/"}`
const CONNECT: &[u8] = b"\x82\xa4type\x00\xa3nsp\xa1/";

/// Sends a packet.
async fn send(ann: &mut Peer, packet: &Value) {
    ann.send_all(&[Packet::Binary(pack(packet))]).await;
}

/// The next packet, which must be bytes.
async fn next(ann: &mut Peer) -> Value {
    match ann.next().await {
        Packet::Binary(bytes) => unpack(&bytes),
        Packet::Text(text) => panic!("text: {text}"),
    }
}

/// An event. An argument that is null is left out.
fn event(name: &str, argument: Value, id: Option<u64>) -> Value {
    let data = match argument {
        Value::Null => json!([name]),
        argument => json!([name, argument]),
    };
    let mut packet = json!({"type": 2, "data": data, "nsp": "/"});
    if let Some(id) = id {
        packet["id"] = id.into();
    }
    packet
}

/// A client that has connected and been greeted.
async fn connected(server: &Binary, kind: Kind) -> Peer {
    let mut ann = Peer::open(server.address, kind).await;
    ann.send_all(&[Packet::Binary(CONNECT.to_vec())]).await;
    let answer = next(&mut ann).await;
    assert_eq!((&answer["type"], &answer["nsp"]), (&json!(0), &json!("/")));
    answer["data"]["sid"]
        .as_str()
        .unwrap()
        .clone_into(&mut ann.id);
    let welcome = json!({"welcome": "Hello human! Welcome to Stellar", "context": "api"});
    let greeting = next(&mut ann).await;
    assert_eq!(
        greeting,
        json!({"type": 2, "data": ["welcome", welcome], "nsp": "/"})
    );
    ann
}

/// Asks and waits for the acknowledgement; what comes before it is dropped.
async fn call(ann: &mut Peer, name: &str, argument: Value) -> Value {
    send(ann, &event(name, argument, Some(1000))).await;
    loop {
        let mut packet = next(ann).await;
        if packet["type"] == 3 {
            assert_eq!((&packet["id"], &packet["nsp"]), (&json!(1000), &json!("/")));
            assert_eq!(packet["data"].as_array().unwrap().len(), 1);
            return packet["data"][0].take();
        }
    }
}

#[tokio::test]
async fn vectors_of_this_test_are_those_of_the_format() {
    assert_eq!(pack(&json!({"type": 0, "nsp": "/"})), CONNECT);
    let packet = json!({"type": 2, "data": ["a", -1, 200, 1.5, null, true], "nsp": "/", "id": 7});
    let bytes = b"\x84\xa4type\x02\xa4data\x96\xa1a\xff\xcc\xc8\xcb\x3f\xf8\0\0\0\0\0\0\xc0\xc3\xa3nsp\xa1/\xa2id\x07";
    assert_eq!(pack(&packet), bytes);
    assert_eq!(unpack(bytes), packet);
    let long = json!(["x".repeat(40), "y".repeat(300), vec![0; 20], -100, 70000]);
    assert_eq!(unpack(&pack(&long)), long);
}

#[tokio::test]
async fn a_dialogue_in_bytes() {
    let server = Binary::demo();
    let mut socket = opening(server.address, Version::V4).socket().await;
    let _open = socket.packet().await;
    socket.send_binary(CONNECT).await;
    let Packet::Binary(connected) = socket.packet().await else {
        panic!("the answer is text");
    };
    let prefix = b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x81\xa3sid\xd9\x24";
    assert!(
        connected.starts_with(prefix),
        "{}",
        connected.escape_ascii()
    );
    assert_eq!(connected.len(), prefix.len() + 36);
    let _greeting = socket.packet().await;
    // {type: 2, data: ["roomAdd", {room: "defaultRoom"}], nsp: "/", id: 5}
    let event =
        b"\x84\xa4type\x02\xa4data\x92\xa7roomAdd\x81\xa4room\xabdefaultRoom\xa3nsp\xa1/\xa2id\x05";
    socket.send_binary(event).await;
    let Packet::Binary(answer) = socket.packet().await else {
        panic!("the answer is text");
    };
    let expected = json!({
        "type": 3,
        "data": [{"status": "OK", "context": "response", "data": true, "messageCount": 1}],
        "nsp": "/",
        "id": 5,
    });
    assert_eq!(unpack(&answer), expected);
    // {type: 1, nsp: "/"}
    socket.send_binary(b"\x82\xa4type\x01\xa3nsp\xa1/").await;
    assert_ne!(socket.closed().await, 1006);
    metric_becomes(&server, CONNECTED, 0).await;
}

#[tokio::test]
async fn verbs_are_answered_on_every_carrier() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        let details = call(&mut ann, "detailsView", Value::Null).await;
        assert_eq!(details["data"]["id"], *ann.id);
        let room = json!({"room": "defaultRoom"});
        assert_eq!(call(&mut ann, "roomAdd", room.clone()).await["data"], true);
        let message = json!(["\u{20ac}\u{1f600}", 1, -5, 2.5, null, true, {"a": {}}]);
        let say = json!({"room": "defaultRoom", "message": message});
        send(&mut ann, &event("say", say, None)).await;
        let mut heard = next(&mut ann).await;
        if heard["data"][0] == "response" {
            assert_eq!(heard["data"][1]["status"], "OK");
            heard = next(&mut ann).await;
        } else {
            assert_eq!(next(&mut ann).await["data"][0], "response");
        }
        assert_eq!(heard["data"][0], "say", "{kind:?}");
        assert_eq!(heard["data"][1]["message"], message);
        assert_eq!(bob.hears().await["message"], message);
        let answer = call(&mut ann, "nope", Value::Null).await;
        assert_eq!(answer["error"]["code"], "014");
        let answer = call(&mut ann, "roomAdd", json!("defaultRoom")).await;
        assert_eq!(answer["error"]["code"], "023");
        let whole = json!({"event": "roomLeave", "room": "defaultRoom"});
        assert_eq!(call(&mut ann, "message", whole).await["data"], true);
        bob.say("defaultRoom", "hi").await;
        bob.hears().await;
        let rest = ann
            .rest_after_bytes(&pack(&json!({"type": 1, "nsp": "/"})))
            .await;
        assert_eq!(rest, [""; 0], "{kind:?}");
        metric_becomes(&server, CONNECTED, 0).await;
    }
}

#[tokio::test]
async fn bytes_become_the_text_that_everybody_gets() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        call(&mut ann, "roomAdd", json!({"room": "defaultRoom"})).await;
        let say = event(
            "say",
            json!({"room": "defaultRoom", "message": "HERE"}),
            None,
        );
        let packet = with_bytes(&pack(&say), "HERE", &[1, 2, 3, 4]);
        ann.send_all(&[Packet::Binary(packet)]).await;
        assert_eq!(bob.hears().await["message"], "AQIDBA==", "{kind:?}");
    }
}

/// An event `say` whose message is this msgpack, with the acknowledgement 1000.
fn say_packed(message: &[u8]) -> Packet {
    let say = json!({"room": "defaultRoom", "message": "HERE"});
    let packet = pack(&event("say", say, Some(1000)));
    let place = packet.windows(5).position(|it| it == b"\xA4HERE").unwrap();
    let (head, rest) = packet.split_at(place);
    Packet::Binary([head, message, &rest[5..]].concat())
}

#[tokio::test]
async fn what_npm_writes_for_bytes_and_dates_is_heard_as_over_json() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let moment = json!("2023-11-14T22:13:20.123Z");
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        call(&mut ann, "roomAdd", json!({"room": "defaultRoom"})).await;
        for (message, heard) in [
            (&b"\xc7\x03\0\x01\x02\x03"[..], json!("AQID")),
            (b"\xc8\0\x03\0\x01\x02\x03", json!("AQID")),
            (b"\xc9\0\0\0\x03\0\x01\x02\x03", json!("AQID")),
            (b"\xc7\x08\0\0\0\0\0\0\0\x03\xe8", json!("AAAAAAAAA+g=")),
            (b"\x91\xc7\x01\0\x01", json!(["AQ=="])),
            (b"\xd7\0\0\0\x01\x8b\xcf\xe5\x68\x7b", moment.clone()),
            (b"\xd7\xff\x1d\x53\x53\0\x65\x53\xf1\0", moment.clone()),
            (
                b"\x81\xa1d\xd7\0\0\0\x01\x8b\xcf\xe5\x68\x7b",
                json!({"d": moment}),
            ),
            (
                b"\x82\xa1a\xd4\0\0\xa1b\x92\xd4\0\0\x01",
                json!({"b": [null, 1]}),
            ),
        ] {
            ann.send_all(&[say_packed(message)]).await;
            assert_eq!(bob.hears().await["message"], heard, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn what_json_has_no_word_for_is_answered_and_not_changed_into_something_else() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        call(&mut ann, "roomAdd", json!({"room": "defaultRoom"})).await;
        for message in [
            // Types of somebody's own; a timestamp that is none; keys that are neither texts nor numbers.
            &b"\xd4\x05\0"[..],
            b"\xd5\0\0\0",
            b"\xc7\0\x05",
            b"\xc7\x01\xff\0",
            b"\x81\xc0\x01",
            b"\x91\x81\xa1a\xd4\x05\0",
        ] {
            ann.send_all(&[say_packed(message)]).await;
            let answer = loop {
                let mut packet = next(&mut ann).await;
                if packet["type"] == 3 {
                    break packet["data"][0].take();
                }
            };
            assert_eq!(answer["error"]["code"], "023", "{kind:?} {message:?}");
        }
        // And the connection lives.
        call(&mut ann, "detailsView", Value::Null).await;
    }
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_acknowledgement_without_an_id_is_read_over() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        for packet in [
            json!({"type": 3, "data": [], "nsp": "/"}),
            json!({"nsp": "/", "data": [1], "type": 3}),
            json!({"type": 6, "data": [], "nsp": "/"}),
        ] {
            send(&mut ann, &packet).await;
        }
        call(&mut ann, "detailsView", Value::Null).await;
    }
}

#[tokio::test]
async fn an_empty_array_is_an_argument_without_keys() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        let details = call(&mut ann, "detailsView", json!([])).await;
        assert_eq!(details["status"], "OK", "{kind:?}");
    }
}

#[tokio::test]
async fn ids_are_nil_missing_or_numbers() {
    let server = Binary::demo();
    let mut ann = connected(&server, Kind::CONNECTING[1]).await;
    let mut packet = event("detailsView", Value::Null, None);
    packet["id"] = Value::Null;
    send(&mut ann, &packet).await;
    assert_eq!(next(&mut ann).await["data"][0], "response");
    for id in [
        0_u64,
        127,
        128,
        255,
        256,
        65_535,
        65_536,
        4_294_967_296,
        9_007_199_254_740_991,
    ] {
        send(&mut ann, &event("detailsView", Value::Null, Some(id))).await;
        let answer = next(&mut ann).await;
        assert_eq!((&answer["type"], &answer["id"]), (&json!(3), &json!(id)));
    }
}

#[tokio::test]
async fn what_javascript_writes_for_undefined_is_no_auth() {
    let server = Binary::demo();
    for data in [&b"\xd4\0\0"[..], b"\xc0"] {
        let mut ann = Peer::open(server.address, Kind::CONNECTING[1]).await;
        let packet = [&b"\x83\xa4type\x00\xa4data"[..], data, b"\xa3nsp\xa1/"].concat();
        ann.send_all(&[Packet::Binary(packet)]).await;
        assert_eq!(next(&mut ann).await["type"], 0);
    }
}

#[tokio::test]
async fn auth_reaches_the_hook_and_a_refusal_the_client() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&told);
    let builder = App::builder().authorize(move |handshake| {
        asked.lock().push(handshake.auth.clone());
        let is_right = handshake
            .auth
            .as_ref()
            .is_some_and(|it| it["token"] == "right");
        Box::pin(async move {
            is_right
                .then_some(())
                .ok_or_else(|| Refusal::new(json!({"message": "who are you?", "data": [7]})))
        })
    });
    let server = start(builder, Config::default()).await;
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        let wrong = json!({"type": 0, "data": {"token": "wrong", "n": [1.5, null]}, "nsp": "/"});
        send(&mut ann, &wrong).await;
        let refusal =
            json!({"type": 4, "data": {"message": "who are you?", "data": [7]}, "nsp": "/"});
        assert_eq!(next(&mut ann).await, refusal, "{kind:?}");
        let right = json!({"type": 0, "data": {"token": "right"}, "nsp": "/"});
        send(&mut ann, &right).await;
        assert_eq!(next(&mut ann).await["type"], 0, "{kind:?}");
        let told = std::mem::take(&mut *told.lock());
        assert_eq!(
            told,
            [Some(wrong["data"].clone()), Some(right["data"].clone())]
        );
        drop(ann);
    }
}

#[tokio::test]
async fn unknown_namespaces_are_refused_and_the_client_stays() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        send(&mut ann, &json!({"type": 0, "nsp": "/x"})).await;
        let refusal = json!({"type": 4, "data": {"message": "Invalid namespace"}, "nsp": "/x"});
        assert_eq!(next(&mut ann).await, refusal, "{kind:?}");
        call(&mut ann, "detailsView", Value::Null).await;
    }
}

#[tokio::test]
async fn the_server_ends_in_the_same_language() {
    let server = start(App::builder(), Config::default()).await;
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        ann.send_all(&[Packet::Binary(CONNECT.to_vec())]).await;
        let id = next(&mut ann).await["data"]["sid"].clone();
        next(&mut ann).await;
        let app = &server.app;
        let id = id.as_str().unwrap();
        eventually("the connection", || app.connection(id).is_some()).await;
        app.connection(id).unwrap().destroy();
        let rest = ann.rest().await;
        let [Packet::Binary(bytes)] = &rest[..] else {
            panic!("{rest:?}");
        };
        assert_eq!(unpack(bytes), json!({"type": 1, "nsp": "/"}), "{kind:?}");
    }
}

#[tokio::test]
async fn packets_that_are_none_close() {
    let server = Binary::demo();
    let mut bad = 0;
    let no_name = pack(&json!({"type": 2, "data": [null], "nsp": "/"}));
    for packet in [
        &b""[..],
        b"\xc1",
        b"\x80",
        b"\x82",
        b"\x82\xa4type\x02",
        b"\x82\xa4type\x02\xa3nsp\xa5/",
        b"\x83\xa4type\x02\xa4data\x91\xabdetailsView",
        b"\x83\xa4type\x09\xa4data\x90\xa3nsp\xa1/",
        b"\x83\xa4type\xa1x\xa4data\x90\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x90\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\xdd\xff\xff\xff\xff\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x92\xa7roomAdd\xc6\xff\xff\xff\xff",
        b"{\"type\":2}",
        &no_name,
        &pack(&event("disconnect", Value::Null, None)),
    ] {
        for kind in Kind::CONNECTING {
            let mut ann = connected(&server, kind).await;
            let rest = ann.rest_after_bytes(packet).await;
            assert_eq!(rest, [""; 0], "{} {kind:?}", packet.escape_ascii());
            metric_becomes(&server, CONNECTED, 0).await;
            bad += 1;
        }
    }
    let reason = closed_for("protocol_error");
    assert_eq!(metric(&server, &reason).await, bad);
}

#[tokio::test]
async fn a_client_does_not_change_its_language() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        assert_eq!(ann.rest_after("420[\"detailsView\"]").await, [""; 0]);
        let mut ann = Peer::connected(server.address, kind).await;
        let packet = pack(&event("detailsView", Value::Null, Some(0)));
        assert_eq!(ann.rest_after_bytes(&packet).await, [""; 0], "{kind:?}");
    }
    // Version 3 hears text before it has said anything.
    let mut ann = Peer::connected(server.address, Kind::PLAIN[3]).await;
    assert_eq!(ann.rest_after_bytes(CONNECT).await, [""; 0]);
}

#[tokio::test]
async fn events_before_connect_close() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        let packet = pack(&event("detailsView", Value::Null, Some(0)));
        assert_eq!(ann.rest_after_bytes(&packet).await, [""; 0], "{kind:?}");
    }
    assert_eq!(metric(&server, CONNECTED).await, 0);
}

#[tokio::test]
async fn an_upgrade_in_the_middle_changes_nothing() {
    let server = Binary::demo();
    let polling = Kind::CONNECTING[0];
    assert_eq!(polling.carrier, Carrier::Polling);
    let mut ann = connected(&server, polling).await;
    call(&mut ann, "roomAdd", json!({"room": "defaultRoom"})).await;
    send(&mut ann, &event("detailsView", Value::Null, Some(7))).await;
    ann.upgrade().await;
    assert_eq!(next(&mut ann).await["id"], 7);
    let details = call(&mut ann, "detailsView", Value::Null).await;
    assert_eq!(details["data"]["rooms"], json!(["defaultRoom"]));
}

#[tokio::test]
async fn half_a_character_reaches_every_member() {
    let server = Binary::demo();
    let room = json!({"room": "defaultRoom"});
    for kind in Kind::CONNECTING {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let mut ben = connected(&server, kind).await;
        call(&mut ben, "roomAdd", room.clone()).await;
        let said = "{\"room\":\"defaultRoom\",\"message\":{\"nice \\ud83d\":\"\\udfff\"}}";
        ann.send(format!("421000[\"say\",{said}]")).await;
        assert_eq!(ann.answer(1000).await["status"], "OK");
        let heard = ann.wait_for("42[\"say\"").await;
        assert!(heard.contains("{\"nice \\ud83d\":\"\\udfff\"}"), "{heard}");
        let heard = next(&mut ben).await;
        let message = json!({"nice \u{FFFD}": "\u{FFFD}"});
        assert_eq!(heard["data"][1]["message"], message, "{kind:?}");

        // Encoders of browsers write half a character as if it were a whole one.
        let mut packet = pack(&event(
            "say",
            json!({"room": "defaultRoom", "message": "nice +++"}),
            None,
        ));
        let at = packet.windows(3).position(|bytes| bytes == b"+++").unwrap();
        packet[at..at + 3].copy_from_slice(b"\xED\xA0\xBD");
        ben.send_all(&[Packet::Binary(packet)]).await;
        assert_eq!(ann.hears().await["message"], "nice \u{FFFD}", "{kind:?}");
    }
}

/// What JSON members hear as an object is no text for those of msgpack, whatever is in it.
#[tokio::test]
async fn whatever_is_said_is_heard_as_what_it_is() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        call(&mut ann, "roomAdd", json!({"room": "defaultRoom"})).await;
        for (message, packed) in [
            ("1e999".to_owned(), b"\xCB\x7F\xF0\0\0\0\0\0\0".to_vec()),
            (
                "{\"\\ud83d\":-1e999}".to_owned(),
                b"\x81\xA3\xEF\xBF\xBD\xCB\xFF\xF0\0\0\0\0\0\0".to_vec(),
            ),
            (deep(126), [vec![0x91; 125], vec![0x90]].concat()),
            // The most that a packet has room for.
            (deep(127), [vec![0x91; 126], vec![0x90]].concat()),
        ] {
            let say =
                format!("{{\"event\":\"say\",\"room\":\"defaultRoom\",\"message\":{message}}}");
            bob.count(1);
            bob.send_text(&say).await;
            let Packet::Binary(heard) = ann.next().await else {
                panic!("{kind:?} hears a text");
            };
            let said = [b"\xA7message", &*packed].concat();
            let is_said = heard.windows(said.len()).any(|bytes| bytes == said);
            assert!(is_said, "{kind:?}: {message} is {heard:02x?}");
        }
        call(&mut ann, "detailsView", Value::Null).await;
    }
}

#[tokio::test]
async fn half_a_character_and_many_levels_are_answered_in_every_place() {
    let server = Binary::demo();
    let half = b"\xA3\xED\xA0\xBD";
    let deep = |levels: usize| [vec![0x91; levels - 1], vec![0x90]].concat();
    for kind in Kind::CONNECTING {
        let mut ann = connected(&server, kind).await;
        for (name, argument, code) in [
            (half.to_vec(), b"\x80".to_vec(), "014"),
            (
                half.to_vec(),
                [b"\x81", &half[..], &half[..]].concat(),
                "014",
            ),
            (half.to_vec(), b"\xD4\x05\0".to_vec(), "023"),
            (b"\xA3say".to_vec(), deep(127), "023"),
            (b"\xA3say".to_vec(), deep(128), "023"),
            (b"\xA3say".to_vec(), deep(100_000), "023"),
            (half.to_vec(), deep(100_000), "023"),
        ] {
            let head = b"\x84\xA4type\x02\xA3nsp\xA1/\xA2id\xCD\x03\xE8\xA4data\x92";
            let packet = [&head[..], &name, &argument].concat();
            ann.send_all(&[Packet::Binary(packet)]).await;
            let answer = next(&mut ann).await;
            assert_eq!((&answer["type"], &answer["id"]), (&json!(3), &json!(1000)));
            let error = &answer["data"][0]["error"];
            assert_eq!(error["code"], code, "{kind:?} {answer}");
        }
        // A namespace of such a name is none.
        let packet = [b"\x82\xA4type\x00\xA3nsp\xA4/", &half[1..]].concat();
        ann.send_all(&[Packet::Binary(packet)]).await;
        let answer = next(&mut ann).await;
        assert_eq!(
            (&answer["type"], &answer["nsp"]),
            (&json!(4), &json!("/\u{FFFD}"))
        );
        call(&mut ann, "detailsView", Value::Null).await;
    }
}
