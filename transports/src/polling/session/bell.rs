//! How a session learns of its connection while that has no task of its own.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use super::Session;
use crate::engineio::Carrier;

/// What the connection wakes while it has no task of its own.
pub(super) struct Bell(pub(super) Weak<Session>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let Some(session) = self.0.upgrade() else {
            return;
        };
        {
            // Under this lock, so that a socket which takes over meanwhile does not lose its own waker.
            let state = session.state.lock();
            if state.engine.carrier() == Carrier::Polling {
                session.connection.register(&Waker::from(Arc::clone(&self)));
            }
        }
        // Only now, so that what happens in between is seen.
        session.stir();
        if !session.connection.is_open() && !session.is_rung.swap(true, Ordering::AcqRel) {
            session.clock.ring(Arc::clone(&session));
        }
    }
}
