//! HTTPS: the certificate, and how clients that come back skip half of the handshake.

use crate::config::Tls;
use crate::http::{Security, ServeError};

#[cfg(feature = "tls")]
mod tickets;

/// Sessions that are remembered for clients that take no tickets.
#[cfg(feature = "tls")]
const SESSIONS: usize = 4096;

#[cfg(not(feature = "tls"))]
pub(crate) fn security(tls: &Tls) -> Result<Security, ServeError> {
    match &tls.cert {
        None => Ok(Security::Plain),
        Some(path) => Err(ServeError::Tls {
            path: path.display().to_string(),
            detail: "this build has no TLS: build it with the feature `tls`".into(),
        }),
    }
}

#[cfg(feature = "tls")]
pub(crate) fn security(tls: &Tls) -> Result<Security, ServeError> {
    use std::sync::Arc;

    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::server::ServerSessionMemoryCache;

    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
        return Ok(Security::Plain);
    };
    let fault = |path: &std::path::Path, detail: String| ServeError::Tls {
        path: path.display().to_string(),
        detail,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| {
            fault(
                cert,
                format!("{error}; a PEM file with the certificate chain is expected"),
            )
        })?;
    if chain.is_empty() {
        return Err(fault(
            cert,
            "no certificate in it; a PEM file with the certificate chain is expected".into(),
        ));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        fault(
            key,
            format!("{error}; a PEM file with the private key is expected"),
        )
    })?;
    // Named, because rustls panics where two providers are compiled in and none is chosen.
    let provider = Arc::new(ring::default_provider());
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        })
        .map_err(|error| {
            fault(
                key,
                format!("{error}; do certificate and key belong together?"),
            )
        })?;
    // WebSocket over HTTP/2 is not spoken here.
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    server.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    server.ticketer = match &tls.ticket_key {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| tickets::Shared::from_secrets(&text))
            .map(|shared| Arc::new(shared) as Arc<_>)
            .map_err(|detail| {
                fault(
                    path,
                    format!(
                        "{detail}; a line of {} characters or more is expected, such as \
                         `openssl rand -base64 48` prints",
                        tickets::MIN_SECRET
                    ),
                )
            })?,
        // Keys of its own, which nobody else has and which are forgotten in time.
        None => ring::Ticketer::new()
            .map_err(|error| fault(key, format!("{error}: no keys for sessions")))?,
    };
    Ok(Security::Tls(tokio_rustls::TlsAcceptor::from(Arc::new(
        server,
    ))))
}
