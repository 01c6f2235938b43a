//! socket.io: packets that announce too much, nest too deep, or are too many (A5).

use std::time::Duration;

use serde_json::{Value, json};

use crate::Arena;
use crate::raw::{BINARY, Raw, TEXT};
use crate::socketio::{neighbours, nobody_minds};
use crate::support::engineio::{Packet, Version};
use crate::support::msgpack::pack;
use crate::support::socketio::{Kind, Peer, opening, text};

/// Growth of resident memory that says nothing, in kB.
const NOISE: u64 = 12 * 1024;

/// Clients that attack at once.
const ATTACKERS: usize = 20;

const CONNECT: &[u8] = b"\x82\xa4type\x00\xa3nsp\xa1/";

/// A header that announces so many attachments, with a place for each.
fn header(announced: usize, places: usize) -> Packet {
    let places: Vec<_> = (0..places)
        .map(|number| format!("{{\"_placeholder\":true,\"num\":{number}}}"))
        .collect();
    let places = places.join(",");
    text(format!(
        "45{announced}-[\"say\",{{\"room\":\"defaultRoom\",\"message\":[{places}]}}]"
    ))
}

#[tokio::test]
async fn announcements_beyond_the_limit_close_and_cost_nothing() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let before = arena.memory();
    for announced in [11, 1000, 1_000_000_000, usize::MAX] {
        for kind in Kind::ALL {
            let mut attacker = Peer::connected(arena.address(), kind).await;
            attacker.try_send_all(&[header(announced, 1)]).await;
            assert_eq!(attacker.rest().await, [""; 0], "{announced} {kind:?}");
        }
        nobody_minds(&mut arena, &mut neighbours).await;
    }
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < NOISE, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn attachments_of_packets_that_are_never_complete_are_let_go() {
    const BYTES: usize = 700_000;
    /// Of one packet: nine pieces, of which none is too large by itself.
    const HELD: u64 = 9 * BYTES as u64 / 1024;
    /// Clients on a busy machine have sent all that they have by then.
    const DEADLINE: Duration = Duration::from_secs(10);
    const ROUNDS: usize = 3;
    let mut arena = Arena::configured(
        "[limits]\nping_interval_ms = 0\nreceive_timeout_ms = 10000\n[polling]\nping_interval_ms = 3600000\n[socketio]\nping_interval_ms = 3600000\nmax_payload_bytes = 2000000\n",
    )
    .await;
    let mut neighbours = neighbours(&arena).await;
    let before = arena.memory();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut attackers = Vec::new();
        for number in 0..ATTACKERS / 2 {
            let kind = Kind::PLAIN[number % 4];
            let mut attacker = Peer::connected(arena.address(), kind).await;
            attacker.send_all(&[header(10, 10)]).await;
            for _ in 0..9 {
                attacker
                    .try_send_all(&[Packet::Binary(vec![0xFE; BYTES])])
                    .await;
            }
            attackers.push(attacker);
        }
        nobody_minds(&mut arena, &mut neighbours).await;
        for mut attacker in attackers {
            assert_eq!(attacker.rest().await, [""; 0]);
        }
        rounds.push(arena.memory().saturating_sub(before));
    }
    println!("{rounds:?} kB behind each round of {DEADLINE:?}");
    // Were they kept, each round would add as much as this. The allocator may keep what one round took.
    let round = HELD * ATTACKERS as u64 / 2;
    assert!(rounds[ROUNDS - 1] < 2 * round, "{rounds:?} kB");
    let late = "stellar_connections_closed_total{reason=\"receive_timeout\"}";
    arena.reaches(late, (ROUNDS * ATTACKERS / 2) as u64).await;
    arena.survives().await;
}

#[tokio::test]
async fn attachments_together_are_no_larger_than_a_message_may_be() {
    let mut arena = Arena::configured("[limits]\nmax_message_bytes = 1000000\n").await;
    let mut neighbours = neighbours(&arena).await;
    for kind in Kind::PLAIN {
        let mut attacker = Peer::connected(arena.address(), kind).await;
        attacker.send_all(&[header(10, 10)]).await;
        for _ in 0..9 {
            attacker
                .try_send_all(&[Packet::Binary(vec![0xFE; 400_000])])
                .await;
        }
        assert_eq!(attacker.rest().await, [""; 0], "{kind:?}");
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    arena.survives().await;
}

/// Arrays in arrays.
fn deep(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

#[tokio::test]
async fn json_that_nests_deep_overflows_no_stack() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let header = |rest: &str| {
        format!("451-[\"say\",{{\"message\":{rest},\"x\":{{\"_placeholder\":true,\"num\":0}}}}]")
    };
    for levels in [127, 129, 1000, 20_000, 400_000] {
        let deep = deep(levels);
        let objects = "{\"a\":".repeat(levels / 3) + "1" + &"}".repeat(levels / 3);
        for kind in Kind::PLAIN {
            for packets in [
                vec![text(format!("427[\"say\",{deep}]"))],
                vec![text(format!(
                    "427[\"say\",{{\"room\":\"x\",\"message\":{deep}}}]"
                ))],
                vec![text(format!("427[\"message\",{objects}]"))],
                vec![text(format!("427[{deep}]"))],
                vec![text(format!("427{deep}"))],
                vec![text(format!("437[{deep}]"))],
                vec![text(format!("40/x,{objects}"))],
                vec![text(format!("42[\"say\",{}", "[".repeat(levels)))],
                vec![text(header(&deep)), Packet::Binary(vec![1])],
            ] {
                let mut attacker = Peer::connected(arena.address(), kind).await;
                attacker.try_send_all(&packets).await;
            }
            // Before it has connected, too.
            for packet in [
                format!("40{objects}"),
                format!("40{deep}"),
                format!("40{{\"a\":{deep}"),
            ] {
                let mut attacker = Peer::open(arena.address(), kind).await;
                attacker.try_send_all(&[text(packet)]).await;
            }
        }
        nobody_minds(&mut arena, &mut neighbours).await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn huge_names_are_refused_at_the_price_of_their_bytes() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let name = "n".repeat(900_000);
    let before = arena.memory();
    for kind in Kind::ALL {
        let mut attacker = Peer::connected(arena.address(), kind).await;
        attacker.send(format!("40/{name},")).await;
        let told = attacker.next_text().await;
        let expected = format!("44/{name},{{\"message\":\"Invalid namespace\"}}");
        assert!(told == expected, "{kind:?}: {} bytes", told.len());
        attacker.send(format!("427[\"{name}\",{{}}]")).await;
        assert_eq!(attacker.answer(7).await["error"]["code"], "014");
        attacker.try_send_all(&[text(format!("42/{name}"))]).await;
        attacker.try_send_all(&[text(format!("43{name}"))]).await;
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < 3 * NOISE, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn a_flood_of_connects_leaves_nothing_behind() {
    const ROUNDS: usize = 8;
    const EACH: usize = 5000;
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let mut levels = Vec::new();
    for kind in [Kind::PLAIN[0], Kind::PLAIN[1]] {
        let mut attacker = Peer::connected(arena.address(), kind).await;
        for round in 0..ROUNDS {
            let connects: Vec<_> = (0..EACH)
                .map(|number| text(format!("40/{round}-{number},{{\"token\":{number}}}")))
                .collect();
            attacker.send_all(&connects).await;
            for number in 0..EACH {
                let expected = format!("44/{round}-{number},{{\"message\":\"Invalid namespace\"}}");
                assert_eq!(attacker.next().await, &*expected);
            }
            nobody_minds(&mut arena, &mut neighbours).await;
            levels.push(arena.memory());
        }
    }
    println!("{levels:?} kB");
    let (first, last) = (levels[0], levels[2 * ROUNDS - 1]);
    assert!(last < first + NOISE, "{levels:?} kB");
    arena.survives().await;
}

#[tokio::test]
async fn ids_that_no_number_can_hold_harm_nobody() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let long = "9".repeat(100_000);
    for id in ["18446744073709551616", "99999999999999999999", &long] {
        for kind in Kind::PLAIN {
            for packet in [
                format!("42{id}[\"detailsView\"]"),
                format!("43{id}[]"),
                format!("450-{id}[\"detailsView\"]"),
            ] {
                let mut attacker = Peer::connected(arena.address(), kind).await;
                attacker.try_send_all(&[text(packet)]).await;
                // It is closed: nobody is told of an id that was not given.
                while let Some(Packet::Text(told)) = attacker.next_or_end().await {
                    assert!(!told.starts_with("43"), "{told}");
                    assert!(!told.starts_with("42[\"response\""), "{told}");
                }
            }
        }
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    arena.survives().await;
}

#[tokio::test]
async fn very_many_arguments_and_keys_are_answered_or_closed() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let before = arena.memory();
    let arguments = vec!["{}"; 300_000].join(",");
    let keys: Vec<_> = (0..60_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let keys = keys.join(",");
    for kind in Kind::PLAIN {
        let mut attacker = Peer::connected(arena.address(), kind).await;
        for packet in [
            format!("427[\"say\",{arguments}]"),
            format!("427[\"say\",{{{keys}}}]"),
            format!("427[\"message\",{{{keys}}}]"),
        ] {
            attacker.send(packet).await;
            let answer = attacker.answer(7).await;
            assert!(answer["error"]["code"].is_string(), "{kind:?}");
        }
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < 3 * NOISE, "{grown} kB");
    arena.survives().await;
}

/// Packets of msgpack that announce more than they hold, or nest.
fn msgpack_bombs() -> Vec<Vec<u8>> {
    let event = |data: &[u8]| [&b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data"[..], data].concat();
    let mut bombs = Vec::new();
    // Arrays and maps in themselves, by one byte each, or by five.
    for (unit, levels) in [
        (&b"\x91"[..], 127),
        (b"\x91", 1000),
        (b"\x91", 900_000),
        (b"\x81\xa1a", 250_000),
        (b"\x81", 900_000),
        (b"\xdd\0\0\0\x01", 150_000),
        (b"\xdf\0\0\0\x01\xa1a", 100_000),
    ] {
        let mut nested = b"\x92\xa3say".to_vec();
        nested.extend(unit.repeat(levels));
        nested.push(0xC0);
        bombs.push(event(&nested));
        // At once, where the packet itself should be.
        bombs.push(unit.repeat(levels));
    }
    // Lengths that are not kept.
    for head in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdc\xff\xff",
        b"\xde\xff\xff",
        b"\xda\xff\xff",
        b"\xc5\xff\xff",
        b"\xc8\xff\xff\x01",
    ] {
        bombs.push(event(head));
        bombs.push(event(&[b"\x92\xa3say", head].concat()));
        bombs.push(head.to_vec());
        bombs.push([b"\x81", head].concat());
    }
    // Very many small things, extensions among them.
    for unit in [
        &b"\xc0"[..],
        b"\x80",
        b"\xd4\x01\x01",
        b"\xc7\x01\x05x",
        b"\xd8\x050123456789abcdef",
    ] {
        let count = 500_000 / unit.len() as u32;
        let mut many = b"\x92\xa3say\xdd".to_vec();
        many.extend(count.to_be_bytes());
        many.extend(unit.repeat(count as usize));
        bombs.push(event(&many));
    }
    bombs.push(event(b"\x92\xa3say\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    bombs.push(event(b"\x92\xa3say\xcb\x7f\xf8\0\0\0\0\0\0"));
    bombs.push(event(b"\x92\xa3say\xcb\x7f\xf0\0\0\0\0\0\0"));
    bombs.push(event(b"\x92\xa3say\x81\x01\x02"));
    bombs.push(event(b"\x92\xa3say\x81\x91\x01\x02"));
    bombs.push(event(b"\x92\xa3say\xa2\xff\xfe"));
    bombs
}

#[tokio::test]
async fn msgpack_that_nests_or_announces_too_much_harms_nobody() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let before = arena.memory();
    for bomb in msgpack_bombs() {
        for is_connected in [true, false] {
            let target = opening(arena.address(), Version::V4).target("websocket");
            let mut attacker = Raw::upgraded(arena.address(), &target).await;
            if is_connected {
                attacker.send(BINARY, CONNECT).await;
                for _ in 0..3 {
                    attacker.frame().await.expect("it is connected");
                }
            }
            let _cut = attacker.try_write(crate::raw::frame(BINARY, &bomb)).await;
            // Either it is told something, or it is closed; nobody waits for ever.
            let frame = attacker.frame().await;
            assert!(frame.is_none_or(|frame| frame.first != TEXT || !is_connected));
        }
        // By POST, too.
        let mut attacker = Peer::open(arena.address(), Kind::PLAIN[0]).await;
        if bomb.len() < 700_000 {
            let packets = [Packet::Binary(CONNECT.to_vec()), Packet::Binary(bomb)];
            attacker.try_send_all(&packets).await;
        }
        nobody_minds(&mut arena, &mut neighbours).await;
    }
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < 4 * NOISE, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn large_bytes_in_msgpack_leave_nothing_behind() {
    const BYTES: usize = 9_000_000;
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let before = arena.memory();
    let mut levels = Vec::new();
    let target = opening(arena.address(), Version::V4).target("websocket");
    for _ in 0..ATTACKERS {
        let mut attacker = Raw::upgraded(arena.address(), &target).await;
        attacker.send(BINARY, CONNECT).await;
        for _ in 0..3 {
            attacker.frame().await.expect("it is connected");
        }
        let packet = pack(&json!({"type": 2, "nsp": "/", "data": ["say", Value::Null], "id": 1}));
        let at = packet.iter().position(|byte| *byte == 0xC0).unwrap();
        let mut bytes = b"\xc6".to_vec();
        bytes.extend((BYTES as u32).to_be_bytes());
        bytes.extend(vec![0xFE; BYTES]);
        let packet = [&packet[..at], &bytes, &packet[at + 1..]].concat();
        attacker.send(BINARY, packet).await;
        // Bytes alone are no packet.
        let answer = attacker.frame().await.expect("an answer");
        assert!(answer.payload.len() < 1000, "{}", answer.payload.len());
        nobody_minds(&mut arena, &mut neighbours).await;
        levels.push(arena.memory());
    }
    println!("{levels:?} kB");
    // What the allocator keeps of one or two at work, and not what each of them has brought.
    let bound = before + 12 * BYTES as u64 / 1024 + NOISE;
    assert!(
        levels[ATTACKERS - 1] < bound,
        "{before} kB, then {levels:?} kB"
    );
    arena.survives().await;
}
