//! The client's address, as far as proxies are trusted (docs/protocol/http.md#client-address).

use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use http::header::{FORWARDED, HOST, HeaderMap, HeaderName, ORIGIN, REFERER};
use ipnet::IpNet;
use stellar_transports::{ForwardedHosts, Peer};

static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static HOSTS: HeaderName = HeaderName::from_static("x-forwarded-host");
static PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Most hosts of one request that count.
const MAX_HOSTS: usize = 8;

/// Which header trusted proxies write the client's address into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// `X-Forwarded-For`, with `X-Forwarded-Port` and `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// A header with one address in it: `x-real-ip`, `fastly-client-ip`, `cf-connecting-ip`.
    Header(HeaderName),
}

/// The peer of a request that came over a socket from `socket`.
///
/// `X-Forwarded-For` is read from its end: each trusted proxy vouches for the entry before it, and the first address
/// that is not a trusted proxy is the client. What the client itself wrote in front of that is not believed.
pub(crate) fn of(
    socket: SocketAddr,
    secure: bool,
    headers: &HeaderMap,
    trusted: &[IpNet],
    forwarding: &Forwarding,
) -> Peer {
    let direct = Peer::direct(socket, secure);
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    if !is_trusted(&direct.ip) {
        return direct;
    }
    match forwarding {
        Forwarding::XForwardedFor => {}
        Forwarding::Forwarded => return rfc7239(direct, headers, is_trusted),
        Forwarding::Header(name) => return single(direct, headers, name),
    }
    let mut client = None;
    for entry in entries(headers, &FOR).rev() {
        let Some((ip, port)) = parse(entry) else {
            break;
        };
        client = Some((ip, port));
        if !is_trusted(&ip) {
            break;
        }
    }
    let Some((ip, port)) = client else {
        return direct;
    };
    let forwarded_port = entries(headers, &PORT)
        .next_back()
        .and_then(|port| port.parse().ok());
    let proto = entries(headers, &PROTO).next_back();
    Peer {
        ip,
        port: port.or(forwarded_port).unwrap_or(0),
        secure: proto.map_or(secure, |proto| proto.eq_ignore_ascii_case("https")),
    }
}

/// As [`of`], from `Forwarded` headers: `for=192.0.2.60;proto=http, for="[2001:db8::1]:4711"` (RFC 7239).
fn rfc7239(direct: Peer, headers: &HeaderMap, is_trusted: impl Fn(&IpAddr) -> bool) -> Peer {
    let mut peer = direct;
    for element in entries(headers, &FORWARDED).rev() {
        let mut address = None;
        let mut proto = None;
        for pair in element.split(';') {
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => address = parse(value),
                "proto" => proto = Some(value),
                _ => {}
            }
        }
        // `unknown`, `_hidden` and nonsense: the last one that is known is all that is known.
        let Some((ip, port)) = address else {
            break;
        };
        peer = Peer {
            ip,
            port: port.unwrap_or(0),
            secure: proto.map_or(peer.secure, |proto| proto.eq_ignore_ascii_case("https")),
        };
        if !is_trusted(&ip) {
            break;
        }
    }
    peer
}

/// As [`of`], from a header that holds one address.
fn single(direct: Peer, headers: &HeaderMap, name: &HeaderName) -> Peer {
    let Some((ip, port)) = entries(headers, name).next_back().and_then(parse) else {
        return direct;
    };
    let proto = entries(headers, &PROTO).next_back();
    Peer {
        ip,
        port: port.unwrap_or(0),
        secure: proto.map_or(direct.secure, |proto| proto.eq_ignore_ascii_case("https")),
    }
}

/// The hosts under which clients know a trusted proxy, for whoever asks which pages are the server's own. Each one that a
/// header names counts: no page can have its browser send them to a server that does not let it in.
pub(crate) fn hosts(
    socket: IpAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Option<ForwardedHosts> {
    // Only pages are asked where they come from.
    let is_asked = headers.contains_key(ORIGIN) || headers.contains_key(REFERER);
    let is_named = [&HOSTS, &FORWARDED, &PORT].map(|name| headers.contains_key(name));
    let is_named = is_asked && is_named.contains(&true);
    let socket = socket.to_canonical();
    if !is_named || !trusted.iter().any(|network| network.contains(&socket)) {
        return None;
    }
    let pairs = entries(headers, &FORWARDED).flat_map(|element| element.split(';'));
    let standard = pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_host = name.trim().eq_ignore_ascii_case("host");
        is_host.then(|| value.trim().trim_matches('"'))
    });
    let hosts = entries(headers, &HOSTS).chain(standard).take(MAX_HOSTS);
    // Some proxies tell the port apart from the host, which is the request's own where they name no other.
    let port = entries(headers, &PORT).next_back();
    let port = port.and_then(|port| port.parse::<u16>().ok());
    let at_port = |host: &str| match host.rsplit_once(':') {
        Some((_, end)) if !end.ends_with(']') => None,
        _ => port.map(|port| format!("{host}:{port}")),
    };
    let own = entries(headers, &HOST).filter_map(at_port);
    let hosts = hosts.flat_map(|host| std::iter::once(host.to_owned()).chain(at_port(host)));
    Some(ForwardedHosts(hosts.chain(own).collect()))
}

fn entries<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'a str> + use<'a> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// An address with or without port: `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`. The zone of `fe80::1%eth2` means
/// something on the proxy only.
fn parse(entry: &str) -> Option<(IpAddr, Option<u16>)> {
    let (address, port): (IpAddr, _) = match entry.strip_prefix('[') {
        Some(inner) => {
            let (address, end) = inner.split_once(']')?;
            let port = match end {
                "" => None,
                end => Some(end.strip_prefix(':')?.parse().ok()?),
            };
            (without_zone(address).parse().ok()?, port)
        }
        None => match entry.parse::<SocketAddrV4>() {
            Ok(address) => ((*address.ip()).into(), Some(address.port())),
            Err(_) => (without_zone(entry).parse().ok()?, None),
        },
    };
    Some((address.to_canonical(), port))
}

fn without_zone(address: &str) -> &str {
    match address.split_once('%') {
        Some((address, zone)) if address.contains(':') && !zone.is_empty() => address,
        _ => address,
    }
}

/// The networks as peers' addresses are compared with them: one of IPv4 that is written as IPv6 (`::ffff:10.0.0.0/104`) is
/// one of IPv4.
pub(crate) fn canonical_networks(networks: impl IntoIterator<Item = IpNet>) -> Vec<IpNet> {
    let canonical = |network: IpNet| match (network.addr().to_canonical(), network.prefix_len()) {
        (IpAddr::V4(address), length @ 96..) if network.addr().is_ipv6() => {
            IpNet::new(address.into(), length - 96).unwrap_or(network)
        }
        _ => network,
    };
    networks.into_iter().map(canonical).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(socket: &str, headers: &[(&'static str, &str)]) -> (String, u16, bool) {
        peer_by(&Forwarding::XForwardedFor, socket, headers)
    }

    fn peer_by(
        forwarding: &Forwarding,
        socket: &str,
        headers: &[(&'static str, &str)],
    ) -> (String, u16, bool) {
        let trusted = [
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let peer = of(socket.parse().unwrap(), false, &map, &trusted, forwarding);
        (peer.ip.to_string(), peer.port, peer.secure)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let forwarded = [("x-forwarded-for", "1.2.3.4")];
        assert_eq!(
            peer("127.0.0.1:5", &forwarded),
            ("1.2.3.4".into(), 0, false)
        );
        assert_eq!(peer("9.9.9.9:5", &forwarded), ("9.9.9.9".into(), 5, false));
        assert_eq!(peer("127.0.0.1:5", &[]), ("127.0.0.1".into(), 5, false));
    }

    #[test]
    fn what_a_client_wrote_in_front_is_not_believed() {
        let forwarded = [("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.1")];
        assert_eq!(peer("127.0.0.1:5", &forwarded).0, "1.2.3.4");
        let two_headers = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "1.2.3.4"),
        ];
        assert_eq!(peer("127.0.0.1:5", &two_headers).0, "1.2.3.4");
        assert_eq!(
            peer("127.0.0.1:5", &[("x-forwarded-for", "junk")]).0,
            "127.0.0.1"
        );
    }

    #[test]
    fn the_standard_header_is_understood() {
        for (value, expected) in [
            ("for=1.2.3.4", ("1.2.3.4", 0, false)),
            (
                "For=\"1.2.3.4:80\";Proto=https;by=10.0.0.1",
                ("1.2.3.4", 80, true),
            ),
            (
                "for=6.6.6.6, for=\"[2001:db8::1]:81\"",
                ("2001:db8::1", 81, false),
            ),
            (
                "for=1.2.3.4, for=10.0.0.9;proto=http",
                ("1.2.3.4", 0, false),
            ),
            ("for=6.6.6.6, for=unknown", ("127.0.0.1", 5, false)),
            (
                "for=6.6.6.6, for=_hidden, for=10.0.0.9",
                ("10.0.0.9", 0, false),
            ),
            ("nonsense", ("127.0.0.1", 5, false)),
        ] {
            let headers = [("forwarded", value), ("x-forwarded-for", "7.7.7.7")];
            let (ip, port, secure) = peer_by(&Forwarding::Forwarded, "127.0.0.1:5", &headers);
            assert_eq!((&*ip, port, secure), expected, "{value}");
        }
        let forged = [("forwarded", "for=6.6.6.6")];
        let direct = ("127.0.0.1".to_owned(), 5, false);
        assert_eq!(
            peer("127.0.0.1:5", &forged),
            direct,
            "not the header of this proxy"
        );
        let stranger = peer_by(&Forwarding::Forwarded, "9.9.9.9:5", &forged);
        assert_eq!(stranger.0, "9.9.9.9");
    }

    #[test]
    fn a_header_with_one_address_may_be_chosen() {
        let forwarding = Forwarding::Header(HeaderName::from_static("x-real-ip"));
        let headers = [("x-real-ip", "1.2.3.4"), ("x-forwarded-for", "6.6.6.6")];
        assert_eq!(peer_by(&forwarding, "127.0.0.1:5", &headers).0, "1.2.3.4");
        assert_eq!(peer_by(&forwarding, "9.9.9.9:5", &headers).0, "9.9.9.9");
    }

    #[test]
    fn zones_are_left_out() {
        for (value, expected) in [
            ("fe80::1%eth2", ("fe80::1", 0)),
            ("[fe80::1%eth2]", ("fe80::1", 0)),
            ("[fe80::1%25eth2]:81", ("fe80::1", 81)),
            ("fe80::1%3, 10.0.0.1", ("fe80::1", 0)),
            ("fe80::1%", ("127.0.0.1", 5)),
            ("1.2.3.4%eth2", ("127.0.0.1", 5)),
            ("%eth2", ("127.0.0.1", 5)),
            ("[fe80::1%eth2", ("127.0.0.1", 5)),
        ] {
            let (ip, port, _) = peer("127.0.0.1:5", &[("x-forwarded-for", value)]);
            assert_eq!((&*ip, port), expected, "{value}");
            let forwarded = format!("for=\"{}\"", value.split(',').next().unwrap());
            let headers = [("forwarded", &*forwarded)];
            let (ip, port, _) = peer_by(&Forwarding::Forwarded, "127.0.0.1:5", &headers);
            assert_eq!((&*ip, port), expected, "{forwarded}");
        }
        assert_eq!(peer("[fe80::1%3]:5", &[]).0, "fe80::1");
    }

    #[test]
    fn ipv4_on_an_ipv6_socket_is_ipv4() {
        assert_eq!(
            peer("[::ffff:9.9.9.9]:5", &[]),
            ("9.9.9.9".into(), 5, false)
        );
        let forwarded = [("x-forwarded-for", "::ffff:1.2.3.4, [::ffff:10.0.0.1]:80")];
        assert_eq!(peer("[::ffff:127.0.0.1]:5", &forwarded).0, "1.2.3.4");
        let networks = [
            "::ffff:10.0.0.0/104",
            "::ffff:0:0/96",
            "10.0.0.0/8",
            "fe80::/10",
            "::/0",
        ];
        let networks = canonical_networks(networks.map(|network| network.parse().unwrap()));
        let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
        assert_eq!(
            networks,
            ["10.0.0.0/8", "0.0.0.0/0", "10.0.0.0/8", "fe80::/10", "::/0"]
        );
    }

    #[test]
    fn a_proxy_may_name_the_port_apart_from_the_host() {
        let hosts_of = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            map.insert(HOST, "own.test".parse().unwrap());
            map.insert(ORIGIN, "https://a.test:8443".parse().unwrap());
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            let trusted = ["127.0.0.0/8".parse().unwrap()];
            hosts([127, 0, 0, 1].into(), &map, &trusted).map(|hosts| hosts.0)
        };
        let port = ("x-forwarded-port", "1, 8443");
        for (headers, expected) in [
            (&[][..], None),
            (&[port], Some(&["own.test:8443"][..])),
            (
                &[("x-forwarded-host", "a.test, b.test:81"), port],
                Some(&["a.test", "a.test:8443", "b.test:81", "own.test:8443"]),
            ),
            (
                &[("forwarded", "host=\"[::1]\", host=\"[::2]:82\""), port],
                Some(&["[::1]", "[::1]:8443", "[::2]:82", "own.test:8443"]),
            ),
            (
                &[("x-forwarded-host", "a.test"), ("x-forwarded-port", "x")],
                Some(&["a.test"]),
            ),
        ] {
            let expected = expected.map(|hosts| hosts.iter().map(ToString::to_string).collect());
            assert_eq!(hosts_of(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn ports_and_protocol_come_along() {
        for (value, expected) in [
            ("1.2.3.4:80", ("1.2.3.4", 80)),
            ("[::2]:81", ("::2", 81)),
            ("[::2]", ("::2", 7)),
            ("::2", ("::2", 7)),
        ] {
            let headers = [
                ("x-forwarded-for", value),
                ("x-forwarded-port", "7"),
                ("x-forwarded-proto", "https"),
            ];
            assert_eq!(
                peer("127.0.0.1:5", &headers),
                (expected.0.into(), expected.1, true),
                "{value}"
            );
        }
    }
}
