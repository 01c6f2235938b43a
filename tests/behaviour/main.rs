//! Behaviour over the wire: what a client sees. One module per behaviour; each test starts its own server.
//!
//! Numbers in names (`check_042_…`) are those of the black-box checks of the Stellar protocol. Hooks and actions of a
//! test's own need a server in this process; all else runs against the program.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps nothing has failed, which is its job"
)]

#[path = "../support/mod.rs"]
mod support;

/// Actions: answers, errors, limits, versions, inputs (checks 19–37).
mod actions;
/// Who may connect: authorization before the upgrade, connection hooks after it.
mod admission;
/// Saying things in rooms, and room events, as clients do them (checks 46–51, 63).
mod chat;
/// Opening, numbering, malformed packets and closing (checks 1–18).
mod connection;
/// What `/primus` and `/ws` have in common, and what sets them apart.
mod dialects;
/// What a connection or room that ends in the middle of something leaves behind.
mod endings;
/// How errors are put into words, as configured, and verbs that are switched off.
mod errors;
/// Hooks, listeners and handlers that panic or never end: who suffers, and who does not.
mod faulty_code;
/// Texts that were cut inside an emoji.
mod half_characters;
/// Liveness in both directions.
mod heartbeat;
/// Hooks around chat and actions, in their order (checks 38–39, 53–60).
mod hooks;
/// What the program logs, and how.
mod log;
/// Being in rooms: joining, leaving, and looking at the members (checks 40–45, 52, 61–62).
mod membership;
/// What one connection says reaches everybody in order, exactly once.
mod order;
/// What the application keeps with a connection.
mod own_data;
/// The program's exit codes, its one line on standard error, and `stellar client`.
mod program;
/// The rooms as the server program uses them (checks 64–69).
mod rooms_api;
/// The worked session of the protocol, line by line.
mod session;
/// How a server ends.
mod shutdown;
/// Members that do not read.
mod slow_consumer;
/// Steady traffic: nobody is cut off for being busy, and nothing is kept of it afterwards.
mod steady;
/// The greeting, as configured.
mod welcome;
