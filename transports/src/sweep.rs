//! Heartbeats and deadlines of all connections of a server, without a timer per connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{Budget, Connection, Context, budget};

/// The interval is cut into at most this many slots, and never into slots shorter than [`SHORTEST_TICK`].
const SLOTS: u32 = 128;
const SHORTEST_TICK: Duration = Duration::from_millis(20);
/// How long nobody is let go after somebody was.
const RELIEF_PAUSE: Duration = Duration::from_millis(10);
/// How often deadlines are looked at, at the least.
const LONGEST_TICK: Duration = Duration::from_millis(250);

/// Visits each connection once per ping interval.
///
/// Connections are spread over the slots of a wheel; each tick visits one slot. So no two neighbours beat at the
/// same moment, and a server full of connections that were opened at once still beats evenly.
#[derive(Debug)]
pub struct Sweep {
    pings: bool,
    tick: Duration,
    slots: Vec<Mutex<Slot>>,
    next_slot: AtomicUsize,
    stride: usize,
    /// Connections for which something waits, or that wait for the rest of a message.
    watched: Mutex<Vec<Weak<Connection>>>,
    started: Instant,
}

/// The connections of one slot. Each keeps its place, so that leaving does not search; a place that is left is given away
/// again.
#[derive(Debug, Default)]
struct Slot {
    places: Vec<Option<Weak<Connection>>>,
    free: Vec<u32>,
}

/// Where a connection is in the wheel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    slot: u32,
    index: u32,
}

impl Slot {
    fn alive(&self) -> impl Iterator<Item = Arc<Connection>> + '_ {
        self.places.iter().flatten().filter_map(Weak::upgrade)
    }
}

impl Sweep {
    pub(crate) fn new(ping_interval: Option<Duration>) -> Self {
        let interval = ping_interval.unwrap_or(Duration::from_secs(30));
        let tick = (interval / SLOTS).clamp(SHORTEST_TICK, LONGEST_TICK);
        let slots = (interval.as_millis() / tick.as_millis()).max(1) as usize;
        Self {
            pings: ping_interval.is_some(),
            tick,
            slots: std::iter::repeat_with(Mutex::default).take(slots).collect(),
            next_slot: AtomicUsize::new(0),
            stride: stride(slots),
            watched: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// Sweeps until the context is dropped, and relieves a server that has no memory left.
    pub(crate) fn spawn(context: &Arc<Context>) {
        let tick = context.sweep.tick;
        let budget = context.budget.clone();
        let context = Arc::downgrade(context);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(tick);
            // After a suspended machine wakes up, every missed tick at once would look like mass silence.
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut slot = 0_usize;
            loop {
                let is_due = tokio::select! {
                    biased;
                    _ = interval.tick() => true,
                    () = budget.exhausted() => false,
                };
                let Some(context) = context.upgrade() else {
                    return;
                };
                if is_due {
                    context.sweep.visit(slot % context.sweep.slots.len());
                    slot = slot.wrapping_add(1);
                } else {
                    context.sweep.relieve(&budget);
                    drop(context);
                    // Looking through all of them has its price, and whoever was let go needs a moment to go.
                    tokio::time::sleep(RELIEF_PAUSE).await;
                }
            }
        });
    }

    /// Milliseconds since the sweep began.
    pub(crate) fn clock(&self) -> u64 {
        u64::try_from(self.time().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time since the sweep began.
    pub(crate) fn time(&self) -> Duration {
        self.started.elapsed()
    }

    /// Lets go of those that hold the most.
    pub(crate) fn relieve(&self, budget: &Budget) {
        let (is_exhausted, greedy) = budget.take_exhausted();
        // All that hold more than a little are watched.
        let watched: Vec<_> = {
            let watched = self.watched.lock();
            watched.iter().filter_map(Weak::upgrade).collect()
        };
        let mut holders: Vec<_> = watched
            .into_iter()
            .map(|connection| (connection.held(), connection))
            .filter(|(held, _)| *held >= budget::STEP)
            .collect();
        holders.sort_by_key(|(held, _)| std::cmp::Reverse(*held));
        for address in greedy {
            let mut own = holders
                .iter()
                .filter(|(_, connection)| connection.address() == address);
            let_go_of(&mut own, |leaving| budget.is_tight(Some(address), leaving));
        }
        if is_exhausted {
            let_go_of(&mut holders.iter(), |leaving| {
                budget.is_tight(None, leaving)
            });
        }
    }

    /// Gives a new connection a place in the next slot.
    pub(crate) fn add(&self, connection: Weak<Connection>) -> Place {
        let turn = self.next_slot.fetch_add(1, Ordering::Relaxed);
        let number = turn.wrapping_mul(self.stride) % self.slots.len();
        let mut slot = self.slots[number].lock();
        let index = match slot.free.pop() {
            Some(index) => {
                slot.places[index as usize] = Some(connection);
                index
            }
            None => {
                slot.places.push(Some(connection));
                // A process has fewer sockets than that.
                slot.places.len() as u32 - 1
            }
        };
        Place {
            slot: number as u32,
            index,
        }
    }

    /// Takes a connection out that is gone. What is left of it in the wheel would keep its memory.
    pub(crate) fn remove(&self, place: Place) {
        let mut slot = self.slots[place.slot as usize].lock();
        slot.places[place.index as usize] = None;
        slot.free.push(place.index);
        if slot.free.len() == slot.places.len() {
            *slot = Slot::default();
        }
    }

    /// All connections that are open.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let mut all = Vec::new();
        for slot in &self.slots {
            all.extend(slot.lock().alive());
        }
        all.retain(|connection| connection.is_open());
        all
    }

    pub(crate) fn watch(&self, connection: &Arc<Connection>) {
        self.watched.lock().push(Arc::downgrade(connection));
    }

    fn visit(&self, slot: usize) {
        let watched = std::mem::take(&mut *self.watched.lock());
        let mut still_watched: Vec<_> = watched
            .into_iter()
            .filter(|weak| {
                weak.upgrade()
                    .is_some_and(|connection| connection.check_deadlines())
            })
            .collect();
        if !still_watched.is_empty() {
            self.watched.lock().append(&mut still_watched);
        }

        // None of them may be dropped under the lock: it would take itself out.
        let mut alive: Vec<_> = self.slots[slot].lock().alive().collect();
        alive.retain(|connection| connection.is_open());
        if self.pings && !alive.is_empty() {
            beat_all(&alive);
        }
    }
}

/// A stride coprime to the slot count scatters connections that arrive together over the whole interval.
fn stride(slots: usize) -> usize {
    let mut stride = slots * 5 / 8 + 1;
    while greatest_common_divisor(stride, slots) > 1 {
        stride += 1;
    }
    stride
}

const fn greatest_common_divisor(mut a: usize, mut b: usize) -> usize {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Pings are encoded once per dialect and tick.
fn beat_all(connections: &[Arc<Connection>]) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
    let mut encoded: Vec<((&'static str, &'static str), Option<Bytes>)> = Vec::new();
    let _turn = crate::Turn::begin();
    for connection in connections {
        let is_linked = connection.is_linked();
        let dialect = connection.dialect();
        let key = (dialect.name(), dialect.encoding());
        let frame = match encoded.iter().find(|(known, _)| *known == key) {
            Some((_, frame)) => frame.clone(),
            None => {
                let frame = dialect.ping(now, &*connection.context().controls);
                encoded.push((key, frame.clone()));
                frame
            }
        };
        if let Some(frame) = frame {
            connection.beat(frame, is_linked);
        }
    }
}

/// Lets go of one after the other while it is tight, given the bytes of those on their way out.
fn let_go_of(
    holders: &mut dyn Iterator<Item = &(usize, Arc<Connection>)>,
    is_tight: impl Fn(usize) -> bool,
) {
    let mut leaving = 0;
    while let (true, Some((_, largest))) = (is_tight(leaving), holders.next()) {
        leaving += largest.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(sweep: &Sweep) -> usize {
        sweep
            .slots
            .iter()
            .map(|slot| slot.lock().places.len())
            .sum()
    }

    #[test]
    fn places_are_given_away_again_and_nothing_is_left_of_them() {
        let sweep = Sweep::new(None);
        let mut taken: Vec<_> = (0..1000).map(|_| sweep.add(Weak::new())).collect();
        for _ in 0..10 {
            let left: Vec<_> = taken.drain(..500).collect();
            left.into_iter().for_each(|place| sweep.remove(place));
            taken.extend((0..500).map(|_| sweep.add(Weak::new())));
            // Which slot is next does not depend on what is free.
            assert!(places(&sweep) < 2000, "{}", places(&sweep));
        }
        taken.into_iter().for_each(|place| sweep.remove(place));
        assert_eq!(places(&sweep), 0);
    }

    #[test]
    fn connections_come_into_every_slot_whatever_the_interval() {
        for interval in [10, 40, 300, 1000, 2400, 25_000, 30_000, 34_000, 60_000] {
            let sweep = Sweep::new(Some(Duration::from_millis(interval)));
            for _ in 0..sweep.slots.len() {
                sweep.add(Weak::new());
            }
            let is_even = |slot: &Mutex<Slot>| slot.lock().places.len() == 1;
            assert!(sweep.slots.iter().all(is_even), "{interval} ms");
        }
    }

    #[test]
    fn ticks_and_slots_cover_the_interval() {
        for (interval, slots) in [(30_000, 128), (300, 15), (40, 2), (10, 1)] {
            let sweep = Sweep::new(Some(Duration::from_millis(interval)));
            assert_eq!(sweep.slots.len(), slots, "{interval} ms");
            assert!(
                sweep.tick * u32::try_from(slots).unwrap()
                    <= Duration::from_millis(interval.max(20))
            );
        }
    }
}
