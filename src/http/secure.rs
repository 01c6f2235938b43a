//! What becomes of a socket before anything is read from it.

use std::sync::Arc;

use stellar_transports::{Permit, Socket, Turnstile};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio::time::Instant;

use super::places::Place;
use super::site::Settings;

/// How sockets become connections.
#[derive(Clone)]
pub(crate) enum Security {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Prepares a socket; `None` if its TLS handshake fails or takes too long.
#[cfg_attr(
    not(feature = "tls"),
    allow(unused_variables, reason = "without TLS nothing costs much here")
)]
pub(super) async fn secure(
    stream: TcpStream,
    place: &Arc<Place>,
    settings: &Settings,
    turnstile: &Turnstile,
) -> Option<Socket> {
    // Answers are written whole, so waiting for more would only add delay.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off Nagle's algorithm");
    }
    let permit: Permit = Arc::clone(place) as Permit;
    match &settings.security {
        Security::Plain => Some(Socket::plain(stream, Some(permit))),
        #[cfg(feature = "tls")]
        Security::Tls(acceptor) => {
            use stellar_transports::Counted;

            let limit = settings.header_timeout;
            // In a box: the task that waits for it has to keep its size.
            let handshake = Box::pin(async move {
                let began = Instant::now();
                tokio::time::timeout(limit, stream.readable()).await??;
                let left = limit.saturating_sub(began.elapsed());
                // The signature costs more than all the rest.
                turnstile.turn().await;
                tokio::time::timeout(left, acceptor.accept(Counted::new(stream))).await?
            });
            match handshake.await {
                Ok(stream) => Some(Socket::tls(stream, Some(permit))),
                Err(error) => {
                    tracing::debug!(%error, "TLS handshake failed");
                    None
                }
            }
        }
    }
}
