//! Namespaces that do not exist, and packets for them (docs/protocol/socketio.md#namespaces).

use serde_json::Value;

use crate::support::Binary;
use crate::support::socketio::{Kind, Peer, text};
use crate::{closed_for, metric};

fn invalid(namespace: &str) -> String {
    format!("44{namespace},{{\"message\":\"Invalid namespace\"}}")
}

/// CONNECT packets, and the names that they are refused with.
const UNKNOWN: [(&str, &str); 12] = [
    ("40/x,", "/x"),
    ("40/x", "/x"),
    ("40/random", "/random"),
    ("40/x,{}", "/x"),
    ("40/x,{\"token\":\"y\"}", "/x"),
    ("40/a/b/c,", "/a/b/c"),
    ("40//,", "//"),
    ("40/ ,", "/ "),
    ("40/\u{e9}\u{1f600},", "/\u{e9}\u{1f600}"),
    ("40/a\"b\\c,", "/a\"b\\c"),
    ("40/__proto__,", "/__proto__"),
    ("40/{id},", "/{id}"),
];

#[tokio::test]
async fn unknown_ones_are_refused_by_name_and_the_client_stays() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for (packet, name) in UNKNOWN {
            ann.send(packet).await;
            assert_eq!(ann.next().await, &*invalid(name), "{kind:?}");
        }
        ann.details().await;
    }
}

#[tokio::test]
async fn they_are_refused_before_anything_is_connected_too() {
    let server = Binary::demo();
    for kind in Kind::CONNECTING {
        let mut ann = Peer::open(server.address, kind).await;
        for (packet, name) in UNKNOWN {
            ann.send(packet).await;
            assert_eq!(ann.next().await, &*invalid(name), "{kind:?}");
        }
        ann.connect().await;
        ann.details().await;
    }
}

#[tokio::test]
async fn a_query_is_part_of_the_name_in_version_5_only() {
    let server = Binary::demo();
    let mut ann = Peer::connected(server.address, Kind::CONNECTING[0]).await;
    ann.send("40/x?token=1,").await;
    assert_eq!(ann.next().await, &*invalid("/x?token=1"));
}

#[tokio::test]
async fn many_at_once_are_refused_in_order() {
    const MANY: usize = 1000;
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let connects: Vec<_> = (0..MANY).map(|n| text(format!("40/n{n},"))).collect();
        ann.send_all(&connects).await;
        for n in 0..MANY {
            assert_eq!(ann.next().await, &*invalid(&format!("/n{n}")));
        }
        ann.details().await;
    }
}

#[tokio::test]
async fn a_long_name_is_refused_like_a_short_one() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        let name = format!("/{}", "n".repeat(10_000));
        ann.send(format!("40{name},")).await;
        assert_eq!(ann.next().await, &*invalid(&name));
        ann.details().await;
    }
}

#[tokio::test]
async fn what_is_for_an_unknown_one_closes_and_reaches_nobody() {
    let server = Binary::demo();
    let mut closed = 0;
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    for kind in Kind::ALL {
        for packet in [
            "42/x,[\"say\",{\"room\":\"defaultRoom\",\"message\":\"astray\"}]",
            "42/x,7[\"say\",{\"room\":\"defaultRoom\",\"message\":\"astray\"}]",
            "43/x,0[\"astray\"]",
            "43/x,[]",
            "41/x,",
            "41/x",
        ] {
            let mut ann = Peer::connected(server.address, kind).await;
            ann.join("defaultRoom").await;
            assert_eq!(ann.rest_after(packet).await, [""; 0], "{packet} {kind:?}");
            closed += 1;
        }
    }
    assert_eq!(bob.so_far().await, Vec::<Value>::new());
    assert_eq!(metric(&server, &closed_for("protocol_error")).await, closed);
}

#[tokio::test]
async fn a_connect_that_cannot_be_read_closes() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        for packet in ["40/x,{", "40/x,[]", "40/x,null", "40/x,\"a\""] {
            let mut ann = Peer::connected(server.address, kind).await;
            assert_eq!(ann.rest_after(packet).await, [""; 0], "{packet} {kind:?}");
        }
    }
}
