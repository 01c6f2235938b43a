//! The stream under a connection: plain TCP, or TLS on top.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

#[cfg(feature = "tls")]
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

/// A connected byte stream that several owners may write to.
///
/// Over plain TCP anyone may write without waiting ([`writes_from_anywhere`](Self::writes_from_anywhere)); a TLS
/// stream is written by the connection's own task only, because its record layer has to be driven.
#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    /// Given back when the socket is closed, wherever that happens.
    _permit: Option<OwnedSemaphorePermit>,
    /// For whoever owns the socket alone and writes to it as a stream, as HTTP does. A connection has its own deadline.
    write_timeout: Option<Duration>,
    stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<Mutex<TlsStream<TcpStream>>>),
}

impl Socket {
    /// A socket that speaks plain TCP. It holds `permit` for as long as it is open.
    pub const fn plain(stream: TcpStream, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            stream: Stream::Plain(stream),
            _permit: permit,
            write_timeout: None,
            stalled: None,
        }
    }

    /// A socket that speaks TLS. It holds `permit` for as long as it is open.
    #[cfg(feature = "tls")]
    pub fn tls(stream: TlsStream<TcpStream>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            stream: Stream::Tls(Box::new(Mutex::new(stream))),
            _permit: permit,
            write_timeout: None,
            stalled: None,
        }
    }

    /// Fails a write through [`AsyncWrite`] when the peer has taken nothing for this long.
    #[must_use]
    pub const fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = Some(limit);
        self
    }

    /// Watches the outcome of a write for the deadline.
    fn with_deadline(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let (Some(limit), true) = (self.write_timeout, written.is_pending()) else {
            self.stalled = None;
            return written;
        };
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether any thread may write without waiting, or only the connection's own task may.
    pub const fn writes_from_anywhere(&self) -> bool {
        matches!(self.stream, Stream::Plain(_))
    }

    pub(crate) fn try_write_vectored(&self, frames: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.stream {
            Stream::Plain(stream) => stream.try_write_vectored(frames),
            #[cfg(feature = "tls")]
            Stream::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        frames: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &self.stream {
            Stream::Plain(stream) => loop {
                // Tried first: waiting for readiness costs the task's budget, which a busy reader has used up.
                match stream.try_write_vectored(frames) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
                ready!(stream.poll_write_ready(cx))?;
            },
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(&mut *stream.lock()).poll_write_vectored(cx, frames),
        }
    }

    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Plain(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match stream.try_read(buf.initialize_unfilled()) {
                    Ok(read) => {
                        buf.advance(read);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            },
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(&mut *stream.lock()).poll_read(cx, buf),
        }
    }

    pub(crate) fn poll_flush(
        &self,
        #[allow(unused_variables)] cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(&mut *stream.lock()).poll_flush(cx),
        }
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Plain(stream) => {
                // What `TcpStream::poll_shutdown` does too, but through a shared reference.
                let _ = cx;
                Poll::Ready(socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write))
            }
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(&mut *stream.lock()).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Self::poll_read(&self, cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Self::poll_write_vectored(&self, cx, &[IoSlice::new(buf)]);
        self.with_deadline(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        frames: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Self::poll_write_vectored(&self, cx, frames);
        self.with_deadline(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(&self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_shutdown(&self, cx)
    }
}
