//! Requests to the primary: one stream to each peer, many in flight, and an honest answer about each (design rule 7).
//!
//! What was never put on the stream is [`ForwardResult::NotSent`]; what was, and then the stream broke, is
//! [`ForwardResult::Lost`]: it may have been applied. Never sends a request twice. Called by `node/forward`, which decides
//! what to do with either.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chassis::tasks::Tasks;
use consensus::RaftId;
use ocs_proto::{
    outbound::RequestId,
    peer::{ForwardFrame, ForwardReply, ForwardRequest},
};
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

use super::{
    FORWARDS_MAX, FRAME_BYTES_MAX,
    dial::{self, Backoff, Dialer},
    guard::number,
    queue::Queue,
    spawn_vital,
};

/// What became of a forwarded request.
#[derive(Debug, Clone, PartialEq)]
pub enum ForwardResult {
    /// The peer's answer.
    Reply(ForwardReply),
    /// It never left this node, for this reason: safe to send elsewhere.
    NotSent(&'static str),
    /// It left this node, and the stream broke before an answer: not known whether it was applied.
    Lost,
}

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
    request: ForwardRequest,
    waiter: Waiter,
}

#[derive(Debug)]
struct Waiter {
    /// Tells apart two waits for the same request id.
    ticket: u64,
    answer: oneshot::Sender<ForwardResult>,
}

/// Who waits for what that was put on the stream.
#[derive(Debug, Default)]
struct Book {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    /// A stream stands; jobs are taken only then.
    open: bool,
    tickets: u64,
    /// Given out and not given back: queued or on the stream.
    waiting: usize,
    sent: HashMap<RequestId, Waiter>,
}

impl ForwardClient {
    /// Sends a request to a peer and waits for what becomes of it. Dropping the future forgets the answer, not the request.
    pub async fn forward(&self, to: RaftId, request: ForwardRequest) -> ForwardResult {
        let Some(lane) = self.lanes.get(&number(to)) else { return ForwardResult::NotSent("not a configured node") };
        let Some(id) = request.id else { return ForwardResult::NotSent("a request without an id") };
        match lane.queue(id, request) {
            Ok((answer, _place)) => answer.await.unwrap_or(ForwardResult::Lost),
            Err(reason) => ForwardResult::NotSent(reason),
        }
    }

    /// Whether a stream to the peer stands.
    pub fn connected(&self, to: RaftId) -> bool {
        self.lanes.get(&number(to)).is_some_and(|lane| lane.book.pages().open)
    }
}

type Queued = (oneshot::Receiver<ForwardResult>, Place);

impl Lane {
    /// Queues under the book's lock: a stream that ends meanwhile finds the job in the queue, or it is not taken.
    fn queue(&self, id: RequestId, request: ForwardRequest) -> Result<Queued, &'static str> {
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
        Ok((receiver, Place { id, ticket, book: Arc::clone(&self.book) }))
    }
}

/// A caller's place among those in flight; given back when it no longer waits.
#[derive(Debug)]
struct Place {
    id: RequestId,
    ticket: u64,
    book: Arc<Book>,
}

impl Drop for Place {
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

    /// No more jobs; the queue can be emptied after this.
    fn close(&self) {
        self.pages().open = false;
    }

    /// Notes jobs as sent, just before they go on the stream. A job whose caller has gone is left out.
    fn send(&self, jobs: Vec<Job>) -> Vec<ForwardRequest> {
        let mut pages = self.pages();
        let mut requests = Vec::with_capacity(jobs.len());
        for job in jobs {
            if job.waiter.answer.is_closed() {
                continue;
            }
            // An earlier wait for the same id has nothing more to hope for: its sender goes, and it ends as lost.
            pages.sent.insert(job.id, job.waiter);
            requests.push(job.request);
        }
        requests
    }

    fn settle(&self, reply: ForwardReply) {
        let waiter = reply.id.and_then(|id| self.pages().sent.remove(&id));
        if let Some(waiter) = waiter {
            // A caller that stopped waiting meanwhile has been told so by its own clock.
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
        self.end();
    }

    async fn keep(&self) {
        loop {
            let channel = self.reach().await;
            if let Err(status) = self.exchange(channel).await {
                tracing::debug!(peer = self.dialer.peer.name, "forwarding stream ended: {}", status.message());
            }
            self.end();
        }
    }

    /// The stream of frames tells the log why a peer is not reached; here it would say so twice.
    async fn reach(&self) -> Channel {
        let mut backoff = Backoff::default();
        loop {
            match self.dialer.dial().await {
                Ok(channel) => return channel,
                Err(_) => tokio::time::sleep(backoff.next()).await,
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

    /// In this order: nothing new is queued, what is queued was not sent, what was sent is lost.
    fn end(&self) {
        self.book.close();
        for job in self.queue.end_session() {
            drop(job.waiter.answer.send(ForwardResult::NotSent("the connection broke before it was sent")));
        }
        self.book.lose_sent();
    }
}
