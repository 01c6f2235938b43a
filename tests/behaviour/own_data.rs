use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use stellar::app::{Action, App, ChatMiddleware, ConnectionMiddleware, Context, Verdict};
use stellar::config::Config;

use crate::support::server::start;
use crate::support::{Client, eventually};

#[derive(Clone, Debug, PartialEq)]
struct User(String);

#[derive(Clone)]
struct Visits(u64);

#[tokio::test]
async fn a_connection_keeps_data_of_the_app_for_actions_and_hooks() {
    let left = Arc::new(Mutex::new(None));
    let farewell = Arc::clone(&left);
    let builder = App::builder()
        // What it finds out is with the connection from the start.
        .authorize(|handshake| {
            Box::pin(async move {
                if let Some(name) = handshake.query_param("name") {
                    handshake.extensions.insert(User(name));
                }
                Ok(())
            })
        })
        .chat_middleware(ChatMiddleware::new("users only").on_join(
            |connection, _room| async move {
                match connection.get::<User>() {
                    Some(_) => Verdict::Keep,
                    None => Verdict::refuse("who are you?"),
                }
            },
        ))
        .connection_middleware(ConnectionMiddleware::new("farewell").on_destroy(
            move |connection| {
                *farewell.lock() = connection.get::<User>();
                async {}
            },
        ))
        .action(Action::new(
            "visit",
            |context: Context, _: Value| async move {
                let connection = context.connection();
                let visits = connection.get::<Visits>().map_or(1, |visits| visits.0 + 1);
                connection.set(Visits(visits));
                let is_shown = connection.show_detail("visits", visits);
                assert!(is_shown && !connection.show_detail("rooms", 7));
                Ok(json!({ "visits": visits, "user": connection.get::<User>().map(|user| user.0) }))
            },
        ))
        .action(Action::new(
            "forget",
            |context: Context, _: Value| async move {
                context.connection().show_detail("visits", Value::Null);
                let forgotten = context.connection().remove::<User>();
                Ok(json!({ "forgotten": forgotten.map(|user| user.0) }))
            },
        ));
    let server = start(builder, Config::default()).await;

    let mut ann = Client::greeted(server.address, "/ws?name=ann%20b+c").await;
    let mut nobody = Client::greeted(server.address, "/primus").await;
    ann.join("defaultRoom").await;
    let join = json!({"event": "roomAdd", "room": "defaultRoom"});
    assert_eq!(nobody.request(join.clone()).await["status"], "who are you?");

    assert_eq!(ann.details().await.get("visits"), None);
    for visits in [1, 2] {
        let answer = ann.action("visit", json!({})).await;
        assert_eq!(
            (&answer["visits"], &answer["user"]),
            (&json!(visits), &json!("ann b c"))
        );
        let details = ann.details().await;
        assert_eq!(
            (&details["visits"], &details["rooms"]),
            (&json!(visits), &json!(["defaultRoom"]))
        );
    }
    assert_eq!(
        nobody.action("visit", json!({})).await["visits"],
        1,
        "it is one's own"
    );

    ann.close().await;
    eventually("the farewell", || left.lock().is_some()).await;
    assert_eq!(*left.lock(), Some(User("ann b c".into())));

    let mut bob = Client::greeted(server.address, "/ws?name=bob").await;
    assert_eq!(bob.action("forget", json!({})).await["forgotten"], "bob");
    assert_eq!(bob.request(join).await["status"], "who are you?");
    assert_eq!(bob.details().await.as_object().unwrap().len(), 9);
}
