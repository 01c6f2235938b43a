//! A certificate of the test's own, and clients that trust it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{
    ClientConfig, DEFAULT_VERSIONS, RootCertStore, SupportedProtocolVersion, crypto,
};

use super::within;

/// The name that certificates are made out to.
const NAME: &str = "localhost";

/// A certificate with its key, as files, and whoever trusts it.
pub(crate) struct Certificate {
    folder: TempDir,
    pub(crate) connector: TlsConnector,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let own = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]);
        let own = own.expect("a certificate can be made");
        let (cert, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        std::fs::write(&cert, own.cert.pem()).expect("a temporary file can be written");
        std::fs::write(key, own.signing_key.serialize_pem()).expect("so can another");
        let client = client_config(&cert, DEFAULT_VERSIONS);
        Self {
            connector: TlsConnector::from(Arc::new(client)),
            folder,
        }
    }

    /// What a server with this certificate is started with.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (cert, key) = (path("cert.pem"), path("key.pem"));
        ["--tls-cert".to_owned(), cert, "--tls-key".to_owned(), key]
    }

    /// A client of these versions that trusts it.
    pub(crate) fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        client_config(&self.folder.path().join("cert.pem"), versions)
    }

    /// Where its files are, and others may be.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The host as a browser would name it.
    pub(crate) fn host(address: SocketAddr) -> String {
        format!("{NAME}:{}", address.port())
    }

    /// A stream to a server that may cut those who are slow with their handshake: on a busy machine that is everybody, now
    /// and then.
    pub(crate) async fn connect(&self, address: SocketAddr) -> TlsStream<TcpStream> {
        self.connect_from(address, |_| {}).await
    }

    /// As [`connect`](Self::connect), from a system that takes only a few kB before it makes the server wait.
    pub(crate) async fn connect_with_small_window(
        &self,
        address: SocketAddr,
    ) -> TlsStream<TcpStream> {
        let few = |socket: &TcpSocket| {
            let set = socket.set_recv_buffer_size(4096);
            set.expect("the size can be chosen");
        };
        self.connect_from(address, few).await
    }

    async fn connect_from(
        &self,
        address: SocketAddr,
        prepare: impl Fn(&TcpSocket),
    ) -> TlsStream<TcpStream> {
        within("a TLS connection", async {
            loop {
                let socket = TcpSocket::new_v4().expect("there are sockets");
                prepare(&socket);
                let Ok(stream) = socket.connect(address).await else {
                    continue;
                };
                let name = ServerName::try_from(NAME).expect("it is a name");
                if let Ok(stream) = self.connector.connect(name, stream).await {
                    return stream;
                }
            }
        })
        .await
    }
}

/// A client that trusts the certificate.
fn client_config(
    certificate: &Path,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(certificate);
    let added = roots.add(certificate.expect("it is a certificate"));
    added.expect("it can be trusted");
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("there are versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
