//! Answers that are compressed, and those that are not (docs/protocol/engineio.md#compression).

use std::io::Read;
use std::net::SocketAddr;

use flate2::read::{GzDecoder, ZlibDecoder};

use crate::echo;
use crate::support::engineio::{Opening, Packet, Reply, Session, Version};

/// The size from which on answers are compressed by default.
const THRESHOLD: usize = 1024;

/// A session whose requests carry this header, on a server that sends back what it gets.
async fn accepting(address: SocketAddr, codings: &str) -> Session {
    let opening = Opening::new(address, Version::V4).header("Accept-Encoding", codings);
    opening.session().await
}

/// Has an answer come whose body is of this size when it is not compressed.
async fn answer(session: &mut Session, size: usize) -> (Reply, String) {
    let text = "x".repeat(size - 1);
    session.send(&[Packet::message(&text)]).await;
    (session.poll_reply().await, format!("4{text}"))
}

fn decoded(reply: &Reply) -> String {
    let mut text = String::new();
    let body = &reply.body[..];
    match reply.header("content-encoding") {
        Some("gzip") => GzDecoder::new(body).read_to_string(&mut text).unwrap(),
        Some("deflate") => ZlibDecoder::new(body).read_to_string(&mut text).unwrap(),
        None => (&*body).read_to_string(&mut text).unwrap(),
        Some(other) => panic!("{other}?"),
    };
    text
}

#[tokio::test]
async fn large_answers_are_compressed_as_the_client_takes_it() {
    let address = echo("").await;
    for (codings, expected) in [
        ("gzip", Some("gzip")),
        ("deflate", Some("deflate")),
        ("gzip, deflate", Some("gzip")),
        ("gzip, deflate, br, zstd", Some("gzip")),
        ("GZIP", Some("gzip")),
        ("br, gzip;q=0.5", Some("gzip")),
        ("gzip;q=0, deflate", Some("deflate")),
        ("gzip; q=0.000, deflate; q=0.001", Some("deflate")),
        ("identity", None),
        ("br", None),
        ("gzip;q=0", None),
        ("gzip;q=0, deflate;q=0", None),
        ("gzip;q=0.0", None),
        ("gzipx, xdeflate", None),
        ("", None),
        (",;q=1,;;", None),
    ] {
        let mut session = accepting(address, codings).await;
        let (reply, text) = answer(&mut session, 10_000).await;
        assert_eq!(reply.header("content-encoding"), expected, "{codings}");
        assert_eq!(decoded(&reply), text, "{codings}");
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=UTF-8")
        );
        let length = reply.body.len();
        assert_eq!(
            length < 1000,
            expected.is_some(),
            "{codings}: {length} bytes"
        );
        // The connection is in step.
        let (reply, text) = answer(&mut session, 100).await;
        assert_eq!(reply.text(), text);
    }
}

#[tokio::test]
async fn who_says_nothing_gets_it_as_it_is() {
    let address = echo("").await;
    let mut session = Session::open(address, Version::V4).await;
    let (reply, text) = answer(&mut session, 10_000).await;
    assert_eq!(reply.header("content-encoding"), None);
    assert_eq!(reply.text(), text);
}

#[tokio::test]
async fn small_answers_are_not_compressed() {
    let address = echo("").await;
    let mut session = accepting(address, "gzip").await;
    for (size, is_compressed) in [
        (2, false),
        (100, false),
        (THRESHOLD - 1, false),
        (THRESHOLD, true),
        (THRESHOLD + 1, true),
    ] {
        let (reply, text) = answer(&mut session, size).await;
        let coding = reply.header("content-encoding");
        assert_eq!(coding.is_some(), is_compressed, "{size}");
        assert_eq!(decoded(&reply), text);
    }
    let reply = session.post_reply("4hello").await;
    assert_eq!(reply.header("content-encoding"), None);
}

#[tokio::test]
async fn the_size_counts_bytes_of_the_whole_answer() {
    let address = echo("").await;
    let mut session = accepting(address, "gzip").await;
    // 400 characters of three bytes each, in 40 packets.
    let packets = vec![Packet::message("€".repeat(10)); 40];
    session.send(&packets).await;
    let reply = session.poll_reply().await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(Version::V4.packets(&decoded(&reply)), packets);
}

#[tokio::test]
async fn the_threshold_is_configured() {
    let address = echo("[polling]\ncompression_bytes = 200\n").await;
    let mut session = accepting(address, "gzip").await;
    for (size, is_compressed) in [(199, false), (200, true)] {
        let (reply, text) = answer(&mut session, size).await;
        let coding = reply.header("content-encoding");
        assert_eq!(coding.is_some(), is_compressed, "{size}");
        assert_eq!(decoded(&reply), text);
    }
}

#[tokio::test]
async fn zero_turns_it_off() {
    let address = echo("[polling]\ncompression_bytes = 0\n").await;
    let mut session = accepting(address, "gzip").await;
    for size in [2, 1024, 100_000] {
        let (reply, text) = answer(&mut session, size).await;
        assert_eq!(reply.header("content-encoding"), None);
        assert_eq!(reply.text(), text);
    }
}

#[tokio::test]
async fn answers_of_v3_are_compressed_too() {
    let address = echo("").await;
    let opening = Opening::new(address, Version::V3).header("Accept-Encoding", "gzip");
    let mut session = opening.session().await;
    let packet = Packet::message("x".repeat(5000));
    session.send(std::slice::from_ref(&packet)).await;
    let reply = session.poll_reply().await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(Version::V3.packets(&decoded(&reply)), [packet]);
}

#[tokio::test]
async fn what_does_not_compress_arrives_all_the_same() {
    let address = echo("").await;
    let mut session = accepting(address, "gzip").await;
    // Digits of a generator: compressed they take nearly half their size.
    let mut state = 1_u64;
    let text: String = (0..200_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'!' + (state >> 33) as u8 % 90)
        })
        .collect();
    session.send(&[Packet::message(&text)]).await;
    let reply = session.poll_reply().await;
    assert_eq!(decoded(&reply), format!("4{text}"));
}
