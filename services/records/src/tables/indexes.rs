//! The rows of the indexes: each is derived from a row of the state, never covered by the digest, and never kept without its row.
//!
//! The phone index alone needs more than the row: the form of a phone is that of a rules version. Called by the rules, and by
//! engines that keep an index in memory.

use outbound::{Handle, RequestId, record_status};
use smallvec::SmallVec;

use super::{
    AttemptSubject, Class, EmptyRow, IdempotencyRow, Key, KeyRow, ListRow, NumberRow, RecordRow, RequestIdRow,
    RequestRow, Row, Table, dialable,
};

/// The index rows of a record.
pub(crate) type IndexRows = SmallVec<[(Key, Row); 6]>;

/// The index rows of a row of the state. `form`: the form in which the phone index has a phone (see [`crate::phone_form`]).
///
/// Two requests may have the same content: its row leads to the later one.
pub fn indexes_of(key: &Key, row: &Row, form: impl Fn(&str) -> String) -> Vec<(Key, Row)> {
    match (key, row) {
        (Key::Record(handle), Row::Record(record)) => of_record(*handle, record, form(&record.contact_info)).to_vec(),
        (Key::List(dbid), Row::List(list)) => vec![of_list(*dbid, list)],
        (Key::Idempotency(..), Row::Idempotency(row)) => vec![of_idempotency(key, row)],
        (Key::Request(id), Row::Request(row)) => of_request(*id, row).collect(),
        (Key::Attempt { subject, stamp_us, handle }, _) => vec![of_attempt(key, subject, *stamp_us, *handle)],
        _ => Vec::new(),
    }
}

/// The index rows of a record: by record_id, by chain, by a form of its phone, by its customer, and those of dialling.
pub(crate) fn of_record(handle: Handle, record: &RecordRow, phone: String) -> IndexRows {
    let RecordRow { list, record_id, chain_id, chain_n, .. } = *record;
    let number = NumberRow { number: handle.0 };
    let mut rows = IndexRows::new();
    rows.push((Key::RecordById { list, record_id }, Row::RecordById(number.clone())));
    rows.push((Key::RecordByChain { list, chain_id, chain_n }, Row::RecordByChain(number)));
    rows.push((Key::RecordByPhone { phone, handle }, Row::RecordByPhone(EmptyRow)));
    rows.extend(of_customer(handle, record));
    rows.extend(of_dialling(handle, record));
    rows
}

/// The index row of a record's customer.
pub(crate) fn of_customer(handle: Handle, record: &RecordRow) -> Option<(Key, Row)> {
    let customer = (!record.customer.is_empty()).then(|| record.customer.clone())?;
    Some((Key::RecordByCustomer { customer, handle }, Row::RecordByCustomer(EmptyRow)))
}

/// The index rows for the hand-out, the hold and the due times of a record; nearly every request on a record changes them.
pub(crate) fn of_dialling(handle: Handle, record: &RecordRow) -> SmallVec<[(Key, Row); 2]> {
    let mut rows = SmallVec::new();
    match record.record_status {
        record_status::READY => {
            rows.extend(dialable::key_of(handle, record).map(|key| (key, Row::Dialable(EmptyRow))));
            let class = Class::of(record);
            if let Some(until_s) = record.not_before_s.filter(|_| class.is_some() && !record.waits) {
                let until_s = until_s.max(0).unsigned_abs();
                rows.push((Key::WaitingUntil { until_s, handle }, Row::WaitingUntil(EmptyRow)));
            }
            // without a time nothing was promised, so no time is overdue or expires
            if let (Some(Class::Personal(_) | Class::Callback), Some(_)) = (&class, record.dial_sched_time) {
                let personal = matches!(class, Some(Class::Personal(_)));
                let due_s = dialable::due_s(record);
                rows.push((Key::CallbackByDue { personal, due_s, handle }, Row::CallbackByDue(EmptyRow)));
            }
        }
        record_status::RETRIEVED if record.held_since_us != 0 => {
            let RecordRow { held_since_us, changed_us, .. } = *record;
            rows.push((Key::HeldByTime { changed_us, handle }, Row::HeldByTime(EmptyRow)));
            if let Some(group) = record.group_id.and_then(|group| u32::try_from(group).ok()) {
                let agent = record.agent_id.clone();
                rows.push((Key::HeldByGroup { group, agent, held_since_us, handle }, Row::HeldByGroup(EmptyRow)));
            }
        }
        _ => {}
    }
    rows
}

/// The index row of a list: by name.
pub(crate) fn of_list(dbid: u32, list: &ListRow) -> (Key, Row) {
    (Key::ListByName(list.name.clone()), Row::ListByName(NumberRow { number: dbid.into() }))
}

/// The index row of an attempt: by age.
pub(crate) fn of_attempt(key: &Key, subject: &AttemptSubject, stamp_us: u64, handle: Handle) -> (Key, Row) {
    let kind = match subject {
        AttemptSubject::Phone(..) => 0,
        AttemptSubject::Customer(..) => 1,
        AttemptSubject::Chain(..) => 2,
    };
    (Key::AttemptByAge { kind, stamp_us, handle }, Row::AttemptByAge(KeyRow { key: key.encode().into_vec() }))
}

/// The index row of an idempotency key: by age.
pub(crate) fn of_idempotency(key: &Key, row: &IdempotencyRow) -> (Key, Row) {
    (Key::KeyByAge(row.sequence), Row::KeyByAge(KeyRow { key: key.encode().into_vec() }))
}

/// The index rows of a request: by content.
pub(crate) fn of_request(id: RequestId, row: &RequestRow) -> impl Iterator<Item = (Key, Row)> {
    let contents = row.contents.iter().filter_map(|content| Key::decode(Table::Content, content));
    contents.map(move |content| (content, Row::Content(RequestIdRow::from(id))))
}
