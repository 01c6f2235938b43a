//! One session: engine.io's state, the connection that the engine knows, and who waits for either.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::oneshot;

use super::clock::Clock;
use super::form::Form;
use super::speaker::Speaker;
use super::table::{Place, Sid, Table};
use crate::engineio::{self, Beat, Carrier, Misfit, Packet, Phase, Protocol, Reaction, Timing};
use crate::sync::{AtomicBool, Mutex};
use crate::{
    Admitted, CloseReason, Connection, Context, Incoming, IncomingPayload, Initiator, Payload,
    Socket,
};

mod bell;
mod request;

use self::bell::Bell;
pub(super) use self::request::Request;

/// How long a server that stops waits for a client to fetch what is left: it is between two polls, so it comes soon or
/// not at all.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// How long the last words of a client may take that has let go of its GET, in ms. A browser that leaves a page drops the
/// page's GET, and sends what the page said in the end (`navigator.sendBeacon`) by another connection, which may have
/// to be opened first.
const LAST_WORDS: u64 = 1000;

/// A session, for as long as anything is left of it.
#[derive(Debug)]
pub(crate) struct Session {
    sid: Sid,
    pub(crate) protocol: Protocol,
    /// Whether the client wants nothing binary.
    pub(super) base64: bool,
    /// What is spoken in its messages.
    speaker: Box<dyn Speaker>,
    connection: Arc<Connection>,
    state: Mutex<State>,
    /// Held while the bus is told something, because events of one connection must not overlap. Nothing that the bus
    /// calls takes it.
    reporting: Mutex<Reported>,
    /// The clock has been asked to look at this session.
    is_rung: AtomicBool,
    /// The clock looks at its deadline at each tick.
    is_watched: AtomicBool,
    close_grace: u64,
    /// How long a living client is silent at the most.
    patience: Duration,
    table: Arc<Table>,
    clock: Arc<Clock>,
    _place: Place,
}

/// What the bus knows of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reported {
    #[default]
    Nothing,
    Opened,
    Closed,
}

#[derive(Debug)]
struct State {
    engine: engineio::Session,
    /// The request that polls, and the one that posts.
    poll: Option<Waker>,
    post: Option<Waker>,
    /// When what is left will be forgotten, and before the end: when a client that has let go of its GET is taken for
    /// gone. 0 while it has not.
    lingers_until: u64,
    /// What the last answer ends with.
    last_packet: char,
    /// Dropping it ends a WebSocket that has not taken over yet.
    upgrade: Option<oneshot::Sender<()>>,
    /// Dropping it tells a server that stops that nothing is left to fetch.
    left: Option<oneshot::Sender<()>>,
}

/// What it takes to open a session.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) transport: &'static str,
    pub(super) protocol: Protocol,
    pub(super) base64: bool,
    pub(super) speaker: Box<dyn Speaker>,
    pub(super) may_upgrade: bool,
    pub(super) timing: Timing,
    pub(super) max_payload: usize,
    pub(super) close_grace: u64,
    pub(super) table: Arc<Table>,
    pub(super) clock: Arc<Clock>,
    pub(super) place: Place,
}

impl Session {
    /// Opens a session that polls, or one that has a WebSocket from the start. Returns it with the data of its open
    /// packet, which a WebSocket has been sent already.
    /// `None` if the system has no randomness to give for an id.
    pub(super) fn open(
        opening: Opening,
        socket: Option<Arc<Socket>>,
        context: &Arc<Context>,
    ) -> Option<(Arc<Self>, String)> {
        let Opening {
            transport,
            protocol,
            base64,
            speaker,
            may_upgrade,
            timing,
            max_payload,
            close_grace,
            table,
            clock,
            place,
        } = opening;
        let sid = Sid::random()?;
        let address = place.holder();
        let may_upgrade = may_upgrade && socket.is_none();
        let opened = engineio::open_packet(sid.as_str(), may_upgrade, timing, max_payload);
        let (carrier, connection) = match socket {
            None => {
                let dialect = speaker.dialect(Form::Polled(protocol));
                let connection = Connection::new(context, transport, dialect);
                (Carrier::Polling, connection)
            }
            Some(socket) => {
                let dialect = speaker.dialect(framed(protocol, base64));
                let connection = Connection::with_socket(context, transport, dialect, socket);
                (Carrier::Socket, connection)
            }
        };
        connection.set_address(address);
        let now = clock.now();
        let session = Arc::new(Self {
            sid,
            protocol,
            base64,
            speaker,
            connection,
            state: Mutex::new(State {
                engine: engineio::Session::new(protocol, carrier, timing, now),
                poll: None,
                post: None,
                lingers_until: 0,
                last_packet: CLOSE,
                upgrade: None,
                left: None,
            }),
            reporting: Mutex::default(),
            is_rung: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            close_grace,
            patience: Duration::from_millis(timing.interval + timing.timeout),
            table,
            clock,
            _place: place,
        });
        match carrier {
            Carrier::Polling => {
                let bell = Waker::from(Arc::new(Bell(Arc::downgrade(&session))));
                session.connection.register(&bell);
            }
            Carrier::Socket => session.send(OPEN, &opened),
        }
        session.table.insert(&session);
        Some((session, opened))
    }

    /// Lets it be spoken in, and begins to watch the time.
    pub(super) fn start(self: &Arc<Self>) {
        self.speaker.opened(self);
        let now = self.clock.now();
        let first = self.state.lock().engine.beat(now);
        if let Beat::Rest(due) | Beat::Ping(due) = first {
            self.clock.schedule(self, due);
        }
        // It may have been ended before the bell could ring.
        self.look();
    }

    /// Tells the bus of the session, unless it is over already. Returns whether it did.
    pub(crate) fn report_opened(&self, admitted: Admitted) -> bool {
        let guard = EndOnPanic(self);
        let is_reported = {
            let mut reported = self.reporting.lock();
            let is_new = *reported == Reported::Nothing && self.is_open();
            if is_new {
                *reported = Reported::Opened;
                self.connection.report_opened(admitted);
            }
            is_new
        };
        std::mem::forget(guard);
        is_reported
    }

    /// Tells the bus what the client said, unless it does not know of the session, or not any more.
    pub(crate) fn report_heartbeat(&self) {
        let reported = self.reporting.lock();
        if *reported == Reported::Opened {
            self.connection.report_heartbeat();
        }
    }

    pub(crate) fn report_received(&self, message: Incoming<'_>) {
        let reported = self.reporting.lock();
        if *reported == Reported::Opened {
            self.connection.report_received(message);
        }
    }

    /// Tells the bus that the session is over, if it knew of it.
    pub(crate) fn report_closed(&self, reason: CloseReason) {
        let mut reported = self.reporting.lock();
        match std::mem::replace(&mut *reported, Reported::Closed) {
            Reported::Opened => self.connection.report_closed(reason),
            // It never was a connection, and now it is not let become one.
            Reported::Nothing if reason.initiator() == Initiator::Server => {
                let metrics = &self.connection.context().metrics;
                metrics.count_refusal(reason.label());
            }
            Reported::Nothing | Reported::Closed => {}
        }
    }

    pub(super) const fn sid(&self) -> Sid {
        self.sid
    }

    pub(crate) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// What is spoken in its messages.
    pub(super) fn speaker(&self) -> &dyn Speaker {
        &*self.speaker
    }

    /// Milliseconds on the clock of all sessions.
    #[cfg(feature = "socketio")]
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// How packets look now.
    pub(crate) fn form(&self, is_linked: bool) -> Form {
        if is_linked {
            framed(self.protocol, self.base64)
        } else {
            Form::Polled(self.protocol)
        }
    }

    /// What carries the packets now.
    pub(super) fn carrier(&self) -> Carrier {
        self.state.lock().engine.carrier()
    }

    /// Whether nothing is left of it.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().engine.phase() == Phase::Over
    }

    /// Sends a packet of the protocol.
    pub(super) fn send(self: &Arc<Self>, kind: char, data: &str) {
        self.connection
            .send_control_with(|is_linked| self.form(is_linked).text(kind, data));
    }

    /// Sends a message that only this client gets.
    pub(crate) fn send_message(self: &Arc<Self>, payload: &Payload) {
        self.connection
            .send_control_with(|is_linked| self.form(is_linked).payload(payload));
    }

    /// Takes one packet from the client. Returns whether more may follow.
    pub(super) fn receive(self: &Arc<Self>, packet: &Packet<'_>) -> bool {
        if !self.is_open() {
            return false;
        }
        let message = match packet {
            Packet::Control(kind, data) => return self.control(*kind, data),
            Packet::Text(text) => IncomingPayload::Text(text),
            Packet::Binary(bytes) => IncomingPayload::Binary(bytes),
        };
        if message.len() > self.connection.context().limits.max_message {
            self.end(CloseReason::MessageTooBig);
            return false;
        }
        self.speaker.receive(self, message);
        self.is_open()
    }

    /// Whether messages go both ways.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().engine.phase() == Phase::Open && self.connection.is_open()
    }

    fn control(self: &Arc<Self>, kind: engineio::Kind, data: &str) -> bool {
        let now = self.clock.now();
        let reaction = self.state.lock().engine.receive(kind, data, now);
        match reaction {
            Reaction::None => return true,
            Reaction::Pong(data) => {
                self.send(PONG, data);
                return true;
            }
            // There are no codes in engine.io: this is an orderly end.
            Reaction::Close => self.connection.close(CloseReason::PeerClosed(1000)),
            Reaction::Error(detail) => {
                let reason = CloseReason::ProtocolError(detail.into());
                self.connection.close(reason);
            }
        }
        self.look();
        false
    }

    /// Acts on an end that somebody has asked for. A session with a socket is ended by that socket's task.
    pub(super) fn look(self: &Arc<Self>) {
        self.is_rung.store(false, Ordering::Release);
        let closing = {
            let state = self.state.lock();
            match (state.engine.carrier(), state.engine.upgrade()) {
                (Carrier::Socket, _) => None,
                // The client does not poll any more: what is left has to wait until the socket takes it.
                (Carrier::Polling, engineio::Upgrade::Probed) => {
                    self.connection.take_closing_if(|reason| !lingers(reason))
                }
                (Carrier::Polling, _) => self.connection.take_closing(),
            }
        };
        if let Some(reason) = closing {
            self.finish(reason);
        }
    }

    /// Ends the session at once.
    pub(super) fn end(self: &Arc<Self>, reason: CloseReason) {
        self.connection.close(reason);
        self.look();
    }

    /// Tells the bus of the end. The client is told by the next answer, unless the end came from its side.
    pub(super) fn finish(self: &Arc<Self>, reason: CloseReason) {
        let now = self.clock.now();
        let lingers = self.carrier() == Carrier::Polling && lingers(&reason);
        if lingers {
            let controls = &*self.connection.context().controls;
            let farewell = self.speaker.farewell(self.form(false), &reason, controls);
            if let Some(farewell) = farewell {
                self.connection.send_control(farewell);
            }
        }
        {
            let mut state = self.state.lock();
            if !state.engine.end(lingers) {
                return;
            }
            if reason.initiator() == Initiator::Peer {
                state.last_packet = NOOP;
            }
            state.lingers_until = now + self.close_grace;
            state.upgrade = None;
        }
        self.stir();
        if lingers {
            self.hold_up_a_stop();
            self.clock.schedule(self, now + self.close_grace);
        } else {
            self.table.remove(self.sid);
        }
        self.speaker.closed(self, reason);
    }

    /// Has a server that is about to stop wait for a moment, in which the client can fetch what is left.
    fn hold_up_a_stop(&self) {
        let context = self.connection.context();
        if !context.is_draining() {
            return;
        }
        let (left, fetched) = oneshot::channel::<()>();
        self.state.lock().left = Some(left);
        context.tasks.spawn(async move {
            let _either_way = tokio::time::timeout(STOP_GRACE, fetched).await;
        });
    }

    /// Wakes the requests that wait.
    fn stir(&self) {
        let (poll, post) = {
            let mut state = self.state.lock();
            (state.poll.take(), state.post.take())
        };
        for waker in [poll, post].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Acts on the time. Returns when to look again, if ever.
    pub(super) fn tick(self: &Arc<Self>, now: u64) -> Option<u64> {
        let beat = {
            let mut state = self.state.lock();
            match state.engine.phase() {
                Phase::Over => return None,
                Phase::Lingering if now < state.lingers_until => return Some(state.lingers_until),
                Phase::Lingering => {
                    state.engine.forget();
                    state.left = None;
                    drop(state);
                    self.table.remove(self.sid);
                    return None;
                }
                Phase::Open if state.lingers_until != 0 && now >= state.lingers_until => {
                    if state.engine.is_posted() {
                        return Some(now + LAST_WORDS);
                    }
                    drop(state);
                    self.connection.close(CloseReason::PeerGone);
                    return None;
                }
                Phase::Open => {
                    if state.engine.is_dead(now) && self.is_excused(&state) {
                        state.engine.excuse(now);
                    }
                    state.engine.beat(now)
                }
            }
        };
        match beat {
            Beat::Ping(due) => {
                self.send(PING, "");
                Some(due)
            }
            Beat::Rest(due) => Some(due),
            Beat::Dead => {
                // The bell rings for it: applications may take their time to hear of an end.
                self.connection.close(CloseReason::HeartbeatMissed);
                None
            }
        }
    }

    /// Has the clock look at the deadline of what is spoken at each tick, until there is none.
    #[cfg(feature = "socketio")]
    pub(crate) fn watch(self: &Arc<Self>) {
        if !self.is_watched.swap(true, Ordering::AcqRel) {
            self.clock.watch(self);
        }
    }

    /// Looks at that deadline. Returns whether to go on.
    pub(super) fn keeps_deadline(&self, now: u64) -> bool {
        match self.speaker.deadline() {
            Some((by, reason)) if now >= by => self.connection.close(reason),
            Some(_) if self.is_open() => return true,
            Some(_) | None => {}
        }
        self.is_watched.store(false, Ordering::Release);
        // It may have got another one meanwhile, and seen that it is watched.
        let is_new = self.is_open() && self.speaker.deadline().is_some();
        is_new && !self.is_watched.swap(true, Ordering::AcqRel)
    }

    /// Whether the client could not give its sign: nobody read it, or it came behind a POST that is still arriving.
    fn is_excused(&self, state: &State) -> bool {
        state.engine.is_posted() || self.connection.was_paused_within(self.patience)
    }

    /// Whether the client may still use this session. One whose time is up ends here, however late the clock is.
    pub(super) fn is_usable(self: &Arc<Self>) -> bool {
        let now = self.clock.now();
        let is_dead = {
            let state = self.state.lock();
            state.engine.phase() == Phase::Open
                && state.engine.is_dead(now)
                && !self.is_excused(&state)
        };
        if is_dead {
            self.end(CloseReason::HeartbeatMissed);
        } else if self.is_rung.load(Ordering::Acquire) {
            // Its end was asked for, by a request that was let go perhaps, and nobody has come to look yet.
            self.look();
        }
        !self.is_over()
    }

    /// A WebSocket is there that may take over. The receiver fires when the session ends before.
    pub(super) fn begin_upgrade(&self) -> Result<oneshot::Receiver<()>, Misfit> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        state.engine.begin_upgrade()?;
        state.upgrade = Some(sender);
        Ok(receiver)
    }

    /// The WebSocket has brought its probe: the held GET is let go, and from here on an end waits for the socket. An
    /// error if the session has ended before.
    pub(super) fn probe(&self) -> Result<(), Misfit> {
        {
            let mut state = self.state.lock();
            // Whoever asked for an end may not have come to it yet.
            if !self.connection.is_open() {
                return Err(Misfit::Over);
            }
            state.engine.probe()?;
        }
        self.stir();
        Ok(())
    }

    /// The WebSocket takes over: whatever waits, and all that follows, goes there.
    pub(super) fn finish_upgrade(&self, socket: Arc<Socket>) -> Result<(), Misfit> {
        {
            let mut state = self.state.lock();
            if self.connection.has_ended() {
                return Err(Misfit::Over);
            }
            state.engine.finish_upgrade()?;
            state.upgrade = None;
            let form = framed(self.protocol, self.base64);
            let dialect = self.speaker.dialect(form);
            self.connection.move_to(socket, dialect, |waiting| {
                form.translate(self.protocol, &waiting)
            });
        }
        self.stir();
        Ok(())
    }

    /// The WebSocket came to nothing.
    pub(super) fn abandon_upgrade(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            state.engine.abandon_upgrade();
            state.upgrade = None;
        }
        self.look();
    }
}

const OPEN: char = '0';
const CLOSE: char = '1';
const PING: char = '2';
const PONG: char = '3';
const NOOP: char = '6';

/// Ends a session whose opening the application did not survive.
struct EndOnPanic<'a>(&'a Session);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        self.0.connection.close(CloseReason::Internal);
    }
}

/// Whether a client can fetch what is left after an end for `reason`. One that broke the rules or is gone cannot.
fn lingers(reason: &CloseReason) -> bool {
    reason.initiator() == Initiator::Application || *reason == CloseReason::SlowConsumer
}

const fn framed(protocol: Protocol, base64: bool) -> Form {
    match base64 {
        true => Form::FramedBase64(protocol),
        false => Form::Framed(protocol),
    }
}
