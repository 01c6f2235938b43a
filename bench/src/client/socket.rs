//! What all clients do with their TCP sockets.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anyhow::Result;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

const READ_SIZE: usize = 64 * 1024;

thread_local! {
    /// Reading happens within one poll, so one buffer serves all sockets.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

pub(super) async fn connect(address: SocketAddr, source: Ipv4Addr) -> Result<TcpStream> {
    use anyhow::Context as _;

    let socket = TcpSocket::new_v4()?;
    if source != Ipv4Addr::LOCALHOST {
        // Ports of an earlier server's connections linger in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((source, 0)))?;
    }
    let stream = socket.connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads once and hands over what came: nothing if the server has closed.
pub(super) fn poll_read<T>(
    stream: &mut TcpStream,
    cx: &mut Context<'_>,
    take_in: impl FnOnce(&[u8]) -> T,
) -> Poll<std::io::Result<T>> {
    READ_BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(stream).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(take_in(read.filled())))
    })
}
