//! Fan-out at a pace: one member says so many messages a second, whatever became
//! of those before. A latency counts from the instant at which its message was
//! due, so that a server that falls behind cannot hide it.

use std::hint;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::Measured;
use super::audience::Audience;
use super::opening::open_all;
use crate::args::Effort;
use crate::client::packet::Request;
use crate::client::{Connection, Transport};
use crate::load;
use crate::server::Server;

const MESSAGE_SIZE: usize = 64;

/// A server that is further behind cannot keep the pace.
const MOST_UNDER_WAY: usize = 256;

/// Timers are exact to a millisecond: the rest is waited for without one. By
/// then the message before has long been delivered, or the pace is not kept.
const TIMER_SLACK: Duration = Duration::from_millis(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paced {
    /// Over WebSocket; the first of them speaks.
    pub(crate) members: usize,
    /// Half of them poll, half speak socket.io.
    pub(crate) others: usize,
    pub(crate) per_second: u32,
}

pub(super) async fn run(server: &Server, effort: Effort, load: Paced) -> Result<Measured> {
    let mut connections = Vec::with_capacity(load.members + load.others);
    for (transport, count) in [
        (Transport::Ws, load.members),
        (Transport::Polling, load.others / 2),
        (Transport::Socketio, load.others.div_ceil(2)),
    ] {
        if count > 0 {
            let door = server.door(transport)?;
            connections.extend(open_all(door, count, Request::RoomAdd).await?);
        }
    }
    let audience = Audience::new(connections.len(), MOST_UNDER_WAY, MESSAGE_SIZE)?;
    let mut tasks = JoinSet::new();
    let speaker = audience.seat(connections, &mut tasks)?;
    let period = Duration::from_secs(1) / load.per_second;
    tasks.spawn_local(speak(speaker, Rc::clone(&audience), period));
    let faults = || audience.faults();
    load::run(&audience.progress, &mut tasks, server.pid, effort, faults).await
}

async fn speak(mut speaker: Connection, audience: Rc<Audience>, period: Duration) -> Result<()> {
    let mut due = Instant::now() + period;
    loop {
        let mut on_packet = |packet, at| audience.heard_by_speaker(packet, at);
        tokio::select! {
            received = speaker.receive(&mut on_packet) => received?,
            () = sleep_until((due - TIMER_SLACK).into()), if audience.progress.is_sending() => {
                if !audience.progress.is_sending() {
                    // It ended meanwhile.
                    continue;
                }
                while Instant::now() < due {
                    hint::spin_loop();
                }
                ensure!(
                    audience.queue(&mut speaker, due),
                    "{MOST_UNDER_WAY} messages are under way: this pace is too fast"
                );
                due += period;
            }
        }
        speaker.flush().await?;
    }
}
