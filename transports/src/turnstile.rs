//! The turnstile: those who come are let through a few at a time, and in between everybody who is there has a turn.
//!
//! A runtime's threads take tasks in the order in which they became ready. Of thousands of handshakes that are ready at
//! once each takes little, but who is connected would wait for all of them. So a handshake asks for a turn before each of its
//! stages that cost something. What waits for the network has no turn, so slow peers are in nobody's way.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Turns before others have theirs: half a millisecond of two threads.
const AT_ONCE: usize = 8;

/// After this time the threads have surely come to the others.
const ROUND: Duration = Duration::from_millis(1);

/// Gives turns, first come, first served. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Turnstile(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    /// When a round began that nobody has had to wait in, and how many turns there were in it.
    began: Option<Instant>,
    passed: usize,
    waiting: VecDeque<Waker>,
    /// How many of those who had to wait have been called: the number of the first that waits.
    called: u64,
    /// There is a task that calls them.
    is_kept: bool,
}

impl Turnstile {
    /// Waits for a turn: what the task does from then on until it next waits for something.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn turn(&self) {
        let mut number = None;
        poll_fn(|cx| self.poll_turn(&mut number, cx)).await;
    }

    fn poll_turn(&self, number: &mut Option<u64>, cx: &TaskContext<'_>) -> Poll<()> {
        let mut queue = self.0.lock();
        if let Some(number) = *number {
            let Some(place) = number.checked_sub(queue.called) else {
                return Poll::Ready(());
            };
            if let Some(waker) = queue.waiting.get_mut(place as usize) {
                waker.clone_from(cx.waker());
            }
            return Poll::Pending;
        }
        if queue.takes_one_more() {
            return Poll::Ready(());
        }
        *number = Some(queue.called + queue.waiting.len() as u64);
        queue.waiting.push_back(cx.waker().clone());
        let has_keeper = std::mem::replace(&mut queue.is_kept, true);
        // A runtime that is about to end drops the keeper at once, and that takes the lock.
        drop(queue);
        if !has_keeper {
            tokio::spawn(Keeper(self.clone()).keep());
        }
        Poll::Pending
    }
}

impl Queue {
    /// Without waiting.
    fn takes_one_more(&mut self) -> bool {
        if self.is_kept {
            return false;
        }
        let now = Instant::now();
        if self.began.is_none_or(|began| now - began >= ROUND) {
            self.began = Some(now);
            self.passed = 0;
        }
        self.passed += 1;
        self.passed <= AT_ONCE
    }

    fn call(&mut self, most: usize) -> Vec<Waker> {
        let count = self.waiting.len().min(most);
        self.called += count as u64;
        self.waiting.drain(..count).collect()
    }
}

/// Whoever calls those who wait, until nobody does.
struct Keeper(Turnstile);

impl Keeper {
    async fn keep(self) {
        loop {
            // The runtime comes back to it when everything that is ready has had its turn, and the sockets were looked at.
            tokio::task::yield_now().await;
            let called = {
                let mut queue = self.0.0.lock();
                if queue.waiting.is_empty() {
                    return;
                }
                queue.call(AT_ONCE)
            };
            called.into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Keeper {
    /// Done, or its runtime ends and others may go on.
    fn drop(&mut self) {
        let called = {
            let mut queue = self.0.0.lock();
            let called = queue.call(usize::MAX);
            // The memory of the longest queue.
            queue.waiting = VecDeque::new();
            queue.is_kept = false;
            queue.began = None;
            called
        };
        called.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;

    use super::*;

    type Log = Arc<Mutex<Vec<Option<usize>>>>;

    fn come(turnstile: &Turnstile, log: &Log, who: usize) -> tokio::task::JoinHandle<()> {
        let (turnstile, log) = (turnstile.clone(), Arc::clone(log));
        tokio::spawn(async move {
            turnstile.turn().await;
            log.lock().push(Some(who));
        })
    }

    #[tokio::test]
    async fn others_have_their_turn_between_those_who_come() {
        const MANY: usize = 100;
        let (turnstile, log) = (Turnstile::default(), Log::default());
        let all: Vec<_> = (0..MANY).map(|who| come(&turnstile, &log, who)).collect();
        let other = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                loop {
                    log.lock().push(None);
                    tokio::task::yield_now().await;
                }
            }
        });
        for one in all {
            one.await.unwrap();
        }
        other.abort();
        let log = log.lock();
        let came: Vec<_> = log.iter().copied().flatten().collect();
        assert_eq!(came, (0..MANY).collect::<Vec<_>>());
        let mut rounds = log.split(Option::is_none);
        // The first round is not waited for, and ends with the first call.
        assert!(rounds.all(|round| round.len() <= 2 * AT_ONCE), "{log:?}");
    }

    #[tokio::test]
    async fn who_goes_while_waiting_leaves_the_others_their_turn() {
        let (turnstile, log) = (Turnstile::default(), Log::default());
        let all: Vec<_> = (0..50).map(|who| come(&turnstile, &log, who)).collect();
        tokio::task::yield_now().await;
        let (go, stay): (Vec<_>, Vec<_>) = all
            .into_iter()
            .zip(0..)
            .partition(|(_, who)| who % 3 == 0 && *who > 2 * AT_ONCE);
        for (one, _) in go {
            one.abort();
        }
        for (one, _) in stay {
            one.await.unwrap();
        }
        assert!(log.lock().len() >= 50 - 50 / 3);
    }

    #[test]
    fn nobody_waits_for_a_runtime_that_is_gone() {
        let turnstile = Turnstile::default();
        let cx = &mut TaskContext::from_waker(Waker::noop());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut last = pin!(turnstile.turn());
        {
            let _entered = runtime.enter();
            for _ in 0..AT_ONCE {
                assert!(pin!(turnstile.turn()).poll(cx).is_ready());
            }
            assert!(last.as_mut().poll(cx).is_pending());
            assert!(last.as_mut().poll(cx).is_pending(), "nobody has called");
        }
        drop(runtime);
        assert!(last.as_mut().poll(cx).is_ready());
        assert!(pin!(turnstile.turn()).poll(cx).is_ready());
    }

    #[test]
    fn a_runtime_that_has_ended_holds_nobody_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        let turnstile = Turnstile::default();
        let mut cx = TaskContext::from_waker(Waker::noop());
        for _ in 0..3 * AT_ONCE {
            let mut turn = std::pin::pin!(turnstile.turn());
            let first = turn.as_mut().poll(&mut cx);
            assert!(first.is_ready() || turn.as_mut().poll(&mut cx).is_ready());
        }
    }
}
