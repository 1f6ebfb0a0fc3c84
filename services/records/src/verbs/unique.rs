//! Lists that take a phone once (spec 9, Small print, unique_phone).
//!
//! Never writes. Called by the verbs that add records.

use outbound::Handle;

use super::target::is_open;
use crate::{
    lookup,
    phone::forms_declared,
    tables::{Key, ListRow, RecordRow, Table, phone_prefix, unique_phone},
    turn::Turn,
    view::{Bound, View, pages},
};

/// The record for which a list does not take a record with the same phone, in any form of its number.
pub(super) fn holder<V: View>(record: &RecordRow, list: &ListRow, turn: &Turn<'_, '_, V>) -> Option<Handle> {
    if list.unique_phone == unique_phone::NO {
        return None;
    }
    let holds =
        |other: &RecordRow| other.list == record.list && (list.unique_phone == unique_phone::EVER || is_open(other));
    let forms = forms_of(&record.contact_info, list, turn);
    forms.iter().filter(|form| !form.is_empty()).find_map(|form| first_under(form, holds, turn))
}

/// Every form under which the state may have a phone.
fn forms_of<V: View>(phone: &str, list: &ListRow, turn: &Turn<'_, '_, V>) -> Vec<String> {
    let mut forms = turn.forms_of(phone);
    let tenant = turn.overlay.declared().tenant(&list.tenant);
    for form in forms.first().map(|form| forms_declared(form, tenant)).unwrap_or_default() {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// The first record under a form that holds the phone. Reads past the overlay's cache: an import looks up each phone once.
fn first_under<V: View>(form: &str, holds: impl Fn(&RecordRow) -> bool, turn: &Turn<'_, '_, V>) -> Option<Handle> {
    let view = turn.overlay.uncached();
    let prefix = phone_prefix(form);
    let mut rows = pages(&view, Bound { table: Table::RecordByPhone, from: prefix.clone(), prefix });
    rows.find_map(|(key, _)| match key {
        Key::RecordByPhone { handle, .. } => lookup::record(&view, handle).filter(&holds).map(|_| handle),
        _ => None,
    })
}
