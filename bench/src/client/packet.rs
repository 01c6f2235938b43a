//! The Stellar packets of this benchmark, found by substring.
//!
//! Parsing JSON would cost the generator more than the floor costs a server.
//! The texts that are searched for are unambiguous here, because every message
//! in the room is the benchmark's own.

use std::borrow::Cow;
use std::sync::LazyLock;

use anyhow::{Result, bail, ensure};
use memchr::memmem::Finder;

/// A room that a Stellar server has from the start.
const ROOM: &str = "defaultRoom";

/// Digits at the start of a message: its number.
const NUMBER_WIDTH: usize = 12;

/// Bytes that `Request::Carry` takes each way.
pub(crate) const CARRIED: usize = 1_024;

const DETAILS: [&str; 9] = [
    "id",
    "fingerprint",
    "remoteIP",
    "remotePort",
    "params",
    "connectedAt",
    "rooms",
    "totalActions",
    "pendingActions",
];

static USER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""context":"user""#));
static RESPONSE: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(r#""context":"response""#));
static OK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""status":"OK""#));
/// Answers of actions have no status.
static RANDOM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#"{"number":"#));
static SUM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""formatted":"3 + 4 = 7""#));
static CACHED: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(r#""cacheTestResults":{"saveResp":true"#));
static MESSAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""message":""#));
static COUNT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""messageCount":"#));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    DetailsView,
    RoomAdd,
    /// A message of `size` bytes that begins with this number.
    Say {
        number: u64,
        size: usize,
    },
    /// An action that answers with a random number.
    Random,
    /// An action that adds two numbers by means of another action.
    Sum,
    /// An action that is given 1 KiB and answers with it.
    Carry,
}

impl Request {
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::DetailsView => "detailsView",
            Self::RoomAdd => "roomAdd",
            Self::Say { .. } => "say",
            Self::Random | Self::Sum | Self::Carry => "action",
        }
    }

    /// What goes with the verb: members of a JSON object, without its braces.
    pub(super) fn members(self) -> String {
        match self {
            Self::DetailsView => String::new(),
            Self::RoomAdd => format!(r#""room":"{ROOM}""#),
            Self::Say { number, size } => {
                let message = format!("{number:0NUMBER_WIDTH$}{:x<1$}", "", size - NUMBER_WIDTH);
                format!(r#""room":"{ROOM}","message":"{message}""#)
            }
            Self::Random => r#""params":{"action":"randomNumber"}"#.to_owned(),
            Self::Sum => r#""params":{"action":"formattedSum","a":3,"b":4}"#.to_owned(),
            Self::Carry => {
                let value = "x".repeat(CARRIED);
                format!(r#""params":{{"action":"cacheTest","key":"k","value":"{value}"}}"#)
            }
        }
    }

    /// The whole packet as JSON.
    pub(super) fn to_json(self) -> Cow<'static, str> {
        match self {
            Self::DetailsView => Cow::Borrowed(r#"{"event":"detailsView"}"#),
            Self::Random => {
                Cow::Borrowed(r#"{"event":"action","params":{"action":"randomNumber"}}"#)
            }
            Self::Sum => Cow::Borrowed(
                r#"{"event":"action","params":{"action":"formattedSum","a":3,"b":4}}"#,
            ),
            Self::RoomAdd | Self::Say { .. } | Self::Carry => {
                let (verb, members) = (self.verb(), self.members());
                Cow::Owned(format!(r#"{{"event":"{verb}",{members}}}"#))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packet {
    /// An answer with status OK and the number of its request.
    Response(u64),
    /// A message of the room and the number that `say` gave it.
    Push(u64),
}

impl Packet {
    /// Anything else (a refusal, an alert, a push without number) is an error
    /// that shows the packet.
    pub(crate) fn read(text: &[u8]) -> Result<Self> {
        let packet = if USER.find(text).is_some() {
            number_after(&MESSAGE, text).map(Self::Push)
        } else if RESPONSE.find(text).is_some()
            && [&OK, &RANDOM, &SUM, &CACHED]
                .iter()
                .any(|good| good.find(text).is_some())
        {
            number_after(&COUNT, text).map(Self::Response)
        } else {
            None
        };
        match packet {
            Some(packet) => Ok(packet),
            None => bail!("unexpected packet {}", String::from_utf8_lossy(text)),
        }
    }
}

fn number_after(label: &Finder<'_>, text: &[u8]) -> Option<u64> {
    let start = label.find(text)? + label.needle().len();
    let digits = text[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let mut number = None;
    for digit in digits {
        let sum = number.unwrap_or(0u64).checked_mul(10)?;
        number = Some(sum.checked_add(u64::from(digit - b'0'))?);
    }
    number
}

/// The answer to a heartbeat of Primus, if `text` is one.
pub(super) fn primus_pong(text: &[u8]) -> Option<Vec<u8>> {
    let number = text.strip_prefix(b"\"primus::ping::")?;
    Some([b"\"primus::pong::", number].concat())
}

pub(super) fn check_welcome(text: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(text);
    ensure!(
        text.contains(r#""welcome":"#) && text.contains(r#""context":"api""#),
        "expected the welcome, got {text}"
    );
    Ok(())
}

/// Checks the answer to a `request` that was the first of its connection.
pub(crate) fn check_first_answer(request: Request, text: &[u8]) -> Result<()> {
    ensure!(
        Packet::read(text)? == Packet::Response(1),
        "the first answer does not carry messageCount 1"
    );
    let text = String::from_utf8_lossy(text);
    match request {
        Request::DetailsView => {
            for key in DETAILS {
                ensure!(
                    text.contains(&format!("\"{key}\":")),
                    "detailsView without {key}: {text}"
                );
            }
        }
        Request::RoomAdd => ensure!(text.contains(r#""data":true"#), "room not joined: {text}"),
        Request::Say { .. } | Request::Random | Request::Sum | Request::Carry => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart_whatever_the_order_of_keys() {
        let push =
            br#"{"message":"000000000042xx","room":"r","from":"a","context":"user","sentAt":1}"#;
        assert_eq!(Packet::read(push).unwrap(), Packet::Push(42));
        let push = br#"{"context":"user","seq":9,"message":"000000000007xx"}"#;
        assert_eq!(Packet::read(push).unwrap(), Packet::Push(7));
        let response = br#"{"messageCount":12,"status":"OK","context":"response"}"#;
        assert_eq!(Packet::read(response).unwrap(), Packet::Response(12));
    }

    #[test]
    fn refusals_and_alerts_are_errors_that_show_the_packet() {
        let refusal = br#"{"status":"no","context":"response","messageCount":1}"#;
        let error = Packet::read(refusal).unwrap_err().to_string();
        assert!(error.contains(r#""status":"no""#), "{error}");
        assert!(Packet::read(br#"{"context":"alert"}"#).is_err());
        assert!(Packet::read(br#"{"context":"user","message":"hi"}"#).is_err());
    }

    #[test]
    fn a_say_is_as_long_as_it_is_asked_to_be() {
        for size in [64, 1_024] {
            let text = Request::Say { number: 3, size }.to_json();
            let message = text.split(r#""message":""#).nth(1).unwrap();
            let message = message.trim_end_matches("\"}");
            assert_eq!(message.len(), size);
            assert!(message.starts_with("000000000003x"), "{message}");
        }
    }

    #[test]
    fn answers_of_actions_are_answers() {
        let random = br#"{"number":0.25,"context":"response","messageCount":5}"#;
        assert_eq!(Packet::read(random).unwrap(), Packet::Response(5));
        let sum = br#"{"formatted":"3 + 4 = 7","context":"response","messageCount":5}"#;
        assert_eq!(Packet::read(sum).unwrap(), Packet::Response(5));
        let wrong = br#"{"formatted":"3 + 4 = 8","context":"response","messageCount":5}"#;
        assert!(Packet::read(wrong).is_err());
        let refused = br#"{"error":{"code":"007"},"context":"response","messageCount":5}"#;
        assert!(Packet::read(refused).is_err());
    }
}
