//! The node's end of the link to HTTP Proxy: takes requests in, and sends every reply back.
//!
//! Never decides anything about a request: the [`ProxyHandler`] judges credentials, and gives requests, health checks, counts and
//! log records their meaning. Called by [`crate::supervisor`].

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chassis::{
    logging::Masked,
    spans::{OpenSpan, SpanContext},
    tasks::{AtEnd, Tasks},
};
use dispatch::{EncodedBody, is_whole};
use futures::{Stream, StreamExt};
use http_proxy::link::{
    FRAME_BYTES_MAX, FrameReader, FrameWriter, LINK_VERSIONS, LinkError, LinkVersions,
    stream::{self, ReadHalf, WriteHalf},
    write_batches,
};
use node_config::ProxySettings;
use ocs_proto::link::{
    ApiAnswer, ApiCall, Certificates, Configure, Drain, Echo, HealthKind, HealthReply, HealthRequest, LinkReply,
    LinkRequest, Listening, LogFilter, LogRecord, ReloadCertificates, RoleNotice, SpanRecord, Stats, ToNode, ToProxy,
};
use outbound::{Refusal, RefusalCode, Reply, Request, wire};
use prost::Message;
use tokio::{
    net::UnixStream,
    sync::{mpsc, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    credentials::{Admission, Known, Shown},
    rest,
};

/// Largest answer, bytes: a frame that is nearly a full batch still has room for one.
const ANSWER_BYTES_MAX: usize = FRAME_BYTES_MAX / 2;
/// Replies that wait to be written.
const QUEUE_MAX: usize = 4096;
/// Events that wait for the supervisor.
const EVENTS_MAX: usize = 8;
/// Reads that are answered together: enough to share a question and a write, few enough to leave other tasks their turn.
const READS_MAX: usize = 32;
/// Updates that one task follows.
const UPDATES_MAX: usize = 128;

/// A request, and the time within which it is to be answered.
pub type Taken<T> = (T, Duration);

/// The node's services for its HTTP Proxy.
pub trait ProxyHandler: Send + Sync + 'static {
    /// The replies to updates that came together, each before its deadline and with the place of its update, as soon as the reply is
    /// known.
    fn updates(&self, updates: Vec<Taken<EncodedBody>>) -> impl Stream<Item = (usize, Reply)> + Send;

    /// Answers reads that came together, in their order, each before its deadline.
    fn reads(&self, reads: Vec<Taken<Request>>) -> impl Future<Output = Vec<Reply>> + Send;

    /// Judges the credentials of a request; `settled`: after [`ProxyHandler::catch_up`].
    fn admit(&self, shown: &Shown, request: &Request, settled: bool) -> Admission;

    /// Brings this node's state up to date; false: no quorum has confirmed the state within this time.
    fn catch_up(&self, within: Duration) -> impl Future<Output = bool> + Send;

    /// Answers a health check: whether all is well, and the JSON to show.
    fn health(&self, kind: HealthKind) -> impl Future<Output = (bool, String)> + Send;

    /// Answers calls of the REST interface that came together, in their order, each before its deadline.
    fn calls(&self, calls: Vec<ApiCall>) -> impl Future<Output = Vec<ApiAnswer>> + Send {
        let refusal = || Refusal::new(RefusalCode::Unavailable, "The node serves no REST interface");
        std::future::ready(calls.into_iter().map(|call| rest::refused(call.id, refusal())).collect())
    }

    /// The notice about this node in every answer: the role as last confirmed ("primary", "backup" or "unknown"), and whether
    /// updates are on one disk only.
    fn role(&self) -> watch::Receiver<RoleNotice>;

    /// Takes counters in. `serves`: HTTP Proxy has the port; otherwise the number of its connections counts no more.
    fn stats(&self, stats: Stats, serves: bool);

    /// An HTTP Proxy with these settings is about to serve.
    fn begins(&self, _settings: &ProxySettings) {}

    /// Takes in what HTTP Proxy knows of its certificates.
    fn certificates(&self, _certificates: Certificates) {}

    /// The number of the last order that HTTP Proxy read its certificates again; 0: none.
    fn reloads(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    /// Of a million traces that begin at HTTP Proxy, so many are sampled; 0: none.
    fn trace_millionths(&self) -> u32 {
        0
    }

    /// Takes a finished span of HTTP Proxy in.
    fn span(&self, record: SpanRecord) {
        crate::traces::take(record);
    }

    /// Takes a log record in (spec 10.4).
    fn log(&self, record: LogRecord) {
        crate::proxy_log::tell(&record);
    }
}

/// An event of the link, for the supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkEvent {
    /// The port is open, at this address, and both ends speak this version of the link.
    Listening(String, u32),
    /// The port is not open, for this reason.
    BindFailed(String),
    /// The port is closed by order; requests in flight go on.
    PortClosed,
    /// No further event will come.
    Ended,
}

/// An item for HTTP Proxy.
enum Outgoing {
    Configure(Box<Configure>),
    Reply(LinkReply),
    Health(HealthReply),
    Api(Box<ApiAnswer>),
    Role(RoleNotice),
    LogFilter(String),
    /// Within so many milliseconds; 0: the drain timeout counts.
    Drain(u32),
    Echo(u64),
    ReloadCertificates(u64),
}

/// An open link. Dropping the value closes the link, and HTTP Proxy ends.
#[derive(Debug)]
pub struct ProxyLink {
    queue: mpsc::Sender<Outgoing>,
    heard: Arc<AtomicBool>,
    tasks: Tasks,
    _open: DropGuard,
}

/// State shared by the tasks of one link.
struct LinkTasks<H> {
    handler: Arc<H>,
    queue: mpsc::Sender<Outgoing>,
    /// A frame has come since the last look.
    heard: Arc<AtomicBool>,
    tasks: Tasks,
}

impl<H> LinkTasks<H> {
    async fn reply(&self, id: u64, reply: Reply) {
        let reply = LinkReply { id, reply: Some(wire::reply_into_wire(reply)) };
        let _ = self.queue.send(Outgoing::Reply(reply)).await; // HTTP Proxy is gone, and the client with it
    }
}

impl ProxyLink {
    /// Configures the HTTP Proxy at the other end, and serves it from now on.
    ///
    /// # Errors
    /// The runtime cannot watch the socket.
    pub(crate) fn open<H: ProxyHandler>(
        stream: UnixStream,
        configure: Configure,
        handler: Arc<H>,
        tasks: &Tasks,
    ) -> io::Result<(Self, mpsc::Receiver<LinkEvent>)> {
        let (reader, writer) = stream::split(stream)?;
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let closed = CancellationToken::new();
        queue.try_send(Outgoing::Configure(Box::new(configure))).expect("the queue is new and empty");
        let heard = Arc::new(AtomicBool::new(false));
        let shared =
            LinkTasks { handler: handler.clone(), queue: queue.clone(), heard: heard.clone(), tasks: tasks.clone() };
        let shared = Arc::new(shared);
        let reading = read(FrameReader::new(reader), shared, events.clone());
        let writing = write(FrameWriter::new(writer), queued, closed.clone());
        let noticing = notice_roles(handler.role(), queue.clone());
        let ordering = order_reloads(handler.reloads(), queue.clone());
        let until = closed.clone();
        tasks.spawn("proxy link", AtEnd::Quiet, async move {
            tokio::select! {
                () = until.cancelled() => {}
                result = reading => log_end(result),
                result = writing => log_end(result),
                () = noticing => {}
                () = ordering => {}
            }
            let _ = events.send(LinkEvent::Ended).await; // the supervisor has gone on
        });
        Ok((Self { queue, heard, tasks: tasks.clone(), _open: closed.drop_guard() }, received))
    }

    /// Asks HTTP Proxy to finish the requests in flight and to end. Does not wait: a process that stands still reads nothing, and
    /// is killed in time. `within`: the time until that kill, where the node itself stops.
    pub(crate) fn drain(&self, within: Option<Duration>) {
        let queue = self.queue.clone();
        let within_ms = within.map_or(0, |within| u32::try_from(within.as_millis()).unwrap_or(u32::MAX).max(1));
        self.tasks.spawn("proxy drain", AtEnd::Quiet, async move {
            let _ = queue.send(Outgoing::Drain(within_ms)).await; // a lost link ends HTTP Proxy, too
        });
    }

    /// Gives HTTP Proxy's log other levels.
    pub(crate) fn set_log_filter(&self, filter: &str) {
        // A full queue is being written: the levels are then those of the next HTTP Proxy.
        let _ = self.queue.try_send(Outgoing::LogFilter(filter.to_owned()));
    }

    /// Asks HTTP Proxy for a sign of life.
    pub(crate) fn ask_echo(&self, id: u64) {
        let _ = self.queue.try_send(Outgoing::Echo(id)); // a full queue asks for more than an echo
    }

    /// Whether a frame has come since the last call.
    pub(crate) fn heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }
}

fn log_end(result: Result<(), LinkError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the link to the HTTP front end broke");
    }
}

// === from HTTP Proxy ===

async fn read<H: ProxyHandler>(
    mut reader: FrameReader<ReadHalf>,
    shared: Arc<LinkTasks<H>>,
    events: mpsc::Sender<LinkEvent>,
) -> Result<(), LinkError> {
    let mut serves = true;
    while let Some(frame) = reader.next::<ToNode>().await? {
        shared.heard.store(true, Ordering::Relaxed);
        let ToNode { requests, health, logs, stats, listening, port_closed, certificates, api_calls, spans, echo: _ } =
            frame;
        spans.into_iter().for_each(|record| shared.handler.span(record));
        logs.into_iter().for_each(|record| shared.handler.log(record));
        if port_closed.is_some() {
            serves = false;
            let _ = events.send(LinkEvent::PortClosed).await;
        }
        if let Some(stats) = stats {
            shared.handler.stats(stats, serves);
        }
        if let Some(certificates) = certificates {
            shared.handler.certificates(certificates);
        }
        if let Some(listening) = listening {
            let _ = events.send(told(listening)).await;
        }
        take_requests(&shared, requests);
        take_calls(&shared, api_calls);
        health.into_iter().for_each(|request| take_health(&shared, request));
    }
    Ok(())
}

/// HTTP Proxy's first message, which names the versions of the link that it speaks.
fn told(listening: Listening) -> LinkEvent {
    let theirs = LinkVersions::named(listening.format_min, listening.format_max);
    match LINK_VERSIONS.common(theirs) {
        _ if !listening.error.is_empty() => LinkEvent::BindFailed(listening.error),
        Some(version) => LinkEvent::Listening(listening.address, version),
        None => LinkEvent::BindFailed(format!(
            "HTTP Proxy speaks version {theirs} of the link, this node {LINK_VERSIONS}: install releases that have one in common"
        )),
    }
}

/// One task for each group of updates or reads; HTTP Proxy limits the requests in flight (`requests_in_flight_max`).
fn take_requests<H: ProxyHandler>(shared: &Arc<LinkTasks<H>>, requests: Vec<LinkRequest>) {
    let (mut updates, mut reads) = (Vec::new(), Vec::new());
    for LinkRequest { id, deadline_ms, request, credential: token, certificate, address, trace } in requests {
        let (deadline, shown) = (Duration::from_millis(deadline_ms.into()), Shown { token, certificate, address });
        let waits = Waits::of(id, &trace);
        match readable(&*shared.handler, id, &request, &shown, false) {
            Ok(Asked::Read(request)) => reads.push((waits, (request, deadline))),
            Ok(Asked::Update(body)) => {
                let trace = waits.span.as_ref().map(OpenSpan::context);
                updates.push((waits, (body.traced(trace), deadline)));
            }
            Ok(Asked::Unsettled) => take_unsettled(shared, id, (request, shown), deadline),
            Err(refused) => take_refused(shared, id, refused),
        }
    }
    in_groups(updates, UPDATES_MAX, |waits, updates| take_updates(shared, waits, updates));
    in_groups(reads, READS_MAX, |waits, reads| take_reads(shared, waits, reads));
}

/// A request that waits for its reply.
struct Waits {
    id: u64,
    /// None: the request is not traced.
    span: Option<OpenSpan>,
}

impl Waits {
    /// `trace`: the bytes of HTTP Proxy's span; empty: the request is not traced.
    fn of(id: u64, trace: &[u8]) -> Self {
        Self { id, span: OpenSpan::within("submission", SpanContext::from_bytes(trace)) }
    }

    /// The reply is known.
    fn ends(&mut self) -> u64 {
        if let Some(span) = self.span.take() {
            span.end(Vec::new(), false);
        }
        self.id
    }
}

fn in_groups<T>(
    mut requests: Vec<(Waits, Taken<T>)>,
    size_max: usize,
    mut take: impl FnMut(Vec<Waits>, Vec<Taken<T>>),
) {
    while !requests.is_empty() {
        let behind = requests.split_off(size_max.min(requests.len()));
        let (waits, group) = std::mem::replace(&mut requests, behind).into_iter().unzip();
        take(waits, group);
    }
}

fn take_updates<H: ProxyHandler>(shared: &Arc<LinkTasks<H>>, mut waits: Vec<Waits>, updates: Vec<Taken<EncodedBody>>) {
    let of_task = shared.clone();
    shared.tasks.spawn("proxy updates", AtEnd::Quiet, async move {
        let mut replies = pin!(of_task.handler.updates(updates));
        while let Some((place, reply)) = replies.next().await {
            of_task.reply(waits[place].ends(), reply).await;
        }
    });
}

fn take_reads<H: ProxyHandler>(shared: &Arc<LinkTasks<H>>, waits: Vec<Waits>, reads: Vec<Taken<Request>>) {
    let of_task = shared.clone();
    shared.tasks.spawn("proxy reads", AtEnd::Quiet, async move {
        let replies = of_task.handler.reads(reads).await;
        for (mut waits, reply) in waits.into_iter().zip(replies) {
            of_task.reply(waits.ends(), reply).await;
        }
    });
}

/// Unreadable, or not for its client.
fn take_refused<H: ProxyHandler>(shared: &Arc<LinkTasks<H>>, id: u64, reply: Reply) {
    let of_task = shared.clone();
    shared.tasks.spawn("proxy request", AtEnd::Quiet, async move { of_task.reply(id, reply).await });
}

/// A request whose client can be judged on a newer state alone.
fn take_unsettled<H: ProxyHandler>(
    shared: &Arc<LinkTasks<H>>,
    id: u64,
    (bytes, shown): (Bytes, Shown),
    within: Duration,
) {
    let of_task = shared.clone();
    shared.tasks.spawn("proxy request", AtEnd::Quiet, async move {
        let reply = settled(&*of_task.handler, id, (&bytes, &shown), within).await;
        of_task.reply(id, reply).await;
    });
}

async fn settled<H: ProxyHandler>(handler: &H, id: u64, (bytes, shown): (&Bytes, &Shown), within: Duration) -> Reply {
    let began = Instant::now();
    if !handler.catch_up(within).await {
        let message = "No quorum confirms this node's state, so the rights of the client are not known; the request was not applied";
        return Refusal::new(RefusalCode::Unavailable, message).into();
    }
    let left = within.saturating_sub(began.elapsed());
    let reply = match readable(handler, id, bytes, shown, true) {
        Ok(Asked::Read(request)) => handler.reads(vec![(request, left)]).await.pop(),
        Ok(Asked::Update(body)) => pin!(handler.updates(vec![(body, left)])).next().await.map(|(_, reply)| reply),
        Ok(Asked::Unsettled) => None,
        Err(refused) => Some(refused),
    };
    reply.unwrap_or_else(|| Refusal::new(RefusalCode::Internal, "The node gave no reply").into())
}

/// A read, to be answered from the state here, or an update, whose bytes go into the log, behind them the name of a known client.
enum Asked {
    Read(Request),
    Update(EncodedBody),
    /// The client cannot be judged yet.
    Unsettled,
}

/// Decodes a request, the only time before the log, and judges its client.
fn readable(handler: &impl ProxyHandler, id: u64, bytes: &Bytes, shown: &Shown, settled: bool) -> Result<Asked, Reply> {
    let request =
        ocs_proto::outbound::Request::decode(bytes.clone()).map_err(|error| unreadable(id, &error.to_string()))?;
    let whole = is_whole(&request, bytes);
    let mut request = wire::request_from_wire(request).map_err(|error| unreadable(id, &error.to_string()))?;
    let known = match handler.admit(shown, &request, settled) {
        Admission::AsSent => None,
        Admission::As(known) => Some(known),
        Admission::Refused(reply) => return Err(reply),
        Admission::Unsettled => return Ok(Asked::Unsettled),
    };
    Ok(match known {
        Some(Known { tenant, principal }) if request.verb.reads() => {
            (request.tenant, request.principal) = (tenant, principal);
            Asked::Read(request)
        }
        None if request.verb.reads() => Asked::Read(request),
        Some(Known { tenant, principal }) => {
            Asked::Update(EncodedBody::of_known(bytes, whole, request, tenant, principal).at(&shown.address))
        }
        None => Asked::Update(EncodedBody::of_request(bytes, whole, request).at(&shown.address)),
    })
}

/// Both ends come from one build, so an unreadable request is a bug.
fn unreadable(id: u64, problem: &str) -> Reply {
    tracing::error!(request = id, problem = %Masked(problem), "HTTP Proxy sent a request that cannot be read");
    Refusal::new(RefusalCode::Internal, "The node could not read the request; its log says more").into()
}

/// Questions about few rows are answered in groups; any other call has a task of its own.
fn take_calls<H: ProxyHandler>(shared: &Arc<LinkTasks<H>>, calls: Vec<ApiCall>) {
    let (mut quick, others): (Vec<_>, Vec<_>) = calls.into_iter().partition(rest::is_quick);
    while !quick.is_empty() {
        let behind = quick.split_off(READS_MAX.min(quick.len()));
        answer_calls(shared, std::mem::replace(&mut quick, behind));
    }
    others.into_iter().for_each(|call| answer_calls(shared, vec![call]));
}

fn answer_calls<H: ProxyHandler>(shared: &Arc<LinkTasks<H>>, mut calls: Vec<ApiCall>) {
    let of_task = shared.clone();
    let waits: Vec<Waits> = calls.iter_mut().map(waits_for).collect();
    shared.tasks.spawn("proxy calls", AtEnd::Quiet, async move {
        let answers = of_task.handler.calls(calls).await;
        for (mut waits, answer) in waits.into_iter().zip(answers) {
            waits.ends();
            let _ = of_task.queue.send(Outgoing::Api(Box::new(answer))).await; // HTTP Proxy is gone
        }
    });
}

/// The call names the span of its submission from now on, for the spans within.
fn waits_for(call: &mut ApiCall) -> Waits {
    let waits = Waits::of(call.id, &call.trace);
    if let Some(span) = &waits.span {
        call.trace = Bytes::copy_from_slice(&span.context().to_bytes());
    }
    waits
}

fn take_health<H: ProxyHandler>(shared: &Arc<LinkTasks<H>>, request: HealthRequest) {
    let of_task = shared.clone();
    shared.tasks.spawn("proxy health", AtEnd::Quiet, async move {
        let (ok, body) = of_task.handler.health(request.kind()).await;
        let _ = of_task.queue.send(Outgoing::Health(HealthReply { id: request.id, ok, body })).await;
    });
}

// === to HTTP Proxy ===

async fn write(
    mut writer: FrameWriter<WriteHalf>,
    mut queue: mpsc::Receiver<Outgoing>,
    closed: CancellationToken,
) -> Result<(), LinkError> {
    write_batches(&mut queue, &mut writer, &closed, add).await
}

/// Puts an item into the frame and answers its size in bytes.
fn add(frame: &mut ToProxy, item: Outgoing) -> usize {
    match item {
        Outgoing::Reply(reply) => {
            let refused = |id| LinkReply { id, reply: Some(wire::reply_into_wire(too_large().into())) };
            fitting(&mut frame.replies, reply, |reply| refused(reply.id))
        }
        Outgoing::Health(reply) => sized(&mut frame.health, reply),
        Outgoing::Api(answer) => {
            fitting(&mut frame.api_answers, *answer, |answer| rest::refused(answer.id, too_large()))
        }
        Outgoing::Configure(configure) => {
            let size = configure.encoded_len();
            frame.configure = Some(*configure);
            size
        }
        Outgoing::Role(notice) => {
            frame.role = Some(notice);
            16
        }
        Outgoing::LogFilter(filter) => {
            let size = filter.len() + 8;
            frame.log_filter = Some(LogFilter { filter });
            size
        }
        Outgoing::Echo(id) => {
            frame.echo = Some(Echo { id });
            16
        }
        Outgoing::ReloadCertificates(order) => {
            frame.reload_certificates = Some(ReloadCertificates { order });
            16
        }
        Outgoing::Drain(within_ms) => {
            frame.drain = Some(Drain { within_ms });
            16
        }
    }
}

/// Puts an answer in, or the refusal of an answer that no frame carries: such a frame would end the link, and the requests in flight
/// with it.
fn fitting<M: Message>(items: &mut Vec<M>, answer: M, refused: impl FnOnce(&M) -> M) -> usize {
    let size = answer.encoded_len() + 8;
    if size > ANSWER_BYTES_MAX {
        let refused = refused(&answer);
        return sized(items, refused);
    }
    items.push(answer);
    size
}

fn too_large() -> Refusal {
    let message = "The answer is too large to be carried: ask for a smaller page, or for fewer of the largest records";
    Refusal::new(RefusalCode::Limit, message)
}

fn sized<M: Message>(items: &mut Vec<M>, item: M) -> usize {
    let size = item.encoded_len() + 8;
    items.push(item);
    size
}

/// Passes every change of role on, the present one first.
async fn notice_roles(mut role: watch::Receiver<RoleNotice>, queue: mpsc::Sender<Outgoing>) {
    loop {
        let notice = role.borrow_and_update().clone();
        if queue.send(Outgoing::Role(notice)).await.is_err() {
            return;
        }
        if role.changed().await.is_err() {
            return std::future::pending().await; // the role will not change any more; the link goes on
        }
    }
}

/// Passes every order that comes from now on. An HTTP Proxy that just started has read its files.
async fn order_reloads(mut orders: watch::Receiver<u64>, queue: mpsc::Sender<Outgoing>) {
    orders.mark_unchanged();
    while orders.changed().await.is_ok() {
        let order = *orders.borrow_and_update();
        if queue.send(Outgoing::ReloadCertificates(order)).await.is_err() {
            return;
        }
    }
    std::future::pending().await // no order will come any more; the link goes on
}

#[cfg(test)]
mod tests {
    use ocs_proto::{link::api_answer::Told, outbound::reply::Body};

    use super::*;

    #[test]
    fn an_answer_that_no_frame_carries_is_refused_in_place_of_the_link() {
        let mut frame = ToProxy::default();
        let large = |id| ApiAnswer { id, next: vec![0; ANSWER_BYTES_MAX].into(), ..ApiAnswer::default() };
        assert!(add(&mut frame, Outgoing::Api(Box::new(large(7)))) < 1024);
        let small = ApiAnswer { id: 8, next: vec![0; 9].into(), ..ApiAnswer::default() };
        assert!(add(&mut frame, Outgoing::Api(Box::new(small.clone()))) > 9);
        assert_eq!(frame.api_answers[1], small);
        assert!(matches!(&frame.api_answers[0], ApiAnswer { id: 7, told: Some(Told::Reply(_)), .. }));
        let pairs = vec![("AGE".to_owned(), outbound::Value::text("x".repeat(ANSWER_BYTES_MAX)))];
        let reply = LinkReply { id: 9, reply: Some(wire::reply_into_wire(Reply::done("Record", pairs))) };
        assert!(add(&mut frame, Outgoing::Reply(reply)) < 1024);
        let reply = frame.replies[0].reply.clone().unwrap();
        assert!(matches!(&reply.body, Some(Body::Refused(_))), "{reply:?}");
    }
}
