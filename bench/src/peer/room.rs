//! The room of the peers on a WebSocket library: a bounded channel to each
//! member's task, which is what most servers of this kind do.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Messages that may wait for one member: enough that none of this load is lost.
const MAX_WAITING: usize = 4_096;

/// Members by their address, which no other open connection has.
#[derive(Debug)]
pub(super) struct Room<T> {
    members: Mutex<HashMap<SocketAddr, mpsc::Sender<T>>>,
}

impl<T: Clone> Room<T> {
    pub(super) fn new() -> Self {
        Self {
            members: Mutex::default(),
        }
    }

    pub(super) fn outbox() -> (mpsc::Sender<T>, mpsc::Receiver<T>) {
        mpsc::channel(MAX_WAITING)
    }

    fn members(&self) -> MutexGuard<'_, HashMap<SocketAddr, mpsc::Sender<T>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn join(&self, address: SocketAddr, outbox: &mpsc::Sender<T>) {
        self.members().insert(address, outbox.clone());
    }

    pub(super) fn leave(&self, address: SocketAddr) {
        self.members().remove(&address);
    }

    pub(super) fn say(&self, message: &T) {
        for outbox in self.members().values() {
            if let Err(error) = outbox.try_send(message.clone()) {
                // Shown with the load's complaint that it did not come.
                eprintln!("not sent: {error}");
            }
        }
    }
}

/// Accepts connections for ever and gives each to `serve`.
pub(super) async fn accept(mut serve: impl FnMut(TcpStream, SocketAddr)) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        serve(stream, address);
    }
}
