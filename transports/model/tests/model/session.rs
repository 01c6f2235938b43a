//! A session that polls: a GET that waits, POSTs, messages from elsewhere, and ends from both sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::BodyExt;
use shuttle::future::block_on;
use shuttle::thread;
use stellar_transports_model::polling::{Options, Polling};
use stellar_transports_model::{
    CloseReason, Connection, Context, Initiator, Message, Peer, Transport, body,
};

use crate::{Ledger, assert_whole, context, explore};

const SPEAKERS: usize = 3;
const EACH: usize = 2;

/// A client of one session.
#[derive(Clone, Debug)]
struct Client {
    polling: Arc<Polling>,
    context: Arc<Context>,
    ledger: Arc<Ledger>,
    sid: String,
}

impl Client {
    fn open() -> Self {
        let ledger = Arc::<Ledger>::default();
        let mut client = Self {
            polling: Arc::new(Polling::new(Options::default(), false)),
            context: context(Arc::clone(&ledger)),
            ledger,
            sid: String::new(),
        };
        let (status, opened) = client.request("GET", "");
        assert_eq!(status, 200);
        let (_, rest) = opened.split_once("\"sid\":\"").unwrap();
        client.sid = format!("&sid={}", rest.split('"').next().unwrap());
        client
    }

    /// A request and its answer.
    fn request(&self, method: &str, body: &'static str) -> (u16, String) {
        let target = format!("http://x/engine.io/?EIO=4&transport=polling{}", self.sid);
        let request = http::Request::builder().method(method).uri(target);
        let request = request.header("host", "x").body(body::full(body)).unwrap();
        let peer = Peer {
            ip: [127, 0, 0, 1].into(),
            port: 1,
            secure: false,
        };
        block_on(async {
            let answer = self.polling.serve(request, peer, &self.context).await;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    /// GETs until the session is over, or there are as many messages.
    fn hears(&self, count: usize) -> Vec<String> {
        let mut heard = Vec::new();
        while heard.len() < count {
            let (status, body) = self.request("GET", "");
            let mut is_last = status != 200;
            if !is_last {
                assert!(!body.is_empty(), "an answer is never empty");
                for packet in body.split('\u{1e}') {
                    is_last |= packet == "1";
                    heard.extend(packet.strip_prefix('4').map(str::to_owned));
                }
            }
            if is_last {
                break;
            }
        }
        heard
    }

    /// The ends that the engine is told of, of which there must be one. The client may be told first.
    fn closed(&self) -> Vec<CloseReason> {
        loop {
            let closed = self.ledger.closed.lock().unwrap().clone();
            if !closed.is_empty() {
                return closed;
            }
            thread::yield_now();
        }
    }

    fn connection(&self) -> Arc<Connection> {
        self.ledger.connection.lock().unwrap().clone().unwrap()
    }
}

/// Runs the tasks of the server beside `model`, as the threads of a runtime do.
fn with_tasks(runtime: &tokio::runtime::Runtime, model: impl FnOnce() + Send + 'static) {
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    let model = thread::spawn(move || {
        model();
        ends.store(true, Ordering::Relaxed);
    });
    while !is_over.load(Ordering::Relaxed) {
        runtime.block_on(tokio::task::yield_now());
        thread::yield_now();
    }
    model.join().unwrap();
}

fn speak(connection: &Arc<Connection>) -> Vec<thread::JoinHandle<()>> {
    let speak = |speaker| {
        let connection = Arc::clone(connection);
        thread::spawn(move || {
            for number in 0..EACH {
                let said = connection.send(&Message::text(format!("{speaker}.{number}")));
                said.unwrap();
            }
        })
    };
    (0..SPEAKERS).map(speak).collect()
}

#[test]
fn a_get_that_waits_misses_nothing() {
    explore(|runtime| {
        with_tasks(runtime, || {
            let client = Client::open();
            let speakers = speak(&client.connection());
            assert_whole(&client.hears(SPEAKERS * EACH), SPEAKERS, EACH);
            speakers.into_iter().for_each(|it| it.join().unwrap());
        });
    });
}

#[test]
fn an_end_is_told_once_to_both_sides_behind_what_was_said() {
    explore(|runtime| {
        with_tasks(runtime, || {
            let client = Client::open();
            let connection = client.connection();
            let closers = [0, 1].map(|_| {
                let connection = Arc::clone(&connection);
                thread::spawn(move || {
                    let _gone = connection.send(&Message::text("last"));
                    connection.close(CloseReason::Ended);
                })
            });
            let heard = client.hears(usize::MAX);
            assert!((1..=2).contains(&heard.len()), "{heard:?}");
            closers.into_iter().for_each(|it| it.join().unwrap());
            assert_eq!(client.closed(), [CloseReason::Ended]);
        });
    });
}

#[test]
fn what_both_sides_end_at_once_ends_once() {
    explore(|runtime| {
        with_tasks(runtime, || {
            let client = Client::open();
            let connection = client.connection();
            let closing = thread::spawn(move || connection.close(CloseReason::Ended));
            let posting = {
                let client = client.clone();
                thread::spawn(move || client.request("POST", "4a\u{1e}4b\u{1e}1\u{1e}4c"))
            };
            client.hears(usize::MAX);
            closing.join().unwrap();
            posting.join().unwrap();
            let closed = client.closed();
            assert_eq!(closed.len(), 1, "{closed:?}");
            assert_ne!(closed[0].initiator(), Initiator::Server);
            let received = client.ledger.received.lock().unwrap().clone();
            assert!("ab".starts_with(&received.concat()), "{received:?}");
        });
    });
}
