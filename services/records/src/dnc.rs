//! Do-Not-Call entries: which calls they stop, and how one is made (spec 9).
//!
//! Never marks a record. Called by the verbs.

use crate::{
    canonical_phone,
    event::Event,
    key::{DncScope, DncSubject, Key},
    row::{DncRow, Row},
    rules::LIST_TENANT,
    turn::Turn,
    view::View,
};

/// Whether an entry stops calls to a phone out of a list: one of the list's tenant, or one of the list alone.
pub(crate) fn stops<V: View>(list: u32, phone: &str, turn: &Turn<'_, '_, V>) -> bool {
    let scopes = [DncScope::Tenant(LIST_TENANT.to_owned()), DncScope::List(list)];
    scopes.into_iter().any(|scope| stands(&scope, phone, turn))
}

/// Whether a phone has an entry of this scope.
pub(crate) fn stands<V: View>(scope: &DncScope, phone: &str, turn: &Turn<'_, '_, V>) -> bool {
    turn.overlay.get(&key(scope, phone)).is_some()
}

/// Makes an entry. An entry that is there already keeps its time.
pub(crate) fn enter<V: View>(scope: &DncScope, phone: &str, turn: &mut Turn<'_, '_, V>) {
    if stands(scope, phone, turn) {
        return;
    }
    let row = DncRow { stamp_us: turn.now_us, given: phone.to_owned() };
    turn.overlay.put(key(scope, phone), Row::Dnc(row));
    let list = match scope {
        DncScope::List(dbid) => Some(*dbid),
        DncScope::Tenant(_) => None,
    };
    turn.events.push(Event::DoNotCallEntered { list });
}

fn key(scope: &DncScope, phone: &str) -> Key {
    Key::Dnc(scope.clone(), DncSubject::Phone(canonical_phone(phone)))
}
