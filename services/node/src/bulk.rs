//! Work on many rows (exports, verify, backups, states for other nodes): each job has a thread of its own, a few jobs run at a
//! time, and a job produces pieces no faster than its client takes them.
//!
//! The thread makes a piece once the client has taken the last one, so that a client that does not read holds one piece and not
//! the list. A job whose pieces stay untaken for long ends, so that the job does not keep an old state on disk for ever. Never
//! knows the content of the pieces. Called by `control`, by `archive` and by the node's side of `peers`.

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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::StreamExt;
    use tonic::Code;

    use super::*;

    type Numbers = std::iter::Map<std::ops::Range<u32>, fn(u32) -> Result<u32, Status>>;

    fn numbers(count: u32) -> impl FnOnce() -> Result<Numbers, Status> {
        move || Ok((0..count).map(Ok as fn(u32) -> Result<u32, Status>))
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_end_as_a_whole() {
        let bulk = Bulk::new("exports", 1, &Tasks::new());
        let pieces: Vec<_> = bulk.pieces(numbers(100)).await.unwrap().collect().await;
        assert_eq!(pieces.into_iter().map(Result::unwrap).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn nothing_is_made_ahead_of_the_client_but_the_next_piece() {
        let (bulk, made) = (Bulk::new("exports", 1, &Tasks::new()), Arc::new(AtomicUsize::new(0)));
        let counting = made.clone();
        let count = move |number: u32| {
            counting.fetch_add(1, Ordering::SeqCst);
            Ok(number)
        };
        let open = move || Ok((0..1000).map(count));
        let mut pieces = bulk.pieces(open).await.unwrap();
        for taken in 1..=10 {
            assert!(pieces.next().await.unwrap().is_ok());
            assert!(made.load(Ordering::SeqCst) <= taken + 1);
        }
    }

    #[tokio::test]
    async fn more_than_may_run_are_refused_and_a_place_is_free_when_one_ends() {
        let bulk = Bulk::new("exports", 2, &Tasks::new());
        let held = [bulk.pieces(numbers(9)).await.unwrap(), bulk.pieces(numbers(9)).await.unwrap()];
        let refused = bulk.run(|| ()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("2 exports run"), "{refused}");
        drop(held);
        while bulk.run(|| ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_nobody_takes_is_cut_off_and_gives_its_place_back() {
        let bulk = Bulk { untaken: Duration::from_millis(1), ..Bulk::new("exports", 1, &Tasks::new()) };
        let mut unread = bulk.pieces(numbers(9)).await.unwrap();
        while bulk.run(|| ()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(unread.next().await.unwrap().unwrap(), 0);
        let cut = unread.next().await.unwrap().unwrap_err();
        assert_eq!(cut.code(), Code::Aborted);
        assert!(unread.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stop_cuts_off_what_is_under_way_and_says_so() {
        let tasks = Tasks::new();
        let bulk = Bulk::new("exports", 1, &tasks);
        let mut pieces = bulk.pieces(numbers(u32::MAX)).await.unwrap();
        assert!(pieces.next().await.unwrap().is_ok());
        tasks.stop();
        let end = loop {
            match pieces.next().await.unwrap() {
                Ok(_) => {}
                Err(status) => break status,
            }
        };
        assert_eq!(end.code(), Code::Unavailable);
    }

    #[tokio::test]
    async fn a_source_that_does_not_open_says_why_and_one_that_panics_is_an_error() {
        let bulk = Bulk::new("exports", 1, &Tasks::new());
        let none = bulk.pieces(|| Err::<std::iter::Empty<Result<u8, _>>, _>(Status::not_found("no list"))).await;
        assert_eq!(none.unwrap_err().code(), Code::NotFound);
        let bulk = Bulk::new("verifications", 1, &Tasks::new());
        assert_eq!(bulk.run(|| panic!("on purpose")).await.unwrap_err().code(), Code::Internal);
    }
}
