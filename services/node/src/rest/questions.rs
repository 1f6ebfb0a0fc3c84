//! Questions about the state: records and their pages, lists, campaigns, campaign groups, Do-Not-Call entries.
//!
//! Each answer comes from one snapshot, read on a thread beside the runtime. Questions about few rows share a thread, long questions
//! take turns.

use futures::future::join_all;
use ocs_proto::{
    control::AuditRequest,
    link::{ApiAnswer, ApiCall, ApiName, ApiSubject, api_call::Asked},
};
use outbound::{
    AccessScope, Answer, Answers, AuditFilter, Cursor, Query, RecordName, Refusal, RefusalCode, Reply, Resource,
    wire::records::{name_from_wire, query_from_wire},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Duration, Instant, timeout_at},
};

use super::{Answered, Calling, Rest, about, beside, of_answered, of_reply, told, unreadable};
use crate::credentials::{AdmittedCall, CallReach, Judge, WantedCall};

/// Entries of one phone or customer that an answer shows: one for each list and campaign at most.
const ENTRIES_MAX: u64 = 10_000;
/// Questions about few rows that one thread answers: enough to be worth the wake-up, few enough for a slow one to hold up few.
const QUICK_TOGETHER: usize = 8;

/// The question of a client that may ask.
type Judged = Result<(Query, Bounds), Reply>;

/// What an answer leaves out.
pub(super) struct Bounds {
    pub(super) client: AdmittedCall,
    pub(super) limit: u32,
    pub(super) cursor: Vec<u8>,
    /// The thing that the path names; empty: all.
    pub(super) name: String,
    /// The tenant of the answer's rows; none: the client names no tenant.
    pub(super) tenant: Option<told::OfTenant>,
}

impl Rest {
    pub(super) async fn question(&self, judge: &Judge, calling: &Calling, asked: Asked) -> Answered {
        let turns = if is_long(&asked) { &self.long } else { &self.short };
        let (query, mut bounds) = judged(judge, calling, asked)?;
        let _turn = turn(turns, calling.deadline).await?;
        if is_of_all(&query) && !bounds.client.tenant.is_empty() {
            let Answer::Declaration { declaration, .. } = self.ask(Query::Declaration).await? else {
                return Err(unreadable());
            };
            bounds.tenant = Some(told::OfTenant::named(&bounds.client.tenant, &declaration)?);
        }
        let answer = self.ask(query).await?;
        told::told(answer, &bounds, self.door.engine().state().as_ref())
    }

    /// Answers questions about few rows: each is judged on its own, and some share a thread.
    pub(super) async fn quick(&self, judge: &Judge, calls: Vec<ApiCall>, now: Instant) -> Vec<ApiAnswer> {
        let mut groups = Vec::new();
        let mut calls = calls.into_iter().peekable();
        while calls.peek().is_some() {
            groups.push(self.quick_group(judge, calls.by_ref().take(QUICK_TOGETHER).collect(), now));
        }
        join_all(groups).await.into_iter().flatten().collect()
    }

    async fn quick_group(&self, judge: &Judge, calls: Vec<ApiCall>, now: Instant) -> Vec<ApiAnswer> {
        let ids: Vec<u64> = calls.iter().map(|call| call.id).collect();
        let first_ms = calls.iter().map(|call| call.deadline_ms).min().unwrap_or_default();
        let judged_call = |call: ApiCall| -> Judged {
            let (_, calling, asked) = Calling::of(call, now);
            judged(judge, &calling, asked.ok_or_else(unreadable)?)
        };
        let all: Vec<Judged> = calls.into_iter().map(judged_call).collect();
        let _turn = match turn(&self.short, now + Duration::from_millis(first_ms.into())).await {
            Ok(turn) => turn,
            Err(busy) => return ids.into_iter().map(|id| of_reply(id, busy.clone())).collect(),
        };
        let state = self.door.engine().state().clone();
        let answered = move |asked: Judged| -> Answered {
            let (query, bounds) = asked?;
            let answer = state.query(query).map_err(Reply::refused)?.next().ok_or_else(unreadable)?;
            told::told(answer, &bounds, state.as_ref())
        };
        match beside(move || all.into_iter().map(answered).collect::<Vec<Answered>>()).await {
            Ok(answers) => ids.into_iter().zip(answers).map(|(id, answered)| of_answered(id, answered)).collect(),
            Err(reply) => ids.into_iter().map(|id| of_reply(id, reply.clone())).collect(),
        }
    }

    /// A page of the audit. A page looks at a bounded number of rows: with a filter a page may be short, or empty, and not the last.
    pub(super) async fn audit(&self, calling: &Calling, asked: AuditRequest) -> Answered {
        let AuditRequest { since_us, until_us, principal, what, rows_max: _ } = asked;
        let filter = AuditFilter { since_us, until_us, principal, what };
        let after = Some(calling.cursor.clone()).filter(|cursor| !cursor.is_empty()).map(Cursor);
        let _turn = turn(&self.long, calling.deadline).await?;
        told::audit(self.ask(Query::Audit { filter, rows_max: calling.limit.into(), after }).await?)
    }

    /// The one answer to a question.
    pub(super) async fn ask(&self, query: Query) -> Result<Answer, Reply> {
        let state = self.door.engine().state().clone();
        let answered = beside(move || state.query(query).map(whole)).await?;
        answered.map_err(Reply::refused)?.ok_or_else(unreadable)
    }
}

/// A turn among such questions.
///
/// # Errors
/// No turn came before the deadline.
async fn turn(turns: &Semaphore, deadline: Instant) -> Result<SemaphorePermit<'_>, Reply> {
    let busy = || Refusal::new(RefusalCode::Busy, "Too many questions are being answered: come back later");
    match timeout_at(deadline, turns.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(busy().into()),
    }
}

/// The first page of an answer; of lists all pages, whose rows are few, as one.
fn whole(mut answers: Answers) -> Option<Answer> {
    let mut first = answers.next()?;
    if let Answer::Lists(page) = &mut first {
        let rows = |answer: Answer| match answer {
            Answer::Lists(page) => page.rows,
            _ => Vec::new(),
        };
        page.rows.extend(answers.flat_map(rows));
        page.next = None;
    }
    Some(first)
}

/// The question to the state, and the bounds of its answer.
///
/// # Errors
/// The refusal of a client that may not ask.
fn judged(judge: &Judge, calling: &Calling, asked: Asked) -> Judged {
    let (call, reach) = reach_of(&asked);
    let wanted = WantedCall { name: call, scope: AccessScope::Read, tenant: &calling.tenant, reach };
    let client = judge.admit_call(&calling.shown, &wanted)?;
    let name = match &asked {
        Asked::Lists(ApiName { name }) | Asked::Campaigns(ApiName { name }) | Asked::Groups(ApiName { name }) => {
            name.clone()
        }
        _ => String::new(),
    };
    let query = query(asked, calling, &client).ok_or_else(unreadable)?;
    let bounds = Bounds { client, limit: calling.limit, cursor: calling.cursor.clone(), name, tenant: None };
    Ok((query, bounds))
}

/// Whether a question is about things of several tenants; the state itself bounds questions about records.
fn is_of_all(query: &Query) -> bool {
    !matches!(query, Query::Record { .. } | Query::Records(_))
}

/// Whether a question reads many rows: a page of a whole list, or all declared things of a kind.
fn is_long(asked: &Asked) -> bool {
    use ocs_proto::outbound::records_query::By;
    match asked {
        Asked::Records(query) => matches!(query.by, None | Some(By::DueBeforeS(_))),
        Asked::Lists(ApiName { name }) => name.is_empty(),
        Asked::Campaigns(_) | Asked::Groups(_) => true,
        _ => false,
    }
}

/// The name of a question, and the lists in its reach.
fn reach_of(asked: &Asked) -> (&'static str, CallReach) {
    let of_list = |list: &str| CallReach::Of(about(Resource::List(list.to_owned())));
    match asked {
        Asked::Record(name) => {
            let reach = match name_from_wire(name.clone()) {
                RecordName::Handle(handle) => CallReach::Of(about(Resource::Record(handle))),
                RecordName::InList { list, .. } => of_list(&list),
            };
            ("a record", reach)
        }
        Asked::Records(query) => ("records", of_list(&query.list)),
        Asked::Lists(ApiName { name }) if name.is_empty() => ("lists", CallReach::Shown),
        Asked::Lists(ApiName { name }) => ("a list", of_list(name)),
        Asked::Groups(ApiName { name }) if !name.is_empty() => {
            ("a campaign group", CallReach::Of(about(Resource::CampaignGroup(name.clone()))))
        }
        Asked::Groups(_) => ("campaign groups", CallReach::All),
        Asked::Campaigns(_) => ("campaigns", CallReach::All),
        _ => ("Do-Not-Call entries", CallReach::All),
    }
}

fn query(asked: Asked, calling: &Calling, client: &AdmittedCall) -> Option<Query> {
    let tenant = client.tenant.clone();
    Some(match asked {
        Asked::Record(name) => Query::Record { name: name_from_wire(name), tenant },
        Asked::Records(query) => Query::Records(query_from_wire(query, tenant, calling.limit, &calling.cursor)),
        Asked::Lists(ApiName { name }) => {
            Query::Lists { name: Some(name).filter(|name| !name.is_empty()), after: None }
        }
        Asked::Campaigns(_) => Query::Declaration,
        Asked::Groups(ApiName { name }) => Query::Groups { identifier: Some(name).filter(|name| !name.is_empty()) },
        Asked::DoNotCall(ApiSubject { phone, customer }) => {
            let [phone, customer] = [phone, customer].map(|text| Some(text).filter(|text| !text.is_empty()));
            Query::DoNotCall { phone, customer, entries_max: ENTRIES_MAX, after: None }
        }
        _ => return None,
    })
}
