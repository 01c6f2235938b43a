//! Packets that are none: the connection is closed, and nobody else notices (docs/protocol/socketio.md#packets).

use crate::support::Binary;
use crate::support::engineio::Packet;
use crate::support::socketio::{Kind, Peer, text};
use crate::{CONNECTED, closed_for, metric, metric_becomes};

/// Asserts that each of these closes its sender alone, without a word.
async fn close(packets: &[&str]) {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    let mut closed = 0;
    for packet in packets {
        for kind in Kind::ALL {
            let mut ann = Peer::connected(server.address, kind).await;
            let rest = ann.rest_after(packet).await;
            assert_eq!(rest, [""; 0], "{packet} {kind:?}");
            metric_becomes(&server, CONNECTED, 0).await;
            closed += 1;
        }
        bob.details().await;
    }
    assert!(closed > 0);
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, closed);
}

#[tokio::test]
async fn types_that_are_none() {
    close(&[
        "4",
        "47",
        "48[\"detailsView\"]",
        "4x",
        "4-1",
        "4 2[\"detailsView\"]",
        "4[]",
        "4{}",
    ])
    .await;
}

#[tokio::test]
async fn types_that_only_servers_send() {
    close(&["44", "44{\"message\":\"x\"}", "44\"x\""]).await;
}

#[tokio::test]
async fn events_without_a_name() {
    close(&[
        "42",
        "42[]",
        "42{}",
        "42\"detailsView\"",
        "42{\"event\":\"detailsView\"}",
        "42null",
    ])
    .await;
}

#[tokio::test]
async fn events_that_are_no_json() {
    close(&[
        "42[",
        "42[\"detailsView\"",
        "42[\"detailsView\"]x",
        "42[\"detailsView\"][]",
        "42[\"detailsView\",]",
        "42[\"detailsView\",{]",
        "42[\"detailsView\",{\"a\":}]",
        "42[\"detailsView\",undefined]",
        "42[\"detailsView\" {}]",
        "42['detailsView']",
        "42[detailsView]",
        "42[\"say\",{\"room\":\"defaultRoom\",\"message\":01}]",
    ])
    .await;
}

#[tokio::test]
async fn ids_that_are_none() {
    close(&[
        "42abc[\"detailsView\"]",
        "42-1[\"detailsView\"]",
        "421.5[\"detailsView\"]",
        "42 1[\"detailsView\"]",
        "421e3[\"detailsView\"]",
        "42\u{661}[\"detailsView\"]",
        "421",
        "421\"detailsView\"",
    ])
    .await;
}

#[tokio::test]
async fn acknowledgements_that_are_none() {
    close(&["43", "43{}", "43abc[]", "43-1[]", "43 []", "46[]"]).await;
}

#[tokio::test]
async fn counts_of_attachments_that_are_none() {
    close(&[
        "45",
        "45[\"detailsView\"]",
        "45-[\"detailsView\"]",
        "45x-[\"detailsView\"]",
        "45-1-[\"detailsView\"]",
        "451[\"detailsView\"]",
        "451",
        "45 1-[\"detailsView\"]",
        "451.0-[\"detailsView\"]",
        "4599999999999999999999999-[\"detailsView\"]",
        "46[]",
        "46x-0[]",
    ])
    .await;
}

#[tokio::test]
async fn bytes_that_nothing_announced() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        ann.try_send_all(&[Packet::Binary(vec![1, 2, 3])]).await;
        assert_eq!(ann.rest().await, [""; 0], "{kind:?}");
    }
    metric_becomes(&server, &closed_for("protocol_error"), 6).await;
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_passed_over() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for packet in [
            "430[]",
            "4399[1,2]",
            "43/,0[]",
            "439223372036854775807[null]",
        ] {
            ann.send(packet).await;
        }
        let bytes = "461-7[{\"_placeholder\":true,\"num\":0}]";
        ann.send_all(&[text(bytes), Packet::Binary(vec![1])]).await;
        let answer = ann.call("detailsView", serde_json::Value::Null).await;
        assert_eq!(answer["messageCount"], 1, "{kind:?}");
    }
}

#[tokio::test]
async fn what_stands_before_it_is_delivered_and_what_follows_is_not() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let say = |message: &str| {
        text(format!(
            "42[\"say\",{{\"room\":\"defaultRoom\",\"message\":\"{message}\"}}]"
        ))
    };
    for kind in Kind::ALL {
        for bad in ["47", "42[", "42abc[\"detailsView\"]", "43{}", "45-[]"] {
            let mut ann = Peer::connected(server.address, kind).await;
            ann.join("defaultRoom").await;
            ann.try_send_all(&[say("before"), text(bad), say("behind")])
                .await;
            ann.rest().await;
            assert_eq!(bob.hears().await["message"], "before", "{bad} {kind:?}");
            bob.say("defaultRoom", "next").await;
            assert_eq!(bob.hears().await["message"], "next", "{bad} {kind:?}");
        }
    }
}
