//! Bytes that are no WebSocket, or break its rules (RFC 6455 §5, RFC 6455 §7).

use crate::raw::{self, BINARY, CLOSE, CONTINUES, ENDS, PING, PONG, Raw, TEXT, TEXT_BEGINS};
use crate::{Arena, DOORS};

/// Sends each case on a connection of its own, at each door, and expects to be closed with `code`.
async fn are_closed_with(code: u16, cases: &[(&str, Vec<u8>)]) {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        for (name, bytes) in cases {
            let mut attacker = Raw::upgraded(arena.address(), door).await;
            // The server may close before it has read everything.
            let _sent = attacker.try_write(bytes).await;
            assert_eq!(attacker.close_code().await, code, "{name} at {door}");
            attacker.send_close_and_see_the_end(name).await;
        }
        arena.serves().await;
    }
    arena.survives().await;
}

impl Raw {
    /// Whoever was told to close answers, and the server ends the connection.
    async fn send_close_and_see_the_end(mut self, name: &str) {
        let _sent = self.try_write(raw::frame(CLOSE, [])).await;
        let rest = self.rest().await;
        assert!(rest.is_empty(), "{name}: {rest:?} after the close");
    }
}

fn cat(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

#[tokio::test]
async fn frames_of_clients_have_to_be_masked() {
    let cases = [
        ("text", b"\x81\x02{}".to_vec()),
        ("ping", b"\x89\x00".to_vec()),
        ("close", b"\x88\x02\x03\xE8".to_vec()),
    ];
    are_closed_with(1002, &cases).await;
}

#[tokio::test]
async fn reserved_bits_and_opcodes_are_refused() {
    let mut cases = Vec::new();
    for (name, bit) in [("rsv1", 0x40), ("rsv2", 0x20), ("rsv3", 0x10)] {
        cases.push((name, raw::frame(TEXT | bit, "{}")));
        cases.push((name, raw::frame(PING | bit, "")));
    }
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        cases.push(("opcode", raw::frame(0x80 | opcode, "{}")));
        cases.push(("opcode without FIN", raw::frame(opcode, "{}")));
    }
    are_closed_with(1002, &cases).await;
}

#[tokio::test]
async fn control_frames_are_short_and_whole() {
    let long = vec![b'x'; 126];
    let cases = [
        ("long ping", raw::frame(PING, &long)),
        ("long pong", raw::frame(PONG, &long)),
        ("long close", raw::frame(CLOSE, cat(&[vec![3, 232], long]))),
        ("ping in pieces", raw::frame(PING & !ENDS, "x")),
        ("pong in pieces", raw::frame(PONG & !ENDS, "x")),
        ("close in pieces", raw::frame(CLOSE & !ENDS, [3, 232])),
    ];
    are_closed_with(1002, &cases).await;
}

#[tokio::test]
async fn pieces_of_messages_come_in_order() {
    let cases = [
        ("a continuation of nothing", raw::frame(ENDS, "{}")),
        (
            "a continuation of nothing that goes on",
            raw::frame(CONTINUES, "{}"),
        ),
        (
            "a text in a text",
            cat(&[raw::frame(TEXT_BEGINS, "{"), raw::frame(TEXT, "}")]),
        ),
        (
            "a binary in a text",
            cat(&[raw::frame(TEXT_BEGINS, "{"), raw::frame(BINARY, "}")]),
        ),
        (
            "a continuation after the end",
            cat(&[
                raw::frame(TEXT_BEGINS, "{"),
                raw::frame(ENDS, "}"),
                raw::frame(ENDS, ""),
            ]),
        ),
    ];
    are_closed_with(1002, &cases).await;
}

#[tokio::test]
async fn close_frames_carry_a_code_that_may_be_sent() {
    let mut cases = vec![("half a code", raw::frame(CLOSE, [3]))];
    for code in [
        0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        cases.push(("code", raw::frame(CLOSE, code.to_be_bytes())));
    }
    are_closed_with(1002, &cases).await;
}

#[tokio::test]
async fn a_good_close_is_answered_with_its_code() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        for code in [1000_u16, 1001, 1003, 1007, 1011, 3000, 3999, 4000, 4999] {
            let mut client = Raw::upgraded(arena.address(), door).await;
            let payload = [&code.to_be_bytes()[..], "bye €".as_bytes()].concat();
            client.send(CLOSE, payload).await;
            assert_eq!(client.close_code().await, code);
            assert!(client.is_closed_silently().await);
        }
        let mut client = Raw::upgraded(arena.address(), door).await;
        client.send(CLOSE, []).await;
        assert_eq!(client.close_code().await, 1005);
        arena.serves().await;
    }
    arena.survives().await;
}

/// Bytes that are no UTF-8, by what is wrong with them.
const NOT_UTF8: [(&str, &[u8]); 6] = [
    ("a byte that never occurs", b"{\"a\":\"\xFF\"}"),
    ("an overlong slash", b"{\"a\":\"\xC0\xAF\"}"),
    ("half of a pair", b"{\"a\":\"\xED\xA0\x80\"}"),
    ("above the last character", b"{\"a\":\"\xF4\x90\x80\x80\"}"),
    ("a continuation byte alone", b"{\"a\":\"\x80\"}"),
    ("an unfinished character", b"{\"a\":\"\xE2\x82"),
];

#[tokio::test]
async fn text_that_is_no_utf8_closes_with_1007() {
    let mut cases = Vec::new();
    for (name, bytes) in NOT_UTF8 {
        cases.push((name, raw::frame(TEXT, bytes)));
        // Cut at each place, so also within the offending character.
        for cut in 1..bytes.len() {
            let pieces = [
                raw::frame(TEXT_BEGINS, &bytes[..cut]),
                raw::frame(ENDS, &bytes[cut..]),
            ];
            cases.push((name, cat(&pieces)));
        }
    }
    cases.push(("the reason of a close", raw::frame(CLOSE, b"\x03\xE8\xFF")));
    are_closed_with(1007, &cases).await;
}

#[tokio::test]
async fn characters_may_be_cut_by_fragments_and_reads() {
    let arena = Arena::demo().await;
    let packet = "{\"event\":\"detailsView\",\"messageId\":\"é€😀\"}".as_bytes();
    for door in DOORS {
        let mut client = Raw::upgraded(arena.address(), door).await;
        assert!(client.packet().await["welcome"].is_string());
        for cut in 1..packet.len() {
            client.send(TEXT_BEGINS, &packet[..cut]).await;
            // Control frames may come between the pieces of a message.
            client.send(PING, "between").await;
            client.send(ENDS, &packet[cut..]).await;
            assert_eq!(client.packet().await["messageId"], "é€😀");
        }
        for byte in raw::frame(TEXT, packet) {
            client.write([byte]).await;
        }
        assert_eq!(client.packet().await["messageId"], "é€😀");
    }
    arena.survives().await;
}

#[tokio::test]
async fn pings_are_answered_with_what_they_carry() {
    let arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Raw::upgraded(arena.address(), door).await;
        assert!(client.packet().await["welcome"].is_string());
        for payload in [&b""[..], b"x", b"\xFF\x00\xFE", &[7; 125]] {
            client.send(PING, payload).await;
            let pong = client.frame().await.unwrap();
            assert_eq!((pong.first, &pong.payload[..]), (PONG, payload));
        }
        // Pongs that nobody asked for say nothing.
        client.send(PONG, "unasked").await;
        client.send(TEXT, "{\"event\":\"detailsView\"}").await;
        assert_eq!(client.packet().await["messageCount"], 1);
    }
    arena.survives().await;
}

#[tokio::test]
async fn what_follows_a_close_frame_is_not_read() {
    let arena = Arena::demo().await;
    for door in DOORS {
        let mut client = Raw::upgraded(arena.address(), door).await;
        assert!(client.packet().await["welcome"].is_string());
        let late = raw::frame(TEXT, "{\"event\":\"detailsView\"}");
        client
            .write(cat(&[raw::frame(CLOSE, [3, 232]), late]))
            .await;
        let close = client.frame().await.unwrap();
        assert_eq!((close.first, &close.payload[..2]), (CLOSE, &[3, 232][..]));
        assert!(client.is_closed_silently().await);
    }
    arena.survives().await;
}
