//! Do-Not-Call entries in pieces, from one state: those of one phone, or all in the order of their keys.
//!
//! Holds one page in memory, for any number of entries. Called by the reader; the control API sends the pieces.

use ocs_proto::control::{DoNotCallEntries, DoNotCallEntry, DoNotCallRequest};
use outbound::{RULES_WITH_PHONE_FORM, Refusal, RefusalCode};
use records::{
    DncRow, DncScope, DncSubject, Key, check_number, do_not_call_behind, do_not_call_of, list, rules_version,
};
use store::StateSnapshot;

/// Entries of one piece; far below the largest message.
const PAGE: u32 = 1_000;

/// The entries that a request asks for; the first piece comes even without an entry.
///
/// # Errors
/// A text that is no number any more and has no entry: "not on the list" would be an answer about another phone.
pub(super) fn entries(
    state: StateSnapshot,
    request: &DoNotCallRequest,
) -> Result<Box<dyn Iterator<Item = DoNotCallEntries> + Send>, Refusal> {
    let entries_max = if request.entries_max == 0 { u64::MAX } else { request.entries_max };
    if request.phone.is_empty() {
        return Ok(Box::new(All { state, last: None, left: entries_max, ended: false }));
    }
    let (forms, found) = do_not_call_of(&state, &request.phone);
    if found.is_empty() && rules_version(&state) >= RULES_WITH_PHONE_FORM {
        let phone = &request.phone;
        let no_number = |why| Refusal::new(RefusalCode::BadValue, format!("The phone {phone:?} {why}"));
        check_number(phone).map_err(no_number)?;
    }
    let most = usize::try_from(entries_max).unwrap_or(usize::MAX);
    let entries = found.iter().take(most).filter_map(|(key, row)| entry(&state, key, row)).collect();
    Ok(Box::new(std::iter::once(DoNotCallEntries { forms, entries })))
}

/// Every entry, a page at a time.
struct All {
    state: StateSnapshot,
    last: Option<Key>,
    left: u64,
    ended: bool,
}

impl Iterator for All {
    type Item = DoNotCallEntries;

    fn next(&mut self) -> Option<DoNotCallEntries> {
        if self.ended {
            return None;
        }
        let limit = u32::try_from(self.left).unwrap_or(u32::MAX).min(PAGE);
        let rows = do_not_call_behind(&self.state, self.last.as_ref(), limit);
        self.left -= rows.len() as u64;
        self.ended = rows.len() < limit as usize || self.left == 0;
        let entries = rows.iter().filter_map(|(key, row)| entry(&self.state, key, row)).collect();
        self.last = rows.into_iter().next_back().map(|(key, _)| key);
        Some(DoNotCallEntries { forms: Vec::new(), entries })
    }
}

fn entry(state: &StateSnapshot, key: &Key, row: &DncRow) -> Option<DoNotCallEntry> {
    let Key::Dnc(scope, subject) = key else { return None };
    let (form, customer) = match subject {
        DncSubject::Phone(form) => (form, false),
        DncSubject::Customer(form) => (form, true),
    };
    let list_dbid = match scope {
        DncScope::Tenant(_) => 0,
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
