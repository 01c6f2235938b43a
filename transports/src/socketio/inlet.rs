//! What is changed of a packet before the library reads it: JSON that every script can read, and the library cannot.

use memchr::{memchr, memchr2};

use super::event::end_of_string;
use super::nameless::{self, DIGITS};
use super::outlet::header;
use crate::json;

/// The name that stands in front of one that the library would refuse, because it has escapes: it looks events up by what
/// stands in the packet. An event of `/` has one reader, [`event`](super::event), which finds the real name behind.
pub(super) const ESCAPED: &str = "\u{FFFF}";

/// How much longer than the packet a message can be.
pub(super) const MAX_ADDED: usize = "4".len() + DIGITS;

/// The message of engine.io that is `packet`, as the library gets it.
pub(super) fn message(packet: &str) -> Vec<u8> {
    let named = nameless::named(packet);
    let packet = named.as_deref().unwrap_or(packet);
    let (kind, namespace) = header(packet);
    if namespace != "/" {
        // A program reads these into types of its own, by way of the library.
        let mended = json::mended(packet);
        let packet = mended.as_deref().unwrap_or(packet);
        let plain = matches!(kind, 2 | 5)
            .then(|| plainly_named(packet))
            .flatten();
        return [b"4", plain.as_deref().unwrap_or(packet).as_bytes()].concat();
    }
    match matches!(kind, 2 | 5)
        .then(|| escaped_name(packet))
        .flatten()
    {
        None => [b"4", packet.as_bytes()].concat(),
        Some(start) => {
            let (head, rest) = packet.split_at(start);
            ["4", head, "\"", ESCAPED, "\",", rest]
                .concat()
                .into_bytes()
        }
    }
}

/// Where the name of an event begins, if it has escapes.
fn escaped_name(packet: &str) -> Option<usize> {
    let bytes = packet.as_bytes();
    let start = memchr(b'[', bytes)? + 1;
    let quote = bytes[start..].iter().position(|byte| *byte == b'"')?;
    let name = &bytes[start + quote + 1..];
    let is_first = bytes[start..start + quote].trim_ascii().is_empty();
    let has_escape = memchr2(b'"', b'\\', name).is_some_and(|found| name[found] == b'\\');
    let is_taken_for_one = name.starts_with(ESCAPED.as_bytes());
    (is_first && (has_escape || is_taken_for_one)).then_some(start)
}

/// The packet with the name of its event as it is, if it was written with escapes and can do without: encoders like PHP's
/// and Python's escape more than they have to.
fn plainly_named(packet: &str) -> Option<String> {
    let quote = escaped_name(packet).and_then(|start| Some(start + packet[start..].find('"')?))?;
    let end = end_of_string(packet.as_bytes(), quote);
    let name = json::string(packet.get(quote..end)?)?;
    let is_plain = |c: char| c >= ' ' && !matches!(c, '"' | '\\');
    let can_do_without = name.chars().all(is_plain);
    can_do_without.then(|| [&packet[..=quote], &*name, &packet[end - 1..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_library_cannot_read_is_changed() {
        for packet in [
            "2[\"say\",{\"a\":\"\\ud83d\\n\"}]",
            "2",
            "2[",
            "2[\"",
            "2[5,\"\\n\"]",
            "0{\"token\":\"\\ud83d\"}",
            "3/,1[\"\\ud83d\"]",
            "2/x,[\"\\n\",\"\\ud83d\\ude00\"]",
            "2/x,[\"\\u0022\\/\"]",
            "2/x,[\"\\/",
            "2/x,[\"\\/\\",
            "2/x,[5,\"\\/\"]",
            "3/x,7[\"\\/\"]",
            "",
        ] {
            assert_eq!(message(packet), format!("4{packet}").into_bytes());
        }
        for (packet, expected) in [
            ("2[\"\\ud83d\"]", "42[\"\u{FFFF}\",\"\\ud83d\"]"),
            ("27[ \"a\\\"\",1]", "427[\"\u{FFFF}\", \"a\\\"\",1]"),
            ("2[\"\u{FFFF}\"]", "42[\"\u{FFFF}\",\"\u{FFFF}\"]"),
            ("51-[\"\\n\"]", "451-[\"\u{FFFF}\",\"\\n\"]"),
            ("2/x,[\"a\",\"\\ud83d\"]", "42/x,[\"a\",\"\\ufffd\"]"),
            ("0/x,{\"a\":\"\\udfff\"}", "40/x,{\"a\":\"\\ufffd\"}"),
            (
                "2/x,7[ \"caf\\u00e9\\/\\ud83d\\ude00\",\"\\n\"]",
                "42/x,7[ \"caf\u{e9}/\u{1F600}\",\"\\n\"]",
            ),
            ("51-/x,[\"\\/\"]", "451-/x,[\"/\"]"),
            ("2/x,[\"a\\ud83d\"]", "42/x,[\"a\u{FFFD}\"]"),
        ] {
            assert_eq!(String::from_utf8(message(packet)).unwrap(), expected);
        }
    }
}
