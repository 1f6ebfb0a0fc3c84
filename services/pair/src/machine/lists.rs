//! Calling lists in pages, from one state, in the order of their DBID. Called by the reader.

use std::{sync::Arc, vec};

use outbound::{Answer, Cursor, ListInfo, Page, UserField, declaration::DeclaredPair};
use records::{
    Key, ListCountersRow, ListRow, Row, SentColumnRow, View, WindowsRow, find_list, list_counters, lists, unique_phone,
};
use store::StateSnapshot;

/// Lists of one page.
const PAGE: usize = 1_000;

/// The pages of an answer; there is a page even without a list.
pub(super) struct Lists {
    left: vec::IntoIter<(u32, Arc<ListRow>, ListCountersRow, Arc<WindowsRow>)>,
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
        let with_rows = |(dbid, list): (u32, Arc<ListRow>)| {
            let counters = list_counters(state, dbid, &list);
            (dbid, list, counters, windows(state, dbid))
        };
        let left: Vec<_> = left.map(with_rows).collect();
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
        let of_page = self.left.by_ref().take(PAGE);
        let rows: Vec<ListInfo> =
            of_page.map(|(dbid, list, counters, windows)| info(dbid, &list, counters, &windows)).collect();
        let more = !self.left.as_slice().is_empty();
        let next = rows.last().filter(|_| more).map(|last| Cursor(last.dbid.to_be_bytes().to_vec()));
        Some(Answer::Lists(Page { rows, next }))
    }
}

/// The windows of a list; a state before rules version 5 has none.
fn windows(state: &impl View, dbid: u32) -> Arc<WindowsRow> {
    match state.get(&Key::Windows(dbid)) {
        Some(Row::Windows(row)) => row,
        _ => Arc::default(),
    }
}

fn info(dbid: u32, list: &ListRow, counters: ListCountersRow, windows: &WindowsRow) -> ListInfo {
    let pair = |sent: &SentColumnRow| DeclaredPair { key: sent.column.clone(), value: sent.key.clone() };
    let number = |windows: usize| u32::try_from(windows).unwrap_or(u32::MAX);
    ListInfo {
        dbid,
        name: list.name.clone(),
        time_zone: list.time_zone.clone(),
        fields: list.fields.iter().map(UserField::from).collect(),
        records: counters.records,
        next_record_id: counters.next_record_id,
        next_chain_id: counters.next_chain_id,
        deleting: list.deleting,
        tenant: list.tenant.clone(),
        customer_id: list.customer_column.clone(),
        treatments: list.treatments.clone(),
        calendar: list.calendar.clone(),
        attempts_max: list.attempts_max,
        unique_phone: unique_phone_word(list.unique_phone),
        refuses_unknown_keys: list.refuses_unknown_keys,
        zone_by_phone: list.zone_by_phone,
        callbacks_any_time: list.callbacks_any_time,
        keeps_history: list.keeps_history,
        send_attributes: list.send_attributes.iter().map(pair).collect(),
        windows: number(windows.windows.len()),
        windows_never_open: number(windows.windows.iter().filter(|window| window.from == window.till).count()),
    }
}

const fn unique_phone_word(number: u32) -> &'static str {
    match number {
        unique_phone::OPEN => "open",
        unique_phone::EVER => "ever",
        _ => "no",
    }
}
