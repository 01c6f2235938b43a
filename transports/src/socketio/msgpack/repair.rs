//! What is changed of a packet before the library reads it: what scripts write, and it does not read.

use std::borrow::Cow;

use memchr::memchr;

use super::{Header, Reader, Token, Writer};

/// An extension of nobody's, in place of what cannot be told.
const UNSPEAKABLE: [u8; 3] = [0xD4, 1, 0];

/// The packet with U+FFFD in place of half characters. `None` if it has none.
pub(in crate::socketio) fn mended(packet: &[u8]) -> Option<Vec<u8>> {
    // What all of them begin with.
    memchr(0xED, packet)?;
    let mut reader = Reader { rest: packet };
    let mut mended = None;
    while !reader.rest.is_empty() {
        let Token::Text(text) = reader.token()? else {
            continue;
        };
        // It stays as long as it was.
        if let Some(Cow::Owned(whole)) = crate::json::utf8(text) {
            let end = packet.len() - reader.rest.len();
            let mended = mended.get_or_insert_with(|| packet.to_vec());
            mended[end - text.len()..end].copy_from_slice(whole.as_bytes());
        }
    }
    mended
}

/// The packet with something that JSON has no word for in place of its arguments, if it is an event of `/` and they nest
/// deeper than the library goes: it would close, and its sender is to be told.
pub(in crate::socketio) fn shallow(packet: &[u8], header: &Header<'_>) -> Option<Vec<u8>> {
    if !header.is_deep || header.namespace != "/" || !matches!(header.kind, 2 | 5) {
        return None;
    }
    let (len, pairs) = super::map(packet)?;
    let mut reader = Reader { rest: pairs };
    let mut shallow = Writer::default();
    shallow.map(u32::try_from(len).ok()?);
    for _ in 0..len {
        let pair = reader.rest;
        let is_data = matches!(reader.token()?, Token::Text(b"data"));
        let mut data = Reader { rest: reader.rest };
        reader.skip()?;
        if !is_data {
            let pair = &pair[..pair.len() - reader.rest.len()];
            shallow.0.extend_from_slice(pair);
            continue;
        }
        let (Token::Array(1..), Token::Text(name)) = (data.token()?, data.token()?) else {
            return None;
        };
        shallow.text("data");
        shallow.array(2);
        shallow.text(std::str::from_utf8(name).ok()?);
        shallow.0.extend(UNSPEAKABLE);
    }
    Some(shallow.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_DEPTH, event_name, header};
    use super::*;

    #[test]
    fn half_characters_are_replaced_in_texts_alone() {
        for (packet, expected) in [
            (&b"\xA3\xED\xA0\xBD"[..], Some(&b"\xA3\xEF\xBF\xBD"[..])),
            (
                b"\x82\xA4x\xED\xBF\xBF\xC4\x03\xED\xA0\xBD\x91\xA3\xED\xA0\xBD\x05",
                Some(b"\x82\xA4x\xEF\xBF\xBD\xC4\x03\xED\xA0\xBD\x91\xA3\xEF\xBF\xBD\x05"),
            ),
            // A whole one, bytes, what is no text at all, and what breaks off.
            (b"\xA3\xED\x9F\xBF", None),
            (b"\xC4\x03\xED\xA0\xBD", None),
            (b"\xA2\xED\xA0", None),
            (b"\xA4\xED\xA0\xBD", None),
            (b"\xA1x", None),
            (b"", None),
        ] {
            assert_eq!(mended(packet).as_deref(), expected, "{packet:?}");
        }
    }

    /// An event with an argument that nests so deep in its data.
    fn event(namespace: &str, kind: u64, levels: usize) -> Vec<u8> {
        let mut packet = Writer::default();
        packet.map(4);
        packet.text("data");
        packet.array(2);
        packet.text("x");
        packet.0.extend(vec![0x91; levels - 1]);
        packet.array(0);
        packet.text("type");
        packet.uint(kind);
        packet.text("nsp");
        packet.text(namespace);
        packet.text("id");
        packet.uint(7);
        packet.into_bytes()
    }

    #[test]
    fn only_events_of_the_app_that_are_too_deep_are_emptied() {
        let change = |packet: &[u8]| shallow(packet, &header(packet).unwrap());
        for kind in [2, 5] {
            assert_eq!(change(&event("/", kind, MAX_DEPTH - 1)), None);
            for levels in [MAX_DEPTH, 1_000_000] {
                let packet = event("/", kind, levels);
                let empty = change(&packet).unwrap();
                let head = header(&empty).unwrap();
                assert_eq!((head.kind, head.has_id), (kind as u8, true));
                assert!(!head.is_deep && empty.len() < 50);
                let (_, pairs) = super::super::map(&empty).unwrap();
                assert_eq!(event_name(&pairs[5..]), Some("x"));
            }
        }
        assert_eq!(change(&event("/x", 2, MAX_DEPTH)), None);
        assert_eq!(change(&event("/", 3, MAX_DEPTH)), None);
    }
}
