//! One write per connection and turn.

use std::cell::RefCell;
use std::sync::Arc;

use crate::Connection;
use crate::sync::thread_local;

thread_local! {
    /// The connections that the turn of this thread has written to; `None` outside a turn.
    static TURN: RefCell<Option<Vec<Arc<Connection>>>> = const { RefCell::new(None) };
}

/// A stretch of work on one thread whose output is written at its end: everything that the turn sends to one
/// connection leaves in one system call, made by this thread, without waking that connection's task.
///
/// A turn inside a turn is part of the outer one. Do not hold it across an `.await`: the type is not `Send`, so
/// the compiler objects in tasks that may move.
#[derive(Debug)]
#[must_use = "a turn ends when it is dropped"]
pub struct Turn {
    is_outermost: bool,
    /// Keeps the turn on its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Turn {
    /// Begins a turn.
    pub fn begin() -> Self {
        let is_outermost = TURN.with(|turn| {
            let mut turn = turn.borrow_mut();
            let is_outermost = turn.is_none();
            if is_outermost {
                *turn = Some(Vec::new());
            }
            is_outermost
        });
        Self {
            is_outermost,
            _not_send: std::marker::PhantomData,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_outermost {
            let connections = TURN.with(RefCell::take).unwrap_or_default();
            for connection in connections {
                connection.flush_turn();
            }
        }
    }
}

/// Adds a connection to this thread's turn. Returns false if there is none.
pub(crate) fn join(connection: &Arc<Connection>) -> bool {
    TURN.with(|turn| {
        let mut turn = turn.borrow_mut();
        let Some(connections) = &mut *turn else {
            return false;
        };
        connections.push(Arc::clone(connection));
        true
    })
}
