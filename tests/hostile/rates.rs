//! More than the rates allow: refused with a number like any other request, and ended where it does not stop.
//!
//! A bucket here holds a few tokens, and gets another one in a quarter of an hour: no clock matters.

use serde_json::{Value, json};

use crate::support::engineio::{ENGINE, Opening, PRIMUS, Packet, Version};
use crate::support::socketio::{Kind, Peer};
use crate::support::{Binary, Client};
use crate::{DOORS, web};

const DETAILS: &str = "{\"event\":\"detailsView\",\"messageId\":\"a\"}";

fn limited(rates: &str) -> Binary {
    Binary::configured(&format!(
        "[general]\nstarting_rooms = [\"defaultRoom\", \"b\"]\n[rates]\n{rates}"
    ))
}

async fn metric(server: &Binary, line: &str) -> u64 {
    let metrics = web::get(server.address, "/metrics").await;
    let mut lines = metrics.text().lines();
    let value = lines.find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    value.unwrap_or(0)
}

async fn refused(server: &Binary, rate: &str) -> u64 {
    let line = format!("stellar_requests_limited_total{{limit=\"rates.{rate}\"}}");
    metric(server, &line).await
}

/// That `answer` refuses packet `number`, and says when to come back.
fn assert_limited(answer: &Value, number: u64) {
    assert_eq!(answer["error"]["code"], "029", "{answer}");
    assert_eq!(answer["error"]["message"], "Too many requests", "{answer}");
    assert!(
        answer["error"]["retryAfter"].as_u64() > Some(1000),
        "{answer}"
    );
    assert_eq!(answer["context"], "response", "{answer}");
    assert_eq!(answer["messageCount"], number, "{answer}");
}

const THREE_MESSAGES: &str = "messages_per_second = 0.001\nmessages_burst = 3\n";

#[tokio::test]
async fn messages_over_the_rate_are_numbered_and_refused() {
    let server = limited(THREE_MESSAGES);
    for door in DOORS {
        let mut client = Client::greeted(server.address, door).await;
        for number in 1..=5 {
            client.send_text(DETAILS).await;
            let answer = client.next_packet().await;
            assert_eq!(answer["messageId"], "a");
            match number {
                1..=3 => assert_eq!(answer["status"], "OK"),
                _ => assert_limited(&answer, number),
            }
        }
        // What is not JSON has no number, but is no way around it.
        client.send_text("nonsense").await;
        let alert = client.next_packet().await;
        assert_eq!(alert["context"], "alert");
        assert_eq!(alert["error"]["code"], "029");
        client.send_text("[]").await;
        assert_limited(&client.next_packet().await, 6);
        client.send_binary("{}").await;
        assert_limited(&client.next_packet().await, 7);
    }
    assert_eq!(refused(&server, "messages").await, 10);
}

#[tokio::test]
async fn messages_over_engine_io_are_counted_alike() {
    let server = limited(THREE_MESSAGES);
    for version in Version::BOTH {
        for door in [ENGINE, PRIMUS] {
            let opening = Opening::new(server.address, version).door(door);
            let mut session = opening.session().await;
            session.expect_welcome().await;
            let packets: Vec<_> = (0..5).map(|_| Packet::message(DETAILS)).collect();
            session.send(&packets).await;
            for number in 1..=5 {
                let answer = session.next_json().await;
                match number {
                    1..=3 => assert_eq!(answer["status"], "OK"),
                    _ => assert_limited(&answer, number),
                }
            }
        }
    }
}

#[tokio::test]
async fn messages_over_socket_io_are_counted_alike() {
    let server = limited(THREE_MESSAGES);
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for number in 1..=5 {
            let answer = ann.call("detailsView", Value::Null).await;
            match number {
                1..=3 => assert_eq!(answer["status"], "OK", "{answer}"),
                _ => assert_limited(&answer, number),
            }
        }
    }
}

#[tokio::test]
async fn bytes_over_the_rate_are_refused_and_a_single_large_message_is_not() {
    let server = limited("bytes_per_second = 0.1\nbytes_burst = 300\n");
    let mut client = Client::greeted(server.address, "/ws").await;
    let large = format!(
        "{{\"event\":\"say\",\"room\":\"b\",\"message\":\"{}\"}}",
        "x".repeat(5000)
    );
    client.send_text(&large).await;
    assert_eq!(client.next_packet().await["error"]["code"], "016");
    client.send_text(DETAILS).await;
    assert_limited(&client.next_packet().await, 2);
    let mut other = Client::greeted(server.address, "/ws").await;
    assert!(other.details().await.is_object(), "each has its own");
    assert_eq!(refused(&server, "bytes").await, 1);
}

#[tokio::test]
async fn whoever_does_not_stop_is_ended() {
    let server = limited(
        "messages_per_second = 0.001\nmessages_burst = 1\nrefusals_per_second = 0.001\nrefusals_burst = 2\n",
    );
    for door in DOORS {
        let mut client = Client::greeted(server.address, door).await;
        let last = client
            .send_all((0..4).map(|_| json!({"event": "detailsView"})))
            .await;
        assert_eq!(last, 4);
        assert_eq!(client.answer(1).await["status"], "OK");
        for number in 2..=3 {
            assert_limited(&client.answer(number).await, number);
        }
        assert_eq!(client.closed().await.code, 4007);
    }
    let closed = "stellar_connections_closed_total{reason=\"too_many_requests\"}";
    assert_eq!(metric(&server, closed).await, 2);
    assert_eq!(refused(&server, "messages").await, 6);
}

#[tokio::test]
async fn each_room_is_spoken_in_at_a_rate_of_its_own() {
    let server = limited("says_per_second = 0.001\nsays_burst = 2\n");
    let mut ann = Client::greeted(server.address, "/primus").await;
    let mut bob = Client::greeted(server.address, "/ws").await;
    for room in ["defaultRoom", "b"] {
        ann.join(room).await;
        bob.join(room).await;
    }
    assert_eq!(ann.say("defaultRoom", 1).await["status"], "OK");
    let event =
        json!({"event": "event", "params": {"room": "defaultRoom", "event": "e", "data": 2}});
    assert_eq!(ann.request(event.clone()).await["status"], "OK");
    let number = ann.send(event).await;
    assert_limited(&ann.answer(number).await, number);
    let said = json!({"event": "say", "room": "defaultRoom", "message": 3});
    let number = ann.send(said).await;
    assert_limited(&ann.answer(number).await, number);
    assert_eq!(ann.say("b", 4).await["status"], "OK");
    assert_eq!(bob.say("defaultRoom", 5).await["status"], "OK");
    for expected in [
        json!(1),
        json!({"event": "e", "data": 2}),
        json!(4),
        json!(5),
    ] {
        assert_eq!(bob.hears().await["message"], expected);
    }
    assert_eq!(refused(&server, "says").await, 2);
}

#[tokio::test]
async fn costly_requests_share_a_bucket_and_others_go_on() {
    let server = limited("costs_per_second = 0.001\ncosts_burst = 25\n");
    let mut client = Client::greeted(server.address, "/ws").await;
    client.join("defaultRoom").await;
    let leave = json!({"event": "roomLeave", "room": "defaultRoom"});
    assert_eq!(client.request(leave.clone()).await["status"], "OK");
    for event in ["roomAdd", "roomLeave"] {
        let number = client
            .send(json!({"event": event, "room": "defaultRoom"}))
            .await;
        let answer = client.answer(number).await;
        assert_limited(&answer, number);
        assert_eq!(answer["data"], false);
    }
    let number = client
        .send(json!({"event": "file", "file": "simple.html"}))
        .await;
    assert_limited(&client.answer(number).await, number);
    let answer = client.action("isolated.action", json!({})).await;
    assert_eq!(answer["success"], "ok");
    assert_eq!(client.details().await["rooms"], json!([]));
    assert_eq!(refused(&server, "costs").await, 3);
}

#[tokio::test]
async fn actions_over_the_rate_are_refused_as_actions_are() {
    let server = limited("actions_per_second = 0.001\nactions_burst = 2\n");
    for door in DOORS {
        let mut client = Client::greeted(server.address, door).await;
        for _ in 0..2 {
            let answer = client.action("isolated.action", json!({})).await;
            assert_eq!(answer["success"], "ok");
        }
        let call = json!({"event": "action", "params": {"action": "isolated.action"}});
        let number = client.send(call).await;
        let answer = client.answer(number).await;
        assert_limited(&answer, number);
        assert_eq!(answer["success"], Value::Null);
        assert_eq!(client.details().await["totalActions"], 2);
    }
    assert_eq!(refused(&server, "actions").await, 2);
}
