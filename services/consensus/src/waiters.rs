//! Who waits for which reply. Found by the command's id, never by order (design 2).

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

    /// Replies are known; the time that the longest waited.
    pub(crate) fn wake(&self, replies: Vec<(I, R)>) -> Option<f64> {
        let mut longest = None;
        let mut waiting = self.lock();
        for (id, reply) in replies {
            if let Some(waiter) = waiting.remove(&id) {
                longest = longest.max(Some(waiter.since.elapsed()));
                let _ = waiter.sender.send(Ok(reply)); // a client that hung up needs no answer
            }
        }
        longest.map(|longest| longest.as_secs_f64())
    }

    /// Nobody here will learn more: not known whether it will be applied (design rule 7).
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
