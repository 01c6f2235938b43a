//! A whole session of packets (docs/protocol/packets.md), line by line.

use serde_json::{Value, json};

use crate::support::{Binary, Event};

/// Takes away what every run has its own of, after a look at it.
fn chat(mut packet: Value) -> Value {
    let fields = packet.as_object_mut().unwrap();
    assert!(fields.remove("sentAt").unwrap().is_u64());
    assert!(fields.remove("seq").unwrap().is_u64());
    assert!(fields.remove("epoch").unwrap().is_string());
    packet
}

#[tokio::test]
async fn the_worked_session_line_by_line() {
    let server = Binary::configured("[limits]\nping_interval_ms = 5000\n");
    let mut a = server.primus().await;
    let mut b = server.primus().await;
    let b2 = b.id().await;

    a.send_text(r#"{"event":"detailsView"}"#).await;
    let mut details = a.next_packet().await;
    let data = details["data"].as_object_mut().unwrap();
    let Value::String(a1) = data.remove("id").unwrap() else {
        panic!("an id is text");
    };
    assert!(data.remove("remotePort").unwrap().is_u64());
    assert!(data.remove("connectedAt").unwrap().is_u64());
    assert_eq!(
        details,
        json!({"status":"OK","context":"response","data":{"fingerprint":null,"remoteIP":"127.0.0.1",
            "params":{},"rooms":[],"totalActions":0,"pendingActions":0},"messageCount":1})
    );

    a.send_text(r#"{"event":"say","room":"defaultRoom","message":"too early"}"#)
        .await;
    let text = format!("Connection ({a1}) not in room (defaultRoom)");
    assert_eq!(
        a.next_packet().await,
        json!({"status":text,"error":{"code":"016","message":text},"context":"response","messageCount":2})
    );

    a.send_text(r#"{"event":"roomAdd","room":"defaultRoom"}"#)
        .await;
    assert_eq!(
        a.next_packet().await,
        json!({"status":"OK","context":"response","data":true,"messageCount":3})
    );
    b.send_text(r#"{"event":"roomJoin","room":"defaultRoom"}"#)
        .await;
    assert_eq!(
        b.next_packet().await,
        json!({"status":"OK","context":"response","data":true,"messageCount":2})
    );

    a.send_text(r#"{"message":"hi","room":"defaultRoom","event":"say"}"#)
        .await;
    // The order of the speaker's answer and its own copy is not promised.
    let ok = a.answer(4).await;
    assert_eq!(
        ok,
        json!({"status":"OK","context":"response","messageCount":4})
    );
    let hi = json!({"message":"hi","room":"defaultRoom","from":a1,"context":"user"});
    assert_eq!(chat(a.next_packet().await), hi);
    assert_eq!(chat(b.next_packet().await), hi);

    a.send_text(r#"{"event":"roomView","room":"defaultRoom"}"#)
        .await;
    let mut view = a.next_packet().await;
    for id in [&a1, &b2] {
        let member = view["data"]["members"][id].as_object_mut().unwrap();
        assert!(member.remove("joinedAt").unwrap().is_u64());
    }
    assert_eq!(
        view,
        json!({"status":"OK","context":"response","data":{"room":"defaultRoom",
            "members":{&a1:{"id":a1},&b2:{"id":b2}},"membersCount":2},"messageCount":5})
    );

    a.send_text(r#"{"event":"roomView","room":"otherRoom"}"#)
        .await;
    assert_eq!(
        a.next_packet().await,
        json!({"status":"not member of room otherRoom",
            "error":{"code":"016","message":"not member of room otherRoom"},
            "context":"response","messageCount":6})
    );

    a.send_text(r#"{"event":"action","params":{"action":"nope"}}"#)
        .await;
    assert_eq!(
        a.next_packet().await,
        json!({"error":{"code":"004","message":"Unknown action (nope) or invalid apiVersion"},
            "messageCount":7,"context":"response"})
    );

    a.send_text(r#"{"event":"paramAdd","key":"x"}"#).await;
    assert_eq!(
        a.next_packet().await,
        json!({"status":"Verb not found or not allowed (paramAdd)",
            "error":{"code":"014","message":"Verb not found or not allowed (paramAdd)"},
            "context":"response","data":null,"messageCount":8})
    );

    a.send_text(r#"{"event":"file","file":"../secret.txt"}"#)
        .await;
    assert_eq!(
        a.next_packet().await,
        json!({"error":{"code":"010","message":"The requested file does not exist"},"content":null,
            "mime":"text/html","length":33,"context":"response","messageCount":9})
    );

    // The client answers with the same number, which does not count as a packet.
    a.wait_control("primus::ping::").await;
    a.send_text(r#"{"event":"bogus"}"#).await;
    assert_eq!(a.next_packet().await["messageCount"], 10);

    a.send_text(r#"{"event":"quit"}"#).await;
    assert!(matches!(a.next().await, Event::Closed(_)));
    assert_eq!(a.controls.last().unwrap(), "primus::server::close");

    b.send_text(r#"{"event":"roomView","room":"defaultRoom"}"#)
        .await;
    assert_eq!(b.next_packet().await["data"]["membersCount"], 1);
}
