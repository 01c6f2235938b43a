//! The task of one connection: reads, answers, and says to the room what was said.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::Hall;
use super::frame::{self, Opcode, Violation};

use super::member::{Member, State};
use crate::peer::handshake::{self, Head};
use crate::peer::packets::{self, Deed, Record};

const READ_SIZE: usize = 64 * 1024;

/// What this thread needs while it handles one read: no connection has its own.
struct Turn {
    input: Box<[u8]>,
    /// Frames for the connection that is read, in their order.
    own: Vec<u8>,
    /// Frames for everyone else in the room.
    others: Vec<u8>,
}

thread_local! {
    static TURN: RefCell<Turn> = RefCell::new(Turn {
        input: vec![0; READ_SIZE].into(),
        own: Vec::new(),
        others: Vec::new(),
    });
}

#[derive(Debug)]
pub(super) struct Session {
    reader: OwnedReadHalf,
    member: Arc<Member>,
    record: Record,
    /// The beginning of a frame, or of the handshake, whose end has not come.
    partial: Vec<u8>,
    stage: Stage,
    hall: &'static Hall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Handshake,
    Open,
}

impl Session {
    pub(super) fn new(
        stream: TcpStream,
        address: std::net::SocketAddr,
        hall: &'static Hall,
    ) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader,
            member: Arc::new(Member::new(writer, hall.next_bucket())),
            record: Record::new(address),
            partial: Vec::new(),
            stage: Stage::New,
            hall,
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<State> {
        TURN.with_borrow_mut(|turn| {
            let mut read = ReadBuf::new(&mut turn.input);
            if ready!(Pin::new(&mut self.reader).poll_read(cx, &mut read)).is_err() {
                return Poll::Ready(State::Ended);
            }
            let size = read.filled().len();
            if size == 0 {
                return Poll::Ready(State::Ended);
            }
            self.member.heard();
            turn.own.clear();
            turn.others.clear();
            let was_open = self.stage == Stage::Open;
            let state = self.take_in(size, turn);
            self.flush(turn);
            if !was_open && self.stage == Stage::Open {
                // Not before its 101: a ping must not overtake that.
                self.hall.buckets[self.member.bucket].add(Arc::clone(&self.member));
            }
            Poll::Ready(state)
        })
    }

    fn take_in(&mut self, size: usize, turn: &mut Turn) -> State {
        let Turn { input, own, others } = turn;
        let input = &mut input[..size];
        let taken = if self.partial.is_empty() {
            self.handle(input, own, others).inspect(|taken| {
                self.partial.extend_from_slice(&input[*taken..]);
            })
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(input);
            self.handle(&mut bytes, own, others).inspect(|taken| {
                // A connection that waits for nothing keeps nothing.
                if *taken < bytes.len() {
                    bytes.drain(..*taken);
                    self.partial = bytes;
                }
            })
        };
        match taken {
            Some(_) => State::Open,
            None => State::Ended,
        }
    }

    /// Handles what is complete and returns how many bytes it took up, or
    /// `None` if the connection is at its end.
    fn handle(
        &mut self,
        bytes: &mut [u8],
        own: &mut Vec<u8>,
        others: &mut Vec<u8>,
    ) -> Option<usize> {
        let mut taken = 0;
        if self.stage != Stage::Open {
            match handshake::read(bytes) {
                Head::Incomplete => return Some(0),
                Head::Refused => return None,
                Head::Upgrade(length, accept) => {
                    handshake::write_answer(own, &accept);
                    frame::write_text(own, |out| out.extend_from_slice(packets::WELCOME));
                    self.stage = Stage::Open;
                    taken = length;
                }
            }
        }
        // One clock for all that came together.
        let mut now = None;
        loop {
            let frame = match frame::parse(&mut bytes[taken..]) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Some(taken),
                Err(Violation) => return None,
            };
            taken += frame.length;
            match frame.opcode {
                Opcode::Text => {
                    let text = std::str::from_utf8(frame.payload).ok()?;
                    if text.starts_with("\"primus::pong::") {
                        continue;
                    }
                    let deed = frame::write_text(own, |out| self.record.answer(text, out))?;
                    match deed {
                        Deed::Nothing => {}
                        Deed::Join => self.hall.room.add(Arc::clone(&self.member)),
                        Deed::Say(message) => {
                            let now = *now.get_or_insert_with(packets::unix_millis);
                            let start = others.len();
                            frame::write_text(others, |out| {
                                self.record.write_push(message, now, out);
                            });
                            own.extend_from_slice(&others[start..]);
                        }
                    }
                }
                Opcode::Ping => frame::write_control(own, Opcode::Pong, frame.payload),
                Opcode::Pong => {}
                Opcode::Close => {
                    frame::write_control(own, Opcode::Close, frame.payload);
                    return None;
                }
            }
        }
    }

    fn flush(&self, turn: &Turn) {
        if turn.others.is_empty() {
            if !turn.own.is_empty() {
                self.member.send(&turn.own);
            }
            return;
        }
        // Under the lock of the room, so that all members get the same order.
        for member in &*self.hall.room.entries() {
            let is_own = Arc::ptr_eq(member, &self.member);
            member.send(if is_own { &turn.own } else { &turn.others });
        }
    }
}

impl Future for Session {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.stage == Stage::New {
            self.member.be_woken(cx);
            self.stage = Stage::Handshake;
        }
        loop {
            if self.member.drain(cx) == State::Ended || ready!(self.poll_turn(cx)) == State::Ended {
                return Poll::Ready(());
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hall.room.remove(&self.member);
        self.hall.buckets[self.member.bucket].remove(&self.member);
    }
}
