//! Index: Retrieved records by the time of the last request on them. The row is empty, all is in the key.

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

pub(super) fn encode_key(changed_us: &u64, handle: &Handle) -> Encoded {
    KeyBytes::default().u64(*changed_us).u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::HeldByTime { changed_us: parts.u64()?, handle: Handle(parts.u64()?) })
}

pub(super) fn encode_row(_: &EmptyRow, _: &mut Vec<u8>) {}

pub(super) fn decode_row(_: &[u8]) -> Option<EmptyRow> {
    Some(EmptyRow)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::HeldByTime { changed_us: 5, handle: Handle(15) },
        Row::HeldByTime(EmptyRow),
        "0000000000000005000000000000000f",
        "",
    )]
}
