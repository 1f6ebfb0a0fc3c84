//! The records of a list by their state, counted from one consistent state. Holds one page in memory, for a list of any length.
//!
//! Called by the reader, on a thread for work on many rows.

use outbound::{CHAIN_RECORDS_MAX, Handle, Refusal, record_status};
use records::{RecordRow, View, chain, list_counters, record, records_from};
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
    let (mut from, mut ends) = (Some(0), ChainEnds::default());
    while let Some(record_id) = from.filter(|_| go_on()) {
        let rows = records_from(state, dbid, record_id, PAGE);
        for (_, record) in &rows {
            count(record, changed_since_us, &mut tally);
            tally.beyond_chain += u64::from(ends.is_beyond(state, record));
        }
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

/// The place of the hundredth record of the chain that was looked up last: records of a chain mostly follow each other.
#[derive(Default)]
struct ChainEnds {
    chain_id: u64,
    /// The highest chain_n that takes part in dialling.
    last: Option<u64>,
}

impl ChainEnds {
    /// Whether a record stands behind the first hundred of its chain. A chain_n below a hundred has fewer before it.
    fn is_beyond(&mut self, state: &impl View, row: &RecordRow) -> bool {
        if row.chain_n < CHAIN_RECORDS_MAX {
            return false;
        }
        if self.last.is_none() || self.chain_id != row.chain_id {
            (self.chain_id, self.last) = (row.chain_id, Some(last_dialled(state, row)));
        }
        self.last.is_some_and(|last| row.chain_n > last)
    }
}

/// The chain_n of the hundredth record of a row's chain; of a shorter chain, that of the last.
fn last_dialled(state: &impl View, row: &RecordRow) -> u64 {
    let first = chain(state, row.list, row.chain_id).take(CHAIN_RECORDS_MAX as usize);
    let last = first.last().and_then(|handle: Handle| record(state, handle));
    last.map_or(row.chain_n, |record| record.chain_n)
}
