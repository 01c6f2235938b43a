//! What the library reads of a session, and what becomes of it.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

use parking_lot::MutexGuard;
use tokio::io::ReadBuf;

use super::{Client, Life, State};
use crate::allowance::Allowance;
use crate::polling::Session;
use crate::socketio::event;
use crate::socketio::pipe::{Read, Received};
use crate::{CloseReason, Turn};

/// Events handed to the bus in one turn.
const BATCH: usize = 128;

impl Client {
    /// Keeps an event that the library has parsed until it asks for more.
    pub(in crate::socketio) fn parsed(&self, received: Received) {
        self.state.lock().pipe.parsed.push(received);
    }

    /// Gives the library what the client sent. It asks only when it has parsed what it had, so this is also where the
    /// bus hears of that: in one turn for all that came together.
    pub(in crate::socketio) fn poll_read(
        &self,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<()> {
        loop {
            let session = self.session();
            let mut state = self.state.lock();
            // Whoever is here does not wait.
            drop(state.pipe.take_reader());
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
                if self.deliver(state, session.as_ref(), Allowance::default()) {
                    // There is more: after the others of this thread.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
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

    /// Tells the bus what was parsed. What it does not want yet stays, and so does what is too much for one turn: returns
    /// whether that is so.
    fn deliver(
        &self,
        mut state: MutexGuard<'_, State>,
        session: Option<&Arc<Session>>,
        mut allowance: Allowance,
    ) -> bool {
        let parsed = std::mem::take(&mut state.pipe.parsed);
        state.is_delivering = true;
        let leaving = match &state.life {
            Life::Leaving(session, _) => Some(Arc::clone(session)),
            Life::Open | Life::Over => None,
        };
        drop(state);
        let mut parsed = parsed.into_iter();
        let mut is_used_up = false;
        let mut tell = |session: &Arc<Session>| {
            let _turn = Turn::begin();
            while leaving.is_some() || (session.is_open() && !session.connection().is_paused()) {
                let Some(received) = parsed.next() else {
                    break;
                };
                take(session, &received)?;
                // What was said before an end is told with it.
                let now = session.connection().received_at();
                if leaving.is_none() && !allowance.spend(received.len(), now) {
                    is_used_up = parsed.len() > 0;
                    break;
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
        is_used_up
    }

    /// The library has let go of the session. If nobody else has ended it, the client broke the rules.
    pub(in crate::socketio) fn let_go(&self) {
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
            // Nobody comes back for a rest.
            let _nothing_is_left = self.deliver(state, session.as_ref(), Allowance::UNLIMITED);
            return;
        }
        let life = std::mem::replace(&mut state.life, Life::Over);
        drop(state);
        match life {
            Life::Leaving(session, reason) => session.report_closed(reason),
            Life::Open => self.close(MAKES_NO_SENSE),
            Life::Over => {}
        }
    }
}

/// What is wrong with a packet that only the library has looked at.
pub(super) const MAKES_NO_SENSE: CloseReason =
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
