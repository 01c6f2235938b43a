//! Who may connect, who may call what, and what happens around actions: authorization and middleware.
//!
//!     cargo run --example middleware
//!
//! Then:
//!
//!     npx wscat -c 'ws://127.0.0.1:8080/ws'                  (refused: 401)
//!     npx wscat -c 'ws://127.0.0.1:8080/ws?sessionID=guest'  (may connect)
//!     npx wscat -c 'ws://127.0.0.1:8080/ws?sessionID=admin'  (may call `restart`)
//!     {"event":"action","params":{"action":"restart"}}
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use serde_json::{Value, json};
use stellar::Server;
use stellar::app::{Action, ActionMiddleware, App, ConnectionMiddleware, Context, Verdict};
use stellar::engine::{Handshake, Refusal};

/// Runs before anything is promised to a realtime client; HTTP requests meet the action middleware only. A real session is looked up; here its name is the role. What
/// comes as `sessionID`, by query or cookie, is the connection's fingerprint later.
async fn authorize(handshake: &mut Handshake) -> Result<(), Refusal> {
    match handshake
        .query()
        .split('&')
        .find_map(|pair| pair.strip_prefix("sessionID="))
    {
        Some("guest" | "admin") => Ok(()),
        Some(_) | None => Err(Refusal::new("a session is needed").with_authenticate("Bearer")),
    }
}

/// Only for administrators: those whose session says so. Actions name it.
fn only_admins() -> ActionMiddleware {
    ActionMiddleware::new("only admins").before(|context: Context| async move {
        match context.connection().fingerprint() {
            Some("admin") => Verdict::Keep,
            Some(_) | None => Verdict::refuse("only administrators may do this"),
        }
    })
}

/// For every action: how long it took.
fn stopwatch() -> ActionMiddleware {
    ActionMiddleware::new("stopwatch")
        .global()
        .priority(1)
        .before(|context: Context| async move {
            context.respond("startedAt", now());
            Verdict::Keep
        })
        .after(|context: Context| async move {
            let started = context.response().get("startedAt").and_then(Value::as_u64);
            let took = started.map(|started| now().saturating_sub(started));
            println!("{} took {took:?} ms", context.action());
            context.respond("took", took);
            Verdict::Keep
        })
}

fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app =
        App::builder()
            .authorize(|handshake| Box::pin(authorize(handshake)))
            .connection_middleware(
                ConnectionMiddleware::new("log")
                    .on_create(|connection| async move {
                        println!("{} came from {:?}", connection.id(), connection.remote_ip());
                        Verdict::Keep
                    })
                    .on_destroy(|connection| async move {
                        println!(
                            "{} left after {} actions",
                            connection.id(),
                            connection.total_actions()
                        );
                    }),
            )
            .action_middleware(stopwatch())
            .action_middleware(only_admins())
            .action(Action::new(
                "whoami",
                |context: Context, _: Value| async move {
                    Ok(json!({ "id": context.connection().id() }))
                },
            ))
            .action(
                Action::new("restart", |_context, _: Value| async move {
                    Ok(json!({ "restarting": true }))
                })
                .middleware("only admins"),
            )
            .build()?;
    println!("ws://127.0.0.1:8080/ws?sessionID=guest, or =admin");
    Server::new(app).run().await?;
    Ok(())
}
