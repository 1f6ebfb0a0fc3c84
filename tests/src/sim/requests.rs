//! The requests of the simulation's clients, and how their replies read.
//!
//! Never knows of nodes. Called by `clients` and `state`.

use ocs_history::{Act, Outcome, Shown};
use outbound::{
    Attributes, Body, Done, Handle, NewList, RefusalCode, Reply, ReplyBody, Request, Resource, Value, Verb, key,
};

use super::campaign;

/// Records that are there from the beginning.
pub(super) const RECORDS_FIRST: u64 = 3;
const LIST: &str = "demo";

/// The list and its first records, then those of the campaign.
pub(super) fn first_commands() -> Vec<Body> {
    let list = NewList { name: LIST.to_owned(), time_zone: "UTC".to_owned(), fields: Vec::new() };
    let record = |at: u64| Body::Request(request(&Act::Add, Handle(0), 1_000_000 + at, None));
    let own = std::iter::once(Body::CreateList(list)).chain((0..RECORDS_FIRST).map(record));
    own.chain(campaign::first_commands()).collect()
}

/// The request of one operation; the same in every attempt.
pub(super) fn request(act: &Act, handle: Handle, operation: u64, idempotency_key: Option<Vec<u8>>) -> Request {
    let mut attributes = Attributes::default();
    attributes.set(key::REFERENCE_ID, Value::Int(operation.cast_signed()));
    let (verb, resource) = match act {
        Act::Add => {
            attributes.set(key::PHONE, Value::text(phone(operation)));
            (Verb::AddRecord, Resource::List(LIST.to_owned()))
        }
        Act::Update { call_result, attempts } => {
            attributes.set(key::CALL_RESULT, Value::Int(*call_result));
            attributes.set(key::ATTEMPTS, Value::Int(*attempts));
            (Verb::UpdateCallCompletionStats, Resource::Record(handle))
        }
        Act::Process { call_result } => {
            attributes.set(key::CALL_RESULT, Value::Int(*call_result));
            (Verb::RecordProcessed, Resource::Record(handle))
        }
        Act::DoNotCall => (Verb::DoNotCall, Resource::Record(handle)),
        Act::Read => (Verb::GetRecord, Resource::Record(handle)),
    };
    Request { verb, resource, attributes, tenant: String::new(), principal: String::new(), idempotency_key }
}

/// The phone that one operation adds, and no other.
pub(super) fn phone(operation: u64) -> String {
    format!("+1555{operation:08}")
}

/// The reply as the checker reads it; none: the outcome stays unknown.
pub(super) fn outcome(act: &Act, reply: &Reply) -> Option<Outcome> {
    match &reply.body {
        ReplyBody::Done(done) if *act == Act::Read => Some(Outcome::Shown(shown(done))),
        ReplyBody::Done(_) => Some(Outcome::Done),
        // an id that was given twice: an earlier attempt under another id may have been applied
        ReplyBody::Refused(refusal) if matches!(refusal.code, RefusalCode::OutcomeUnknown | RefusalCode::Internal) => {
            None
        }
        ReplyBody::Refused(refusal) => Some(Outcome::Refused(refusal.code.word().to_owned())),
        ReplyBody::Imported(_) | ReplyBody::Again => None,
    }
}

/// The attributes of a record that operations change.
pub(super) fn shown(done: &Done) -> Shown {
    let int = |name: &str| match done.attributes.iter().find(|(key, _)| key == name) {
        Some((_, Value::Int(number))) => *number,
        _ => -1,
    };
    Shown {
        status: int(key::RECORD_STATUS),
        kind: int(key::RECORD_TYPE),
        call_result: int(key::CALL_RESULT),
        attempts: int(key::ATTEMPTS),
    }
}

/// The handle that an AddRecord was given.
pub(super) fn added(reply: &Reply) -> Option<Handle> {
    let ReplyBody::Done(done) = &reply.body else { return None };
    match done.attributes.iter().find(|(name, _)| name == key::RECORD_HANDLE) {
        Some((_, Value::Int(number))) => Some(Handle(number.unsigned_abs())),
        _ => None,
    }
}
