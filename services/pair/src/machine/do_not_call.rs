//! Do-Not-Call entries in pages, from one state: those of one phone, or all in the order of their keys.
//!
//! Holds one page in memory, for any number of entries. Called by the reader.

use outbound::{Answer, Cursor, DoNotCallEntry, Page, RULES_WITH_PHONE_FORM, Refusal, RefusalCode};
use records::{
    DncRow, DncScope, DncSubject, Key, Table, check_number, do_not_call_behind, do_not_call_of, list, rules_version,
};
use store::StateSnapshot;

use super::reader::unknown_cursor;

/// Entries of one page; far below the largest message.
const PAGE: u32 = 1_000;

/// The entries of one phone.
///
/// # Errors
/// A text that is no number any more and has no entry: "not on the list" would be an answer about another phone.
pub(super) fn of_phone(state: &StateSnapshot, phone: &str, entries_max: u64) -> Result<Answer, Refusal> {
    let (forms, found) = do_not_call_of(state, phone);
    if found.is_empty() && rules_version(state) >= RULES_WITH_PHONE_FORM {
        let no_number = |why| Refusal::new(RefusalCode::BadValue, format!("The phone {phone:?} {why}"));
        check_number(phone).map_err(no_number)?;
    }
    let most = usize::try_from(entries_max).unwrap_or(usize::MAX);
    let rows = found.iter().take(most).filter_map(|(key, row)| entry(state, key, row)).collect();
    Ok(Answer::DoNotCall { forms, page: Page { rows, next: None } })
}

/// Every entry, a page at a time; there is a page even without an entry.
pub(super) struct All {
    state: StateSnapshot,
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
        Ok(Self { state, last: after.map(key).transpose()?, left: entries_max, ended: false })
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
        let rows = found.iter().filter_map(|(key, row)| entry(&self.state, key, row)).collect();
        self.last = found.into_iter().next_back().map(|(key, _)| key);
        let next = self.last.as_ref().filter(|_| whole_page).map(|key| Cursor(key.encode().to_vec()));
        Some(Answer::DoNotCall { forms: Vec::new(), page: Page { rows, next } })
    }
}

fn entry(state: &StateSnapshot, key: &Key, row: &DncRow) -> Option<DoNotCallEntry> {
    let Key::Dnc(scope, subject) = key else { return None };
    let (form, customer) = match subject {
        DncSubject::Phone(form) => (form, false),
        DncSubject::Customer(form) => (form, true),
    };
    let list_dbid = match scope {
        DncScope::Tenant(_) | DncScope::Campaign(_) => 0,
        DncScope::List(dbid) => *dbid,
    };
    let name = list(state, list_dbid).filter(|_| list_dbid != 0).map(|list| list.name.clone());
    Some(DoNotCallEntry {
        form: form.clone(),
        given: row.given.clone(),
        since_us: row.stamp_us,
        list_dbid,
        list: name.unwrap_or_default(),
        customer,
        message: row.message.clone(),
    })
}
