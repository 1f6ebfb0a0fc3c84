//! Calling lists in pages, from one state, in the order of their DBID. Called by the reader.

use std::{sync::Arc, vec};

use outbound::{Answer, Cursor, ListInfo, Page, UserField};
use records::{ListCountersRow, ListRow, find_list, list_counters, lists};
use store::StateSnapshot;

/// Lists of one page.
const PAGE: usize = 1_000;

/// The pages of an answer; there is a page even without a list.
pub(super) struct Lists {
    left: vec::IntoIter<(u32, Arc<ListRow>, ListCountersRow)>,
    begun: bool,
}

impl Lists {
    /// The list of that name, or all lists behind the cursor.
    pub(super) fn new(state: &StateSnapshot, name: Option<&str>, after: Option<&Cursor>) -> Self {
        let found: Vec<_> = match name {
            Some(name) => find_list(state, name).into_iter().collect(),
            None => lists(state),
        };
        let last = after.and_then(|cursor| cursor.0.as_slice().try_into().ok()).map(u32::from_be_bytes);
        let left = found.into_iter().filter(|(dbid, _)| last.is_none_or(|last| *dbid > last));
        let with_counters = |(dbid, list): (u32, Arc<ListRow>)| {
            let counters = list_counters(state, dbid, &list);
            (dbid, list, counters)
        };
        let left: Vec<_> = left.map(with_counters).collect();
        Self { left: left.into_iter(), begun: false }
    }
}

impl Iterator for Lists {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        if self.begun && self.left.as_slice().is_empty() {
            return None;
        }
        self.begun = true;
        let rows: Vec<ListInfo> =
            self.left.by_ref().take(PAGE).map(|(dbid, list, counters)| info(dbid, &list, counters)).collect();
        let more = !self.left.as_slice().is_empty();
        let next = rows.last().filter(|_| more).map(|last| Cursor(last.dbid.to_be_bytes().to_vec()));
        Some(Answer::Lists(Page { rows, next }))
    }
}

fn info(dbid: u32, list: &ListRow, counters: ListCountersRow) -> ListInfo {
    ListInfo {
        dbid,
        name: list.name.clone(),
        time_zone: list.time_zone.clone(),
        fields: list.fields.iter().map(UserField::from).collect(),
        records: counters.records,
        next_record_id: counters.next_record_id,
        next_chain_id: counters.next_chain_id,
        deleting: list.deleting,
    }
}
