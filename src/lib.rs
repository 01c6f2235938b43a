//! **Stellar**: a realtime server that every kind of web client can join.
//!
//! Clients call actions, join rooms, talk and ask for files over pluggable transports. Two layers, kept apart:
//!
//! * [`engine`]: connections, the bus, rooms. Usable alone.
//! * [`app`]: verbs, actions, middleware and files on top of it. Stellar's role.
//!
//! Beside the app, [`primus`] is Primus's API on the same engine. [`Server`] puts each of them on a port.
//!
//! ```no_run
//! use serde_json::{Value, json};
//! use stellar::Server;
//! use stellar::app::{Action, App};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let app = App::builder()
//!         .action(Action::new("hello", |_context, params: Value| async move {
//!             Ok(json!({ "greeting": format!("Hello {}!", params["name"].as_str().unwrap_or("you")) }))
//!         }))
//!         .build()?;
//!     Server::new(app).run().await?;
//!     Ok(())
//! }
//! ```

mod address;
pub mod app;
pub mod client_script;
pub mod config;
pub mod demo;
pub mod engine;
#[cfg(feature = "testing")]
pub mod fuzz;
mod http;
mod json;
mod log;
pub mod primus;
mod server;
mod service;
mod signals;
mod tls;

pub use http::{Bound, Drain, Route, RouteMethod, ServeError};
pub use log::LogWriter;
pub use server::{Server, max_connections};
pub use service::Service;
pub use signals::{Signals, asked_to_stop};
pub use stellar_transports as transports;

/// Compiles the README's Rust.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the Rust of the guide for Stellar's and ActionHero's users.
#[cfg(doctest)]
#[doc = include_str!("../docs/stellar.md")]
struct StellarGuide;

/// Compiles the guide's Rust.
#[cfg(doctest)]
#[doc = include_str!("../docs/primus.md")]
struct Guide;
