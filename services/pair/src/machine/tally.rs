//! The records of a list by their state, counted from one consistent state. Holds one page in memory, for a list of any length.
//!
//! Called by the reader, on a thread for work on many rows.

use outbound::{Refusal, record_status};
use records::{RecordRow, list_counters, records_from};
use store::StateSnapshot;

use super::reader::known_list;
use crate::ListTally;

/// Records fetched at a time.
const PAGE: u32 = 1_000;

/// Counts the records in the order of record_id, while `go_on` returns true.
pub(super) fn tally(
    state: &StateSnapshot,
    list: &str,
    changed_since_us: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<ListTally, Refusal> {
    let (dbid, list) = known_list(state, list)?;
    let mut tally = ListTally { added_us: list_counters(state, dbid, &list).added_us, ..ListTally::default() };
    let mut from = Some(0);
    while let Some(record_id) = from.filter(|_| go_on()) {
        let rows = records_from(state, dbid, record_id, PAGE);
        rows.iter().for_each(|(_, record)| count(record, changed_since_us, &mut tally));
        let whole_page = rows.len() == PAGE as usize;
        from = rows.last().and_then(|(_, record)| record.record_id.checked_add(1)).filter(|_| whole_page);
    }
    Ok(tally)
}

fn count(record: &RecordRow, changed_since_us: u64, tally: &mut ListTally) {
    tally.records += 1;
    tally.never_open += u64::from(record.daily_from == record.daily_till);
    tally.retrieved += u64::from(record.record_status == record_status::RETRIEVED);
    tally.changed += u64::from(record.changed_us > changed_since_us);
}
