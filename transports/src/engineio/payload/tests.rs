use super::super::Kind;
use super::*;

fn read(body: Body<'_>) -> Vec<Result<Packet<'_>, Malformed>> {
    body.packets().collect()
}

#[test]
fn version_4_splits_at_separators() {
    assert_eq!(
        read(Body::V4("4hello\u{1e}bAQIDBA==\u{1e}2")),
        [
            Ok(Packet::Text("hello")),
            Ok(Packet::Binary(vec![1, 2, 3, 4].into())),
            Ok(Packet::Control(Kind::Ping, "")),
        ]
    );
    assert_eq!(read(Body::V4("")), [Err(Malformed)]);
    assert_eq!(
        read(Body::V4("4a\u{1e}")),
        [Ok(Packet::Text("a")), Err(Malformed)]
    );
}

#[test]
fn version_3_counts_utf16_units() {
    assert_eq!(
        read(Body::V3("6:4hello2:4\u{20AC}3:4\u{1F600}10:b4AQIDBA==")),
        [
            Ok(Packet::Text("hello")),
            Ok(Packet::Text("\u{20AC}")),
            Ok(Packet::Text("\u{1F600}")),
            Ok(Packet::Binary(vec![1, 2, 3, 4].into())),
        ]
    );
    for wrong in [
        "",
        ":",
        "x",
        "6:4hell",
        "2:4\u{1F600}",
        "-1:4",
        "1",
        "0:",
        "99999999999:4",
        " 2:4a",
    ] {
        assert_eq!(read(Body::V3(wrong)), [Err(Malformed)], "{wrong}");
    }
    assert_eq!(
        read(Body::V3("2:4ax")),
        [Ok(Packet::Text("a")), Err(Malformed)]
    );
}

#[test]
fn version_3_binary_has_lengths_in_bytes() {
    let body = [
        &[0, 4, 0xFF][..],
        "4\u{20AC}".as_bytes(),
        &[1, 1, 1, 0xFF, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    ]
    .concat();
    assert_eq!(
        read(Body::V3Binary(&body)),
        [
            Ok(Packet::Text("\u{20AC}")),
            Ok(Packet::Binary((0..10).collect::<Vec<u8>>().into())),
        ]
    );
    for wrong in [
        &[][..],
        &[0],
        &[0, 0xFF],
        &[2, 1, 0xFF, b'4'],
        &[0, 2, 0xFF, b'4'],
        &[0, 1, 0xFF, 0xFF],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 0xFF],
        &[0, 10, 0xFF],
    ] {
        assert_eq!(read(Body::V3Binary(wrong)), [Err(Malformed)], "{wrong:?}");
    }
}

#[test]
fn packets_are_counted_before_any_is_read() {
    assert!(!Body::V4("\u{1e}\u{1e}").has_more_than(3));
    assert!(Body::V4("\u{1e}\u{1e}\u{1e}").has_more_than(3));
    let many = "1:4".repeat(5);
    assert!(!Body::V3(&many).has_more_than(5));
    assert!(Body::V3(&many).has_more_than(4));
    let many = [0, 1, 0xFF, b'4'].repeat(5);
    assert!(!Body::V3Binary(&many).has_more_than(5));
    assert!(Body::V3Binary(&many).has_more_than(4));
}

fn waiting(protocol: Protocol) -> Vec<Bytes> {
    vec![
        waiting_text(protocol, '4', "h\u{20AC}\u{1F600}"),
        waiting_binary(protocol, &[1, 2, 3, 4]),
        waiting_text(protocol, '6', ""),
    ]
}

#[test]
fn answers_of_version_4() {
    let answer = Answer::join(Protocol::V4, waiting(Protocol::V4), false, None);
    assert_eq!(answer.content_type, "text/plain; charset=UTF-8");
    assert_eq!(answer.body, "4h\u{20AC}\u{1F600}\u{1e}bAQIDBA==\u{1e}6");
}

#[test]
fn answers_of_version_3() {
    let base64 = Answer::join(Protocol::V3, waiting(Protocol::V3), true, None);
    assert_eq!(base64.content_type, "text/plain; charset=UTF-8");
    assert_eq!(base64.body, "5:4h\u{20AC}\u{1F600}10:b4AQIDBA==1:6");

    let binary = Answer::join(Protocol::V3, waiting(Protocol::V3), false, None);
    assert_eq!(binary.content_type, "application/octet-stream");
    let expected = [
        &[0, 9, 0xFF][..],
        "4h\u{20AC}\u{1F600}".as_bytes(),
        &[1, 5, 0xFF, 4, 1, 2, 3, 4, 0, 1, 0xFF, b'6'],
    ]
    .concat();
    assert_eq!(binary.body, expected);

    let script = Answer::join(
        Protocol::V3,
        vec![waiting_text(Protocol::V3, '4', "\"")],
        true,
        Some(Jsonp::parse("3")),
    );
    assert_eq!(script.content_type, "text/javascript; charset=UTF-8");
    assert_eq!(script.body, "___eio[3](\"2:4\\\"\");");
}

#[test]
fn a_single_packet_is_not_copied() {
    let frame = waiting_text(Protocol::V4, '4', "hello");
    let at = frame.as_ptr();
    let answer = Answer::join(Protocol::V4, vec![frame], false, None);
    assert_eq!(answer.body.as_ptr(), at);
}

#[test]
fn waiting_packets_can_be_read_back() {
    for protocol in [Protocol::V3, Protocol::V4] {
        let frames = waiting(protocol);
        let read: Vec<_> = frames
            .iter()
            .flat_map(|frame| read_waiting(protocol, frame))
            .collect();
        assert_eq!(
            read,
            [
                Packet::Text("h\u{20AC}\u{1F600}"),
                Packet::Binary(vec![1, 2, 3, 4].into()),
                Packet::Control(Kind::Noop, ""),
            ]
        );
    }
}

/// A reader that starts over for each packet or character would take many minutes for one of these, and be ended.
#[test]
fn readers_are_linear() {
    const SIZE: usize = 300_000;
    let packets = |body: Body<'_>| body.packets().filter(Result::is_ok).count();
    assert_eq!(packets(Body::V4(&("4\u{1e}".repeat(SIZE) + "4"))), SIZE + 1);
    assert_eq!(packets(Body::V3(&"1:4".repeat(SIZE))), SIZE);
    assert_eq!(packets(Body::V3(&"3:4\u{1F600}".repeat(SIZE))), SIZE);
    let long = format!("{}:4{}", 1 + 2 * SIZE, "\u{1F600}".repeat(SIZE));
    assert_eq!(packets(Body::V3(&long)), 1);
}
