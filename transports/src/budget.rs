//! How much memory peers may fill: one budget for everything that a server holds on their behalf.
//!
//! ```text
//!   outbox, half a message, a body, params, an answer ──► Reservation ──► Budget ──► /metrics
//!                                                             │ over it
//!                              refused, or the largest holders are let go ◄──┘
//! ```
//!
//! Small holdings are not counted. Each holder has a little for nothing and takes the rest in steps, so most messages
//! touch nothing here.

mod machine;
mod metrics;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use self::machine::available_memory;

/// In how many parts the addresses are kept, so that those who count do not wait for each other.
const SHARDS: usize = 16;

/// Unless it was chosen, no share is smaller than this, as far as the budget goes: the largest message has to fit.
const LEAST_SHARE: usize = 16 * 1024 * 1024;

/// What memory is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Messages that one client has not taken yet, and its place in line for those that others get too.
    Outbox,
    /// Messages to many that not all of them have taken. Each counts once.
    Broadcast,
    /// Messages of which the rest has not come.
    Message,
    /// Requests that wait for those before them.
    Queue,
    /// Bodies of HTTP requests.
    Body,
    /// Params of actions that run or wait.
    Params,
    /// Bodies of HTTP answers.
    Answer,
}

impl Holding {
    const COUNT: usize = 7;

    const ALL: [Self; Self::COUNT] = [
        Self::Outbox,
        Self::Broadcast,
        Self::Message,
        Self::Queue,
        Self::Body,
        Self::Params,
        Self::Answer,
    ];

    /// The name in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Broadcast => "broadcast",
            Self::Message => "message",
            Self::Queue => "queue",
            Self::Body => "body",
            Self::Params => "params",
            Self::Answer => "answer",
        }
    }
}

/// A holder of a share of the budget: an IPv4 address, or the /64 that a client of IPv6 usually has to itself. Programs
/// of this machine have none, because a proxy that does not say for whom it asks may be one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address(u64);

impl Address {
    /// Without a share.
    pub const NOBODY: Self = Self(0);

    /// The holder that a client at `ip` is.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_loopback() || ip.is_unspecified() => Self::NOBODY,
            // The upper half of no address of a client.
            IpAddr::V4(v4) => Self(0xFFFF_FFFF << 32 | u64::from(v4.to_bits())),
            IpAddr::V6(v6) => Self((v6.to_bits() >> 64) as u64),
        }
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// There is no memory left: for anybody, or for this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has no memory left for this")]
pub struct OverBudget;

/// The memory budget of one server. Cloning shares it.
#[derive(Clone)]
pub struct Budget(Arc<Ledger>);

struct Ledger {
    limit: usize,
    share: usize,
    held: AtomicUsize,
    /// By kind. Broadcasts are what is left of `held`: they are counted most often.
    kinds: [AtomicUsize; Holding::COUNT],
    refused: [AtomicU64; Holding::COUNT],
    let_go: AtomicU64,
    addresses: [Mutex<HashMap<u64, usize>>; SHARDS],
    /// Addresses that have asked for more than their share.
    greedy: Mutex<Vec<u64>>,
    is_exhausted: AtomicBool,
    relief: Notify,
}

impl Budget {
    /// A budget of `limit` bytes, of which one address may have `share`. 0 for the first means a quarter of the
    /// process's memory. 0 for the second means a sixteenth of the first, but no less than the largest message.
    pub fn new(limit: usize, share: usize) -> Self {
        let limit = match limit {
            0 => available_memory() / 4,
            limit => limit,
        };
        let share = match share {
            0 => (limit / 16).max(LEAST_SHARE.min(limit / 2)),
            share => share.min(limit),
        };
        Self(Arc::new(Ledger {
            limit,
            share,
            held: AtomicUsize::new(0),
            kinds: Default::default(),
            refused: Default::default(),
            let_go: AtomicU64::new(0),
            addresses: Default::default(),
            greedy: Mutex::default(),
            is_exhausted: AtomicBool::new(false),
            relief: Notify::new(),
        }))
    }

    /// All of it, in bytes.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// What one address may have of it, in bytes.
    pub fn share(&self) -> usize {
        self.0.share
    }

    /// What is held now, in bytes.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Takes some of it, for as long as the reservation lives.
    ///
    /// # Errors
    ///
    /// When there is not so much left.
    pub fn reserve(
        &self,
        holding: Holding,
        address: Address,
        bytes: usize,
    ) -> Result<Reservation, OverBudget> {
        let mut reservation = self.nothing(holding, address);
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// Takes in steps what `bytes` need beyond what is free: nothing, for most.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    pub fn cover(
        &self,
        holding: Holding,
        address: Address,
        bytes: usize,
    ) -> Result<Option<Reservation>, OverBudget> {
        match missing(bytes, 0) {
            0 => Ok(None),
            missing => self.reserve(holding, address, missing).map(Some),
        }
    }

    /// Counts what is there already, whether there is room for it or not.
    pub fn hold(&self, holding: Holding, address: Address, bytes: usize) -> Reservation {
        let mut reservation = self.nothing(holding, address);
        reservation.bytes = bytes;
        self.0.add(holding, address, bytes);
        self.0.look_after(address);
        reservation
    }

    /// A reservation of nothing, to grow.
    pub fn nothing(&self, holding: Holding, address: Address) -> Reservation {
        Reservation {
            ledger: Arc::clone(&self.0),
            holding,
            address,
            bytes: 0,
        }
    }

    /// Counts `frame` until nobody has it any more, however many share it.
    pub(crate) fn share_out(&self, frame: Bytes) -> Bytes {
        let bytes = frame.len();
        self.0.held.fetch_add(bytes, Ordering::Relaxed);
        self.0.look_after(Address::NOBODY);
        Bytes::from_owner(SharedOut {
            frame,
            ledger: Arc::clone(&self.0),
        })
    }

    /// Counts `body` until it is gone. What is small is free.
    pub fn answer(&self, address: Address, body: Bytes) -> Bytes {
        if body.len() < FREE {
            return body;
        }
        let reservation = self.hold(Holding::Answer, address, body.len());
        Bytes::from_owner(Held {
            bytes: body,
            _reservation: reservation,
        })
    }

    /// Waits until somebody has to be let go.
    pub(crate) async fn exhausted(&self) {
        self.0.relief.notified().await;
    }

    /// Whether so much is held that the largest holders are to go, and the addresses of which they are to go.
    pub(crate) fn take_exhausted(&self) -> (bool, Vec<Address>) {
        let is_exhausted = self.0.is_exhausted.swap(false, Ordering::Relaxed);
        let greedy = std::mem::take(&mut *self.0.greedy.lock());
        (is_exhausted, greedy.into_iter().map(Address).collect())
    }

    /// Whether holders are to go until it is less: until an eighth is free, so that it lasts for a while.
    /// `leaving` bytes are about to be given back.
    pub(crate) fn is_tight(&self, address: Option<Address>, leaving: usize) -> bool {
        let ledger = &*self.0;
        let (held, limit) = match address {
            None => (self.held(), ledger.limit),
            Some(address) => (ledger.held_by(address), ledger.share),
        };
        held.saturating_sub(leaving) > limit / 8 * 7
    }

    pub(crate) fn count_let_go(&self) {
        self.0.let_go.fetch_add(1, Ordering::Relaxed);
    }
}

/// What every holder has for nothing, in bytes.
pub(crate) const FREE: usize = 8 * 1024;

/// In what steps holders take more.
pub(crate) const STEP: usize = 16 * 1024;

impl Ledger {
    /// Adds what fits. `over` is by how much the limits may be passed, because whoever holds most is on the way out.
    fn try_add(
        &self,
        holding: Holding,
        address: Address,
        bytes: usize,
        over: bool,
    ) -> Result<(), OverBudget> {
        let allowed = |limit: usize| if over { limit + limit / 16 } else { limit };
        let held = self.held.fetch_add(bytes, Ordering::Relaxed);
        let is_full = held.saturating_add(bytes) > allowed(self.limit);
        if is_full || !self.add_to_address(address, bytes, allowed(self.share)) {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            self.refused[holding as usize].fetch_add(1, Ordering::Relaxed);
            match is_full {
                true => self.exhaust(),
                false => self.note_greed(address),
            }
            return Err(OverBudget);
        }
        self.kinds[holding as usize].fetch_add(bytes, Ordering::Relaxed);
        if over {
            self.look_after(address);
        }
        Ok(())
    }

    fn add(&self, holding: Holding, address: Address, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.add_to_address(address, bytes, usize::MAX);
        self.kinds[holding as usize].fetch_add(bytes, Ordering::Relaxed);
    }

    fn sub(&self, holding: Holding, address: Address, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.kinds[holding as usize].fetch_sub(bytes, Ordering::Relaxed);
        if address == Address::NOBODY {
            return;
        }
        let mut shard = self.shard(address).lock();
        if let Some(held) = shard.get_mut(&address.0) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                shard.remove(&address.0);
                if shard.capacity() > 64 && shard.len() < shard.capacity() / 8 {
                    let len = shard.len();
                    shard.shrink_to(len * 2);
                }
            }
        }
    }

    /// Has somebody look whether holders are to go.
    fn look_after(&self, address: Address) {
        if self.held.load(Ordering::Relaxed) > self.limit {
            self.exhaust();
        } else if address != Address::NOBODY && self.held_by(address) > self.share {
            self.note_greed(address);
        }
    }

    fn exhaust(&self) {
        if !self.is_exhausted.swap(true, Ordering::Relaxed) {
            self.relief.notify_one();
        }
    }

    fn note_greed(&self, address: Address) {
        let mut greedy = self.greedy.lock();
        if !greedy.contains(&address.0) && greedy.len() < SHARDS {
            greedy.push(address.0);
            self.relief.notify_one();
        }
    }

    fn shard(&self, address: Address) -> &Mutex<HashMap<u64, usize>> {
        // What distinguishes neighbours is in the last bits.
        &self.addresses[(address.0 % SHARDS as u64) as usize]
    }

    fn held_by(&self, address: Address) -> usize {
        let shard = self.shard(address).lock();
        shard.get(&address.0).copied().unwrap_or(0)
    }

    /// Whether that is within `limit`; if not, nothing is added.
    fn add_to_address(&self, address: Address, bytes: usize, limit: usize) -> bool {
        if address == Address::NOBODY || bytes == 0 {
            return true;
        }
        let mut shard = self.shard(address).lock();
        let held = shard.get(&address.0).copied().unwrap_or(0);
        let sum = held.saturating_add(bytes);
        if sum <= limit {
            shard.insert(address.0, sum);
        }
        sum <= limit
    }
}

/// A part of a [`Budget`], given back when it is dropped.
pub struct Reservation {
    ledger: Arc<Ledger>,
    holding: Holding,
    address: Address,
    bytes: usize,
}

impl Reservation {
    /// How much it is.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more.
    ///
    /// # Errors
    ///
    /// When there is not so much left. Then it is as large as before.
    pub fn grow(&mut self, by: usize) -> Result<(), OverBudget> {
        self.grow_to(by, false)
    }

    /// Takes more, if need be a little more than there is: whoever holds most is let go for it soon.
    pub(crate) fn grow_urgently(&mut self, by: usize) -> Result<(), OverBudget> {
        self.grow_to(by, true)
    }

    fn grow_to(&mut self, by: usize, over: bool) -> Result<(), OverBudget> {
        self.ledger.try_add(self.holding, self.address, by, over)?;
        self.bytes += by;
        Ok(())
    }

    /// Takes in steps what `bytes` need beyond what is free.
    ///
    /// # Errors
    ///
    /// As [`grow`](Self::grow).
    pub fn cover(&mut self, bytes: usize) -> Result<(), OverBudget> {
        match missing(bytes, self.bytes) {
            0 => Ok(()),
            missing => self.grow(missing),
        }
    }

    /// Takes all of it out; nothing is left, to grow again.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self {
            ledger: Arc::clone(&self.ledger),
            holding: self.holding,
            address: self.address,
            bytes: std::mem::take(&mut self.bytes),
        }
    }

    /// Gives some of it back.
    pub(crate) fn shrink(&mut self, by: usize) {
        let by = by.min(self.bytes);
        if by == 0 {
            return;
        }
        self.bytes -= by;
        self.ledger.sub(self.holding, self.address, by);
    }
}

/// What a holder of `bytes` has to take when it has taken `leased`, in whole steps.
pub(crate) const fn missing(bytes: usize, leased: usize) -> usize {
    bytes
        .saturating_sub(FREE + leased)
        .div_ceil(STEP)
        .saturating_mul(STEP)
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.ledger.sub(self.holding, self.address, self.bytes);
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("holding", &self.holding)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limit", &self.limit())
            .field("share", &self.share())
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}

/// Bytes that are counted as a broadcast. A reservation would count them twice.
struct SharedOut {
    frame: Bytes,
    ledger: Arc<Ledger>,
}

impl AsRef<[u8]> for SharedOut {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for SharedOut {
    fn drop(&mut self) {
        let bytes = self.frame.len();
        self.ledger.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes with their reservation.
struct Held {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
