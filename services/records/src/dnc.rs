//! Do-Not-Call entries: which calls they stop, how one is made, and how a record is marked that they stop (spec 9).
//!
//! Called by the verbs.

use outbound::{call_result, record_status, record_type};

use crate::{
    canonical_phone,
    event::Event,
    key::{DncScope, DncSubject, Key},
    row::{DncRow, RecordRow, Row},
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

/// A record that is not to be called any more.
pub(crate) fn marked(record: RecordRow) -> RecordRow {
    RecordRow {
        record_type: record_type::NO_CALL,
        record_status: record_status::UPDATED,
        call_result: call_result::DO_NOT_CALL,
        ..record
    }
}

fn key(scope: &DncScope, phone: &str) -> Key {
    Key::Dnc(scope.clone(), DncSubject::Phone(canonical_phone(phone)))
}
