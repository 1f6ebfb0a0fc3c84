//! Questions about records, to the wire and back. Only the link carries them.

use ocs_proto::outbound as wire;

use crate::{Cursor, Handle, RecordFilter, RecordName, RecordsBy, RecordsQuery};

/// The name of a record on the wire.
pub fn name_to_wire(name: RecordName) -> wire::RecordName {
    match name {
        RecordName::Handle(handle) => wire::RecordName { handle: handle.0, ..Default::default() },
        RecordName::InList { list, record_id } => wire::RecordName { handle: 0, list, record_id },
    }
}

/// The name of a record from the wire. No record has handle 0.
pub fn name_from_wire(name: wire::RecordName) -> RecordName {
    let wire::RecordName { handle, list, record_id } = name;
    if list.is_empty() { RecordName::Handle(Handle(handle)) } else { RecordName::InList { list, record_id } }
}

/// The list and the conditions of a page on the wire; the message around them has tenant, limit and cursor.
pub fn query_to_wire(query: RecordsQuery) -> wire::RecordsQuery {
    let RecordsQuery { list, by, beside: RecordFilter { statuses, types, results }, .. } = query;
    let by = match by {
        RecordsBy::RecordId => None,
        RecordsBy::Phone(phone) => Some(wire::records_query::By::Phone(phone)),
        RecordsBy::Customer(customer) => Some(wire::records_query::By::Customer(customer)),
        RecordsBy::Chain(chain) => Some(wire::records_query::By::Chain(chain)),
        RecordsBy::DueBefore(at_s) => Some(wire::records_query::By::DueBeforeS(at_s)),
    };
    wire::RecordsQuery { list, by, statuses, types, results }
}

/// A page from the wire; an empty cursor: the first page.
pub fn query_from_wire(query: wire::RecordsQuery, tenant: String, limit: u32, cursor: &[u8]) -> RecordsQuery {
    let wire::RecordsQuery { list, by, statuses, types, results } = query;
    let by = match by {
        None => RecordsBy::RecordId,
        Some(wire::records_query::By::Phone(phone)) => RecordsBy::Phone(phone),
        Some(wire::records_query::By::Customer(customer)) => RecordsBy::Customer(customer),
        Some(wire::records_query::By::Chain(chain)) => RecordsBy::Chain(chain),
        Some(wire::records_query::By::DueBeforeS(at_s)) => RecordsBy::DueBefore(at_s),
    };
    let after = (!cursor.is_empty()).then(|| Cursor(cursor.to_vec()));
    RecordsQuery { list, tenant, by, beside: RecordFilter { statuses, types, results }, limit, after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_about_records_comes_back_from_the_wire() {
        let names = [RecordName::Handle(Handle(7)), RecordName::InList { list: "demo".into(), record_id: 3 }];
        for name in names {
            assert_eq!(name_from_wire(name_to_wire(name.clone())), name);
        }
        let phone = || RecordsBy::Phone("+1".into());
        for by in [
            RecordsBy::RecordId,
            phone(),
            RecordsBy::Customer("c".into()),
            RecordsBy::Chain(0),
            RecordsBy::DueBefore(-1),
        ] {
            let query = RecordsQuery {
                list: "demo".into(),
                tenant: "north".into(),
                by,
                beside: RecordFilter { statuses: vec![1], types: vec![2], results: vec![3, 4] },
                limit: 5,
                after: Some(Cursor(vec![1])),
            };
            assert_eq!(query_from_wire(query_to_wire(query.clone()), "north".into(), 5, &[1]), query);
        }
    }
}
