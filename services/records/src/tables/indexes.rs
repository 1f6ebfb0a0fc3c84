//! The rows of the indexes: each is derived from a row of the state, never covered by the digest, and never kept without its row.
//!
//! The phone index alone needs more than the row: the form of a phone is that of a rules version. Called by the rules, and by
//! engines that keep an index in memory.

use outbound::{Handle, RequestId};

use super::{
    EmptyRow, IdempotencyRow, Key, KeyRow, ListRow, NumberRow, RecordRow, RequestIdRow, RequestRow, Row, Table,
};

/// The index rows of a row of the state. `form`: the form in which the phone index has a phone (see [`crate::phone_form`]).
///
/// Two requests may have the same content: its row leads to the later one.
pub fn indexes_of(key: &Key, row: &Row, form: impl Fn(&str) -> String) -> Vec<(Key, Row)> {
    match (key, row) {
        (Key::Record(handle), Row::Record(record)) => of_record(*handle, record, form(&record.contact_info)).to_vec(),
        (Key::List(dbid), Row::List(list)) => vec![of_list(*dbid, list)],
        (Key::Idempotency(..), Row::Idempotency(row)) => vec![of_idempotency(key, row)],
        (Key::Request(id), Row::Request(row)) => of_request(*id, row).collect(),
        _ => Vec::new(),
    }
}

/// The index rows of a record: by record_id, by chain, and by a form of its phone.
pub(crate) fn of_record(handle: Handle, record: &RecordRow, phone: String) -> [(Key, Row); 3] {
    let RecordRow { list, record_id, chain_id, chain_n, .. } = *record;
    let number = NumberRow { number: handle.0 };
    [
        (Key::RecordById { list, record_id }, Row::RecordById(number.clone())),
        (Key::RecordByChain { list, chain_id, chain_n }, Row::RecordByChain(number)),
        (Key::RecordByPhone { phone, handle }, Row::RecordByPhone(EmptyRow)),
    ]
}

/// The index row of a list: by name.
pub(crate) fn of_list(dbid: u32, list: &ListRow) -> (Key, Row) {
    (Key::ListByName(list.name.clone()), Row::ListByName(NumberRow { number: dbid.into() }))
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
