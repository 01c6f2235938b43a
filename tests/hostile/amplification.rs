//! Small requests that would be large answers, or much memory.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::engineio::{ENGINE, Opening, PRIMUS, Packet, Version};
use crate::support::msgpack::{pack, unpack};
use crate::support::socketio::{Carrier, Kind, Peer};
use crate::support::{Binary, Client, within};
use crate::web::{self, Reply, request};
use crate::{Arena, DOORS};

/// What an answer over HTTP may be: twice its request, and this.
const START: usize = 20 * 1024;

async fn post(server: &Binary, path: &str, media: &str, body: String) -> Reply {
    let request = request("POST", path).header("content-type", media);
    web::send(server.address, request, body).await
}

fn nested(levels: usize, inner: &str) -> String {
    "[".repeat(levels) + inner + &"]".repeat(levels)
}

fn numbers(count: usize) -> String {
    vec!["1"; count].join(",")
}

#[tokio::test]
async fn answers_over_http_are_a_small_multiple_of_their_requests() {
    let arena = Arena::demo().await;
    let levels = "nests deeper than 32 levels (limits.max_depth)";
    let values = "more than 20000 values (limits.max_values)";
    for (body, status, says) in [
        (nested(120, &numbers(500_000)), 400, levels),
        (nested(30, &numbers(500_000)), 413, values),
        (format!("[{}1]", "{\"\":0},".repeat(140_000)), 413, values),
        (nested(31, &numbers(19_000)), 200, ""),
        (
            nested(31, &format!("\"{}\"", "x".repeat(1_000_000))),
            200,
            "",
        ),
    ] {
        for path in ["/api/nothing", "/api/status"] {
            let length = body.len();
            let reply = post(&arena.server, path, "application/json", body.clone()).await;
            let text = reply.text();
            assert!(
                text.len() < 2 * length + START,
                "{} of {length}",
                text.len()
            );
            assert!(text.contains(says), "{text}");
            let found = path != "/api/nothing";
            assert_eq!(
                reply.status,
                if found || status != 200 { status } else { 404 }
            );
            let requester = &reply.json()["requesterInformation"];
            assert_eq!(requester["receivedParams"], json!({}));
        }
    }
    let reply = web::get(arena.address(), "/api/status?a=1").await;
    assert_eq!(
        reply.json()["requesterInformation"]["receivedParams"]["a"],
        "1"
    );
    arena.survives().await;
}

#[tokio::test]
async fn the_original_gave_all_params_back() {
    let server =
        Binary::configured("[web]\nmax_echo_bytes = 1000000\nmax_failed_echo_bytes = 1000000\n");
    for path in ["/api/nothing", "/api/status"] {
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(50_000));
        let reply = post(&server, path, "application/json", body).await;
        let received = &reply.json()["requesterInformation"]["receivedParams"];
        assert_eq!(received["a"].as_str().unwrap().len(), 50_000);
    }
}

/// At most a hundred values, ten levels.
const FEW: &str = "[limits]\nmax_values = 100\nmax_depth = 10\n";

/// Params, and the limit that they are over.
fn params() -> [(Value, &'static str); 5] {
    let ones = |count: usize| Value::from(vec![1; count]);
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    [
        (json!({"action": "isolated.action", "a": ones(95)}), ""),
        (
            json!({"action": "isolated.action", "a": ones(96)}),
            "more than 100 values (limits.max_values)",
        ),
        (json!({"action": "isolated.action", "a": deep(9)}), ""),
        (
            json!({"action": "isolated.action", "a": deep(10)}),
            "deeper than 10 levels (limits.max_depth)",
        ),
        (
            json!({"action": "isolated.action", "a": vec![json!({"": 0}); 40]}),
            "(limits.max_values)",
        ),
    ]
}

fn assert_bounded(answer: &Value, says: &str, number: usize) {
    assert_eq!(answer["messageCount"], number, "{answer}");
    match says {
        "" => assert_eq!(answer["success"], "ok", "{answer}"),
        _ => {
            assert_eq!(answer["error"]["code"], "023", "{answer}");
            let text = answer["error"]["message"].as_str().unwrap();
            assert!(text.contains(says), "{text}");
        }
    }
}

#[tokio::test]
async fn params_are_bounded_at_every_door() {
    let arena = Arena::configured(FEW).await;
    let packets =
        params().map(|(params, says)| (json!({"event": "action", "params": params}), says));
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        for (number, (packet, says)) in (1..).zip(&packets) {
            assert_bounded(&client.request(packet.clone()).await, says, number);
        }
    }
    for door in [ENGINE, PRIMUS] {
        let opening = Opening::new(arena.address(), Version::V4).door(door);
        let mut session = opening.session().await;
        session.expect_welcome().await;
        for (number, (packet, says)) in (1..).zip(&packets) {
            assert_bounded(&session.request(packet.clone()).await, says, number);
        }
    }
    let mut ann = Peer::connected(arena.address(), Kind::ALL[0]).await;
    for (number, (params, says)) in (1..).zip(params()) {
        let answer = ann.call("action", json!({ "params": params })).await;
        assert_bounded(&answer, says, number);
    }
    arena.survives().await;
}

#[tokio::test]
async fn params_in_msgpack_are_bounded_alike() {
    let arena = Arena::configured(FEW).await;
    let kind = Kind::new(Version::V4, Carrier::Socket);
    let mut ann = Peer::open(arena.address(), kind).await;
    let connect = pack(&json!({"type": 0, "nsp": "/"}));
    ann.send_all(&[Packet::Binary(connect)]).await;
    for (number, (params, says)) in (1..).zip(params()) {
        let argument = json!({ "params": params });
        let event = json!({"type": 2, "data": ["action", argument], "nsp": "/", "id": number});
        ann.send_all(&[Packet::Binary(pack(&event))]).await;
        let answer = loop {
            if let Packet::Binary(bytes) = ann.next().await {
                let packet = unpack(&bytes);
                if packet["type"] == 3 {
                    break packet;
                }
            }
        };
        assert_bounded(&answer["data"][0], says, number);
    }
    arena.survives().await;
}

#[tokio::test]
async fn all_that_http_carries_is_bounded_alike() {
    let server = Binary::configured(FEW);
    let fields = |count: usize| vec!["a=1"; count].join("&");
    let parts = |count: usize| {
        let part = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
        part.repeat(count) + "--b--\r\n"
    };
    let form = "application/x-www-form-urlencoded";
    let multipart = "multipart/form-data; boundary=b";
    for (path, media, body, is_over) in [
        (
            "/api/status",
            "application/json",
            format!("[{}]", numbers(99)),
            false,
        ),
        (
            "/api/status",
            "application/json",
            format!("[{}]", numbers(100)),
            true,
        ),
        (
            "/api/status",
            "text/plain",
            format!("[{},nonsense", numbers(100)),
            false,
        ),
        ("/api/status", form, fields(49), false),
        ("/api/status", form, fields(50), true),
        ("/api/status?b=2", form, fields(49), true),
        ("/api/status", multipart, parts(49), false),
        ("/api/status", multipart, parts(50), true),
    ] {
        let reply = post(&server, path, media, body).await;
        let (status, text) = (reply.status, reply.text());
        assert_eq!(status, if is_over { 413 } else { 200 }, "{media}: {text}");
        assert_eq!(text.contains("limits.max_values"), is_over, "{text}");
    }
    let reply = web::get(server.address, &format!("/api/status?{}", fields(50))).await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn what_is_only_passed_on_may_be_large_and_deep() {
    let arena = Arena::configured(FEW).await;
    let mut ann = Client::greeted(arena.address(), "/ws").await;
    ann.join("defaultRoom").await;
    let wide = Value::from(vec![1; 5000]);
    let deep = (0..90).fold(json!(1), |inner, _| json!([inner]));
    for message in [wide.clone(), deep.clone()] {
        assert_eq!(
            ann.say("defaultRoom", message.clone()).await["status"],
            "OK"
        );
        assert_eq!(ann.hears().await["message"], message);
    }
    // The data of an event is parsed, because the program may listen.
    let event = |data| json!({"event": "event", "params": {"room": "defaultRoom", "event": "e", "data": data}});
    assert_eq!(ann.request(event(deep)).await["status"], "OK");
    let refused = ann.request(event(wide)).await;
    assert_eq!(refused["error"]["code"], "023");
    assert!(
        refused["status"]
            .as_str()
            .unwrap()
            .contains("limits.max_values")
    );
    arena.survives().await;
}

#[tokio::test]
async fn a_long_message_id_is_not_given_back() {
    let arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Client::greeted(arena.address(), door).await;
        for (number, length) in (1..).zip([254, 255, 100_000, 1]) {
            let id = "x".repeat(length);
            let answer = client
                .request(json!({"event": "detailsView", "messageId": id}))
                .await;
            assert_eq!(answer["messageCount"], number);
            if length <= 254 {
                assert_eq!(answer["messageId"], id);
                continue;
            }
            assert_eq!(answer["error"]["code"], "023");
            assert_eq!(answer["messageId"], Value::Null);
            let text = answer["status"].as_str().unwrap();
            assert!(text.contains("limits.max_message_id_bytes"), "{text}");
        }
    }
    arena.survives().await;
}

/// The keys of an object.
fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_room_is_looked_at_page_by_page() {
    let server = Binary::configured("[limits]\nmax_view = 2\n");
    let mut members = Vec::new();
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        let mut member = Client::greeted(server.address, "/ws").await;
        member.join("defaultRoom").await;
        ids.insert(member.id().await);
        members.push(member);
    }
    let ann = &mut members[0];
    let view = json!({"event": "roomView", "room": "defaultRoom"});
    let mut seen = BTreeSet::new();
    let mut after = Value::Null;
    for shown in [2, 2, 1] {
        let mut view = view.clone();
        view["after"] = after;
        let page = ann.request(view).await;
        assert_eq!(page["status"], "OK", "{page}");
        assert_eq!(page["data"]["membersCount"], 5);
        let keys = keys(&page["data"]["members"]);
        assert_eq!(keys.len(), shown);
        assert!(seen.is_disjoint(&keys));
        seen.extend(keys);
        after = page["data"]["next"].clone();
    }
    assert_eq!(after, Value::Null);
    assert_eq!(seen, ids);
    for nonsense in [json!("x"), json!(7), json!({})] {
        let mut view = view.clone();
        view["after"] = nonsense;
        assert_eq!(ann.request(view).await["error"]["code"], "023");
    }
    // Two that fit are all that is said.
    members.truncate(2);
    let ann = &mut members[0];
    within("two members", async {
        loop {
            let page = ann.request(view.clone()).await;
            if page["data"]["membersCount"] == 2 {
                let plain = ["members", "membersCount", "room"].map(String::from);
                assert_eq!(keys(&page["data"]), plain.into());
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ones_own_rooms_are_looked_at_page_by_page() {
    let server = Binary::configured(
        "[general]\nstarting_rooms = [\"a\", \"b\", \"c\"]\n[limits]\nmax_view = 2\n",
    );
    let mut ann = Client::greeted(server.address, "/ws").await;
    for room in ["a", "b"] {
        ann.join(room).await;
    }
    let details = ann.details().await;
    assert_eq!(details["rooms"], json!(["a", "b"]));
    assert_eq!(
        (details.get("roomsCount"), details.get("next")),
        (None, None)
    );
    ann.join("c").await;
    let details = ann.details().await;
    assert_eq!(details["rooms"], json!(["a", "b"]));
    assert_eq!(
        (&details["roomsCount"], &details["next"]),
        (&json!(3), &json!(2))
    );
    let mut rest = ann
        .request(json!({"event": "detailsView", "after": 2}))
        .await;
    let rest = rest["data"].take();
    assert_eq!(rest["rooms"], json!(["c"]));
    assert_eq!((&rest["roomsCount"], rest.get("next")), (&json!(3), None));
    for nonsense in [json!("2"), json!(-1), json!(1.5)] {
        let answer = ann
            .request(json!({"event": "detailsView", "after": nonsense}))
            .await;
        assert_eq!(answer["error"]["code"], "023", "{answer}");
    }
}

#[tokio::test]
async fn looking_at_members_costs_what_it_shows() {
    let server = Binary::configured("[rates]\ncosts_per_second = 0.001\ncosts_burst = 30\n");
    let mut ann = Client::greeted(server.address, "/ws").await;
    ann.join("defaultRoom").await;
    let view = json!({"event": "roomView", "room": "defaultRoom"});
    for code in [Value::Null, Value::Null, json!("029")] {
        assert_eq!(ann.request(view.clone()).await["error"]["code"], code);
    }
}
