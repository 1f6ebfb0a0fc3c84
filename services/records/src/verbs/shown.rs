//! Records as the REST interface shows them: the attributes of `GET`, the record_id, and the version of the row.
//!
//! Only reads. Called by the engine for questions about records, and by PatchRecord for the version.

use std::sync::Arc;

use outbound::{Attributes, Handle, Pairs, RecordName, Refusal, RefusalCode, Request, Resource, Value, Verb, key};
use prost::Message;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    get_record,
    target::{self, Target},
};
use crate::{
    acknowledge::{Acknowledge, int},
    lookup,
    tables::{ListRow, RecordRow},
    view::View,
};

/// The version of a record's row: a hash of its canonical bytes, which every node has alike. Each change has a stamp in the row, so a
/// row that changes back has another version.
pub fn row_version(record: &RecordRow) -> String {
    format!("{:032x}", xxh3_128(&record.encode_to_vec()))
}

/// The list that a client of a tenant means; an empty tenant: the client names none.
///
/// # Errors
/// The refusals of a request on a list: LIST_NOT_FOUND, TENANT_NOT_FOUND, CONFLICT for a list in deletion.
pub fn list_for(view: &impl View, identifier: &str, tenant: &str) -> Result<(u32, Arc<ListRow>), Refusal> {
    target::list(&request(Resource::List(identifier.to_owned()), tenant), view)
}

/// The pairs of the record that a client of a tenant names.
///
/// # Errors
/// The refusals of `GET` on a record, and of its list.
pub fn named_record(view: &impl View, name: &RecordName, tenant: &str) -> Result<Pairs, Refusal> {
    let handle = match name {
        RecordName::Handle(handle) => *handle,
        RecordName::InList { list, record_id } => {
            let (dbid, _) = list_for(view, list, tenant)?;
            let found = lookup::record_by_id(view, dbid, *record_id).map(|(handle, _)| handle);
            found.ok_or_else(|| unknown(list, *record_id))?
        }
    };
    let request = request(Resource::Record(handle), tenant);
    let Target { handle, record, list } = target::record(&request, view, || lookup::rules_version(view))?;
    Ok(record_pairs(view, handle, record, &list))
}

/// The pairs of a record of a list.
pub fn record_pairs(view: &impl View, handle: Handle, record: RecordRow, list: &Arc<ListRow>) -> Pairs {
    let (record_id, version) = (record.record_id, row_version(&record));
    let begun = Acknowledge::of_record().pair(key::RECORD_ID, int(record_id));
    let pairs = get_record::pairs(begun, &Target { handle, record, list: list.clone() }, view);
    pairs.text(key::ROW_VERSION, &version).into_pairs()
}

fn unknown(list: &str, record_id: u64) -> Refusal {
    let message = format!("List {list:?} has no record with record_id {record_id}");
    Refusal::new(RefusalCode::RecordNotFound, message).with(key::CALLING_LIST, Value::text(list))
}

fn request(resource: Resource, tenant: &str) -> Request {
    Request {
        verb: Verb::GetRecord,
        resource,
        attributes: Attributes::default(),
        tenant: tenant.to_owned(),
        principal: String::new(),
        idempotency_key: None,
    }
}
