//! The stream under a connection: plain TCP, or something on top of it.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

#[cfg(feature = "tls")]
use crate::Counted;

/// A connected byte stream that several owners may write to.
///
/// Over plain TCP anyone may write without waiting ([`writes_from_anywhere`](Self::writes_from_anywhere)). Any other
/// stream is written by the connection's own task only, because the record layer of TLS, for one, has to be driven.
#[derive(Debug)]
pub struct Socket {
    stream: Stream,
    /// What the system has taken in all, where the stream takes more than that.
    taken: Option<Arc<AtomicU64>>,
    /// Given back when the socket is closed, wherever that happens.
    _permit: Option<Permit>,
}

/// Room for a socket, as whoever accepts it counts room. It is given back when it is dropped.
pub type Permit = Arc<dyn Any + Send + Sync>;

enum Stream {
    Plain(TcpStream),
    Layered(Mutex<Box<dyn Layered>>),
}

/// What is read and written through a task.
trait Layered: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Layered for T {}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(stream) => stream.fmt(f),
            Self::Layered(_) => f.write_str("Layered"),
        }
    }
}

impl Socket {
    /// A socket that speaks plain TCP. It holds `permit` for as long as it is open.
    pub const fn plain(stream: TcpStream, permit: Option<Permit>) -> Self {
        Self {
            stream: Stream::Plain(stream),
            taken: None,
            _permit: permit,
        }
    }

    /// A socket that speaks TLS. It holds `permit` for as long as it is open.
    #[cfg(feature = "tls")]
    pub fn tls(stream: TlsStream<Counted>, permit: Option<Permit>) -> Self {
        Self {
            taken: Some(stream.get_ref().0.taken()),
            stream: Stream::Layered(Mutex::new(Box::new(stream))),
            _permit: permit,
        }
    }

    /// A socket of somebody else's server, whatever it is made of.
    pub fn layered(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            stream: Stream::Layered(Mutex::new(Box::new(stream))),
            taken: None,
            _permit: None,
        }
    }

    /// Whether any thread may write without waiting, or only the connection's own task may.
    pub const fn writes_from_anywhere(&self) -> bool {
        matches!(self.stream, Stream::Plain(_))
    }

    /// How many bytes the system has taken so far, of a stream that keeps some itself. `None` where nothing is kept, and
    /// where nobody knows.
    pub(crate) fn taken(&self) -> Option<u64> {
        let taken = self.taken.as_ref();
        taken.map(|taken| taken.load(Ordering::Relaxed))
    }

    pub(crate) fn try_write_vectored(&self, frames: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.stream {
            Stream::Plain(stream) => try_write(stream, frames),
            Stream::Layered(_) => Err(io::ErrorKind::WouldBlock.into()),
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
                match try_write(stream, frames) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
                ready!(stream.poll_write_ready(cx))?;
            },
            Stream::Layered(stream) => {
                Pin::new(&mut **stream.lock()).poll_write_vectored(cx, frames)
            }
        }
    }

    /// Reads what there is.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Plain(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match read_once(stream, buf.initialize_unfilled()) {
                    Ok(read) => {
                        buf.advance(read);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            },
            Stream::Layered(stream) => Pin::new(&mut **stream.lock()).poll_read(cx, buf),
        }
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Layered(stream) => Pin::new(&mut **stream.lock()).poll_flush(cx),
        }
    }

    /// Breaks the connection off, whoever else holds it.
    #[cfg(feature = "ws")]
    pub(crate) fn abort(&self) {
        match &self.stream {
            Stream::Plain(stream) => {
                // It fails on a connection that is broken already.
                let _broken = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
            }
            // What it is made of is not known; it ends with its last owner.
            Stream::Layered(_) => {}
        }
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Plain(stream) => {
                // What `TcpStream::poll_shutdown` does too, but through a shared reference.
                Poll::Ready(SockRef::from(stream).shutdown(std::net::Shutdown::Write))
            }
            Stream::Layered(stream) => Pin::new(&mut **stream.lock()).poll_shutdown(cx),
        }
    }
}

/// Several slices of so many bytes in all are copied into one: that costs less than the kernel's look at each.
const COPIED: usize = 4 * 1024;

thread_local! {
    /// Where they are copied to.
    static COPY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes once. A single slice goes without a list of slices, which the kernel would fetch and check first.
fn try_write(stream: &TcpStream, frames: &[IoSlice<'_>]) -> io::Result<usize> {
    match frames {
        [only] => stream.try_write(only),
        _ if frames.iter().map(|frame| frame.len()).sum::<usize>() <= COPIED => COPY
            .with_borrow_mut(|copy| {
                copy.clear();
                frames
                    .iter()
                    .for_each(|frame| copy.extend_from_slice(frame));
                stream.try_write(copy)
            }),
        _ => stream.try_write_vectored(frames),
    }
}

/// Reads once. When that did not fill the buffer, the socket is empty: noting it saves the read that would only say so.
fn read_once(stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    let mut short = None;
    let outcome = stream.try_io(Interest::READABLE, || {
        let read = (&*SockRef::from(stream)).read(into)?;
        if read == 0 || read == into.len() {
            return Ok(read);
        }
        short = Some(read);
        Err(io::ErrorKind::WouldBlock.into())
    });
    short.map_or(outcome, Ok)
}
