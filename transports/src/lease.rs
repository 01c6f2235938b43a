//! A socket as HTTP reads and writes it, for as long as HTTP has it.

mod heads;

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

pub use self::heads::Behind;
use self::heads::{Heads, Passed};
use crate::Socket;

/// What most requests fit into.
const LITTLE: usize = 2048;

/// A [`Socket`] lent to an HTTP decoder.
///
/// It follows what goes through it, so that whoever lent it knows when it can be taken back without losing anything that
/// the decoder holds: see [`Progress::is_all_handed_on`].
///
/// In the path and query of a request, `"`, `<`, `>` and the backtick become `%22` and so on: clients send them as they are, and
/// [`http::Uri`] has no place for them.
#[derive(Debug)]
pub struct Lease {
    socket: Arc<Socket>,
    /// Bytes that were read, and that the decoder has not got.
    ahead: Bytes,
    /// Bytes that the decoder gets before these: the end of a head whose target was written anew.
    rewritten: Bytes,
    heads: Heads,
    progress: Arc<Progress>,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// What the socket had [taken](Socket::taken) when that began.
    taken: Option<u64>,
}

/// What has gone through a [`Lease`].
#[derive(Debug, Default)]
pub struct Progress {
    /// Heads that the decoder was given.
    heads: AtomicU64,
    /// Requests that the decoder has handed on.
    requests: AtomicU64,
    /// What follows the last of them, until that is read.
    behind: Mutex<Option<Behind>>,
    /// Something was read behind the last head.
    has_more: AtomicBool,
    /// Something was written and not flushed.
    is_unflushed: AtomicBool,
}

impl Progress {
    /// Notes that the decoder has handed on a request. Called before it is answered, and before the decoder reads more.
    pub fn count_request(&self, behind: Behind) {
        *self.behind.lock() = Some(behind);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the decoder holds nothing: what was read is the heads of requests that it has handed on and their bodies, and
    /// all answers are out. Only to be asked while the last request, which must have no body, is being answered.
    ///
    /// Behind a body whose length was not known it is false for good, which costs memory and nothing else.
    pub fn is_all_handed_on(&self) -> bool {
        self.heads.load(Ordering::Relaxed) == self.requests.load(Ordering::Relaxed)
            && !self.has_more.load(Ordering::Relaxed)
            && !self.is_unflushed.load(Ordering::Relaxed)
    }
}

impl Lease {
    /// Lends `socket`. `ahead` is read first. Writing, flushing and shutting down fail when the peer has taken nothing for
    /// `write_timeout`.
    pub fn new(
        socket: Arc<Socket>,
        ahead: Bytes,
        write_timeout: Duration,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            socket,
            ahead,
            rewritten: Bytes::new(),
            heads: Heads::default(),
            progress,
            write_timeout,
            stalled: None,
            taken: None,
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

    /// Gives the decoder what was read before.
    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) -> Passed {
        let chunk = self.ahead.slice(..self.ahead.len().min(buf.remaining()));
        let passed = self.follow(&chunk);
        buf.put_slice(&chunk[..passed.len]);
        self.ahead.advance(passed.len);
        passed
    }

    fn follow(&mut self, read: &[u8]) -> Passed {
        let progress = &self.progress;
        let passed = self.heads.follow(read, || progress.behind.lock().take());
        if passed.ends_head {
            progress.heads.fetch_add(1, Ordering::Relaxed);
        }
        passed
    }

    /// Watches the outcome of an attempt to get something out for the deadline.
    fn with_deadline<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let taken = self.socket.taken();
        if outcome.is_ready() || taken != self.taken {
            self.stalled = None;
            self.taken = taken;
        }
        if outcome.is_ready() {
            return outcome;
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
        if !self.rewritten.is_empty() {
            give(&mut self.rewritten, buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let passed = if self.ahead.is_empty() {
            ready!(self.read(cx, buf))?;
            let read = &buf.filled()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = self.follow(read);
            if passed.len < read.len() {
                self.ahead = Bytes::copy_from_slice(&read[passed.len..]);
                buf.set_filled(before + passed.len);
            }
            passed
        } else {
            self.hand_over(buf)
        };
        let has_more = !passed.ends_head || !self.ahead.is_empty();
        self.progress.has_more.store(has_more, Ordering::Relaxed);
        let read = &buf.filled()[before..];
        if read[passed.target.clone()].iter().any(is_raw) {
            self.rewritten = rewrite(read, &passed.target);
            buf.set_filled(before);
            give(&mut self.rewritten, buf);
        }
        Poll::Ready(Ok(()))
    }
}

/// Characters that clients may write in a target according to Node's servers, but not according to [`http::Uri`].
const fn is_raw(byte: &u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`')
}

/// The same with escapes for what is raw in `target`.
fn rewrite(read: &[u8], target: &Range<usize>) -> Bytes {
    let mut text = Vec::with_capacity(read.len() + 2 * target.len());
    text.extend_from_slice(&read[..target.start]);
    for byte in &read[target.clone()] {
        if is_raw(byte) {
            text.push(b'%');
            text.extend(
                [byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]),
            );
        } else {
            text.push(*byte);
        }
    }
    text.extend_from_slice(&read[target.end..]);
    text.into()
}

/// Moves as much as there is room for.
fn give(from: &mut Bytes, buf: &mut ReadBuf<'_>) {
    let take = from.len().min(buf.remaining());
    buf.put_slice(&from[..take]);
    from.advance(take);
}

impl AsyncWrite for Lease {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        frames: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.progress.is_unflushed.store(true, Ordering::Relaxed);
        let written = self.socket.poll_write_vectored(cx, frames);
        self.with_deadline(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.socket.poll_flush(cx);
        let flushed = self.with_deadline(cx, flushed);
        if flushed.is_ready() {
            self.progress.is_unflushed.store(false, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = self.socket.poll_shutdown(cx);
        self.with_deadline(cx, shut_down)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncWriteExt, DuplexStream};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const NO_BODY: Behind = Behind {
        body: Some(0),
        may_switch: false,
    };

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
                progress.count_request(NO_BODY);
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
        let (mut lease, progress, _peer) = lend(&head.repeat(3)).await;
        read(&mut lease, 100);
        progress.count_request(NO_BODY);
        lease.write_all(b"answer").await.unwrap();
        lease.flush().await.unwrap();
        assert!(!progress.is_all_handed_on());
        read(&mut lease, 100);
        assert!(!progress.is_all_handed_on());
        progress.count_request(NO_BODY);
        assert!(!progress.is_all_handed_on());
        read(&mut lease, 100);
        assert!(!progress.is_all_handed_on());
        progress.count_request(NO_BODY);
        assert!(progress.is_all_handed_on());
    }

    /// What a decoder gets that reads so many bytes at once, and hands on a request as soon as there is one, with what it
    /// says follows.
    async fn decoded(bytes: &[u8], size: usize, behind: &[Behind]) -> (String, bool) {
        let (mut lease, progress, _peer) = lend(bytes).await;
        let mut behind = behind.iter();
        let mut heads = 0;
        let mut text = Vec::new();
        while !(lease.ahead.is_empty() && lease.rewritten.is_empty()) {
            let mut buf = vec![0; size];
            let mut buf = ReadBuf::new(&mut buf);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut lease).poll_read(&mut cx, &mut buf).is_ready());
            text.extend_from_slice(buf.filled());
            let read = progress.heads.load(Ordering::Relaxed);
            if read > heads && lease.rewritten.is_empty() {
                heads = read;
                if let Some(behind) = behind.next() {
                    progress.count_request(*behind);
                }
            }
        }
        let text = String::from_utf8(text).unwrap();
        (text, progress.is_all_handed_on())
    }

    #[tokio::test]
    async fn what_a_target_cannot_have_is_escaped_in_targets_alone() {
        let body = |body| Behind {
            body,
            may_switch: false,
        };
        let switching = Behind {
            may_switch: true,
            ..NO_BODY
        };
        let raw = "GET /a<b?c=\"d\">`{e} HTTP/1.1\r\nhost: \"<>\r\n\r\n";
        let escaped = raw.replace("/a<b?c=\"d\">`", "/a%3Cb?c=%22d%22%3E%60");
        for (bytes, behind, expected) in [
            (raw.to_owned(), &[NO_BODY][..], escaped.clone()),
            (raw.repeat(3), &[NO_BODY; 3], escaped.repeat(3)),
            (
                format!("\r\n\n{raw}\r\n{raw}"),
                &[NO_BODY; 2],
                format!("\r\n\n{escaped}\r\n{escaped}"),
            ),
            // The bodies are requests, too.
            (
                format!("{raw}{raw}{raw}"),
                &[body(Some(raw.len() as u64)), NO_BODY],
                format!("{escaped}{raw}{escaped}"),
            ),
            (
                format!("{raw}1\r\n\n{raw}{raw}"),
                &[body(Some(4)), NO_BODY, NO_BODY],
                format!("{escaped}1\r\n\n{escaped}{escaped}"),
            ),
            // Nobody knows what these are.
            (raw.repeat(3), &[body(None)], format!("{escaped}{raw}{raw}")),
            (raw.repeat(3), &[], format!("{escaped}{raw}{raw}")),
            (raw.repeat(3), &[switching], format!("{escaped}{raw}{raw}")),
            // It has not switched.
            (
                raw.repeat(3),
                &[switching, NO_BODY, NO_BODY],
                format!("{escaped}{raw}{escaped}"),
            ),
        ] {
            for size in [1, 2, 3, 7, 16, 61, 1000] {
                let (text, _) = decoded(bytes.as_bytes(), size, behind).await;
                assert_eq!(text, expected, "{behind:?} by {size}");
            }
        }
        // What is no path, and what is no request.
        for kept in [
            "GET http://\"<>/?\" HTTP/1.1\r\n\r\n",
            "CONNECT \"<> HTTP/1.1\r\n\r\n",
            "GET \"/<> HTTP/1.1\r\n\r\n",
            "GET \t/<> HTTP/1.1\r\n\r\n",
            "GET  /<> HTTP/1.1\r\n\r\n",
            "GET\n/ /<> HTTP/1.1\r\n\r\n",
            "GET / <\"> HTTP/1.1\r\n\r\n",
            " /<> HTTP/1.1\r\n\r\n",
        ] {
            let (text, _) = decoded(kept.as_bytes(), 5, &[NO_BODY]).await;
            assert_eq!(text, kept);
        }
    }

    #[tokio::test]
    async fn a_body_of_known_length_hides_no_request() {
        let post = "POST / HTTP/1.1\r\n\r\n";
        let get = "GET / HTTP/1.1\r\n\r\n";
        for (body, behind, is_known) in [
            ("", Some(0), true),
            ("{}", Some(2), true),
            ("1\r\n\r\n2\n\n", Some(8), true),
            ("2\r\n{}\r\n0\r\n\r\n", None, false),
        ] {
            let behind = [
                Behind {
                    body: behind,
                    may_switch: false,
                },
                NO_BODY,
            ];
            for size in [1, 2, 3, 1000] {
                let bytes = format!("{post}{body}{get}");
                let (_, is_all_handed_on) = decoded(bytes.as_bytes(), size, &behind).await;
                assert_eq!(is_all_handed_on, is_known, "{body:?} by {size}");
                let bytes = format!("{post}{body}{get}G");
                let (_, is_all_handed_on) = decoded(bytes.as_bytes(), size, &behind).await;
                assert!(!is_all_handed_on, "{body:?} by {size}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_has_to_be_out_before_the_socket_is_free() {
        let head = b"GET / HTTP/1.1\r\n\r\n";
        let (mut lease, progress, _peer) = lend(head).await;
        read(&mut lease, 100);
        progress.count_request(NO_BODY);
        assert!(progress.is_all_handed_on());
        lease.write_all(b"answer").await.unwrap();
        lease.ahead = Bytes::from_static(head);
        read(&mut lease, 100);
        progress.count_request(NO_BODY);
        assert!(!progress.is_all_handed_on(), "the answer is not flushed");
        lease.flush().await.unwrap();
        assert!(progress.is_all_handed_on());
    }

    /// Takes everything, and gets none of it out.
    struct Clogged(DuplexStream);

    impl AsyncRead for Clogged {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Clogged {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn what_is_taken_and_never_leaves_has_a_deadline_too() {
        let (stream, _peer) = tokio::io::duplex(1);
        let mut lease = Lease::new(
            Arc::new(Socket::layered(Clogged(stream))),
            Bytes::new(),
            Duration::from_millis(1),
            Arc::default(),
        );
        lease.write_all(b"answer").await.unwrap();
        for outcome in [lease.flush().await, lease.shutdown().await] {
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }
}
