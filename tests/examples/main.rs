//! The examples do what they say. Each is compiled in as it is, and served on a port of the test's own.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps nothing has failed, which is its job"
)]

/// A transport of one's own.
mod custom_transport;
/// Hooks around what is said, and room events.
mod hooks;
/// Who logged in over HTTP, over the socket.
mod login;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/http.rs"]
#[allow(dead_code, reason = "each test binary uses its own part of it")]
mod web;
