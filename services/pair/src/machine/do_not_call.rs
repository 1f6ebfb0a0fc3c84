//! Do-Not-Call entries in pages, from one state: those of one phone or customer, or all in the order of their keys.
//!
//! Holds one page in memory, for any number of entries. Called by the reader.

use std::sync::Arc;

use outbound::{Answer, Cursor, DoNotCallEntry, Page, RULES_WITH_PHONE_FORM, Refusal, RefusalCode};
use records::{
    Declared, DncRow, DncScope, DncSubject, Key, Table, check_number, declared, do_not_call_behind, do_not_call_of,
    do_not_call_of_customer, last_stamp_us, list, rules_version,
};
use store::StateSnapshot;

use super::reader::unknown_cursor;
use crate::wall_us;

/// Entries of one page; far below the largest message.
const PAGE: u32 = 1_000;

/// The entries of one phone that count now.
///
/// # Errors
/// A text that is no number any more and has no entry: "not on the list" would be an answer about another phone.
pub(super) fn of_phone(state: &StateSnapshot, phone: &str, entries_max: u64) -> Result<Answer, Refusal> {
    let (forms, found) = do_not_call_of(state, phone);
    if found.is_empty() && rules_version(state) >= RULES_WITH_PHONE_FORM {
        let no_number = |why| Refusal::new(RefusalCode::BadValue, format!("The phone {phone:?} {why}"));
        check_number(phone).map_err(no_number)?;
    }
    Ok(answer(state, forms, &found, entries_max))
}

/// The entries of one customer that count now.
pub(super) fn of_customer(state: &StateSnapshot, customer: &str, entries_max: u64) -> Answer {
    answer(state, vec![customer.trim().to_owned()], &do_not_call_of_customer(state, customer), entries_max)
}

/// The stamp of the next command decides whether an entry still counts: at least that of the last one, and no earlier than now.
fn answer(state: &StateSnapshot, forms: Vec<String>, found: &[(Key, DncRow)], entries_max: u64) -> Answer {
    let now_s = i64::try_from(last_stamp_us(state).max(wall_us()) / 1_000_000).unwrap_or(i64::MAX);
    let most = usize::try_from(entries_max).unwrap_or(usize::MAX);
    let counts = |(_, row): &&(Key, DncRow)| row.expires_s.is_none_or(|expires_s| expires_s > now_s);
    let declared = declared(state);
    let rows = found.iter().filter(counts).take(most);
    let rows = rows.filter_map(|(key, row)| entry(state, &declared, key, row)).collect();
    Answer::DoNotCall { forms, page: Page { rows, next: None } }
}

/// Every entry, a page at a time; there is a page even without an entry.
pub(super) struct All {
    state: StateSnapshot,
    declared: Arc<Declared>,
    last: Option<Key>,
    left: u64,
    ended: bool,
}

impl All {
    /// The entries behind the cursor.
    ///
    /// # Errors
    /// A cursor that no state has given.
    pub(super) fn new(state: StateSnapshot, entries_max: u64, after: Option<&Cursor>) -> Result<Self, Refusal> {
        let key = |cursor: &Cursor| Key::decode(Table::Dnc, &cursor.0).ok_or_else(unknown_cursor);
        let declared = declared(&state);
        Ok(Self { state, declared, last: after.map(key).transpose()?, left: entries_max, ended: false })
    }
}

impl Iterator for All {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        if self.ended {
            return None;
        }
        let limit = u32::try_from(self.left).unwrap_or(u32::MAX).min(PAGE);
        let found = do_not_call_behind(&self.state, self.last.as_ref(), limit);
        self.left -= found.len() as u64;
        let whole_page = found.len() == limit as usize;
        self.ended = !whole_page || self.left == 0;
        let rows = found.iter().filter_map(|(key, row)| entry(&self.state, &self.declared, key, row)).collect();
        self.last = found.into_iter().next_back().map(|(key, _)| key);
        let next = self.last.as_ref().filter(|_| whole_page).map(|key| Cursor(key.encode().to_vec()));
        Some(Answer::DoNotCall { forms: Vec::new(), page: Page { rows, next } })
    }
}

fn entry(state: &StateSnapshot, declared: &Declared, key: &Key, row: &DncRow) -> Option<DoNotCallEntry> {
    let Key::Dnc(scope, subject) = key else { return None };
    let (form, customer) = match subject {
        DncSubject::Phone(form) => (form, false),
        DncSubject::Customer(form) => (form, true),
    };
    let of_subject = DoNotCallEntry {
        form: form.clone(),
        given: row.given.clone(),
        since_us: row.stamp_us,
        customer,
        message: row.message.clone(),
        source: row.source.clone(),
        expires_s: row.expires_s,
        ..DoNotCallEntry::default()
    };
    Some(match scope {
        DncScope::Tenant(tenant) => DoNotCallEntry { tenant: tenant.clone(), ..of_subject },
        DncScope::List(list_dbid) => {
            let name = list(state, *list_dbid).map(|list| list.name.clone()).unwrap_or_default();
            DoNotCallEntry { list_dbid: *list_dbid, list: name, ..of_subject }
        }
        DncScope::Campaign(campaign_dbid) => {
            let name = declared.campaign(*campaign_dbid).map(|campaign| campaign.name.clone()).unwrap_or_default();
            DoNotCallEntry { campaign_dbid: *campaign_dbid, campaign: name, ..of_subject }
        }
    })
}
