//! Index: Ready callbacks with a time by this time, personal callbacks apart, with those that are held back. The row is empty,
//! all is in the key.

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

pub(super) fn encode_key(personal: &bool, due_s: &u64, handle: &Handle) -> Encoded {
    KeyBytes::default().u8(u8::from(*personal)).u64(*due_s).u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    let personal = match parts.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Key::CallbackByDue { personal, due_s: parts.u64()?, handle: Handle(parts.u64()?) })
}

/// The prefix of the personal callbacks, or of the others.
pub(crate) fn callback_prefix(personal: bool) -> Vec<u8> {
    vec![u8::from(personal)]
}

pub(super) fn encode_row(_: &EmptyRow, _: &mut Vec<u8>) {}

pub(super) fn decode_row(_: &[u8]) -> Option<EmptyRow> {
    Some(EmptyRow)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::CallbackByDue { personal: true, due_s: 5, handle: Handle(15) },
        Row::CallbackByDue(EmptyRow),
        "010000000000000005000000000000000f",
        "",
    )]
}
