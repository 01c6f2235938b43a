//! Calls to a client that wait for its answer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::primus::{Value, WriteError};

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// It was not sent.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// [`MAX_CALLS`](super::MAX_CALLS) of the connection or channel have no answer yet. It was not sent.
    #[error("too many calls have no answer yet")]
    TooMany,
    /// The connection, or the channel, ended first. Whether the client has heard of the call is not known.
    #[error("the connection ended before the answer came")]
    Ended,
}

/// Most calls to one client, or in one of its channels, that wait for an answer: one that never answers is not to take
/// memory without end.
pub const MAX_CALLS: usize = 10_000;

/// The calls of one connection that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    is_over: bool,
}

/// One of them. It is forgotten when it is dropped: whoever gives up waiting leaves nothing behind.
#[derive(Debug)]
pub(super) struct Call {
    calls: Arc<Calls>,
    pub(super) id: u64,
    answer: oneshot::Receiver<Value>,
}

impl Calls {
    pub(super) fn begin(self: &Arc<Self>) -> Result<Call, CallError> {
        let (sender, answer) = oneshot::channel();
        let mut state = self.0.lock();
        if state.waiting.len() >= MAX_CALLS {
            return Err(CallError::TooMany);
        }
        state.last += 1;
        let id = state.last;
        if !state.is_over {
            state.waiting.insert(id, sender);
        }
        Ok(Call {
            calls: Arc::clone(self),
            id,
            answer,
        })
    }

    /// Hands in an answer. One that nobody waits for, or not any more, is dropped.
    pub(super) fn answer(&self, id: u64, value: Value) {
        let waiting = self.0.lock().waiting.remove(&id);
        if let Some(waiting) = waiting {
            let _given_up = waiting.send(value);
        }
    }

    /// Fails all of them, and those that begin later.
    pub(super) fn close(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        state.waiting.clear();
    }
}

impl Call {
    pub(super) async fn answered(mut self) -> Result<Value, CallError> {
        (&mut self.answer).await.map_err(|_closed| CallError::Ended)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.0.lock().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_gets_its_own_answer() {
        let calls = Arc::<Calls>::default();
        let (first, second) = (calls.begin().unwrap(), calls.begin().unwrap());
        calls.answer(second.id, "two".into());
        calls.answer(first.id, "one".into());
        calls.answer(99, "nobody's".into());
        assert_eq!(first.answered().await, Ok("one".into()));
        assert_eq!(second.answered().await, Ok("two".into()));
    }

    #[tokio::test]
    async fn calls_fail_when_it_is_over() {
        let calls = Arc::<Calls>::default();
        let before = calls.begin().unwrap();
        calls.close();
        let after = calls.begin().unwrap();
        assert_eq!(before.answered().await, Err(CallError::Ended));
        assert_eq!(after.answered().await, Err(CallError::Ended));
    }

    #[test]
    fn who_never_answers_is_asked_no_more() {
        let calls = Arc::<Calls>::default();
        let mut waiting: Vec<_> = (0..MAX_CALLS).map(|_| calls.begin().unwrap()).collect();
        assert_eq!(calls.begin().unwrap_err(), CallError::TooMany);
        waiting.pop();
        assert!(calls.begin().is_ok());
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let calls = Arc::<Calls>::default();
        let call = calls.begin().unwrap();
        assert_eq!(calls.0.lock().waiting.len(), 1);
        drop(call);
        assert!(calls.0.lock().waiting.is_empty());
    }
}
