//! engine.io: queries that are none, or too long.

use crate::Arena;
use crate::polling::{Chance, TRIES, neighbour};
use crate::support::engineio::{ENGINE, Line, PRIMUS, Request, Session, Version};

/// The answer to a GET whose target may be no target at all; 0 if there is none.
async fn status_of(arena: &Arena, target: &[u8]) -> u16 {
    let mut line = Line::connect(arena.address()).await;
    let request = [
        b"GET ",
        target,
        b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ];
    let _cut = line.try_write(request.concat()).await;
    line.reply_or_cut().await.map_or(0, |reply| reply.status)
}

#[tokio::test]
async fn queries_that_are_none() {
    let mut arena = Arena::demo().await;
    let mut neighbour = neighbour(&arena).await;
    // A true one would have a GET held.
    let sid = "AAAAAAAAAAAAAAAAAAAAAAAA";
    let queries = [
        "EIO=4&transport=polling",
        "EIO=3&transport=polling&b64=1",
        "EIO=4&transport=websocket",
        &format!("EIO=4&transport=websocket&sid={sid}"),
        &format!("EIO=4&transport=polling&sid={sid}x"),
        "EIO=4&transport=polling&sid=%00%ff%zz",
        "EIO[]=4&transport[]=polling&sid[]=x",
        "EIO=4&transport=polling&sid=__proto__&j=constructor",
        "EIO=4&transport=polling&j=99999999999999999999999999",
        "EIO=4&transport=polling&j=",
        "EIO=4&transport=polling&b64=%E2%80%A8",
        "EIO=3&EIO=4&transport=polling&transport=websocket",
        "EIO==4&&transport==polling",
        "%45IO=4&%74ransport=polling",
        "EIO=4;transport=polling",
        "EIO=+4&transport=+polling",
        "EIO=4&transport=polling&t=%",
        "EIO=4&transport=polling&sid",
        "EIO=\u{e4}&transport=\u{20ac}",
        "EIO=4&transport=polling#sid=x",
        "?EIO=4?transport=polling",
        "",
        "&",
        "=",
    ];
    let corpus: Vec<_> = queries
        .iter()
        .map(|query| query.as_bytes().to_vec())
        .collect();
    let mut chance = Chance(0xA076_1D64_78BD_642F);
    let mutations: Vec<_> = (0..TRIES).map(|_| chance.mutate(&corpus)).collect();
    for (number, query) in corpus.iter().chain(&mutations).enumerate() {
        let door = if number % 2 == 0 { ENGINE } else { PRIMUS };
        let target = [door.as_bytes(), b"?", query].concat();
        let status = status_of(&arena, &target).await;
        // Without an answer: what is no request line, such as one with a space in its target.
        assert!(
            (0..500).contains(&status),
            "{status} {}",
            target.escape_ascii()
        );
        if number < corpus.len() {
            let is_ascii = query.is_ascii();
            assert!(status != 0 || !is_ascii, "{}", target.escape_ascii());
        }
        if number % 100 == 0 {
            arena.serves().await;
            neighbour.details().await;
        }
    }
    arena.survives().await;
}

#[tokio::test]
async fn queries_that_are_too_long_are_refused() {
    let mut arena = Arena::demo().await;
    let mut neighbour = neighbour(&arena).await;
    let before = arena.memory();
    let good = "EIO=4&transport=polling";
    for door in [ENGINE, PRIMUS] {
        for query in [
            format!("{good}&{}", "a=1&".repeat(10_000)),
            format!("{good}&{}", "&".repeat(100_000)),
            format!("{good}{}", "&sid=x".repeat(10_000)),
            format!("{good}{}", "&transport=polling".repeat(5000)),
            format!("{good}&sid={}", "A".repeat(1_000_000)),
            format!("{good}&t={}", "%".repeat(1_000_000)),
            format!("{good}&j={}", "1".repeat(1_000_000)),
        ] {
            let target = format!("{door}?{query}");
            let mut line = Line::connect(arena.address()).await;
            // It may be refused before all of it is read.
            let _cut = line.try_write(Request::get(&target).bytes()).await;
            let reply = line.reply_or_cut().await;
            let status = reply.map_or(0, |reply| reply.status);
            assert!((400..500).contains(&status), "{status}: {:.80}", target);
        }
        // Short enough for a head, but no sid.
        for sid in ["A".repeat(2000), "%41".repeat(1000), "A,".repeat(1000)] {
            let target = format!("{door}?{good}&sid={sid}");
            assert_eq!(status_of(&arena, target.as_bytes()).await, 400);
        }
        arena.serves().await;
    }
    neighbour.details().await;
    let grown = arena.memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} kB");
    arena.survives().await;
}

#[tokio::test]
async fn keys_that_come_twice_and_junk_are_4xx() {
    let mut arena = Arena::demo().await;
    let sid = Session::open(arena.address(), Version::V4).await.sid;
    for query in [
        format!("EIO=4&transport=polling&sid={sid}&sid={sid}"),
        "EIO=4&EIO=4&transport=polling".to_owned(),
        "EIO=4&transport=polling&transport=polling".to_owned(),
        "EIO=4&transport[]=polling&transport[]=websocket".to_owned(),
        "EIO=4&transport[0]=polling".to_owned(),
        "EIO=%&transport=polling".to_owned(),
        "EIO=%ff&transport=polling".to_owned(),
        "EIO=4&transport=%70%6f%zz".to_owned(),
        format!("EIO=4&transport=polling&sid=%00{sid}"),
        format!("EIO=4&transport=polling&sid={sid}%00"),
        format!("EIO=4&transport=polling&sid={sid}%20"),
    ] {
        let status = status_of(&arena, format!("{ENGINE}?{query}").as_bytes()).await;
        assert_eq!(status, 400, "{query}");
    }
    arena.serves().await;
    arena.survives().await;
}
