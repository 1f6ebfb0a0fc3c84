//! Index: list by name.

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

pub(super) fn encode_key(name: &str) -> Encoded {
    KeyBytes::default().rest(name.as_bytes()).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::ListByName(parts.rest_string()?))
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
        Key::ListByName("CallingList1".to_owned()),
        Row::ListByName(NumberRow { number: 101 }),
        "43616c6c696e674c69737431",
        "0865",
    )]
}
