//! Index: Ready records that a pause or a limit holds back, by its end. The row is empty, all is in the key.

use outbound::Handle;

use super::{
    EmptyRow, Key,
    bytes::{Encoded, KeyBytes, KeyParts},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

pub(super) fn encode_key(until_s: &u64, handle: &Handle) -> Encoded {
    KeyBytes::default().u64(*until_s).u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::WaitingUntil { until_s: parts.u64()?, handle: Handle(parts.u64()?) })
}

pub(super) fn encode_row(_: &EmptyRow, _: &mut Vec<u8>) {}

pub(super) fn decode_row(_: &[u8]) -> Option<EmptyRow> {
    Some(EmptyRow)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::WaitingUntil { until_s: 5, handle: Handle(15) },
        Row::WaitingUntil(EmptyRow),
        "0000000000000005000000000000000f",
        "",
    )]
}
