//! Index: record by list and record_id.

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
    number::NumberRow,
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

pub(super) fn encode_key(list: &u32, record_id: &u64) -> Encoded {
    KeyBytes::default().u32(*list).u64(*record_id).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::RecordById { list: parts.u32()?, record_id: parts.u64()? })
}

pub(super) fn encode_row(row: &NumberRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<NumberRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::RecordById { list: 101, record_id: 7 },
        Row::RecordById(NumberRow { number: 15 }),
        "000000650000000000000007",
        "080f",
    )]
}
