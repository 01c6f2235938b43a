//! WebSocket frames (RFC 6455, section 5) as a server meets them.
//!
//! Fragments are refused: no client of this benchmark sends any.

/// Above any packet of this benchmark.
const MAX_PAYLOAD: usize = 1 << 20;

const MASKED: u8 = 0x80;
const EXTENDED: u8 = 126;
const LONG: u8 = 127;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Text,
    Close,
    Ping,
    Pong,
}

/// One frame at the start of a buffer, its payload unmasked in place.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) opcode: Opcode,
    pub(super) payload: &'a mut [u8],
    /// Bytes that the frame takes up, header included.
    pub(super) length: usize,
}

/// What a client must not send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation;

/// The frame at the start of `bytes`, or `None` while it is incomplete.
pub(super) fn parse(bytes: &mut [u8]) -> Result<Option<Frame<'_>>, Violation> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    let opcode = match first {
        0x81 => Opcode::Text,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        _ => return Err(Violation),
    };
    if second & MASKED == 0 {
        return Err(Violation);
    }
    let (start, size) = match second & !MASKED {
        EXTENDED => match *bytes {
            [_, _, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
            _ => return Ok(None),
        },
        LONG => match *bytes {
            [_, _, 0, 0, 0, 0, a, b, c, d, ..] => (10, u32::from_be_bytes([a, b, c, d]) as usize),
            [_, _, _, _, _, _, _, _, _, _, ..] => return Err(Violation),
            _ => return Ok(None),
        },
        short => (2, usize::from(short)),
    };
    if size > MAX_PAYLOAD {
        return Err(Violation);
    }
    let length = start + 4 + size;
    let Some(rest) = bytes.get_mut(start..length) else {
        return Ok(None);
    };
    let (mask, payload) = rest.split_at_mut(4);
    unmask(payload, [mask[0], mask[1], mask[2], mask[3]]);
    Ok(Some(Frame {
        opcode,
        payload,
        length,
    }))
}

/// Eight bytes at a time; the compiler makes wider steps of them.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// Appends a text frame of what `write` writes, and returns what that returns.
///
/// The payload is written where it will most likely stay: behind a header for
/// 126 bytes and more. Shorter ones move up by two.
pub(super) fn write_text<T>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let start = out.len();
    out.extend_from_slice(&[0x81, EXTENDED, 0, 0]);
    let result = write(out);
    let size = out.len() - start - 4;
    match (u8::try_from(size), u16::try_from(size)) {
        (Ok(short @ ..EXTENDED), _) => {
            out.copy_within(start + 4.., start + 2);
            out.truncate(start + 2 + size);
            out[start + 1] = short;
        }
        (_, Ok(medium)) => out[start + 2..start + 4].copy_from_slice(&medium.to_be_bytes()),
        _ => {
            let header = [&[LONG][..], &(size as u64).to_be_bytes()].concat();
            out.splice(start + 1..start + 4, header);
        }
    }
    result
}

/// Appends a control frame, whose payload is at most 125 bytes.
pub(super) fn write_control(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    let payload = &payload[..payload.len().min(125)];
    out.push(match opcode {
        Opcode::Text => 0x81,
        Opcode::Close => 0x88,
        Opcode::Ping => 0x89,
        Opcode::Pong => 0x8a,
    });
    out.push(payload.len() as u8);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![0x81];
        match payload.len() {
            short @ ..126 => frame.push(0x80 | short as u8),
            medium @ ..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        frame
    }

    #[test]
    fn a_frame_is_read_once_it_is_complete() {
        for size in [0, 5, 125, 126, 300, 70_000] {
            let payload: Vec<u8> = (0..size).map(|index| index as u8).collect();
            let bytes = masked(&payload);
            for cut in [1, 2, 5, bytes.len() - 1] {
                assert!(parse(&mut bytes[..cut].to_vec()).unwrap().is_none());
            }
            let mut bytes = [bytes.clone(), vec![0x81]].concat();
            let frame = parse(&mut bytes).unwrap().unwrap();
            assert_eq!(frame.payload, payload);
            assert_eq!(frame.length, bytes.len() - 1);
        }
    }

    #[test]
    fn fragments_and_frames_without_a_mask_are_refused() {
        assert_eq!(parse(&mut [0x01, 0x80]).unwrap_err(), Violation);
        assert_eq!(parse(&mut [0x81, 0x01]).unwrap_err(), Violation);
    }

    #[test]
    fn headers_are_as_short_as_they_can_be() {
        for (size, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = vec![9];
            write_text(&mut out, |out| out.resize(out.len() + size, b'x'));
            assert_eq!(out[0], 9);
            assert_eq!(out[1..=header.len()], header);
            assert!(out[1 + header.len()..].iter().all(|byte| *byte == b'x'));
            assert_eq!(out.len(), 1 + header.len() + size);
        }
    }
}
