//! Places: how many sockets may be open, in all and from one address, and how often an address may come and ask.
//!
//! Who comes when all places are taken may still ask how the server is: a few more are kept for that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use parking_lot::Mutex;
use stellar_transports::neighbourhood;

use super::visits::{Account, Accounts, VisitRates};

/// Places for health checks and metrics, beside the configured ones.
const RESERVED: usize = 16;
/// How many of them one address may have.
const RESERVED_PER_ADDRESS: usize = 2;

/// All places of one server.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    max_per_address: usize,
    rates: VisitRates,
    /// When the time of the rates began.
    began: Instant,
    /// Proxies: each stands for many clients.
    exempt: Arc<[IpNet]>,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    all: usize,
    reserved: usize,
    by_address: HashMap<IpAddr, usize>,
    reserved_by_address: HashMap<IpAddr, usize>,
    accounts: Accounts,
}

/// Room for one socket, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// The address that it counts for, if it counts for one.
    address: Option<IpAddr>,
    is_reserved: bool,
    /// What that address has left of its rates.
    account: Option<Arc<Account>>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// This address has as many as one may have.
    Address,
    /// This address has come too often. The next time it may come is after this.
    Connects(Duration),
    /// This address has asked too often. The next time it may ask is after this.
    Requests(Duration),
}

impl Full {
    /// The name of the limit.
    pub(super) const fn limit(self) -> &'static str {
        match self {
            Self::All => "max_connections",
            Self::Address => "max_connections_per_address",
            Self::Connects(_) => "rates.connects",
            Self::Requests(_) => "rates.requests",
        }
    }
}

impl Places {
    pub(super) fn new(
        max: usize,
        max_per_address: usize,
        rates: VisitRates,
        exempt: Arc<[IpNet]>,
    ) -> Arc<Self> {
        Arc::new(Self {
            max,
            max_per_address,
            rates,
            began: Instant::now(),
            exempt,
            taken: Mutex::new(Taken {
                all: 0,
                reserved: 0,
                by_address: HashMap::new(),
                reserved_by_address: HashMap::new(),
                accounts: Accounts::new(&rates),
            }),
        })
    }

    /// Takes a place for a socket from `ip`.
    pub(super) fn take(self: &Arc<Self>, ip: IpAddr) -> Result<Arc<Place>, Full> {
        let address = self.counted(ip);
        let now = self.began.elapsed();
        let mut taken = self.taken.lock();
        let account = taken.accounts.of(address, now);
        if let Some(account) = &account {
            account.connect(&self.rates, now).map_err(Full::Connects)?;
        }
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
            account,
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

    fn give_back(&mut self, held: &Held) {
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
    ///
    /// The request counts, whether there is a place for it or not.
    pub(super) fn is_for(&self, client: IpAddr) -> Result<(), Full> {
        let mut held = self.held.lock();
        self.settle(&mut held, client)?;
        match &held.account {
            Some(account) => {
                let now = self.places.began.elapsed();
                let asked = account.request(&self.places.rates, now);
                asked.map_err(Full::Requests)
            }
            None => Ok(()),
        }
    }

    fn settle(&self, held: &mut Held, client: IpAddr) -> Result<(), Full> {
        let address = self.places.counted(client);
        if address == held.address && !held.is_reserved {
            return Ok(());
        }
        let now = self.places.began.elapsed();
        let mut taken = self.places.taken.lock();
        if held.is_reserved {
            if taken.all >= self.places.max {
                return Err(Full::All);
            }
            taken.add(address, self.places.max_per_address)?;
            taken.all += 1;
            taken.give_back(held);
            *held = Held {
                address,
                is_reserved: false,
                account: taken.accounts.of(address, now),
            };
            return Ok(());
        }
        let former = held.address.take();
        held.account = None;
        subtract(&mut taken.by_address, former);
        taken.add(address, self.places.max_per_address)?;
        held.address = address;
        held.account = taken.accounts.of(address, now);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let held = self.held.get_mut();
        self.places.taken.lock().give_back(held);
    }
}

#[cfg(test)]
mod tests;
