//! Finding rows: lists by name, records by handle, record_id, phone and chain.
//!
//! Never writes. Called by the verbs, and by the node for reads, show and export.

mod behind;
mod do_not_call;

use std::sync::Arc;

pub use behind::{callbacks_before, chain_behind, customer_behind, phone_behind};
pub use do_not_call::{do_not_call_behind, do_not_call_of, do_not_call_of_customer};
use outbound::{Handle, RULES_FIRST, RULES_WITH_PHONE_FORM, TokenHash};

use crate::{
    counters::{are_parted, counters, whole},
    declared::Declared,
    phone,
    rules::{NAME_BYTES_MAX, PHONE_LETTERS_MAX},
    settings::Settings,
    tables::{
        ApiTokenRow, AuditRow, BringUpRow, Key, ListCountersRow, ListRow, OutboxMarkRow, OutboxRow, PhonesRow,
        RecordHistoryRow, RecordRow, RoleChangeRow, Row, ScheduledSwitchoverRow, Table, chain_prefix, phone_prefix,
    },
    view::{Below, Bound, View, pages, table_pages},
};

/// The counters of a list, from its row or from a row of their own.
pub fn list_counters(view: &impl View, dbid: u32, list: &ListRow) -> ListCountersRow {
    match view.get(&Key::ListCounters(dbid)) {
        Some(Row::ListCounters(row)) => row,
        _ => ListCountersRow::of(list),
    }
}

/// Records in all lists.
pub fn records_of_all_lists(view: &impl View) -> u64 {
    if !are_parted(view) {
        return whole(view).records.unwrap_or_default();
    }
    let records = |(_, row)| match row {
        Row::ListCounters(row) => row.records,
        _ => 0,
    };
    table_pages(view, Table::ListCounters).map(records).sum()
}

/// Rules version and options of the rules; none: rules version 1, with the options of every node's own file.
pub fn settings(view: &impl View) -> Option<Arc<Settings>> {
    match view.get(&Key::Settings) {
        Some(Row::Settings(settings)) => Some(settings),
        _ => None,
    }
}

/// The declaration beside lists and options.
pub fn declared(view: &impl View) -> Arc<Declared> {
    match view.get(&Key::Declared) {
        Some(Row::Declared(declared)) => declared,
        _ => Arc::default(),
    }
}

/// Changes of the role and their terms, oldest first.
pub fn role_changes(view: &impl View) -> Vec<(u64, RoleChangeRow)> {
    let rows = table_pages(view, Table::RoleChange);
    let change = |(key, row)| match (key, row) {
        (Key::RoleChange(term), Row::RoleChange(row)) => Some((term, row)),
        _ => None,
    };
    rows.filter_map(change).collect()
}

/// The scheduled switchover; none: nothing is scheduled.
pub fn scheduled_switchover(view: &impl View) -> Option<ScheduledSwitchoverRow> {
    match view.get(&Key::ScheduledSwitchover) {
        Some(Row::ScheduledSwitchover(row)) => Some(row),
        _ => None,
    }
}

/// Progress of bringing records up to the rules of campaigns.
pub fn bring_up(view: &impl View) -> BringUpRow {
    match view.get(&Key::BringUp) {
        Some(Row::BringUp(row)) => row,
        _ => BringUpRow::default(),
    }
}

/// Counters of the outbox.
pub fn outbox_mark(view: &impl View) -> OutboxMarkRow {
    match view.get(&Key::OutboxMark) {
        Some(Row::OutboxMark(row)) => row,
        _ => OutboxMarkRow::default(),
    }
}

/// Up to `limit` kept effects in the order of their numbers, behind the number `after`.
pub fn outbox_behind(view: &impl View, after: u64, limit: u32) -> Vec<(u64, OutboxRow)> {
    let from = Key::Outbox(after.saturating_add(1)).encode().into_vec();
    let rows = view.next(&Bound { table: Table::Outbox, from, prefix: Vec::new() }, limit).into_iter();
    let effect = |(key, row)| match (key, row) {
        (Key::Outbox(number), Row::Outbox(row)) => Some((number, row)),
        _ => None,
    };
    rows.filter_map(effect).collect()
}

/// All API tokens, in the order of their hashes.
pub fn api_tokens(view: &impl View) -> Vec<(TokenHash, Arc<ApiTokenRow>)> {
    let token = |(key, row)| match (key, row) {
        (Key::ApiToken(hash), Row::ApiToken(row)) => Some((hash, row)),
        _ => None,
    };
    table_pages(view, Table::ApiToken).filter_map(token).collect()
}

/// Up to `limit` rows of the audit in their order, from an encoded key (inclusive) on.
pub fn audit_from(view: &impl View, from: Vec<u8>, limit: u32) -> Vec<(Key, Arc<AuditRow>)> {
    let rows = view.next(&Bound { table: Table::Audit, from, prefix: Vec::new() }, limit).into_iter();
    let audited = |(key, row)| match row {
        Row::Audit(row) => Some((key, row)),
        _ => None,
    };
    rows.filter_map(audited).collect()
}

/// The last changes of a record; empty also where its list keeps none.
pub fn record_history(view: &impl View, handle: Handle) -> RecordHistoryRow {
    match view.get(&Key::RecordHistory(handle)) {
        Some(Row::RecordHistory(row)) => row,
        _ => RecordHistoryRow::default(),
    }
}

/// All lists with their DBIDs, in the order of creation.
pub fn lists(view: &impl View) -> Vec<(u32, Arc<ListRow>)> {
    let rows = table_pages(view, Table::List);
    let list = |(key, row)| match (key, row) {
        (Key::List(dbid), Row::List(row)) => Some((dbid, row)),
        _ => None,
    };
    rows.filter_map(list).collect()
}

/// The list of a DBID.
pub fn list(view: &impl View, dbid: u32) -> Option<Arc<ListRow>> {
    match view.get(&Key::List(dbid)) {
        Some(Row::List(row)) => Some(row),
        _ => None,
    }
}

/// The list that an identifier means: its name, else its decimal DBID where no list bears that name (spec 2).
pub fn find_list(view: &impl View, identifier: &str) -> Option<(u32, Arc<ListRow>)> {
    let digits = identifier.bytes().all(|byte| byte.is_ascii_digit());
    let number = || digits.then(|| identifier.parse().ok()).flatten();
    let dbid = dbid_of(view, identifier).or_else(number)?;
    Some((dbid, list(view, dbid)?))
}

fn dbid_of(view: &impl View, name: &str) -> Option<u32> {
    if name.len() > NAME_BYTES_MAX {
        return None; // no list has such a name, and an engine limits the length of keys
    }
    match view.get(&Key::ListByName(name.to_owned())) {
        Some(Row::ListByName(row)) => u32::try_from(row.number).ok(),
        _ => None,
    }
}

/// The record of a handle.
pub fn record(view: &impl View, handle: Handle) -> Option<RecordRow> {
    match view.get(&Key::Record(handle)) {
        Some(Row::Record(row)) => Some(Arc::unwrap_or_clone(row)),
        _ => None,
    }
}

/// The record of a record_id in a list.
pub fn record_by_id(view: &impl View, list: u32, record_id: u64) -> Option<(Handle, RecordRow)> {
    match view.get(&Key::RecordById { list, record_id }) {
        Some(Row::RecordById(row)) => with_record(view, Handle(row.number)),
        _ => None,
    }
}

/// Up to `limit` records of a list in the order of record_id, from `record_id` (inclusive) on: a page of an export.
pub fn records_from(view: &impl View, list: u32, record_id: u64, limit: u32) -> Vec<(Handle, RecordRow)> {
    let from = Key::RecordById { list, record_id }.encode().into_vec();
    let bound = Bound { table: Table::RecordById, from, prefix: list.to_be_bytes().to_vec() };
    let handle = |(_, row)| match row {
        Row::RecordById(row) => with_record(view, Handle(row.number)),
        _ => None,
    };
    view.next(&bound, limit).into_iter().filter_map(handle).collect()
}

/// The rules version by which the state decides.
pub fn rules_version(view: &impl View) -> u32 {
    settings(view).map_or(RULES_FIRST, |settings| settings.rules_version())
}

/// Up to `limit` records whose phone is the same in the form of the group's rules version, in the order of handles.
pub fn records_by_phone(view: &impl View, phone: &str, limit: u32) -> Vec<(Handle, RecordRow)> {
    if phone.chars().count() > PHONE_LETTERS_MAX {
        return Vec::new(); // no record has so long a phone
    }
    let forms = phone::forms_to_ask(rules_version(view), counters(view).phones_are_rewritten(), phone);
    let mut found: Vec<_> = forms.iter().flat_map(|form| records_under(view, form, limit)).collect();
    found.sort_by_key(|(handle, _)| handle.0);
    found.dedup_by_key(|(handle, _)| handle.0);
    found.truncate(limit as usize);
    found
}

fn records_under(view: &impl View, form: &str, limit: u32) -> Vec<(Handle, RecordRow)> {
    let prefix = phone_prefix(form);
    let bound = Bound { table: Table::RecordByPhone, from: prefix.clone(), prefix };
    let record = |(key, _)| match key {
        Key::RecordByPhone { handle, .. } => with_record(view, handle),
        _ => None,
    };
    view.next(&bound, limit).into_iter().filter_map(record).collect()
}

/// Whether the state may have phones under two forms: from rules version 3 on, until the group has rewritten its phones. `phones`:
/// the progress of the rewrite; none: not begun.
pub fn phones_have_two_forms(rules_version: u32, phones: Option<&PhonesRow>) -> bool {
    rules_version >= RULES_WITH_PHONE_FORM && !phones.is_some_and(|phones| phones.done)
}

/// The forms under which the index of phones may have the phone of a record: two only while the group rewrites phones, for a
/// record that the rewrite has not reached.
pub fn indexed_forms(rules_version: u32, phones: Option<&PhonesRow>, handle: Handle, given: &str) -> Vec<String> {
    let rewritten = phones.is_some_and(|phones| phones.done || handle.0 <= phones.handle);
    phone::forms_to_ask(rules_version, rewritten, given)
}

/// Handles of a chain in the order of chain_n.
pub fn chain(view: &impl View, list: u32, chain_id: u64) -> impl Iterator<Item = Handle> {
    let prefix = chain_prefix(list, chain_id);
    let rows = pages(view, Bound { table: Table::RecordByChain, from: prefix.clone(), prefix });
    rows.filter_map(|(_, row)| match row {
        Row::RecordByChain(row) => Some(Handle(row.number)),
        _ => None,
    })
}

/// The highest chain_n of a chain; none: the chain is unknown.
pub fn chain_end(view: &impl View, list: u32, chain_id: u64) -> Option<u64> {
    let below = Below { table: Table::RecordByChain, prefix: chain_prefix(list, chain_id), before: None };
    match view.last(&below) {
        Some((Key::RecordByChain { chain_n, .. }, _)) => Some(chain_n),
        _ => None,
    }
}

fn with_record(view: &impl View, handle: Handle) -> Option<(Handle, RecordRow)> {
    Some((handle, record(view, handle)?))
}
