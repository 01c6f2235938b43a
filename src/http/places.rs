//! Places: how many sockets may be open, in all and from one address.
//!
//! Who comes when all places are taken may still ask how the server is: a few more are kept for that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;
use stellar_transports::neighbourhood;

/// Places for health checks and metrics, beside the configured ones.
const RESERVED: usize = 16;
/// How many of them one address may have.
const RESERVED_PER_ADDRESS: usize = 2;

/// All places of one server.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    max_per_address: usize,
    /// Proxies: each stands for many clients.
    exempt: Arc<[IpNet]>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    reserved: usize,
    by_address: HashMap<IpAddr, usize>,
    reserved_by_address: HashMap<IpAddr, usize>,
}

/// Room for one socket, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    held: Mutex<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// The address that it counts for, if it counts for one.
    address: Option<IpAddr>,
    is_reserved: bool,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// This address has as many as one may have.
    Address,
}

impl Full {
    /// The name of the limit.
    pub(super) const fn limit(self) -> &'static str {
        match self {
            Self::All => "max_connections",
            Self::Address => "max_connections_per_address",
        }
    }
}

impl Places {
    pub(super) fn new(max: usize, max_per_address: usize, exempt: Arc<[IpNet]>) -> Arc<Self> {
        Arc::new(Self {
            max,
            max_per_address,
            exempt,
            taken: Mutex::default(),
        })
    }

    /// Takes a place for a socket from `ip`.
    pub(super) fn take(self: &Arc<Self>, ip: IpAddr) -> Result<Arc<Place>, Full> {
        let address = self.counted(ip);
        let mut taken = self.taken.lock();
        let is_reserved = taken.all >= self.max;
        if is_reserved {
            taken.reserve(address)?;
        } else {
            taken.add(address, self.max_per_address)?;
            taken.all += 1;
        }
        let held = Mutex::new(Held {
            address,
            is_reserved,
        });
        Ok(Arc::new(Place {
            places: Arc::clone(self),
            held,
        }))
    }

    /// What `ip` counts as, if it is to be counted.
    fn counted(&self, ip: IpAddr) -> Option<IpAddr> {
        let ip = ip.to_canonical();
        let is_exempt = self.exempt.iter().any(|network| network.contains(&ip));
        (!is_exempt).then(|| neighbourhood(ip))
    }
}

impl Taken {
    fn add(&mut self, address: Option<IpAddr>, max: usize) -> Result<(), Full> {
        let Some(address) = address else {
            return Ok(());
        };
        let at_address = self.by_address.entry(address).or_default();
        if *at_address >= max {
            return Err(Full::Address);
        }
        *at_address += 1;
        Ok(())
    }

    fn reserve(&mut self, address: Option<IpAddr>) -> Result<(), Full> {
        if self.reserved >= RESERVED {
            return Err(Full::All);
        }
        if let Some(address) = address {
            let at_address = self.reserved_by_address.entry(address).or_default();
            if *at_address >= RESERVED_PER_ADDRESS {
                return Err(Full::All);
            }
            *at_address += 1;
        }
        self.reserved += 1;
        Ok(())
    }

    fn give_back(&mut self, held: Held) {
        let (all, by_address) = match held.is_reserved {
            true => (&mut self.reserved, &mut self.reserved_by_address),
            false => (&mut self.all, &mut self.by_address),
        };
        *all -= 1;
        subtract(by_address, held.address);
    }
}

fn subtract(by_address: &mut HashMap<IpAddr, usize>, address: Option<IpAddr>) {
    let Some(address) = address else {
        return;
    };
    if let Some(at_address) = by_address.get_mut(&address) {
        *at_address -= 1;
        if *at_address == 0 {
            by_address.remove(&address);
            // Gives memory back after a crowd has left.
            if by_address.capacity() > 64 && by_address.len() < by_address.capacity() / 8 {
                by_address.shrink_to(by_address.len() * 2);
            }
        }
    }
}

impl Place {
    /// Whether it is one of those that are kept for health checks.
    pub(super) fn is_reserved(&self) -> bool {
        self.held.lock().is_reserved
    }

    /// Makes it a place for requests of `client`. One of a proxy counts for the client of the last request, and one that
    /// was kept for health checks becomes one like any other where there is one.
    pub(super) fn is_for(&self, client: IpAddr) -> Result<(), Full> {
        let mut held = self.held.lock();
        let address = self.places.counted(client);
        if address == held.address && !held.is_reserved {
            return Ok(());
        }
        let mut taken = self.places.taken.lock();
        if held.is_reserved {
            if taken.all >= self.places.max {
                return Err(Full::All);
            }
            taken.add(address, self.places.max_per_address)?;
            taken.all += 1;
            taken.give_back(*held);
            *held = Held {
                address,
                is_reserved: false,
            };
            return Ok(());
        }
        let former = held.address.take();
        subtract(&mut taken.by_address, former);
        taken.add(address, self.places.max_per_address)?;
        held.address = address;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let held = *self.held.get_mut();
        self.places.taken.lock().give_back(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn places(max: usize, max_per_address: usize) -> Arc<Places> {
        Places::new(max, max_per_address, ["10.0.0.0/8".parse().unwrap()].into())
    }

    fn open(places: &Arc<Places>, count: usize, address: &str) -> Vec<Arc<Place>> {
        (0..count)
            .map(|_| places.take(ip(address)).unwrap())
            .collect()
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_has_more() {
        let places = places(100, 3);
        let mut mine = open(&places, 3, "192.0.2.1");
        assert_eq!(
            places.take(ip("192.0.2.1")).unwrap_err(),
            Full::Address,
            "as IPv4"
        );
        assert_eq!(
            places.take(ip("::ffff:192.0.2.1")).unwrap_err(),
            Full::Address
        );
        let _others = open(&places, 3, "192.0.2.2");
        let _network = [
            open(&places, 2, "2001:db8::1"),
            open(&places, 1, "2001:db8::2:0:0:1"),
        ];
        assert_eq!(
            places.take(ip("2001:db8::ffff")).unwrap_err(),
            Full::Address
        );
        let _next_network = open(&places, 1, "2001:db8:0:1::1");
        let _proxy = open(&places, 20, "10.1.2.3");
        mine.pop();
        assert!(places.take(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn a_place_of_a_proxy_counts_for_the_client_of_its_last_request() {
        let places = places(100, 2);
        let proxied = open(&places, 4, "10.0.0.1");
        let client = ip("192.0.2.1");
        for place in &proxied[..2] {
            assert_eq!(place.is_for(client), Ok(()));
            assert_eq!(place.is_for(client), Ok(()));
        }
        assert_eq!(proxied[2].is_for(client), Err(Full::Address));
        assert_eq!(places.take(client).unwrap_err(), Full::Address);
        // The next request is another's, or the proxy's own.
        assert_eq!(proxied[0].is_for(ip("192.0.2.2")), Ok(()));
        assert_eq!(proxied[1].is_for(ip("10.0.0.1")), Ok(()));
        assert_eq!(proxied[2].is_for(client), Ok(()));
        assert_eq!(proxied[3].is_for(client), Ok(()));
        drop(proxied);
        assert!(places.taken.lock().by_address.is_empty());
        assert_eq!(places.taken.lock().all, 0);
    }

    #[test]
    fn some_places_are_kept_for_questions() {
        let places = places(2, 2);
        let mut taken = open(&places, 2, "192.0.2.1");
        assert!(!taken[0].is_reserved());
        let kept = open(&places, 2, "192.0.2.1");
        assert!(kept.iter().all(|place| place.is_reserved()));
        assert_eq!(places.take(ip("192.0.2.1")).unwrap_err(), Full::All);
        let _proxy = open(&places, RESERVED - 2, "10.0.0.1");
        assert_eq!(places.take(ip("192.0.2.2")).unwrap_err(), Full::All);
        // A place that becomes free is for whoever asks first.
        assert_eq!(kept[0].is_for(ip("192.0.2.1")), Err(Full::All));
        taken.pop();
        assert_eq!(kept[0].is_for(ip("192.0.2.1")), Ok(()));
        assert!(!kept[0].is_reserved());
        assert_eq!(kept[1].is_for(ip("192.0.2.1")), Err(Full::All));
        let again = places.take(ip("192.0.2.3")).unwrap();
        assert!(again.is_reserved());
        drop((taken, kept, again));
        assert_eq!(places.taken.lock().all, 0);
        assert!(places.taken.lock().reserved_by_address.is_empty());
    }
}
