//! What is said in rooms, on its way: `on_say_receive` once for each message, `on_say` once for each receiver, and room
//! events that the server hears, too.
//!
//!     cargo run --example hooks
//!
//! Then, in two terminals, `npx wscat -c ws://127.0.0.1:8080/ws` and:
//!
//!     {"event":"roomAdd","room":"lobby"}
//!     {"event":"say","room":"lobby","message":"  hello  "}                              (trimmed; blank texts are refused)
//!     {"event":"action","params":{"action":"mute","id":"…"}}                            (with the `from` of a message)
//!     {"event":"event","params":{"room":"lobby","event":"vote","data":"tea"}}
//!     {"event":"action","params":{"action":"votes"}}
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use stellar::Server;
use stellar::app::{
    Action, App, ChatMiddleware, Context, Input, RegistrationError, RoomEvent, Sender, Verdict,
};
use stellar::config::Config;

/// Whom a connection does not want to hear. Kept with that connection.
#[derive(Clone)]
struct Muted(String);

#[derive(Deserialize)]
struct Mute {
    id: String,
}

/// How many have voted for what.
#[derive(Clone, Default)]
struct Votes(Arc<Mutex<BTreeMap<String, u32>>>);

impl Votes {
    /// A listener is called on the task that reads from the client, so it returns quickly.
    fn count(&self, vote: &RoomEvent) {
        // Only these, or clients could fill the memory with names.
        if let Some(drink @ ("tea" | "coffee")) = vote.data.as_str() {
            let mut votes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *votes.entry(drink.to_owned()).or_default() += 1;
        }
    }

    fn result(&self) -> Value {
        json!(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Once for each message, with the speaker's connection. Room events pass here as well, as `{"event": …, "data": …}`: what
/// is no text is let through.
fn tidy() -> ChatMiddleware {
    ChatMiddleware::new("tidy").on_say_receive(|_speaker, mut said| async move {
        match said.message.as_str().map(str::trim) {
            None => Verdict::Keep,
            Some("") => Verdict::refuse("say something"),
            Some(text) => {
                said.message = text.into();
                Verdict::Replace(said)
            }
        }
    })
}

/// Once for each receiver, with the receiver's connection. `Drop` keeps the message from this one only.
fn mute() -> ChatMiddleware {
    ChatMiddleware::new("mute").on_say(|receiver, said| async move {
        match (receiver.get::<Muted>(), &said.from) {
            (Some(Muted(muted)), Sender::Connection(id)) if muted == *id => Verdict::Drop,
            _ => Verdict::Keep,
        }
    })
}

/// The app.
pub(crate) fn app(mut config: Config) -> Result<App, RegistrationError> {
    config.general.starting_rooms = vec!["lobby".into(), "library".into()];
    let votes = Votes::default();
    let counting = votes.clone();
    App::builder()
        .config(config)
        .chat_middleware(tidy())
        .chat_middleware(mute())
        .on_room_event_in("lobby", "vote", move |vote| counting.count(vote))
        .on_room_event("vote", |vote| {
            let who = vote.connection.as_ref().map_or("the server", |it| it.id());
            println!("{who} votes in {}: {}", vote.room, vote.data);
        })
        .action(
            Action::new("mute", |context: Context, params: Mute| async move {
                context.connection().set(Muted(params.id));
                Ok(json!({}))
            })
            .input(Input::new("id").required()),
        )
        .action(Action::new("votes", move |_: Context, _: Value| {
            let result = votes.result();
            async move { Ok(json!({ "votes": result })) }
        }))
        .build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("rooms lobby and library on ws://127.0.0.1:8080/ws");
    Server::new(app(Config::default())?).run().await?;
    Ok(())
}
