//! Acknowledgements that do not say what they acknowledge. Node takes them for those of an unknown event, and so reads
//! over them; the library closes. They are given to it with an id that is nobody's.

use super::msgpack::{self, Writer};
use super::outlet;

const ACK: u8 = 3;
const BINARY_ACK: u8 = 6;

/// The largest that the library reads: no event of its own will ever come so far.
const NOBODYS: u64 = i64::MAX.unsigned_abs();

/// How long it is. In msgpack, with its key, it takes less.
pub(super) const DIGITS: usize = 19;

/// The packet with an id, if it is one that lacks it.
pub(super) fn named(packet: &str) -> Option<String> {
    if !packet.starts_with(['3', '6']) {
        return None;
    }
    let (_, namespace) = outlet::header(packet);
    let (_, rest) = outlet::attachments(packet);
    let data = match rest.strip_prefix(namespace) {
        Some(behind) if rest.starts_with('/') => behind.strip_prefix(',')?,
        _ => rest,
    };
    data.starts_with('[').then(|| {
        let (head, data) = packet.split_at(packet.len() - data.len());
        format!("{head}{NOBODYS}{data}")
    })
}

/// The same for a packet of msgpack, whose header is known.
pub(super) fn named_msgpack(packet: &[u8], header: &msgpack::Header<'_>) -> Option<Vec<u8>> {
    if header.has_id || !matches!(header.kind, ACK | BINARY_ACK) {
        return None;
    }
    let (len, pairs) = msgpack::map(packet)?;
    let mut named = Writer::default();
    named.map(u32::try_from(len + 1).ok()?);
    let mut named = named.into_bytes();
    named.extend_from_slice(pairs);
    let mut id = Writer::default();
    id.text("id");
    id.uint(NOBODYS);
    named.extend(id.into_bytes());
    Some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lacks_an_id_gets_one() {
        for (packet, expected) in [
            ("3[]", "39223372036854775807[]"),
            ("3[1,[2]]", "39223372036854775807[1,[2]]"),
            ("3/,[]", "3/,9223372036854775807[]"),
            ("3/n,[\"/n,[\"]", "3/n,9223372036854775807[\"/n,[\"]"),
            ("60-[]", "60-9223372036854775807[]"),
            ("61-/n,[{}]", "61-/n,9223372036854775807[{}]"),
        ] {
            assert_eq!(named(packet).as_deref(), Some(expected));
        }
        for packet in [
            "", "3", "3x", "3{}", "37[]", "3/n,7[]", "3/n", "3/n[]", "3-1[]", "3 []", "3abc[]",
            "2[]", "5[]", "51-[]", "0[]", "6-", "é", "3é[]",
        ] {
            assert_eq!(named(packet), None, "{packet}");
        }
    }

    #[test]
    fn msgpack_too() {
        let with = |json: &str| {
            let mut packet = Writer::default();
            packet.json(json);
            let packet = packet.into_bytes();
            let header = msgpack::header(&packet).unwrap();
            let named = named_msgpack(&packet, &header);
            named.map(|named| msgpack::to_json(&named).unwrap())
        };
        for kind in [3, 6] {
            let named = with(&format!("{{\"type\":{kind},\"data\":[],\"nsp\":\"/\"}}")).unwrap();
            let id = "\"nsp\":\"/\",\"id\":9223372036854775807}";
            assert_eq!(named, format!("{{\"type\":{kind},\"data\":[],{id}"));
        }
        let wide = "\"k\":1,".repeat(13);
        assert!(with(&format!("{{{wide}\"type\":3,\"nsp\":\"/\"}}")).is_some());
        assert_eq!(
            with("{\"type\":3,\"data\":[],\"nsp\":\"/\",\"id\":0}"),
            None
        );
        assert_eq!(with("{\"type\":2,\"data\":[],\"nsp\":\"/\"}"), None);
    }
}
