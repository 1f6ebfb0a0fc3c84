//! BringUp: brings the next records up to the rules of campaigns, then those that a limit held back before the declaration changed,
//! then records of lists whose customer field has changed. The state
//! holds the progress, so a repeated command continues. Requested by the primary itself.
//!
//! Never counts as a request on a record. A chain with records before and behind the end of a command settles twice, to the same end.

use std::sync::Arc;

use outbound::{
    BROUGHT_UP_ROWS_MAX, BringUp, Handle, RULES_WITH_CAMPAIGNS, Refusal, RefusalCode, Reply, Value, record_status,
};

use crate::{
    customers, hold, lookup,
    tables::{BringUpRow, HeldBackRow, Key, ListRow, RecordRow, Row, Table},
    turn::{Turn, chain},
    view::{Bound, View},
    windows,
};

pub(crate) fn decide<V: View>(asked: BringUp, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let mut progress = check(asked, turn)?;
    apply(asked.rows_max, &mut progress, turn);
    let reply = acknowledge(&progress);
    turn.overlay.put(Key::BringUp, Row::BringUp(progress));
    Ok(reply)
}

/// The progress so far.
fn check<V: View>(asked: BringUp, turn: &Turn<'_, '_, V>) -> Result<BringUpRow, Refusal> {
    if turn.version < RULES_WITH_CAMPAIGNS {
        let message = format!("Records are not brought up under rules version {}", turn.version);
        return Err(Refusal::new(RefusalCode::Unavailable, message));
    }
    if !(1..=BROUGHT_UP_ROWS_MAX).contains(&asked.rows_max) {
        let message = format!("A command brings up 1 to {BROUGHT_UP_ROWS_MAX} records, not {}", asked.rows_max);
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    Ok(lookup::bring_up(turn.overlay))
}

fn apply<V: View>(rows_max: u32, progress: &mut BringUpRow, turn: &mut Turn<'_, '_, V>) {
    if !progress.done {
        visit_records(rows_max, progress, turn);
    } else if let Some(last) = progress.held_back.take() {
        progress.held_back = free_held_back(rows_max, last, turn);
    } else {
        index_customers(rows_max, progress, turn);
    }
}

/// Frees the next records that a limit holds back: their next hand-out asks the limits that are declared now. Answers the last
/// record; none: no record is left.
fn free_held_back<V: View>(rows_max: u32, last: HeldBackRow, turn: &mut Turn<'_, '_, V>) -> Option<HeldBackRow> {
    let last = Key::WaitingUntil { until_s: last.until_s, handle: Handle(last.handle) };
    let from = [last.encode().as_slice(), &[0]].concat();
    let rows = turn.overlay.next(&Bound { table: Table::WaitingUntil, from, prefix: Vec::new() }, rows_max);
    let mut place = None;
    for (key, _) in &rows {
        let Key::WaitingUntil { until_s, handle } = key else { continue };
        place = Some(HeldBackRow { until_s: *until_s, handle: handle.0 });
        if let Some(record) = lookup::record(turn.overlay, *handle).filter(hold::is_held_back) {
            turn.overwrite(*handle, hold::freed(record));
        }
    }
    place.filter(|_| rows.len() == rows_max as usize)
}

/// Visits the next records of all lists by handle.
fn visit_records<V: View>(rows_max: u32, progress: &mut BringUpRow, turn: &mut Turn<'_, '_, V>) {
    let from = Key::Record(Handle(progress.handle.saturating_add(1))).encode().into_vec();
    let rows = turn.overlay.uncached().next(&Bound { table: Table::Record, from, prefix: Vec::new() }, rows_max);
    progress.done = rows.len() < rows_max as usize;
    for (key, row) in rows {
        if let (Key::Record(handle), Row::Record(record)) = (key, row) {
            progress.handle = handle.0;
            visit(handle, record, turn);
        }
    }
    if progress.done {
        progress.handle = 0;
    }
}

/// Notes the window of a record, and settles its chain if the record may hold others back.
fn visit<V: View>(handle: Handle, record: Arc<RecordRow>, turn: &mut Turn<'_, '_, V>) {
    windows::note(&record, turn);
    if record.record_status == record_status::RETRIEVED || chain::is_callback(&record) {
        turn.unsettle(record.list, record.chain_id);
    }
    if let Some(list) = lookup::list(turn.overlay, record.list) {
        set_customer(handle, record, &list, turn);
    }
}

fn set_customer<V: View>(handle: Handle, record: Arc<RecordRow>, list: &ListRow, turn: &mut Turn<'_, '_, V>) {
    let customer = customers::value_of(list, &record);
    if customer != record.customer {
        turn.overwrite(handle, RecordRow { customer, ..Arc::unwrap_or_clone(record) });
    }
}

/// Gives the next records of the first list whose customer field has changed their customers. A list that is gone ends its turn.
fn index_customers<V: View>(rows_max: u32, progress: &mut BringUpRow, turn: &mut Turn<'_, '_, V>) {
    let Some(job) = progress.customers.first_mut() else { return };
    let Some(list) = lookup::list(turn.overlay, job.list) else {
        progress.customers.remove(0);
        return;
    };
    let records = lookup::records_from(&turn.overlay.uncached(), job.list, job.record_id, rows_max);
    let ended = records.len() < rows_max as usize;
    for (handle, record) in records {
        job.record_id = record.record_id.saturating_add(1);
        set_customer(handle, Arc::new(record), &list, turn);
    }
    if ended {
        progress.customers.remove(0);
    }
}

/// `done`: no record is left to visit.
fn acknowledge(progress: &BringUpRow) -> Reply {
    let done = !progress.is_left();
    Reply::done("BroughtUp", vec![("done".to_owned(), Value::Int(done.into()))])
}
