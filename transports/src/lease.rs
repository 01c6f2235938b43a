//! A socket as HTTP reads and writes it, for as long as HTTP has it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::Socket;

/// What most requests fit into.
const LITTLE: usize = 2048;

/// A [`Socket`] lent to an HTTP decoder.
///
/// It follows what goes through it, so that whoever lent it knows when it can be taken back without losing anything that
/// the decoder holds: see [`Progress::is_all_handed_on`].
#[derive(Debug)]
pub struct Lease {
    socket: Arc<Socket>,
    /// Bytes that were read before.
    ahead: Bytes,
    progress: Arc<Progress>,
    /// The last two bytes that were read.
    tail: [u8; 2],
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What has gone through a [`Lease`].
#[derive(Debug, Default)]
pub struct Progress {
    /// Empty lines that were read: at least one for each request.
    heads: AtomicU64,
    /// Requests that the decoder has handed on.
    requests: AtomicU64,
    /// Something was read behind the last empty line.
    has_more: AtomicBool,
    /// Something was written and not flushed.
    is_unflushed: AtomicBool,
}

impl Progress {
    /// Notes that the decoder has handed on a request. Called before it is answered.
    pub fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the decoder holds nothing: what was read is the heads of requests that it has handed on, and all answers
    /// are out. Only to be asked while the last request, which must have no body, is being answered.
    ///
    /// Every head ends with an empty line, so a request or a part of one that is still in the decoder either makes them
    /// more than the requests, or is behind the last of them. Empty lines elsewhere make this false for good, which
    /// costs memory and nothing else.
    pub fn is_all_handed_on(&self) -> bool {
        self.heads.load(Ordering::Relaxed) == self.requests.load(Ordering::Relaxed)
            && !self.has_more.load(Ordering::Relaxed)
            && !self.is_unflushed.load(Ordering::Relaxed)
    }
}

impl Lease {
    /// Lends `socket`. `ahead` is read first. A write of which the peer has taken nothing for `write_timeout` fails.
    pub fn new(
        socket: Arc<Socket>,
        ahead: Bytes,
        write_timeout: Duration,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            socket,
            ahead,
            progress,
            tail: [0; 2],
            write_timeout,
            stalled: None,
        }
    }

    /// Gives the socket back, with what is left of the bytes that were read before.
    pub fn into_parts(self) -> (Arc<Socket>, Bytes) {
        (self.socket, self.ahead)
    }

    /// Reads a little first: most requests are small, and what is not touched of a decoder's large buffer takes no
    /// memory.
    fn read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() <= LITTLE {
            return self.socket.poll_read(cx, buf);
        }
        let mut scratch = [0; LITTLE];
        let mut little = ReadBuf::new(&mut scratch);
        ready!(self.socket.poll_read(cx, &mut little))?;
        buf.put_slice(little.filled());
        if little.remaining() > 0 {
            return Poll::Ready(Ok(()));
        }
        match self.socket.poll_read(cx, buf) {
            // There was something, which is all that was asked for.
            Poll::Pending => Poll::Ready(Ok(())),
            outcome @ Poll::Ready(_) => outcome,
        }
    }

    /// Looks for the ends of heads: empty lines.
    fn follow(&mut self, read: &[u8]) {
        let before = |at: usize, back: usize| match at.checked_sub(back) {
            Some(index) => read[index],
            None => self.tail[2 + at - back],
        };
        let mut end = 0;
        for at in memchr::memchr_iter(b'\n', read) {
            let is_empty_line = match before(at, 1) {
                b'\n' => true,
                b'\r' => before(at, 2) == b'\n',
                _ => false,
            };
            if is_empty_line {
                self.progress.heads.fetch_add(1, Ordering::Relaxed);
                end = at + 1;
            }
        }
        let has_more = end < read.len();
        self.progress.has_more.store(has_more, Ordering::Relaxed);
        if let Some([.., a, b]) = read.get(read.len().saturating_sub(2)..) {
            self.tail = [*a, *b];
        } else if let [only] = read {
            self.tail = [self.tail[1], *only];
        }
    }

    /// Watches the outcome of a write for the deadline.
    fn with_deadline(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.progress.is_unflushed.store(true, Ordering::Relaxed);
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.write_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Lease {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.ahead.is_empty() {
            ready!(self.read(cx, buf))?;
        } else {
            let take = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..take]);
            self.ahead.advance(take);
        }
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            self.follow(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lease {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.socket.poll_write_vectored(cx, &[IoSlice::new(buf)]);
        self.with_deadline(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        frames: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.socket.poll_write_vectored(cx, frames);
        self.with_deadline(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.socket.poll_flush(cx);
        if flushed.is_ready() {
            self.progress.is_unflushed.store(false, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn lend(ahead: &[u8]) -> (Lease, Arc<Progress>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (stream, _) = listener.accept().await.unwrap();
        let progress = Arc::<Progress>::default();
        let lease = Lease::new(
            Arc::new(Socket::plain(stream, None)),
            Bytes::copy_from_slice(ahead),
            Duration::from_secs(1),
            Arc::clone(&progress),
        );
        (lease, progress, peer.unwrap())
    }

    fn read(lease: &mut Lease, size: usize) {
        let mut buf = vec![0; size];
        let mut buf = ReadBuf::new(&mut buf);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(lease).poll_read(&mut cx, &mut buf).is_ready());
    }

    #[tokio::test]
    async fn a_request_is_told_from_all_else_however_it_is_cut() {
        for (bytes, has_one) in [
            (&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], true),
            (b"GET / HTTP/1.1\nhost: x\n\n", true),
            (b"GET / HTTP/1.1\nhost: x\n\r\n", true),
            (b"GET / HTTP/1.1\r\nhost: x\r\n", false),
            (b"GET / HTTP/1.1\r\n\r\nG", false),
            (b"\r\nGET / HTTP/1.1\r\n\r\n", true),
            (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", false),
            (b"GET / HTTP/1.1\n\nGET / HTTP/1.1\r\n\r\n", false),
        ] {
            for size in [1, 2, 3, 1000] {
                let (mut lease, progress, _peer) = lend(bytes).await;
                progress.count_request();
                while !lease.ahead.is_empty() {
                    read(&mut lease, size);
                }
                let text = String::from_utf8_lossy(bytes);
                assert_eq!(progress.is_all_handed_on(), has_one, "{text:?} by {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_request_that_was_read_early_is_not_forgotten_when_the_one_before_is_answered() {
        let head = b"GET / HTTP/1.1\r\n\r\n";
        let (mut lease, progress, _peer) = lend(&head.repeat(2)).await;
        read(&mut lease, 100);
        progress.count_request();
        lease.write_all(b"answer").await.unwrap();
        lease.flush().await.unwrap();
        assert!(!progress.is_all_handed_on());
        // Another comes, while the decoder holds the second.
        lease.ahead = Bytes::from_static(head);
        read(&mut lease, 100);
        progress.count_request();
        assert!(!progress.is_all_handed_on());
        progress.count_request();
        assert!(progress.is_all_handed_on());
    }

    #[tokio::test]
    async fn an_answer_has_to_be_out_before_the_socket_is_free() {
        let head = b"GET / HTTP/1.1\r\n\r\n";
        let (mut lease, progress, _peer) = lend(head).await;
        read(&mut lease, 100);
        progress.count_request();
        assert!(progress.is_all_handed_on());
        lease.write_all(b"answer").await.unwrap();
        lease.ahead = Bytes::from_static(head);
        read(&mut lease, 100);
        progress.count_request();
        assert!(!progress.is_all_handed_on(), "the answer is not flushed");
        lease.flush().await.unwrap();
        assert!(progress.is_all_handed_on());
    }
}
