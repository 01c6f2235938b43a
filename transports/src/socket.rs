//! The stream under a connection: plain TCP, or TLS on top.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

#[cfg(feature = "tls")]
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

/// A connected byte stream that several owners may write to.
///
/// Over plain TCP anyone may write without waiting ([`writes_from_anywhere`](Self::writes_from_anywhere)); a TLS
/// stream is written by the connection's own task only, because its record layer has to be driven.
#[derive(Debug)]
pub enum Socket {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    #[cfg(feature = "tls")]
    Tls(Box<Mutex<TlsStream<TcpStream>>>),
}

impl Socket {
    /// A socket that speaks TLS.
    #[cfg(feature = "tls")]
    pub fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(Mutex::new(stream)))
    }

    /// Whether [`try_write_vectored`](Self::try_write_vectored) is of use.
    pub const fn writes_from_anywhere(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    pub(crate) fn try_write_vectored(&self, frames: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.try_write_vectored(frames),
            #[cfg(feature = "tls")]
            Self::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        frames: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write_vectored(frames) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut *stream.lock()).poll_write_vectored(cx, frames),
        }
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => loop {
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
            Self::Tls(stream) => Pin::new(&mut *stream.lock()).poll_read(cx, buf),
        }
    }

    pub(crate) fn poll_flush(&self, #[allow(unused_variables)] cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut *stream.lock()).poll_flush(cx),
        }
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => {
                // What `TcpStream::poll_shutdown` does too, but through a shared reference.
                let _ = cx;
                Poll::Ready(socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write))
            }
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(&mut *stream.lock()).poll_shutdown(cx),
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(stream)
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
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write_vectored(&self, cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        frames: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write_vectored(&self, cx, frames)
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
