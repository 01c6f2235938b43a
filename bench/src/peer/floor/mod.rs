//! The floor: what this load costs a tokio server that does nothing else.
//!
//! It has no WebSocket library and no HTTP library, frames a broadcast once,
//! writes it into the sockets of the members from where it was said, answers
//! all that one read brought in one write, and holds no buffer for a quiet
//! connection. It leaves out what makes a server fit for strangers: fragments,
//! limits on connections and rates, metrics, logs, more than one room.

mod frame;
mod list;
mod member;
mod session;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::list::List;
use self::member::Member;
use self::session::Session;
use super::packets;

/// Each connection is pinged once in so many seconds, a part of them in each.
const HEARTBEAT_SECONDS: usize = 30;

const LISTEN_BACKLOG: u32 = 4_096;

/// All connections.
#[derive(Debug)]
struct Hall {
    room: List<Member>,
    /// No timer per connection: a sweep visits one bucket a second.
    buckets: Vec<List<Member>>,
    opened: AtomicUsize,
}

impl Hall {
    fn new() -> Self {
        let bucket = || List::new(|member: &Member| &member.in_bucket);
        Self {
            room: List::new(|member| &member.in_room),
            buckets: std::iter::repeat_with(bucket)
                .take(HEARTBEAT_SECONDS)
                .collect(),
            opened: AtomicUsize::new(0),
        }
    }

    fn next_bucket(&self) -> usize {
        self.opened.fetch_add(1, Ordering::Relaxed) % self.buckets.len()
    }
}

/// One runtime and one listening socket per thread; the kernel spreads the
/// connections, and none moves.
pub(super) fn run(threads: usize) -> Result<()> {
    let hall: &'static Hall = Box::leak(Box::new(Hall::new()));
    let runtime = single_threaded()?;
    let listener = {
        let _context = runtime.enter();
        listen(0)?
    };
    let address = listener.local_addr()?;
    let is_ready = Barrier::new(threads);
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| {
                scope.spawn(|| {
                    let runtime = single_threaded()?;
                    let listener = {
                        let _context = runtime.enter();
                        listen(address.port())
                    };
                    is_ready.wait();
                    runtime.block_on(accept(listener?, hall))
                })
            })
            .collect();
        is_ready.wait();
        println!("http://{address}");
        runtime.spawn(sweep(hall));
        runtime.block_on(accept(listener, hall))?;
        others.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| anyhow!("a thread of the floor panicked"))?
        })
    })
}

fn single_threaded() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn listen(port: u16) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    // On Linux, what is accepted inherits it.
    socket.set_nodelay(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket.listen(LISTEN_BACKLOG)?)
}

async fn accept(listener: TcpListener, hall: &'static Hall) -> Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                tokio::spawn(Session::new(stream, address, hall));
            }
            Err(error) => {
                eprintln!("not accepted: {error}");
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn sweep(hall: &'static Hall) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for bucket in hall.buckets.iter().cycle() {
        seconds.tick().await;
        let mut ping = Vec::new();
        frame::write_text(&mut ping, |out| {
            let text = format!("\"primus::ping::{}\"", packets::unix_millis());
            out.extend_from_slice(text.as_bytes());
        });
        for member in &*bucket.entries() {
            member.beat(&ping);
        }
    }
}
