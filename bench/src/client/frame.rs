//! WebSocket frames (RFC 6455, section 5) as this client meets them.
//!
//! Outgoing frames carry a zero mask key: legal, and the payload needs no
//! pass of its own. Servers that answer without extensions send neither
//! reserved bits nor, for packets this small, fragments: both are an error.

use anyhow::{Result, bail};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text,
    Close,
    Ping,
    Pong,
}

/// One complete frame at the start of a buffer.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) payload: &'a [u8],
    /// Bytes that the frame takes up, header included.
    pub(crate) length: usize,
}

/// The frame at the start of `bytes`, or `None` while it is incomplete.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Frame<'_>>> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if first & 0xf0 != 0x80 {
        bail!("the server sent a fragment or reserved bits (first byte {first:#04x})");
    }
    if second & 0x80 != 0 {
        bail!("the server sent a masked frame");
    }
    let opcode = match first & 0x0f {
        0x1 => Opcode::Text,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        other => bail!("the server sent a frame with opcode {other:#x}"),
    };
    let (header, size) = match second {
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (4, usize::from(u16::from_be_bytes([a, b]))),
            _ => return Ok(None),
        },
        127 => bail!("the server sent a frame of 64 KiB or more"),
        short => (2, usize::from(short)),
    };
    let length = header + size;
    Ok(bytes.get(header..length).map(|payload| Frame {
        opcode,
        payload,
        length,
    }))
}

/// Appends one masked frame to `out`. Requests are at most a few hundred bytes.
pub(crate) fn write(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    const MASKED: u8 = 0x80;
    const ZERO_MASK: [u8; 4] = [0; 4];

    out.push(match opcode {
        Opcode::Text => 0x81,
        Opcode::Close => 0x88,
        Opcode::Ping => 0x89,
        Opcode::Pong => 0x8a,
    });
    match u8::try_from(payload.len()) {
        Ok(short @ ..=125) => out.push(MASKED | short),
        _ => {
            let size = u16::try_from(payload.len()).expect("requests are below 64 KiB");
            out.push(MASKED | 126);
            out.extend_from_slice(&size.to_be_bytes());
        }
    }
    out.extend_from_slice(&ZERO_MASK);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_once_it_is_complete() {
        let mut bytes = vec![0x81, 126, 0, 200];
        bytes.extend_from_slice(&[b'x'; 200]);
        for cut in 0..bytes.len() {
            assert!(parse(&bytes[..cut]).unwrap().is_none(), "cut at {cut}");
        }
        bytes.push(0x89);
        let frame = parse(&bytes).unwrap().unwrap();
        assert_eq!(frame.opcode, Opcode::Text);
        assert_eq!((frame.payload.len(), frame.length), (200, 204));
    }

    #[test]
    fn what_a_server_must_not_send_is_an_error() {
        assert!(parse(&[0x01, 0]).is_err(), "fragment");
        assert!(parse(&[0xc1, 0]).is_err(), "compressed");
        assert!(parse(&[0x81, 0x80]).is_err(), "masked");
    }

    #[test]
    fn lengths_are_written_short_and_extended() {
        let mut out = Vec::new();
        write(&mut out, Opcode::Text, &[b'x'; 125]);
        assert_eq!(out[..6], [0x81, 0x80 | 125, 0, 0, 0, 0]);
        out.clear();
        write(&mut out, Opcode::Text, &[b'x'; 126]);
        assert_eq!(out[..8], [0x81, 0x80 | 126, 0, 126, 0, 0, 0, 0]);
    }
}
