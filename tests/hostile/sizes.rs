//! Too large, and in too many pieces: refused before more than the limit is in memory.

use crate::raw::{self, CONTINUES, ENDS, Raw, TEXT, TEXT_BEGINS};
use crate::{Arena, DOORS};

const MIB: usize = 1024 * 1024;

/// The default limit of messages and of bodies.
const CAP: usize = 10 * MIB;

/// Growth of resident memory that says nothing, in kB: allocators keep what they were given.
const NOISE: u64 = 8 * 1024;

/// Writes `chunk` again and again, until the server hangs up or `times` is over. Returns how often it was taken.
async fn flood(attacker: &mut Raw, chunk: &[u8], times: usize) -> usize {
    for sent in 0..times {
        if attacker.try_write(chunk).await.is_err() {
            return sent;
        }
    }
    times
}

#[tokio::test]
async fn a_frame_is_refused_by_its_header_alone() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        for length in [CAP as u64 + 1, 1 << 32, 1 << 40, (1 << 63) - 1] {
            let mut attacker = Raw::upgraded(arena.address(), door).await;
            attacker.write(raw::header(TEXT, length)).await;
            assert_eq!(attacker.close_code().await, 1009, "{length}");
        }
        // The highest bit of a length must not be set: that is a broken frame as well as a large one.
        let mut attacker = Raw::upgraded(arena.address(), door).await;
        attacker.write(raw::header(TEXT, u64::MAX)).await;
        let code = attacker.close_code().await;
        assert!([1002, 1009].contains(&code), "{code}");
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_flood_behind_a_refused_frame_is_not_kept() {
    let mut arena = Arena::demo().await;
    let before = arena.memory();
    let mut attacker = Raw::upgraded(arena.address(), "/primus").await;
    attacker.write(raw::header(TEXT, 1 << 40)).await;
    flood(&mut attacker, &vec![b'x'; MIB], 64).await;
    arena.serves().await;
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < NOISE, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn a_message_over_the_limit_by_its_fragments_closes_with_1009() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        let before = arena.memory();
        let mut attacker = Raw::upgraded(arena.address(), door).await;
        attacker.send(TEXT_BEGINS, "\"").await;
        let piece = raw::frame(CONTINUES, vec![b'x'; MIB]);
        let taken = flood(&mut attacker, &piece, 11).await;
        assert!(taken >= 9, "only {taken} MiB were taken");
        assert_eq!(attacker.close_code().await, 1009);
        let grown = arena.memory().saturating_sub(before);
        // The message grows by doubling: at its largest there is the old buffer and the new one.
        assert!(grown < 3 * (CAP as u64 / 1024) + NOISE, "{grown} kB");
        arena.serves().await;
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_read() {
    let arena = Arena::demo().await;
    let mut client = Raw::upgraded(arena.address(), "/ws").await;
    assert!(client.packet().await["welcome"].is_string());
    let empty = "{\"event\":\"detailsView\",\"x\":\"\"}".len();
    let text = format!(
        "{{\"event\":\"detailsView\",\"x\":\"{}\"}}",
        "x".repeat(CAP - empty)
    );
    client.send(TEXT, text).await;
    assert_eq!(client.packet().await["messageCount"], 1);
    arena.survives().await;
}

#[tokio::test]
async fn a_million_tiny_fragments_end_at_the_fragment_limit() {
    let mut arena = Arena::demo().await;
    for door in DOORS {
        let before = arena.memory();
        let mut attacker = Raw::upgraded(arena.address(), door).await;
        attacker.send(TEXT_BEGINS, "\"").await;
        let thousand = raw::frame(CONTINUES, "x").repeat(1000);
        let taken = flood(&mut attacker, &thousand, 1000).await;
        assert_eq!(attacker.close_code().await, 1008, "after {taken} thousand");
        arena.serves().await;
        let grown = arena.memory().saturating_sub(before);
        assert!(grown < NOISE, "{grown} kB");
    }
    arena
        .counts("stellar_connections_closed_total{reason=\"too_many_fragments\"}")
        .await;
    arena.survives().await;
}

#[tokio::test]
async fn a_message_in_as_many_fragments_as_allowed_is_read() {
    let arena = Arena::configured("[limits]\nmax_fragments = 24\n").await;
    let packet = b"{\"event\":\"detailsView\" }";
    assert_eq!(packet.len(), 24);
    for door in DOORS {
        let mut client = Raw::upgraded(arena.address(), door).await;
        assert!(client.packet().await["welcome"].is_string());
        client.send(TEXT_BEGINS, &packet[..1]).await;
        for byte in &packet[1..23] {
            client.send(CONTINUES, [*byte]).await;
        }
        client.send(ENDS, &packet[23..]).await;
        assert_eq!(client.packet().await["messageCount"], 1);
        client.send(TEXT_BEGINS, "").await;
        for _ in 0..24 {
            client.send(CONTINUES, "").await;
        }
        assert_eq!(client.close_code().await, 1008);
    }
    arena.survives().await;
}

#[tokio::test]
async fn fragments_that_come_with_the_handshake_count_too() {
    let arena = Arena::configured("[limits]\nmax_fragments = 24\n").await;
    for door in DOORS {
        let mut attacker = Raw::connect(arena.address()).await;
        let pieces = raw::frame(CONTINUES, "").repeat(100);
        let all = [
            raw::handshake(door, "").into_bytes(),
            raw::frame(TEXT_BEGINS, ""),
            pieces,
        ];
        attacker.write(all.concat()).await;
        assert_eq!(attacker.head().await.status, 101);
        assert_eq!(attacker.close_code().await, 1008);
    }
    arena.survives().await;
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_unread() {
    let mut arena = Arena::demo().await;
    for length in [CAP as u64 + 1, u64::from(u32::MAX), u64::MAX / 2] {
        let mut attacker = Raw::connect(arena.address()).await;
        let head = format!(
            "POST /api/cacheTest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        attacker.write(head).await;
        assert_eq!(attacker.answer().await.status, 413, "{length}");
    }
    arena.serves().await;
    arena.survives().await;
}

#[tokio::test]
async fn a_chunked_body_without_end_is_cut_at_the_limit() {
    let mut arena = Arena::demo().await;
    for kind in [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
    ] {
        let before = arena.memory();
        let mut attacker = Raw::connect(arena.address()).await;
        let head = format!(
            "POST /api/cacheTest HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        attacker.write(head).await;
        let chunk = [
            format!("{MIB:x}\r\n").into_bytes(),
            vec![b'['; MIB],
            b"\r\n".to_vec(),
        ]
        .concat();
        let taken = flood(&mut attacker, &chunk, 64).await;
        assert!(taken < 64, "all of it was taken");
        let grown = arena.memory().saturating_sub(before);
        assert!(
            grown < 3 * (CAP as u64 / 1024) + NOISE,
            "{kind}: {grown} kB"
        );
        arena.serves().await;
    }
    // Whoever reads the answer instead of writing on gets it.
    let mut attacker = Raw::connect(arena.address()).await;
    attacker
        .write("POST /api/cacheTest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = [
        format!("{:x}\r\n", CAP + 1).into_bytes(),
        vec![b'['; CAP + 1],
        b"\r\n".to_vec(),
    ];
    let _sent = attacker.try_write(chunk.concat()).await;
    assert_eq!(attacker.answer().await.status, 413);
    arena.survives().await;
}

#[tokio::test]
async fn an_upload_over_the_limit_is_refused_and_leaves_no_file() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = crate::support::binary::stellar();
    command.env("TMPDIR", temporary.path());
    let server = crate::support::Binary::spawn(command, &["--demo"], "");
    let mut arena = Arena::around(server).await;
    let mut attacker = Raw::connect(arena.address()).await;
    attacker
        .write(
            "POST /api/cacheTest HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
        )
        .await;
    let head = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n";
    attacker
        .write(format!("{:x}\r\n{head}\r\n", head.len()))
        .await;
    let chunk = [
        format!("{MIB:x}\r\n").into_bytes(),
        vec![b'x'; MIB],
        b"\r\n".to_vec(),
    ]
    .concat();
    flood(&mut attacker, &chunk, 11).await;
    assert_eq!(attacker.answer().await.status, 413);
    arena.serves().await;
    let is_empty = || {
        std::fs::read_dir(temporary.path())
            .unwrap()
            .next()
            .is_none()
    };
    crate::support::eventually("an empty folder", is_empty).await;
    arena.survives().await;
}
