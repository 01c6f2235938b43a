//! Visits: how often an address comes, and how often it asks.
//!
//! A bucket of an address that has gone is kept until it is full again; where too many are kept, they are forgotten.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Bucket, Rate};

/// Accounts of addresses that are not here, at the most.
const MAX_RESTING: usize = 65_536;
/// Accounts below which nobody looks for those that can go.
const FEW: usize = 1024;

/// How often one address may do what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VisitRates {
    /// New connections.
    pub(crate) connects: Rate,
    /// HTTP requests.
    pub(crate) requests: Rate,
}

impl VisitRates {
    fn are_off(&self) -> bool {
        self.connects == Rate::OFF && self.requests == Rate::OFF
    }
}

/// What one address has left.
#[derive(Debug, Default)]
pub(super) struct Account {
    connects: Bucket,
    requests: Bucket,
}

impl Account {
    /// Takes a connection; an error tells when the next one may come.
    pub(super) fn connect(&self, rates: &VisitRates, now: Duration) -> Result<(), Duration> {
        self.connects.take(&rates.connects, 1, now)
    }

    /// Takes a request; an error tells when the next one may come.
    pub(super) fn request(&self, rates: &VisitRates, now: Duration) -> Result<(), Duration> {
        self.requests.take(&rates.requests, 1, now)
    }

    fn is_full(&self, now: Duration) -> bool {
        self.connects.is_full(now) && self.requests.is_full(now)
    }
}

/// The accounts of all addresses.
#[derive(Debug)]
pub(super) struct Accounts {
    is_off: bool,
    by_address: HashMap<IpAddr, Arc<Account>>,
    /// How many make it worth a look for those that can go.
    look_at: usize,
}

impl Accounts {
    pub(super) fn new(rates: &VisitRates) -> Self {
        Self {
            is_off: rates.are_off(),
            by_address: HashMap::new(),
            look_at: FEW,
        }
    }

    /// That of `address`; none where nothing is limited. While somebody has it, it is not forgotten.
    pub(super) fn of(&mut self, address: Option<IpAddr>, now: Duration) -> Option<Arc<Account>> {
        let address = address.filter(|_| !self.is_off)?;
        if let Some(account) = self.by_address.get(&address) {
            return Some(Arc::clone(account));
        }
        if self.by_address.len() >= self.look_at {
            self.tidy(now);
        }
        let account = Arc::<Account>::default();
        self.by_address.insert(address, Arc::clone(&account));
        Some(account)
    }

    fn tidy(&mut self, now: Duration) {
        let is_here = |account: &Arc<Account>| Arc::strong_count(account) > 1;
        let mut resting = 0;
        self.by_address.retain(|_, account| {
            let stays = is_here(account) || !account.is_full(now);
            resting += usize::from(stays && !is_here(account));
            stays
        });
        if resting > MAX_RESTING {
            self.by_address.retain(|_, account| is_here(account));
        }
        self.look_at = (self.by_address.len() * 2).max(FEW);
        self.by_address.shrink_to(self.look_at);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from(number).into())
    }

    #[test]
    fn accounts_are_kept_until_they_are_full_and_never_too_many() {
        let rates = VisitRates {
            connects: Rate::new(1.0, 10),
            requests: Rate::OFF,
        };
        let mut accounts = Accounts::new(&rates);
        let here = accounts.of(address(0), seconds(0)).unwrap();
        for number in 1..FEW as u32 {
            let account = accounts.of(address(number), seconds(0)).unwrap();
            let _taken = account.connect(&rates, seconds(0));
        }
        // A second later all are full again.
        accounts.of(address(5000), seconds(2));
        assert_eq!(accounts.by_address.len(), 2);
        assert!(Arc::ptr_eq(
            &here,
            &accounts.of(address(0), seconds(2)).unwrap()
        ));
        for number in 0..500_000 {
            let account = accounts.of(address(10_000 + number), seconds(3)).unwrap();
            let _taken = account.connect(&rates, seconds(3));
            assert!(accounts.by_address.len() <= 2 * MAX_RESTING + FEW);
        }
        assert!(Arc::ptr_eq(
            &here,
            &accounts.of(address(0), seconds(3)).unwrap()
        ));
    }

    #[test]
    fn there_are_none_where_nothing_is_limited() {
        let mut accounts = Accounts::new(&VisitRates {
            connects: Rate::OFF,
            requests: Rate::OFF,
        });
        assert!(accounts.of(address(1), seconds(0)).is_none());
        assert_eq!(accounts.by_address.capacity(), 0);
    }
}
