//! Where to listen, as people write it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use serde::de::{Deserializer, Error, Visitor};

/// Where to listen unless an address is named: nowhere that others reach.
pub(super) const HOST: [u8; 4] = [127, 0, 0, 1];

/// What is expected.
const EXPECTED: &str = "expected ADDRESS:PORT, NAME:PORT, :PORT or PORT, such as 127.0.0.1:8080, [::1]:8080, \
                        localhost:8080, :8080 or 8080";

/// Reads where to listen. A port alone means this machine only, a port behind a colon every IPv4 address of this
/// machine. A name stands for its first IPv4 address, or for its first address if it has none of version 4.
///
/// # Errors
///
/// What is expected, and what was found.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wrong = |why: &str| Err(format!("{EXPECTED}, but found `{text}`: {why}"));
    if text.contains("://") {
        return wrong("leave out the scheme");
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((HOST_OF_A_PORT, text));
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = is_port.then(|| port.parse::<u16>().ok()).flatten() else {
        return match (is_port, host, port) {
            (true, ..) => wrong("ports are 0 to 65535"),
            (false, HOST_OF_A_PORT, _) | (false, _, "") => wrong("there is no port"),
            (false, ..) => wrong(&format!("`{port}` is no port")),
        };
    };
    let ip = match host {
        HOST_OF_A_PORT => IpAddr::from(HOST),
        "" => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        // An address of version 6 without brackets: its last group was taken for a port.
        name if name.contains([':', '/', '[', ']']) => {
            return wrong("write addresses of version 6 in brackets");
        }
        "*" => {
            return wrong(&format!(
                "every address is :{port}, or [::]:{port} with version 6"
            ));
        }
        name => return resolve(name, port).map_err(|why| format!("{EXPECTED}, but {why}")),
    };
    Ok(SocketAddr::from((ip, port)))
}

/// No name of a host has a slash.
const HOST_OF_A_PORT: &str = "/";

fn resolve(name: &str, port: u16) -> Result<SocketAddr, String> {
    let known = (name, port)
        .to_socket_addrs()
        .map_err(|error| format!("`{name}` has no address: {error}"))?;
    let mut known: Vec<_> = known.collect();
    known.sort_by_key(SocketAddr::is_ipv6);
    let first = known.first().copied();
    first.ok_or_else(|| format!("`{name}` has no address"))
}

/// Reads it from a configuration, where a port alone may be a number.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    struct Listen;

    impl Visitor<'_> for Listen {
        type Value = SocketAddr;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an address and port")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<SocketAddr, E> {
            parse_listen(text).map_err(E::custom)
        }

        fn visit_i64<E: Error>(self, port: i64) -> Result<SocketAddr, E> {
            self.visit_str(&port.to_string())
        }
    }

    from.deserialize_any(Listen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_what_people_write() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:8080", "[::1]:8080"),
            ("[::]:0", "[::]:0"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
            (":8080", "0.0.0.0:8080"),
        ] {
            assert_eq!(parse_listen(text), Ok(address.parse().unwrap()), "{text}");
        }
        let local = parse_listen("localhost:8080").unwrap();
        assert!(local.ip().is_loopback() && local.port() == 8080, "{local}");
    }

    #[test]
    fn listen_says_what_it_expects() {
        for (text, why) in [
            ("nonsense", "no port"),
            ("", "no port"),
            ("localhost:", "no port"),
            ("localhost:http", "`http` is no port"),
            ("127.0.0.1:70000", "0 to 65535"),
            ("-1", "no port"),
            ("::1:8080", "brackets"),
            ("http://127.0.0.1:8080", "scheme"),
            ("https://example.com", "scheme"),
            ("*:8080", ":8080"),
            ("name.invalid:8080", "has no address"),
        ] {
            let error = parse_listen(text).unwrap_err();
            assert!(error.contains("expected ADDRESS:PORT"), "{error}");
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
