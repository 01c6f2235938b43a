//! The sections of who may connect, and how.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, networks};
use crate::engine::Origins;

/// HTTPS. Certificate and key, or neither.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain.
    pub cert: Option<PathBuf>,
    /// PEM file with the private key.
    pub key: Option<PathBuf>,
    /// File with the secret that session tickets are encrypted with: servers that share it, or come back with it, resume each
    /// other's sessions. The first line makes tickets, those below still read theirs. None: keys that no other server has.
    pub ticket_key: Option<PathBuf>,
}

/// Who may connect, and how many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Web origins that may connect besides the server's own: `https://example.com`, `https://*.example.com`,
    /// `http://localhost:*`, `file://`, `null`. `*` allows all.
    pub origins: Vec<String>,
    /// WebSocket sub-protocols that are agreed to, of those that a client offers. None: the first that it offers.
    pub subprotocols: Vec<String>,
    /// Networks whose `X-Forwarded-*` headers are believed. In a file, single addresses as well.
    #[serde(deserialize_with = "networks::deserialize")]
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that may read `/metrics`, besides this machine.
    pub metrics_networks: Vec<IpNet>,
    /// Sockets open at once. 0: as many as the file limit allows, less a reserve. A few more are let in for `/healthz`, `/readyz`
    /// and `/metrics` alone.
    pub max_connections: usize,
    /// Of these, how many one IPv4 address or IPv6 /64 may have. Sockets of trusted proxies count for the client of their last
    /// request, and for nobody if that is a proxy. 0: half of the places, 10,000 at most.
    pub max_connections_per_address: usize,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            subprotocols: Vec::new(),
            trusted_proxies: vec![
                IpNet::from(IpAddr::from([127, 0, 0, 1])),
                IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST)),
            ],
            metrics_networks: Vec::new(),
            max_connections: 0,
            max_connections_per_address: 0,
        }
    }
}

impl Config {
    /// The web origins that may connect.
    pub(crate) fn origins(&self) -> Result<Origins, ConfigError> {
        let origins = Origins::allow(&self.access.origins);
        origins.map_err(|error| ConfigError::Value(error.to_string()))
    }
}
