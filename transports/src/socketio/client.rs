//! One session: between engine.io, the bus and the namespaces of the program.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use http::StatusCode;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;

use super::dialect::{self, SocketIo};
use super::packet::{Data, Packet, Parser};
use super::queue::Owned;
use super::state::{Bounds, NEVER, Phase, State, Step, Whole};
use super::{Shared, event, link, ms, msgpack};
use crate::engineio::Protocol;
use crate::half::Part;
use crate::polling::{Form, Session, Speaker};
use crate::primus::Controls;
use crate::{Admitted, CloseReason, Dialect, Handshake, IncomingPayload, Initiator, Refusal, Turn};

/// What is spoken in one session.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) protocol: Protocol,
    pub(super) shared: Arc<Shared>,
    pub(super) state: Mutex<State>,
    is_full: AtomicBool,
}

impl Client {
    pub(super) fn new(protocol: Protocol, handshake: Handshake, shared: Arc<Shared>) -> Self {
        Self {
            protocol,
            shared,
            state: Mutex::new(State::new(handshake)),
            is_full: AtomicBool::new(false),
        }
    }

    fn parser(&self) -> Parser {
        self.state.lock().parser.unwrap_or(Parser::Json)
    }

    /// Takes a message whose time has come.
    fn take<'a>(
        self: &'a Arc<Self>,
        session: &Arc<Session>,
        message: IncomingPayload<'_>,
        state: MutexGuard<'a, State>,
    ) {
        let taken = self.try_take(session, message, state);
        if let Err(reason) = taken {
            // What follows is nobody's.
            self.state.lock().leave();
            session.connection().close(reason);
        }
    }

    fn try_take<'a>(
        self: &'a Arc<Self>,
        session: &Arc<Session>,
        message: IncomingPayload<'_>,
        mut state: MutexGuard<'a, State>,
    ) -> Result<(), CloseReason> {
        let limits = &session.connection().context().limits;
        let bounds = Bounds {
            max_attachments: self.shared.max_attachments,
            max_bytes: limits.max_message,
        };
        let (is_first, was_gathering) = (state.parser.is_none(), state.gathering.is_some());
        let whole = state.gather(message, bounds).map_err(fault)?;
        let held = state.gathering.as_ref().map(|gathering| gathering.held());
        if was_gathering || held.is_some() {
            state.attached_by = match held {
                None => NEVER,
                Some(_) if was_gathering => state.attached_by,
                Some(_) => session.now().saturating_add(ms(limits.receive_timeout)),
            };
            drop(state);
            if !was_gathering {
                session.watch();
            }
            // Without the lock: this may be the end.
            let held = held.unwrap_or_default();
            session.connection().hold_half(Part::Attachments, held);
            state = self.state.lock();
        }
        match whole {
            Whole::Missing => Ok(()),
            Whole::Gathered(gathered) => {
                let packet = Packet::from_text(&gathered.text).map_err(fault)?;
                let step = state.step(&packet, self.protocol).map_err(fault)?;
                drop(state);
                let message = IncomingPayload::Text(&gathered.text);
                self.act(session, step, &packet, message, &gathered.attachments)
            }
            Whole::Alone(packet) => {
                let step = state.step(&packet, self.protocol).map_err(fault)?;
                let parser = state.parser;
                drop(state);
                if is_first && parser == Some(Parser::Msgpack) {
                    session.connection().settle(SocketIo::msgpack);
                }
                self.act(session, step, &packet, message, &[])
            }
        }
    }

    /// Does what a packet asks for.
    fn act(
        self: &Arc<Self>,
        session: &Arc<Session>,
        step: Step,
        packet: &Packet<'_>,
        message: IncomingPayload<'_>,
        attachments: &[Bytes],
    ) -> Result<(), CloseReason> {
        match step {
            Step::Nothing => Ok(()),
            Step::Leave => Err(CloseReason::PeerClosed(1000)),
            Step::Event => event::read(packet.data, attachments, packet.id, |message| {
                session.report_received(message);
            })
            .map_err(fault),
            Step::Connect => {
                let auth = read_auth(packet.data).map_err(fault)?;
                self.ask(session, auth);
                Ok(())
            }
            Step::Elsewhere => {
                link::pass(self, session, packet, message, attachments).map_err(fault)
            }
        }
    }

    /// Asks the application whether the client may connect to `/`.
    fn ask(self: &Arc<Self>, session: &Arc<Session>, auth: Option<Value>) {
        // Each try begins anew: nothing stays of what a refused one made the application note.
        let handshake = self.state.lock().handshake.as_deref().cloned();
        let Some(mut handshake) = handshake else {
            return;
        };
        handshake.auth = auth;
        let context = Arc::clone(session.connection().context());
        let mut asked = Box::pin(async move {
            context.turnstile.turn().await;
            let admit = AssertUnwindSafe(context.admit(handshake));
            admit.catch_unwind().await.unwrap_or_else(|_| {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Err(Refusal::new("internal error").with_status(status))
            })
        });
        // Most applications know at once.
        if let Some(admitted) = (&mut asked).now_or_never() {
            return self.decided(session, admitted);
        }
        let (client, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            let admitted = asked.await;
            let _turn = Turn::begin();
            client.decided(&session, admitted);
        });
    }

    /// Tells the client and the bus what was decided, and takes what has waited for it.
    fn decided(self: &Arc<Self>, session: &Arc<Session>, admitted: Result<Admitted, Refusal>) {
        let parser = self.parser();
        let connection = session.connection();
        let phase = match admitted {
            _ if !session.is_open() => Phase::Left,
            Ok(admitted) => {
                {
                    let mut state = self.state.lock();
                    state.connect_by = NEVER;
                    if self.shared.library.is_none() {
                        state.handshake = None;
                    }
                }
                let chosen = admitted.handshake().id.clone();
                let id = chosen.unwrap_or_else(|| connection.id().to_string());
                self.send(session, |form| {
                    dialect::connected(form, parser, self.protocol, &id)
                });
                session.report_opened(admitted);
                Phase::In
            }
            Err(refusal) => {
                self.send(session, |form| {
                    dialect::refused(form, parser, self.protocol, &refusal)
                });
                Phase::Fresh
            }
        };
        {
            let mut state = self.state.lock();
            // The session may have ended meanwhile.
            if state.phase == Phase::Deciding {
                state.phase = phase;
            }
            if state.is_replaying || state.waiting.is_empty() {
                return;
            }
            state.is_replaying = true;
        }
        self.replay(session);
    }

    /// Takes what has waited, until it is being decided about the client again.
    fn replay(self: &Arc<Self>, session: &Arc<Session>) {
        let replayed = std::panic::catch_unwind(AssertUnwindSafe(|| {
            while let Some(message) = self.next_waiting(session) {
                self.take(session, message.borrow(), self.state.lock());
            }
        }));
        if replayed.is_err() {
            // The application's code: what it was told is gone, and so is this connection.
            self.state.lock().leave();
            session.connection().close(CloseReason::Internal);
            let _nothing = self.next_waiting(session);
        }
    }

    /// The next of what waits. With the last, the session's end is told, if that has come.
    fn next_waiting(&self, session: &Arc<Session>) -> Option<Owned> {
        let leaving = {
            let mut state = self.state.lock();
            let next = match state.phase {
                Phase::Fresh | Phase::In => state.waiting.pop(),
                Phase::Deciding | Phase::Left => None,
            };
            if next.is_some() {
                drop(state);
                self.make_room(session);
                return next;
            }
            state.is_replaying = false;
            let leaving = state.leaving.take();
            if leaving.is_some() {
                state.leave();
            }
            leaving
        };
        self.make_room(session);
        if let Some(reason) = leaving {
            session.report_closed(reason);
        }
        None
    }

    /// Lets a client go on that had to wait, if it may.
    pub(super) fn make_room(&self, session: &Session) {
        let has_room = self.is_full.load(Ordering::Acquire) && self.state.lock().has_room();
        if has_room && self.is_full.swap(false, Ordering::AcqRel) {
            session.connection().wake_task();
        }
    }

    /// Notes whether the client has to wait.
    pub(super) fn note_room(&self, state: &State) {
        if state.is_full() {
            self.is_full.store(true, Ordering::Release);
        }
    }

    /// Sends a packet that only this client gets.
    pub(super) fn send(&self, session: &Session, encode: impl FnOnce(Form) -> Bytes) {
        let connection = session.connection();
        connection.send_control_with(|is_linked| encode(session.form(is_linked)));
    }
}

impl Speaker for Arc<Client> {
    fn dialect(&self, form: Form) -> &'static dyn Dialect {
        SocketIo::of(form, Parser::Json)
    }

    fn opened(&self, session: &Arc<Session>) {
        let by = session.now().saturating_add(self.shared.connect_timeout);
        // In version 4 the server connects clients to `/` by itself, and so speaks first
        // (docs/protocol/socketio.md#version-4).
        let speaks_first = self.protocol == Protocol::V3;
        {
            let mut state = self.state.lock();
            state.connect_by = by;
            if speaks_first {
                state.parser = Some(Parser::Json);
                state.phase = Phase::Deciding;
            }
        }
        session.watch();
        if speaks_first {
            self.ask(session, None);
        }
    }

    fn receive(&self, session: &Arc<Session>, message: IncomingPayload<'_>) {
        let mut state = self.state.lock();
        if state.is_time_for(message) {
            self.take(session, message, state);
        } else {
            self.note_room(&state);
        }
    }

    fn is_clogged(&self) -> bool {
        self.is_full.load(Ordering::Acquire)
    }

    fn deadline(&self) -> Option<(u64, CloseReason)> {
        let state = self.state.lock();
        let (by, reason) = match state.attached_by < state.connect_by {
            true => (state.attached_by, CloseReason::ReceiveTimeout),
            false => (state.connect_by, CloseReason::ConnectTimeout),
        };
        (by != NEVER).then_some((by, reason))
    }

    /// socket.io-client 4 hands packets on a moment later, and forgets them when it hears of the end before.
    fn closes_alone(&self) -> bool {
        true
    }

    fn farewell(&self, form: Form, reason: &CloseReason, _: &dyn Controls) -> Option<Bytes> {
        let parser = self.state.lock().parser?;
        (!reason.may_return()).then(|| dialect::disconnected(form, parser))
    }

    fn closed(&self, session: &Arc<Session>, reason: CloseReason) {
        // What was said before a mistake counts, and what was said before a good-bye.
        let may_finish = reason.initiator() != Initiator::Application;
        {
            let mut state = self.state.lock();
            if let Some(link) = &mut state.link {
                link.end();
            }
            if state.is_replaying && may_finish {
                state.leaving = Some(reason);
                return;
            }
            state.leave();
        }
        self.is_full.store(false, Ordering::Release);
        session.report_closed(reason);
    }
}

fn fault(detail: &'static str) -> CloseReason {
    CloseReason::ProtocolError(detail.into())
}

/// What the client says of itself: an object, or nothing.
pub(super) fn read_auth(data: Data<'_>) -> Result<Option<Value>, &'static str> {
    const NO_AUTH: &str = "what a client says of itself is no object";
    let json;
    let text = match data {
        Data::Json("") => return Ok(None),
        Data::Json(text) => text,
        Data::Msgpack([]) => return Ok(None),
        Data::Msgpack(bytes) => {
            json = msgpack::to_json(bytes).map_err(|_| NO_AUTH)?;
            if json == "null" {
                // Where the client left it out.
                return Ok(None);
            }
            &*json
        }
    };
    let auth: serde_json::Map<_, _> = crate::json::from_str(text).map_err(|_| NO_AUTH)?;
    Ok(Some(auth.into()))
}
