//! Do-Not-Call entries: the calls that an entry stops, the making and taking back of an entry, the marking of a stopped record
//! (spec 9, Do-Not-Call).
//!
//! An entry taken back leaves a mark for the replay window: a row of the content index that points to the request which took the
//! entry back. Mark and request are forgotten together.
//!
//! Called by the verbs.

use outbound::{
    ContentHash, Effect, RULES_WITH_PHONE_FORM, RequestId, call_result, content_under, record_status, record_type,
};

use crate::{
    canonical_phone,
    event::Event,
    phone::is_address,
    rules::LIST_TENANT,
    tables::{DncRow, DncScope, DncSubject, Key, ListRow, RecordRow, RequestIdRow, Row, Scope},
    turn::Turn,
    view::View,
};

/// Takes the place of a request's content in the keys of marks; no request has this content.
const TAKEN_BACK: ContentHash = *b"entry taken back";

/// Whether an entry of the list's tenant, or of the list alone, stops calls to a phone out of a list.
pub(crate) fn stops<V: View>(list: u32, phone: &str, turn: &Turn<'_, '_, V>) -> bool {
    let forms = turn.forms_of(phone);
    scopes_of(list).iter().any(|scope| stands_under(scope, &forms, turn))
}

/// Whether an entry about a record's phone or customer stops calls to it: of its list's tenant, of its list, or of `campaign`. From
/// rules version 5 on.
pub(crate) fn stops_record<V: View>(
    record: &RecordRow,
    list: &ListRow,
    campaign: Option<u32>,
    turn: &Turn<'_, '_, V>,
) -> bool {
    let _ = (list, campaign); // STUB
    stops(record.list, &record.contact_info, turn)
}

/// The scopes whose entries stop calls out of a list.
pub(crate) fn scopes_of(list: u32) -> [DncScope; 2] {
    [DncScope::Tenant(LIST_TENANT.to_owned()), DncScope::List(list)]
}

/// The entry of a phone in a scope.
pub(crate) fn entry<V: View>(scope: &DncScope, phone: &str, turn: &Turn<'_, '_, V>) -> Option<DncRow> {
    turn.forms_of(phone).into_iter().find_map(|form| of_form(scope, form, turn))
}

/// Whether an entry of a phone, in one of these scopes, was taken back after `since_us`.
pub(crate) fn was_removed<V: View>(scopes: &[DncScope], phone: &str, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    let forms = turn.forms_of(phone);
    let is_later = |entry: Key| {
        let Some(Row::Content(by)) = turn.overlay.get(&mark(&entry)) else { return false };
        matches!(turn.overlay.get(&Key::Request((&by).into())), Some(Row::Request(row)) if row.stamp_us > since_us)
    };
    scopes.iter().any(|scope| forms.iter().any(|form| is_later(key(scope, form.clone()))))
}

/// The key of the mark of an entry taken back.
fn mark(entry: &Key) -> Key {
    Key::Content(content_under(&TAKEN_BACK, &entry.encode()), Scope::default())
}

/// Whether an entry exists under one of these forms. Reads past the overlay's cache: an import looks up each phone once, and
/// rarely finds an entry.
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

/// Makes an entry under the form of the command's rules version. An existing entry, under either form, keeps its time, and
/// without a new message also its message.
pub(crate) fn enter<V: View>(scope: &DncScope, phone: &str, message: Option<String>, turn: &mut Turn<'_, '_, V>) {
    let forms = turn.forms_of(phone);
    let standing = forms.iter().find_map(|form| of_form(scope, form.clone(), turn));
    let is_new = standing.is_none();
    let fresh = || DncRow { stamp_us: turn.now_us, given: phone.to_owned(), ..DncRow::default() };
    let mut row = standing.unwrap_or_else(fresh);
    row.message = message.unwrap_or(row.message);
    let Some(form) = forms.into_iter().next().filter(|form| may_stand(form, turn)) else { return };
    turn.overlay.put(key(scope, form), Row::Dnc(row));
    if is_new {
        turn.events.push(Event::Effect(Effect::DoNotCallEntered { list: list_of(scope) }));
    }
}

/// Takes an entry back, under all of its forms, for the request of this id. Answers the marks, which the request must remember;
/// empty: the phone has no entry.
pub(crate) fn remove<V: View>(by: RequestId, scope: &DncScope, phone: &str, turn: &mut Turn<'_, '_, V>) -> Vec<Key> {
    let forms = turn.forms_of(phone);
    let standing = |form: &String| of_form(scope, form.clone(), turn).map(|_| key(scope, form.clone()));
    let entries: Vec<Key> = forms.iter().filter_map(standing).collect();
    if entries.is_empty() {
        return Vec::new();
    }
    entries.into_iter().for_each(|entry| turn.overlay.remove(entry));
    turn.events.push(Event::Effect(Effect::DoNotCallRemoved { list: list_of(scope) }));
    // under every form: rows may be rewritten before a repeat looks them up
    let marks: Vec<Key> = forms.into_iter().map(|form| mark(&key(scope, form))).collect();
    for mark in &marks {
        turn.overlay.put(mark.clone(), Row::Content(RequestIdRow::from(by)));
    }
    marks
}

/// Whether an entry may exist under a form: from rules version 3 on, the empty form identifies no phone.
fn may_stand<V: View>(form: &str, turn: &Turn<'_, '_, V>) -> bool {
    !form.is_empty() || turn.version < RULES_WITH_PHONE_FORM
}

fn list_of(scope: &DncScope) -> Option<u32> {
    match scope {
        DncScope::List(dbid) => Some(*dbid),
        DncScope::Tenant(_) | DncScope::Campaign(_) => None,
    }
}

/// Rewrites an entry from the first form to the canonical form. Several phones may share a first form, and the entry gives only
/// the phone entered first: the form itself keeps an entry too, so that calls stopped before stay stopped.
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

/// Merges two entries: the older entry stays and takes over the other message if its own is empty.
fn merge<V: View>(scope: &DncScope, form: String, entry: &DncRow, turn: &mut Turn<'_, '_, V>) {
    let place = key(scope, form);
    let (mut older, other) = match turn.overlay.get(&place) {
        Some(Row::Dnc(there)) if there.stamp_us <= entry.stamp_us => (there, entry.clone()),
        Some(Row::Dnc(there)) => (entry.clone(), there),
        _ => (entry.clone(), DncRow::default()),
    };
    if older.message.is_empty() {
        older.message = other.message;
    }
    turn.overlay.put(place, Row::Dnc(older));
}

/// A record with the marks of Do-Not-Call.
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
