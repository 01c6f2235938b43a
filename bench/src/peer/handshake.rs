//! The opening handshake (RFC 6455, section 4.2), without an HTTP library.

use memchr::memmem;
use sha1::{Digest, Sha1};

const PATH: &[u8] = b"GET /primus HTTP/1.1\r\n";
const KEY: &[u8] = b"sec-websocket-key:";
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const MAX_HEAD: usize = 16 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// More of it has to come.
    Incomplete,
    Refused,
    /// Bytes of the request, and the value to accept it with.
    Upgrade(usize, [u8; 28]),
}

pub(super) fn read(bytes: &[u8]) -> Head {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() < MAX_HEAD {
            Head::Incomplete
        } else {
            Head::Refused
        };
    };
    let Some(fields) = bytes[..end].strip_prefix(PATH) else {
        return Head::Refused;
    };
    let key = fields.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(KEY.len())?;
        name.eq_ignore_ascii_case(KEY).then(|| value.trim_ascii())
    });
    match key {
        Some(key) if key.len() == 24 => Head::Upgrade(end + 4, accept(key)),
        _ => Head::Refused,
    }
}

pub(super) fn write_answer(out: &mut Vec<u8>, accept: &[u8; 28]) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
          Connection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    out.extend_from_slice(accept);
    out.extend_from_slice(b"\r\n\r\n");
}

fn accept(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    base64(&digest.into())
}

fn base64(digest: &[u8; 20]) -> [u8; 28] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    let mut out = [b'='; 28];
    for (three, four) in digest.chunks(3).zip(out.chunks_mut(4)) {
        let mut bits = [0_u8; 4];
        bits[1..=three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(bits);
        for (index, symbol) in four.iter_mut().enumerate().take(three.len() + 1) {
            *symbol = ALPHABET[(bits >> (18 - 6 * index) & 63) as usize];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET /primus HTTP/1.1\r\nHost: x\r\n\
        sec-websocket-KEY:  dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[test]
    fn the_key_of_the_standard_gets_its_answer() {
        let Head::Upgrade(length, accept) = read(REQUEST) else {
            panic!("not accepted");
        };
        assert_eq!(length, REQUEST.len());
        assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_cut_off_or_foreign_is_told_apart() {
        assert_eq!(read(&REQUEST[..REQUEST.len() - 1]), Head::Incomplete);
        assert_eq!(read(b"GET / HTTP/1.1\r\n\r\n"), Head::Refused);
        assert_eq!(
            read(b"GET /primus HTTP/1.1\r\nHost: x\r\n\r\n"),
            Head::Refused
        );
        assert_eq!(read(&[b'x'; MAX_HEAD]), Head::Refused);
    }
}
