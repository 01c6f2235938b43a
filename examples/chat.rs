//! Rooms: created by the server, joined by clients, with hooks that announce who comes and goes.
//!
//!     cargo run --example chat
//!
//! Then, in two terminals, `npx wscat -c ws://127.0.0.1:8080/ws` and:
//!
//!     {"event":"roomAdd","room":"lobby"}
//!     {"event":"say","room":"lobby","message":"hello"}
//!     {"event":"roomView","room":"lobby"}
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use stellar::Server;
use stellar::app::{App, ChatMiddleware, Verdict};
use stellar::config::Config;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    config.general.starting_rooms = vec!["lobby".into(), "library".into()];
    // The hooks speak in rooms themselves, so they need the app, which is built from them.
    let app = std::sync::Arc::new(std::sync::OnceLock::<App>::new());
    let announce = |what: &'static str| {
        let app = std::sync::Arc::clone(&app);
        move |id: String, room: String| {
            let app = std::sync::Arc::clone(&app);
            async move {
                if let Some(app) = app.get() {
                    let text = format!("{id} has {what} {room}");
                    if let Err(error) = app.chat().broadcast(None, &room, text).await {
                        println!("cannot announce: {error}");
                    }
                }
            }
        }
    };
    let (entered, left) = (announce("entered"), announce("left"));

    let built = App::builder()
        .config(config)
        .chat_middleware(
            ChatMiddleware::new("announcements")
                .on_join(move |connection, room| {
                    let announced = entered(connection.id().to_owned(), room);
                    async move {
                        announced.await;
                        Verdict::Keep
                    }
                })
                .on_leave(move |connection, room| {
                    let announced = left(connection.id().to_owned(), room);
                    async move {
                        announced.await;
                        Verdict::Keep
                    }
                }),
        )
        .chat_middleware(ChatMiddleware::new("silence").on_say_receive(
            |_speaker, message| async move {
                match message.room.as_str() {
                    "library" => Verdict::refuse("no talking in the library"),
                    _ => Verdict::Keep,
                }
            },
        ))
        .build()?;
    let app = app.get_or_init(|| built).clone();

    println!("rooms {:?} on ws://127.0.0.1:8080/ws", app.chat().list());
    Server::new(app).run().await?;
    Ok(())
}
