//! Work on many rows (exports, verify, backups, states for other nodes): each job has a thread of its own, a few jobs run at a
//! time, and a job produces pieces no faster than its client takes them.
//!
//! The thread makes a piece once the client has taken the last one, so that a client that does not read holds one piece and not
//! the list. A job whose pieces stay untaken for long ends, so that the job does not keep an old state on disk for ever. Never
//! knows the content of the pieces. Called by `control`, by `archive` and by the node's side of `peers`.

#[cfg(test)]
mod tests;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
    time::Duration,
};

use chassis::tasks::Tasks;
use futures::Stream;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// How long a piece may wait for the client before the job ends.
const UNTAKEN: Duration = Duration::from_secs(60);

/// One kind of job. Clones share its places.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    /// The name in answers: "exports".
    what: &'static str,
    at_once_max: usize,
    places: Arc<Semaphore>,
    stopping: CancellationToken,
    untaken: Duration,
}

/// A message from the thread to the stream.
enum Made<T> {
    Piece(Result<T, Status>),
    /// The end of the source; without this message the job was cut off.
    End,
}

/// The pieces, in order. A stream that was cut off ends with an error, never like a whole stream.
#[derive(Debug)]
pub(crate) struct Pieces<T> {
    made: mpsc::Receiver<Made<T>>,
    stopping: CancellationToken,
    ended: bool,
}

impl Bulk {
    /// `what` is the name in answers, in the plural.
    pub(crate) fn new(what: &'static str, at_once_max: usize, tasks: &Tasks) -> Self {
        let places = Arc::new(Semaphore::new(at_once_max));
        Self { what, at_once_max, places, stopping: tasks.stopping(), untaken: UNTAKEN }
    }

    /// Runs a job to its end.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the limit of concurrent jobs is reached.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
        let (place, (done, result)) = (self.place()?, oneshot::channel());
        self.on_thread(move || {
            let _place = place;
            drop(done.send(work())); // the client may have gone
        })?;
        result.await.map_err(|_| self.panicked())
    }

    /// Opens a source of pieces, and hands them over one by one.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the limit of concurrent jobs is reached; or why the source does not open.
    pub(crate) async fn pieces<T, I>(
        &self,
        open: impl FnOnce() -> Result<I, Status> + Send + 'static,
    ) -> Result<Pieces<T>, Status>
    where
        T: Send + 'static,
        I: Iterator<Item = Result<T, Status>>,
    {
        let (place, (sender, made), (opened, answer)) = (self.place()?, mpsc::channel(1), oneshot::channel());
        let giving =
            Giving { sender, runtime: Handle::current(), stopping: self.stopping.clone(), untaken: self.untaken };
        self.on_thread(move || {
            let _place = place;
            match open() {
                Ok(source) => {
                    drop(opened.send(Ok(()))); // the client may have gone: the first piece shows it
                    giving.give(source);
                }
                Err(status) => drop(opened.send(Err(status))),
            }
        })?;
        answer.await.map_err(|_| self.panicked())??;
        Ok(Pieces { made, stopping: self.stopping.clone(), ended: false })
    }

    /// A place, for a job that hands its pieces over itself.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the limit of concurrent jobs is reached.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let full = |_| {
            Status::resource_exhausted(format!(
                "{} {} run at this node already: try again later",
                self.at_once_max, self.what
            ))
        };
        self.places.clone().try_acquire_owned().map_err(full)
    }

    /// Runs a job on a thread of its own; the job holds its place.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the system has no thread.
    pub(crate) fn on_thread(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Status> {
        let started = thread::Builder::new().name(self.what.to_owned()).spawn(work);
        started.map(drop).map_err(|error| Status::resource_exhausted(format!("no thread for {}: {error}", self.what)))
    }

    fn panicked(&self) -> Status {
        tracing::error!("one of the {} failed", self.what);
        Status::internal("reading the state failed; the node's log says more")
    }
}

/// The thread's end of the pieces.
struct Giving<T> {
    sender: mpsc::Sender<Made<T>>,
    runtime: Handle,
    stopping: CancellationToken,
    untaken: Duration,
}

impl<T> Giving<T> {
    fn give(self, mut source: impl Iterator<Item = Result<T, Status>>) {
        while let Some(room) = self.runtime.block_on(self.room()) {
            let Some(piece) = source.next() else { return room.send(Made::End) };
            room.send(Made::Piece(piece));
        }
    }

    /// Waits until the client took the last piece; none: the client does not take it.
    async fn room(&self) -> Option<mpsc::Permit<'_, Made<T>>> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => None,
            room = tokio::time::timeout(self.untaken, self.sender.reserve()) => room.ok()?.ok(),
        }
    }
}

impl<T> Stream for Pieces<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let made = ready!(self.made.poll_recv(cx));
        if let Some(Made::Piece(Ok(piece))) = made {
            return Poll::Ready(Some(Ok(piece)));
        }
        self.ended = true;
        Poll::Ready(match made {
            Some(Made::Piece(piece)) => Some(piece),
            Some(Made::End) => None,
            None if self.stopping.is_cancelled() => {
                Some(Err(Status::unavailable("the node stops: this is not the whole")))
            }
            None => Some(Err(Status::aborted("cut off, since nothing of it was taken for too long: begin again"))),
        })
    }
}
