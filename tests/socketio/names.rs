//! Names that no event may have: the connection is closed, as Node does it (docs/protocol/socketio.md#packets).

use crate::support::Binary;
use crate::support::socketio::{Kind, Peer, text};
use crate::{CONNECTED, closed_for, metric, metric_becomes};

const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Asserts that each of these closes its sender and nobody else, and says nothing.
async fn close(packets: impl IntoIterator<Item = String>) {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    let mut closed = 0;
    for packet in packets {
        for kind in Kind::ALL {
            let mut ann = Peer::connected(server.address, kind).await;
            // It is a fault and no farewell: the client may come back.
            let rest = ann.rest_after(&packet).await;
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
async fn reserved_names_close() {
    close(RESERVED.map(|name| format!("42[\"{name}\"]"))).await;
}

#[tokio::test]
async fn reserved_names_close_whatever_comes_with_them() {
    close(RESERVED.map(|name| format!("427[\"{name}\",{{\"room\":\"defaultRoom\"}}]"))).await;
}

#[tokio::test]
async fn reserved_names_close_with_bytes_too() {
    close(RESERVED.map(|name| format!("450-[\"{name}\"]"))).await;
}

#[tokio::test]
async fn names_that_are_no_text_close() {
    let names = ["null", "{}", "[\"say\"]", "true", "false,{}"];
    close(names.map(|name| format!("42[{name}]"))).await;
}

#[tokio::test]
async fn numbers_are_names() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for name in ["7", "-1", "1.5"] {
            ann.send(format!("427[{name},{{}}]")).await;
            let status = format!("Verb not found or not allowed ({name})");
            assert_eq!(ann.answer(7).await["status"], status, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn names_that_need_escapes_are_taken() {
    let server = Binary::demo();
    for kind in Kind::ALL {
        let mut ann = Peer::connected(server.address, kind).await;
        for (name, read) in [
            ("sa\\\"y", "sa\"y"),
            ("say\\n", "say\n"),
            ("\\u20ac", "\u{20ac}"),
            ("a\\\\b", "a\\b"),
            ("\\/", "/"),
            ("nice \\ud83d", "nice \u{FFFD}"),
            ("\u{FFFF}", "\u{FFFF}"),
        ] {
            ann.send(format!("427[\"{name}\",{{}}]")).await;
            let status = format!("Verb not found or not allowed ({read})");
            assert_eq!(ann.answer(7).await["status"], status, "{kind:?}");
        }
        ann.send("428[ \"\\u0064etailsView\" , null ]").await;
        assert_eq!(ann.answer(8).await["status"], "OK", "{kind:?}");
    }
}

#[tokio::test]
async fn reserved_names_close_however_they_are_written() {
    close(["\\u0063onnect", "disconnec\\u0074"].map(|name| format!("42[\"{name}\",{{}}]"))).await;
}

#[tokio::test]
async fn what_stands_before_such_a_name_is_delivered_and_what_follows_is_not() {
    let server = Binary::demo();
    let mut bob = server.plain().await;
    bob.join("defaultRoom").await;
    let say = |message: &str| {
        text(format!(
            "42[\"say\",{{\"room\":\"defaultRoom\",\"message\":\"{message}\"}}]"
        ))
    };
    for kind in Kind::ALL {
        for name in ["\"disconnect\"", "null"] {
            let mut ann = Peer::connected(server.address, kind).await;
            ann.join("defaultRoom").await;
            let bad = text(format!("42[{name}]"));
            ann.try_send_all(&[say("before"), bad, say("behind")]).await;
            ann.rest().await;
            assert_eq!(bob.hears().await["message"], "before", "{kind:?}");
            bob.say("defaultRoom", "next").await;
            assert_eq!(bob.hears().await["message"], "next", "{kind:?}");
        }
    }
}
