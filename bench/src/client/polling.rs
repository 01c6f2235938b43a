//! One engine.io session of version 4 that polls, as `engine.io-client` does
//! it: one connection for the GET that the server holds, one for POSTs, and
//! what is queued while a POST is under way leaves together in the next.

use std::future::poll_fn;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Poll, ready};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::http::{Http, Read};
use super::packet;

/// What `engine.io-client` sends with every request in Node. It takes no
/// compressed answers.
const HEADERS: &str = "User-Agent: node-XMLHttpRequest\r\nAccept: */*\r\n";

/// Ends every packet but the last.
const SEPARATOR: u8 = 0x1e;

#[derive(Debug)]
pub(super) struct Polling {
    address: SocketAddr,
    source: Ipv4Addr,
    poll: Http,
    /// Opened when there is something to send.
    post: Option<Http>,
    /// The whole request of every poll.
    get: Vec<u8>,
    /// The request of a POST, up to its length.
    post_head: Vec<u8>,
    /// Packets for the next POST.
    queued: Vec<u8>,
    /// The POST under way; kept for its memory.
    request: Vec<u8>,
}

impl Polling {
    /// Opens a session. Its first poll leaves with the first `flush`.
    pub(super) async fn open(address: SocketAddr, path: &str, source: Ipv4Addr) -> Result<Self> {
        // Clients vary `t` so that no cache answers; servers ignore it.
        let query = "EIO=4&transport=polling&t=34gmq1yo";
        let headers = format!("{HEADERS}Host: {address}\r\nConnection: keep-alive\r\n");
        let mut poll = Http::connect(address, source).await?;
        let open = format!("GET {path}?{query} HTTP/1.1\r\n{headers}\r\n");
        poll.send(open.as_bytes()).await?;
        let mut sid = None;
        while !poll.is_idle() {
            poll_fn(|cx| {
                poll.poll_read(cx, |body, _| {
                    sid = Some(read_open_packet(body)?);
                    Ok(())
                })
            })
            .await
            .context("opening")?;
        }
        let sid = sid.context("no session id")?;
        let target = format!("{path}?{query}&sid={sid}");
        let get = format!("GET {target} HTTP/1.1\r\n{headers}\r\n");
        let post_head = format!(
            "POST {target} HTTP/1.1\r\n{headers}Content-type: text/plain;charset=UTF-8\r\n\
             Content-Length: "
        );
        Ok(Self {
            address,
            source,
            poll,
            post: None,
            get: get.into_bytes(),
            post_head: post_head.into_bytes(),
            queued: Vec::new(),
            request: Vec::new(),
        })
    }

    /// Queues one message.
    pub(super) fn queue(&mut self, text: &[u8]) {
        write_packet(&mut self.queued, b'4', text);
    }

    /// Polls, unless a GET is held already, and posts what is queued, unless a
    /// POST is under way.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.poll.is_idle() {
            self.poll.send(&self.get).await?;
        }
        if self.queued.is_empty() {
            return Ok(());
        }
        let post = match &mut self.post {
            Some(post) => post,
            none => none.insert(Http::connect(self.address, self.source).await?),
        };
        if post.is_idle() {
            self.request.clear();
            self.request.extend_from_slice(&self.post_head);
            write!(self.request, "{}\r\n\r\n", self.queued.len())?;
            self.request.append(&mut self.queued);
            post.send(&self.request).await?;
        }
        Ok(())
    }

    /// Waits for a part of an answer on either connection and hands over the
    /// messages of a poll that it completed.
    ///
    /// Cancel-safe: what was read has been handed over.
    pub(super) async fn receive(
        &mut self,
        on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
    ) -> Result<()> {
        poll_fn(|cx| {
            let posted = match &mut self.post {
                Some(post) => post
                    .poll_read(cx, read_ok)
                    .map_err(|error| error.context("POST"))?,
                None => Poll::Pending,
            };
            if posted == Poll::Ready(Read::Closed) {
                // An idle connection may go at any time; the next POST opens another.
                self.post = None;
            }
            // Both are read before the caller goes on, so that an answer and
            // the way for the next request, if both are there, are seen together.
            let queued = &mut self.queued;
            let polled = self
                .poll
                .poll_read(cx, |body, at| read_payload(body, at, queued, on_text))
                .map_err(|error| error.context("GET"))?;
            match polled {
                Poll::Ready(Read::Some) => Poll::Ready(Ok(())),
                Poll::Ready(Read::Closed) => {
                    Poll::Ready(Err(anyhow::anyhow!("closed between polls")))
                }
                Poll::Pending => posted.map(|_| Ok(())),
            }
        })
        .await
    }

    /// Waits until the POST under way is answered and lets its connection go.
    pub(super) async fn rest(&mut self) -> Result<()> {
        poll_fn(|cx| {
            while let Some(post) = &mut self.post
                && !post.is_idle()
            {
                ready!(post.poll_read(cx, read_ok))?;
            }
            Poll::Ready(anyhow::Ok(()))
        })
        .await?;
        self.post = None;
        Ok(())
    }
}

/// The session id of an opening answer, which holds the open packet alone.
pub(super) fn read_open_packet(body: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(body)?;
    let sid = text
        .strip_prefix('0')
        .and_then(|json| json.split_once(r#""sid":""#)?.1.split_once('"'))
        .map(|(sid, _)| sid.to_owned());
    match sid {
        Some(sid) if !body.contains(&SEPARATOR) => Ok(sid),
        _ => bail!("expected the open packet, got {text}"),
    }
}

fn read_ok(body: &[u8], _: Instant) -> Result<()> {
    ensure!(
        body == b"ok",
        "expected ok, got {}",
        String::from_utf8_lossy(body)
    );
    Ok(())
}

/// Hands over the messages of a payload and queues the answers to heartbeats.
fn read_payload(
    payload: &[u8],
    at: Instant,
    queued: &mut Vec<u8>,
    on_text: &mut impl FnMut(&[u8], Instant) -> Result<()>,
) -> Result<()> {
    let mut rest = payload;
    loop {
        let end = memchr::memchr(SEPARATOR, rest);
        let packet = &rest[..end.unwrap_or(rest.len())];
        match packet {
            [b'4', text @ ..] => match packet::primus_pong(text) {
                Some(pong) => write_packet(queued, b'4', &pong),
                None => on_text(text, at)?,
            },
            [b'2', data @ ..] => write_packet(queued, b'3', data),
            [b'6'] => {}
            [b'1'] => bail!("closed by the server"),
            _ => bail!("unexpected packet {}", String::from_utf8_lossy(packet)),
        }
        match end {
            Some(end) => rest = &rest[end + 1..],
            None => return Ok(()),
        }
    }
}

fn write_packet(payload: &mut Vec<u8>, kind: u8, data: &[u8]) {
    if !payload.is_empty() {
        payload.push(SEPARATOR);
    }
    payload.push(kind);
    payload.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &str) -> Result<(Vec<String>, String)> {
        let mut texts = Vec::new();
        let mut queued = Vec::new();
        read_payload(
            payload.as_bytes(),
            Instant::now(),
            &mut queued,
            &mut |text, _| {
                texts.push(String::from_utf8(text.to_vec())?);
                Ok(())
            },
        )?;
        Ok((texts, String::from_utf8(queued)?))
    }

    #[test]
    fn messages_are_handed_over_and_heartbeats_answered() {
        let (texts, queued) = read("4{}\u{1e}2\u{1e}6\u{1e}4\"primus::ping::7\"\u{1e}4a").unwrap();
        assert_eq!(texts, ["{}", "a"]);
        assert_eq!(queued, "3\u{1e}4\"primus::pong::7\"");
    }

    #[test]
    fn what_a_server_must_not_send_is_an_error() {
        for payload in ["", "4a\u{1e}", "1", "x", "bAQ==", "0{}"] {
            assert!(read(payload).is_err(), "{payload:?}");
        }
    }

    #[test]
    fn the_open_packet_comes_alone() {
        let open = br#"0{"sid":"aB-_","upgrades":[],"pingInterval":25000}"#;
        assert_eq!(read_open_packet(open).unwrap(), "aB-_");
        assert!(read_open_packet(b"4{}").is_err());
        assert!(read_open_packet(b"0{\"sid\":\"a\"}\x1e4{}").is_err());
    }
}
