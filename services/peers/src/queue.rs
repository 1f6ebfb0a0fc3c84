//! A bounded queue that is read in batches: all waiting items go out together, in order. There is no timer: items that arrive
//! while the last batch is being written form the next batch (architecture, The way of one request).
//!
//! A queue outlives the connections that drain it. Each connection reads in a session of its own; once a session is over,
//! its reader gets nothing more, even if its connection is still about to die.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use futures::Stream;
use tokio::sync::mpsc;

/// Limit of the items in a batch, of any size.
const BATCH_ITEMS_MAX: usize = 4096;

pub(super) struct Queue<T> {
    inner: Arc<Mutex<Inner<T>>>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<T> {
    items: mpsc::Receiver<T>,
    /// An item that was too large for the last batch.
    held: Option<T>,
    session: u64,
    weigh: fn(&T) -> usize,
}

impl<T: Send + 'static> Queue<T> {
    /// `weigh`: bytes of an item in a batch.
    pub(super) fn new(items: mpsc::Receiver<T>, weigh: fn(&T) -> usize) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { items, held: None, session: 0, weigh })) }
    }

    /// Begins a session: its batches, each through `form`, which runs before the next session can begin. Ends with the session
    /// or with the last sender.
    pub(super) fn session<O, F: FnMut(Vec<T>) -> O>(&self, bytes_max: usize, form: F) -> Batches<T, F> {
        let mut inner = self.lock();
        inner.session += 1;
        Batches { queue: self.clone(), session: inner.session, bytes_max, form }
    }

    /// Ends the session and returns the items that no batch took.
    pub(super) fn end_session(&self) -> Vec<T> {
        let mut inner = self.lock();
        inner.session += 1;
        let mut left: Vec<T> = inner.held.take().into_iter().collect();
        while let Ok(item) = inner.items.try_recv() {
            left.push(item);
        }
        left
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream of a session. The type has a name, because a boxed stream does not pass through the generated client.
pub(super) struct Batches<T, F> {
    queue: Queue<T>,
    session: u64,
    bytes_max: usize,
    form: F,
}

impl<T: Send + 'static, O, F: FnMut(Vec<T>) -> O + Unpin> Stream for Batches<T, F> {
    type Item = O;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<O>> {
        let Self { queue, session, bytes_max, form } = &mut *self;
        let mut inner = queue.lock();
        if inner.session != *session {
            return Poll::Ready(None);
        }
        inner.poll_batch(*bytes_max, cx).map(|batch| batch.map(form))
    }
}

impl<T> Inner<T> {
    fn poll_batch(&mut self, bytes_max: usize, cx: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        let first = match self.held.take() {
            Some(held) => held,
            None => match ready!(self.items.poll_recv(cx)) {
                Some(item) => item,
                None => return Poll::Ready(None),
            },
        };
        let mut bytes = (self.weigh)(&first);
        let mut batch = vec![first];
        while batch.len() < BATCH_ITEMS_MAX
            && let Ok(item) = self.items.try_recv()
        {
            bytes += (self.weigh)(&item);
            if bytes > bytes_max {
                self.held = Some(item);
                break;
            }
            batch.push(item);
        }
        Poll::Ready(Some(batch))
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn filled(items: &[usize]) -> (mpsc::Sender<usize>, Queue<usize>) {
        let (sender, receiver) = mpsc::channel(100);
        for item in items {
            sender.try_send(*item).unwrap();
        }
        (sender, Queue::new(receiver, |item| *item))
    }

    #[tokio::test]
    async fn what_waits_goes_out_together_up_to_the_limit() {
        let (sender, queue) = filled(&[3, 4, 3, 1, 50, 2]);
        let mut batches = queue.session(10, |batch| batch);
        assert_eq!(batches.next().await, Some(vec![3, 4, 3]));
        assert_eq!(batches.next().await, Some(vec![1]));
        assert_eq!(batches.next().await, Some(vec![50]));
        assert_eq!(batches.next().await, Some(vec![2]));
        assert_eq!(batches.next().now_or_never(), None);
        drop(sender);
        assert_eq!(batches.next().await, None);
    }

    #[tokio::test]
    async fn a_session_that_is_over_takes_nothing_more() {
        let (sender, queue) = filled(&[6, 5, 4]);
        let mut old = queue.session(10, |batch| batch);
        assert_eq!(old.next().await, Some(vec![6]));
        assert_eq!(queue.end_session(), vec![5, 4]);
        sender.try_send(7).unwrap();
        assert_eq!(old.next().await, None);
        assert_eq!(queue.session(10, |batch| batch).next().await, Some(vec![7]));
        assert_eq!(old.next().await, None);
    }
}
