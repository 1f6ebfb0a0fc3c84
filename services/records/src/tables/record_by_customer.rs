//! Index: record by the value of its list's customer field. The row is empty, all is in the key.

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

pub(super) fn encode_key(customer: &str, handle: &Handle) -> Encoded {
    of_customer(customer).u64(handle.0).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::RecordByCustomer { customer: parts.string()?, handle: Handle(parts.u64()?) })
}

/// The prefix of the index entries of a customer.
pub(crate) fn customer_prefix(customer: &str) -> Vec<u8> {
    of_customer(customer).0.into_vec()
}

fn of_customer(customer: &str) -> KeyBytes {
    KeyBytes::default().text(customer.as_bytes())
}

pub(super) fn encode_row(_: &EmptyRow, _: &mut Vec<u8>) {}

pub(super) fn decode_row(_: &[u8]) -> Option<EmptyRow> {
    Some(EmptyRow)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    vec![sample(
        Key::RecordByCustomer { customer: "c7".to_owned(), handle: Handle(15) },
        Row::RecordByCustomer(EmptyRow),
        "00026337000000000000000f",
        "",
    )]
}
