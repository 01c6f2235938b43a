//! Dialogues with the state of a client.

use http::Request;

use super::*;
use crate::Peer;

const BOUNDS: Bounds = Bounds {
    max_attachments: 2,
    max_bytes: 10,
};

fn state() -> State {
    let (parts, ()) = Request::new(()).into_parts();
    let peer = Peer::direct(([127, 0, 0, 1], 1).into(), false);
    State::new(Handshake::new("socketio", "socket.io", peer, parts))
}

/// What a client in this phase gets for a packet in JSON.
fn step(phase: Phase, protocol: Protocol, packet: &str) -> Result<Step, &'static str> {
    let mut state = state();
    state.phase = phase;
    state.step(&Packet::from_text(packet).unwrap(), protocol)
}

#[test]
fn each_phase_takes_what_belongs_to_it() {
    use Phase::{Fresh, In, Left};
    let v5 = |phase, packet| step(phase, Protocol::V4, packet);
    for (phase, packet, expected) in [
        (Fresh, "0", Step::Connect),
        (Fresh, "0/,{}", Step::Connect),
        (Fresh, "0/x,", Step::Elsewhere),
        (In, "0/x,", Step::Elsewhere),
        (In, "2[\"e\"]", Step::Event),
        (In, "51-[\"e\"]", Step::Event),
        (In, "30[]", Step::Nothing),
        (In, "3[ ]", Step::Nothing),
        (In, "1", Step::Leave),
    ] {
        assert_eq!(v5(phase, packet), Ok(expected), "{phase:?} {packet}");
    }
    for (phase, packets) in [
        (Fresh, &["1", "2[\"e\"]", "30[]", "4{}", "2/x,[\"e\"]"][..]),
        (
            In,
            &[
                "0",
                "4{}",
                "3",
                "3{}",
                "3[",
                "30[1",
                "1/x,",
                "2/x,[\"e\"]",
                "3/x,1[]",
            ],
        ),
        (Left, &["0", "1", "2[\"e\"]", "30[]"]),
    ] {
        for packet in packets {
            assert!(v5(phase, packet).is_err(), "{phase:?} {packet}");
        }
    }
    // Version 3 is connected by the server; whoever asks for it all the same asks for nothing.
    for phase in [Fresh, In] {
        assert_eq!(step(phase, Protocol::V3, "0"), Ok(Step::Nothing));
    }
}

#[test]
fn what_comes_while_it_is_being_decided_waits() {
    let mut state = state();
    let connect = Packet::from_text("0").unwrap();
    assert_eq!(state.step(&connect, Protocol::V4), Ok(Step::Connect));
    assert_eq!(state.phase, Phase::Deciding);
    assert!(!state.is_time_for(IncomingPayload::Text("2[\"a\"]")));
    state.phase = Phase::In;
    state.is_replaying = true;
    assert!(
        !state.is_time_for(IncomingPayload::Text("2[\"b\"]")),
        "behind it"
    );
    for expected in ["2[\"a\"]", "2[\"b\"]"] {
        let next = state.waiting.pop().unwrap();
        assert_eq!(next.borrow(), IncomingPayload::Text(expected));
    }
    state.is_replaying = false;
    assert!(state.is_time_for(IncomingPayload::Text("2[\"c\"]")));
    state.leave();
    assert!(!state.is_time_for(IncomingPayload::Text("2[\"d\"]")));
    assert!(state.waiting.is_empty(), "nobody waits for it");
}

/// What is left over of these messages: the packets that became whole, or the fault.
fn gather(messages: &[IncomingPayload<'_>]) -> Result<Vec<usize>, &'static str> {
    let mut state = state();
    let mut whole = Vec::new();
    for message in messages {
        match state.gather(*message, BOUNDS)? {
            Whole::Alone(_) => whole.push(0),
            Whole::Gathered(gathered) => whole.push(gathered.attachments.len()),
            Whole::Missing => {}
        }
    }
    Ok(whole)
}

#[test]
fn attachments_come_as_they_were_announced() {
    let text = IncomingPayload::Text;
    let bytes = |len: usize| IncomingPayload::Binary(&[7; 20][..len]);
    let two = text("52-[\"e\"]");
    assert_eq!(gather(&[text("0"), text("50-[\"e\"]")]), Ok(vec![0, 0]));
    assert_eq!(gather(&[two, bytes(4), bytes(6)]), Ok(vec![2]));
    assert_eq!(gather(&[two, bytes(4)]), Ok(vec![]));
    assert_eq!(
        gather(&[two, bytes(1), bytes(0), text("61-1[]"), bytes(1), text("2")]),
        Ok(vec![2, 1, 0])
    );
    for fault in [
        &[two, text("0")][..],
        &[two, bytes(1), two],
        &[two, bytes(4), bytes(7)],
        &[two, bytes(11)],
        &[text("53-[\"e\"]")],
        &[text("51[\"e\"]")],
        // Bytes that nothing announced, and a text among msgpack.
        &[text("0"), bytes(1)],
        &[bytes(1), text("0")],
    ] {
        assert!(gather(fault).is_err(), "{fault:?}");
    }
}
