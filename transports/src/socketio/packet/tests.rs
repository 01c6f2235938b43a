//! What packets are read as, and where the family of `socketioxide` reads them otherwise.

use bytes::Bytes;
use socketioxide_core::Value;
use socketioxide_core::packet::{Packet as Theirs, PacketData};
use socketioxide_core::parser::{Parse, ParseConfig, ParseError, ParserState};
use socketioxide_parser_common::CommonParser;
use socketioxide_parser_msgpack::MsgPackParser;

use super::*;
use crate::socketio::msgpack::Writer;

/// What both know of a packet: its kind, its namespace, its id and its data.
type Read = Option<(Kind, String, Option<u64>, Vec<u8>)>;

fn theirs(packet: Theirs) -> Read {
    let (kind, data, id) = match packet.inner {
        PacketData::Connect(data) => (Kind::Connect, data, None),
        PacketData::Disconnect => (Kind::Disconnect, None, None),
        PacketData::Event(data, id) | PacketData::BinaryEvent(data, id) => {
            (Kind::Event, Some(data), id)
        }
        PacketData::EventAck(data, id) | PacketData::BinaryAck(data, id) => {
            (Kind::Ack, Some(data), Some(id))
        }
        PacketData::ConnectError(_) => (Kind::ConnectError, None, None),
    };
    let data = match data {
        None => Vec::new(),
        Some(Value::Str(text, _)) => text.as_bytes().to_vec(),
        Some(Value::Bytes(bytes)) => bytes.to_vec(),
    };
    let id = id.map(i64::unsigned_abs);
    Some((kind, packet.ns.to_string(), id, data))
}

fn ours(packet: Result<Packet<'_>, &'static str>) -> Read {
    let packet = packet.ok()?;
    let data = match packet.data {
        _ if packet.kind == Kind::Disconnect => Vec::new(),
        Data::Json(text) => text.as_bytes().to_vec(),
        Data::Msgpack(bytes) => bytes.to_vec(),
    };
    let id = packet.id.filter(|_| packet.kind != Kind::Connect);
    Some((packet.kind, packet.namespace.into_owned(), id, data))
}

/// A packet by both ways; an attachment for each that is announced.
fn text_both_ways(packet: &str) -> (Read, Read) {
    let (config, state) = (ParseConfig::default(), ParserState::default());
    let mut read = CommonParser.decode_str(&config, &state, packet.to_owned().into());
    while matches!(read, Err(ParseError::NeedsMoreBinaryData)) {
        read = CommonParser.decode_bin(&config, &state, Bytes::from_static(b"x"));
    }
    (ours(Packet::from_text(packet)), read.ok().and_then(theirs))
}

fn msgpack_both_ways(packet: &[u8]) -> (Read, Read) {
    let (config, state) = (ParseConfig::default(), ParserState::default());
    let read = MsgPackParser.decode_bin(&config, &state, Bytes::copy_from_slice(packet));
    (
        ours(Packet::from_msgpack(packet)),
        read.ok().and_then(theirs),
    )
}

const ALIKE: [&str; 40] = [
    "0",
    "0{}",
    "0{\"token\":\"x\"}",
    "0/",
    "0/,",
    "0/x",
    "0/x,",
    "0/x?token=1,{}",
    "0/\u{e9},{\"\u{e9}\":1}",
    "1",
    "1/",
    "1/x,",
    "1/x",
    "2[\"e\"]",
    "27[\"e\",{}]",
    "2/x,7[\"e\"]",
    "2/x,[\"e,\"]",
    "20007[\"e\"]",
    "2[\"e\",\"\\ud83d\"]",
    "2 [\"e\"]",
    "2abc[\"e\"]",
    "2-1[\"e\"]",
    "2",
    "2/x",
    "2{}",
    "2\u{661}[\"e\"]",
    "37[]",
    "3/x,0[1,{\"a\":[]}]",
    "39223372036854775807[]",
    "50-[\"e\"]",
    "51-[\"e\",{\"_placeholder\":true,\"num\":0}]",
    "52-/x,9[\"e\"]",
    "61-3[{\"_placeholder\":true,\"num\":0}]",
    "5-[\"e\"]",
    "51[\"e\"]",
    "5x-[]",
    "599999999999999999999-[]",
    "7",
    "x",
    "",
];

#[test]
fn both_read_texts_alike() {
    for packet in ALIKE {
        let (ours, theirs) = text_both_ways(packet);
        assert_eq!(ours, theirs, "{packet}");
    }
}

#[test]
fn texts_that_only_we_read_are_what_node_reads() {
    let data = |data: &str| data.as_bytes().to_vec();
    let root = || "/".to_owned();
    for (packet, expected) in [
        // An acknowledgement without an id, which is read over.
        ("3[]", (Kind::Ack, root(), None, data("[]"))),
        ("3/x,[1]", (Kind::Ack, "/x".into(), None, data("[1]"))),
        ("60-[]", (Kind::Ack, root(), None, data("[]"))),
        // An id over 2⁶³, and one in front of a space or of what is no JSON.
        (
            "29223372036854775808[\"e\"]",
            (Kind::Event, root(), Some(1 << 63), data("[\"e\"]")),
        ),
        (
            "27 [\"e\"]",
            (Kind::Event, root(), Some(7), data(" [\"e\"]")),
        ),
        ("27\"e\"", (Kind::Event, root(), Some(7), data("\"e\""))),
        ("27", (Kind::Event, root(), Some(7), data(""))),
        ("3-1[]", (Kind::Ack, root(), None, data("-1[]"))),
        // What only servers say, which is refused later.
        ("4{}", (Kind::ConnectError, root(), None, data("{}"))),
    ] {
        let (ours, theirs) = text_both_ways(packet);
        assert_ne!(ours, theirs, "{packet}");
        assert_eq!(ours, Some(expected), "{packet}");
    }
    // Node rounds it; here it is no number.
    let (ours, theirs) = text_both_ways("299999999999999999999[\"e\"]");
    assert!(ours.is_none() && theirs.is_some());
}

fn packed(json: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.json(json);
    writer.into_bytes()
}

#[test]
fn both_read_msgpack_alike() {
    for json in [
        "{\"type\":0,\"nsp\":\"/\"}",
        "{\"type\":0,\"nsp\":\"/\",\"data\":{\"token\":\"x\"}}",
        "{\"nsp\":\"/x\",\"type\":1}",
        "{\"type\":2,\"data\":[\"e\",{\"a\":[1,-1,1.5,null,true]}],\"nsp\":\"/\",\"id\":7}",
        "{\"type\":2,\"data\":[],\"nsp\":\"/\",\"id\":null,\"more\":{\"type\":[]}}",
        "{\"type\":3,\"data\":[1],\"nsp\":\"/\",\"id\":9223372036854775807}",
        "{\"type\":5,\"data\":[\"e\"],\"nsp\":\"/\",\"id\":0}",
        "{\"type\":6,\"data\":[],\"nsp\":\"/\",\"id\":0}",
        "{\"type\":7,\"data\":[],\"nsp\":\"/\"}",
        "{\"type\":\"x\",\"nsp\":\"/\"}",
        "{\"type\":2,\"nsp\":7}",
        "{\"data\":[\"e\"],\"nsp\":\"/\"}",
        "{}",
        "[]",
        "7",
    ] {
        let packet = packed(json);
        let (ours, theirs) = msgpack_both_ways(&packet);
        assert_eq!(ours, theirs, "{json}");
        for end in 0..packet.len() {
            let (ours, theirs) = msgpack_both_ways(&packet[..end]);
            assert_eq!(ours, theirs, "{end} bytes of {json}");
        }
    }
}

#[test]
fn msgpack_that_only_we_read_is_what_npm_reads() {
    let ours = |packet: &[u8]| {
        let (ours, theirs) = msgpack_both_ways(packet);
        assert_ne!(ours, theirs, "{packet:02x?}");
        ours
    };
    for json in [
        // Acknowledgements without an id, and ids over 2⁶³.
        "{\"type\":3,\"data\":[],\"nsp\":\"/\"}",
        "{\"type\":6,\"data\":[],\"nsp\":\"/\"}",
        "{\"type\":2,\"data\":[\"e\"],\"nsp\":\"/\",\"id\":18446744073709551615}",
        // More keys than the library looks at.
        &format!("{{{}\"type\":1,\"nsp\":\"/\"}}", "\"k\":1,".repeat(20)),
        "{\"type\":4,\"data\":{},\"nsp\":\"/\"}",
    ] {
        assert!(ours(&packed(json)).is_some(), "{json}");
    }
    // Half a character, and what nests deeper than the library goes.
    let (.., data) = ours(b"\x83\xA4type\x02\xA3nsp\xA4/\xED\xA0\xBD\xA4data\x91\xA1e").unwrap();
    assert_eq!(data, b"\x91\xA1e");
    let deep = [
        &b"\x83\xA4type\x02\xA3nsp\xA1/\xA4data"[..],
        &[0x91; 100_000],
        b"\x90",
    ]
    .concat();
    assert_eq!(ours(&deep).unwrap().3.len(), 100_001);
    // An id that is none.
    for id in [&b"\xFF"[..], b"\xCB\0\0\0\0\0\0\0\0", b"\xA11"] {
        let packet = [
            &b"\x84\xA4type\x02\xA3nsp\xA1/\xA4data\x91\xA1e\xA2id"[..],
            id,
        ]
        .concat();
        assert!(Packet::from_msgpack(&packet).is_err(), "{id:02x?}");
    }
    // npm writes what is undefined as an extension; the library makes nil of it, and we read both alike.
    let undefined = ours(b"\x83\xA4type\0\xA4data\xD4\0\0\xA3nsp\xA1/").unwrap();
    assert_eq!(undefined.3, b"\xD4\0\0");
}

#[test]
fn attachments_are_counted() {
    let count = |packet| Packet::from_text(packet).unwrap().attachments;
    assert_eq!(count("52-/n,7[\"e\"]"), 2);
    assert_eq!(count("50-[\"e\"]"), 0);
    assert_eq!(count("2[\"e\"]"), 0);
}
