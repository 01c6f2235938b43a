//! One clock for all sessions: a wheel of slots, each holding the sessions that are to be looked at in its tick.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::session::Session;
use crate::engineio::Timing;
use crate::sync::Mutex;

/// Bounds of a tick, in ms. A session is looked at no more than one tick late.
const SHORTEST_TICK: u64 = 5;
const LONGEST_TICK: u64 = 200;

/// Calls sessions when their time has come, or when somebody has rung for them.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// Milliseconds per slot.
    tick: u64,
    slots: Vec<Mutex<Vec<Weak<Session>>>>,
    /// Sessions that are looked at in every tick, until their deadline is kept or over.
    watched: Mutex<Vec<Weak<Session>>>,
    /// Sessions that somebody has rung for, each at most once.
    rung: Mutex<Vec<Arc<Session>>>,
    bell: Arc<Notify>,
}

impl Clock {
    /// Starts the clock's task. It ends with the clock.
    pub(super) fn start(timing: Timing) -> Arc<Self> {
        let tick = (timing.interval.min(timing.timeout) / 64).clamp(SHORTEST_TICK, LONGEST_TICK);
        let slots = (timing.interval + timing.timeout) / tick + 2;
        let bell = Arc::<Notify>::default();
        let clock = Arc::new(Self {
            started: Instant::now(),
            tick,
            slots: (0..slots.min(10_000)).map(|_| Mutex::default()).collect(),
            watched: Mutex::default(),
            rung: Mutex::default(),
            bell: Arc::clone(&bell),
        });
        tokio::spawn(run(Arc::downgrade(&clock), bell, tick));
        clock
    }

    /// Milliseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Has `session` looked at when `due` has come.
    pub(super) fn schedule(&self, session: &Arc<Session>, due: u64) {
        // The tick under way may have visited its slot already.
        let tick = due.max(self.now() + 1).div_ceil(self.tick);
        self.slot(tick).lock().push(Arc::downgrade(session));
    }

    /// Has the deadline of `session` looked at in every tick.
    #[cfg(feature = "socketio")]
    pub(super) fn watch(&self, session: &Arc<Session>) {
        self.watched.lock().push(Arc::downgrade(session));
    }

    fn visit_watched(&self) {
        let now = self.now();
        let mut watched = std::mem::take(&mut *self.watched.lock());
        watched.retain(|session| {
            session
                .upgrade()
                .is_some_and(|session| session.keeps_deadline(now))
        });
        self.watched.lock().append(&mut watched);
    }

    /// Has `session` looked at soon, because its connection is to end. Callable from anywhere.
    pub(super) fn ring(&self, session: Arc<Session>) {
        self.rung.lock().push(session);
        self.bell.notify_one();
    }

    fn slot(&self, tick: u64) -> &Mutex<Vec<Weak<Session>>> {
        let index = tick % self.slots.len() as u64;
        // Less than the length, which is a `usize`.
        &self.slots[index as usize]
    }

    /// Visits the slots of all ticks after `last`, up to now. Returns the last one visited.
    fn visit(&self, last: u64) -> u64 {
        let current = self.now() / self.tick;
        // After a long pause one revolution covers everything.
        let first = (last + 1).max(current.saturating_sub(self.slots.len() as u64));
        let _turn = crate::Turn::begin();
        for tick in first..=current {
            let sessions = std::mem::take(&mut *self.slot(tick).lock());
            for session in sessions.iter().filter_map(Weak::upgrade) {
                // The wheel goes round: some are not due yet.
                if let Some(due) = session.tick(self.now()) {
                    self.schedule(&session, due);
                }
            }
        }
        current.max(last)
    }
}

async fn run(clock: Weak<Clock>, bell: Arc<Notify>, tick: u64) {
    let mut interval = tokio::time::interval(Duration::from_millis(tick));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = 0;
    loop {
        let is_due = tokio::select! {
            () = bell.notified() => false,
            _ = interval.tick() => true,
        };
        let Some(clock) = clock.upgrade() else {
            return;
        };
        if is_due {
            last = clock.visit(last);
            clock.visit_watched();
        }
        let rung = std::mem::take(&mut *clock.rung.lock());
        for session in rung {
            // Each in a task of its own: the application hears of the end there, and may take its time.
            let tasks = session.connection().context().tasks.clone();
            tasks.spawn(async move { session.look() });
        }
    }
}
