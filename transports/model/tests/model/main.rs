//! Every interleaving counts: what several threads do to one connection or one session, under a scheduler that chooses
//! who goes on at each lock and atomic.
//!
//! The code is that of `stellar-transports` itself. Nothing here waits for a time: what is never woken is a deadlock, or more
//! steps than there may be, and fails. A failure names the schedule, which `shuttle::replay` repeats. `sync.rs` says what is
//! scheduled; sockets are not, so what is written to one is for `tests/stress`. Orders weaker than `SeqCst` are taken for it.
//!
//! ```sh
//! cargo nextest run -p stellar-transports-model
//! STELLAR_MODEL_SCHEDULES=100000 cargo nextest run -p stellar-transports-model session   # others, and more of them
//! ```
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod outbox;
mod session;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use stellar_transports_model::primus::Controls;
use stellar_transports_model::{
    Bus, CloseReason, Connection, Context, Dialect, Event, Handshake, IncomingPayload, Limits,
    Message, Metrics, Origins, Payload, Refusal,
};

/// Schedules of each kind that are tried of each model: as many as take some seconds in all.
const SCHEDULES: usize = 600;
/// The seed of these, so that the same are tried each time.
const SEED: u64 = 2;
/// Changes of priority in a schedule that runs one thread as far as it gets.
const DEPTH: usize = 3;

/// How many are to be tried instead, each time others.
fn asked_for() -> Option<usize> {
    let text = std::env::var("STELLAR_MODEL_SCHEDULES").ok()?;
    Some(text.parse().expect("a number of schedules"))
}

/// Tries a model. A runtime is there for what only wants to know of one.
fn explore(model: impl Fn(&tokio::runtime::Runtime) + Send + Sync + 'static) {
    fn run(scheduler: impl Scheduler + 'static, model: Arc<dyn Fn() + Send + Sync>) {
        Runner::new(scheduler, Config::default()).run(move || model());
    }
    let model: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().unwrap();
        let _inside = runtime.enter();
        model(&runtime);
    });
    let again = Arc::clone(&model);
    match asked_for() {
        None => {
            run(RandomScheduler::new_from_seed(SEED, SCHEDULES), again);
            run(PctScheduler::new_from_seed(SEED, DEPTH, SCHEDULES), model);
        }
        Some(schedules) => {
            run(RandomScheduler::new(schedules), again);
            run(PctScheduler::new(DEPTH, schedules), model);
        }
    }
}

/// An engine that lets everyone in, and sees to it that events of a connection do not overlap.
#[derive(Debug, Default)]
struct Ledger {
    /// Held while an event is taken. Nobody waits for it.
    under_way: Mutex<()>,
    connection: Mutex<Option<Arc<Connection>>>,
    received: Mutex<Vec<String>>,
    closed: Mutex<Vec<CloseReason>>,
}

#[async_trait]
impl Bus for Ledger {
    async fn admit(&self, _: &mut Handshake) -> Result<(), Refusal> {
        Ok(())
    }

    fn dispatch(&self, connection: &Arc<Connection>, event: Event<'_>) {
        let _alone = self.under_way.try_lock().expect("events do not overlap");
        // Others would have their turn here.
        shuttle::thread::yield_now();
        assert_eq!(*self.closed.lock().unwrap(), [], "nothing follows the end");
        match event {
            Event::Opened(_) => {
                let before = self
                    .connection
                    .lock()
                    .unwrap()
                    .replace(Arc::clone(connection));
                assert!(before.is_none(), "opened once");
            }
            Event::Received(incoming) => {
                let IncomingPayload::Text(text) = incoming.payload else {
                    panic!("bytes");
                };
                self.received.lock().unwrap().push(text.to_owned());
            }
            Event::Heartbeat => {}
            Event::Closed(reason) => self.closed.lock().unwrap().push(reason),
        }
    }
}

fn context(bus: Arc<Ledger>) -> Arc<Context> {
    let limits = Limits {
        ping_interval: None,
        max_memory: 1024 * 1024 * 1024,
        ..Limits::default()
    };
    Context::start(bus, limits, Origins::same_origin(), Metrics::default())
}

/// Messages as they are.
#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn encode(&self, message: &Message) -> Bytes {
        match message.payload() {
            Payload::Text(text) => text.as_bytes().clone(),
            Payload::Binary(bytes) => bytes.clone(),
        }
    }

    fn ping(&self, _: u64, _: &dyn Controls) -> Option<Bytes> {
        None
    }
}

/// Whether `heard` holds what each of `speakers` said, once and in order: `<speaker>.<number>`.
fn assert_whole<T: AsRef<str>>(heard: &[T], speakers: usize, each: usize) {
    for speaker in 0..speakers {
        let prefix = format!("{speaker}.");
        let own = heard
            .iter()
            .filter_map(|it| it.as_ref().strip_prefix(&prefix));
        let own: Vec<usize> = own.map(|number| number.parse().unwrap()).collect();
        assert_eq!(own, (0..each).collect::<Vec<_>>(), "of {speaker}");
    }
    assert_eq!(heard.len(), speakers * each);
}
