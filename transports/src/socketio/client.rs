//! One session: between engine.io, the library and the bus.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::{Mutex, MutexGuard};
use socketioxide_core::Value;
use tokio::io::ReadBuf;

use super::dialect::{self, SocketIo};
use super::library::{Library, Parser};
use super::outlet::{self, CONNECT, DISCONNECT};
use super::pipe::{Pipe, Purpose, Read, Received};
use super::stream::Stream;
use super::{event, msgpack};
use crate::engineio::Protocol;
use crate::polling::{Form, Session, Speaker};
use crate::ws::frame::Opcode;
use crate::{CloseReason, Dialect, Handshake, IncomingPayload, Initiator, Refusal, Turn};

/// Events handed to the bus in one turn.
const BATCH: usize = 128;

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
    /// Until the bus is told of the connection.
    handshake: Mutex<Option<Box<Handshake>>>,
    state: Mutex<State>,
    is_clogged: AtomicBool,
    /// When the client has to be connected to something.
    connect_by: AtomicU64,
    /// When the attachments that were announced have to be there.
    attached_by: AtomicU64,
    /// When a namespace has to have decided.
    decide_by: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    pipe: Pipe,
    /// Attachments that were announced and have not come.
    missing: usize,
    life: Life,
    /// A namespace is deciding about the client. What follows has to wait: the library would lose track of a client that
    /// is closed meanwhile.
    is_deciding: bool,
    /// The client is in `/`.
    is_connected: bool,
    /// The other namespaces that it is in.
    namespaces: Vec<Box<str>>,
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
    /// The client has gone. What it said before is still to be delivered, and then the end.
    Leaving(Arc<Session>, CloseReason),
    /// Nothing is read or delivered any more.
    Over,
}

impl State {
    /// Gives the library a piece of what the client sent.
    fn read(&mut self, buf: &mut ReadBuf<'_>) -> Option<Read> {
        let (namespaces, is_connected) = (&self.namespaces, self.is_connected);
        let is_in = |namespace: &str| match namespace {
            "/" => is_connected,
            other => namespaces.iter().any(|name| **name == *other),
        };
        // The library would not answer.
        self.pipe
            .skip(|purpose| matches!(purpose, Purpose::Connect(name) if is_in(name)));
        let read = self.pipe.read(buf)?;
        match &read {
            Read::Message(Purpose::Connect(_)) => self.is_deciding = true,
            Read::Message(Purpose::Disconnect(name)) => {
                self.namespaces.retain(|joined| joined != name);
            }
            Read::Part | Read::Message(Purpose::Other) => {}
        }
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

    // What the library reads.

    /// Keeps an event that the library has parsed until it asks for more.
    pub(super) fn parsed(&self, received: Received) {
        self.state.lock().pipe.parsed.push(received);
    }

    /// Gives the library what the client sent. It asks only when it has parsed what it had, so this is also where the
    /// bus hears of that: in one turn for all that came together.
    pub(super) fn poll_read(&self, cx: &mut TaskContext<'_>, buf: &mut ReadBuf<'_>) -> Poll<()> {
        loop {
            let session = self.session();
            let mut state = self.state.lock();
            if state.is_deciding {
                state.pipe.wait(cx.waker());
                return Poll::Pending;
            }
            let goes_on = self.goes_on(&state, session.as_deref());
            let parsed = state.pipe.parsed.len();
            if goes_on && state.read_at.take() == Some(parsed) {
                // The last message has not become an event. If it made the library close the session, its task ends when
                // it waits; as long as it does not, it would go on reading.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let may_read = goes_on && parsed < BATCH;
            let read = may_read.then(|| state.read(buf)).flatten();
            if let Some(read) = &read {
                state.read_at = (*read != Read::Part).then_some(parsed);
                if state.is_deciding
                    && let Some(session) = &session
                {
                    self.expect_decision(session);
                }
            }
            let has_room = state.pipe.has_room() && self.is_clogged.swap(false, Ordering::AcqRel);
            if has_room && let Some(session) = &session {
                // Without the lock: whoever is woken may want it.
                drop(state);
                session.connection().wake_task();
                match read {
                    Some(_) => return Poll::Ready(()),
                    None => continue,
                }
            }
            if read.is_some() {
                return Poll::Ready(());
            }
            if goes_on && !state.pipe.parsed.is_empty() {
                self.deliver(state, session.as_ref());
                continue;
            }
            // First, so that whoever changes something from here on wakes this task again.
            state.pipe.wait(cx.waker());
            if goes_on != self.goes_on(&state, session.as_deref()) {
                continue;
            }
            return match std::mem::replace(&mut state.life, Life::Over) {
                Life::Open if session.is_some() => {
                    state.life = Life::Open;
                    Poll::Pending
                }
                Life::Leaving(session, reason) => {
                    drop(state);
                    session.report_closed(reason);
                    Poll::Ready(())
                }
                // The end, for the library too.
                Life::Open | Life::Over => Poll::Ready(()),
            };
        }
    }

    /// Whether the bus takes more of what the client said.
    fn goes_on(&self, state: &State, session: Option<&Session>) -> bool {
        match (&state.life, session) {
            (Life::Open, Some(session)) => session.is_open() && !session.connection().is_paused(),
            (Life::Leaving(..), _) => true,
            (Life::Open, None) | (Life::Over, _) => false,
        }
    }

    /// Tells the bus what was parsed. What it does not want yet stays.
    fn deliver(&self, mut state: MutexGuard<'_, State>, session: Option<&Arc<Session>>) {
        let parsed = std::mem::take(&mut state.pipe.parsed);
        state.is_delivering = true;
        let leaving = match &state.life {
            Life::Leaving(session, _) => Some(Arc::clone(session)),
            Life::Open | Life::Over => None,
        };
        drop(state);
        let mut parsed = parsed.into_iter();
        let mut tell = |session: &Arc<Session>| {
            let _turn = Turn::begin();
            while leaving.is_some() || (session.is_open() && !session.connection().is_paused()) {
                match parsed.next().map(|received| take(session, &received)) {
                    Some(Ok(())) => {}
                    Some(Err(reason)) => return Err(reason),
                    None => break,
                }
            }
            Ok(())
        };
        let told = leaving.as_ref().or(session).map_or(Ok(()), |session| {
            let told = std::panic::catch_unwind(AssertUnwindSafe(|| tell(session)));
            // The application's code: what it was told is gone, and so is this connection.
            told.unwrap_or(Err(CloseReason::Internal))
        });
        let is_let_go = {
            let mut state = self.state.lock();
            match &told {
                Ok(()) => drop(state.pipe.parsed.splice(0..0, parsed)),
                // What follows is nobody's.
                Err(_) => state.pipe.clear(),
            }
            state.is_delivering = false;
            state.is_let_go
        };
        if let Err(reason) = told {
            self.close(reason);
        }
        if is_let_go {
            self.let_go();
        }
    }

    /// The library has let go of the session. If nobody else has ended it, the client broke the rules.
    pub(super) fn let_go(&self) {
        let session = self.session();
        let mut state = self.state.lock();
        state.is_deciding = false;
        if state.is_delivering {
            // What was right before the mistake counts.
            state.is_let_go = true;
            return;
        }
        if self.goes_on(&state, session.as_deref()) && !state.pipe.parsed.is_empty() {
            state.is_let_go = true;
            return self.deliver(state, session.as_ref());
        }
        let life = std::mem::replace(&mut state.life, Life::Over);
        drop(state);
        match life {
            Life::Leaving(session, reason) => session.report_closed(reason),
            Life::Open => self.close(MAKES_NO_SENSE),
            Life::Over => {}
        }
    }

    // What the library decides.

    /// Asks the application whether the client may connect to `/`. If not, the client is told.
    pub(super) async fn admit(&self, auth: Option<&Value>) -> bool {
        let Some(session) = self.session() else {
            return false;
        };
        // There is one at a time, and none after the first that was let in.
        let handshake = self.handshake.lock().take();
        let Some(mut handshake) = handshake else {
            return false;
        };
        let Ok(auth) = read_auth(auth) else {
            session.connection().close(MAKES_NO_SENSE);
            return false;
        };
        handshake.auth = auth;
        let context = session.connection().context();
        let admit = AssertUnwindSafe(context.admit(&mut handshake));
        let admitted = admit.catch_unwind().await.unwrap_or_else(|_| {
            let status = http::StatusCode::INTERNAL_SERVER_ERROR;
            Err(Refusal::new("internal error").with_status(status))
        });
        *self.handshake.lock() = Some(handshake);
        if let Err(refusal) = &admitted {
            context.metrics.count_refusal("authorization");
            let parser = self.parser().unwrap_or(Parser::Json);
            session.connection().send_control_with(|is_linked| {
                let form = session.form(is_linked);
                dialect::refused(form, parser, self.protocol, refusal)
            });
        }
        admitted.is_ok()
    }

    /// Lets the client in, and tells the bus.
    pub(super) fn connect(&self) {
        // The application's code may panic in there, which ends the session; but that, too, waits for the decision.
        let _panicked = std::panic::catch_unwind(AssertUnwindSafe(|| self.open()));
        self.decided();
    }

    fn open(&self) {
        let handshake = self.handshake.lock().take();
        let (Some(session), Some(handshake)) = (self.session(), handshake) else {
            return;
        };
        self.has_arrived();
        let parser = self.parser().unwrap_or(Parser::Json);
        let connection = session.connection();
        connection.send_control_with(|is_linked| {
            let form = session.form(is_linked);
            dialect::connected(form, parser, self.protocol, connection.id())
        });
        session.report_opened(*handshake);
        self.state.lock().is_connected = true;
    }

    /// Keeps the time in which a namespace has to decide. Ours does in less; a handler of somebody else's may panic.
    fn expect_decision(&self, session: &Arc<Session>) {
        let limit = session.connection().context().limits.admit_timeout * 2;
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let by = session.now().saturating_add(limit);
        self.decide_by.store(by, Ordering::Relaxed);
        session.watch();
    }

    /// The session has ended while a namespace is deciding. The library is told once that has decided, because it would
    /// keep the client otherwise; or when there is no more hope for it.
    fn give_up_decision(self: &Arc<Self>, session: &Session) {
        let patience = session.connection().context().limits.admit_timeout * 2;
        let client = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            client.decided();
        });
    }

    /// The client is connected to something.
    fn has_arrived(&self) {
        self.connect_by.store(NONE, Ordering::Relaxed);
    }

    /// The client is in another namespace than `/`.
    pub(super) fn joined(&self, namespace: &str) {
        self.has_arrived();
        self.state.lock().namespaces.push(namespace.into());
    }

    /// The client has left such a namespace.
    pub(super) fn left(&self, namespace: &str) {
        let namespaces = &mut self.state.lock().namespaces;
        namespaces.retain(|name| **name != *namespace);
    }

    /// A namespace has decided about the client: what waits for that may go on.
    pub(super) fn decided(&self) {
        let reader = {
            let mut state = self.state.lock();
            state.is_deciding = false;
            self.decide_by.store(NONE, Ordering::Relaxed);
            state.pipe.take_reader()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
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

    /// The type and the namespace of a packet. Of an attachment, and of what is no packet, they mean nothing.
    fn header<'a>(&self, message: IncomingPayload<'a>) -> (u8, &'a str) {
        match message {
            IncomingPayload::Text(text) => outlet::header(text),
            IncomingPayload::Binary(bytes) => {
                let is_packet = self.parser() == Some(Parser::Msgpack);
                let header = is_packet.then(|| msgpack::header(bytes)).flatten();
                header.map_or((u8::MAX, ""), |header| (header.kind, header.namespace))
            }
        }
    }

    /// Keeps the time in which announced attachments have to come.
    fn count_attachments(
        &self,
        state: &mut State,
        message: IncomingPayload<'_>,
        session: &Arc<Session>,
    ) {
        match message {
            IncomingPayload::Text(text) => state.missing = outlet::attachments(text).0,
            IncomingPayload::Binary(_) => state.missing = state.missing.saturating_sub(1),
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

/// What is wrong with a packet that only the library has looked at.
const MAKES_NO_SENSE: CloseReason =
    CloseReason::ProtocolError(Cow::Borrowed("a packet that makes no sense here"));

/// Takes what the client said or did in `/`. The error is the end.
fn take(session: &Arc<Session>, received: &Received) -> Result<(), CloseReason> {
    match received {
        Received::Event(value, ack) => {
            event::read(value, *ack, |message| session.report_received(message))
                .map_err(|detail| CloseReason::ProtocolError(detail.into()))
        }
        Received::Leave => Err(CloseReason::PeerClosed(1000)),
        Received::Broken => Err(MAKES_NO_SENSE),
    }
}

/// What the client says of itself: an object, or nothing.
fn read_auth(auth: Option<&Value>) -> serde_json::Result<Option<serde_json::Value>> {
    let json;
    let text = match auth {
        None => return Ok(None),
        Some(Value::Str(text, _)) => &**text,
        Some(Value::Bytes(bytes)) => {
            json = msgpack::to_json(bytes).unwrap_or_default();
            if json == "null" {
                // Where the client left it out.
                return Ok(None);
            }
            &*json
        }
    };
    let auth: serde_json::Map<_, _> = serde_json::from_str(text)?;
    Ok(Some(auth.into()))
}

impl Speaker for Arc<Client> {
    fn dialect(&self, form: Form) -> &'static dyn Dialect {
        SocketIo::of(form, Parser::Json)
    }

    fn opened(&self, session: &Arc<Session>) {
        let by = session.now().saturating_add(self.connect_timeout);
        self.connect_by.store(by, Ordering::Relaxed);
        session.watch();
        let _only_once = self.session.set(Arc::downgrade(session));
        // In version 4 the server connects clients to `/` by itself, and so speaks first (§2.5).
        if self.protocol == Protocol::V3 && self.parser.set(Parser::Json).is_ok() {
            self.state.lock().is_deciding = true;
            self.expect_decision(session);
            self.begin(session, Parser::Json);
        }
    }

    fn receive(&self, session: &Arc<Session>, message: IncomingPayload<'_>) {
        let (opcode, payload, parser) = match message {
            IncomingPayload::Text(text) => {
                (Opcode::Text, [b"4", text.as_bytes()].concat(), Parser::Json)
            }
            IncomingPayload::Binary(bytes) => {
                let marker: &[u8] = match self.protocol {
                    Protocol::V4 => b"",
                    Protocol::V3 => &[4],
                };
                (Opcode::Binary, [marker, bytes].concat(), Parser::Msgpack)
            }
        };
        // Nothing is negotiated; but who speaks msgpack never sends a text.
        if self.parser.set(parser).is_ok() {
            self.begin(session, parser);
        }
        let reader = {
            let mut state = self.state.lock();
            if matches!(state.life, Life::Over) {
                return;
            }
            // Where an attachment is due, nothing else means anything.
            let is_due = state.missing > 0;
            if self.parser() == Some(Parser::Json) {
                self.count_attachments(&mut state, message, session);
            }
            let purpose = match self.header(message) {
                _ if is_due => Purpose::Other,
                (CONNECT, namespace) => Purpose::Connect(namespace.into()),
                (DISCONNECT, namespace) => Purpose::Disconnect(namespace.into()),
                _ => Purpose::Other,
            };
            state.pipe.push(opcode, payload, purpose);
            let is_clogged = state.pipe.is_full();
            self.is_clogged.store(is_clogged, Ordering::Release);
            state.pipe.take_reader()
        };
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

    fn farewell(&self, form: Form, reason: &CloseReason) -> Option<Bytes> {
        let parser = self.parser()?;
        (!reason.may_return()).then(|| dialect::disconnected(form, parser))
    }

    fn closed(&self, session: &Arc<Session>, reason: CloseReason) {
        let is_peers = reason.initiator() == Initiator::Peer;
        let reader = {
            let mut state = self.state.lock();
            let has_reader = self.parser().is_some() && !matches!(state.life, Life::Over);
            if is_peers && has_reader && !state.pipe.is_idle() {
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
