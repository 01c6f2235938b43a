//! A WebSocket client that blocks: one request, then its answer, so that the
//! server does the same steps in each run.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Under valgrind everything takes fifty times as long.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Where a client comes in, and so what it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Plain JSON over WebSocket.
    Plain,
    /// socket.io 5 over WebSocket.
    SocketIo,
}

impl Door {
    const fn path(self) -> &'static str {
        match self {
            Self::Plain => "/ws",
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        }
    }

    /// A request as it is written here: a packet, or an event that has the packet as its argument.
    pub(crate) fn request(self, name: &str, packet: &str) -> String {
        match self {
            Self::Plain => packet.to_owned(),
            Self::SocketIo => format!(r#"420["{name}",{packet}]"#),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    frames: Vec<u8>,
}

impl Client {
    /// Connects at a door, and has been welcomed.
    pub(crate) fn open(address: SocketAddr, door: Door) -> Result<Self> {
        let mut client = Self {
            stream: connect(address)?,
            unread: Vec::new(),
            frames: Vec::new(),
        };
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            door.path()
        );
        client.stream.write_all(request.as_bytes())?;
        let end = loop {
            if let Some(at) = client
                .unread
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
            {
                break at + 4;
            }
            client.fill()?;
        };
        let head = String::from_utf8_lossy(&client.unread[..end]).into_owned();
        ensure!(head.starts_with("HTTP/1.1 101"), "refused: {head}");
        client.unread.drain(..end);
        if door == Door::SocketIo {
            client.expect("0{")?;
            client.send("40")?;
            client.expect("40{")?;
        }
        client.expect("welcome")?;
        Ok(client)
    }

    /// Puts a packet into the next [`flush`](Self::flush).
    pub(crate) fn queue(&mut self, packet: &str) -> Result<()> {
        const TEXT: u8 = 0x81;
        const MASKED: u8 = 0x80;
        self.frames.push(TEXT);
        match packet.len() {
            length @ ..126 => self.frames.push(MASKED | u8::try_from(length)?),
            length => {
                self.frames.push(MASKED | 126);
                self.frames.extend(u16::try_from(length)?.to_be_bytes());
            }
        }
        // The key is zero: legal, and the same work for the server.
        self.frames.extend([0; 4]);
        self.frames.extend(packet.as_bytes());
        Ok(())
    }

    /// Sends what is queued in one write.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.frames)?;
        self.frames.clear();
        Ok(())
    }

    pub(crate) fn send(&mut self, packet: &str) -> Result<()> {
        self.queue(packet)?;
        self.flush()
    }

    /// Reads the next packet, which must contain `part`.
    pub(crate) fn expect(&mut self, part: &str) -> Result<()> {
        let packet = self.packet()?;
        ensure!(packet.contains(part), "not {part}: {packet}");
        Ok(())
    }

    /// Says goodbye, and waits until the server has said it too.
    pub(crate) fn close(mut self) -> Result<()> {
        const CLOSE: [u8; 6] = [0x88, 0x80, 0, 0, 0, 0];
        self.stream.write_all(&CLOSE)?;
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        ensure!(rest.first() == Some(&0x88), "no goodbye");
        Ok(())
    }

    fn packet(&mut self) -> Result<String> {
        loop {
            if let Some((opcode, payload)) = self.frame()? {
                match opcode {
                    1 => return Ok(String::from_utf8(payload)?),
                    // A ping: one that is not answered at once is forgiven.
                    9 => {}
                    other => bail!("a frame of opcode {other}"),
                }
            } else {
                self.fill()?;
            }
        }
    }

    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>> {
        let (header, length) = match *self.unread {
            [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            [_, 126, ..] | [] | [_] => return Ok(None),
            [_, 127..=255, ..] => bail!("a large or masked frame"),
            [_, length, ..] => (2, usize::from(length)),
        };
        let end = header + length;
        if self.unread.len() < end {
            return Ok(None);
        }
        let opcode = self.unread[0] & 0x0f;
        let payload = self.unread[header..end].to_vec();
        self.unread.drain(..end);
        Ok(Some((opcode, payload)))
    }

    fn fill(&mut self) -> Result<()> {
        let mut bytes = [0; 16 * 1024];
        let read = self.stream.read(&mut bytes).context("no answer")?;
        ensure!(read > 0, "the server hung up");
        self.unread.extend(&bytes[..read]);
        Ok(())
    }
}
