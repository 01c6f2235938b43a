//! All sessions of a server, by their ids, and how many there may be.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;

use super::session::Session;
use crate::Address;
use crate::engineio::Fault;
use crate::handshake::neighbourhood;

/// The name of a session: 144 random bits. Whoever knows it can read and write the session, so it goes to its client
/// alone and into no log.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sid([u8; Self::LEN]);

impl Sid {
    const LEN: usize = 24;

    /// A new one. `None` if the system has no randomness to give.
    pub(super) fn random() -> Option<Self> {
        let mut bits = [0; 18];
        getrandom::fill(&mut bits).ok()?;
        let mut text = [0; Self::LEN];
        BASE64_URL_SAFE_NO_PAD.encode_slice(bits, &mut text).ok()?;
        Some(Self(text))
    }

    fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    pub(super) fn as_str(&self) -> &str {
        // It is base64 whenever it names a session.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(…)")
    }
}

/// The sessions.
#[derive(Debug)]
pub(super) struct Table {
    max_sessions: usize,
    max_per_address: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<Sid, Arc<Session>>,
    /// Places taken, by address: also those of sessions that are being opened, or over but not forgotten.
    places: HashMap<IpAddr, usize>,
    taken: usize,
}

/// Room for one session, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    table: Weak<Table>,
    address: IpAddr,
}

impl Table {
    pub(super) fn new(max_sessions: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            max_sessions,
            max_per_address,
            inner: Mutex::default(),
        })
    }

    /// Takes a place for a client at `ip`.
    pub(super) fn reserve(self: &Arc<Self>, ip: IpAddr) -> Result<Place, Fault> {
        let address = neighbourhood(ip);
        let mut inner = self.inner.lock();
        if inner.taken >= self.max_sessions {
            return Err(Fault::FULL);
        }
        let at_address = inner.places.entry(address).or_default();
        if *at_address >= self.max_per_address {
            return Err(Fault::FULL_FOR_ADDRESS);
        }
        *at_address += 1;
        inner.taken += 1;
        Ok(Place {
            table: Arc::downgrade(self),
            address,
        })
    }

    pub(super) fn insert(&self, session: &Arc<Session>) {
        let mut inner = self.inner.lock();
        inner.sessions.insert(session.sid(), Arc::clone(session));
    }

    pub(super) fn find(&self, sid: &str) -> Option<Arc<Session>> {
        let sid = Sid::parse(sid)?;
        self.inner.lock().sessions.get(&sid).cloned()
    }

    pub(super) fn remove(&self, sid: Sid) {
        let removed = {
            let mut inner = self.inner.lock();
            let removed = inner.sessions.remove(&sid);
            shrink(&mut inner.sessions);
            removed
        };
        // Not under the lock: it may give back its place.
        drop(removed);
    }
}

impl Place {
    /// Whose share of the memory budget the session uses.
    pub(super) fn holder(&self) -> Address {
        Address::of(self.address)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(table) = self.table.upgrade() else {
            return;
        };
        let mut inner = table.inner.lock();
        inner.taken -= 1;
        if let Some(at_address) = inner.places.get_mut(&self.address) {
            *at_address -= 1;
            if *at_address == 0 {
                inner.places.remove(&self.address);
                shrink(&mut inner.places);
            }
        }
    }
}

/// Gives memory back after a crowd has left.
fn shrink<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > 64 && map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_long_random_and_not_shown_in_logs() {
        let sid = Sid::random().unwrap();
        assert_eq!(sid.as_str().len(), 24);
        assert_ne!(sid, Sid::random().unwrap());
        assert_eq!(Sid::parse(sid.as_str()), Some(sid));
        assert!(!format!("{sid:?}").contains(sid.as_str()));
    }

    #[test]
    fn places_are_counted_in_all_and_per_address() {
        let table = Table::new(3, 2);
        let [a, b]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        let first = table.reserve(a).unwrap();
        let _second = table.reserve(a).unwrap();
        assert_eq!(table.reserve(a).unwrap_err(), Fault::FULL_FOR_ADDRESS);
        let _third = table.reserve(b).unwrap();
        assert_eq!(table.reserve(b).unwrap_err(), Fault::FULL);
        drop(first);
        let _fourth = table.reserve(a).unwrap();
    }

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        let ip = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::ffff:1"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_eq!(ip("::ffff:10.0.0.1"), ip("10.0.0.1"));
    }

    #[test]
    fn memory_goes_back_when_a_crowd_has_left() {
        let mut map: HashMap<u32, u32> = (0..10_000).map(|n| (n, n)).collect();
        for n in 0..10_000 {
            map.remove(&n);
            shrink(&mut map);
        }
        assert!(map.capacity() <= 64, "{}", map.capacity());
    }
}
