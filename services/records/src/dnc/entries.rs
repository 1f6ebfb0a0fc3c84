//! Do-Not-Call entries: looked up, made, and taken back.
//!
//! An entry taken back leaves a mark for the replay window: a row of the content index that points to the request which took the
//! entry back. Mark and request are forgotten together.

use outbound::{ContentHash, Effect, RULES_WITH_PHONE_FORM, RequestId, content_under};

use super::{subjects::Subjects, tenant_of};
use crate::{
    canonical_phone,
    event::Event,
    phone::is_address,
    tables::{DncRow, DncScope, DncSubject, Key, RequestIdRow, Row, Scope},
    turn::Turn,
    view::View,
};

/// Takes the place of a request's content in the keys of marks; no request has this content.
const TAKEN_BACK: ContentHash = *b"entry taken back";

/// What a request says about its entry, beside scope and subject.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// None: the message of a standing entry stays.
    pub(crate) message: Option<String>,
    /// Where a new entry comes from, for a person.
    pub(crate) source: String,
    /// UTC seconds; none: the entry never expires.
    pub(crate) expires_s: Option<i64>,
}

/// The entry of a scope about a subject.
pub(crate) fn entry<V: View>(scope: &DncScope, about: &Subjects, turn: &Turn<'_, '_, V>) -> Option<DncRow> {
    about.forms().iter().find_map(|subject| of_subject(scope, subject, turn))
}

/// The entry of a scope under one form of a subject.
fn of_subject<V: View>(scope: &DncScope, subject: &DncSubject, turn: &Turn<'_, '_, V>) -> Option<DncRow> {
    if !may_stand(subject, turn) {
        return None;
    }
    match turn.overlay.get(&key(scope, subject)) {
        Some(Row::Dnc(row)) => Some(row).filter(|row| counts(row, turn)),
        _ => None,
    }
}

/// Whether an entry counts: an expired entry counts as absent.
pub(super) fn counts<V: View>(row: &DncRow, turn: &Turn<'_, '_, V>) -> bool {
    row.expires_s.is_none_or(|expires_s| expires_s > turn.now_s())
}

/// Whether an entry about a subject stands in one of these scopes. Reads past the overlay's cache: an import looks up each phone
/// once, and rarely finds an entry. The subject moves from key to key, without a copy.
pub(super) fn stands_in<V: View>(
    scopes: impl IntoIterator<Item = DncScope>,
    mut subject: DncSubject,
    turn: &Turn<'_, '_, V>,
) -> bool {
    if !may_stand(&subject, turn) {
        return false;
    }
    let view = turn.overlay.uncached();
    for scope in scopes {
        let key = Key::Dnc(scope, subject);
        if matches!(view.get(&key), Some(Row::Dnc(row)) if counts(&row, turn)) {
            return true;
        }
        let Key::Dnc(_, again) = key else { return false };
        subject = again;
    }
    false
}

/// Makes an entry under the first form of its subject. A standing entry, under whatever form, keeps its time and source, and
/// stands until the later of both ends: no request shortens an entry. Answers whether the entry is new.
pub(crate) fn enter<V: View>(scope: &DncScope, about: &Subjects, given: Given, turn: &mut Turn<'_, '_, V>) -> bool {
    let standing = entry(scope, about, turn);
    let is_new = standing.is_none();
    let Given { message, source, expires_s } = given;
    let fresh = || DncRow { stamp_us: turn.now_us, given: about.given().to_owned(), source, ..DncRow::default() };
    let mut row = standing.unwrap_or_else(fresh);
    row.message = message.unwrap_or(row.message);
    row.expires_s = if is_new { expires_s } else { row.expires_s.zip(expires_s).map(|(one, other)| one.max(other)) };
    let Some(subject) = about.forms().first().filter(|subject| may_stand(subject, turn)) else { return false };
    turn.overlay.put(key(scope, subject), Row::Dnc(row));
    is_new
}

/// Adds the event of a new entry.
pub(crate) fn tell_entered(scope: &DncScope, events: &mut Vec<Event>) {
    events.push(Event::Effect(Effect::DoNotCallEntered { list: list_of(scope) }));
}

/// Takes an entry back, under all of its forms, for the request of this id. Answers the marks, which the request must remember;
/// empty: there is no entry.
pub(crate) fn remove<V: View>(
    by: RequestId,
    scope: &DncScope,
    about: &Subjects,
    turn: &mut Turn<'_, '_, V>,
) -> Vec<Key> {
    let standing = |subject: &&DncSubject| {
        may_stand(subject, turn) && matches!(turn.overlay.get(&key(scope, subject)), Some(Row::Dnc(_)))
    };
    let entries: Vec<Key> = about.forms().iter().filter(standing).map(|subject| key(scope, subject)).collect();
    if entries.is_empty() {
        return Vec::new();
    }
    entries.into_iter().for_each(|entry| turn.overlay.remove(entry));
    turn.events.push(Event::Effect(Effect::DoNotCallRemoved { list: list_of(scope) }));
    // under every form: rows may be rewritten before a repeat looks them up
    let marks: Vec<Key> = about.forms().iter().map(|subject| mark(&key(scope, subject))).collect();
    for mark in &marks {
        turn.overlay.put(mark.clone(), Row::Content(RequestIdRow::from(by)));
    }
    marks
}

/// Whether an entry of a phone, in one of these scopes, was taken back after `since_us`. The scope of a list stands for the list's
/// tenant too, if that is not the default tenant.
pub(crate) fn was_removed<V: View>(scopes: &[DncScope], phone: &str, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    let of_scope = |scope: &DncScope| match scope {
        DncScope::Tenant(tenant) => was_taken_back(scope, &Subjects::of_phone(phone, tenant, turn), since_us, turn),
        DncScope::Campaign(_) => was_taken_back(scope, &Subjects::of_phone(phone, "", turn), since_us, turn),
        DncScope::List(list) => {
            let tenant = tenant_of(*list, turn);
            let about = Subjects::of_phone(phone, &tenant, turn);
            let of_tenant = Some(DncScope::Tenant(tenant.clone())).filter(|_| !tenant.is_empty());
            let mut scopes = std::iter::once(scope).chain(&of_tenant);
            scopes.any(|scope| was_taken_back(scope, &about, since_us, turn))
        }
    };
    scopes.iter().any(of_scope)
}

/// Whether the entry of a scope about a subject was taken back after `since_us`.
pub(crate) fn was_taken_back<V: View>(
    scope: &DncScope,
    about: &Subjects,
    since_us: u64,
    turn: &Turn<'_, '_, V>,
) -> bool {
    about.forms().iter().any(|subject| {
        let Some(Row::Content(by)) = turn.overlay.get(&mark(&key(scope, subject))) else { return false };
        matches!(turn.overlay.get(&Key::Request((&by).into())), Some(Row::Request(row)) if row.stamp_us > since_us)
    })
}

/// The key of the mark of an entry taken back.
fn mark(entry: &Key) -> Key {
    Key::Content(content_under(&TAKEN_BACK, &entry.encode()), Scope::default())
}

/// Whether an entry may exist under a form: from rules version 3 on, the empty form identifies no phone.
fn may_stand<V: View>(subject: &DncSubject, turn: &Turn<'_, '_, V>) -> bool {
    match subject {
        DncSubject::Phone(form) => !form.is_empty() || turn.version < RULES_WITH_PHONE_FORM,
        DncSubject::Customer(_) => true,
    }
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
        turn.overlay.remove(key(scope, &DncSubject::Phone(stood_under.to_owned())));
    }
    for form in forms.into_iter().filter(|form| !form.is_empty() && form != stood_under) {
        merge(scope, form, entry, turn);
    }
}

/// Merges two entries: the older entry stays and takes over the other message if its own is empty.
fn merge<V: View>(scope: &DncScope, form: String, entry: &DncRow, turn: &mut Turn<'_, '_, V>) {
    let place = key(scope, &DncSubject::Phone(form));
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

fn key(scope: &DncScope, subject: &DncSubject) -> Key {
    Key::Dnc(scope.clone(), subject.clone())
}
