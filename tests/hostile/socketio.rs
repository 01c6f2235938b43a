//! socket.io: packets that are none, from a corpus and from mutations of it (A1).

use serde_json::{Value, json};

use crate::Arena;
use crate::polling::Chance;
use crate::raw::{BINARY, Raw, TEXT, frame};
use crate::support::engineio::{Packet, Version};
use crate::support::msgpack::pack;
use crate::support::socketio::{Kind, Peer, opening};

/// Sessions opened per corpus, and packets sent in each.
const SESSIONS: usize = 400;
const EACH: usize = 4;

/// Somebody on socket.io who has nothing to do with the attack: one of each kind.
pub(crate) async fn neighbours(arena: &Arena) -> Vec<Peer> {
    let mut neighbours = Vec::new();
    for kind in Kind::PLAIN {
        neighbours.push(Peer::connected(arena.address(), kind).await);
    }
    neighbours
}

/// Everybody who has nothing to do with it is served as ever.
pub(crate) async fn nobody_minds(arena: &mut Arena, neighbours: &mut [Peer]) {
    for neighbour in neighbours {
        neighbour.details().await;
    }
    arena.serves().await;
}

/// Numbers below a bound that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Packets that mean something, and some that nearly do.
fn texts() -> Vec<Vec<u8>> {
    let texts = [
        "40",
        "40{}",
        "40{\"token\":\"x\"}",
        "40/x,",
        "40/x,{\"a\":[1,{\"b\":null}]}",
        "40/random",
        "41",
        "41/x,",
        "42[\"detailsView\"]",
        "427[\"detailsView\",{}]",
        "42/x,7[\"detailsView\"]",
        "42[\"say\",{\"room\":\"defaultRoom\",\"message\":\"\u{20ac} \u{1f600}\"}]",
        "4212345678901234567890[\"roomAdd\",{\"room\":\"defaultRoom\"}]",
        "42[\"message\",{\"event\":\"roomView\",\"room\":\"defaultRoom\"}]",
        "42[\"say\",\"a\",1,null,true,[],{}]",
        "42[7]",
        "42[\"\\u0073ay\\n\\\"\",{}]",
        "42[]",
        "42[\"__proto__\",{\"__proto__\":{\"event\":\"quit\"}}]",
        "430[]",
        "437[{\"a\":1}]",
        "44{\"message\":\"x\"}",
        "450-[\"detailsView\"]",
        "451-[\"say\",{\"room\":\"defaultRoom\",\"message\":{\"_placeholder\":true,\"num\":0}}]",
        "452-/x,9[\"message\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]",
        "461-3[{\"_placeholder\":true,\"num\":0}]",
        "4999999999",
        "4-",
        "4",
        "1",
        "2",
        "3",
        "2probe",
        "5",
        "6",
        "0{\"sid\":\"x\"}",
    ];
    let mut corpus: Vec<_> = texts.map(|text| text.as_bytes().to_vec()).into();
    let junk: [&[u8]; 8] = [
        b"",
        b"\0",
        b"4\xc3",
        b"42[\"\xff\"]",
        b"42[\"\xed\xa0\x80\"]",
        b"\xef\xbb\xbf42[\"detailsView\"]",
        b"4\xd9\xa1",
        b"42[\"say\",{\"room\":\"defaultRoom\",\"message\":1e99999}]",
    ];
    corpus.extend(junk.map(<[u8]>::to_vec));
    corpus
}

/// Packets of the msgpack parser, and bytes that nearly are some.
fn packed() -> Vec<Vec<u8>> {
    let say =
        json!({"room": "defaultRoom", "message": ["\u{20ac}", -1, 70000, 2.5, null, {"a": []}]});
    let packets = [
        json!({"type": 0, "nsp": "/"}),
        json!({"type": 0, "nsp": "/", "data": {"token": "x"}}),
        json!({"type": 0, "nsp": "/x"}),
        json!({"type": 1, "nsp": "/"}),
        json!({"type": 2, "nsp": "/", "data": ["detailsView"], "id": 7}),
        json!({"type": 2, "nsp": "/", "data": ["say", say]}),
        json!({"type": 2, "nsp": "/", "data": [7]}),
        json!({"type": 3, "nsp": "/", "data": [1], "id": 7}),
        json!({"type": 4, "nsp": "/", "data": {"message": "x"}}),
        json!({"type": 5, "nsp": "/", "data": ["message", "x"], "id": Value::Null}),
        json!({"type": 6, "nsp": "/", "data": [], "id": 1}),
        json!({"type": -1, "nsp": 7, "data": {}, "id": "x", "more": [[[]]]}),
    ];
    let mut corpus: Vec<_> = packets.iter().map(pack).collect();
    let junk: [&[u8]; 10] = [
        b"\x80",
        b"\x81\xa4type",
        b"\xdf\xff\xff\xff\xff",
        b"\xde\xff\xff",
        b"\x83\xa4type\x02\xa4data\xc9\xff\xff\xff\xff\x01\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x92\xa3say\xd4\x00\x00\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x92\xa3say\xc7\x03\x05abc\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x92\xa3say\xc4\x03abc\xa3nsp\xa1/",
        b"\x83\xa4type\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa4data\x90\xa3nsp\xa1/",
        b"\x84\xa4type\x02\xa4type\x00\xa3nsp\xa1/\xa4data\xca\x7f\xc0\0\0",
    ];
    corpus.extend(junk.map(<[u8]>::to_vec));
    corpus
}

/// Sends frames in sessions of their own, after whatever `greeting` is.
async fn attack(
    arena: &Arena,
    version: Version,
    greeting: Option<(u8, &[u8])>,
    frames: &[(u8, Vec<u8>)],
) {
    let target = opening(arena.address(), version).target("websocket");
    let mut attacker = Raw::upgraded(arena.address(), &target).await;
    if let Some((first, payload)) = greeting {
        attacker.send(first, payload).await;
        // The open packet, the answer to CONNECT, and the greeting.
        for _ in 0..3 {
            attacker.frame().await.expect("it is connected");
        }
    }
    for (first, payload) in frames {
        // It may have been closed by the frame before.
        let _cut = attacker.try_write(frame(*first, payload)).await;
    }
}

async fn fuzz(version: Version, greeting: Option<(u8, &[u8])>, corpora: &[(u8, Vec<Vec<u8>>)]) {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    for (first, corpus) in corpora {
        for payload in corpus {
            attack(&arena, version, greeting, &[(*first, payload.clone())]).await;
        }
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    let mut chance = Chance(0x5851_F42D_4C95_7F2D);
    for session in 0..SESSIONS {
        let frames: Vec<_> = (0..EACH)
            .map(|number| {
                let (first, corpus) = &corpora[(session + number) % corpora.len()];
                (*first, chance.mutate(corpus))
            })
            .collect();
        attack(&arena, version, greeting, &frames).await;
        if session % 50 == 0 {
            nobody_minds(&mut arena, &mut neighbours).await;
        }
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    arena.survives().await;
}

#[tokio::test]
async fn texts_of_clients_that_have_connected() {
    fuzz(Version::V4, Some((TEXT, b"40")), &[(TEXT, texts())]).await;
}

#[tokio::test]
async fn texts_of_clients_that_have_not() {
    fuzz(Version::V4, None, &[(TEXT, texts())]).await;
}

#[tokio::test]
async fn texts_and_bytes_of_version_3() {
    let bytes = [b"\x04".to_vec(), b"\x04\x01\x02\x03".to_vec(), vec![4; 300]];
    fuzz(
        Version::V3,
        None,
        &[(TEXT, texts()), (BINARY, bytes.into())],
    )
    .await;
}

#[tokio::test]
async fn texts_and_attachments() {
    let bytes = [vec![], vec![1, 2, 3], vec![0xFE; 1000]];
    fuzz(
        Version::V4,
        Some((TEXT, b"40")),
        &[(TEXT, texts()), (BINARY, bytes.into())],
    )
    .await;
}

#[tokio::test]
async fn msgpack_of_clients_that_have_connected() {
    let connect = pack(&json!({"type": 0, "nsp": "/"}));
    fuzz(Version::V4, Some((BINARY, &connect)), &[(BINARY, packed())]).await;
}

#[tokio::test]
async fn msgpack_of_clients_that_have_not() {
    fuzz(Version::V4, None, &[(BINARY, packed())]).await;
}

#[tokio::test]
async fn random_bytes() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let mut dice = Dice(0xA076_1D64_78BD_642F);
    for session in 0..SESSIONS {
        let frames: Vec<_> = (0..EACH)
            .map(|number| {
                let length = dice.below(64);
                let bytes: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
                match (session + number) % 3 {
                    0 => (BINARY, bytes),
                    1 => (TEXT, [b"4", &bytes[..]].concat()),
                    _ => (TEXT, String::from_utf8_lossy(&bytes).into_owned().into()),
                }
            })
            .collect();
        let version = Version::BOTH[session % 2];
        attack(&arena, version, None, &frames).await;
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    arena.survives().await;
}

#[tokio::test]
async fn packets_in_posts() {
    let mut arena = Arena::demo().await;
    let mut neighbours = neighbours(&arena).await;
    let mut chance = Chance(0xE703_7ED1_A0B4_28DB);
    let (texts, packed) = (texts(), packed());
    for session in 0..SESSIONS {
        let kind = Kind::PLAIN[session % 2 * 2];
        let mut attacker = Peer::open(arena.address(), kind).await;
        if session % 3 > 0 {
            attacker.connect().await;
        }
        for number in 0..EACH {
            let packet = match (session + number) % 3 {
                0 => Packet::Binary(chance.mutate(&packed)),
                _ => {
                    let text = chance.mutate(&texts);
                    let text = String::from_utf8_lossy(&text).replace('\u{1e}', "");
                    Packet::Text(text)
                }
            };
            attacker.try_send_all(&[packet]).await;
        }
        if session % 50 == 0 {
            nobody_minds(&mut arena, &mut neighbours).await;
        }
    }
    nobody_minds(&mut arena, &mut neighbours).await;
    arena.survives().await;
}
