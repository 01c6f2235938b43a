//! Logging in over HTTP and talking over the socket: a cookie says who it is, and the connection remembers it.
//!
//!     cargo run --example login
//!
//! A program of your own needs the packages `http` and `uuid` for it, besides those of the README. Then:
//!
//!     curl -i -d 'name=ann&password=violet' http://127.0.0.1:8080/api/login      (answers with a cookie)
//!     npx wscat -H 'cookie: session=…' -c ws://127.0.0.1:8080/ws
//!     {"event":"roomAdd","room":"members"}                                       (refused without the cookie)
//!     {"event":"say","room":"members","message":"hello"}
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use http::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::{Value, json};
use stellar::Server;
use stellar::app::{
    Action, ActionMiddleware, App, ChatMiddleware, Connection, ConnectionMiddleware,
    ConnectionType, Context, Error, Input, RegistrationError, Verdict,
};
use stellar::config::Config;

/// Who logged in. Kept with the session, and with each connection that came with its cookie.
#[derive(Clone, Debug)]
struct User {
    name: String,
}

/// Sessions by what is in their cookies: random, because whoever knows it is that user.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<HashMap<String, User>>>);

impl Sessions {
    fn begin(&self, user: User) -> String {
        let secret = uuid::Uuid::new_v4().to_string();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(secret.clone(), user);
        secret
    }

    fn find(&self, secret: &str) -> Option<User> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(secret).cloned()
    }
}

/// A program with a database has passwords there, hashed.
fn check(name: &str, password: &str) -> Option<User> {
    let is_right = matches!((name, password), ("ann", "violet") | ("bob", "yellow"));
    is_right.then(|| User {
        name: name.to_owned(),
    })
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// Only over HTTP: a socket that is open cannot be given a cookie.
fn login(sessions: &Sessions) -> Action {
    let sessions = sessions.clone();
    Action::new("login", move |context: Context, params: Credentials| {
        let sessions = sessions.clone();
        async move {
            let Some(user) = check(&params.name, &params.password) else {
                return Err(Error::text("wrong name or password").into());
            };
            let name = user.name.clone();
            let secret = sessions.begin(user);
            // With `Secure` as well where there is HTTPS.
            let cookie = format!("session={secret}; Path=/; HttpOnly; SameSite=Lax");
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                context.set_header(SET_COOKIE, cookie);
            }
            Ok(json!({ "name": name }))
        }
    })
    .input(Input::new("name").required().rules("max:40"))
    .input(Input::new("password").required().rules("max:200"))
    .block(ConnectionType::Websocket)
}

/// The same over HTTP and over the socket: who is asking is kept with the connection.
fn whoami() -> Action {
    Action::new("whoami", |context: Context, _: Value| async move {
        match context.connection().get::<User>() {
            Some(user) => Ok(json!({ "name": user.name })),
            None => Err(Error::text("log in first").into()),
        }
    })
}

/// Finds out who a connection is, from the cookie that it came with.
fn recognize(connection: &Connection, sessions: &Sessions) {
    let handshake = connection.handshake();
    let secret = handshake.as_deref().and_then(|it| it.cookie("session"));
    if let Some(user) = secret.and_then(|secret| sessions.find(secret)) {
        // Its own `detailsView` shows it from now on.
        connection.show_detail("name", &*user.name);
        connection.set(user);
    }
}

/// The app.
pub(crate) fn app(mut config: Config) -> Result<App, RegistrationError> {
    config.general.starting_rooms = vec!["hall".into(), "members".into()];
    let sessions = Sessions::default();
    let (at_socket, at_http) = (sessions.clone(), sessions.clone());
    App::builder()
        .config(config)
        .connection_middleware(
            // Runs once, when a socket has opened; what comes from it waits until then.
            ConnectionMiddleware::new("who is it").on_create(move |connection| {
                recognize(&connection, &at_socket);
                async { Verdict::Keep }
            }),
        )
        .action_middleware(
            // An HTTP request is a connection of its own, which is gone with its answer.
            ActionMiddleware::new("who is it")
                .global()
                .before(move |context| {
                    if context.connection().kind() == ConnectionType::Web {
                        recognize(context.connection(), &at_http);
                    }
                    async { Verdict::Keep }
                }),
        )
        .chat_middleware(
            ChatMiddleware::new("members only")
                .on_join(|connection, room| async move {
                    match (&*room, connection.get::<User>()) {
                        ("members", None) => Verdict::refuse("log in first"),
                        _ => Verdict::Keep,
                    }
                })
                // Once for each message: members see who said it, by a name that nobody can choose.
                .on_say_receive(|speaker, mut said| async move {
                    let Some(user) = speaker.get::<User>() else {
                        return Verdict::Keep;
                    };
                    said.message = json!({ "name": user.name, "text": said.message });
                    Verdict::Replace(said)
                }),
        )
        .action(login(&sessions))
        .action(whoami())
        .build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("curl -i -d 'name=ann&password=violet' http://127.0.0.1:8080/api/login");
    Server::new(app(Config::default())?).run().await?;
    Ok(())
}
