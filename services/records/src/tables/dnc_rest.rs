//! Large DoNotCalls whose records are not all marked yet, by number: the primary goes on with the lowest.

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

/// What is left of a DoNotCall by phone or customer.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DncRestRow {
    /// Encoded key of the entry ([`super::Table::Dnc`]).
    #[prost(bytes = "vec", tag = "1")]
    pub entry: Vec<u8>,
    /// The handle of the last visited record, under the form that the next field numbers.
    #[prost(uint64, tag = "2")]
    pub handle: u64,
    /// Position among the forms of the phone.
    #[prost(uint32, tag = "3")]
    pub form: u32,
    /// Whether the other records of each matching record's chain are marked too.
    #[prost(bool, tag = "4")]
    pub all_chain: bool,
}

pub(super) fn encode_key(number: &u64) -> Encoded {
    KeyBytes::default().u64(*number).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::DncRest(parts.u64()?))
}

pub(super) fn encode_row(row: &DncRestRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<DncRestRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = DncRestRow { entry: vec![7], handle: 5, form: 1, all_chain: true };
    vec![sample(Key::DncRest(3), Row::DncRest(row), "0000000000000003", "0a0107100518012001")]
}
