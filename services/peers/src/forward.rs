//! Requests to the primary: one stream to each peer, many in flight, and an honest answer about each (R7 unknown-is-not-failed).
//!
//! A request that was never put on the stream is [`ForwardResult::NotSent`]; a request on a stream that broke is
//! [`ForwardResult::Lost`]: it may have been applied. Never sends a request twice. Called by `pair::Forward`, which decides
//! the next step in both cases.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use chassis::tasks::Tasks;
use consensus::RaftId;
use ocs_proto::{
    outbound::RequestId,
    peer::{ForwardFrame, ForwardReply},
};
use pair::{ForwardResult, ForwardTo, Forwarded};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

use super::{
    FORWARDS_MAX, FRAME_BYTES_MAX,
    dial::{self, Backoff, Dialer},
    guard::number,
    queue::Queue,
    spawn_vital,
    text::shown,
};

/// Forwards requests to peers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ForwardClient {
    lanes: Arc<HashMap<u16, Lane>>,
}

#[derive(Debug)]
struct Lane {
    jobs: mpsc::Sender<Job>,
    book: Arc<Book>,
}

#[derive(Debug)]
struct Job {
    id: RequestId,
    request: Forwarded,
    waiter: Waiter,
}

#[derive(Debug)]
struct Waiter {
    /// Distinguishes two waits for the same request id.
    ticket: u64,
    answer: oneshot::Sender<ForwardResult>,
}

/// The callers that wait for requests on the stream.
#[derive(Debug, Default)]
struct Book {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    /// A stream is up; jobs are taken only then.
    open: bool,
    tickets: u64,
    /// Places given out and not given back: jobs queued or on the stream.
    waiting: usize,
    sent: HashMap<RequestId, Waiter>,
}

impl ForwardClient {
    /// Sends a request to a peer and waits for its outcome. Dropping the future forgets the answer, not the request.
    pub async fn forward(&self, to: RaftId, request: Forwarded) -> ForwardResult {
        let Some(lane) = self.lanes.get(&number(to)) else { return ForwardResult::NotSent("not a configured node") };
        let Some(id) = request.head.id else { return ForwardResult::NotSent("a request without an id") };
        match lane.queue(id, request) {
            Ok((answer, _place)) => answer.await.unwrap_or(ForwardResult::Lost),
            Err(reason) => ForwardResult::NotSent(reason),
        }
    }

    /// Whether a stream to the peer is up.
    pub fn connected(&self, to: RaftId) -> bool {
        self.lanes.get(&number(to)).is_some_and(|lane| lane.book.pages().open)
    }
}

#[tonic::async_trait]
impl ForwardTo for ForwardClient {
    async fn forward(&self, to: RaftId, request: Forwarded) -> ForwardResult {
        ForwardClient::forward(self, to, request).await
    }
}

type Queued = (oneshot::Receiver<ForwardResult>, InFlight);

impl Lane {
    /// Queues under the book's lock: a stream that ends meanwhile finds the job in the queue, or the job is refused.
    fn queue(&self, id: RequestId, request: Forwarded) -> Result<Queued, &'static str> {
        let mut pages = self.book.pages();
        if !pages.open {
            return Err("not connected");
        }
        if pages.waiting >= FORWARDS_MAX {
            return Err("too many requests are on their way to this node");
        }
        let ticket = pages.tickets;
        let (answer, receiver) = oneshot::channel();
        let job = Job { id, request, waiter: Waiter { ticket, answer } };
        self.jobs.try_send(job).map_err(|_| "too many requests wait to be sent to this node")?;
        pages.tickets += 1;
        pages.waiting += 1;
        Ok((receiver, InFlight { id, ticket, book: Arc::clone(&self.book) }))
    }
}

/// A caller's place among the requests in flight; given back when the caller stops waiting.
#[derive(Debug)]
struct InFlight {
    id: RequestId,
    ticket: u64,
    book: Arc<Book>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut pages = self.book.pages();
        pages.waiting -= 1;
        if pages.sent.get(&self.id).is_some_and(|waiter| waiter.ticket == self.ticket) {
            pages.sent.remove(&self.id);
        }
    }
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) {
        self.pages().open = true;
    }

    /// Takes no more jobs; the queue can be emptied afterwards.
    fn close(&self) {
        self.pages().open = false;
    }

    /// Notes jobs as sent, just before they go on the stream. A job whose caller has gone is left out.
    fn send(&self, jobs: Vec<Job>) -> Vec<Bytes> {
        let mut pages = self.pages();
        let mut requests = Vec::with_capacity(jobs.len());
        for job in jobs {
            if job.waiter.answer.is_closed() {
                continue;
            }
            // An earlier wait for the same id can get no answer any more: its sender is dropped, and that wait ends as lost.
            pages.sent.insert(job.id, job.waiter);
            requests.push(job.request.encode());
        }
        requests
    }

    fn settle(&self, reply: ForwardReply) {
        let waiter = reply.id.and_then(|id| self.pages().sent.remove(&id));
        if let Some(waiter) = waiter {
            // The deadline of a caller that stopped waiting has told the caller already.
            drop(waiter.answer.send(ForwardResult::Reply(reply)));
        }
    }

    fn lose_sent(&self) {
        let sent = std::mem::take(&mut self.pages().sent);
        for waiter in sent.into_values() {
            drop(waiter.answer.send(ForwardResult::Lost));
        }
    }
}

/// Starts a stream to every peer.
pub(super) fn start(dialers: &HashMap<u16, Arc<Dialer>>, tasks: &Tasks) -> ForwardClient {
    let mut lanes = HashMap::new();
    for (number, dialer) in dialers {
        let (jobs, waiting) = mpsc::channel(FORWARDS_MAX);
        let book = Arc::new(Book::default());
        let link = Link {
            dialer: Arc::clone(dialer),
            book: Arc::clone(&book),
            queue: Queue::new(waiting, |job: &Job| job.request.encoded_len()),
        };
        spawn_vital(tasks, "requests to a peer", link.run(tasks.stopping()));
        lanes.insert(*number, Lane { jobs, book });
    }
    ForwardClient { lanes: Arc::new(lanes) }
}

struct Link {
    dialer: Arc<Dialer>,
    book: Arc<Book>,
    queue: Queue<Job>,
}

impl Link {
    async fn run(self, stopping: CancellationToken) {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = self.keep() => {}
        }
        end(&self.book, &self.queue);
    }

    async fn keep(&self) {
        loop {
            let channel = self.reach().await;
            if let Err(status) = self.exchange(channel).await {
                tracing::debug!(peer = self.dialer.peer.name, "forwarding stream ended: {}", shown(status.message()));
            }
            end(&self.book, &self.queue);
        }
    }

    /// The stream of frames logs why a peer is not reached; a line here would repeat the reason.
    async fn reach(&self) -> Channel {
        let mut backoff = Backoff::default();
        loop {
            match self.dialer.dial().await {
                Ok(channel) => return channel,
                Err(_) => self.dialer.pause(backoff.next()).await,
            }
        }
    }

    async fn exchange(&self, channel: Channel) -> Result<(), Status> {
        let (book, dialer) = (Arc::clone(&self.book), Arc::clone(&self.dialer));
        let form = move |jobs| ForwardFrame { head: Some(dialer.head()), requests: book.send(jobs) };
        let frames = self.queue.session(FRAME_BYTES_MAX, form);
        let mut replies = dial::client(channel).forward(frames).await?.into_inner();
        self.book.open();
        while let Some(batch) = replies.message().await? {
            batch.replies.into_iter().for_each(|reply| self.book.settle(reply));
        }
        Ok(())
    }
}

/// In this order: no new job is queued, queued jobs were not sent, sent jobs are lost.
fn end(book: &Book, queue: &Queue<Job>) {
    book.close();
    for job in queue.end_session() {
        drop(job.waiter.answer.send(ForwardResult::NotSent("the connection broke before it was sent")));
    }
    book.lose_sent();
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};
    use ocs_proto::peer::ForwardRequest;

    use super::*;

    fn client() -> (ForwardClient, Arc<Book>, Queue<Job>) {
        let (jobs, waiting) = mpsc::channel(FORWARDS_MAX);
        let book = Arc::new(Book::default());
        let lanes = HashMap::from([(2, Lane { jobs, book: Arc::clone(&book) })]);
        (ForwardClient { lanes: Arc::new(lanes) }, book, Queue::new(waiting, |job: &Job| job.request.encoded_len()))
    }

    fn request(counter: u64) -> Forwarded {
        let id = RequestId { node: 1, incarnation: 1, counter, ..RequestId::default() };
        Forwarded { head: ForwardRequest { id: Some(id), ..ForwardRequest::default() }, ..Forwarded::default() }
    }

    #[tokio::test]
    async fn what_was_taken_for_sending_is_lost_and_what_was_not_is_not_sent() {
        let (client, book, queue) = client();
        book.open();
        let sender = Arc::clone(&book);
        // Room for one request a batch: the second stays behind.
        let mut batches = queue.session(1, move |jobs| sender.send(jobs));
        let (mut taken, mut left) = (Box::pin(client.forward(2, request(1))), Box::pin(client.forward(2, request(2))));
        assert!(taken.as_mut().now_or_never().is_none() && left.as_mut().now_or_never().is_none());
        assert_eq!(batches.next().await, Some(vec![request(1).encode()]));
        end(&book, &queue);
        assert!(matches!(taken.await, ForwardResult::Lost));
        assert!(matches!(left.await, ForwardResult::NotSent(_)));
        assert!(matches!(client.forward(2, request(3)).await, ForwardResult::NotSent(_)));
    }

    #[tokio::test]
    async fn a_request_that_nobody_waits_for_is_not_sent_and_gives_its_place_back() {
        let (client, book, queue) = client();
        book.open();
        let sender = Arc::clone(&book);
        let mut batches = queue.session(FRAME_BYTES_MAX, move |jobs| sender.send(jobs));
        assert!(client.forward(2, request(1)).now_or_never().is_none());
        assert_eq!(batches.next().await, Some(vec![]));
        assert_eq!(book.pages().waiting, 0);
        assert!(book.pages().sent.is_empty());
    }

    #[tokio::test]
    async fn more_than_may_be_in_flight_is_refused() {
        let (client, book, _queue) = client();
        book.open();
        let mut waiting: Vec<_> = (0..FORWARDS_MAX as u64).map(|n| Box::pin(client.forward(2, request(n)))).collect();
        assert!(waiting.iter_mut().all(|future| future.as_mut().now_or_never().is_none()));
        assert!(matches!(client.forward(2, request(u64::MAX)).await, ForwardResult::NotSent(_)));
    }
}
