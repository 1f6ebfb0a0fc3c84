//! The last changes of records by handle, of lists that keep them, from rules version 7 on.

use outbound::Handle;
use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// The last changes of a record, oldest first, at most [`outbound::RECORD_CHANGES_MAX`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RecordHistoryRow {
    /// A command leaves one.
    #[prost(message, repeated, tag = "1")]
    pub changes: Vec<RecordChangeRow>,
}

/// A change of a record.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RecordChangeRow {
    /// Stamp of the command, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The client or the operator, cut to a length; empty: without a name, or the group itself.
    #[prost(string, tag = "2")]
    pub principal: String,
    /// The request, as in `RecordProcessed`, or the command.
    #[prost(string, tag = "3")]
    pub what: String,
    /// The record's status behind the change.
    #[prost(int64, tag = "4")]
    pub record_status: i64,
}

pub(super) fn encode_key(handle: &Handle) -> Encoded {
    KeyBytes::default().u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::RecordHistory(Handle(parts.u64()?)))
}

pub(super) fn encode_row(row: &RecordHistoryRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<RecordHistoryRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let [principal, what] = ["crm", "Due"].map(str::to_owned);
    let change = RecordChangeRow { stamp_us: 5, principal, what, record_status: 3 };
    vec![sample(
        Key::RecordHistory(Handle(15)),
        Row::RecordHistory(RecordHistoryRow { changes: vec![change] }),
        "000000000000000f",
        "0a0e0805120363726d1a034475652003",
    )]
}
