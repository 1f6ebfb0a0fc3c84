//! The audit in pages, from one state, oldest first; and the history of a record.
//!
//! Holds one page in memory, for any number of rows. A page looks at a bounded number of rows, so that a filter that fits nothing costs
//! no more than another. Called by the reader.

use std::sync::Arc;

use outbound::{Answer, AuditEntry, AuditFilter, Cursor, Handle, Page, RecordChange, Refusal};
use records::{AuditRow, Key, RecordChangeRow, Table, View, audit_from, record_history};
use store::StateSnapshot;

use super::reader::unknown_cursor;

/// Rows that a page looks at.
const PAGE: u32 = 1_000;

/// The wanted rows, a page at a time; there is a page even without a row.
pub(super) struct Audit {
    state: StateSnapshot,
    filter: AuditFilter,
    /// The first encoded key of the next page.
    from: Vec<u8>,
    left: u64,
    ended: bool,
}

impl Audit {
    /// The rows behind the cursor.
    ///
    /// # Errors
    /// A cursor that no state has given.
    pub(super) fn new(
        state: StateSnapshot,
        filter: AuditFilter,
        rows_max: u64,
        after: Option<&Cursor>,
    ) -> Result<Self, Refusal> {
        let first = encoded(&Key::Audit { stamp_us: filter.since_us.unwrap_or(0), number: 0 });
        let from = match after {
            // a cursor of another question may stand before the first wanted row
            Some(cursor) => behind(Key::decode(Table::Audit, &cursor.0).ok_or_else(unknown_cursor)?).max(first),
            None => first,
        };
        Ok(Self { state, filter, from, left: rows_max, ended: false })
    }

    /// Whether a row is behind every wanted row: rows are in the order of their stamps.
    fn is_behind(&self, key: &Key) -> bool {
        let Key::Audit { stamp_us, .. } = key else { return true };
        self.filter.until_us.is_some_and(|until_us| *stamp_us >= until_us)
    }
}

impl Iterator for Audit {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        if self.ended {
            return None;
        }
        let found = audit_from(&self.state, self.from.clone(), PAGE);
        self.ended = found.len() < PAGE as usize;
        let (mut rows, mut last) = (Vec::new(), None);
        for (key, row) in found {
            if self.left == 0 || self.is_behind(&key) {
                self.ended = true;
                break;
            }
            if is_wanted(&self.filter, &row) {
                self.left -= 1;
                rows.extend(entry(&key, Arc::unwrap_or_clone(row)));
            }
            last = Some(key);
        }
        let next = last.as_ref().filter(|_| !self.ended || self.left == 0).map(|key| Cursor(encoded(key)));
        if let Some(last) = last {
            self.from = behind(last);
        }
        self.ended |= self.left == 0;
        Some(Answer::Audit(Page { rows, next }))
    }
}

fn encoded(key: &Key) -> Vec<u8> {
    key.encode().into_vec()
}

/// The first key behind this one.
fn behind(key: Key) -> Vec<u8> {
    [encoded(&key).as_slice(), &[0]].concat()
}

fn is_wanted(filter: &AuditFilter, row: &AuditRow) -> bool {
    let is_principals = filter.principal.as_ref().is_none_or(|principal| *principal == row.principal);
    is_principals && filter.what.as_ref().is_none_or(|what| what.eq_ignore_ascii_case(&row.what))
}

fn entry(key: &Key, row: AuditRow) -> Option<AuditEntry> {
    let Key::Audit { stamp_us, number } = *key else { return None };
    let AuditRow { principal, address, what, about, details, outcome, node, acted_us } = row;
    let acted_us = (acted_us != 0).then_some(acted_us);
    Some(AuditEntry { at_us: stamp_us, number, principal, address, what, about, details, outcome, node, acted_us })
}

/// The last changes of a record, oldest first.
pub(super) fn record_changes(state: &impl View, handle: Handle) -> Answer {
    let change = |row: RecordChangeRow| {
        let RecordChangeRow { stamp_us, principal, what, record_status } = row;
        RecordChange { at_us: stamp_us, principal, what, record_status }
    };
    Answer::RecordChanges(record_history(state, handle).changes.into_iter().map(change).collect())
}
