//! The history of a record: its last changes with principal and time, where its list keeps them (`record_history` of a declaration).
//!
//! From rules version 7 on. A command leaves one change; a change has no value of the record but its status. Of changes by the group
//! itself (due work, chains) those of the status count. Pure: the turn reads and writes the row.

use outbound::{Body, RECORD_CHANGES_MAX};

use crate::{
    names::cut,
    tables::{RecordChangeRow, RecordHistoryRow},
};

/// Bytes of a principal in a history: fifty changes are one row.
const PRINCIPAL_BYTES_MAX: usize = 64;

/// The change that a command makes at this stamp.
pub(crate) fn change(stamp_us: u64, principal: &str, body: &Body, record_status: i64) -> RecordChangeRow {
    let principal = cut(principal, PRINCIPAL_BYTES_MAX).to_owned();
    RecordChangeRow { stamp_us, principal, what: name_of(body).to_owned(), record_status }
}

/// A history with a further change; a second change of the same command takes the place of the first.
pub(crate) fn with(mut row: RecordHistoryRow, change: RecordChangeRow) -> RecordHistoryRow {
    row.changes.retain(|other| other.stamp_us != change.stamp_us);
    row.changes.push(change);
    let surplus = row.changes.len().saturating_sub(RECORD_CHANGES_MAX);
    row.changes.drain(..surplus);
    row
}

/// The name of a command that changes records.
fn name_of(body: &Body) -> &'static str {
    match body {
        Body::Request(request) => request.verb.name(),
        Body::ImportBatch(_) => "Import",
        Body::ApplyDoNotCall(_) => "ApplyDoNotCall",
        Body::DoNotCallBatch(_) => "EnterDoNotCall",
        Body::Due(_) => "Due",
        Body::BringUp(_) => "BringUp",
        _ => "the group",
    }
}

#[cfg(test)]
mod tests {
    use outbound::Due;

    use super::*;

    #[test]
    fn a_history_has_the_last_changes_and_one_of_each_command() {
        let body = Body::Due(Due { rows_max: 1 });
        let changes = (1..=60).map(|stamp_us| change(stamp_us, "crm", &body, 1));
        let row = changes.fold(RecordHistoryRow::default(), with);
        let stamps: Vec<u64> = row.changes.iter().map(|change| change.stamp_us).collect();
        assert_eq!(stamps, (11..=60).collect::<Vec<_>>());
        let again = with(row, change(60, &"\u{e4}".repeat(40), &body, 3));
        let last = again.changes.last().unwrap();
        assert_eq!((again.changes.len(), last.record_status, last.principal.len()), (50, 3, 64));
        assert_eq!(last.what, "Due");
    }
}
