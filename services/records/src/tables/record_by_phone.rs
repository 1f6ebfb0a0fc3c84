//! Index: record by phone in the form of a rules version. The row is empty, all is in the key.

use outbound::Handle;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// A row without content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmptyRow;

pub(super) fn encode_key(phone: &str, handle: &Handle) -> Encoded {
    of_phone(phone).u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::RecordByPhone { phone: parts.string()?, handle: Handle(parts.u64()?) })
}

/// The prefix of the index entries of a phone.
pub(crate) fn phone_prefix(phone: &str) -> Vec<u8> {
    of_phone(phone).0.into_vec()
}

fn of_phone(phone: &str) -> KeyBytes {
    KeyBytes::default().text(phone.as_bytes())
}

pub(super) fn encode_row(_: &EmptyRow, _: &mut Vec<u8>) {}

pub(super) fn decode_row(_: &[u8]) -> Option<EmptyRow> {
    Some(EmptyRow)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::RecordByPhone { phone: "+1".to_owned(), handle: Handle(15) },
        Row::RecordByPhone(EmptyRow),
        "00022b31000000000000000f",
        "",
    )]
}
