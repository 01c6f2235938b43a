//! Where requests begin on a socket that a decoder reads, and where their targets are.
//!
//! This is known, never guessed. A decoder is given a request's head, and nothing behind it, until it has said what follows
//! ([`Behind`]): one that hands on a request after exactly these bytes has taken the same line for the head's end. Where
//! it asks for more without a word, or does not know itself how long a body is, the knowledge is lost for good, and
//! everything passes as it came.

use std::ops::Range;

/// What follows a head that a decoder has handed on.
#[derive(Clone, Copy, Debug)]
pub struct Behind {
    /// The length of the body, if the head says it.
    pub body: Option<u64>,
    /// Whether the peer may go on in another protocol.
    pub may_switch: bool,
}

/// Follows the bytes that a decoder is given.
#[derive(Debug, Default)]
pub(super) struct Heads {
    place: Place,
    /// What is read may be something else than a request.
    is_unsure: bool,
    /// The last two bytes of the head.
    tail: [u8; 2],
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// A request, or empty lines in front of it.
    #[default]
    Start,
    Method,
    /// The target's first byte.
    Form,
    /// The target: a path with its query.
    Target,
    /// What is left of the head.
    Fields,
    /// What the decoder has to say.
    Behind,
    Body(u64),
    Lost,
}

/// What of some bytes may be given to the decoder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// So many.
    pub(super) len: usize,
    /// Where the request's target is among them, or a part of it. Nowhere if that is not known for sure, or if the target
    /// does not begin with a slash.
    pub(super) target: Range<usize>,
    /// They end with the head of a request.
    pub(super) ends_head: bool,
}

impl Heads {
    /// Looks at what was read. `said` is what the decoder has said since the last head.
    pub(super) fn follow(&mut self, read: &[u8], said: impl FnOnce() -> Option<Behind>) -> Passed {
        if self.place == Place::Behind {
            self.hear(said());
        }
        let mut at = 0;
        let mut target = 0..0;
        while at < read.len() {
            let rest = &read[at..];
            match self.place {
                Place::Start => match rest.iter().position(|byte| !b"\r\n".contains(byte)) {
                    Some(begin) => {
                        at += begin;
                        self.place = match read[at] {
                            ..=b' ' => Place::Fields,
                            _ => Place::Method,
                        };
                    }
                    None => at = read.len(),
                },
                Place::Method => {
                    at += word(rest);
                    match read.get(at) {
                        Some(b' ') => {
                            at += 1;
                            self.place = Place::Form;
                        }
                        Some(_) => self.place = Place::Fields,
                        None => {}
                    }
                }
                Place::Form if rest[0] == b'/' => self.place = Place::Target,
                Place::Form => self.place = Place::Fields,
                Place::Target => {
                    let end = at + word(rest);
                    if !self.is_unsure {
                        target = at..end;
                    }
                    at = end;
                    if at < read.len() {
                        self.place = Place::Fields;
                    }
                }
                Place::Fields => match self.end(read, at) {
                    Some(end) => {
                        self.place = Place::Behind;
                        return Passed {
                            len: end,
                            target,
                            ends_head: true,
                        };
                    }
                    None => at = read.len(),
                },
                Place::Body(left) => {
                    let take = usize::try_from(left).map_or(rest.len(), |n| n.min(rest.len()));
                    at += take;
                    self.place = match left - take as u64 {
                        0 => Place::Start,
                        left => Place::Body(left),
                    };
                }
                Place::Behind | Place::Lost => at = read.len(),
            }
        }
        if let [.., a, b] = *read {
            self.tail = [a, b];
        } else if let [only] = *read {
            self.tail = [self.tail[1], only];
        }
        Passed {
            len: read.len(),
            target,
            ends_head: false,
        }
    }

    fn hear(&mut self, said: Option<Behind>) {
        self.place = match said {
            Some(Behind { body: Some(0), .. }) => Place::Start,
            Some(Behind {
                body: Some(length), ..
            }) => Place::Body(length),
            Some(Behind { body: None, .. }) | None => Place::Lost,
        };
        // A next request will show that the socket was not given away.
        self.is_unsure = said.is_some_and(|said| said.may_switch);
    }

    /// The end of the first empty line from `from` on.
    fn end(&self, read: &[u8], from: usize) -> Option<usize> {
        let before = |at: usize, back: usize| match at.checked_sub(back) {
            Some(index) => read[index],
            None => self.tail[2 + at - back],
        };
        memchr::memchr_iter(b'\n', &read[from..])
            .map(|found| from + found)
            .find(|&at| match before(at, 1) {
                b'\n' => true,
                b'\r' => before(at, 2) == b'\n',
                _ => false,
            })
            .map(|at| at + 1)
    }
}

/// How many bytes there are before the first that is a space or a control character.
fn word(text: &[u8]) -> usize {
    let end = text.iter().position(|&byte| byte <= b' ');
    end.unwrap_or(text.len())
}
