use serde_json::json;
use stellar::config::Config;

use crate::support::server::start_app;

#[path = "../../examples/hooks.rs"]
#[allow(dead_code, reason = "its `main` is not run here")]
mod example;

#[tokio::test]
async fn what_is_said_passes_the_hooks_and_events_are_heard_by_the_server() {
    let server = start_app(example::app(Config::default()).unwrap()).await;
    let mut ann = server.plain().await;
    let mut bob = server.primus().await;
    for client in [&mut ann, &mut bob] {
        client.join("lobby").await;
        client.join("library").await;
    }

    // Once for each message.
    let refused = ann
        .request(json!({"event": "say", "room": "lobby", "message": " \n"}))
        .await;
    assert_eq!(refused["status"], "say something");
    ann.say("lobby", "  hello ").await;
    assert_eq!(bob.hears().await["message"], "hello");
    assert_eq!(ann.hears().await["message"], "hello");

    // Events reach members and the server.
    let vote = |room: &str, drink: &str| json!({"event": "event", "params": {"room": room, "event": "vote", "data": drink}});
    for (room, drink) in [
        ("lobby", "tea"),
        ("lobby", "tea"),
        ("library", "tea"),
        ("lobby", "ink"),
    ] {
        ann.request(vote(room, drink)).await;
        let heard = bob.hears().await;
        assert_eq!(heard["message"], json!({"event": "vote", "data": drink}));
    }
    let votes = bob.action("votes", json!({})).await;
    assert_eq!(votes["votes"], json!({"tea": 2}));

    // Once for each receiver.
    let anns_id = ann.id().await;
    bob.action("mute", json!({ "id": anns_id })).await;
    ann.say("lobby", "can you hear me?").await;
    let is_asked = |push: &serde_json::Value| push["message"] == "can you hear me?";
    ann.wait_push(is_asked).await;
    bob.say("lobby", "no").await;
    // The first that it hears since: what was said before it did not come.
    assert_eq!(bob.hears().await["message"], "no");
}
