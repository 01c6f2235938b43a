//! One session: between engine.io, the library and the bus.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::ReadBuf;

use super::dialect::{self, SocketIo};
use super::library::{Library, Parser};
use super::outlet::{self, CONNECT};
use super::pipe::{Pipe, Purpose, Read};
use super::stream::Stream;
use super::{inlet, msgpack, nameless};
use crate::engineio::Protocol;
use crate::half::Part;
use crate::polling::{Form, Place, Session, Speaker};
use crate::primus::Controls;
use crate::ws::frame::Opcode;
use crate::{Admitted, CloseReason, Dialect, Handshake, IncomingPayload, Initiator};

mod deciding;
mod reading;

/// In place of a time: no deadline.
const NONE: u64 = u64::MAX;

/// One session's way through the library.
#[derive(Debug)]
pub(super) struct Client {
    protocol: Protocol,
    library: Arc<Library>,
    connect_timeout: u64,
    session: OnceLock<Weak<Session>>,
    /// Known when the library is given the session: with the client's first message, if that comes first.
    parser: OnceLock<Parser>,
    /// Until the client is let in.
    handshake: Mutex<Option<Box<Handshake>>>,
    /// From then on until the bus is told of the connection.
    admitted: Mutex<Option<Admitted>>,
    /// Given back when the library, too, has let go of the client.
    place: Mutex<Option<Place>>,
    state: Mutex<State>,
    is_clogged: AtomicBool,
    /// When the client has to be connected to something.
    connect_by: AtomicU64,
    /// When the attachments that were announced have to be there.
    attached_by: AtomicU64,
    /// When that has to be decided.
    decide_by: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    pipe: Pipe,
    /// Attachments that were announced and have not come.
    missing: usize,
    /// Bytes of the packet that waits for them, and of those that have come.
    gathered: usize,
    life: Life,
    /// It is being decided whether the client may connect to `/`. What follows has to wait: the library would lose track of a client that
    /// is closed meanwhile.
    is_deciding: bool,
    /// The client is in `/`.
    is_connected: bool,
    /// The bus is being told.
    is_delivering: bool,
    /// The library let go of the session meanwhile.
    is_let_go: bool,
    /// How many events had been parsed when a message was read, of which it is not known yet what became.
    read_at: Option<usize>,
}

/// How far the library's part of a session is.
#[derive(Debug, Default)]
enum Life {
    /// It has not begun, or goes on.
    #[default]
    Open,
    /// The session has ended, but not by the application's will. What the client said before is still to be delivered, and then the end.
    Leaving(Arc<Session>, CloseReason),
    /// Nothing is read or delivered any more.
    Over,
}

impl State {
    /// Gives the library a piece of what the client sent.
    fn read(&mut self, buf: &mut ReadBuf<'_>) -> Option<Read> {
        let is_connected = self.is_connected;
        // The library would not answer.
        self.pipe
            .skip(|purpose| is_connected && *purpose == Purpose::Connect);
        let read = self.pipe.read(buf)?;
        self.is_deciding = read == Read::Message(Purpose::Connect);
        Some(read)
    }
}

impl Client {
    pub(super) fn new(
        protocol: Protocol,
        handshake: Handshake,
        library: Arc<Library>,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            protocol,
            library,
            connect_timeout: u64::try_from(connect_timeout.as_millis()).unwrap_or(u64::MAX),
            session: OnceLock::new(),
            parser: OnceLock::new(),
            handshake: Mutex::new(Some(Box::new(handshake))),
            admitted: Mutex::default(),
            place: Mutex::default(),
            state: Mutex::default(),
            is_clogged: AtomicBool::new(false),
            connect_by: AtomicU64::new(NONE),
            attached_by: AtomicU64::new(NONE),
            decide_by: AtomicU64::new(NONE),
        }
    }

    pub(super) fn parser(&self) -> Option<Parser> {
        self.parser.get().copied()
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.session.get()?.upgrade()
    }

    /// Gives the session to the library.
    fn begin(self: &Arc<Self>, session: &Arc<Session>, parser: Parser) {
        if parser == Parser::Msgpack {
            session.connection().settle(SocketIo::msgpack);
        }
        let handshake = self.handshake.lock();
        self.library.open(
            parser,
            self.protocol,
            Stream::new(Arc::clone(self)),
            Arc::clone(self),
            handshake.as_deref(),
        );
    }

    /// Ends the session.
    pub(super) fn close(&self, reason: CloseReason) {
        if let Some(session) = self.session() {
            session.connection().close(reason);
        }
    }

    /// Sends a packet of another namespace.
    pub(super) fn forward(&self, encode: impl FnOnce(Form) -> Bytes) {
        if let Some(session) = self.session() {
            session
                .connection()
                .send_control_with(|is_linked| encode(session.form(is_linked)));
        }
    }

    /// A binary message as the client gets it: engine.io 3 puts its type in front.
    pub(super) fn without_marker<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        match self.protocol {
            Protocol::V3 => message.get(1..).unwrap_or_default(),
            Protocol::V4 => message,
        }
    }

    /// What the library reads in place of a message, and whether that is a packet which asks to be let into `/`. Of an
    /// attachment, and of what is no packet, that means nothing.
    fn translate(&self, message: IncomingPayload<'_>) -> (Vec<u8>, bool) {
        let is_connect = |kind: u8, namespace: &str| (kind, namespace) == (CONNECT, "/");
        let bytes = match message {
            IncomingPayload::Text(text) => {
                let (kind, namespace) = outlet::header(text);
                return (inlet::message(text), is_connect(kind, namespace));
            }
            IncomingPayload::Binary(bytes) => bytes,
        };
        let marker: &[u8] = match self.protocol {
            Protocol::V4 => b"",
            Protocol::V3 => &[4],
        };
        if self.parser() != Some(Parser::Msgpack) {
            return ([marker, bytes].concat(), false);
        }
        let mended = msgpack::mended(bytes);
        let bytes = mended.as_deref().unwrap_or(bytes);
        let Some(header) = msgpack::header(bytes) else {
            return ([marker, bytes].concat(), false);
        };
        let changed = nameless::named_msgpack(bytes, &header);
        let changed = changed.or_else(|| msgpack::shallow(bytes, &header));
        let payload = [marker, changed.as_deref().unwrap_or(bytes)].concat();
        (payload, is_connect(header.kind, header.namespace))
    }

    /// Keeps the time in which announced attachments have to come.
    fn count_attachments(
        &self,
        state: &mut State,
        message: IncomingPayload<'_>,
        session: &Arc<Session>,
    ) {
        match message {
            IncomingPayload::Text(text) => {
                state.missing = outlet::attachments(text).0;
                state.gathered = text.len();
            }
            IncomingPayload::Binary(bytes) => {
                state.missing = state.missing.saturating_sub(1);
                state.gathered = state.gathered.saturating_add(bytes.len());
            }
        }
        if state.missing == 0 {
            state.gathered = 0;
        }
        let is_new = matches!(message, IncomingPayload::Text(_));
        if state.missing == 0 {
            self.attached_by.store(NONE, Ordering::Relaxed);
        } else if is_new {
            let limit = session.connection().context().limits.receive_timeout;
            let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            let by = session.now().saturating_add(limit);
            self.attached_by.store(by, Ordering::Relaxed);
            session.watch();
        }
    }
}

impl Speaker for Arc<Client> {
    fn dialect(&self, form: Form) -> &'static dyn Dialect {
        SocketIo::of(form, Parser::Json)
    }

    fn keep(&self, place: Place) -> Option<Place> {
        *self.place.lock() = Some(place);
        None
    }

    fn opened(&self, session: &Arc<Session>) {
        let by = session.now().saturating_add(self.connect_timeout);
        self.connect_by.store(by, Ordering::Relaxed);
        session.watch();
        let _only_once = self.session.set(Arc::downgrade(session));
        // In version 4 the server connects clients to `/` by itself, and so speaks first
        // (docs/protocol/socketio.md#version-4).
        if self.protocol == Protocol::V3 && self.parser.set(Parser::Json).is_ok() {
            self.state.lock().is_deciding = true;
            self.expect_decision(session);
            self.begin(session, Parser::Json);
        }
    }

    fn receive(&self, session: &Arc<Session>, message: IncomingPayload<'_>) {
        let (opcode, parser) = match message {
            IncomingPayload::Text(_) => (Opcode::Text, Parser::Json),
            IncomingPayload::Binary(_) => (Opcode::Binary, Parser::Msgpack),
        };
        // Nothing is negotiated; but who speaks msgpack never sends a text.
        if self.parser.set(parser).is_ok() {
            self.begin(session, parser);
        }
        let (payload, is_connect) = self.translate(message);
        let (reader, gathered) = {
            let mut state = self.state.lock();
            if matches!(state.life, Life::Over) {
                return;
            }
            let before = state.gathered;
            // Where an attachment is due, nothing else means anything.
            let is_due = state.missing > 0;
            if self.parser() == Some(Parser::Json) {
                self.count_attachments(&mut state, message, session);
            }
            let purpose = match is_connect && !is_due {
                true => Purpose::Connect,
                false => Purpose::Other,
            };
            state.pipe.push(opcode, payload, purpose);
            let is_clogged = state.pipe.is_full();
            self.is_clogged.store(is_clogged, Ordering::Release);
            let is_held = state.gathered > 0 || before > 0;
            (state.pipe.take_reader(), is_held.then_some(state.gathered))
        };
        if let Some(gathered) = gathered {
            // Without the lock: this may be the end.
            session.connection().hold_half(Part::Attachments, gathered);
        }
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn is_clogged(&self) -> bool {
        self.is_clogged.load(Ordering::Acquire)
    }

    fn stir(&self) {
        let reader = {
            let mut state = self.state.lock();
            match state.pipe.has_something() {
                true => state.pipe.take_reader(),
                false => None,
            }
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn deadline(&self) -> Option<(u64, CloseReason)> {
        [
            (&self.connect_by, CloseReason::ConnectTimeout),
            (&self.decide_by, CloseReason::ConnectTimeout),
            (&self.attached_by, CloseReason::ReceiveTimeout),
        ]
        .into_iter()
        .map(|(by, reason)| (by.load(Ordering::Relaxed), reason))
        .filter(|(by, _)| *by != NONE)
        .min_by_key(|(by, _)| *by)
    }

    /// socket.io-client 4 hands packets on a moment later, and forgets them when it hears of the end before.
    fn closes_alone(&self) -> bool {
        true
    }

    fn farewell(&self, form: Form, reason: &CloseReason, _: &dyn Controls) -> Option<Bytes> {
        let parser = self.parser()?;
        (!reason.may_return()).then(|| dialect::disconnected(form, parser))
    }

    fn closed(&self, session: &Arc<Session>, reason: CloseReason) {
        *self.handshake.lock() = None;
        *self.admitted.lock() = None;
        // What was said before a mistake counts, and what was said before a good-bye.
        let may_finish = reason.initiator() != Initiator::Application;
        let reader = {
            let mut state = self.state.lock();
            let has_reader = self.parser().is_some() && !matches!(state.life, Life::Over);
            if may_finish && has_reader && !state.pipe.is_idle() {
                state.life = Life::Leaving(Arc::clone(session), reason.clone());
            } else {
                state.life = Life::Over;
                state.pipe.clear();
            }
            state.pipe.take_reader()
        };
        self.is_clogged.store(false, Ordering::Release);
        if self.state.lock().is_deciding {
            self.give_up_decision(session);
        }
        let is_over = matches!(self.state.lock().life, Life::Over);
        if let Some(reader) = reader {
            reader.wake();
        }
        if is_over {
            session.report_closed(reason);
        }
    }
}
