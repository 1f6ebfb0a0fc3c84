//! Floors of request ids, a row for each node and kind of id, from rules version 4 on.

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
    meta::FloorRow,
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

pub(super) fn encode_key(node: &u32, with_token: &bool) -> Encoded {
    KeyBytes::default().u32(*node).u8((*with_token).into()).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    let (node, with_token) = (parts.u32()?, parts.u8()?);
    (with_token <= 1).then_some(Key::Floor { node, with_token: with_token == 1 })
}

pub(super) fn encode_row(row: &FloorRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<FloorRow> {
    message(bytes)
}

/// The floors of the sample of `Meta`: further floors would hide requests of the suite from an engine.
#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let without = FloorRow { node: 1, incarnation: 2, counter: 3, oldest_stamp_us: 4, ..FloorRow::default() };
    let with = FloorRow { node: 2, incarnation: 1, counter: 8, token_high: 1, token_low: 2, ..FloorRow::default() };
    vec![
        sample(Key::Floor { node: 1, with_token: false }, Row::Floor(without), "0000000100", "0801100218032004"),
        sample(
            Key::Floor { node: 2, with_token: true },
            Row::Floor(with),
            "0000000201",
            "080210011808290100000000000000310200000000000000",
        ),
    ]
}
