//! A list as rows of a file, in pieces, from one state, in the order of record_id (spec 9).
//!
//! Holds one page in memory, for a list of any length. Called by the reader; the control API sends the pieces.

use std::{collections::VecDeque, sync::Arc};

use ocs_proto::{control::ExportRows, outbound::ImportRow};
use outbound::{Refusal, RefusalCode, Value, key};
use records::{ListRow, export_columns, export_row, records_from, rules_version};
use store::StateSnapshot;

/// Records fetched at a time.
const PAGE: u32 = 256;
/// A piece is closed at this many bytes of text; far below the largest message, even with a long last row.
const PIECE_BYTES: usize = 1 << 20;

/// The pieces of an export; the first carries the columns, and comes for an empty list too.
pub(super) struct Export {
    state: StateSnapshot,
    dbid: u32,
    list: Arc<ListRow>,
    columns: Vec<String>,
    /// The record_id to go on from; none: the list has ended.
    from: Option<u64>,
    page: VecDeque<ImportRow>,
    begun: bool,
}

impl Export {
    /// `columns` empty: all columns of the list.
    pub(super) fn new(
        state: StateSnapshot,
        dbid: u32,
        list: Arc<ListRow>,
        columns: &[String],
    ) -> Result<Self, Refusal> {
        let all = export_columns(&list, rules_version(&state));
        let known = |name: &&String| all.iter().any(|column| column.eq_ignore_ascii_case(name));
        if let Some(unknown) = columns.iter().find(|name| !known(name)) {
            let message = format!("List {:?} has no column {unknown:?}", list.name);
            let refusal = Refusal::new(RefusalCode::BadValue, message);
            return Err(refusal.with(key::CALLING_LIST, Value::text(&list.name)));
        }
        let columns = if columns.is_empty() { all } else { columns.to_vec() };
        Ok(Self { state, dbid, list, columns, from: Some(0), page: VecDeque::new(), begun: false })
    }

    fn row(&mut self) -> Option<ImportRow> {
        if self.page.is_empty() {
            self.fetch();
        }
        self.page.pop_front()
    }

    fn fetch(&mut self) {
        let Some(from) = self.from else { return };
        let rows = records_from(&self.state, self.dbid, from, PAGE);
        let ended = rows.len() < PAGE as usize;
        self.from = rows.last().and_then(|(_, record)| record.record_id.checked_add(1)).filter(|_| !ended);
        let row = |(handle, record)| ImportRow { values: export_row(&self.list, handle, &record, &self.columns) };
        self.page = rows.into_iter().map(row).collect();
    }
}

impl Iterator for Export {
    type Item = ExportRows;

    fn next(&mut self) -> Option<ExportRows> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while bytes < PIECE_BYTES {
            let Some(row) = self.row() else { break };
            bytes += row.values.iter().map(|value| value.len() + 2).sum::<usize>();
            rows.push(row);
        }
        if self.begun && rows.is_empty() {
            return None;
        }
        let columns = if self.begun { Vec::new() } else { self.columns.clone() };
        self.begun = true;
        Some(ExportRows { columns, rows, index: self.state.applied().index })
    }
}
