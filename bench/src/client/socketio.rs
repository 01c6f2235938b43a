//! socket.io of version 5 in text: what a client writes into an engine.io
//! session of version 4, and what it finds there.
//!
//! Each request asks for an ack, and the ids of acks count from 0: an answer
//! must come through the ack of the very request that it counts.

use anyhow::{Result, bail, ensure};
use memchr::memchr;

use super::packet::{Packet, Request};

/// What opens an engine.io session over WebSocket.
pub(super) const QUERY: &str = "EIO=4&transport=websocket";

/// Joins the namespace `/`.
pub(super) const CONNECT: &[u8] = b"40";

/// One message of a server that has let the client in.
#[derive(Debug, PartialEq, Eq)]
enum Message<'a> {
    Event { name: &'a [u8], argument: &'a [u8] },
    Ack { id: u64, argument: &'a [u8] },
}

/// The event that makes `request`, to be answered through the ack `id`.
pub(super) fn event(request: Request, id: u64) -> String {
    let verb = request.verb();
    match request {
        Request::DetailsView => format!(r#"42{id}["{verb}"]"#),
        Request::RoomAdd
        | Request::Say { .. }
        | Request::Random
        | Request::Sum
        | Request::Carry => {
            format!(r#"42{id}["{verb}",{{{}}}]"#, request.members())
        }
    }
}

/// The answer to a heartbeat of engine.io, if `text` is one.
pub(super) fn pong(text: &[u8]) -> Option<Vec<u8>> {
    let data = text.strip_prefix(b"2")?;
    Some([b"3", data].concat())
}

/// Reads an answer to a request or a message of the room.
pub(super) fn read(text: &[u8]) -> Result<Packet> {
    let packet = match parse(text)? {
        Message::Ack { id, argument } => match Packet::read(argument)? {
            Packet::Response(count) if count == id + 1 => Packet::Response(count),
            Packet::Response(_) | Packet::Push(_) => bail!("not the answer to ack {id}"),
        },
        Message::Event {
            name: b"say",
            argument,
        } => match Packet::read(argument)? {
            Packet::Push(number) => Packet::Push(number),
            Packet::Response(count) => bail!("answer {count} came as an event"),
        },
        Message::Event { name, .. } => bail!("event {}", String::from_utf8_lossy(name)),
    };
    Ok(packet)
}

/// The packet within the answer to a request.
pub(super) fn answer(text: &[u8]) -> Result<&[u8]> {
    match parse(text)? {
        Message::Ack { argument, .. } => Ok(argument),
        Message::Event { .. } => unexpected(text),
    }
}

/// The packet within the event `welcome`.
pub(super) fn welcome(text: &[u8]) -> Result<&[u8]> {
    match parse(text)? {
        Message::Event {
            name: b"welcome",
            argument,
        } => Ok(argument),
        Message::Event { .. } | Message::Ack { .. } => unexpected(text),
    }
}

pub(super) fn check_connected(text: &[u8]) -> Result<()> {
    ensure!(
        text.starts_with(br#"40{"sid":""#),
        "not connected: {}",
        String::from_utf8_lossy(text)
    );
    Ok(())
}

fn parse(text: &[u8]) -> Result<Message<'_>> {
    match try_parse(text) {
        Some(message) => Ok(message),
        None => unexpected(text),
    }
}

/// Events and acks with one argument in the namespace `/`; servers announce no
/// attachments here and ask for no ack.
fn try_parse(text: &[u8]) -> Option<Message<'_>> {
    let text = text.strip_suffix(b"]")?;
    if let Some(rest) = text.strip_prefix(br#"42[""#) {
        let end = memchr(b'"', rest)?;
        let argument = rest[end..].strip_prefix(br#"","#)?;
        let name = &rest[..end];
        Some(Message::Event { name, argument })
    } else {
        let rest = text.strip_prefix(b"43")?;
        let end = memchr(b'[', rest)?;
        let id = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        let argument = &rest[end + 1..];
        Some(Message::Ack { id, argument })
    }
}

fn unexpected<T>(text: &[u8]) -> Result<T> {
    bail!("unexpected {}", String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = r#"{"messageCount":8,"status":"OK","context":"response"}"#;
    const PUSH: &str = r#"{"message":"000000000042xx","context":"user"}"#;

    #[test]
    fn requests_are_events_that_ask_for_an_ack() {
        assert_eq!(event(Request::DetailsView, 7), r#"427["detailsView"]"#);
        assert_eq!(
            event(Request::RoomAdd, 0),
            r#"420["roomAdd",{"room":"defaultRoom"}]"#
        );
    }

    #[test]
    fn answers_and_messages_of_the_room_are_read() {
        let ack = format!("437[{RESPONSE}]");
        assert_eq!(read(ack.as_bytes()).unwrap(), Packet::Response(8));
        let say = format!(r#"42["say",{PUSH}]"#);
        assert_eq!(read(say.as_bytes()).unwrap(), Packet::Push(42));
        assert_eq!(pong(b"2").unwrap(), b"3");
        assert!(pong(say.as_bytes()).is_none());
    }

    #[test]
    fn what_comes_in_another_way_than_it_must_is_an_error() {
        for text in [
            format!("436[{RESPONSE}]"),
            format!("43[{RESPONSE}]"),
            format!("437[{PUSH}]"),
            format!(r#"42["response",{RESPONSE}]"#),
            format!(r#"42["say",{RESPONSE}]"#),
            format!(r#"421["say",{PUSH}]"#),
            format!(r#"42["message",{PUSH}]"#),
            PUSH.to_owned(),
            "41".to_owned(),
            r#"44{"message":"no"}"#.to_owned(),
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(check_connected(br#"44{"message":"no"}"#).is_err());
        assert!(welcome(format!(r#"42["say",{PUSH}]"#).as_bytes()).is_err());
    }
}
