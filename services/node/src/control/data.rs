//! Lists and records over the control API: every request goes through the native door, like HTTP Proxy's requests.
//!
//! Reads are linearizable (R4 reads-ask-a-quorum), except `Verify`, which is about this node's disk. Work on many rows runs on
//! threads of its own, a few at a time. Never contains a rule.

use std::{sync::Arc, time::Duration};

use chassis::tasks::Tasks;
use dispatch::Engine;
use ocs_proto::{
    control::{
        ExportRequest, ExportRows, GetRecordReply, GetRecordRequest, HistoryReply, ListCounts, PreviewImportRequest,
        ShowListReply, ShowListRequest, VerifyReply,
    },
    outbound as wire,
};
use outbound::{
    Answer, Attributes, Body, Handle, NotDialable, Query, RULES_WITH_CAMPAIGNS, RecordChange, Refusal, RefusalCode,
    Reply, ReplyBody, Request, Resource, Value, Verb, key,
    wire::{batch_from_wire, list_from_wire, reply_into_wire},
};
use pair::{ListTally, StateReader, wall_us};
use tokio::time::Instant;
use tonic::Status;

use super::{acting::Acting, to_wire};
use crate::bulk::{Bulk, Pieces};

/// Exports that run at a time.
const EXPORTS_MAX: usize = 4;
/// Verifications that run at a time.
const VERIFICATIONS_MAX: usize = 2;

type Door = Arc<pair::Door>;

/// Counts of a list's records that run at a time.
const COUNTS_MAX: usize = 2;
/// Time limit of a count of a list's records; a larger list is shown with the count so far.
const COUNT_TIME: Duration = Duration::from_secs(2);

/// The operations that read many rows.
#[derive(Debug)]
pub(super) struct Long {
    pub(super) exports: Bulk,
    pub(super) counts: Bulk,
    verifications: Bulk,
}

impl Long {
    pub(super) fn new(tasks: &Tasks) -> Self {
        Self {
            exports: Bulk::new("exports", EXPORTS_MAX, tasks),
            counts: Bulk::new("counts of records", COUNTS_MAX, tasks),
            verifications: Bulk::new("verifications", VERIFICATIONS_MAX, tasks),
        }
    }
}

/// Refuses a name that cannot be shown or reached under every rules version; the rules refuse such a name from version 3 on.
pub(super) async fn create_list(door: &Acting, list: wire::CreateList, deadline: Instant) -> wire::Reply {
    if let Err(why) = records::check_list_name(&list.name) {
        let refusal = Refusal::new(RefusalCode::BadValue, why);
        door.note_refused("CreateList", &list.name, &refusal).await;
        return reply_into_wire(refusal.into());
    }
    reply_into_wire(door.order(Body::CreateList(list_from_wire(list)), deadline).await)
}

pub(super) async fn import(door: &Acting, batch: wire::ImportBatch, deadline: Instant) -> wire::Reply {
    reply_into_wire(door.order(Body::ImportBatch(batch_from_wire(batch)), deadline).await)
}

pub(super) async fn preview_import(
    door: &Door,
    asked: PreviewImportRequest,
    deadline: Instant,
) -> Result<wire::Reply, Status> {
    let batch = batch_from_wire(asked.batch.unwrap_or_default());
    read(door, deadline, move |state| state.preview_import(batch, asked.create)).await.map(reply_into_wire)
}

pub(super) async fn show_list(
    door: &Door,
    long: &Long,
    asked: ShowListRequest,
    deadline: Instant,
) -> Result<ShowListReply, Status> {
    let name = (!asked.name.is_empty()).then_some(asked.name);
    let wanted = name.clone();
    let lists = read(door, deadline, move |state| state.lists(wanted.as_deref())).await?;
    let mut lists: Vec<_> = lists.into_iter().map(to_wire::list).collect();
    if let ([list], Some(name), true) = (lists.as_mut_slice(), &name, asked.count) {
        list.counts = count(door, long, name.clone()).await;
    }
    match name {
        Some(name) if lists.is_empty() => Err(Status::not_found(format!("there is no list {name:?}"))),
        _ => Ok(ShowListReply { lists }),
    }
}

/// None: too many counts run, or the list is being deleted.
async fn count(door: &Door, long: &Long, list: String) -> Option<ListCounts> {
    let (state, began) = (door.engine().state().clone(), std::time::Instant::now());
    let counted = long.counts.run(move || state.tally(&list, 0, &|| began.elapsed() < COUNT_TIME)).await;
    let ListTally { records, never_open, beyond_chain, .. } = counted.ok()?.ok()?;
    Some(ListCounts { records, never_open, beyond_chain })
}

/// The record, and the reason why no group gets it now.
pub(super) async fn get_record(
    door: &Door,
    asked: GetRecordRequest,
    deadline: Instant,
) -> Result<GetRecordReply, Status> {
    let by_handle = asked.list.is_empty();
    if by_handle && asked.handle == 0 {
        return Err(Status::invalid_argument("name the record by its handle, or by its list and record_id"));
    }
    let found = read(door, deadline, move |state| {
        let (named, reply) = if by_handle {
            (Some(Handle(asked.handle)), state.read(&by(Handle(asked.handle))))
        } else {
            (None, state.read_by_id(&asked.list, asked.record_id))
        };
        let handle = handle_of(&reply, named);
        let why = handle.and_then(|handle| not_dialable(state, handle));
        let changes = handle.filter(|_| asked.history).map(|handle| changes(state, handle));
        (reply, why, changes.unwrap_or_default())
    });
    let (reply, why, changes) = found.await?;
    let dialable = matches!(why, Some(None));
    let not_dialable = why.flatten().map(to_wire::not_dialable);
    let changes = changes.into_iter().map(to_wire::record_change).collect();
    Ok(GetRecordReply { reply: Some(reply_into_wire(reply)), not_dialable, dialable, changes })
}

/// The last changes of a record, where its list keeps them.
fn changes(state: &dyn StateReader, handle: Handle) -> Vec<RecordChange> {
    match state.query(Query::RecordChanges { handle }).ok().and_then(|mut answers| answers.next()) {
        Some(Answer::RecordChanges(changes)) => changes,
        _ => Vec::new(),
    }
}

/// The handle of the record that a reply shows: the named one, else the handle in the reply; none: no record is shown.
fn handle_of(reply: &Reply, named: Option<Handle>) -> Option<Handle> {
    let ReplyBody::Done(done) = &reply.body else { return None };
    let of_reply = || {
        done.attributes.iter().find_map(|(name, value)| match value {
            Value::Int(handle) if name == key::RECORD_HANDLE => u64::try_from(*handle).ok().map(Handle),
            _ => None,
        })
    };
    named.or_else(of_reply)
}

/// The reason why no group gets a record now, as of a stamp that a command would get at this moment; the inner none: a preview
/// may hand the record out. None: the group's rules know no previews.
fn not_dialable(state: &dyn StateReader, handle: Handle) -> Option<Option<NotDialable>> {
    if state.rules_version() < RULES_WITH_CAMPAIGNS {
        return None;
    }
    let now_us = wall_us().max(state.last_stamp_us());
    let mut answers = state.query(Query::NotDialable { handle, now_us }).ok()?;
    match answers.next() {
        Some(Answer::NotDialable(why)) => Some(why),
        _ => None,
    }
}

fn by(handle: Handle) -> Request {
    Request {
        verb: Verb::GetRecord,
        resource: Resource::Record(handle),
        attributes: Attributes::default(),
        tenant: String::new(),
        principal: String::new(),
        idempotency_key: None,
    }
}

/// The rows of one consistent state, read no faster than the client takes them.
pub(super) async fn export(
    door: &Door,
    long: &Long,
    asked: ExportRequest,
    deadline: Instant,
) -> Result<Pieces<ExportRows>, Status> {
    door.wait_until_readable(deadline).await.map_err(unreadable)?;
    let (door, ExportRequest { list, columns }) = (door.clone(), asked);
    let query = Query::Export { list, columns, after: None };
    let open = move || {
        let pages = door.engine().query(query).map_err(refused);
        pages.map(|pages| pages.filter_map(to_wire::export_rows).map(Ok))
    };
    long.exports.pieces(open).await
}

/// Every acknowledged change of the role; without a quorum, the changes that this node knows.
pub(super) async fn history(door: &Door, deadline: Instant) -> Result<HistoryReply, Status> {
    let confirmed = door.wait_until_readable(deadline).await.is_ok();
    let state = door.engine().state().clone();
    let entries = beside(move || state.history()).await?;
    Ok(HistoryReply { entries: entries.into_iter().map(to_wire::history_entry).collect(), confirmed })
}

/// Verifies the rows of the state; a state that proves wrong is replaced.
pub(super) async fn verify(door: &Door, long: &Long, node: &str) -> Result<VerifyReply, Status> {
    let state = door.engine().state().clone();
    let verified = long.verifications.run(move || state.verify()).await?;
    match &verified {
        Err(why) => door.engine().distrust(format!("its rows cannot be read: {why}")),
        Ok(found) if !found.equal() => {
            door.engine().distrust("its rows on disk are not those that were written".to_owned())
        }
        Ok(_) => {}
    }
    verified.map(|check| to_wire::verified(node, check)).map_err(Status::data_loss)
}

/// Reads the state once all updates acknowledged before the call are applied.
pub(super) async fn read<T: Send + 'static>(
    door: &Door,
    deadline: Instant,
    what: impl FnOnce(&dyn StateReader) -> T + Send + 'static,
) -> Result<T, Status> {
    door.wait_until_readable(deadline).await.map_err(unreadable)?;
    read_last(door, what).await
}

/// Reads the state as this node has it now.
pub(super) async fn read_last<T: Send + 'static>(
    door: &Door,
    what: impl FnOnce(&dyn StateReader) -> T + Send + 'static,
) -> Result<T, Status> {
    let state = door.engine().state().clone();
    beside(move || what(&*state)).await
}

async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        tracing::error!(%error, "reading the state failed");
        Status::internal("reading the state failed; the node's log says more")
    })
}

/// The refusal of a read, with the next step where no quorum answers.
pub(super) fn unreadable(reply: Reply) -> Status {
    match reply.body {
        ReplyBody::Refused(Refusal { code: RefusalCode::Unavailable, message, .. }) => {
            Status::unavailable(format!("{message}; `ocsctl status` names the nodes that are away"))
        }
        ReplyBody::Refused(refusal) => refused(refusal),
        _ => Status::unavailable("the state cannot be read now"),
    }
}

pub(super) fn refused(refusal: Refusal) -> Status {
    match refusal.code {
        RefusalCode::Unavailable => Status::unavailable(refusal.message),
        RefusalCode::ListNotFound | RefusalCode::RecordNotFound | RefusalCode::GroupNotFound => {
            Status::not_found(refusal.message)
        }
        _ => Status::invalid_argument(refusal.message),
    }
}
