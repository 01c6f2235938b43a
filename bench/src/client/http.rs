//! One HTTP/1.1 connection that is kept alive, with one request under way at a
//! time.

use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use memchr::memchr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::socket;

const HEAD_LIMIT: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Http {
    stream: TcpStream,
    /// The beginning of an answer whose end has not arrived.
    partial: Vec<u8>,
    is_idle: bool,
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// An answer, or a part of one.
    Some,
    /// The server has closed a connection that nothing was asked of.
    Closed,
}

impl Http {
    pub(super) async fn connect(address: SocketAddr, source: Ipv4Addr) -> Result<Self> {
        Ok(Self {
            stream: socket::connect(address, source).await?,
            partial: Vec::new(),
            is_idle: true,
        })
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Sends a whole request. Nothing else may be under way.
    pub(super) async fn send(&mut self, request: &[u8]) -> Result<()> {
        use anyhow::Context as _;

        self.stream
            .write_all(request)
            .await
            .context("closed by the server while writing")?;
        self.is_idle = false;
        Ok(())
    }

    /// Reads once; hands over the body of an answer that is complete with it.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        on_body: impl FnOnce(&[u8], Instant) -> Result<()>,
    ) -> Poll<Result<Read>> {
        let Self {
            stream,
            partial,
            is_idle,
        } = self;
        let read = ready!(socket::poll_read(stream, cx, |bytes| {
            if bytes.is_empty() {
                ensure!(*is_idle, "closed by the server");
                return Ok(Read::Closed);
            }
            ensure!(!*is_idle, "an answer that nobody asked for");
            *is_idle = take_in(bytes, partial, on_body)?;
            Ok(Read::Some)
        }));
        Poll::Ready(match read {
            Ok(outcome) => outcome,
            Err(_) if self.is_idle => Ok(Read::Closed),
            Err(error) => Err(anyhow::Error::new(error).context("closed by the server")),
        })
    }
}

/// Returns whether the answer is complete.
fn take_in(
    bytes: &[u8],
    partial: &mut Vec<u8>,
    on_body: impl FnOnce(&[u8], Instant) -> Result<()>,
) -> Result<bool> {
    let now = Instant::now();
    if partial.is_empty() {
        // Nearly always: no copy.
        let Some(body) = parse(bytes)? else {
            partial.extend_from_slice(bytes);
            return Ok(false);
        };
        on_body(body, now)?;
    } else {
        partial.extend_from_slice(bytes);
        let Some(body) = parse(partial)? else {
            return Ok(false);
        };
        on_body(body, now)?;
        partial.clear();
    }
    Ok(true)
}

/// The body of the answer that `bytes` are, or `None` while it is incomplete.
/// Servers announce its length; whatever is not status 200 is an error.
fn parse(bytes: &[u8]) -> Result<Option<&[u8]>> {
    const LENGTH: &[u8] = b"content-length:";

    let mut rest = bytes;
    let mut length = None;
    loop {
        let Some(end) = memchr(b'\n', rest) else {
            ensure!(bytes.len() < HEAD_LIMIT, "the response head has no end");
            return Ok(None);
        };
        let line = rest[..end].trim_ascii_end();
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_at_checked(LENGTH.len())
            && name.eq_ignore_ascii_case(LENGTH)
        {
            length = std::str::from_utf8(value)?.trim().parse::<usize>().ok();
        }
    }
    let Some(length) = length else {
        bail!("an answer without Content-Length: {}", first_line(bytes));
    };
    if rest.len() < length {
        return Ok(None);
    }
    ensure!(
        bytes.starts_with(b"HTTP/1.1 200 "),
        "{}: {}",
        first_line(bytes),
        String::from_utf8_lossy(rest)
    );
    ensure!(
        rest.len() == length,
        "more came than the one answer that was asked for"
    );
    Ok(Some(rest))
}

fn first_line(bytes: &[u8]) -> String {
    let end = memchr(b'\n', bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes[..end].trim_ascii_end()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-Length: 5\r\n\r\n4\n\r\n!";
        for cut in 0..answer.len() {
            assert_eq!(parse(&answer[..cut]).unwrap(), None, "cut at {cut}");
        }
        assert_eq!(parse(answer).unwrap(), Some(&b"4\n\r\n!"[..]));
    }

    #[test]
    fn what_is_no_single_good_answer_is_an_error_that_shows_it() {
        let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 10\r\n\r\n{\"code\":3}";
        let error = parse(refusal).unwrap_err().to_string();
        assert_eq!(error, "HTTP/1.1 400 Bad Request: {\"code\":3}");
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(parse(&[b'x'; HEAD_LIMIT]).is_err());
    }

    #[test]
    fn parts_are_put_together() {
        let mut partial = Vec::new();
        let mut bodies = Vec::new();
        for part in ["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 3\r\n\r\na", "bc"] {
            let on_body = |body: &[u8], _| {
                bodies.push(body.to_vec());
                Ok(())
            };
            let is_last = part == "bc";
            assert_eq!(
                take_in(part.as_bytes(), &mut partial, on_body).unwrap(),
                is_last
            );
        }
        assert_eq!(bodies, [b"abc"]);
        assert!(partial.is_empty());
    }
}
