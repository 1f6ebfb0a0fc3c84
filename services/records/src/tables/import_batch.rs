//! Applied import batches.
//!
//! Ordered by the last row: a single ordered read gives the batches that end at or after a row.

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

/// An applied import batch; its key has its row numbers.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ImportBatchRow {
    /// When, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// The encoded reply.
    #[prost(bytes = "vec", tag = "2")]
    pub reply: Vec<u8>,
}

pub(super) fn encode_key(list: &u32, import_id: &[u8], last_row: &u64, first_row: &u64) -> Encoded {
    of_import(*list, import_id).u64(*last_row).u64(*first_row).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    let (list, import_id) = (parts.u32()?, parts.text()?.to_vec());
    Some(Key::ImportBatch { list, import_id, last_row: parts.u64()?, first_row: parts.u64()? })
}

/// The prefix of the batches of an import.
pub(crate) fn import_prefix(list: u32, import_id: &[u8]) -> Vec<u8> {
    of_import(list, import_id).0.into_vec()
}

fn of_import(list: u32, import_id: &[u8]) -> KeyBytes {
    KeyBytes::default().u32(list).text(import_id)
}

pub(super) fn encode_row(row: &ImportBatchRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<ImportBatchRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = ImportBatchRow { stamp_us: 5, reply: vec![1] };
    vec![sample(
        Key::ImportBatch { list: 101, import_id: vec![7; 3], last_row: 500, first_row: 1 },
        Row::ImportBatch(row),
        "00000065000307070700000000000001f40000000000000001",
        "0805120101",
    )]
}
