//! The requests of a session: a GET that is held, a POST that is received.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;

use super::{Form, LAST_WORDS, NOOP, Session, State};
use crate::CloseReason;
use crate::engineio::{Carrier, Fault, Misfit, Phase, Upgrade};

/// The two kinds of request that a session takes, one of each at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::polling) enum Request {
    Poll,
    Post,
}

/// A request under way. Dropping it before it is [done](Self::done) means that the client has gone.
#[derive(Debug)]
pub(in crate::polling) struct Busy {
    session: Arc<Session>,
    request: Request,
    is_done: bool,
}

impl Busy {
    /// The request will be answered.
    pub(in crate::polling) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        {
            let mut state = self.session.state.lock();
            match self.request {
                Request::Poll => {
                    state.engine.end_poll();
                    state.poll = None;
                }
                Request::Post => {
                    state.engine.end_post();
                    state.post = None;
                }
            }
        }
        if !self.is_done {
            match self.request {
                Request::Poll => self.session.lose_client(),
                Request::Post => self.session.cut(),
            }
        }
    }
}

/// Whether a client has a WebSocket, and may let go of its last requests as it likes.
fn is_moving(state: &State) -> bool {
    state.engine.carrier() == Carrier::Socket || state.engine.upgrade() == Upgrade::Probed
}

impl Session {
    /// The client has let go of its GET, or of the answer: it is gone, but for its last words.
    pub(in crate::polling) fn lose_client(self: &Arc<Self>) {
        let due = self.clock.now() + LAST_WORDS;
        {
            let mut state = self.state.lock();
            let is_open = state.engine.phase() == Phase::Open;
            if is_moving(&state) || !is_open || state.lingers_until != 0 {
                return;
            }
            state.lingers_until = due;
        }
        self.clock.schedule(self, due);
    }

    /// The client has let go of a POST: what was in it is lost, and so is all that follows.
    fn cut(&self) {
        if !is_moving(&self.state.lock()) {
            self.connection.close(CloseReason::PeerGone);
        }
    }

    /// Lets a GET or POST in, or says why not. An overlap ends the session.
    pub(in crate::polling) fn begin(self: &Arc<Self>, request: Request) -> Result<Busy, Fault> {
        self.connection.heard();
        let begun = {
            let mut state = self.state.lock();
            match request {
                // It has lost the answer to an earlier one.
                Request::Poll
                    if state.lingers_until != 0 && state.engine.phase() == Phase::Open =>
                {
                    drop(state);
                    self.end(CloseReason::PeerGone);
                    return Err(Misfit::Over.fault());
                }
                Request::Poll => state.engine.begin_poll(),
                Request::Post => state.engine.begin_post(),
            }
        };
        match begun {
            Ok(()) => Ok(Busy {
                session: Arc::clone(self),
                request,
                is_done: false,
            }),
            Err(misfit) => {
                if misfit == Misfit::Overlap {
                    let detail = match request {
                        Request::Poll => "two polls at once",
                        Request::Post => "two posts at once",
                    };
                    self.end(CloseReason::ProtocolError(detail.into()));
                }
                Err(misfit.fault())
            }
        }
    }

    /// The packets for the held GET, once there are some. `None` if the GET is to be held for a moment only, because
    /// the client is about to stop polling.
    pub(in crate::polling) fn poll_packets(
        &self,
        cx: &mut TaskContext<'_>,
        max_payload: usize,
    ) -> Poll<Option<Vec<Bytes>>> {
        let mut state = self.state.lock();
        if state.engine.carrier() == Carrier::Socket {
            // What waits is the socket's. This request is only to be let go.
            return Poll::Ready(Some(vec![self.packet(NOOP)]));
        }
        let mut packets = self.connection.take_frames(max_payload, 1);
        if state.engine.phase() != Phase::Open {
            let is_alone = packets.is_empty() || !self.speaker.closes_alone();
            if is_alone && self.connection.has_sent_all() {
                packets.push(self.packet(state.last_packet));
                state.engine.forget();
                state.left = None;
                drop(state);
                self.table.remove(self.sid);
            }
            return Poll::Ready(Some(packets));
        }
        if packets.is_empty() && state.engine.is_released() {
            packets.push(self.packet(NOOP));
        }
        if !packets.is_empty() {
            return Poll::Ready(Some(packets));
        }
        state.poll = Some(cx.waker().clone());
        match state.engine.upgrade() {
            Upgrade::Probed => Poll::Ready(None),
            Upgrade::None | Upgrade::Connected => Poll::Pending,
        }
    }

    fn packet(&self, kind: char) -> Bytes {
        Form::Polled(self.protocol).text(kind, "")
    }

    /// A packet that says nothing, for a GET that is not to be held longer.
    pub(in crate::polling) fn noop(&self) -> Vec<Bytes> {
        vec![self.packet(NOOP)]
    }

    /// Whether nothing more is to be taken from this client for now.
    pub(in crate::polling) fn is_held_up(&self) -> bool {
        self.connection.is_paused() || self.speaker.is_clogged()
    }

    /// Waits while the application does not want more from this client.
    pub(in crate::polling) fn poll_resumed(&self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        state.post = Some(cx.waker().clone());
        // A socket has a task of its own that is woken instead; one request more does no harm then.
        let is_held = state.engine.carrier() == Carrier::Polling && self.is_held_up();
        if is_held && self.connection.is_open() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}
