//! Do-Not-Call entries: which calls they stop, how one is made, and how a record is marked that they stop (spec 9).
//!
//! Called by the verbs.

use outbound::{RULES_WITH_PHONE_FORM, call_result, record_status, record_type};

use crate::{
    canonical_phone,
    event::Event,
    key::{DncScope, DncSubject, Key},
    phone::is_address,
    row::{DncRow, RecordRow, Row},
    rules::LIST_TENANT,
    turn::Turn,
    view::View,
};

/// Whether an entry stops calls to a phone out of a list: one of the list's tenant, or one of the list alone.
pub(crate) fn stops<V: View>(list: u32, phone: &str, turn: &Turn<'_, '_, V>) -> bool {
    let forms = turn.forms_of(phone);
    let scopes = [DncScope::Tenant(LIST_TENANT.to_owned()), DncScope::List(list)];
    scopes.into_iter().any(|scope| stands_under(&scope, &forms, turn))
}

/// Whether a phone has an entry of this scope.
pub(crate) fn stands<V: View>(scope: &DncScope, phone: &str, turn: &Turn<'_, '_, V>) -> bool {
    stands_under(scope, &turn.forms_of(phone), turn)
}

/// A look that is not remembered: an import looks for every row once, and hardly ever finds an entry.
fn stands_under<V: View>(scope: &DncScope, forms: &[String], turn: &Turn<'_, '_, V>) -> bool {
    let view = turn.overlay.uncached();
    let may_stand = forms.iter().filter(|form| may_stand(form, turn));
    may_stand.map(|form| key(scope, form.clone())).any(|key| view.get(&key).is_some())
}

/// The entry of a scope under one form of a phone.
fn of_form<V: View>(scope: &DncScope, form: String, turn: &Turn<'_, '_, V>) -> Option<DncRow> {
    if !may_stand(&form, turn) {
        return None;
    }
    match turn.overlay.get(&key(scope, form)) {
        Some(Row::Dnc(row)) => Some(row),
        _ => None,
    }
}

/// Makes an entry under the form of the command's rules version. An entry that is there already keeps its time, under whichever form.
pub(crate) fn enter<V: View>(scope: &DncScope, phone: &str, turn: &mut Turn<'_, '_, V>) {
    let forms = turn.forms_of(phone);
    let standing = forms.iter().find_map(|form| of_form(scope, form.clone(), turn));
    let is_new = standing.is_none();
    let row = standing.unwrap_or_else(|| DncRow { stamp_us: turn.now_us, given: phone.to_owned() });
    let Some(form) = forms.into_iter().next().filter(|form| may_stand(form, turn)) else { return };
    turn.overlay.put(key(scope, form), Row::Dnc(row));
    if is_new {
        turn.events.push(Event::DoNotCallEntered { list: list_of(scope) });
    }
}

/// Takes an entry back, under whichever form it stands; whether there was one.
pub(crate) fn remove<V: View>(scope: &DncScope, phone: &str, turn: &mut Turn<'_, '_, V>) -> bool {
    let forms = turn.forms_of(phone);
    let standing: Vec<String> = forms.into_iter().filter(|form| of_form(scope, form.clone(), turn).is_some()).collect();
    let was_there = !standing.is_empty();
    for form in standing {
        turn.overlay.remove(key(scope, form));
    }
    if was_there {
        turn.events.push(Event::DoNotCallRemoved { list: list_of(scope) });
    }
    was_there
}

/// Whether an entry may stand under a form: from rules version 3 on the empty one says nothing of a phone.
fn may_stand<V: View>(form: &str, turn: &Turn<'_, '_, V>) -> bool {
    !form.is_empty() || turn.version < RULES_WITH_PHONE_FORM
}

fn list_of(scope: &DncScope) -> Option<u32> {
    match scope {
        DncScope::List(dbid) => Some(*dbid),
        DncScope::Tenant(_) => None,
    }
}

/// Brings an entry from the first form to the canonical one. The first form may be that of several phones, of which the entry names the
/// one that was entered first: the form itself keeps its entry too, so that calls stopped before stay stopped.
pub(crate) fn rewrite<V: View>(scope: &DncScope, stood_under: &str, entry: &DncRow, turn: &mut Turn<'_, '_, V>) {
    let mut forms = vec![canonical_phone(&entry.given)];
    if !is_address(&entry.given) {
        forms.push(canonical_phone(stood_under));
    }
    if !forms.iter().any(|form| form == stood_under) {
        turn.overlay.remove(key(scope, stood_under.to_owned()));
    }
    for form in forms.into_iter().filter(|form| !form.is_empty() && form != stood_under) {
        merge(scope, form, entry, turn);
    }
}

/// Of two entries that become one the older stays.
fn merge<V: View>(scope: &DncScope, form: String, entry: &DncRow, turn: &mut Turn<'_, '_, V>) {
    let place = key(scope, form);
    let older = match turn.overlay.get(&place) {
        Some(Row::Dnc(there)) if there.stamp_us <= entry.stamp_us => there,
        _ => entry.clone(),
    };
    turn.overlay.put(place, Row::Dnc(older));
}

/// A record that is not to be called any more.
pub(crate) fn marked(record: RecordRow) -> RecordRow {
    RecordRow {
        record_type: record_type::NO_CALL,
        record_status: record_status::UPDATED,
        call_result: call_result::DO_NOT_CALL,
        ..record
    }
}

fn key(scope: &DncScope, form: String) -> Key {
    Key::Dnc(scope.clone(), DncSubject::Phone(form))
}
