//! Tasks that wait for replies, found by the command's id, never by order (R7 unknown-is-not-failed).

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::oneshot;

use crate::ProposeError;

/// A waiting task, and the time of its proposal.
#[derive(Debug)]
struct Waiter<R> {
    sender: oneshot::Sender<Result<R, ProposeError>>,
    since: Instant,
}

/// Shared by the Raft loop, which enters waiters, and the apply thread, which wakes them. No task awaits under the lock.
#[derive(Debug)]
pub(crate) struct Waiters<I, R> {
    waiting: Mutex<HashMap<I, Waiter<R>>>,
}

impl<I: Eq + Hash + Copy, R> Waiters<I, R> {
    /// Without waiters.
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::new(HashMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<I, Waiter<R>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a waiter for a command's reply. An earlier waiter of the same id hears "not known", and may ask again under that
    /// id.
    pub(crate) fn enter(&self, id: I, sender: oneshot::Sender<Result<R, ProposeError>>, since: Instant) {
        if let Some(earlier) = self.lock().insert(id, Waiter { sender, since }) {
            let _ = earlier.sender.send(Err(ProposeError::Overtaken)); // a client that hung up needs no answer
        }
    }

    /// Stores the replies and wakes their tasks; returns the longest wait, seconds. The last reply is stored first: a task that
    /// awaits several replies in their order is woken once, by the first reply, and finds the others there. In their own order
    /// each reply would wake that task, and each wake-up would take this thread's core.
    pub(crate) fn wake(&self, replies: Vec<(I, R)>) -> Option<f64> {
        let known = {
            let mut waiting = self.lock();
            replies.into_iter().filter_map(|(id, reply)| Some((waiting.remove(&id)?, reply))).collect::<Vec<_>>()
        };
        let longest = known.iter().map(|(waiter, _)| waiter.since.elapsed()).max();
        for (waiter, reply) in known.into_iter().rev() {
            let _ = waiter.sender.send(Ok(reply)); // a client that hung up needs no answer
        }
        longest.map(|longest| longest.as_secs_f64())
    }

    /// Tells every waiter "not known": this node will not learn whether their commands are applied (R7).
    pub(crate) fn overtaken(&self) {
        for (_, waiter) in self.lock().drain() {
            let _ = waiter.sender.send(Err(ProposeError::Overtaken));
        }
    }

    /// Number of waiters.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}
