//! The Stellar packets that the Rust peers on plain WebSocket speak: only what
//! the benchmark needs, written without a serializer.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::envelope::{Envelope, member};

pub(super) const WELCOME: &[u8] =
    br#"{"welcome":"Hello human! Welcome to Stellar","context":"api"}"#;

/// The one room, as JSON.
const ROOM: &str = r#""defaultRoom""#;

/// What a server keeps of one open connection.
#[derive(Debug)]
pub(super) struct Record {
    id: Uuid,
    address: SocketAddr,
    connected_at: u64,
    message_count: u64,
    is_member: bool,
}

/// What a server does besides answering.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed<'a> {
    Nothing,
    Join,
    /// Sends everyone in the room what `Record::push` writes of this message.
    Say(&'a str),
}

impl Record {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            id: Uuid::new_v4(),
            address,
            connected_at: unix_millis(),
            message_count: 0,
            is_member: false,
        }
    }

    /// Appends the answer to one packet to `out`, or returns `None` if it is no
    /// packet.
    pub(super) fn answer<'a>(&mut self, text: &'a str, out: &mut Vec<u8>) -> Option<Deed<'a>> {
        let packet = Envelope::read(text)?;
        self.message_count += 1;
        match packet.event {
            r#""detailsView""# => {
                out.extend_from_slice(br#"{"status":"OK","context":"response","data":"#);
                self.write_details(out);
            }
            r#""roomAdd""# if packet.room == ROOM => {
                let deed = if self.is_member {
                    Deed::Nothing
                } else {
                    Deed::Join
                };
                self.is_member = true;
                out.extend_from_slice(br#"{"status":"OK","context":"response","data":true"#);
                self.close_answer(out);
                return Some(deed);
            }
            r#""say""# if packet.room == ROOM && self.is_member => {
                out.extend_from_slice(br#"{"status":"OK","context":"response""#);
                self.close_answer(out);
                return Some(Deed::Say(packet.message));
            }
            r#""action""# => act(packet.params, self.message_count, out),
            _ => out.extend_from_slice(br#"{"status":"refused","context":"response""#),
        }
        self.close_answer(out);
        Some(Deed::Nothing)
    }

    fn close_answer(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","messageCount":"#);
        write_number(out, self.message_count);
        out.push(b'}');
    }

    fn write_details(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"id":""#);
        self.write_id(out);
        out.extend_from_slice(br#"","fingerprint":null,"remoteIP":""#);
        write_ip(out, self.address.ip());
        out.extend_from_slice(br#"","remotePort":"#);
        write_number(out, u64::from(self.address.port()));
        out.extend_from_slice(br#","params":{},"connectedAt":"#);
        write_number(out, self.connected_at);
        out.extend_from_slice(br#","rooms":["#);
        if self.is_member {
            out.extend_from_slice(ROOM.as_bytes());
        }
        out.extend_from_slice(br#"],"totalActions":0,"pendingActions":0}"#);
    }

    fn write_id(&self, out: &mut Vec<u8>) {
        let mut id = Uuid::encode_buffer();
        out.extend_from_slice(self.id.hyphenated().encode_lower(&mut id).as_bytes());
    }

    /// Appends what everyone in the room gets of a message that this one says.
    pub(super) fn write_push(&self, message: &str, sent_at: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"message":"#);
        out.extend_from_slice(message.as_bytes());
        out.extend_from_slice(br#","room":"#);
        out.extend_from_slice(ROOM.as_bytes());
        out.extend_from_slice(br#","from":""#);
        self.write_id(out);
        out.extend_from_slice(br#"","context":"user","sentAt":"#);
        write_number(out, sent_at);
        out.push(b'}');
    }
}

/// The actions of the demo that the benchmark calls.
fn act(params: &str, count: u64, out: &mut Vec<u8>) {
    let number = |key| member(params, key)?.parse::<i64>().ok();
    match member(params, "action") {
        Some(r#""randomNumber""#) => {
            // The least: an odd multiplier spreads the count over all bits, of which a double holds 53.
            let bits = count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
            let number = bits as f64 / (1_u64 << 53) as f64;
            let _infallible = write!(out, r#"{{"number":{number},"context":"response""#);
            return;
        }
        Some(r#""formattedSum""#) => {
            if let (Some(a), Some(b)) = (number("a"), number("b"))
                && let Some(sum) = a.checked_add(b)
            {
                out.extend_from_slice(br#"{"formatted":""#);
                write_signed(out, a);
                out.extend_from_slice(b" + ");
                write_signed(out, b);
                out.extend_from_slice(b" = ");
                write_signed(out, sum);
                out.extend_from_slice(br#"","context":"response""#);
                return;
            }
        }
        Some(r#""cacheTest""#) => {
            if let (Some(key), Some(value)) = (member(params, "key"), member(params, "value")) {
                let now = unix_millis();
                let _infallible = write!(
                    out,
                    r#"{{"cacheTestResults":{{"saveResp":true,"sizeResp":1,"loadResp":{{"key":{key},"value":{value},"expireTimestamp":null,"createdAt":{now},"readAt":null}},"deleteResp":true}},"context":"response""#
                );
                return;
            }
        }
        _ => {}
    }
    out.extend_from_slice(br#"{"error":"unknown action","context":"response""#);
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn write_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    write_number(out, number.unsigned_abs());
}

/// The formatter of the standard library would be a tenth of an answer.
fn write_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            let [first, rest @ ..] = ip.octets();
            write_number(out, u64::from(first));
            for octet in rest {
                out.push(b'.');
                write_number(out, u64::from(octet));
            }
        }
        IpAddr::V6(ip) => {
            let _infallible = write!(out, "{ip}");
        }
    }
}

pub(super) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn answered(record: &mut Record, text: &str) -> String {
        let mut out = Vec::new();
        record.answer(text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn packets_are_answered_and_counted() {
        let mut record = Record::new((Ipv4Addr::LOCALHOST, 7).into());
        let refused = answered(&mut record, r#"{"event":"say","room":"defaultRoom"}"#);
        assert!(refused.contains(r#""status":"refused""#), "{refused}");
        let join = r#"{"event":"roomAdd","room":"defaultRoom"}"#;
        assert_eq!(
            answered(&mut record, join),
            r#"{"status":"OK","context":"response","data":true,"messageCount":2}"#
        );
        let details = answered(&mut record, r#"{"event":"detailsView"}"#);
        assert!(details.contains(r#""rooms":["defaultRoom"]"#), "{details}");
        assert!(details.contains(r#""remoteIP":"127.0.0.1""#), "{details}");
        let mut out = Vec::new();
        let say = r#"{"event":"say","room":"defaultRoom","message":"a"}"#;
        assert_eq!(record.answer(say, &mut out), Some(Deed::Say(r#""a""#)));
        assert_eq!(record.answer("x", &mut out), None);
    }

    #[test]
    fn actions_are_answered() {
        let mut record = Record::new((Ipv4Addr::LOCALHOST, 7).into());
        let random = r#"{"event":"action","params":{"action":"randomNumber"}}"#;
        let random = answered(&mut record, random);
        assert!(random.starts_with(r#"{"number":0."#), "{random}");
        assert!(
            random.ends_with(r#","context":"response","messageCount":1}"#),
            "{random}"
        );
        let sum = r#"{"event":"action","params":{"action":"formattedSum","a":3,"b":-4}}"#;
        assert_eq!(
            answered(&mut record, sum),
            r#"{"formatted":"3 + -4 = -1","context":"response","messageCount":2}"#
        );
        let echo = r#"{"event":"action","params":{"action":"cacheTest","key":"k","value":"v"}}"#;
        assert!(answered(&mut record, echo).contains(r#""value":"v""#));
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 9, 10, u64::MAX] {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
