//! What is counted.

use std::net::SocketAddr;

use anyhow::Result;

use crate::client::{Client, Door};
use crate::polling;

/// One path through the server.
#[derive(Debug)]
pub(crate) struct Path {
    /// As in `ceilings.toml`.
    pub(crate) name: &'static str,
    /// The transport whose door is open.
    pub(crate) transport: &'static str,
    /// How often it is done in the short run; the long one is three times that.
    pub(crate) operations: u64,
    /// What one time stands for, such as a delivery to each of a hundred.
    pub(crate) per_operation: u64,
    pub(crate) run: fn(SocketAddr, u64) -> Result<()>,
}

const MEMBERS: u64 = 100;
const BATCH: u64 = 16;

const DETAILS: &str = r#"{"event":"detailsView"}"#;
const ACTION: &str = r#"{"event":"action","params":{"action":"randomNumber"}}"#;
const NESTED: &str = r#"{"event":"action","params":{"action":"formattedSum","a":3,"b":4}}"#;
const JOIN: &str = r#"{"event":"roomAdd","room":"defaultRoom"}"#;
const LEAVE: &str = r#"{"event":"roomLeave","room":"defaultRoom"}"#;
/// The same as events of socket.io, each with an acknowledgement; the action by its name.
const SIO_DETAILS: &str = r#"420["detailsView"]"#;
const SIO_ACTION: &str = r#"420["randomNumber",{}]"#;
const RESPONSE: &str = r#""context":"response""#;
const PUSH: &str = r#""context":"user""#;

/// All of them.
pub(crate) const PATHS: &[Path] = &[
    Path {
        name: "envelope",
        transport: "ws",
        operations: 300,
        per_operation: 1,
        run: |address, times| ask(address, Door::Plain, DETAILS, times),
    },
    Path {
        name: "envelope-batch",
        transport: "ws",
        operations: 50,
        per_operation: BATCH,
        run: |address, times| ask_in_batches(address, Door::Plain, DETAILS, times),
    },
    Path {
        name: "action",
        transport: "ws",
        operations: 300,
        per_operation: 1,
        run: |address, times| ask(address, Door::Plain, ACTION, times),
    },
    Path {
        name: "action-batch",
        transport: "ws",
        operations: 50,
        per_operation: BATCH,
        run: |address, times| ask_in_batches(address, Door::Plain, ACTION, times),
    },
    Path {
        name: "action-nested",
        transport: "ws",
        operations: 300,
        per_operation: 1,
        run: |address, times| ask(address, Door::Plain, NESTED, times),
    },
    Path {
        name: "delivery",
        transport: "ws",
        operations: 50,
        per_operation: MEMBERS,
        run: |address, times| say(address, Door::Plain, 64, times),
    },
    Path {
        name: "delivery-1KiB",
        transport: "ws",
        operations: 50,
        per_operation: MEMBERS,
        run: |address, times| say(address, Door::Plain, 1024, times),
    },
    Path {
        name: "join-and-leave",
        transport: "ws",
        operations: 200,
        per_operation: 1,
        run: |address, times| join_and_leave(address, MEMBERS, times),
    },
    Path {
        name: "join-and-leave-600",
        transport: "ws",
        operations: 200,
        per_operation: 1,
        run: |address, times| join_and_leave(address, 600, times),
    },
    Path {
        name: "connect-and-close",
        transport: "ws",
        operations: 100,
        per_operation: 1,
        run: |address, times| connect_and_close(address, Door::Plain, times),
    },
    Path {
        name: "polling-action",
        transport: "polling",
        operations: 150,
        per_operation: 1,
        run: |address, times| polling::ask(address, ACTION, times),
    },
    Path {
        name: "socketio-envelope",
        transport: "socketio",
        operations: 300,
        per_operation: 1,
        run: |address, times| ask(address, Door::SocketIo, SIO_DETAILS, times),
    },
    Path {
        name: "socketio-envelope-batch",
        transport: "socketio",
        operations: 50,
        per_operation: BATCH,
        run: |address, times| ask_in_batches(address, Door::SocketIo, SIO_DETAILS, times),
    },
    Path {
        name: "socketio-action",
        transport: "socketio",
        operations: 300,
        per_operation: 1,
        run: |address, times| ask(address, Door::SocketIo, SIO_ACTION, times),
    },
    Path {
        name: "socketio-action-batch",
        transport: "socketio",
        operations: 50,
        per_operation: BATCH,
        run: |address, times| ask_in_batches(address, Door::SocketIo, SIO_ACTION, times),
    },
    Path {
        name: "socketio-delivery",
        transport: "socketio",
        operations: 50,
        per_operation: MEMBERS,
        run: |address, times| say(address, Door::SocketIo, 64, times),
    },
    Path {
        name: "socketio-connect-and-close",
        transport: "socketio",
        operations: 100,
        per_operation: 1,
        run: |address, times| connect_and_close(address, Door::SocketIo, times),
    },
];

fn ask(address: SocketAddr, door: Door, request: &str, times: u64) -> Result<()> {
    let mut client = Client::open(address, door)?;
    for _ in 0..times {
        client.send(request)?;
        client.expect(RESPONSE)?;
    }
    Ok(())
}

/// Several requests in one write.
fn ask_in_batches(address: SocketAddr, door: Door, request: &str, times: u64) -> Result<()> {
    let mut client = Client::open(address, door)?;
    for _ in 0..times {
        for _ in 0..BATCH {
            client.queue(request)?;
        }
        client.flush()?;
        for _ in 0..BATCH {
            client.expect(RESPONSE)?;
        }
    }
    Ok(())
}

/// Clients that are in the room, and have heard of nothing yet.
fn members(address: SocketAddr, door: Door, count: u64) -> Result<Vec<Client>> {
    (0..count)
        .map(|_| {
            let mut client = Client::open(address, door)?;
            client.send(&door.request("roomAdd", JOIN))?;
            client.expect(RESPONSE)?;
            Ok(client)
        })
        .collect()
}

fn say(address: SocketAddr, door: Door, size: usize, times: u64) -> Result<()> {
    let mut members = members(address, door, MEMBERS)?;
    let message = "x".repeat(size);
    let packet = format!(r#"{{"event":"say","room":"defaultRoom","message":"{message}"}}"#);
    let packet = door.request("say", &packet);
    for _ in 0..times {
        members[0].send(&packet)?;
        members[0].expect(RESPONSE)?;
        for member in &mut members {
            member.expect(PUSH)?;
        }
    }
    Ok(())
}

/// In a room that others are in.
fn join_and_leave(address: SocketAddr, others: u64, times: u64) -> Result<()> {
    let _others = members(address, Door::Plain, others)?;
    let mut client = Client::open(address, Door::Plain)?;
    for _ in 0..times {
        for request in [JOIN, LEAVE] {
            client.send(request)?;
            client.expect(RESPONSE)?;
        }
    }
    Ok(())
}

fn connect_and_close(address: SocketAddr, door: Door, times: u64) -> Result<()> {
    for _ in 0..times {
        Client::open(address, door)?.close()?;
    }
    Ok(())
}
