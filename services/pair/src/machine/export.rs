//! A list as rows of a file, in pages, from one state, in the order of record_id (spec 9).
//!
//! Holds one page in memory, for a list of any length. Called by the reader.

use std::{collections::VecDeque, sync::Arc};

use outbound::{Answer, Cursor, Handle, ImportRow, Page, Refusal, RefusalCode, Value, key};
use records::{ListRow, RecordRow, export_columns, export_row, records_from, rules_version};
use store::StateSnapshot;

use super::reader::unknown_cursor;

/// Records fetched at a time.
const PAGE: u32 = 256;
/// A page of the answer is closed at this many bytes of text; far below the largest message, even with a long last row.
const PAGE_BYTES: usize = 1 << 20;

/// The pages of an export; the first carries the columns, and comes for an empty list too.
pub(super) struct Export {
    state: StateSnapshot,
    dbid: u32,
    list: Arc<ListRow>,
    columns: Vec<String>,
    /// The record_id to go on from; none: the list has ended.
    from: Option<u64>,
    /// Rows that were fetched, with their record_id.
    page: VecDeque<(u64, ImportRow)>,
    begun: bool,
}

impl Export {
    /// `columns` empty: all columns of the list.
    ///
    /// # Errors
    /// An unknown column, or a cursor that no state has given.
    pub(super) fn new(
        state: StateSnapshot,
        dbid: u32,
        list: Arc<ListRow>,
        columns: &[String],
        after: Option<&Cursor>,
    ) -> Result<Self, Refusal> {
        let all = export_columns(&list, rules_version(&state));
        let known = |name: &&String| all.iter().any(|column| column.eq_ignore_ascii_case(name));
        if let Some(unknown) = columns.iter().find(|name| !known(name)) {
            let message = format!("List {:?} has no column {unknown:?}", list.name);
            let refusal = Refusal::new(RefusalCode::BadValue, message);
            return Err(refusal.with(key::CALLING_LIST, Value::text(&list.name)));
        }
        let columns = if columns.is_empty() { all } else { columns.to_vec() };
        let from = |cursor: &Cursor| Some(u64::from_be_bytes(cursor.0.as_slice().try_into().ok()?));
        let from = after.map_or(Some(0), from).ok_or_else(unknown_cursor)?;
        Ok(Self { state, dbid, list, columns, from: Some(from), page: VecDeque::new(), begun: false })
    }

    /// The next row, not taken yet.
    fn peek(&mut self) -> Option<&(u64, ImportRow)> {
        if self.page.is_empty() {
            self.fetch();
        }
        self.page.front()
    }

    fn fetch(&mut self) {
        let Some(from) = self.from else { return };
        let rows = records_from(&self.state, self.dbid, from, PAGE);
        let ended = rows.len() < PAGE as usize;
        self.from = rows.last().and_then(|(_, record)| record.record_id.checked_add(1)).filter(|_| !ended);
        let row = |(handle, record): (Handle, RecordRow)| {
            let values = export_row(&self.list, handle, &record, &self.columns);
            (record.record_id, ImportRow { values })
        };
        self.page = rows.into_iter().map(row).collect();
    }
}

impl Iterator for Export {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while bytes < PAGE_BYTES && self.peek().is_some() {
            let Some((_, row)) = self.page.pop_front() else { break };
            bytes += row.values.iter().map(|value| value.len() + 2).sum::<usize>();
            rows.push(row);
        }
        if self.begun && rows.is_empty() {
            return None;
        }
        let columns = if self.begun { Vec::new() } else { self.columns.clone() };
        self.begun = true;
        let next = self.peek().map(|(record_id, _)| Cursor(record_id.to_be_bytes().to_vec()));
        Some(Answer::Rows { columns, index: self.state.applied().index, page: Page { rows, next } })
    }
}
