//! What the library writes: packets for the client, among others that are for the session below.

use bytes::Bytes;

use super::client::Client;
use super::library::Parser;
use super::msgpack;
use crate::CloseReason;
use crate::ws::frame::Opcode;

/// Cuts the library's frames into packets, and passes on those of the other namespaces. In `/` we speak for ourselves.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    /// A frame of which only the beginning is there.
    partial: Vec<u8>,
    group: Option<Group>,
}

/// A packet whose attachments follow.
#[derive(Debug)]
struct Group {
    text: String,
    attachments: Vec<Bytes>,
    missing: usize,
}

impl Outlet {
    pub(super) fn write(&mut self, client: &Client, bytes: &[u8]) {
        let joined;
        let mut rest = match self.partial.is_empty() {
            true => bytes,
            false => {
                self.partial.extend_from_slice(bytes);
                joined = std::mem::take(&mut self.partial);
                &joined
            }
        };
        while let Some((opcode, payload, behind)) = cut(rest) {
            self.take(client, opcode, payload);
            rest = behind;
        }
        self.partial.extend_from_slice(rest);
    }

    fn take(&mut self, client: &Client, opcode: u8, payload: &[u8]) {
        const TEXT: u8 = Opcode::Text as u8;
        const BINARY: u8 = Opcode::Binary as u8;
        const CLOSE: u8 = Opcode::Close as u8;
        match (opcode, payload) {
            (TEXT, [b'4', packet @ ..]) => self.take_text(client, packet),
            (BINARY, packet) => self.take_binary(client, client.without_marker(packet)),
            (TEXT, [b'1', ..]) | (CLOSE, _) => client.let_go(),
            // The library's own opening and heartbeat, which nobody needs.
            _ => {}
        }
    }

    fn take_text(&mut self, client: &Client, packet: &[u8]) {
        let Ok(text) = std::str::from_utf8(packet) else {
            return;
        };
        let (missing, _) = attachments(text);
        let (kind, namespace) = header(text);
        if is_ours(client, kind, namespace) {
            return;
        }
        if missing == 0 {
            return client.forward(|form| form.message(text));
        }
        self.group = Some(Group {
            text: text.to_owned(),
            attachments: Vec::with_capacity(missing),
            missing,
        });
    }

    fn take_binary(&mut self, client: &Client, packet: &[u8]) {
        let Some(group) = &mut self.group else {
            if client.parser() == Some(Parser::Msgpack) {
                let header = msgpack::header(packet).unwrap_or_default();
                if !is_ours(client, header.kind, header.namespace) {
                    client.forward(|form| form.binary(packet));
                }
            }
            return;
        };
        group.attachments.push(Bytes::copy_from_slice(packet));
        if group.attachments.len() == group.missing
            && let Some(Group {
                text, attachments, ..
            }) = self.group.take()
        {
            client.forward(|form| form.group(&text, &attachments));
        }
    }
}

/// Acts on a packet of the kind, if it is none for the client.
fn is_ours(client: &Client, kind: u8, namespace: &str) -> bool {
    match (kind, namespace) {
        // We say so ourselves, when everything is ready.
        (CONNECT, "/") => true,
        // We have said so ourselves, and more than the library can.
        (CONNECT_ERROR, "/") => {
            client.decided();
            true
        }
        // Somebody with a handle on `/` wants this client gone.
        (DISCONNECT, "/") => {
            client.close(CloseReason::Ended);
            true
        }
        (CONNECT, _) => {
            client.has_arrived();
            false
        }
        _ => false,
    }
}

pub(super) const CONNECT: u8 = 0;
const DISCONNECT: u8 = 1;
const CONNECT_ERROR: u8 = 4;

/// The type of a packet, and its namespace, which may end with the packet (docs/protocol/socketio.md#packets).
pub(super) fn header(packet: &str) -> (u8, &str) {
    let kind = packet.bytes().next().unwrap_or(b'9').wrapping_sub(b'0');
    let (_, rest) = attachments(packet);
    let namespace = match rest.split_once(',') {
        _ if !rest.starts_with('/') => "/",
        Some((namespace, _)) => namespace,
        None => rest,
    };
    (kind, namespace)
}

/// How many attachments a packet announces, and what follows its type and their number
/// (docs/protocol/socketio.md#packets).
pub(super) fn attachments(packet: &str) -> (usize, &str) {
    let rest = packet.get(1..).unwrap_or_default();
    if !packet.starts_with(['5', '6']) {
        return (0, rest);
    }
    match rest.split_once('-') {
        Some((number, rest)) => (number.parse().unwrap_or(0), rest),
        None => (0, rest),
    }
}

/// The first frame: its opcode, its payload, and what follows. Servers send whole frames without a mask.
fn cut(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    let (len, rest) = match head[1] & 0x7F {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest)
        }
        len => (usize::from(len), rest),
    };
    let (payload, rest) = rest.split_at_checked(len)?;
    Some((head[0] & 0x0F, payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::frame;

    #[test]
    fn frames_are_cut_whatever_their_length() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(len);
            let mut bytes = frame::text(&text).to_vec();
            bytes.push(0x81);
            let (opcode, payload, rest) = cut(&bytes).unwrap();
            assert_eq!((opcode, payload, rest), (1, text.as_bytes(), &[0x81][..]));
            assert!(cut(&bytes[..bytes.len() - 2]).is_none(), "{len}");
        }
        assert!(cut(b"").is_none() && cut(b"\x81").is_none());
    }

    #[test]
    fn attachments_are_counted() {
        assert_eq!(attachments("2/n,[\"e\"]"), (0, "/n,[\"e\"]"));
        assert_eq!(attachments("52-/n,7[\"e\"]"), (2, "/n,7[\"e\"]"));
        assert_eq!(attachments("51-[\"e\"]"), (1, "[\"e\"]"));
        assert_eq!(attachments("5x-[]"), (0, "[]"));
        assert_eq!(attachments(""), (0, ""));
    }

    #[test]
    fn headers_name_type_and_namespace() {
        assert_eq!(header("0"), (0, "/"));
        assert_eq!(header("0/,"), (0, "/"));
        assert_eq!(header("0/a,{}"), (0, "/a"));
        assert_eq!(header("1/a"), (1, "/a"));
        assert_eq!(header("51-/a,7[\"e\"]"), (5, "/a"));
        assert_eq!(header("2[\"/a,\"]"), (2, "/"));
    }
}
