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

/// The remaining work of a DoNotCall by phone or customer.
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
    /// The forms of the phone; empty: the subject of the entry has one form.
    #[prost(string, repeated, tag = "5")]
    pub forms: Vec<String>,
    /// The handle of the record whose chain is being marked; 0: none.
    #[prost(uint64, tag = "6")]
    pub chain_of: u64,
    /// The next chain_n of that chain.
    #[prost(uint64, tag = "7")]
    pub chain_from: u64,
    /// A DoNotCall on a record: only the record's chain is left.
    #[prost(bool, tag = "8")]
    pub one_record: bool,
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
    let row = DncRestRow {
        entry: vec![7],
        handle: 5,
        form: 1,
        all_chain: true,
        forms: vec!["+1".to_owned()],
        chain_of: 6,
        chain_from: 2,
        one_record: true,
    };
    let bytes = "0a01071005180120012a022b31300638024001";
    vec![sample(Key::DncRest(3), Row::DncRest(row), "0000000000000003", bytes)]
}
