//! Idempotency keys with their replies (spec 6, Exactly once).

use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
    scope::Scope,
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// A used idempotency key.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct IdempotencyRow {
    /// When, microseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub stamp_us: u64,
    /// Hash of the request's content, 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
    /// The encoded reply.
    #[prost(bytes = "vec", tag = "3")]
    pub reply: Vec<u8>,
    /// Position in the order of age.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
}

pub(super) fn encode_key(scope: &Scope, key: &[u8]) -> Encoded {
    scope.encode(KeyBytes::default()).rest(key).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Idempotency(Scope::decode(parts)?, parts.rest().to_vec()))
}

pub(super) fn encode_row(row: &IdempotencyRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<IdempotencyRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let scope = Scope { tenant: "t".to_owned(), principal: "p".to_owned() };
    let row = IdempotencyRow { stamp_us: 5, content: vec![7; 2], reply: vec![1], sequence: 4 };
    vec![sample(
        Key::Idempotency(scope, b"key".to_vec()),
        Row::Idempotency(row),
        "0001740001706b6579",
        "0805120207071a01012004",
    )]
}
