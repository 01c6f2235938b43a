//! What all clients do with their TCP sockets.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{self, Poll, ready};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

const READ_SIZE: usize = 64 * 1024;

/// Below the ports that the system gives to others by itself, from 32,768 on.
const FIRST_PORT: u16 = 10_000;
const LAST_PORT: u16 = 32_767;
const PORT_ATTEMPTS: usize = 1_000;

thread_local! {
    static NEXT_PORT: Cell<u16> = const { Cell::new(FIRST_PORT) };
    /// Reading happens within one poll, so one buffer serves all sockets.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

/// Connects from `source` and a port of our own choice: to find a free one, the
/// kernel searches all that linger in `TIME_WAIT`, and with tens of thousands
/// of them that becomes most of the machine's work.
pub(super) async fn connect(address: SocketAddr, source: Ipv4Addr) -> Result<TcpStream> {
    for _ in 0..PORT_ATTEMPTS {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        let local = SocketAddr::from((source, next_port()));
        let connected = match socket.bind(local) {
            Ok(()) => socket.connect(address).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            // Somebody listens there, or a connection to the same server ended just now.
            Err(error) if is_taken(&error) => {}
            Err(error) => return Err(error).context("connect"),
        }
    }
    bail!("no free port on {source} in {PORT_ATTEMPTS} attempts")
}

fn next_port() -> u16 {
    NEXT_PORT.with(|next| {
        let port = next.get();
        next.set(if port < LAST_PORT {
            port + 1
        } else {
            FIRST_PORT
        });
        port
    })
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
    )
}

/// Reads once and hands over what came: nothing if the server has closed.
pub(super) fn poll_read<T>(
    stream: &mut TcpStream,
    cx: &mut task::Context<'_>,
    take_in: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    READ_BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(stream).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(take_in(read.filled())))
    })
}
