//! The contract of a transport, written once; each transport's file only plugs itself in.
//!
//! A new transport earns its place by a file of a few lines here and by passing. Where transports differ for good
//! reason, `Plug` says so by name, and `transports/README.md` tells users.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod memory;
#[cfg(feature = "polling")]
mod polling;
mod recorder;
#[cfg(feature = "socketio")]
mod socketio;
mod suite;
#[cfg(feature = "ws")]
mod ws;

use std::time::Duration;

use stellar::engine::Engine;

/// How long a case may take before it is given up: a net, which a busy machine should not get near.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the suite drives one transport.
trait Plug: Sized + Send + Sync {
    /// The name that connections report.
    const TRANSPORT: &'static str;
    /// Whether peers are out of reach of the message size limit: no bytes come from outside.
    const HAS_NO_SIZE_LIMIT: bool = false;

    /// Whether a peer may go unseen, because it has no connection at that moment; then its heartbeat tells.
    const MAY_GO_UNSEEN: bool = false;

    type Client: Client;

    async fn start(engine: Engine) -> Self;

    /// Connects with `query` in the URL. The error is the HTTP status of the refusal.
    async fn connect(&self, query: &str) -> Result<Self::Client, u16>;
}

/// One peer.
trait Client: Send {
    async fn send_text(&mut self, text: &str);
    async fn send_binary(&mut self, bytes: &[u8]);
    /// The next message, or the end.
    async fn receive(&mut self) -> Got;
    /// Ends the connection as the protocol wants it.
    async fn close(self);
}

/// What a client receives.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Closed,
}

/// Runs the whole suite against one transport.
macro_rules! conforms {
    ($plug:ty) => {
        $crate::conforms!($plug: opens_with_its_handshake, refuses_before_opening, carries_messages_both_ways_in_order,
            carries_unicode_binary_and_large_messages, reports_a_close_by_the_peer_once,
            reports_a_broken_connection_once, ends_when_the_server_says_so, delivers_what_was_sent_before_the_end,
            takes_nothing_after_the_end, leaves_data_where_it_is_while_paused, cuts_a_consumer_that_does_not_keep_up,
            closes_on_a_message_over_the_limit, keeps_an_idle_peer_alive, encodes_a_broadcast_once);
    };
    ($plug:ty: $($case:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                tokio::time::timeout(crate::PATIENCE, crate::suite::$case::<$plug>())
                    .await
                    .expect("the case finishes in time");
            }
        )*
    };
}
pub(crate) use conforms;
