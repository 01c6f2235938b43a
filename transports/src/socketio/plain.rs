//! JSON that every script can read, written so that the library can.

use std::borrow::Cow;

use super::event::end_of_string;
use crate::json;

/// The packet as the library gets it. It looks events up by what stands in the packet, so a name is written without the
/// escapes that it can do without; and a program reads the data into types of its own, so there are no half characters.
pub(super) fn plain(packet: &str, is_event: bool) -> Cow<'_, str> {
    let packet = json::mended(packet).map_or(Cow::Borrowed(packet), Cow::Owned);
    match is_event.then(|| plainly_named(&packet)).flatten() {
        Some(plain) => Cow::Owned(plain),
        None => packet,
    }
}

/// The packet with the name of its event as it is, if it was written with escapes and can do without: encoders like PHP's
/// and Python's escape more than they have to.
fn plainly_named(packet: &str) -> Option<String> {
    let bytes = packet.as_bytes();
    let start = memchr::memchr(b'[', bytes)? + 1;
    let quote = start + bytes[start..].iter().position(|byte| *byte == b'"')?;
    if !bytes[start..quote].trim_ascii().is_empty() {
        return None;
    }
    let end = end_of_string(bytes, quote);
    let written = packet.get(quote..end)?;
    let name = written
        .contains('\\')
        .then(|| json::string(written))
        .flatten()?;
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
            "2/x,[\"\\n\",\"\\ud83d\\ude00\"]",
            "2/x,[\"\\u0022\\/\"]",
            "2/x,[\"\\/",
            "2/x,[\"\\/\\",
            "2/x,[5,\"\\/\"]",
            "2/x,[",
            "2/x,[\"",
            "",
        ] {
            assert_eq!(plain(packet, true), packet);
        }
        assert_eq!(plain("3/x,7[\"\\/\"]", false), "3/x,7[\"\\/\"]");
        for (packet, expected) in [
            ("2/x,[\"a\",\"\\ud83d\"]", "2/x,[\"a\",\"\\ufffd\"]"),
            ("0/x,{\"a\":\"\\udfff\"}", "0/x,{\"a\":\"\\ufffd\"}"),
            (
                "2/x,7[ \"caf\\u00e9\\/\\ud83d\\ude00\",\"\\n\"]",
                "2/x,7[ \"caf\u{e9}/\u{1F600}\",\"\\n\"]",
            ),
            ("51-/x,[\"\\/\"]", "51-/x,[\"/\"]"),
            ("2/x,[\"a\\ud83d\"]", "2/x,[\"a\u{FFFD}\"]"),
        ] {
            assert_eq!(plain(packet, true), expected);
        }
    }
}
