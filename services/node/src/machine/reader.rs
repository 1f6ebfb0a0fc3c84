//! The state of this node for reads, lists, export and verify: each answer from one consistent state.
//!
//! Never writes, and waits only for the disk; the caller checks before whether the state is recent enough
//! ([`crate::outbound_api`]). Called by the door and the control API.

use std::{cell::RefCell, sync::Arc};

use ocs_proto::control::{
    DoNotCallEntries, DoNotCallRequest, ExportRequest, ExportRows, HistoryEntry, KeptDigest, ListInfo, VerifyReply,
};
use outbound::{
    Attributes, ImportBatch, Refusal, RefusalCode, Reply, Request, Resource, UserField, Value, Verb, key,
    wire::field_to_wire,
};
use records::{
    Below, Bound, Key, ListRow, PhonesRow, RoleChangeRow, Row, Settings, Table, View, find_list, lists, meta, read,
    record_by_id, role_changes,
};
use store::{StateSnapshot, StoreError, StoreReader, Verified};
use tokio::sync::watch;

use super::{do_not_call, export::Export, group_rules::GroupRules, preview, tally};
use crate::outbound_api::{ListTally, StateReader};

/// Limit of the changes of the role that are shown.
const HISTORY_ENTRIES_MAX: usize = 100;

/// Reads the state. Cheap to clone; outlives a change of the state for a fetched one.
#[derive(Clone)]
pub struct RecordsReader {
    store: StoreReader,
    group_rules: GroupRules,
    node: String,
}

impl RecordsReader {
    pub(super) fn new(store: StoreReader, group_rules: GroupRules, node: &str) -> Self {
        Self { store, group_rules, node: node.to_owned() }
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
        let state = Remembering { state: self.store.snapshot(), rows: RefCell::default() };
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
        meta(&self.store.snapshot()).last_stamp_us
    }

    fn records(&self) -> u64 {
        self.store.snapshot().records()
    }

    fn rules_version(&self) -> u32 {
        self.group_rules.version()
    }

    fn settings(&self) -> Option<Arc<Settings>> {
        self.group_rules.settings().borrow().clone()
    }

    fn phones(&self) -> (PhonesRow, u64) {
        let counters = meta(&self.store.snapshot());
        (counters.phones.unwrap_or_default(), counters.last_handle)
    }

    fn preview_import(&self, batch: ImportBatch, create: bool) -> Reply {
        preview::preview(batch, create, self.rules_version(), &self.store.snapshot())
    }

    fn lists(&self, name: Option<&str>) -> Vec<ListInfo> {
        let state = self.store.snapshot();
        let found: Vec<(u32, Arc<ListRow>)> = match name {
            Some(name) => find_list(&state, name).into_iter().collect(),
            None => lists(&state),
        };
        found.into_iter().map(|(dbid, list)| info(dbid, &list)).collect()
    }

    fn tally(&self, list: &str, changed_since_us: u64, go_on: &dyn Fn() -> bool) -> Result<ListTally, Refusal> {
        tally::tally(&self.store.snapshot(), list, changed_since_us, go_on)
    }

    fn do_not_call(
        &self,
        request: &DoNotCallRequest,
    ) -> Result<Box<dyn Iterator<Item = DoNotCallEntries> + Send>, Refusal> {
        do_not_call::entries(self.store.snapshot(), request)
    }

    fn history(&self) -> Vec<HistoryEntry> {
        let changes = role_changes(&self.store.snapshot());
        let before = std::iter::once(String::new()).chain(changes.iter().map(|(_, change)| change.to.clone()));
        let entry = |((term, change), from): (&(u64, RoleChangeRow), String)| HistoryEntry {
            at_us: change.stamp_us,
            from,
            to: change.to.clone(),
            term: *term,
            reason: change.reason.clone(),
            pause_ms: change.pause_ms,
        };
        let all: Vec<HistoryEntry> = changes.iter().zip(before).map(entry).collect();
        let hidden = all.len().saturating_sub(HISTORY_ENTRIES_MAX); // a hidden entry only shows the origin of the next
        all.into_iter().skip(hidden).collect()
    }

    fn export(&self, request: &ExportRequest) -> Result<Box<dyn Iterator<Item = ExportRows> + Send>, Refusal> {
        let state = self.store.snapshot();
        let (dbid, list) = known_list(&state, &request.list)?;
        Ok(Box::new(Export::new(state, dbid, list, &request.columns)?))
    }

    fn verify(&self) -> Result<VerifyReply, String> {
        let verified = self.store.verify().map_err(|error| error.to_string())?;
        let kept = self.store.snapshot().kept_digests().map_err(|error| error.to_string())?;
        let kept = kept.into_iter().map(|(index, digest)| KeptDigest { index, recorded: format!("{digest:032x}") });
        Ok(VerifyReply {
            node: self.node.clone(),
            index: verified.index,
            recorded: format!("{:032x}", verified.recorded),
            recomputed: format!("{:032x}", verified.recomputed),
            rows: verified.rows,
            equal: verified.equal(),
            kept: kept.collect(),
        })
    }
}

/// A state that looks up the few rows that every read needs only once.
struct Remembering {
    state: StateSnapshot,
    rows: RefCell<Vec<(Key, Option<Row>)>>,
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

fn info(dbid: u32, list: &ListRow) -> ListInfo {
    ListInfo {
        dbid,
        records: list.records,
        next_record_id: list.next_record_id,
        next_chain_id: list.next_chain_id,
        fields: list.fields.iter().map(|field| field_to_wire(&UserField::from(field))).collect(),
        name: list.name.clone(),
        time_zone: list.time_zone.clone(),
        deleting: list.deleting,
        counts: None,
    }
}
