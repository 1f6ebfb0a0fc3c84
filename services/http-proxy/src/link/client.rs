//! HTTP Proxy's end of the link: hands each request over once and routes every reply to its waiter.
//!
//! Never sends a request again and never decides what a client sees: [`Unanswered`] states the fate of a request without a
//! reply. Called by `serve` and `health`; [`Wires::run`] is driven by the crate's `run`.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chassis::spans::SpanContext;
use ocs_proto::{
    link::{
        ApiAnswer, ApiCall, Certificates, Echo, HealthKind, HealthReply, HealthRequest, LinkReply, LinkRequest,
        Listening, LogRecord, PortClosed, SpanRecord, Stats, ToNode, ToProxy,
    },
    outbound as wire,
};
use prost::Message;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    codec::{FRAME_BYTES_MAX, FrameReader, FrameWriter, LinkError, write_batches},
    stream::{ReadHalf, WriteHalf},
};
use crate::{credential::Credential, to_http::Standing};

/// The node answers at the deadline by itself; HTTP Proxy waits this much longer for that answer.
const ANSWER_GRACE: Duration = Duration::from_millis(500);
/// Largest request, bytes: a frame that is nearly a full batch still has room for one.
const REQUEST_BYTES_MAX: usize = FRAME_BYTES_MAX / 2;
/// Places in the queue beside the requests: health, log, stats.
const QUEUE_EXTRA: usize = 1024;

/// The fate of a request that got no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The queue is full; the request was never handed over.
    Busy,
    /// The request is too large for the link and was never handed over.
    TooLarge,
    /// The request was never handed over: the node is gone, or did not take the request in time.
    NotSent,
    /// The request was handed over and may have been applied.
    Unknown,
}

/// The sender of a request, as the node gets to know it.
pub(crate) struct Sender {
    pub(crate) credential: Credential,
    /// The client's address, where the node has a use for it; empty: not handed over.
    pub(crate) address: String,
    /// The span of the request; none: the request is not traced.
    pub(crate) trace: Option<SpanContext>,
}

/// An item on its way to the node.
enum Outgoing {
    Request { request: LinkRequest, waiter: oneshot::Sender<wire::Reply> },
    Health { request: HealthRequest, waiter: oneshot::Sender<HealthReply> },
    Api { call: Box<ApiCall>, waiter: oneshot::Sender<Box<ApiAnswer>> },
    Log(LogRecord),
    Stats(Stats),
    Spans(Vec<SpanRecord>),
    Listening(Listening),
    PortClosed,
    Echo(Echo),
    Certificates(Certificates),
}

/// Wakes the caller of a request or a health check in flight.
enum Waiter {
    Request(oneshot::Sender<wire::Reply>),
    Health(oneshot::Sender<HealthReply>),
    Api(oneshot::Sender<Box<ApiAnswer>>),
}

/// State that both directions share. Every request in the table of waiters has been handed over.
#[derive(Default)]
struct LinkState {
    waiters: Mutex<HashMap<u64, Waiter>>,
    role: AtomicU8,
    single_copy: AtomicBool,
    /// Every answer ends its connection: the node is about to stop.
    leaving: AtomicBool,
    /// The levels of the log that the node asked for last.
    log_filter: watch::Sender<String>,
    /// The node asks HTTP Proxy to finish.
    drain: CancellationToken,
    /// Until the node ends HTTP Proxy by force, from that order on; 0: not told.
    drain_within_ms: AtomicU32,
    /// The time of the requests in flight is over.
    overtime: CancellationToken,
    /// The node is gone.
    lost: CancellationToken,
    /// The number of the last order to read the certificates again.
    reloads: watch::Sender<u64>,
}

impl LinkState {
    fn waiters(&self) -> MutexGuard<'_, HashMap<u64, Waiter>> {
        self.waiters.lock().expect("no code panics while it holds the table of waiters")
    }

    /// Wakes the callers in the table, whose entries stay so that [`Waiting::give_up`] finds them.
    fn wake_waiters(&self) {
        for waiter in self.waiters().values_mut() {
            match waiter {
                Waiter::Request(sender) => *sender = oneshot::channel().0,
                Waiter::Health(sender) => *sender = oneshot::channel().0,
                Waiter::Api(sender) => *sender = oneshot::channel().0,
            }
        }
    }
}

/// The role of the node as last confirmed.
const ROLES: [&str; 3] = ["unknown", "primary", "backup"];

/// A sender of requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    queue: mpsc::Sender<Outgoing>,
    shared: Arc<LinkState>,
    ids: Arc<AtomicU64>,
}

/// The two directions of the link, to be run until the link ends.
pub(crate) struct Wires {
    reader: FrameReader<ReadHalf>,
    writer: FrameWriter<WriteHalf>,
    queue: mpsc::Receiver<Outgoing>,
    /// The queue for answers to echoes; this sender does not keep the queue open.
    echoes: mpsc::WeakSender<Outgoing>,
    shared: Arc<LinkState>,
}

/// A link and its wires, once the first frame has been read; the rest of that frame beside the configuration is applied here.
pub(crate) fn open(
    reader: FrameReader<ReadHalf>,
    writer: FrameWriter<WriteHalf>,
    first: ToProxy,
    in_flight_max: usize,
) -> (Link, Wires) {
    let (sender, queue) = mpsc::channel(in_flight_max + QUEUE_EXTRA);
    let shared = Arc::new(LinkState::default());
    take(&shared, first);
    let echoes = sender.downgrade();
    let link = Link { queue: sender, shared: shared.clone(), ids: Arc::default() };
    (link, Wires { reader, writer, queue, echoes, shared })
}

impl Link {
    /// The id of a request, which its frame and its lines of the log carry; never given twice on a link.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Hands a request over under its id and waits for its reply until shortly after `deadline`.
    pub(crate) async fn call(
        &self,
        id: u64,
        request: wire::Request,
        Sender { credential, address, trace }: Sender,
        deadline: Instant,
    ) -> Result<wire::Reply, Unanswered> {
        if request.encoded_len() > REQUEST_BYTES_MAX {
            return Err(Unanswered::TooLarge);
        }
        let deadline_ms = deadline.saturating_duration_since(Instant::now()).as_millis() as u32;
        let (waiter, answer) = oneshot::channel();
        let (request, Credential { token, certificate }) = (request.encode_to_vec().into(), credential);
        let trace = trace_bytes(trace);
        let request = LinkRequest { id, deadline_ms, request, credential: token, certificate, address, trace };
        self.send(Outgoing::Request { request, waiter })?;
        self.answered(id, answer, deadline).await
    }

    /// Hands a call of the REST interface over, as [`Link::call`] does a request. The link sets its id, its sender and its deadline.
    pub(crate) async fn call_api(
        &self,
        id: u64,
        call: ApiCall,
        Sender { credential, address, trace }: Sender,
        deadline: Instant,
    ) -> Result<Box<ApiAnswer>, Unanswered> {
        let deadline_ms = deadline.saturating_duration_since(Instant::now()).as_millis() as u32;
        let (Credential { token, certificate }, trace) = (credential, trace_bytes(trace));
        let call = Box::new(ApiCall { id, deadline_ms, credential: token, certificate, address, trace, ..call });
        if call.encoded_len() > REQUEST_BYTES_MAX {
            return Err(Unanswered::TooLarge);
        }
        let (waiter, answer) = oneshot::channel();
        self.send(Outgoing::Api { call, waiter })?;
        self.answered(id, answer, deadline).await
    }

    fn send(&self, item: Outgoing) -> Result<(), Unanswered> {
        self.queue.try_send(item).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unanswered::Busy,
            mpsc::error::TrySendError::Closed(_) => Unanswered::NotSent,
        })
    }

    /// Waits for an answer until shortly after `deadline`, or until the time of the requests in flight is over.
    async fn answered<T>(&self, id: u64, answer: oneshot::Receiver<T>, deadline: Instant) -> Result<T, Unanswered> {
        let mut waiting = Waiting { id, answer, shared: &self.shared, done: false };
        match tokio::time::timeout_at(deadline + ANSWER_GRACE, &mut waiting.answer).await {
            Ok(Ok(answer)) => {
                waiting.done = true;
                Ok(answer)
            }
            Ok(Err(_)) | Err(_) => waiting.give_up(),
        }
    }

    /// Asks the node about its health; none if the node does not answer in time.
    pub(crate) async fn health(&self, kind: HealthKind, patience: Duration) -> Option<HealthReply> {
        let id = self.next_id();
        let (waiter, answer) = oneshot::channel();
        let request = HealthRequest { id, kind: kind.into() };
        self.queue.try_send(Outgoing::Health { request, waiter }).ok()?;
        let mut waiting = Waiting { id, answer, shared: &self.shared, done: false };
        let reply = tokio::time::timeout(patience, &mut waiting.answer).await.ok()?.ok()?;
        waiting.done = true;
        Some(reply)
    }

    /// Tells the node the address of the open port, or why the port is not open.
    pub(crate) async fn listening(&self, listening: Listening) {
        let _ = self.queue.send(Outgoing::Listening(listening)).await; // `Wires::run` reports a lost link
    }

    /// Tells the node that the port is closed, and that requests in flight go on.
    pub(crate) async fn port_closed(&self) {
        let _ = self.queue.send(Outgoing::PortClosed).await; // a lost link needs no message
    }

    /// Passes counters on.
    pub(crate) async fn stats(&self, stats: Stats) {
        let _ = self.queue.send(Outgoing::Stats(stats)).await;
    }

    /// Passes finished spans on.
    pub(crate) async fn spans(&self, spans: Vec<SpanRecord>) {
        let _ = self.queue.send(Outgoing::Spans(spans)).await;
    }

    /// Tells the node the certificates.
    pub(crate) async fn certificates(&self, certificates: Certificates) {
        let _ = self.queue.send(Outgoing::Certificates(certificates)).await;
    }

    /// The number of the last order to read the certificates again, now and from now on; 0: none.
    pub(crate) fn reloads(&self) -> watch::Receiver<u64> {
        self.shared.reloads.subscribe()
    }

    /// Passes a log record on.
    pub(crate) async fn log(&self, record: LogRecord) {
        let _ = self.queue.send(Outgoing::Log(record)).await;
    }

    /// The node's role and mode, as last notified.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            role: ROLES[usize::from(self.shared.role.load(Ordering::Relaxed))],
            single_copy: self.shared.single_copy.load(Ordering::Relaxed),
        }
    }

    /// Whether every answer ends its connection: HTTP Proxy drains, or its node is about to stop.
    pub(crate) fn is_leaving(&self) -> bool {
        self.shared.leaving.load(Ordering::Relaxed) || self.shared.drain.is_cancelled()
    }

    /// Each change of the log's levels that the node asks for.
    pub(crate) fn log_filters(&self) -> watch::Receiver<String> {
        self.shared.log_filter.subscribe()
    }

    /// Cancelled when the node asks HTTP Proxy to finish.
    pub(crate) fn drain(&self) -> &CancellationToken {
        &self.shared.drain
    }

    /// From the order to finish until the node ends HTTP Proxy by force; none: later than by the drain timeout.
    pub(crate) fn drain_within(&self) -> Option<Duration> {
        let within_ms = self.shared.drain_within_ms.load(Ordering::Relaxed);
        (within_ms > 0).then(|| Duration::from_millis(within_ms.into()))
    }

    /// Ends every wait for a reply and for a body: each caller hears the known fate of its request, and no request is sent any more.
    pub(crate) fn end_waits(&self) {
        self.shared.overtime.cancel();
        self.shared.wake_waiters();
    }

    /// Cancelled by [`Link::end_waits`].
    pub(crate) fn overtime(&self) -> &CancellationToken {
        &self.shared.overtime
    }

    /// Cancelled when the link is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.shared.lost
    }
}

fn trace_bytes(trace: Option<SpanContext>) -> Bytes {
    trace.map(|trace| Bytes::copy_from_slice(&trace.to_bytes())).unwrap_or_default()
}

/// Removes the waiter from the table when its caller stops waiting.
struct Waiting<'a, T> {
    id: u64,
    answer: oneshot::Receiver<T>,
    shared: &'a LinkState,
    done: bool,
}

impl<T> Waiting<'_, T> {
    /// Stops waiting. A request that is not in the table yet is never sent, because its waiter is closed; a request in the
    /// table has been handed over, and a lost link leaves its entry there. A reply that came meanwhile counts: [`take`] holds
    /// the table from the removal of the entry until the reply is delivered.
    fn give_up(&mut self) -> Result<T, Unanswered> {
        self.done = true;
        let mut waiters = self.shared.waiters();
        let handed_over = waiters.remove(&self.id).is_some();
        self.answer.close();
        let refused = if handed_over { Unanswered::Unknown } else { Unanswered::NotSent };
        self.answer.try_recv().map_err(|_| refused)
    }
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        if !self.done {
            let _ = self.give_up(); // the caller is gone
        }
    }
}

impl Wires {
    /// Runs both directions until either ends, or until `finish` is cancelled and the queue is written.
    pub(crate) async fn run(mut self, finish: CancellationToken) -> Result<(), LinkError> {
        let result = {
            let read = read_frames(&mut self.reader, &self.shared, &self.echoes);
            let add = |frame: &mut ToNode, item| add(&self.shared, frame, item);
            let write = write_batches(&mut self.queue, &mut self.writer, &finish, add);
            tokio::select! {
                ended = read => ended,
                ended = write => ended,
            }
        };
        self.shared.lost.cancel();
        self.lose();
        result
    }

    /// Wakes all callers. A request still in the queue was never handed over; a request in the table was.
    fn lose(mut self) {
        self.queue.close();
        while let Ok(item) = self.queue.try_recv() {
            drop(item);
        }
        self.shared.wake_waiters();
    }
}

async fn read_frames(
    reader: &mut FrameReader<ReadHalf>,
    shared: &LinkState,
    echoes: &mpsc::WeakSender<Outgoing>,
) -> Result<(), LinkError> {
    while let Some(mut frame) = reader.next::<ToProxy>().await? {
        if let (Some(echo), Some(queue)) = (frame.echo.take(), echoes.upgrade()) {
            let _ = queue.try_send(Outgoing::Echo(echo)); // a full queue is being written: a sign of life, too
        }
        take(shared, frame);
    }
    Ok(())
}

fn take(shared: &LinkState, frame: ToProxy) {
    if let Some(notice) = frame.role {
        let role = ROLES.iter().position(|role| *role == notice.role).unwrap_or_default();
        shared.role.store(role as u8, Ordering::Relaxed);
        shared.single_copy.store(notice.single_copy, Ordering::Relaxed);
        shared.leaving.store(notice.leaving, Ordering::Relaxed);
    }
    if let Some(levels) = frame.log_filter {
        shared.log_filter.send_replace(levels.filter);
    }
    {
        let mut waiters = shared.waiters();
        for LinkReply { id, reply } in frame.replies {
            let Some(reply) = reply else { continue }; // an entry that stays says that the request was handed over
            if let Some(Waiter::Request(waiter)) = waiters.remove(&id) {
                let _ = waiter.send(reply); // the client hung up
            }
        }
        for answer in frame.api_answers {
            if let Some(Waiter::Api(waiter)) = waiters.remove(&answer.id) {
                let _ = waiter.send(Box::new(answer)); // the client hung up
            }
        }
        for reply in frame.health {
            if let Some(Waiter::Health(waiter)) = waiters.remove(&reply.id) {
                let _ = waiter.send(reply);
            }
        }
    }
    if let Some(order) = frame.reload_certificates {
        shared.reloads.send_replace(order.order);
    }
    if let Some(drain) = frame.drain {
        shared.drain_within_ms.store(drain.within_ms, Ordering::Relaxed);
        shared.drain.cancel();
    }
}

/// Puts an item into the frame and returns its size, bytes. A request first enters the table of waiters, unless its caller
/// has given up: such a request is not sent, so the node never applies it.
fn add(shared: &LinkState, frame: &mut ToNode, item: Outgoing) -> usize {
    match item {
        Outgoing::Request { request, waiter } => {
            let mut waiters = shared.waiters();
            // the table is woken behind the cancellation of the waits: no request enters later
            if waiter.is_closed() || shared.overtime.is_cancelled() {
                return 0;
            }
            waiters.insert(request.id, Waiter::Request(waiter));
            drop(waiters);
            sized(&mut frame.requests, request)
        }
        Outgoing::Health { request, waiter } => {
            let mut waiters = shared.waiters();
            if waiter.is_closed() {
                return 0;
            }
            waiters.insert(request.id, Waiter::Health(waiter));
            drop(waiters);
            sized(&mut frame.health, request)
        }
        Outgoing::Api { call, waiter } => {
            let mut waiters = shared.waiters();
            if waiter.is_closed() || shared.overtime.is_cancelled() {
                return 0;
            }
            waiters.insert(call.id, Waiter::Api(waiter));
            drop(waiters);
            sized(&mut frame.api_calls, *call)
        }
        Outgoing::Log(record) => sized(&mut frame.logs, record),
        Outgoing::Stats(stats) => {
            let size = stats.encoded_len();
            join(frame.stats.get_or_insert_default(), stats);
            size + 8
        }
        Outgoing::Spans(spans) => spans.into_iter().map(|span| sized(&mut frame.spans, span)).sum(),
        Outgoing::Listening(listening) => {
            frame.listening = Some(listening);
            64
        }
        Outgoing::PortClosed => {
            frame.port_closed = Some(PortClosed {});
            4
        }
        Outgoing::Echo(echo) => {
            frame.echo = Some(echo);
            16
        }
        Outgoing::Certificates(certificates) => {
            let size = certificates.encoded_len();
            frame.certificates = Some(certificates);
            size + 8
        }
    }
}

fn sized<M: Message>(items: &mut Vec<M>, item: M) -> usize {
    let size = item.encoded_len() + 8;
    items.push(item);
    size
}

/// Merges two counts that wait for the same frame.
fn join(into: &mut Stats, stats: Stats) {
    into.connections = stats.connections;
    into.requests.extend(stats.requests);
    into.without_credential += stats.without_credential;
    into.misplaced_credential += stats.misplaced_credential;
    into.handshakes_refused.extend(stats.handshakes_refused);
    into.refusals.extend(stats.refusals);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: u64 = 7;

    fn asked(shared: &LinkState) -> Waiting<'_, wire::Reply> {
        let (waiter, answer) = oneshot::channel();
        let item = Outgoing::Request { request: LinkRequest { id: ID, ..LinkRequest::default() }, waiter };
        assert!(add(shared, &mut ToNode::default(), item) > 0);
        Waiting { id: ID, answer, shared, done: false }
    }

    fn answered(reply: Option<wire::Reply>) -> ToProxy {
        ToProxy { replies: vec![LinkReply { id: ID, reply }], ..ToProxy::default() }
    }

    #[test]
    fn a_reply_that_comes_as_its_caller_gives_up_is_heard() {
        let shared = LinkState::default();
        let mut waiting = asked(&shared);
        let reply = wire::Reply { replayed: true, ..wire::Reply::default() };
        take(&shared, answered(Some(reply.clone())));
        assert_eq!(waiting.give_up(), Ok(reply));
    }

    #[test]
    fn a_request_that_was_handed_over_is_never_told_as_not_sent() {
        let shared = LinkState::default();
        assert_eq!(asked(&shared).give_up(), Err(Unanswered::Unknown));
        let mut waiting = asked(&shared);
        take(&shared, answered(None));
        assert_eq!(waiting.give_up(), Err(Unanswered::Unknown));
        let (_waiter, answer) = oneshot::channel::<wire::Reply>();
        assert_eq!(Waiting { id: 8, answer, shared: &shared, done: false }.give_up(), Err(Unanswered::NotSent));
    }

    #[test]
    fn the_end_of_waits_wakes_callers_of_requests_handed_over_and_sends_no_request_any_more() {
        let shared = Arc::new(LinkState::default());
        let link = Link { queue: mpsc::channel(1).0, shared: shared.clone(), ids: Arc::default() };
        let mut waiting = asked(&shared);
        link.end_waits();
        assert!(waiting.answer.try_recv() == Err(oneshot::error::TryRecvError::Closed), "the caller is woken");
        assert_eq!(waiting.give_up(), Err(Unanswered::Unknown));
        let (waiter, mut answer) = oneshot::channel();
        let item = Outgoing::Request { request: LinkRequest { id: 8, ..LinkRequest::default() }, waiter };
        let mut frame = ToNode::default();
        assert_eq!(add(&shared, &mut frame, item), 0);
        assert!(frame.requests.is_empty() && answer.try_recv() == Err(oneshot::error::TryRecvError::Closed));
    }
}
