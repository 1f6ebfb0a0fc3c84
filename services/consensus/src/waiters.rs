//! Who waits for which reply. Found by the command's id, never by order (R7 unknown-is-not-failed).

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::oneshot;

use crate::ProposeError;

/// One who waits, and since when.
#[derive(Debug)]
struct Waiter<R> {
    sender: oneshot::Sender<Result<R, ProposeError>>,
    since: Instant,
}

/// Shared by the Raft loop, which enters waiters, and the apply thread, which wakes them. Nothing awaits under the lock.
#[derive(Debug)]
pub(crate) struct Waiters<I, R> {
    waiting: Mutex<HashMap<I, Waiter<R>>>,
}

impl<I: Eq + Hash + Copy, R> Waiters<I, R> {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::new(HashMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<I, Waiter<R>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits for a command's reply. Who waited for the same id before asks again under it if need be.
    pub(crate) fn enter(&self, id: I, sender: oneshot::Sender<Result<R, ProposeError>>, since: Instant) {
        if let Some(earlier) = self.lock().insert(id, Waiter { sender, since }) {
            let _ = earlier.sender.send(Err(ProposeError::Overtaken)); // who is gone needs no answer
        }
    }

    /// Replies are known; the time that the longest waited. The last one is sent first: who waits for several in their order is woken
    /// once, by the first of them, and finds the others there. In their own order each would wake it, and it would take this
    /// thread's core for each.
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

    /// Nobody here will learn more: not known whether it will be applied (R7).
    pub(crate) fn overtaken(&self) {
        for (_, waiter) in self.lock().drain() {
            let _ = waiter.sender.send(Err(ProposeError::Overtaken));
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}
