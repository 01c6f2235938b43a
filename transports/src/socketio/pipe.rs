//! What waits on its way through the library: messages that it has not read, and events that it has parsed.

use std::collections::VecDeque;
use std::task::Waker;

use socketioxide_core::Value;
use tokio::io::ReadBuf;

use crate::ws::frame::Opcode;

/// Largest piece in which a message is given to the library. Its buffer has this size for as long as the session lasts.
pub(super) const FRAGMENT: usize = 498;

/// The most that a frame of a WebSocket has in front of its payload, with a mask.
pub(super) const MAX_HEADER: usize = 14;

/// Bytes at which no more is taken from the client, and half of which let it go on.
const CLOGGED: usize = 64 * 1024;

/// What a message costs besides its bytes.
const MESSAGE_COST: usize = 64;

/// Something that the library has read from the client.
#[derive(Debug)]
pub(super) enum Received {
    /// An event of `/`, and the acknowledgement that was asked for.
    Event(Value, Option<i64>),
    /// The client leaves `/`.
    Leave,
    /// The library has closed the session over what the client sent. It may read on for a while.
    Broken,
}

impl Received {
    /// How long what was said is, in bytes, without attachments.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Event(Value::Str(text, _), _) => text.len(),
            Self::Event(Value::Bytes(bytes), _) => bytes.len(),
            Self::Leave | Self::Broken => 0,
        }
    }
}

/// The state of a pipe, without its lock.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    messages: VecDeque<Message>,
    bytes: usize,
    /// How much of the first message the library has read.
    position: usize,
    /// The piece of it that is being read.
    piece: Option<Piece>,
    /// The library's task, while it waits for more.
    reader: Option<Waker>,
    /// In the order of arrival.
    pub(super) parsed: Vec<Received>,
}

#[derive(Debug)]
struct Message {
    opcode: Opcode,
    payload: Vec<u8>,
    purpose: Purpose,
}

/// What a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be let into `/`.
    Connect,
    /// Anything else.
    Other,
}

/// What was read from a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A part of a message.
    Part,
    /// The rest of one.
    Message(Purpose),
}

/// A frame of the WebSocket: a message, or a fragment of one.
#[derive(Debug)]
struct Piece {
    header: [u8; HEADER],
    header_len: usize,
    /// How much of the header was read.
    sent: usize,
    /// Where it ends in the message.
    end: usize,
}

impl Piece {
    fn new(message: &Message, start: usize) -> Self {
        let end = message.payload.len().min(start + FRAGMENT);
        let opcode = match start {
            0 => message.opcode as u8,
            _ => CONTINUATION,
        };
        let is_last = end == message.payload.len();
        let first = u8::from(is_last) << 7 | opcode;
        // Clients have to mask; with zeros nothing changes.
        let (header, header_len) = match (end - start) as u16 {
            len @ ..126 => ([first, MASKED | len as u8, 0, 0, 0, 0, 0, 0], HEADER - 2),
            len => {
                let [high, low] = len.to_be_bytes();
                ([first, MASKED | 126, high, low, 0, 0, 0, 0], HEADER)
            }
        };
        Self {
            header,
            header_len,
            sent: 0,
            end,
        }
    }
}

impl Pipe {
    /// Puts a message in, as a frame of its own.
    pub(super) fn push(&mut self, opcode: Opcode, payload: Vec<u8>, purpose: Purpose) {
        self.bytes += payload.len() + MESSAGE_COST;
        self.messages.push_back(Message {
            opcode,
            payload,
            purpose,
        });
    }

    /// Forgets the next messages, as long as nothing of them was read and `is_vain` says so of their purpose.
    pub(super) fn skip(&mut self, is_vain: impl Fn(&Purpose) -> bool) {
        while self.piece.is_none()
            && self.position == 0
            && self
                .messages
                .front()
                .is_some_and(|message| is_vain(&message.purpose))
        {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Purpose> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.payload.len() + MESSAGE_COST;
        self.position = 0;
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
        Some(message.purpose)
    }

    /// Whether the client is to wait.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > CLOGGED
    }

    /// Whether a client that waits may go on.
    pub(super) fn has_room(&self) -> bool {
        self.bytes <= CLOGGED / 2
    }

    /// Gives the library what there is room for, of one piece of one message at the most: it reads again only when it
    /// has done with that.
    pub(super) fn read(&mut self, buf: &mut ReadBuf<'_>) -> Option<Read> {
        let message = self.messages.front()?;
        let position = self.position;
        let piece = self
            .piece
            .get_or_insert_with(|| Piece::new(message, position));
        let header = &piece.header[piece.sent..piece.header_len];
        let header = &header[..header.len().min(buf.remaining())];
        buf.put_slice(header);
        piece.sent += header.len();
        let payload = &message.payload[self.position..piece.end];
        let payload = &payload[..payload.len().min(buf.remaining())];
        buf.put_slice(payload);
        self.position += payload.len();
        if piece.sent < piece.header_len || self.position < piece.end {
            return Some(Read::Part);
        }
        self.piece = None;
        if self.position < message.payload.len() {
            return Some(Read::Part);
        }
        self.pop().map(Read::Message)
    }

    /// Whether nothing waits on either side of the library, and nothing is in its hands.
    pub(super) fn is_idle(&self) -> bool {
        self.reader.is_some() && !self.has_something()
    }

    /// Whether there is something to read or to deliver.
    pub(super) fn has_something(&self) -> bool {
        !self.messages.is_empty() || !self.parsed.is_empty()
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.messages = VecDeque::new();
        self.parsed = Vec::new();
        self.bytes = 0;
        self.position = 0;
        self.piece = None;
    }

    /// Notes whom to wake.
    pub(super) fn wait(&mut self, reader: &Waker) {
        self.reader = Some(reader.clone());
    }

    /// Whom to wake, if somebody waits.
    pub(super) fn take_reader(&mut self) -> Option<Waker> {
        self.reader.take()
    }
}

/// Longest header of a piece.
const HEADER: usize = 8;

const CONTINUATION: u8 = 0;
const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Read = Read::Message(Purpose::Other);

    fn read(pipe: &mut Pipe, room: usize) -> (Vec<u8>, Read) {
        let mut space = vec![0; room];
        let mut buf = ReadBuf::new(&mut space);
        let read = pipe.read(&mut buf).unwrap();
        (buf.filled().to_vec(), read)
    }

    #[test]
    fn a_message_is_a_masked_frame() {
        let mut pipe = Pipe::default();
        pipe.push(Opcode::Text, b"40".to_vec(), Purpose::Connect);
        pipe.push(Opcode::Text, b"42".to_vec(), Purpose::Other);
        assert_eq!(
            read(&mut pipe, 100),
            (
                b"\x81\x82\0\0\0\x0040".to_vec(),
                Read::Message(Purpose::Connect)
            )
        );
        assert_eq!(read(&mut pipe, 100).1, MESSAGE);
        assert!(pipe.read(&mut ReadBuf::new(&mut [0; 100])).is_none());
    }

    #[test]
    fn a_large_one_comes_in_fragments() {
        let mut pipe = Pipe::default();
        pipe.push(Opcode::Binary, vec![7; 1000], Purpose::Other);
        let (first, part) = read(&mut pipe, 4096);
        assert_eq!(part, Read::Part);
        assert_eq!(first[..4], [0x02, 0xFE, 0x01, 0xF2]);
        assert_eq!(first.len(), 8 + FRAGMENT);
        let (head, _) = read(&mut pipe, 3);
        assert_eq!(head, [0x00, 0xFE, 0x01], "whatever there is room for");
        assert_eq!(read(&mut pipe, 4096).0.len(), 5 + FRAGMENT);
        let (last, message) = read(&mut pipe, 4096);
        assert_eq!(message, MESSAGE);
        assert_eq!(last[..2], [0x80, 0x84]);
        assert_eq!(last.len(), 6 + 1000 - 2 * FRAGMENT);
        assert!(!pipe.has_something());
    }

    #[test]
    fn what_is_vain_is_skipped_unless_it_is_under_way() {
        let mut pipe = Pipe::default();
        for _ in 0..2 {
            pipe.push(Opcode::Text, b"40".to_vec(), Purpose::Connect);
        }
        read(&mut pipe, 3);
        pipe.skip(|_| true);
        assert_eq!(pipe.messages.len(), 2);
        while read(&mut pipe, 3).1 == Read::Part {}
        pipe.skip(|purpose| *purpose == Purpose::Other);
        assert_eq!(pipe.messages.len(), 1);
        pipe.skip(|purpose| *purpose != Purpose::Other);
        assert_eq!((pipe.messages.len(), pipe.bytes), (0, 0));
    }

    #[test]
    fn a_client_waits_from_the_limit_down_to_half_of_it() {
        let mut pipe = Pipe::default();
        pipe.push(
            Opcode::Binary,
            vec![0; CLOGGED / 2 - MESSAGE_COST],
            Purpose::Other,
        );
        assert!(pipe.has_room());
        pipe.push(Opcode::Binary, vec![0; CLOGGED / 2], Purpose::Other);
        assert!(pipe.is_full() && !pipe.has_room());
        while read(&mut pipe, 4096).1 == Read::Part {
            assert!(pipe.is_full());
        }
        assert!(!pipe.is_full() && !pipe.has_room());
        while read(&mut pipe, 4096).1 == Read::Part {}
        assert!(pipe.has_room());
        pipe.clear();
        assert_eq!(pipe.bytes, 0);
    }
}
