//! Progress of bringing records up to rules version 5 and to changed customer fields, one row; none: not begun.

use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyParts, message, put},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// The progress of bringing up.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BringUpRow {
    /// Every record has been visited: previews are answered.
    #[prost(bool, tag = "1")]
    pub done: bool,
    /// Handle of the last visited record.
    #[prost(uint64, tag = "2")]
    pub handle: u64,
    /// Lists whose customer field has changed, in the order of the changes: their requests by customer are refused.
    #[prost(message, repeated, tag = "3")]
    pub customers: Vec<CustomersRow>,
}

/// A list whose records get the values of another customer field.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CustomersRow {
    /// DBID.
    #[prost(uint32, tag = "1")]
    pub list: u32,
    /// The next record_id to visit.
    #[prost(uint64, tag = "2")]
    pub record_id: u64,
}

pub(super) fn encode_key() -> Encoded {
    Encoded::new()
}

pub(super) fn decode_key(_: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::BringUp)
}

pub(super) fn encode_row(row: &BringUpRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<BringUpRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = BringUpRow { done: false, handle: 5, customers: vec![CustomersRow { list: 101, record_id: 7 }] };
    vec![sample(Key::BringUp, Row::BringUp(row), "", "10051a0408651007")]
}
