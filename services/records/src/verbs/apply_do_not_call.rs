//! ApplyDoNotCall: marks the next open records of a list whose phone or customer is on Do-Not-Call. Requested through the control API,
//! again and again until the list's end, so that no command changes many records.

use std::sync::Arc;

use outbound::{ApplyDoNotCall, DO_NOT_CALL_ROWS_MAX, Handle, Refusal, RefusalCode, Reply, Value};

use super::{do_not_call_batch::check_version, target};
use crate::{
    acknowledge::int,
    dnc, lookup,
    tables::{ListRow, RecordRow},
    turn::Turn,
    view::View,
};

/// The records to look at.
struct Plan {
    list: Arc<ListRow>,
    records: Vec<(Handle, RecordRow)>,
    /// None: the list has no further record.
    next_record_id: Option<u64>,
}

pub(crate) fn decide<V: View>(asked: &ApplyDoNotCall, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let plan = check(asked, turn)?;
    let (looked, next_record_id) = (plan.records.len() as u64, plan.next_record_id);
    let marked = apply(plan, turn);
    Ok(acknowledge(marked, looked, next_record_id))
}

fn check<V: View>(asked: &ApplyDoNotCall, turn: &Turn<'_, '_, V>) -> Result<Plan, Refusal> {
    check_version(turn)?;
    if !(1..=DO_NOT_CALL_ROWS_MAX).contains(&asked.rows_max) {
        let message = format!("A command looks at 1 to {DO_NOT_CALL_ROWS_MAX} records, not {}", asked.rows_max);
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    let (dbid, list) = target::find_list(turn.overlay, &asked.list)?;
    let records = lookup::records_from(&turn.overlay.uncached(), dbid, asked.from_record_id, asked.rows_max);
    let last = records.last().filter(|_| records.len() == asked.rows_max as usize);
    let next_record_id = last.and_then(|(_, record)| record.record_id.checked_add(1));
    Ok(Plan { list, records, next_record_id })
}

/// The count of marked records. An entry of a campaign stops only hand-outs for this campaign, and marks no record.
fn apply<V: View>(plan: Plan, turn: &mut Turn<'_, '_, V>) -> u64 {
    let mut marked = 0;
    for (handle, record) in plan.records {
        let is_stopped = target::is_open(&record) && dnc::stops_record(&record, &plan.list, None, turn);
        marked += u64::from(is_stopped && dnc::mark(handle, record, turn));
    }
    marked
}

fn acknowledge(marked: u64, looked: u64, next_record_id: Option<u64>) -> Reply {
    let next = next_record_id.map(|next| ("next_record_id", int(next)));
    let pairs: Vec<(&str, Value)> =
        [("marked", int(marked)), ("looked", int(looked))].into_iter().chain(next).collect();
    Reply::done("DoNotCallApplied", pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
