//! Room fan-out: one member speaks and has a bounded number of messages
//! outstanding; one is outstanding until all members have it.

use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use tokio::task::JoinSet;

use super::Measured;
use super::audience::Audience;
use super::opening::open_all;
use crate::args::Effort;
use crate::client::packet::Request;
use crate::client::{Connection, Door};
use crate::load;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FanOut {
    pub(crate) members: usize,
    /// Bytes of a message.
    pub(crate) size: usize,
    pub(crate) outstanding: usize,
}

pub(super) async fn run(door: Door, pid: u32, effort: Effort, load: FanOut) -> Result<Measured> {
    let FanOut {
        members,
        size,
        outstanding,
    } = load;
    let connections = open_all(door, members, Request::RoomAdd).await?;
    let audience = Audience::new(members, outstanding, size)?;
    let mut tasks = JoinSet::new();
    let speaker = audience.seat(connections, &mut tasks)?;
    tasks.spawn_local(speak(speaker, Rc::clone(&audience)));
    let faults = || audience.faults();
    load::run(&audience.progress, &mut tasks, pid, effort, faults).await
}

async fn speak(mut speaker: Connection, audience: Rc<Audience>) -> Result<()> {
    loop {
        if audience.progress.is_sending() {
            let now = Instant::now();
            while audience.queue(&mut speaker, now) {}
        }
        speaker.flush().await?;

        let mut on_packet = |packet, at| audience.heard_by_speaker(packet, at);
        tokio::select! {
            received = speaker.receive(&mut on_packet) => received?,
            () = audience.complete.notified() => {}
        }
    }
}
