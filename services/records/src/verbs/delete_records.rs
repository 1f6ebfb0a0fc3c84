//! DeleteRecords: deletes the next records of a list in deletion, then the memory of its imports, then the list itself. The state
//! holds the progress, so a repeated command continues. Requested by the primary itself.
//!
//! Never changes a list outside deletion. Handles, record ids and DBIDs are never reused.

use std::sync::Arc;

use outbound::{DELETED_ROWS_MAX, DeleteRecords, Effect, Handle, Refusal, RefusalCode, Reply, Value};

use super::delete_list::check_version;
use crate::{
    event::Event,
    lookup,
    tables::{Key, ListCountersRow, ListRow, Row, Table, list_prefix},
    turn::Turn,
    view::{Bound, View},
};

pub(crate) fn decide<V: View>(asked: DeleteRecords, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let done = match check(asked, turn)? {
        Some(list) => apply(asked, &list, turn),
        None => true,
    };
    Ok(Reply::done("RecordsDeleted", vec![("done".to_owned(), Value::Int(done.into()))]))
}

/// The list; none: already deleted.
fn check<V: View>(asked: DeleteRecords, turn: &Turn<'_, '_, V>) -> Result<Option<Arc<ListRow>>, Refusal> {
    check_version(turn)?;
    if !(1..=DELETED_ROWS_MAX).contains(&asked.rows_max) {
        let message = format!("A command deletes 1 to {DELETED_ROWS_MAX} rows, not {}", asked.rows_max);
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    let list = lookup::list(turn.overlay, asked.list);
    if list.as_ref().is_some_and(|list| !list.deleting) {
        let message = format!("The calling list with DBID {} is not being deleted", asked.list);
        return Err(Refusal::new(RefusalCode::Conflict, message));
    }
    Ok(list)
}

/// Deletes the next rows; true: the list is gone.
fn apply<V: View>(asked: DeleteRecords, list: &ListRow, turn: &mut Turn<'_, '_, V>) -> bool {
    let mut counters = turn.list_counters(asked.list, list);
    let deleted = delete_records(asked, &mut counters, turn);
    let room = asked.rows_max - deleted;
    if room > 0 && forget_imports(asked.list, room, turn) < room {
        turn.remove_list(asked.list, list);
        turn.events.push(Event::Effect(Effect::ListDeleted { list: asked.list, name: list.name.clone() }));
        return true;
    }
    turn.put_list_counters(asked.list, list, counters);
    false
}

/// Deletes the next records; answers their count. Continues after the last command's end: a read from the beginning would pass
/// over the tombstones of all deleted keys.
fn delete_records<V: View>(asked: DeleteRecords, list: &mut ListCountersRow, turn: &mut Turn<'_, '_, V>) -> u32 {
    let from = Key::RecordById { list: asked.list, record_id: list.deleted_below }.encode().into_vec();
    let bound = Bound { table: Table::RecordById, from, prefix: list_prefix(asked.list) };
    let rows = turn.overlay.uncached().next(&bound, asked.rows_max);
    let mut deleted = 0;
    for (key, row) in rows {
        deleted += 1;
        let (Key::RecordById { record_id, .. }, Row::RecordById(number)) = (&key, &row) else { continue };
        list.deleted_below = record_id.saturating_add(1);
        let handle = Handle(number.number);
        turn.overlay.remove_read(key, row);
        delete_record(handle, list, turn);
    }
    deleted
}

fn delete_record<V: View>(handle: Handle, list: &mut ListCountersRow, turn: &mut Turn<'_, '_, V>) {
    let record = turn.overlay.uncached().get(&Key::Record(handle));
    if let Some(Row::Record(record)) = record {
        turn.delete_record(list, handle, record);
    }
}

/// Forgets import batches; answers their count.
fn forget_imports<V: View>(list: u32, rows_max: u32, turn: &mut Turn<'_, '_, V>) -> u32 {
    let mut forgotten = 0;
    let prefix = list_prefix(list);
    let rows =
        turn.overlay.uncached().next(&Bound { table: Table::ImportBatch, from: prefix.clone(), prefix }, rows_max);
    for (key, row) in rows {
        forgotten += 1;
        turn.overlay.remove_read(key, row);
    }
    forgotten
}
