//! Calls of the REST interface, as HTTP Proxy hands them over (spec 13): each is judged, then goes the way of a request, of a command,
//! of a question about the state, or of an operator's order.
//!
//! Never contains a rule and never knows HTTP: `records` decides, `control` does the orders. A call is judged on a state that a quorum
//! confirmed. Called by the link, through its handler.

mod changes;
mod questions;
mod told;

use std::sync::{Arc, OnceLock};

use chassis::spans::SpanContext;
use dispatch::EncodedBody;
use futures::future::join_all;
use ocs_proto::{
    control::{
        BackupSchedule, HistoryReply, PauseReply, PauseRequest, ScheduleSwitchoverReply, ScheduleSwitchoverRequest,
        StatusReply, SwitchoverReply, SwitchoverRequest,
    },
    link::{
        ApiAnswer, ApiBackups, ApiCall, ApiOrder, ApiRequest, ApiSeries, ApiSeriesRequest, api_answer::Told,
        api_call::Asked, api_order::Order,
    },
};
use outbound::{
    AccessScope, Answer, Body, Handle, Origin, Query, RecordName, Refusal, RefusalCode, Reply, Request, Resource,
    Value, key,
    wire::{self, records::name_from_wire},
};
use pair::Door;
use prost::Message;
use tokio::{
    sync::Semaphore,
    time::{Duration, Instant},
};

use crate::{
    audit::Who,
    credentials::{Admission, CallReach, Judge, Known, Shown, WantedCall},
};

/// Pages and other long questions that are answered at a time; others wait for their turn within their deadline.
const LONG_QUESTIONS_MAX: usize = 4;
/// Threads that answer questions about few rows at a time. A page of one customer may be as large as any other page: the bound is on
/// memory, too.
const SHORT_QUESTIONS_MAX: usize = 16;
/// How long an order waits for a quorum: a resume must be possible without one.
const ORDER_QUORUM_WAIT: Duration = Duration::from_millis(500);

/// The orders of operators that a node carries out for its REST interface.
#[tonic::async_trait]
pub(crate) trait NodeOrders: Send + Sync {
    /// State of this node and its group.
    async fn cluster(&self) -> StatusReply;

    /// Changes of the role.
    ///
    /// # Errors
    /// Why they cannot be read.
    async fn history(&self) -> Result<HistoryReply, Refusal>;

    /// Hands the primary's role over, or shows the candidates. `by`: the client, for the history.
    async fn switchover(&self, asked: SwitchoverRequest, by: &str, who: Who) -> SwitchoverReply;

    /// Schedules a switchover, or cancels the scheduled one.
    async fn schedule_switchover(&self, asked: ScheduleSwitchoverRequest, who: Who) -> ScheduleSwitchoverReply;

    /// Pauses automatic failover, or resumes it.
    async fn pause(&self, asked: PauseRequest, who: Who) -> PauseReply;

    /// The backups in this node's directory; none: the node has no directory for backups.
    async fn backups(&self) -> Option<BackupSchedule>;

    /// Figures of the last hour or day at this node.
    fn series(&self, asked: &ApiSeriesRequest) -> ApiSeries;

    /// Begins a backup into this node's directory. `at_primary`: also where this node is the primary and another node could make it.
    ///
    /// # Errors
    /// Why no backup begins.
    async fn make_backup(&self, at_primary: bool, who: Who) -> Result<BackupSchedule, Refusal>;
}

/// The content of an answer, and the place behind its page; empty: no page follows.
pub(crate) type Answered = Result<(Told, Vec<u8>), Reply>;

/// Answers the calls of one node.
pub(crate) struct Rest {
    door: Arc<Door>,
    orders: OnceLock<Arc<dyn NodeOrders>>,
    long: Semaphore,
    short: Semaphore,
}

/// A call with the time of its deadline and its credential taken apart.
struct Calling {
    shown: Shown,
    /// The span of the call; none: the call is not traced.
    trace: Option<SpanContext>,
    deadline: Instant,
    tenant: String,
    limit: u32,
    cursor: Vec<u8>,
    idempotency_key: Vec<u8>,
}

impl Calling {
    /// Takes a call apart: its id, and the question, request or order. `now`: the moment from which its deadline counts.
    fn of(call: ApiCall, now: Instant) -> (u64, Self, Option<Asked>) {
        let ApiCall { id, deadline_ms, credential: token, certificate, address, asked, .. } = call;
        let calling = Self {
            shown: Shown { token, certificate, address },
            trace: SpanContext::from_bytes(&call.trace),
            deadline: now + Duration::from_millis(deadline_ms.into()),
            tenant: call.tenant,
            limit: call.limit,
            cursor: call.cursor.to_vec(),
            idempotency_key: call.idempotency_key.to_vec(),
        };
        (id, calling, asked)
    }

    /// The update of a body, with the client's address and in the trace of the call.
    fn update(&self, body: Body) -> EncodedBody {
        EncodedBody::of(body).at(&self.shown.address).traced(self.trace)
    }
}

/// Whether a call is an order, which is carried out without a quorum, too: an emergency has none. The audit is a question.
fn is_order(call: &ApiCall) -> bool {
    matches!(&call.asked, Some(Asked::Order(ApiOrder { order })) if !matches!(order, Some(Order::Audit(_))))
}

/// Whether a question touches few rows, so that many are answered together.
pub(crate) fn is_quick(call: &ApiCall) -> bool {
    use ocs_proto::outbound::records_query::By;
    match &call.asked {
        Some(Asked::Record(_)) => true,
        Some(Asked::Records(query)) => matches!(query.by, Some(By::Phone(_) | By::Customer(_) | By::Chain(_))),
        _ => false,
    }
}

/// The answer with a refusal.
pub(crate) fn refused(id: u64, refusal: Refusal) -> ApiAnswer {
    of_reply(id, refusal.into())
}

fn of_reply(id: u64, reply: Reply) -> ApiAnswer {
    ApiAnswer { id, told: Some(Told::Reply(wire::reply_into_wire(reply))), ..ApiAnswer::default() }
}

fn of_answered(id: u64, answered: Answered) -> ApiAnswer {
    match answered {
        Ok((told, next)) => ApiAnswer { id, next: next.into(), told: Some(told) },
        Err(reply) => of_reply(id, reply),
    }
}

impl Rest {
    /// `door`: the way of requests, commands and questions.
    pub(crate) fn new(door: Arc<Door>) -> Self {
        let (long, short) = (Semaphore::new(LONG_QUESTIONS_MAX), Semaphore::new(SHORT_QUESTIONS_MAX));
        Self { door, orders: OnceLock::new(), long, short }
    }

    /// Carries orders out from now on.
    pub(crate) fn connect(&self, orders: Arc<dyn NodeOrders>) {
        let _ = self.orders.set(orders); // a node starts once
    }

    /// Answers calls that came together. One question to a quorum is enough for all (R4 reads-ask-a-quorum).
    pub(crate) async fn answer(&self, judge: &Judge, calls: Vec<ApiCall>) -> Vec<ApiAnswer> {
        let now = Instant::now();
        let first_ms = calls.iter().map(|call| call.deadline_ms).min().unwrap_or_default();
        let is_order = calls.iter().all(is_order);
        let until = now + Duration::from_millis(first_ms.into());
        let until = if is_order { until.min(now + ORDER_QUORUM_WAIT) } else { until };
        if let Err(reply) = self.door.wait_until_readable(until).await
            && !is_order
        {
            return calls.iter().map(|call| of_reply(call.id, reply.clone())).collect();
        }
        if calls.iter().all(is_quick) {
            return self.quick(judge, calls, now).await;
        }
        join_all(calls.into_iter().map(|call| Box::pin(self.one(judge, call, now)))).await
    }

    async fn one(&self, judge: &Judge, call: ApiCall, now: Instant) -> ApiAnswer {
        let (id, calling, asked) = Calling::of(call, now);
        let answered = match asked {
            None => Err(unreadable()),
            Some(Asked::Request(request)) => self.request(judge, &calling, request).await,
            Some(Asked::Order(ApiOrder { order })) => self.order(judge, &calling, order).await,
            Some(asked @ (Asked::Declare(_) | Asked::Enter(_) | Asked::Remove(_))) => {
                self.change(judge, &calling, asked).await
            }
            Some(asked) => self.question(judge, &calling, asked).await,
        };
        of_answered(id, answered)
    }

    // === requests ===

    /// A client's request. The record that its path names by list and record_id has its handle for ever.
    async fn request(&self, judge: &Judge, calling: &Calling, asked: ApiRequest) -> Answered {
        let message = ocs_proto::outbound::Request::decode(asked.request).map_err(|_| unreadable())?;
        let mut request = wire::request_from_wire(message).map_err(|_| unreadable())?;
        if let Some(name @ RecordName::InList { .. }) = asked.record.map(name_from_wire) {
            request.resource = Resource::Record(self.handle(judge, calling, &request, name).await?);
        }
        let request = admitted(judge, &calling.shown, request)?;
        self.check_version(request.rules_min())?;
        let reads = request.verb.reads();
        let body = Body::Request(request);
        let reply = match reads {
            true => self.door.answer(body, Origin::Http, calling.deadline).await,
            false => self.door.answer_update(calling.update(body), Origin::Http, calling.deadline).await,
        };
        Ok((done(reply), Vec::new()))
    }

    /// The handle of a record by list and record_id. The client is judged before the look-up: a client learns of no record in a list
    /// that its credential does not reach.
    async fn handle(
        &self,
        judge: &Judge,
        calling: &Calling,
        request: &Request,
        name: RecordName,
    ) -> Result<Handle, Reply> {
        let RecordName::InList { list, .. } = &name else { return Err(unreadable()) };
        let on_list = Request { resource: Resource::List(list.clone()), ..request.clone() };
        let tenant = admitted(judge, &calling.shown, on_list)?.tenant;
        let Answer::Records(page) = self.ask(Query::Record { name, tenant }).await? else { return Err(unreadable()) };
        let handle = |(name, value): &(String, Value)| match value {
            Value::Int(handle) if name == key::RECORD_HANDLE => u64::try_from(*handle).ok(),
            _ => None,
        };
        page.rows.iter().flatten().find_map(handle).map(Handle).ok_or_else(unreadable)
    }

    /// Refuses what the group does not decide yet: the primary may run a release that cannot read the command.
    fn check_version(&self, needed: u32) -> Result<(), Reply> {
        let version = self.door.engine().state().rules_version();
        if version >= needed { Ok(()) } else { Err(dispatch::too_early(version, needed, RefusalCode::Unavailable)) }
    }

    // === orders ===

    async fn order(&self, judge: &Judge, calling: &Calling, order: Option<Order>) -> Answered {
        let (name, order) = order.map(|order| (name_of(&order), order)).ok_or_else(unreadable)?;
        let reach = CallReach::Group;
        let wanted = WantedCall { name, scope: AccessScope::Admin, tenant: &calling.tenant, reach };
        let client = judge.admit_call(&calling.shown, &wanted)?;
        let starting = || Refusal::new(RefusalCode::Unavailable, "The node is starting");
        let orders = self.orders.get().ok_or_else(starting)?;
        let who = Who { principal: client.principal, address: calling.shown.address.clone() };
        let by = named(&who);
        match is_shown_often(&order) {
            true => tracing::debug!(order = name, by, "an order over REST"),
            false => tracing::info!(order = name, by, "an order over REST"),
        }
        let told = match order {
            Order::Cluster(_) => Told::Cluster(orders.cluster().await),
            Order::History(_) => Told::History(orders.history().await?),
            Order::Switchover(asked) => Told::Switchover(orders.switchover(asked, &by, who).await),
            Order::Pause(asked) => Told::Pause(orders.pause(asked, who).await),
            Order::ScheduleSwitchover(asked) => Told::ScheduledSwitchover(orders.schedule_switchover(asked, who).await),
            Order::Backups(_) => Told::Backups(ApiBackups { schedule: orders.backups().await }),
            Order::MakeBackup(asked) => {
                let schedule = orders.make_backup(asked.at_primary, who).await?;
                Told::Backups(ApiBackups { schedule: Some(schedule) })
            }
            Order::Series(asked) => Told::Series(orders.series(&asked)),
            Order::Audit(asked) => return self.audit(calling, asked).await,
        };
        Ok((told, Vec::new()))
    }
}

/// Whether an order only asks for what a console shows all day: a line for each would fill the log.
const fn is_shown_often(order: &Order) -> bool {
    matches!(order, Order::Cluster(_) | Order::History(_) | Order::Backups(_) | Order::Series(_))
}

const fn name_of(order: &Order) -> &'static str {
    match order {
        Order::Cluster(_) => "cluster",
        Order::History(_) => "history",
        Order::Switchover(_) => "switchover",
        Order::Pause(_) => "pause",
        Order::ScheduleSwitchover(_) => "schedule switchover",
        Order::Backups(_) => "backups",
        Order::MakeBackup(_) => "make backup",
        Order::Audit(_) => "audit",
        Order::Series(_) => "series",
    }
}

/// The client of an order by name and address, for the history of the role.
fn named(Who { principal, address }: &Who) -> String {
    let name = if principal.is_empty() { "a client without a credential" } else { principal };
    if address.is_empty() { format!("{name} (REST)") } else { format!("{name} (REST, {address})") }
}

/// The request with tenant and principal of its client.
///
/// # Errors
/// The refusal of a client that may not ask.
fn admitted(judge: &Judge, shown: &Shown, mut request: Request) -> Result<Request, Reply> {
    match judge.admit(shown, &request, true) {
        Admission::AsSent => {}
        Admission::As(Known { tenant, principal }) => (request.tenant, request.principal) = (tenant, principal),
        Admission::Refused(reply) => return Err(reply),
        Admission::Unsettled => return Err(unreadable()),
    }
    Ok(request)
}

/// The outcome of a request or a command.
fn done(reply: Reply) -> Told {
    Told::Reply(wire::reply_into_wire(reply))
}

/// Both ends come from one build, so an unreadable call is a bug.
fn unreadable() -> Reply {
    Refusal::new(RefusalCode::Internal, "The node could not read the call").into()
}

/// Work that may wait for the disk, on a thread beside the runtime's.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Reply> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        tracing::error!(%error, "reading the state failed");
        Refusal::new(RefusalCode::Internal, "reading the state failed; the node's log says more").into()
    })
}

/// A request that only names the lists of a call for its judgement.
fn about(resource: Resource) -> Request {
    Request {
        verb: outbound::Verb::GetRecord,
        resource,
        attributes: outbound::Attributes::default(),
        tenant: String::new(),
        principal: String::new(),
        idempotency_key: None,
    }
}
