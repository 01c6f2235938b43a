//! engine.io: packets and payloads that are none, from a corpus and from mutations of it.

use crate::Arena;
use crate::raw::{BINARY, Raw, TEXT};
use crate::support::engineio::{Line, Opening, Packet, Request, Session, Version, binary_payload};

/// Bodies tried per decoder.
pub(crate) const TRIES: usize = 1500;

/// A generator of numbers that are the same in every run.
#[derive(Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A body made of one or two of the corpus, with a few bytes changed.
    pub(crate) fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        const TELLING: &[u8] = b"\x1e\x00\x01\x02\x04\xff0123456789:b=+/\\n&%d\"{}\xc3\xf0\x80\r\n";
        let mut body = self.pick(corpus).clone();
        for _ in 0..=self.below(4) {
            let at = self.below(body.len() + 1);
            match self.below(6) {
                0 => body.insert(at, *self.pick(TELLING)),
                1 if at < body.len() => body[at] = *self.pick(TELLING),
                2 if at < body.len() => body[at] ^= 1 << self.below(8),
                3 => body.truncate(at),
                4 => {
                    let other = self.pick(corpus);
                    let from = self.below(other.len() + 1);
                    body.splice(at..at, other[from..].iter().copied());
                }
                _ => {
                    let end = at + self.below(body.len() + 1 - at);
                    let piece = body[at..end].to_vec();
                    body.splice(at..at, piece);
                }
            }
        }
        body.truncate(4096);
        body
    }
}

/// Somebody who posts whatever to a session of its own, and opens another when that is over.
struct Attacker {
    opening: Opening,
    /// What the query of a POST holds besides.
    query: &'static str,
    content_type: &'static str,
    version: Version,
    line: Line,
    sid: Option<String>,
}

impl Attacker {
    async fn new(
        arena: &Arena,
        version: Version,
        query: &'static str,
        content_type: &'static str,
    ) -> Self {
        Self {
            line: Line::connect(arena.address()).await,
            opening: Opening::new(arena.address(), version),
            query,
            content_type,
            version,
            sid: None,
        }
    }

    /// Posts a body, which must be taken or refused in good order.
    async fn post(&mut self, body: &[u8]) {
        if self.sid.is_none() {
            // A session as any other, whatever its POSTs will be.
            self.sid = Some(self.opening.clone().session().await.sid);
        }
        let sid = self.sid.as_deref().unwrap();
        let (target, query) = (self.opening.target("polling"), self.query);
        let target = format!("{target}&sid={sid}&{query}");
        let request = Request::post(&target, body).header("Content-Type", self.content_type);
        self.line.send(&request).await;
        let reply = self.line.reply_or_cut().await;
        let what = || format!("{:?} {}", self.version, body.escape_ascii());
        let reply = reply.unwrap_or_else(|| panic!("cut by {}", what()));
        assert!(
            [200, 400, 413].contains(&reply.status),
            "{} {}",
            reply.status,
            what()
        );
        if reply.status == 200 {
            assert_eq!(reply.text(), "ok", "{}", what());
        } else {
            self.sid = None;
        }
    }
}

/// A client that polls and has nothing to do with the attack.
pub(crate) async fn neighbour(arena: &Arena) -> Session {
    Session::greeted(arena.address(), Version::V4).await
}

/// Posts the corpus as it is and then mutations of it, while others are served.
async fn fuzz(
    query: &'static str,
    version: Version,
    content_type: &'static str,
    corpus: &[Vec<u8>],
) {
    let mut arena = Arena::demo().await;
    let mut neighbour = neighbour(&arena).await;
    let mut attacker = Attacker::new(&arena, version, query, content_type).await;
    for body in corpus {
        attacker.post(body).await;
    }
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for number in 0..TRIES {
        attacker.post(&chance.mutate(corpus)).await;
        if number % 100 == 0 {
            arena.serves().await;
            neighbour.details().await;
        }
    }
    neighbour.details().await;
    arena.survives().await;
}

/// Packets that mean something, in all their forms.
fn packets() -> Vec<Packet> {
    let texts = [
        "0{\"sid\":\"x\"}",
        "1",
        "2",
        "2probe",
        "3",
        "3probe",
        "4",
        "4{\"event\":\"detailsView\"}",
        "4{\"event\":\"say\",\"room\":\"defaultRoom\",\"message\":\"€ 😀\"}",
        "4\"primus::id::\"",
        "4\"primus::pong::1\"",
        "42[\"say\",{}]",
        "4\u{2028}\\n\\\\n\n",
        "5",
        "6",
        "7",
        "9",
        "b",
        "b4",
        "b4!!!!",
    ];
    let mut packets: Vec<_> = texts.map(|text| Packet::Text(text.to_owned())).into();
    packets.extend([0, 1, 2, 3, 64].map(|length| Packet::Binary(vec![0xFE; length])));
    packets
}

/// Payloads of text: each packet alone, pairs, all of them, and what is none at all.
fn texts(version: Version) -> Vec<Vec<u8>> {
    let packets = packets();
    let mut corpus: Vec<_> = packets
        .iter()
        .map(|it| version.payload(std::slice::from_ref(it)))
        .collect();
    corpus.extend(packets.windows(2).map(|pair| version.payload(pair)));
    corpus.push(version.payload(&packets));
    let mut corpus: Vec<_> = corpus.into_iter().map(String::into_bytes).collect();
    let junk: [&[u8]; 24] = [
        b"",
        b"\0",
        b"\x1e",
        b"\x1e\x1e",
        b":",
        b"::",
        b"0:",
        b"1:",
        b"-1:4",
        b"1:4:",
        b"9:4",
        b"99999999999999999999999999:4",
        b"18446744073709551615:4",
        b"9223372036854775807:4",
        b"4294967296:4",
        b"2:4\xf0\x9f\x98\x80",
        b"3:4\xf0\x9f\x98",
        b"4\xc3",
        b"4\xed\xa0\x80",
        b"\xef\xbb\xbf4",
        b"b=",
        b"b====",
        b"bAQ==AQ==",
        b"b\xff",
    ];
    corpus.extend(junk.map(<[u8]>::to_vec));
    corpus
}

#[tokio::test]
async fn payloads_of_v4() {
    fuzz(
        "x=1",
        Version::V4,
        "text/plain;charset=UTF-8",
        &texts(Version::V4),
    )
    .await;
}

#[tokio::test]
async fn payloads_of_text_of_v3() {
    let corpus = texts(Version::V3);
    fuzz("x=1", Version::V3, "text/plain;charset=UTF-8", &corpus).await;
}

#[tokio::test]
async fn payloads_of_bytes_of_v3() {
    let packets = packets();
    let mut corpus: Vec<_> = packets
        .iter()
        .map(|it| binary_payload(std::slice::from_ref(it)))
        .collect();
    corpus.push(binary_payload(&packets));
    let junk: [&[u8]; 16] = [
        b"",
        b"\0",
        b"\x00\xff",
        b"\x00\x00\xff",
        b"\x01\xff",
        b"\x01\x00\xff",
        b"\x02\x01\xff4",
        b"\x00\x0a\xff4",
        b"\x00\xfe\xff4",
        b"\x00\x01\x01\xff4",
        b"\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4",
        b"\x01\x01\xff\x04",
        b"\x01\x01\xff\x09",
        b"\x00\x02\xff4\xff",
        b"\x00\x01\xff4\x00",
        b"4hello",
    ];
    corpus.extend(junk.map(<[u8]>::to_vec));
    fuzz("x=1", Version::V3, "application/octet-stream", &corpus).await;
}

#[tokio::test]
async fn forms_of_jsonp() {
    let mut corpus: Vec<Vec<u8>> = Vec::new();
    for text in texts(Version::V3) {
        let mut form = b"d=".to_vec();
        form.extend(form_urlencoded::byte_serialize(&text).flat_map(str::bytes));
        corpus.push(form);
    }
    let junk: [&[u8]; 18] = [
        b"",
        b"d",
        b"d=",
        b"=",
        b"&",
        b"&&&=&d",
        b"d=1:4&d=1:4",
        b"d[]=1:4",
        b"d[x]=1:4",
        b"d=%",
        b"d=%1",
        b"d=%zz",
        b"d=%00%ff",
        b"d=\\",
        b"d=\\n",
        b"d=\\\\n\\\\\\n",
        b"d=2%3A4%F0%9F%98%80",
        b"x=1&d=1%3A4&y=2",
    ];
    corpus.extend(junk.map(<[u8]>::to_vec));
    for version in Version::BOTH {
        fuzz("j=1", version, "application/x-www-form-urlencoded", &corpus).await;
    }
}

#[tokio::test]
async fn frames_of_a_socket() {
    let mut arena = Arena::demo().await;
    let mut neighbour = neighbour(&arena).await;
    let mut chance = Chance(0xD1B5_4A32_D192_ED03);
    for version in Version::BOTH {
        let corpus = texts(version);
        let target = Opening::new(arena.address(), version).target("websocket");
        for number in 0..300 {
            let mut attacker = Raw::upgraded(arena.address(), &target).await;
            for _ in 0..3 {
                let first = if number % 3 == 0 { BINARY } else { TEXT };
                let payload = chance.mutate(&corpus);
                // It may have been closed by the frame before.
                let _cut = attacker.try_write(crate::raw::frame(first, payload)).await;
            }
        }
        arena.serves().await;
        neighbour.details().await;
    }
    arena.survives().await;
}
