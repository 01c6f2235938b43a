//! Acknowledgements: ids, order, and what is not acknowledged (docs/protocol/socketio.md#acknowledgements).

use serde_json::{Value, json};

use crate::support::Binary;
use crate::support::engineio::Packet;
use crate::support::socketio::{Kind, Peer, into_text, text};

#[tokio::test]
async fn an_id_comes_back_as_it_was() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for id in [
            "0",
            "1",
            "7",
            "10",
            "4294967296",
            "9007199254740991",
            "9223372036854775807",
            "18446744073709551615",
        ] {
            ann.send(format!("42{id}[\"detailsView\"]")).await;
            let answer = ann.next_text().await;
            let prefix = format!("43{id}[{{\"status\":\"OK\",");
            assert!(answer.starts_with(&prefix), "{answer}");
            assert!(answer.ends_with("}]"), "{answer}");
        }
    }
}

#[tokio::test]
async fn zeros_before_an_id_are_none_of_it() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send("4200007[\"detailsView\"]").await;
        assert_eq!(ann.answer(7).await["messageCount"], 1, "{kind:?}");
    }
}

#[tokio::test]
async fn an_id_in_front_of_a_space_is_one() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send("427 [\"detailsView\"]").await;
        assert_eq!(ann.answer(7).await["messageCount"], 1, "{kind:?}");
    }
}

#[tokio::test]
async fn an_id_that_no_number_holds_closes() {
    // Node rounds it. No client counts so far.
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let rest = ann
            .rest_after("4218446744073709551616[\"detailsView\"]")
            .await;
        assert_eq!(rest, [""; 0], "{kind:?}");
    }
}

#[tokio::test]
async fn a_hundred_in_one_write_are_answered_in_order() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let packets: Vec<_> = (0..100)
            .map(|id| text(format!("42{id}[\"detailsView\"]")))
            .collect();
        ann.send_all(&packets).await;
        for id in 0..100 {
            let packet = ann.next_text().await;
            let prefix = format!("43{id}[");
            let answer = packet.strip_prefix(&prefix);
            let answer = answer.and_then(|answer| answer.strip_suffix(']'));
            let answer: Value = serde_json::from_str(answer.unwrap()).unwrap();
            assert_eq!(answer["messageCount"], id + 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn an_id_may_come_twice() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send_all(&[text("425[\"detailsView\"]"), text("425[\"nope\"]")])
            .await;
        assert_eq!(ann.answer(5).await["status"], "OK");
        assert_eq!(ann.answer(5).await["error"]["code"], "014", "{kind:?}");
    }
}

#[tokio::test]
async fn slow_actions_are_answered_when_they_are_done() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let sleep = |ms: u32| json!({"params": {"action": "sleep", "sleepDuration": ms}});
        let slow = ann.start_call("action", &sleep(300)).await;
        let quick = ann.start_call("action", &sleep(1)).await;
        let mut order = Vec::new();
        for _ in 0..2 {
            let answer = ann.next_text().await;
            let id: String = answer[2..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            order.push(id.parse::<u64>().unwrap());
        }
        assert_eq!(order, [quick, slow], "{kind:?}");
    }
}

#[tokio::test]
async fn an_action_that_ends_after_its_client_harms_nobody() {
    let server = Binary::demo();
    let sleep = json!({"params": {"action": "sleep", "sleepDuration": 100}});
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.start_call("action", &sleep).await;
        ann.rest_after("41").await;
    }
    let mut bob = Peer::connected(server.address, Kind::ALL[0]).await;
    let answer = bob.call("action", sleep).await;
    assert_eq!(answer["sleepDuration"], 100);
}

#[tokio::test]
async fn who_asks_for_none_gets_the_event_and_nothing_else() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send("42[\"nope\",{}]").await;
        let answer = "42[\"response\",{\"status\":\"Verb not found or not allowed (nope)\",\"error\":{\"code\":\"014\",\"message\":\"Verb not found or not allowed (nope)\"},\"context\":\"response\",\"data\":null,\"messageCount\":1}]";
        assert_eq!(ann.next().await, answer, "{kind:?}");
        assert_eq!(ann.so_far().await, [""; 0]);
    }
}

#[tokio::test]
async fn who_asks_for_one_gets_it_and_no_event() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.send_all(&[text("420[\"nope\"]"), text("421[\"roomAdd\",7]")])
            .await;
        ann.answer(0).await;
        ann.answer(1).await;
        assert_eq!(ann.so_far().await, [""; 0], "{kind:?}");
    }
}

#[tokio::test]
async fn an_event_with_bytes_is_acknowledged_like_any_other() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.join("defaultRoom").await;
        let packet = "451-12[\"say\",{\"room\":\"defaultRoom\",\"message\":{\"_placeholder\":true,\"num\":0}}]";
        ann.send_all(&[text(packet), Packet::Binary(vec![1, 2, 3])])
            .await;
        let answer = "4312[{\"status\":\"OK\",\"context\":\"response\",\"messageCount\":2}]";
        assert_eq!(ann.wait_for("4312[").await, answer, "{kind:?}");
        ann.send("450-13[\"detailsView\"]").await;
        assert_eq!(ann.answer(13).await["messageCount"], 3, "{kind:?}");
    }
}

#[tokio::test]
async fn quitting_is_not_acknowledged() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let rest = ann.rest_after("420[\"quit\"]").await;
        let rest: Vec<_> = rest.into_iter().map(into_text).collect();
        assert_eq!(rest, ["41"], "{kind:?}");
    }
}

/// Node takes them for answers to an event that it does not know.
#[tokio::test]
async fn an_acknowledgement_without_an_id_is_read_over() {
    let server = Binary::demo();
    let placeholder = "{\"_placeholder\":true,\"num\":0}";
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for packet in ["43[]", "43[1,{\"a\":[]}]", "43/,[]", "460-[]"] {
            ann.send(packet).await;
        }
        let header = text(format!("461-[{placeholder}]"));
        ann.send_all(&[header, Packet::Binary(vec![1])]).await;
        ann.send("421[\"detailsView\"]").await;
        assert_eq!(ann.answer(1).await["messageCount"], 1, "{kind:?}");
    }
}
