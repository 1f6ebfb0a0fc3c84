//! Progress of the rewrite of phones, one row, from rules version 4 on; none: not begun.

use super::{
    Key,
    bytes::{Encoded, KeyParts, message, put},
    meta::PhonesRow,
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

pub(super) fn encode_key() -> Encoded {
    Encoded::new()
}

pub(super) fn decode_key(_: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Phones)
}

pub(super) fn encode_row(row: &PhonesRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<PhonesRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = PhonesRow { done: false, entry: vec![7], entries_done: true, handle: 5 };
    vec![sample(Key::Phones, Row::Phones(row), "", "12010718012005")]
}
