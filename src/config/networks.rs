//! Networks, as people write them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// Reads a list of networks. A single address is the network that it has for itself.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Network(#[serde(deserialize_with = "one")] IpNet);

    let networks = Vec::<Network>::deserialize(from)?;
    Ok(networks.into_iter().map(|Network(it)| it).collect())
}

fn one<'de, D: Deserializer<'de>>(from: D) -> Result<IpNet, D::Error> {
    let text = String::deserialize(from)?;
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address).ok_or_else(|| {
        D::Error::custom(format!(
            "expected an address or a network, such as 192.0.2.1 or 10.0.0.0/8, but found `{text}`"
        ))
    })
}
