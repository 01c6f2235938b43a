//! Base64 as clients write it, which is not always as the alphabet's standard has it
//! (docs/protocol/engineio.md#packets).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::echo;
use crate::support::engineio::{
    ENGINE, Opening, PRIMUS, Packet, Request, Version, exchange, framed,
};

/// Lines of 76 digits, each with `end` behind it, the last one too: with `\n` it is what `Base64.DEFAULT` of Android
/// writes, and with it the official client for Java, 2.x.
fn in_lines(bytes: &[u8], end: &str) -> String {
    let digits = STANDARD.encode(bytes);
    let lines = digits.as_bytes().chunks(76);
    let lines = lines.map(|line| String::from_utf8(line.to_vec()).unwrap());
    lines.map(|line| line + end).collect()
}

/// The same bytes as clients write them.
fn ways(bytes: &[u8]) -> [String; 10] {
    let digits = STANDARD.encode(bytes);
    [
        digits.clone(),
        STANDARD_NO_PAD.encode(bytes),
        in_lines(bytes, "\n"),
        in_lines(bytes, "\r\n"),
        in_lines(bytes, " "),
        in_lines(bytes, "\t\u{a0}"),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        format!("{digits}="),
        format!("\n\n{digits}\n\n"),
    ]
}

/// Bytes with every digit and every kind of padding.
fn samples() -> Vec<Vec<u8>> {
    let long: Vec<u8> = (0..=255).rev().cycle().take(1000).collect();
    [0, 1, 2, 3, 57, 58, 114, 250, 999, 1000]
        .map(|len| long[..len].to_vec())
        .into()
}

/// What stands in front of base64.
const fn mark(version: Version) -> &'static str {
    match version {
        Version::V4 => "b",
        Version::V3 => "b4",
    }
}

/// A payload of one packet.
fn payload(version: Version, packet: &str) -> String {
    match version {
        Version::V4 => packet.to_owned(),
        Version::V3 => framed(packet),
    }
}

#[tokio::test]
async fn every_way_to_write_it_is_read_in_a_post() {
    let address = echo("").await;
    for door in [ENGINE, PRIMUS] {
        for version in Version::BOTH {
            let opening = Opening::new(address, version).door(door);
            let mut session = opening.session().await;
            for bytes in samples() {
                for text in ways(&bytes) {
                    let packet = format!("{}{text}", mark(version));
                    session.post(payload(version, &packet)).await;
                    let expected = Packet::Binary(bytes.clone());
                    assert_eq!(session.next().await, expected, "{door} {packet:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn lines_do_not_end_a_packet_among_others() {
    let address = echo("").await;
    for version in Version::BOTH {
        let mut session = Opening::new(address, version).session().await;
        let bytes = samples().pop().unwrap();
        let packet = format!("{}{}", mark(version), in_lines(&bytes, "\n"));
        let packets = ["4before\n", &packet, &packet, "4\nafter"];
        session
            .post(match version {
                Version::V4 => packets.join("\u{1e}"),
                Version::V3 => packets.map(framed).concat(),
            })
            .await;
        let binary = Packet::Binary(bytes);
        assert_eq!(session.next().await, "4before\n");
        assert_eq!(session.next().await, binary);
        assert_eq!(session.next().await, binary);
        assert_eq!(session.next().await, "4\nafter");
    }
}

#[tokio::test]
async fn every_way_to_write_it_is_read_on_a_socket() {
    let address = echo("").await;
    for version in Version::BOTH {
        // With `b64=1` and without: reading does not depend on it.
        for query in ["b64=1", "x=1"] {
            let opening = Opening::new(address, version).query(query);
            let mut socket = opening.clone().socket().await;
            let _open = socket.packet().await;
            let mut upgraded = opening.session().await.upgrade().await;
            for socket in [&mut socket, &mut upgraded] {
                for bytes in samples() {
                    let expected = match (query, version) {
                        ("b64=1", _) => {
                            Packet::Text(format!("{}{}", mark(version), STANDARD.encode(&bytes)))
                        }
                        (_, Version::V4) => Packet::Binary(bytes.clone()),
                        (_, Version::V3) => Packet::Binary([&[4], &bytes[..]].concat()),
                    };
                    for text in ways(&bytes) {
                        socket.send(&format!("{}{text}", mark(version))).await;
                        assert_eq!(socket.packet().await, expected, "{query} {text:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn every_way_to_write_it_is_read_in_a_form() {
    let address = echo("").await;
    for version in Version::BOTH {
        let opening = Opening::new(address, version).query("j=0");
        let reply = opening.reply().await;
        let (_, rest) = reply.text().split_once("\\\"sid\\\":\\\"").unwrap();
        let (sid, _) = rest.split_once('\\').unwrap();
        let target = format!("{}&sid={sid}", opening.target("polling"));
        for bytes in samples() {
            for text in ways(&bytes) {
                let payload = payload(version, &format!("{}{text}", mark(version)));
                // As the client does: a newline that is one is escaped.
                let escaped = payload.replace("\\n", "\\\\n").replace('\n', "\\n");
                let mut form = form_urlencoded::Serializer::new(String::new());
                let form = form.append_pair("d", &escaped).finish();
                let post = Request::post(&target, form);
                let post = post.header("Content-Type", "application/x-www-form-urlencoded");
                let reply = exchange(address, &post).await;
                assert_eq!((reply.status, reply.text()), (200, "ok"), "{text:?}");
                let reply = exchange(address, &Request::get(&target)).await;
                let digits = format!("{}{}", mark(version), STANDARD.encode(&bytes));
                let script = serde_json::to_string(&match version {
                    Version::V4 => digits,
                    Version::V3 => framed(&digits),
                });
                assert_eq!(reply.text(), format!("___eio[0]({});", script.unwrap()));
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_digit_is_passed_over() {
    let address = echo("").await;
    let mut session = Opening::new(address, Version::V4).session().await;
    // As Node's `Buffer.from(text, 'base64')` has each.
    for (text, bytes) in [
        ("!!!!", &b""[..]),
        ("AQI*", &[1, 2]),
        ("A", b""),
        ("=", b""),
        ("YQ==YQ==", b"a"),
        ("YQ\r\n==", b"a"),
        ("Y€W J\0j", b"abc"),
    ] {
        session.post(format!("b{text}")).await;
        assert_eq!(
            session.next().await,
            Packet::Binary(bytes.to_vec()),
            "{text:?}"
        );
    }
}
