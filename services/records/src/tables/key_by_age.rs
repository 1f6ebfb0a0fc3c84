//! Index: idempotency keys by age.

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

/// The encoded key of another row.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct KeyRow {
    /// Without the table's tag.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
}

pub(super) fn encode_key(sequence: &u64) -> Encoded {
    KeyBytes::default().u64(*sequence).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::KeyByAge(parts.u64()?))
}

pub(super) fn encode_row(row: &KeyRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<KeyRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(Key::KeyByAge(4), Row::KeyByAge(KeyRow { key: vec![1, 2] }), "0000000000000004", "0a020102")]
}
