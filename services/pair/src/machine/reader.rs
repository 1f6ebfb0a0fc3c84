//! The state of this node for reads, lists, export and verify: each answer from one consistent state.
//!
//! Never writes, and waits only for the disk; the caller checks before whether the state is recent enough
//! ([`crate::Door`]). Called by the door and the control API.

use std::{cell::RefCell, sync::Arc, time::Duration};

use outbound::{
    Answer, Answers, Attributes, DoNotCallBatch, HistoryEntry, ImportBatch, Query, Refusal, RefusalCode, Reply,
    Request, Resource, Value, Verb, key,
};
use records::{
    Below, Bound, BringUpRow, Key, ListRow, PhonesRow, Reach, RoleChangeRow, Row, ScheduledSwitchoverRow, Settings,
    Table, View, bring_up, counters, find_list, is_due, last_stamp_us, reach, read, record_by_id, role_changes,
    scheduled_switchover,
};
use store::{StateSnapshot, StoreError, StoreReader, Verified};
use tokio::sync::watch;

use super::{
    access::{self, Tokens},
    audit::{self, Audit},
    declared, do_not_call,
    export::Export,
    group_rules::GroupRules,
    lists::Lists,
    outbox, preview, records_page, tally,
    told::EventCounts,
};
use crate::{ApiTokens, DueCounts, ListTally, PreviewCounts, StateCheck, StateReader};

/// Limit of the changes of the role that are shown.
const HISTORY_ENTRIES_MAX: usize = 100;

/// Reads the state. Cheap to clone; outlives a change of the state for a fetched one.
#[derive(Clone)]
pub struct RecordsReader {
    store: StoreReader,
    group_rules: GroupRules,
    tokens: Tokens,
    counts: EventCounts,
}

impl RecordsReader {
    pub(super) fn new(store: StoreReader, group_rules: GroupRules, tokens: Tokens, counts: EventCounts) -> Self {
        Self { store, group_rules, tokens, counts }
    }

    /// Rules version and options of the group, as they change; none: rules version 1.
    pub fn watch_settings(&self) -> watch::Receiver<Option<Arc<Settings>>> {
        self.group_rules.settings()
    }

    /// One consistent state, for questions without a method here.
    pub fn snapshot(&self) -> StateSnapshot {
        self.store.snapshot()
    }

    /// The state at an index whose digest is kept, if it is one of the last few.
    pub fn at_digest(&self, index: u64) -> Option<StateSnapshot> {
        self.store.at_digest(index)
    }

    /// Recomputes the digest at the caller's pace (see [`StoreReader::verify_paced`]).
    ///
    /// # Errors
    /// Rows that cannot be read.
    pub fn verify_paced(&self, pace: impl FnMut(u64) -> bool) -> Result<Option<Verified>, StoreError> {
        self.store.verify_paced(pace)
    }

    /// Bytes that the state takes on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }
}

impl StateReader for RecordsReader {
    fn read(&self, request: &Request) -> Reply {
        read(request, &self.store.snapshot())
    }

    fn read_all(&self, requests: &[&Request]) -> Vec<Reply> {
        let state = Remembering::of(self.store.snapshot());
        requests.iter().map(|request| read(request, &state)).collect()
    }

    fn read_by_id(&self, list: &str, record_id: u64) -> Reply {
        let state = self.store.snapshot();
        let Some((dbid, _)) = find_list(&state, list) else { return unknown_list(list).into() };
        match record_by_id(&state, dbid, record_id) {
            Some((handle, _)) => read(&get_record(Resource::Record(handle)), &state),
            None => {
                let message = format!("List {list:?} has no record with record_id {record_id}");
                let refusal = Refusal::new(RefusalCode::RecordNotFound, message);
                refusal.with(key::CALLING_LIST, Value::text(list)).into()
            }
        }
    }

    fn last_stamp_us(&self) -> u64 {
        last_stamp_us(&self.store.snapshot())
    }

    fn records(&self) -> u64 {
        self.store.snapshot().records()
    }

    fn rules_version(&self) -> u32 {
        self.group_rules.version()
    }

    fn api_tokens(&self) -> Arc<ApiTokens> {
        self.tokens.now()
    }

    fn reach(&self, request: &Request) -> Reach {
        reach(request, &self.store.snapshot())
    }

    fn list_name(&self, dbid: u32) -> String {
        access::list_name(&self.store.snapshot(), dbid)
    }

    fn ignored_keys(&self) -> u64 {
        self.counts.ignored_keys()
    }

    fn client_updates(&self) -> u64 {
        self.counts.client_updates()
    }

    fn stamped_time(&self) -> Duration {
        self.counts.stamped_time()
    }

    fn preview_counts(&self) -> PreviewCounts {
        self.counts.previews()
    }

    fn due_counts(&self) -> DueCounts {
        self.counts.due()
    }

    fn settings(&self) -> Option<Arc<Settings>> {
        self.group_rules.settings().borrow().clone()
    }

    fn phones(&self) -> (PhonesRow, u64) {
        let counters = counters(&self.store.snapshot());
        (counters.phones.unwrap_or_default(), counters.last_handle)
    }

    fn is_due(&self, now_us: u64) -> bool {
        is_due(&self.store.snapshot(), now_us)
    }

    fn bring_up(&self) -> (BringUpRow, u64) {
        let state = self.store.snapshot();
        (bring_up(&state), counters(&state).last_handle)
    }

    fn scheduled_switchover(&self) -> Option<ScheduledSwitchoverRow> {
        scheduled_switchover(&self.store.snapshot())
    }

    fn preview_import(&self, batch: ImportBatch, create: bool) -> Reply {
        preview::preview(batch, create, self.rules_version(), &self.store.snapshot())
    }

    fn preview_do_not_call(&self, batch: DoNotCallBatch) -> Reply {
        preview::preview_entries(batch, self.rules_version(), &self.store.snapshot())
    }

    fn tally(&self, list: &str, changed_since_us: u64, go_on: &dyn Fn() -> bool) -> Result<ListTally, Refusal> {
        tally::tally(&self.store.snapshot(), list, changed_since_us, go_on)
    }

    fn query(&self, query: Query) -> Result<Answers, Refusal> {
        let state = self.store.snapshot();
        match query {
            Query::Lists { name, after } => Ok(Box::new(Lists::new(&state, name.as_deref(), after.as_ref()))),
            Query::History => Ok(Box::new(std::iter::once(Answer::History(history(&state))))),
            Query::DoNotCall { phone: Some(phone), entries_max, .. } => {
                Ok(Box::new(std::iter::once(do_not_call::of_phone(&state, &phone, entries_max)?)))
            }
            Query::DoNotCall { customer: Some(customer), entries_max, .. } => {
                Ok(Box::new(std::iter::once(do_not_call::of_customer(&state, &customer, entries_max))))
            }
            Query::DoNotCall { entries_max, after, .. } => {
                Ok(Box::new(do_not_call::All::new(state, entries_max, after.as_ref())?))
            }
            Query::Export { list, columns, after } => {
                let (dbid, list) = known_list(&state, &list)?;
                Ok(Box::new(Export::new(state, dbid, list, &columns, after.as_ref())?))
            }
            Query::Outbox { after, rows_max } => {
                Ok(Box::new(std::iter::once(Answer::Outbox(outbox::page(&state, after, rows_max)))))
            }
            Query::Declaration => Ok(Box::new(std::iter::once(declared::declaration(&state)))),
            Query::Plan(apply) => Ok(Box::new(std::iter::once(declared::plan(&state, &apply)))),
            Query::Groups { identifier } => {
                Ok(Box::new(std::iter::once(declared::groups(&state, identifier.as_deref())?)))
            }
            Query::NotDialable { handle, now_us } => {
                Ok(Box::new(std::iter::once(declared::not_dialable(&state, handle, now_us))))
            }
            Query::Tokens => Ok(Box::new(std::iter::once(Answer::Tokens(access::infos(&state))))),
            Query::Audit { filter, rows_max, after } => {
                Ok(Box::new(Audit::new(state, filter, rows_max, after.as_ref())?))
            }
            Query::RecordChanges { handle } => Ok(Box::new(std::iter::once(audit::record_changes(&state, handle)))),
            Query::Record { name, tenant } => {
                Ok(Box::new(std::iter::once(records_page::one(&Remembering::of(state), &name, &tenant)?)))
            }
            Query::Records(query) => {
                let (cluster, state) = (*state.cluster(), Remembering::of(state));
                Ok(Box::new(std::iter::once(records_page::page(&state, &cluster, &query)?)))
            }
        }
    }

    fn verify(&self) -> Result<StateCheck, String> {
        let verified = self.store.verify().map_err(|error| error.to_string())?;
        let kept = self.store.snapshot().kept_digests().map_err(|error| error.to_string())?;
        let (recorded, recomputed) = (verified.recorded, verified.recomputed);
        Ok(StateCheck { index: verified.index, recorded, recomputed, rows: verified.rows, kept })
    }
}

/// The newest changes of the role.
fn history(state: &StateSnapshot) -> Vec<HistoryEntry> {
    let changes = role_changes(state);
    let before = std::iter::once(String::new()).chain(changes.iter().map(|(_, change)| change.to.clone()));
    let entry = |((term, change), from): (&(u64, RoleChangeRow), String)| HistoryEntry {
        at_us: change.stamp_us,
        from,
        to: change.to.clone(),
        term: *term,
        reason: change.reason.clone(),
        pause_ms: change.pause_ms,
        note: change.note.clone(),
    };
    let all: Vec<HistoryEntry> = changes.iter().zip(before).map(entry).collect();
    let hidden = all.len().saturating_sub(HISTORY_ENTRIES_MAX); // a hidden entry only shows the origin of the next
    all.into_iter().skip(hidden).collect()
}

/// The refusal of a cursor that no state has given.
pub(super) fn unknown_cursor() -> Refusal {
    Refusal::new(RefusalCode::BadValue, "The cursor is none that an answer to this question gave")
}

/// A state that looks up the few rows that every read needs only once.
struct Remembering {
    state: StateSnapshot,
    rows: RefCell<Vec<(Key, Option<Row>)>>,
}

impl Remembering {
    fn of(state: StateSnapshot) -> Self {
        Self { state, rows: RefCell::default() }
    }
}

impl View for Remembering {
    const LACKS: &'static [Table] = StateSnapshot::LACKS;

    fn get(&self, key: &Key) -> Option<Row> {
        if !matches!(key, Key::Meta | Key::List(_)) {
            return self.state.get(key);
        }
        let known = self.rows.borrow().iter().find(|(known, _)| known == key).map(|(_, row)| row.clone());
        known.unwrap_or_else(|| {
            let row = self.state.get(key);
            self.rows.borrow_mut().push((key.clone(), row.clone()));
            row
        })
    }

    fn next(&self, bound: &Bound, limit: u32) -> Vec<(Key, Row)> {
        self.state.next(bound, limit)
    }

    fn last(&self, below: &Below) -> Option<(Key, Row)> {
        self.state.last(below)
    }
}

/// A list that is being deleted is refused: its records are gone for every client.
pub(super) fn known_list(state: &impl View, name: &str) -> Result<(u32, Arc<ListRow>), Refusal> {
    let (dbid, list) = find_list(state, name).ok_or_else(|| unknown_list(name))?;
    if list.deleting {
        let message = format!("Calling list {name:?} is being deleted with its records");
        return Err(Refusal::new(RefusalCode::Conflict, message).with(key::CALLING_LIST, Value::text(name)));
    }
    Ok((dbid, list))
}

fn unknown_list(name: &str) -> Refusal {
    let message = format!("There is no calling list {name:?}");
    Refusal::new(RefusalCode::ListNotFound, message).with(key::CALLING_LIST, Value::text(name))
}

fn get_record(resource: Resource) -> Request {
    Request {
        verb: Verb::GetRecord,
        resource,
        attributes: Attributes::default(),
        tenant: String::new(),
        principal: String::new(),
        idempotency_key: None,
    }
}
