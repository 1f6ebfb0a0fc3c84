//! Index: attempts by age, to the encoded key of the row, so that old ones are forgotten in order.

use outbound::Handle;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
    key_by_age::KeyRow,
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// `kind`: 0 phone, 1 customer, 2 chain; a record handed out once has one attempt of a kind.
pub(super) fn encode_key(kind: &u8, stamp_us: &u64, handle: &Handle) -> Encoded {
    KeyBytes::default().u8(*kind).u64(*stamp_us).u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::AttemptByAge { kind: parts.u8()?, stamp_us: parts.u64()?, handle: Handle(parts.u64()?) })
}

pub(super) fn encode_row(row: &KeyRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<KeyRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::AttemptByAge { kind: 1, stamp_us: 5, handle: Handle(15) },
        Row::AttemptByAge(KeyRow { key: vec![7] }),
        "010000000000000005000000000000000f",
        "0a0107",
    )]
}
